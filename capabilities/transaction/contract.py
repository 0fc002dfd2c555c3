"""What others see of transactions: offers, the checkout request, orders, and the decisions about them."""

# ruff: noqa: PLC0414 - one contract in two files; this is how a name is handed on
from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator

from capabilities.kernel.money import Currency
from capabilities.transaction.after_sale import CloseOrder as CloseOrder
from capabilities.transaction.after_sale import ConfirmOrder as ConfirmOrder
from capabilities.transaction.after_sale import Contract as Contract
from capabilities.transaction.after_sale import Disposition as Disposition
from capabilities.transaction.after_sale import Fulfilment as Fulfilment
from capabilities.transaction.after_sale import FulfilmentStatus as FulfilmentStatus
from capabilities.transaction.after_sale import FulfilRequest as FulfilRequest
from capabilities.transaction.after_sale import LineUnits as LineUnits
from capabilities.transaction.after_sale import Refund as Refund
from capabilities.transaction.after_sale import RefundAdjustment as RefundAdjustment
from capabilities.transaction.after_sale import RefundFilters as RefundFilters
from capabilities.transaction.after_sale import RefundKind as RefundKind
from capabilities.transaction.after_sale import RefundLine as RefundLine
from capabilities.transaction.after_sale import RefundPage as RefundPage
from capabilities.transaction.after_sale import RefundPreview as RefundPreview
from capabilities.transaction.after_sale import RefundRequest as RefundRequest
from capabilities.transaction.after_sale import RefundState as RefundState
from capabilities.transaction.after_sale import RefundStatus as RefundStatus
from capabilities.transaction.after_sale import RefundSummary as RefundSummary
from capabilities.transaction.after_sale import Return as Return
from capabilities.transaction.after_sale import ReturnLine as ReturnLine
from capabilities.transaction.after_sale import ReturnPage as ReturnPage
from capabilities.transaction.after_sale import ReturnState as ReturnState
from capabilities.transaction.after_sale import ReturnStatus as ReturnStatus
from capabilities.transaction.after_sale import SellerOrder as SellerOrder
from capabilities.transaction.after_sale import SourceShare as SourceShare
from capabilities.transaction.after_sale import UnitsOfLine as UnitsOfLine
from capabilities.transaction.refund_policy import REFUND_POLICY as REFUND_POLICY
from capabilities.transaction.risk import RISK as RISK
from capabilities.transaction.sources import MAX_SOURCES, check_sources
from capabilities.transaction.sources import PaymentSource as PaymentSource

MAX_LINES = 1_000
MAX_QUANTITY = 1_000_000
MAX_PRICE_MINOR = 100_000_000_000
"""A thousand million of a currency with two decimals, for one piece."""

Sku = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]

AttributeText = Annotated[str, StringConstraints(max_length=500)]


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
    delivery_sku: Sku | None = None
    draft_id: str | None = Field(default=None, max_length=64)
    """The draft order this checkout places."""
    lines: tuple[CheckoutLine, ...] = Field(max_length=MAX_LINES, json_schema_extra={"minItems": 1})
    """None only where a draft adds nothing but another delivery to an order."""
    coupon_codes: tuple[Code, ...] = Field(default=(), max_length=20)
    payment_method: str = Field(default="sim_ok", max_length=64)
    payments: tuple[PaymentSource, ...] = Field(default=(), max_length=MAX_SOURCES)
    """Several sources, in their order; none: `payment_method` alone."""
    terms: str | None = Field(default=None, max_length=40)
    """The payment terms the buyer asked for, such as `deposit`; rules decide on them. None: all is paid at once."""
    expected_total_minor: int | None = Field(default=None, ge=0)
    quote_id: str | None = Field(default=None, max_length=64)
    attributes: dict[Code, AttributeText] = Field(default_factory=dict, max_length=40)
    """Address and the like: carried on the order, read by nobody here."""
    gift_choices: dict[Code, Sku] = Field(default_factory=dict, max_length=20)
    """Of gifts that leave a choice: the sku the buyer chose, by the id of the rule that gives it."""

    @field_validator("lines")
    @classmethod
    def _something_is_asked(cls, lines: tuple[CheckoutLine, ...], info: ValidationInfo) -> tuple[CheckoutLine, ...]:
        if not lines and not (info.data.get("draft_id") and info.data.get("delivery_sku")):
            raise ValueError("Name at least one line.")
        return lines

    @model_validator(mode="after")
    def _sources_go_together(self) -> CheckoutRequest:
        check_sources(self.payments, buyer_id=self.buyer_id)
        return self


class OfferKind(StrEnum):
    """Goods go into the cart; a delivery is chosen beside it; a fee is only ever a line of an order, never offered."""

    GOODS = "goods"
    DELIVERY = "delivery"
    FEE = "fee"


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
    attributes: dict[str, str] = Field(default_factory=dict)
    """Colour, size and the like: what rules may ask of an item."""
    currency: Currency
    unit_price_minor: int
    list_price_minor: int | None = None
    floor_price_minor: int = 0
    tax_rate_bps: int
    weight_g: int = 0
    available_units: int | None = None
    """Pieces that can be sold now; None for offers without stock, such as deliveries and services."""


class OrderStatus(StrEnum):
    """Where an order stands; `states.ALLOWED` says what may follow what. How it is paid, delivered and refunded is computed."""

    DRAFT = "draft"
    PLACED = "placed"
    ON_HOLD = "on_hold"
    CONFIRMED = "confirmed"
    FULFILLED = "fulfilled"
    COMPLETED = "completed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


SOLD = frozenset({OrderStatus.CONFIRMED, OrderStatus.FULFILLED, OrderStatus.COMPLETED})
"""The statuses of an order that was confirmed and not cancelled as a whole since."""


class ReservationStatus(StrEnum):
    """Held until it expires, secured for a capture, then committed; or given back."""

    HELD = "held"
    SECURED = "secured"
    COMMITTED = "committed"
    RELEASED = "released"
    EXPIRED = "expired"


class OrderLine(Contract):
    """A line as it was sold: gross − discount = net, and tax on the net."""

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
    is_gift: bool = False


class Order(Contract):
    """An order as it was sold; all amounts in minor units of `currency`. What came back since, its refunds say."""

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
    scenario: str | None = None
    channel: str = "web"
    country: str = "CN"
    fee_minor: int = 0
    parent_id: str | None = None
    """The order this one exchanges goods of, or adds to."""
    relation: Literal["exchange", "addition"] | None = None
    attributes: dict[str, str] = Field(default_factory=dict)
    tags: tuple[str, ...] = ()
    """What rules wrote on it."""


class OrderSummary(Contract):
    """An order as a list shows it, without its lines."""

    id: str
    business: str
    number: str
    buyer_id: str | None
    status: OrderStatus
    status_reason: str | None
    currency: Currency
    discount_minor: int
    total_minor: int
    piece_count: int
    origin: Literal["checkout", "import"]
    placed_at: datetime


class OrderPage(Contract):
    """One page of orders, newest first; `next_cursor` is None on the last."""

    orders: tuple[OrderSummary, ...]
    next_cursor: str | None


class OrderFilters(Contract):
    """What a list of orders is narrowed to. `placed_until` is exclusive; `text` looks in numbers, ids and line names."""

    business: str
    statuses: tuple[OrderStatus, ...] = ()
    buyer_id: str | None = None
    sku: str | None = None
    number: str | None = None
    placed_from: datetime | None = None
    placed_until: datetime | None = None
    origin: Literal["checkout", "import"] | None = None
    tag: str | None = None
    text: str | None = Field(default=None, max_length=200)


class OrderTotals(Contract):
    """What the confirmed orders of a stretch of time add up to."""

    orders: int
    discount_minor: int
    total_minor: int


class StatusChange(Contract):
    """One step of an order's life; `from_status` is None for its beginning."""

    from_status: OrderStatus | None
    to_status: OrderStatus
    reason: str | None
    at: datetime


class OfferPage(Contract):
    """One page of offers by category and sku; `next_cursor` is None on the last."""

    offers: tuple[Offer, ...]
    next_cursor: str | None


class ResolvedLine(Contract):
    """A line of a checkout with the offer it names. `line_id` is `l1`, `l2`, … in the order of the request."""

    line_id: str
    quantity: int
    offer: Offer


class ResolvedCheckout(Contract):
    """A checkout whose skus all exist, are of the right kind and in the right currency."""

    lines: tuple[ResolvedLine, ...]
    delivery: Offer | None


class Reservation(Contract):
    """Pieces set aside for an order."""

    id: str
    order_id: str
    sku: str
    quantity: int
    status: ReservationStatus
    expires_at: datetime


class Hold(Contract):
    """What holding stock did: pieces held, and until when; None where nothing of the order has stock."""

    held: int
    expires_at: datetime | None


class DeclareSeller(Contract):
    """Enter a seller, or rename one."""

    business: str
    id: str = Field(min_length=1, max_length=64)
    name_en: str
    name_zh: str


class DeclareOffer(Contract):
    """Enter an offer, or change one. `on_hand_units` None: sold without stock, such as services and deliveries."""

    business: str
    sku: Sku
    kind: OfferKind = OfferKind.GOODS
    name_en: str = Field(min_length=1)
    name_zh: str = Field(min_length=1)
    description_en: str = ""
    description_zh: str = ""
    product: str = ""
    category: str = ""
    brand: str = ""
    seller_id: str
    tags: tuple[str, ...] = ()
    attributes: dict[Code, AttributeText] = Field(default_factory=dict, max_length=40)
    currency: Currency
    unit_price_minor: int = Field(ge=0, le=MAX_PRICE_MINOR)
    list_price_minor: int | None = Field(default=None, ge=0, le=MAX_PRICE_MINOR)
    floor_price_minor: int = Field(default=0, ge=0)
    tax_rate_bps: int = Field(ge=0, le=10_000)
    weight_g: int = Field(default=0, ge=0)
    on_hand_units: int | None = Field(default=None, ge=0)


class OpenOrderLine(Contract):
    """A priced line of an order to be opened: a line of goods, the delivery, or a fee."""

    line_id: str
    sku: str
    kind: OfferKind | None = None
    """None: that of the offer. A fee has no offer."""
    is_gift: bool = False
    quantity: int = Field(gt=0)
    unit_price_minor: int = Field(ge=0)
    gross_minor: int = Field(ge=0)
    discount_minor: int = Field(ge=0)
    net_minor: int = Field(ge=0)
    tax_rate_bps: int = Field(ge=0)
    tax_minor: int = Field(ge=0)
    total_minor: int = Field(ge=0)


class OpenOrder(Contract):
    """An order as priced. goods gross + delivery + fee (gross) − discount (of all) + tax where prices exclude it = total."""

    run_id: str
    business: str
    scenario: str | None = None
    channel: str = "web"
    country: str = "CN"
    buyer_id: str | None
    currency: Currency
    prices_include_tax: bool
    quote_id: str
    goods_gross_minor: int = Field(ge=0)
    discount_minor: int = Field(ge=0)
    delivery_minor: int = Field(ge=0)
    fee_minor: int = Field(default=0, ge=0)
    tax_minor: int = Field(ge=0)
    total_minor: int = Field(ge=0)
    draft_id: str | None = None
    attributes: dict[str, str] = Field(default_factory=dict)
    tags: tuple[str, ...] = ()
    lines: tuple[OpenOrderLine, ...] = Field(min_length=1, max_length=2 * MAX_LINES)


class ImportOrder(OpenOrder):
    """An order of the past: confirmed when placed, no payment, no stock. `run_id` is the order's key where it came from."""

    placed_at: datetime
