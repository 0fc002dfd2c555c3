"""The promotions decision: what rules may know of an order, its buyer and its lines, and what they may do to prices.

These types are the vocabulary of the editor: every annotated field is a word in it.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from capabilities.kernel.decision import Decision, FactGroup, FieldKind, Grain, Word, declare
from capabilities.kernel.tiers import TIERS
from capabilities.marketing.promotion_effects import PRICE_EFFECTS, RECORDED_EFFECTS

# --- options ----------------------------------------------------------------------------------------------------


class OwnStage(BaseModel):
    """A stage a rule set has besides those of the decision, in the order of the numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = Field(ge=1, le=99)
    en: str = Field(min_length=1, max_length=60)
    zh: str = Field(default="", max_length=60)


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
    free_unit: Literal["cheapest", "dearest"] = "cheapest"
    repetition: Literal["unlimited", "once"] = "unlimited"
    repeat_most: int | None = Field(default=None, gt=0)
    """The stated maximum of sets of one effect, where it is repeated and does not say its own."""
    after_return: Literal["keep", "re_evaluate", "claw_back"] = "keep"
    """What a partial return does to what the kept goods were given; pricing only carries it, refunds use it."""
    stages: tuple[OwnStage, ...] = Field(default=(), max_length=20)


# --- facts ------------------------------------------------------------------------------------------------------

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
    delivery_minor: Annotated[int, Word("delivery so far", "运费", "After discounts", "优惠后")] = 0
    fee_minor: Annotated[int, Word("surcharges so far", "附加费")] = 0
    total_minor: Annotated[
        int,
        Word(
            "order total so far",
            "订单总额",
            "Goods, delivery and surcharges after discounts",
            "商品、运费、附加费优惠后",
        ),
    ] = 0
    promotions: Annotated[
        tuple[str, ...], Word("promotions applied so far", "已生效促销", "Names of rules", "规则名称")
    ] = ()
    campaigns: Annotated[tuple[str, ...], Word("campaigns applied so far", "已生效活动")] = ()
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
    minute_of_day: Annotated[
        int,
        Word(
            "minute of the day",
            "分钟",
            "0 to 1439, in the business's own time zone: 13:30 is 810",
            "0 至 1439，按业务所在时区：13:30 为 810",
        ),
    ] = 0


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
    days_since_first_order: Annotated[
        int | None, Word("days since the first order", "首单距今天数", unit="days", synonyms=("new customer",))
    ] = None
    lifetime_minor: Annotated[
        int, Word("bought so far", "累计消费", "Confirmed orders, all time", "全部已确认订单", synonyms=("lifetime",))
    ] = 0
    is_birthday: Annotated[bool, Word("is their birthday", "当天生日")] = False
    days_to_birthday: Annotated[
        int | None, Word("days to the birthday", "距生日天数", "0 on the day itself", "当天为 0", unit="days")
    ] = None
    points: Annotated[int, Word("points", "积分")] = 0


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
    attributes: Annotated[
        tuple[str, ...],
        Word("attributes", "商品属性", "As name=value, for example color=red", "形如 名称=值，例如 color=red"),
    ] = ()
    position: Annotated[int, Word("position in the cart", "购物车中的位置", "1 for the first line", "第一行为 1")] = 1
    weight_g: Annotated[int, Word("weight of a piece", "单件重量", unit="g")] = 0
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
        effects=(*PRICE_EFFECTS, *RECORDED_EFFECTS),
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
