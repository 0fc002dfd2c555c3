"""What a rule promises for later steps: points, cashback, coupons, a tag, a look by a person; and what it says."""

from __future__ import annotations

from typing import Any

from capabilities.marketing.contract import FiredRule, PricingOptions, QuoteMessage, Reward
from capabilities.marketing.pricing.rounding import WHOLE_BPS, round_ratio


def reward_of(rule: FiredRule, index: int, effect: Any, net_minor: int, options: PricingOptions) -> Reward | None:
    """The promise of an effect, for goods that cost so much after discounts; None where it comes to nothing."""
    about = {
        "rule_id": rule.rule_id,
        "rule_name": rule.name,
        "release_id": rule.release_id,
        "effect_index": index,
    }
    match effect.kind:
        case "points":
            times = 1 if effect.per_minor is None else net_minor // effect.per_minor
            points = effect.points * effect.multiple * times
            points = points if effect.max_points is None else min(points, effect.max_points)
            return Reward(kind="points", points=points, **about) if points else None
        case "cashback":
            amount = effect.amount_minor
            if amount is None:
                amount = round_ratio(net_minor * effect.rate_bps, WHOLE_BPS, options.rounding)
            amount = amount if effect.max_minor is None else min(amount, effect.max_minor)
            return Reward(kind="cashback", amount_minor=amount, **about) if amount else None
        case "issue_coupon":
            return Reward(kind="coupon", pool=effect.pool, units=effect.units, valid_days=effect.valid_days, **about)
        case "tag":
            return Reward(kind="tag", text=effect.tag, **about)
        case "hold":
            return Reward(kind="hold", text=effect.reason, **about)
    return None


def message_of(rule: FiredRule, effect: Any) -> QuoteMessage:
    """What the rule says to the buyer; in English where there is no Chinese."""
    return QuoteMessage(rule_id=rule.rule_id, en=effect.en, zh=effect.zh or effect.en)
