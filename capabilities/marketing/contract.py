"""What others see of marketing: the cart, effects, rules that fired, the quote, and the promotions decision.

All amounts are integer minor units of the cart's currency, rates basis points, weights grams.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from capabilities.kernel.decision import Decision, Effect, FactGroup, FieldKind, Grain, Word, declare
from capabilities.kernel.money import Currency


class Contract(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- the cart ---------------------------------------------------------------------------------------------------


class CartBuyer(Contract):
    """Who buys, as far as promotions care. `order_number` is 1 for the first order."""

    id: str | None = None
    tier: str = "standard"
    tags: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    order_number: int = 1


class CartLine(Contract):
    id: str
    sku: str
    product: str = ""
    category: str = ""
    brand: str = ""
    seller: str = ""
    tags: tuple[str, ...] = ()
    quantity: int = Field(gt=0)
    unit_price_minor: int = Field(ge=0)
    list_price_minor: int | None = Field(default=None, ge=0)
    floor_price_minor: int = Field(default=0, ge=0)
    tax_rate_bps: int = Field(default=0, ge=0)
    weight_g: int = Field(default=0, ge=0)


class CartDelivery(Contract):
    """A delivery method with its price: the offer of kind `delivery` the buyer chose."""

    id: str
    sku: str
    price_minor: int = Field(ge=0)
    tax_rate_bps: int = Field(default=0, ge=0)


class Cart(Contract):
    """Everything a quote is computed from. `at` is aware; `time_zone` names the business's zone for days and hours."""

    business: str
    scenario: str | None = None
    channel: str = "web"
    country: str = "CN"
    currency: Currency
    at: datetime
    time_zone: str = "UTC"
    prices_include_tax: bool = False
    buyer: CartBuyer = CartBuyer()
    coupon_codes: tuple[str, ...] = ()
    payment_method: str = ""
    lines: tuple[CartLine, ...]
    deliveries: tuple[CartDelivery, ...] = ()


# --- effects ----------------------------------------------------------------------------------------------------

_APPLY = {"each": ("on each line", "逐行"), "across": ("across all of them together", "合计分摊")}
_TARGET = {"lines": ("goods", "商品"), "delivery": ("delivery", "运费")}


class PercentOff(Effect):
    """Percent off lines or deliveries. `max_units` limits the units of a line (apply each), `max_minor` the order."""

    kind: Literal["percent_off"] = "percent_off"
    rate_bps: Annotated[
        int, Word("percent", "折扣率", "10 % takes a tenth off", "10% 即打九折", unit="%"), Field(gt=0, le=100_000)
    ]
    apply: Annotated[Literal["each", "across"], Word("applied", "计算方式", choices=_APPLY)] = "each"
    target: Annotated[Literal["lines", "delivery"], Word("on", "作用于", choices=_TARGET)] = "lines"
    max_units: Annotated[int | None, Word("at most units a line", "每行最多件数", unit="pieces"), Field(gt=0)] = None
    max_minor: Annotated[int | None, Word("at most an order", "每单封顶"), Field(ge=0)] = None


class AmountOff(Effect):
    """An amount off: each unit (apply each), or once over all lines, split by their weights (across)."""

    kind: Literal["amount_off"] = "amount_off"
    amount_minor: Annotated[int, Word("amount", "金额"), Field(gt=0)]
    apply: Annotated[
        Literal["each", "across"],
        Word(
            "applied",
            "计算方式",
            choices={"each": ("off each unit", "每件"), "across": ("once, across all of them", "整单一次")},
        ),
    ] = "across"
    target: Annotated[Literal["lines", "delivery"], Word("on", "作用于", choices=_TARGET)] = "lines"
    max_units: Annotated[int | None, Word("at most units a line", "每行最多件数", unit="pieces"), Field(gt=0)] = None
    max_minor: Annotated[int | None, Word("at most an order", "每单封顶"), Field(ge=0)] = None


class SetPrice(Effect):
    """A unit price (or a delivery price); never raises a price."""

    kind: Literal["set_price"] = "set_price"
    price_minor: Annotated[int, Word("price", "价格"), Field(ge=0)]
    target: Annotated[Literal["lines", "delivery"], Word("of", "作用于", choices=_TARGET)] = "lines"
    max_minor: Annotated[int | None, Word("at most an order", "每单封顶"), Field(ge=0)] = None


class FreeDelivery(Effect):
    """Delivery costs nothing."""

    kind: Literal["free_delivery"] = "free_delivery"
    max_minor: Annotated[int | None, Word("at most an order", "每单封顶"), Field(ge=0)] = None


PromotionEffect = Annotated[PercentOff | AmountOff | SetPrice | FreeDelivery, Field(discriminator="kind")]


# --- what rules hand over ---------------------------------------------------------------------------------------


class PricingOptions(Contract):
    """Where systems differ, the rule set declares it; the first of each is the default."""

    percent_of: Literal["current", "initial"] = "current"
    remainder: Literal["largest", "first_lines", "last_line"] = "largest"
    rounding: Literal["half_up", "half_even", "down"] = "half_up"
    rounding_level: Literal["line", "unit", "order"] = "line"
    round_of: Literal["price", "discount"] = "price"
    weights: Literal["net", "gross", "original", "quantity"] = "net"
    exclusive: Literal["wins", "by_priority"] = "wins"
    totals: Literal["running", "original"] = "running"
    tax_rounding: Literal["line", "unit", "order_rate"] = "line"


class GroupMode(StrEnum):
    """How the rules of one group in a stage combine."""

    STACK = "stack"
    BEST = "best"
    FIRST = "first"


class FiredRule(Contract):
    """A rule whose condition held, and where: `line_ids` for line grain, empty for order grain (which means all lines)."""

    rule_id: str
    name: str
    rule_set_id: str = ""
    release_id: str = ""
    grain: Literal["order", "line"] = "order"
    stage: int = 30
    priority: int = 0
    position: int
    group: str = "default"
    mode: GroupMode = GroupMode.STACK
    best_per: Literal["order", "line"] = "order"
    exclusive: Literal["no", "stage", "order"] = "no"
    excludes: tuple[str, ...] = ()
    coupon_code: str | None = None
    effects: tuple[PromotionEffect, ...]
    line_ids: tuple[str, ...] = ()


# --- the quote --------------------------------------------------------------------------------------------------


class Adjustment(Contract):
    """One rule's effect on one line or delivery. `wished` before caps, floor and room; `given` what came off."""

    rule_id: str
    rule_name: str
    rule_set_id: str
    release_id: str
    effect: str
    effect_index: int
    stage: int
    coupon_code: str | None
    base_minor: int
    wished_minor: int
    given_minor: int
    units: int
    capped_by: str | None = None
    """What held it back: `max`, `floor`, `price`, None where all was given."""


class QuoteLine(Contract):
    """A line (or a delivery, `kind`) of a quote: gross − discount = net; tax as the cart's prices include it or not."""

    id: str
    kind: Literal["goods", "delivery"]
    sku: str
    quantity: int
    unit_price_minor: int
    gross_minor: int
    adjustments: tuple[Adjustment, ...]
    discount_minor: int
    net_minor: int
    tax_rate_bps: int
    tax_minor: int
    total_minor: int


class CouponUse(Contract):
    """What became of a code the buyer entered: `applied`, `not_applicable`, `unknown`, `inactive`, `used_up`."""

    code: str
    state: Literal["applied", "not_applicable", "unknown", "inactive", "used_up"]
    reason: str | None = None


class RuleOutcome(Contract):
    """What became of a rule that fired; of one that lost, was held back or had no room also what it would have given."""

    rule_id: str
    rule_name: str
    release_id: str
    stage: int
    outcome: Literal["applied", "capped", "excluded", "lost_in_group", "no_room", "gave_nothing", "no_coupon"]
    """`no_room`: floor price, or the price is already zero. `gave_nothing`: the price is already as low as it asks."""
    by_rule_id: str | None = None
    wished_minor: int = 0
    given_minor: int = 0


class Quote(Contract):
    """A priced cart: goods_gross + delivery − discount (+ tax, where prices do not include it) = total.

    `delivery_minor` is before discounts, `discount_minor` covers goods and deliveries. `content_sha256` covers
    everything but id and times: the same cart and releases give the same hash.
    """

    id: str
    business: str
    currency: Currency
    prices_include_tax: bool
    lines: tuple[QuoteLine, ...]
    goods_gross_minor: int
    discount_minor: int
    delivery_minor: int
    tax_minor: int
    total_minor: int
    coupons: tuple[CouponUse, ...]
    outcomes: tuple[RuleOutcome, ...]
    release_ids: tuple[str, ...]
    algorithm: str
    content_sha256: str
    created_at: datetime
    expires_at: datetime


# --- the decision -----------------------------------------------------------------------------------------------

TIERS = {
    "standard": ("Standard", "普通"),
    "silver": ("Silver", "银卡"),
    "gold": ("Gold", "金卡"),
    "vip": ("VIP", "贵宾"),
}
WEEKDAYS = {
    "1": ("Monday", "周一"),
    "2": ("Tuesday", "周二"),
    "3": ("Wednesday", "周三"),
    "4": ("Thursday", "周四"),
    "5": ("Friday", "周五"),
    "6": ("Saturday", "周六"),
    "7": ("Sunday", "周日"),
}


class OrderFacts(FactGroup):
    """What promotions know of the order, from the state at the beginning of the stage."""

    subtotal_minor: Annotated[
        int,
        Word(
            "order subtotal",
            "订单小计",
            "Goods after the discounts of earlier stages, without delivery",
            "前面阶段优惠后的商品金额，不含运费",
            synonyms=("spend", "basket value", "满"),
        ),
    ]
    subtotal_with_tax_minor: Annotated[
        int,
        Word(
            "order subtotal with tax",
            "含税小计",
            "Goods after the discounts of earlier stages, tax included",
            "前面阶段优惠后的商品金额，含税",
        ),
    ]
    gross_minor: Annotated[int, Word("goods before discounts", "优惠前商品金额")]
    discount_minor: Annotated[int, Word("discount so far", "已优惠金额")]
    quantity: Annotated[int, Word("number of pieces", "件数", unit="pieces")]
    lines: Annotated[int, Word("number of distinct lines", "行数", unit="lines")]
    weight_g: Annotated[int, Word("total weight", "总重量", unit="g")]
    currency: Annotated[str, Word("currency", "币种")]
    country: Annotated[str, Word("country", "国家")]
    channel: Annotated[str, Word("channel", "渠道")]
    scenario: Annotated[str | None, Word("scenario", "场景")] = None
    payment_method: Annotated[str, Word("payment method", "支付方式")] = ""
    delivery_sku: Annotated[str | None, Word("delivery method", "配送方式")] = None
    coupon_codes: Annotated[tuple[str, ...], Word("coupon codes", "优惠码")] = ()
    categories: Annotated[tuple[str, ...], Word("categories in the cart", "购物车品类")] = ()
    skus: Annotated[tuple[str, ...], Word("SKUs in the cart", "购物车商品编码")] = ()
    on_date: Annotated[date, Word("date", "日期", "In the business's own time zone", "按业务所在时区")]
    weekday: Annotated[str, Word("day of the week", "星期", choices=WEEKDAYS)]
    hour: Annotated[
        int,
        Word(
            "hour of the day", "小时", "0 to 23, in the business's own time zone", "0 至 23，按业务所在时区", unit="h"
        ),
    ]


class BuyerFacts(FactGroup):
    """What promotions know of the buyer."""

    tier: Annotated[str, Word("buyer tier", "会员等级", choices=TIERS, synonyms=("VIP", "member", "level"))] = (
        "standard"
    )
    tags: Annotated[tuple[str, ...], Word("buyer tags", "买家标签")] = ()
    segments: Annotated[tuple[str, ...], Word("buyer segments", "买家分群")] = ()
    order_number: Annotated[
        int, Word("nth order", "第几单", "1 for the first order", "首单为 1", synonyms=("first order", "new customer"))
    ] = 1


class LineFacts(FactGroup):
    """What promotions know of one line."""

    sku: Annotated[str, Word("SKU", "商品编码")]
    product: Annotated[str, Word("product", "商品")]
    category: Annotated[
        str, Word("category", "品类", "A category and everything below it", "该品类及其下级", kind=FieldKind.PATH)
    ]
    brand: Annotated[str, Word("brand", "品牌")]
    seller: Annotated[str, Word("seller", "卖家")]
    tags: Annotated[tuple[str, ...], Word("line tags", "商品标签")] = ()
    quantity: Annotated[int, Word("quantity of the line", "该行件数", unit="pieces")]
    unit_price_minor: Annotated[int, Word("unit price", "单价")]
    price_rank: Annotated[
        int,
        Word(
            "price rank",
            "单价排名",
            "1 for the cheapest line of the cart, 2 for the next",
            "购物车中单价最低的一行为 1，其次为 2",
            synonyms=("cheapest", "最便宜"),
        ),
    ]
    net_minor: Annotated[int, Word("line total so far", "该行现金额")]
    is_discounted: Annotated[
        bool,
        Word(
            "is already discounted",
            "已打折",
            "Below its list price, or discounted by an earlier stage",
            "低于原价或已在前面阶段优惠",
        ),
    ] = False


_SHARED: dict[str, type[FactGroup]] = {"order": OrderFacts, "buyer": BuyerFacts}

PROMOTIONS = declare(
    Decision(
        name="marketing.promotions",
        en="Promotions",
        zh="促销",
        grains=(
            Grain("order", "the order as a whole", "整单", _SHARED),
            Grain("line", "each line", "每一行", {**_SHARED, "line": LineFacts}),
        ),
        effects=(PercentOff, AmountOff, SetPrice, FreeDelivery),
        hit_policy="collect",
        options=PricingOptions,
        stages={
            10: ("price", "价格"),
            20: ("items", "单品"),
            30: ("order", "订单"),
            40: ("delivery", "配送"),
            50: ("after", "售后"),
        },
    )
)

JsonObject = dict[str, Any]
