"""What others see of marketing: the cart, effects, rules that fired, the quote, and the promotions decision.

All amounts are integer minor units of the cart's currency, rates basis points, weights grams.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from capabilities.marketing.carts import (
    Cart,
    CartBuyer,
    CartDelivery,
    CartLine,
    GiftChoice,
    GiftOffer,
)
from capabilities.marketing.coupons import AfterRefund, CouponCondition
from capabilities.marketing.promotion_effects import (
    AddTag,
    AmountOff,
    Bundle,
    BundlePart,
    BuyGet,
    Cashback,
    FeeTier,
    FreeDelivery,
    Gift,
    HoldForReview,
    IssueCoupon,
    Message,
    PercentOff,
    Points,
    PriceTier,
    PromotionEffect,
    SetPrice,
    SpendTier,
    SpendTiers,
    Surcharge,
    TierPrice,
    UpsellHint,
)
from capabilities.marketing.promotions import (
    PROMOTIONS,
    WEEKDAYS,
    BuyerFacts,
    LineFacts,
    OrderFacts,
    OwnStage,
    PricingOptions,
)
from capabilities.marketing.quotes import (
    Adjustment,
    CouponUse,
    Explanation,
    FailedTest,
    FiredOutcome,
    Hint,
    OfferedGift,
    Quote,
    QuoteLine,
    QuoteMessage,
    Reward,
    RuleOutcome,
    RuleVerdict,
)

__all__ = [
    "PROMOTIONS",
    "WEEKDAYS",
    "AddTag",
    "Adjustment",
    "Allowance",
    "AmountOff",
    "Bundle",
    "BundlePart",
    "BuyGet",
    "BuyerFacts",
    "Cart",
    "CartBuyer",
    "CartDelivery",
    "CartLine",
    "Cashback",
    "CouponClaim",
    "CouponState",
    "CouponStatus",
    "CouponUse",
    "CreateCoupon",
    "Explanation",
    "FailedTest",
    "FeeTier",
    "FiredOutcome",
    "FiredRule",
    "FreeDelivery",
    "Gift",
    "GiftChoice",
    "GiftOffer",
    "GroupMode",
    "Hint",
    "HoldForReview",
    "IssueCoupon",
    "LineFacts",
    "Message",
    "OfferedGift",
    "OrderFacts",
    "OwnStage",
    "PercentOff",
    "Points",
    "PriceTier",
    "PricingOptions",
    "PromotionEffect",
    "Quote",
    "QuoteLine",
    "QuoteMessage",
    "Reward",
    "RuleOutcome",
    "RuleVerdict",
    "SetPrice",
    "SpendTier",
    "SpendTiers",
    "Surcharge",
    "TierPrice",
    "UpsellHint",
]


class Contract(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- what rules hand over ---------------------------------------------------------------------------------------


class GroupMode(StrEnum):
    """How the rules of one group in a stage combine."""

    STACK = "stack"
    BEST = "best"
    FIRST = "first"
    EXCLUSIVE = "exclusive"
    """The first by priority stands, and excludes the others of its group, whatever it gives."""


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
    campaign: str | None = None
    effects: tuple[PromotionEffect, ...]
    line_ids: tuple[str, ...] = ()
    is_otherwise: bool = False
    """Its condition did not hold, and these are its effects for that case."""


class Allowance(Contract):
    """What limits and budgets leave a rule, as far as somebody counted: None is without end.

    `partial` says whether a budget that covers a part gives the part. `by` names whose limit it is, for the outcome.
    """

    rule_id: str
    uses_left: int | None = None
    money_left_minor: int | None = None
    partial: bool = True
    by: str = ""


# --- coupons ----------------------------------------------------------------------------------------------------


class CouponStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    VOID = "void"


class CreateCoupon(Contract):
    """A code and how often it may be used; None means without limit. Codes are compared without regard to case.

    `opens` is what a rule asks for, where it is not the code itself. With `buyer_id` only that buyer can use it.
    """

    business: str
    code: str = Field(min_length=1, max_length=64)
    use_limit: int | None = Field(default=None, ge=0)
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    status: CouponStatus = CouponStatus.ACTIVE
    opens: str | None = Field(default=None, min_length=1, max_length=64)
    lot_id: str | None = None
    buyer_id: str | None = None
    after_refund: AfterRefund = "keep"
    after_refund_days: int | None = Field(default=None, ge=1, le=3650)


class CouponState(Contract):
    """Whether a code can be used now. `used` counts claims of open orders and redemptions.

    `condition` says more closely why not; `opens` is what a rule asks for, in capitals, where it is not the code itself.
    """

    code: str
    state: Literal["usable", "unknown", "inactive", "used_up"]
    reason: str | None = None
    use_limit: int | None = None
    used: int = 0
    condition: CouponCondition = "active"
    opens: str | None = None


class CouponClaim(Contract):
    """A use of a coupon by an order."""

    code: str
    order_id: str
    status: Literal["held", "secured", "redeemed", "released", "expired", "restored"]
    expires_at: datetime
