"""The quote: what every line costs and why, what is promised for later, and what became of every rule."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from capabilities.kernel.money import Currency


class Contract(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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
    """What held it back: `max`, `line`, `unit`, `floor`, `price`, `budget`, None where all was given."""
    exact_minor: str | None = None
    """Where rounding moved it: what was wished exactly, as a fraction of minor units such as `315/2`."""


class QuoteLine(Contract):
    """A line (or a delivery, `kind`) of a quote: gross − discount = net; tax as the cart's prices include it or not."""

    id: str
    kind: Literal["goods", "delivery", "fee"]
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
    is_gift: bool = False
    """A line no one ordered: a rule gives it, its price is discounted to nothing."""
    fee_rule_id: str | None = None
    """Of a surcharge: the rule that asks for it."""
    set_units: int = 0
    """Pieces that sets have used up: those that got something cheaper, and those that earned it."""


class CouponUse(Contract):
    """What became of a code the buyer entered: `applied`, `not_applicable`, `unknown`, `inactive`, `used_up`."""

    code: str
    state: Literal["applied", "not_applicable", "unknown", "inactive", "used_up"]
    reason: str | None = None


FiredOutcome = Literal[
    "applied",
    "capped",
    "excluded",
    "lost_in_group",
    "no_room",
    "gave_nothing",
    "no_coupon",
    "limit_used_up",
    "budget_used_up",
    "awaits_choice",
]
"""What may become of a rule that fired."""


class RuleOutcome(Contract):
    """What became of a rule that fired; of one that lost, was held back or had no room also what it would have given."""

    rule_id: str
    rule_name: str
    release_id: str
    stage: int
    outcome: FiredOutcome
    """`no_room`: floor price, or the price is already zero. `gave_nothing`: the price is already as low as it asks.

    `awaits_choice`: of several gifts none is chosen yet. `is_otherwise` tells that its condition did not hold, and the
    effects for that case were taken.
    """
    by_rule_id: str | None = None
    wished_minor: int = 0
    given_minor: int = 0
    is_otherwise: bool = False
    limited_by: str | None = None
    """Whose limit or budget ended it or cut it short."""


class Reward(Contract):
    """What a rule promises for later: points, cashback, coupons, a tag on the order, a look by a person."""

    kind: Literal["points", "cashback", "coupon", "tag", "hold"]
    rule_id: str
    rule_name: str
    release_id: str
    effect_index: int
    points: int = 0
    amount_minor: int = 0
    pool: str | None = None
    units: int = 0
    valid_days: int | None = None
    text: str | None = None
    """The tag, or the reason why somebody looks at it."""


class QuoteMessage(Contract):
    """A sentence a rule says to the buyer."""

    rule_id: str
    en: str
    zh: str


class Hint(Contract):
    """What is missing for a rule that nearly holds: `missing` in the unit of `field`, "12.00 more"."""

    rule_id: str
    rule_name: str
    field: str
    missing: int
    en: str
    zh: str


class OfferedGift(Contract):
    """A gift that is earned: the choice there is, and what was chosen (None while the choice is awaited)."""

    rule_id: str
    rule_name: str
    effect_index: int
    skus: tuple[str, ...]
    units: int
    chosen: str | None


class Quote(Contract):
    """A priced cart: goods_gross + delivery + fee − discount (+ tax, where prices do not include it) = total.

    `delivery_minor` and `fee_minor` are before discounts, `discount_minor` covers goods, deliveries and surcharges. `content_sha256` covers
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
    fee_minor: int = 0
    tax_minor: int
    total_minor: int
    coupons: tuple[CouponUse, ...]
    outcomes: tuple[RuleOutcome, ...]
    rewards: tuple[Reward, ...] = ()
    messages: tuple[QuoteMessage, ...] = ()
    hints: tuple[Hint, ...] = ()
    gifts: tuple[OfferedGift, ...] = ()
    release_ids: tuple[str, ...]
    algorithm: str
    content_sha256: str
    created_at: datetime
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
        FiredOutcome,
        "not_matched",
        "outside_window",
        "outside_traffic",
        "disabled",
    ]
    by_rule_id: str | None = None
    by_rule_name: str | None = None
    wished_minor: int = 0
    given_minor: int = 0
    is_otherwise: bool = False
    limited_by: str | None = None
    coupon_code: str | None = None
    failed: FailedTest | None = None


class Explanation(Contract):
    """Why a quote is what it is: the quote with its adjustments, and a verdict on every rule that was considered.

    `is_reproduced` is True where pricing the stored cart again with the stored releases gave the same content.
    """

    quote: Quote
    verdicts: tuple[RuleVerdict, ...]
    is_reproduced: bool
