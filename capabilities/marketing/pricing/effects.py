"""What effects are worth: a registry from the kind of an effect to a pure function over integers.

A new kind of effect is a contract type and one function here. A function sees only the positions its rule aims at; it
says what each is granted and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from capabilities.kernel.errors import InvalidError
from capabilities.marketing.contract import AmountOff, FreeDelivery, PercentOff, PricingOptions, SetPrice
from capabilities.marketing.pricing.rounding import WHOLE_BPS, percent_of, percent_of_units
from capabilities.marketing.pricing.splitting import split, split_within
from capabilities.marketing.pricing.state import Grant, Position


@dataclass(frozen=True, slots=True)
class Ground:
    """What an effect works on: the positions it aims at (at least one, in canonical order) and how to compute."""

    positions: Sequence[Position]
    options: PricingOptions
    prices_include_tax: bool


Ratio = tuple[int, int]
"""Numerator and denominator of an exact amount in minor units."""

EffectFunction = Callable[[Any, Ground], list[Grant]]

_EFFECTS: dict[str, EffectFunction] = {}


def effect_function(kind: str) -> Callable[[EffectFunction], EffectFunction]:
    """Decorator: this function computes effects of that kind."""

    def register(function: EffectFunction) -> EffectFunction:
        _EFFECTS[kind] = function
        return function

    return register


def grants_of(effect: Any, ground: Ground) -> list[Grant]:
    """What the effect grants each position it aims at; positions that neither wish nor get anything are left out."""
    if effect.kind not in _EFFECTS:
        raise InvalidError("marketing.effect_unknown", f"No arithmetic is known for the effect {effect.kind!r}.")
    if not ground.positions:
        return []
    return [grant for grant in _EFFECTS[effect.kind](effect, ground) if grant.wished_minor or grant.given_minor]


@effect_function("percent_off")
def percent_off(effect: PercentOff, ground: Ground) -> list[Grant]:
    """Percent off: each line by itself, or off the sum and then split."""
    options = ground.options
    units = [position.units_within(effect.max_units) for position in ground.positions]
    bases = [_base(position, u, options) for position, u in zip(ground.positions, units, strict=True)]
    if effect.apply == "across":
        total = percent_of(sum(bases), effect.rate_bps, options)
        return _across(ground, bases, units, total, effect.max_minor, exact=(sum(bases) * effect.rate_bps, WHOLE_BPS))
    if options.rounding_level == "order":
        # one rounding for all lines of the rule; the exact discounts are in proportion to the bases
        wished = split(percent_of(sum(bases), effect.rate_bps, options), bases, options.remainder)
    elif options.rounding_level == "unit":
        wished = [percent_of_units(b, u, effect.rate_bps, options) for b, u in zip(bases, units, strict=True)]
    else:
        wished = [percent_of(base, effect.rate_bps, options) for base in bases]
    exact = [(base * effect.rate_bps, WHOLE_BPS) for base in bases]
    return _each(ground, bases, units, wished, effect.max_minor, exact=exact)


@effect_function("amount_off")
def amount_off(effect: AmountOff, ground: Ground) -> list[Grant]:
    """An amount off each unit, or once over all lines."""
    units = [position.units_within(effect.max_units) for position in ground.positions]
    bases = [position.units_net_minor(u) for position, u in zip(ground.positions, units, strict=True)]
    if effect.apply == "across":
        amount = effect.amount_minor
        return _across(ground, bases, units, amount, effect.max_minor, exact=(amount, 1))
    return _each(ground, bases, units, [effect.amount_minor * u for u in units], effect.max_minor, limits=bases)


@effect_function("set_price")
def set_price(effect: SetPrice, ground: Ground) -> list[Grant]:
    """A price for each unit; where the line already costs less, nothing."""
    wished = [max(0, position.net_minor - effect.price_minor * position.quantity) for position in ground.positions]
    nets = [position.net_minor for position in ground.positions]
    return _each(ground, nets, [position.quantity for position in ground.positions], wished, effect.max_minor)


@effect_function("free_delivery")
def free_delivery(effect: FreeDelivery, ground: Ground) -> list[Grant]:
    """All that deliveries still cost."""
    nets = [position.net_minor for position in ground.positions]
    return _each(ground, nets, [position.quantity for position in ground.positions], nets, effect.max_minor)


def _base(position: Position, units: int, options: PricingOptions) -> int:
    if options.percent_of == "initial":
        return units * position.unit_price_minor
    return position.units_net_minor(units)


def _each(
    ground: Ground,
    bases: Sequence[int],
    units: Sequence[int],
    wished: Sequence[int],
    max_minor: int | None,
    *,
    limits: Sequence[int] | None = None,
    exact: Sequence[Ratio] | None = None,
) -> list[Grant]:
    """Position by position, within its room; a maximum for the order is split in proportion to what each would get."""
    room = [position.room_minor for position in ground.positions]
    within = room if limits is None else [min(pair) for pair in zip(room, limits, strict=True)]
    given = [min(pair) for pair in zip(wished, within, strict=True)]
    by_max = max_minor is not None and sum(given) > max_minor
    if max_minor is not None and by_max:
        given = split_within(max_minor, given, given, ground.options.remainder)
    whole = exact or [(wish, 1) for wish in wished]
    return _granted(ground, bases, units, wished, given, whole, by_max=by_max)


def _across(
    ground: Ground, bases: Sequence[int], units: Sequence[int], total: int, max_minor: int | None, *, exact: Ratio
) -> list[Grant]:
    """One amount over all positions, by their weights, within what each of them has room for."""
    weights = _weights(ground)
    limits = [
        min(position.room_minor, position.units_net_minor(u))
        for position, u in zip(ground.positions, units, strict=True)
    ]
    amount = total if max_minor is None else min(total, max_minor)
    wished = split(total, weights, ground.options.remainder)
    given = split_within(amount, weights, limits, ground.options.remainder)
    weight = sum(weights) or len(weights)
    parts = [(exact[0] * (w if any(weights) else 1), exact[1] * weight) for w in weights]
    return _granted(ground, bases, units, wished, given, parts, by_max=sum(given) == amount < total)


def _weights(ground: Ground) -> list[int]:
    kind = ground.options.weights
    if kind == "quantity":
        return [position.quantity for position in ground.positions]
    if kind == "original":
        return [position.gross_minor for position in ground.positions]
    if kind == "gross" and not ground.prices_include_tax:
        return [position.net_minor * (WHOLE_BPS + position.tax_rate_bps) for position in ground.positions]
    return [position.net_minor for position in ground.positions]


def _granted(
    ground: Ground,
    bases: Sequence[int],
    units: Sequence[int],
    wished: Sequence[int],
    given: Sequence[int],
    exact: Sequence[Ratio],
    *,
    by_max: bool,
) -> list[Grant]:
    grants = []
    columns = zip(ground.positions, bases, units, wished, given, exact, strict=True)
    for position, base, u, wish, gift, ratio in columns:
        at_limit = "floor" if position.floor_price_minor else "price"
        capped_by = None if gift >= wish else ("max" if by_max else at_limit)
        grants.append(Grant(position.id, base, wish, gift, u, ratio, capped_by))  # type: ignore[arg-type]
    return grants
