"""Prices by tiers: graduated, by volume, by the package; and discounts by tiers of what is spent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from capabilities.marketing.contract import SpendTiers, TierPrice
from capabilities.marketing.pricing.ground import Caps, Ground, Share, give_across, give_each, weights_of
from capabilities.marketing.pricing.registry import effect_function
from capabilities.marketing.pricing.rounding import WHOLE_BPS, Rounding, percent_of, round_ratio
from capabilities.marketing.pricing.state import Grant


class Tier(Protocol):
    """Up to how many, what each so many cost, and what is added once."""

    @property
    def up_to(self) -> int | None: ...
    @property
    def unit_minor(self) -> int: ...
    @property
    def per_units(self) -> int: ...
    @property
    def flat_minor(self) -> int: ...


def tier_amount(
    quantity: int,
    tiers: Sequence[Tier],
    mode: Literal["graduated", "volume", "package"],
    *,
    package_units: int = 1,
    first_free: int = 0,
    rounding: Rounding = "half_up",
) -> int:
    """What a quantity costs by tiers.

    Graduated: what lies in each tier at the price of that tier, its flat part as soon as it is entered. Volume: all of it
    at the tier it reaches. Package: whole packages, rounded up, at the tier their number reaches. The first tier is
    entered even by nothing.
    """
    counted = max(0, quantity - first_free)
    if mode == "package":
        counted = -(-counted // package_units)
    if mode != "graduated":
        return _of_tier(_reached(tiers, counted), counted, rounding)
    total, below = 0, 0
    for number, tier in enumerate(tiers):
        inside = max(0, (counted if tier.up_to is None else min(counted, tier.up_to)) - below)
        if inside or not number:
            total += _of_tier(tier, inside, rounding)
        if tier.up_to is None or counted <= tier.up_to:
            break
        below = tier.up_to
    return total


def _reached(tiers: Sequence[Tier], counted: int) -> Tier:
    return next((tier for tier in tiers if tier.up_to is None or counted <= tier.up_to), tiers[-1])


def _of_tier(tier: Tier, counted: int, rounding: Rounding) -> int:
    return round_ratio(counted * tier.unit_minor, tier.per_units, rounding) + tier.flat_minor


@effect_function("tier_price")
def tier_price(effect: TierPrice, ground: Ground) -> list[Grant]:
    """What the line (or all lines together) costs above its price by tiers."""

    def price(quantity: int) -> int:
        return tier_amount(
            quantity,
            effect.tiers,
            effect.mode,
            package_units=effect.package_units,
            first_free=effect.first_free,
            rounding=ground.options.rounding,
        )

    if effect.apply == "each":
        wished = [max(0, position.net_minor - price(position.quantity)) for position in ground.positions]
        shares = [
            Share(position, position.net_minor, position.quantity, wish, (wish, 1), position.room_minor)
            for position, wish in zip(ground.positions, wished, strict=True)
        ]
        return give_each(shares, Caps.of(effect), ground.options)
    quantity = sum(position.quantity for position in ground.positions)
    total = max(0, sum(position.net_minor for position in ground.positions) - price(quantity))
    return _over_all(ground, total, Caps.of(effect), exact=(total, 1))


@effect_function("spend_tiers")
def spend_tiers(effect: SpendTiers, ground: Ground) -> list[Grant]:
    """What the highest tier reached takes off, over all lines."""
    spent = sum(position.net_minor for position in (ground.positions if effect.target == "lines" else ground.goods))
    reached = [tier for tier in effect.tiers if tier.from_minor <= spent]
    if not reached:
        return []
    tier = reached[-1]
    if tier.amount_minor is not None:
        times = spent // tier.from_minor if effect.each_time == "each_time" else 1
        total = tier.amount_minor * times
        return _over_all(ground, total, Caps.of(effect), exact=(total, 1))
    rate = tier.rate_bps or 0
    base = sum(position.net_minor for position in ground.positions)
    return _over_all(ground, percent_of(base, rate, ground.options), Caps.of(effect), exact=(base * rate, WHOLE_BPS))


def _over_all(ground: Ground, total: int, caps: Caps, *, exact: tuple[int, int]) -> list[Grant]:
    if not total or not ground.positions:
        return []
    shares = [Share(p, p.net_minor, p.quantity, 0, (0, 1), p.room_minor) for p in ground.positions]
    weights = weights_of(ground.positions, ground.options, prices_include_tax=ground.prices_include_tax)
    return give_across(shares, total, weights, caps, ground.options, exact=exact)
