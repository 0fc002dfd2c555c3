"""What others see of marketing: the cart, effects, rules that fired, the quote, and the promotions decision.

All amounts are integer minor units of the cart's currency, rates basis points, weights grams.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from capabilities.kernel.money import Currency
from capabilities.marketing.promotions import (
    PROMOTIONS,
    TIERS,
    WEEKDAYS,
    AmountOff,
    BuyerFacts,
    FreeDelivery,
    LineFacts,
    OrderFacts,
    PercentOff,
    PricingOptions,
    PromotionEffect,
    SetPrice,
)

__all__ = [
    "PROMOTIONS",
    "TIERS",
    "WEEKDAYS",
    "Adjustment",
    "AmountOff",
    "BuyerFacts",
    "Cart",
    "CartBuyer",
    "CartDelivery",
    "CartLine",
    "CouponClaim",
    "CouponState",
    "CouponStatus",
    "CouponUse",
    "CreateCoupon",
    "Explanation",
    "FailedTest",
    "FiredRule",
    "FreeDelivery",
    "GroupMode",
    "LineFacts",
    "OrderFacts",
    "PercentOff",
    "PricingOptions",
    "PromotionEffect",
    "Quote",
    "QuoteLine",
    "RuleOutcome",
    "RuleVerdict",
    "SetPrice",
]


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


# --- what rules hand over ---------------------------------------------------------------------------------------


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
    exact_minor: str | None = None
    """Where rounding moved it: what was wished exactly, as a fraction of minor units such as `315/2`."""


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


# --- coupons ----------------------------------------------------------------------------------------------------


class CouponStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"


class CreateCoupon(Contract):
    """A code and how often it may be used; None means without limit. Codes are compared without regard to case."""

    business: str
    code: str = Field(min_length=1, max_length=64)
    use_limit: int | None = Field(default=None, ge=0)
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    status: CouponStatus = CouponStatus.ACTIVE


class CouponState(Contract):
    """Whether a code can be used now. `used` counts claims of open orders and redemptions."""

    code: str
    state: Literal["usable", "unknown", "inactive", "used_up"]
    reason: str | None = None
    use_limit: int | None = None
    used: int = 0


class CouponClaim(Contract):
    """A use of a coupon by an order."""

    code: str
    order_id: str
    status: Literal["held", "secured", "redeemed", "released", "expired"]
    expires_at: datetime


# --- why, and why not -------------------------------------------------------------------------------------------


class FailedTest(Contract):
    """The first test of a condition that failed: what it saw, and by how much a number missed.

    `op` begins with `not_` where the test held and must not have. `en` and `zh` say all of it in words.
    """

    field: str
    op: str
    wanted: object
    seen: object
    difference: int | None = None
    line_id: str | None = None
    en: str = ""
    zh: str = ""


class RuleVerdict(Contract):
    """What became of one rule of a release, whether it fired or not."""

    rule_id: str
    rule_name: str
    rule_set_id: str
    release_id: str
    stage: int
    grain: str
    outcome: Literal[
        "applied",
        "capped",
        "excluded",
        "lost_in_group",
        "no_room",
        "gave_nothing",
        "no_coupon",
        "not_matched",
        "outside_window",
        "outside_traffic",
        "disabled",
    ]
    by_rule_id: str | None = None
    by_rule_name: str | None = None
    wished_minor: int = 0
    given_minor: int = 0
    coupon_code: str | None = None
    failed: FailedTest | None = None


class Explanation(Contract):
    """Why a quote is what it is: the quote with its adjustments, and a verdict on every rule that was considered.

    `is_reproduced` is True where pricing the stored cart again with the stored releases gave the same content.
    """

    quote: Quote
    verdicts: tuple[RuleVerdict, ...]
    is_reproduced: bool
