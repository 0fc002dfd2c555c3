"""What others see of transactions: offers, the checkout request, orders, and the risk decision."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from capabilities.kernel.decision import Decision, Effect, FactGroup, Grain, Word, declare
from capabilities.kernel.money import Currency

MAX_LINES = 1_000
MAX_QUANTITY = 1_000_000

Sku = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]


class Contract(BaseModel):
    """Frozen and closed: an unknown field is an error, not a surprise."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CheckoutLine(Contract):
    """What a front-end names: a sku and a number of pieces. Prices come from the offer, never from the caller."""

    sku: Sku
    quantity: int = Field(gt=0, le=MAX_QUANTITY)


class CheckoutRequest(Contract):
    """The input of the process `checkout`; `expected_total_minor` or `quote_id` say what the buyer was shown."""

    business: str
    scenario: str | None = None
    channel: str = Field(default="web", max_length=40)
    currency: Currency
    country: str = Field(default="CN", pattern=r"^[A-Z]{2}$")
    buyer_id: str | None = Field(default=None, max_length=64)
    lines: tuple[CheckoutLine, ...] = Field(min_length=1, max_length=MAX_LINES)
    delivery_sku: Sku | None = None
    coupon_codes: tuple[Code, ...] = Field(default=(), max_length=20)
    payment_method: str = Field(default="sim_ok", max_length=64)
    expected_total_minor: int | None = Field(default=None, ge=0)
    quote_id: str | None = Field(default=None, max_length=64)


class OfferKind(StrEnum):
    GOODS = "goods"
    DELIVERY = "delivery"


class Offer(Contract):
    """What can be sold: price and floor per piece in minor units, tax rate in basis points, weight in grams."""

    business: str
    sku: str
    kind: OfferKind
    name_en: str
    name_zh: str
    description_en: str = ""
    description_zh: str = ""
    product: str
    category: str
    brand: str
    seller_id: str
    tags: tuple[str, ...] = ()
    currency: Currency
    unit_price_minor: int
    list_price_minor: int | None = None
    floor_price_minor: int = 0
    tax_rate_bps: int
    weight_g: int = 0
    available_units: int | None = None
    """Pieces that can be sold now; None for offers without stock, such as deliveries and services."""


class OrderStatus(StrEnum):
    PLACED = "placed"
    ON_HOLD = "on_hold"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class ReservationStatus(StrEnum):
    HELD = "held"
    SECURED = "secured"
    COMMITTED = "committed"
    RELEASED = "released"
    EXPIRED = "expired"


class OrderLine(Contract):
    line_id: str
    sku: str
    name_en: str
    name_zh: str
    seller_id: str
    category: str
    kind: OfferKind
    quantity: int
    unit_price_minor: int
    gross_minor: int
    discount_minor: int
    net_minor: int
    tax_rate_bps: int
    tax_minor: int
    total_minor: int


class Order(Contract):
    """An order as others see it; all amounts in minor units of `currency`."""

    id: str
    business: str
    run_id: str
    number: str
    buyer_id: str | None
    status: OrderStatus
    status_reason: str | None
    currency: Currency
    goods_gross_minor: int
    discount_minor: int
    delivery_minor: int
    tax_minor: int
    total_minor: int
    prices_include_tax: bool
    quote_id: str
    payment_id: str | None
    origin: Literal["checkout", "import"]
    placed_at: datetime
    confirmed_at: datetime | None
    lines: tuple[OrderLine, ...]


class RiskOrderFacts(FactGroup):
    """What the risk decision knows of the order."""

    total_minor: Annotated[int, Word("order total", "订单总额", "What the buyer is asked to pay", "买家应付金额")]
    discount_minor: Annotated[int, Word("discount given", "优惠金额")]
    quantity: Annotated[int, Word("number of pieces", "件数", unit="pieces")]
    lines: Annotated[int, Word("number of lines", "行数", unit="lines")]
    channel: Annotated[str, Word("channel", "渠道")]
    country: Annotated[str, Word("country", "国家", "ISO 3166 code of the destination", "目的地国家代码")]
    payment_method: Annotated[str, Word("payment method", "支付方式")]
    hour: Annotated[int, Word("hour of the day", "下单小时", unit="h")]


class RiskBuyerFacts(FactGroup):
    """What the risk decision knows of the buyer."""

    tier: Annotated[
        str | None,
        Word(
            "buyer tier",
            "会员等级",
            choices={
                "standard": ("Standard", "普通"),
                "silver": ("Silver", "银卡"),
                "gold": ("Gold", "金卡"),
                "vip": ("VIP", "贵宾"),
            },
        ),
    ] = None
    tags: Annotated[tuple[str, ...], Word("buyer tags", "买家标签")] = ()
    order_number: Annotated[int, Word("nth order", "第几单", "1 for the first order", "首单为 1")] = 1
    is_guest: Annotated[bool, Word("is a guest", "游客")] = False


class Approve(Effect):
    """Let the order go on."""

    kind: Literal["approve"] = "approve"


class Review(Effect):
    """Hold the order for a person."""

    kind: Literal["review"] = "review"
    reason: Annotated[str, Word("reason", "原因")]


class Reject(Effect):
    """Refuse the order."""

    kind: Literal["reject"] = "reject"
    reason: Annotated[str, Word("reason", "原因")]


RISK = declare(
    Decision(
        name="transaction.risk",
        en="Order risk",
        zh="订单风控",
        grains=(Grain("order", "the order", "订单", {"order": RiskOrderFacts, "buyer": RiskBuyerFacts}),),
        effects=(Approve, Review, Reject),
        stages={10: ("screening", "审核")},
    )
)
