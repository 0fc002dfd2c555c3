"""The promotions decision: what rules may know of an order, its buyer and its lines, and what they may do to prices.

These types are the vocabulary of the editor: every annotated field is a word in it.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from capabilities.kernel.decision import Decision, Effect, FactGroup, FieldKind, Grain, Word, declare

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


# --- options ----------------------------------------------------------------------------------------------------


class PricingOptions(BaseModel):
    """Where systems differ, the rule set declares it; the first of each is the default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    percent_of: Literal["current", "initial"] = "current"
    remainder: Literal["largest", "first_lines", "last_line"] = "largest"
    rounding: Literal["half_up", "half_even", "down"] = "half_up"
    rounding_level: Literal["line", "unit", "order"] = "line"
    round_of: Literal["price", "discount"] = "price"
    weights: Literal["net", "gross", "original", "quantity"] = "net"
    exclusive: Literal["wins", "by_priority"] = "wins"
    totals: Literal["running", "original"] = "running"
    tax_rounding: Literal["line", "unit", "order_rate"] = "line"


# --- facts ------------------------------------------------------------------------------------------------------

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
