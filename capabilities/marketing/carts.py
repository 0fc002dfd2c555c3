"""The cart: everything a quote is computed from, as marketing takes it."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict, Field

from capabilities.kernel.money import Currency


class Contract(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CartBuyer(Contract):
    """Who buys, as far as promotions care. `order_number` is 1 for the first order."""

    id: str | None = None
    tier: str = "standard"
    tags: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    order_number: int = 1
    first_order_at: datetime | None = None
    lifetime_minor: int = Field(default=0, ge=0)
    birthday: date | None = None
    points: int = Field(default=0, ge=0)


class CartLine(Contract):
    id: str
    sku: str
    product: str = ""
    category: str = ""
    brand: str = ""
    seller: str = ""
    tags: tuple[str, ...] = ()
    attributes: dict[str, str] = Field(default_factory=dict)
    quantity: int = Field(gt=0)
    unit_price_minor: int = Field(ge=0)
    list_price_minor: int | None = Field(default=None, ge=0)
    floor_price_minor: int = Field(default=0, ge=0)
    tax_rate_bps: int = Field(default=0, ge=0)
    weight_g: int = Field(default=0, ge=0)
    price_list: str | None = None
    """The price list the unit price comes from; None: the offer's own price."""


class CartDelivery(Contract):
    """A delivery method with its price: the offer of kind `delivery` the buyer chose."""

    id: str
    sku: str
    price_minor: int = Field(ge=0)
    tax_rate_bps: int = Field(default=0, ge=0)


class GiftOffer(Contract):
    """What a rule may give away: the offer as it stands now, so that a gift has its real price and tax."""

    sku: str
    unit_price_minor: int = Field(ge=0)
    tax_rate_bps: int = Field(default=0, ge=0)
    weight_g: int = Field(default=0, ge=0)
    available_units: int | None = None


class GiftChoice(Contract):
    """Which of several gifts the buyer chose of a rule."""

    rule_id: str
    sku: str


class Cart(Contract):
    """Everything a quote is computed from. `at` is aware; `time_zone` names the business's zone for days and hours."""

    business: str
    scenario: str | None = None
    channel: str = "web"
    country: str = "CN"
    currency: Currency
    home_currency: Currency | None = None
    """The money of the business, in which its rules name amounts; None: the cart's own."""
    at: datetime
    time_zone: str = "UTC"
    prices_include_tax: bool = False
    buyer: CartBuyer = CartBuyer()
    coupon_codes: tuple[str, ...] = ()
    payment_method: str = ""
    lines: tuple[CartLine, ...]
    deliveries: tuple[CartDelivery, ...] = ()
    gift_offers: tuple[GiftOffer, ...] = ()
    gift_choices: tuple[GiftChoice, ...] = ()
