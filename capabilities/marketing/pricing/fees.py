"""Surcharges: what a rule asks on top, as an amount for each tax rate."""

from __future__ import annotations

from collections.abc import Sequence

from capabilities.marketing.contract import SetPrice, Surcharge
from capabilities.marketing.pricing.ground import Ground
from capabilities.marketing.pricing.price_effects import raised_by
from capabilities.marketing.pricing.rounding import WHOLE_BPS, round_ratio
from capabilities.marketing.pricing.splitting import split
from capabilities.marketing.pricing.state import Position
from capabilities.marketing.pricing.tier_effects import tier_amount

Fees = dict[int, int]
"""Amounts by tax rate."""


def surcharge_of(effect: Surcharge, ground: Ground) -> Fees:
    """What the effect asks on top; at the tax rates of the goods it is for, unless it declares one."""
    amount = _amount(effect, ground)
    if effect.max_minor is not None:
        amount = min(amount, effect.max_minor)
    if effect.tax_rate_bps is not None:
        return {effect.tax_rate_bps: amount} if amount else {}
    nets = [position.net_minor for position in ground.positions]
    return _by_rate(ground.positions, split(amount, nets, ground.options.remainder)) if nets else {}


def raise_of(effect: SetPrice, ground: Ground) -> Fees:
    """What a set price is above the prices there are, where it may raise them."""
    raised = raised_by(effect, ground) if effect.raises == "as_surcharge" else []
    return _by_rate([position for position, _ in raised], [more for _, more in raised])


def _amount(effect: Surcharge, ground: Ground) -> int:
    positions = ground.positions
    if effect.rate_bps is not None:
        base = sum(position.net_minor for position in positions)
        return round_ratio(base * effect.rate_bps, WHOLE_BPS, ground.options.rounding)
    counted = _counted(effect, ground)
    if effect.amount_minor is not None:
        return effect.amount_minor * counted
    return tier_amount(counted, effect.tiers, effect.mode, rounding=ground.options.rounding)


def _counted(effect: Surcharge, ground: Ground) -> int:
    match effect.counted:
        case "line":
            return len(ground.positions)
        case "piece":
            return sum(position.quantity for position in ground.positions)
        case "weight":
            return sum(ground.facts(p.id).get("line.weight_g", 0) * p.quantity for p in ground.positions)
    return 1


def _by_rate(positions: Sequence[Position], amounts: Sequence[int]) -> Fees:
    fees: Fees = {}
    for position, amount in zip(positions, amounts, strict=True):
        if amount:
            fees[position.tax_rate_bps] = fees.get(position.tax_rate_bps, 0) + amount
    return dict(sorted(fees.items()))
