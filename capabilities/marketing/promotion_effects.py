"""What promotions may do: every effect by its contract. What each is worth is in `pricing`.

Every annotated field is a word of the editor. Amounts are minor units, rates basis points. Effects that take something
off a price may carry caps (a unit, a line, the order) and say whether less than the whole will do (`partial`).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from capabilities.marketing.promotion_prices import (
    AmountOff,
    FreeDelivery,
    PercentOff,
    PriceTier,
    SetPrice,
    SpendTier,
    SpendTiers,
    TierPrice,
)
from capabilities.marketing.promotion_rewards import (
    AddTag,
    Cashback,
    FeeTier,
    HoldForReview,
    IssueCoupon,
    Message,
    Points,
    Surcharge,
    UpsellHint,
)
from capabilities.marketing.promotion_sets import Bundle, BundlePart, BuyGet, Gift

__all__ = [
    "PRICE_EFFECTS",
    "RECORDED_EFFECTS",
    "AddTag",
    "AmountOff",
    "Bundle",
    "BundlePart",
    "BuyGet",
    "Cashback",
    "FeeTier",
    "FreeDelivery",
    "Gift",
    "HoldForReview",
    "IssueCoupon",
    "Message",
    "PercentOff",
    "Points",
    "PriceTier",
    "PromotionEffect",
    "SetPrice",
    "SpendTier",
    "SpendTiers",
    "Surcharge",
    "TierPrice",
    "UpsellHint",
]

PRICE_EFFECTS = (
    PercentOff,
    AmountOff,
    SetPrice,
    FreeDelivery,
    TierPrice,
    SpendTiers,
    BuyGet,
    Bundle,
    Gift,
    Surcharge,
)
RECORDED_EFFECTS = (Points, Cashback, IssueCoupon, Message, AddTag, HoldForReview, UpsellHint)

PromotionEffect = Annotated[
    PercentOff
    | AmountOff
    | SetPrice
    | FreeDelivery
    | TierPrice
    | SpendTiers
    | BuyGet
    | Bundle
    | Gift
    | Surcharge
    | Points
    | Cashback
    | IssueCoupon
    | Message
    | AddTag
    | HoldForReview
    | UpsellHint,
    Field(discriminator="kind"),
]
