"""What percent, amount, price and free delivery are worth, on every unit or on those selected."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from capabilities.marketing.contract import AmountOff, FreeDelivery, PercentOff, SetPrice
from capabilities.marketing.pricing.ground import Caps, Ground, Share, give_across, give_each, percents, weights_of
from capabilities.marketing.pricing.registry import effect_function
from capabilities.marketing.pricing.rounding import WHOLE_BPS, percent_of
from capabilities.marketing.pricing.splitting import share
from capabilities.marketing.pricing.state import Grant, Position

Chosen = tuple[Position, int, int]
"""A position, how many of its units are meant, and what those still cost."""


@effect_function("percent_off")
def percent_off(effect: PercentOff, ground: Ground) -> list[Grant]:
    """Percent off: each line by itself, or off the sum and then split."""
    options, rate = ground.options, effect.rate_bps
    chosen = _chosen(effect, ground, effect.max_units)
    initial = options.percent_of == "initial"
    bases = [units * position.unit_price_minor if initial else worth for position, units, worth in chosen]
    if effect.apply == "across":
        total = percent_of(sum(bases), rate, options)
        shares = _shares(chosen, bases, [0] * len(bases), costs=True)
        exact = (sum(bases) * rate, WHOLE_BPS)
        return give_across(shares, total, _weights(effect, ground, chosen), Caps.of(effect), options, exact=exact)
    wished = percents(bases, [units for _, units, _ in chosen], rate, options)
    shares = [
        Share(position, base, units, wish, (base * rate, WHOLE_BPS), position.room_minor)
        for (position, units, _), base, wish in zip(chosen, bases, wished, strict=True)
    ]
    return give_each(shares, Caps.of(effect), options)


@effect_function("amount_off")
def amount_off(effect: AmountOff, ground: Ground) -> list[Grant]:
    """An amount off each unit, or once over all lines."""
    chosen = _chosen(effect, ground, effect.max_units)
    bases = [worth for _, _, worth in chosen]
    amount = effect.amount_minor
    if effect.apply == "across":
        shares = _shares(chosen, bases, [0] * len(bases), costs=True)
        weights = _weights(effect, ground, chosen)
        return give_across(shares, amount, weights, Caps.of(effect), ground.options, exact=(amount, 1))
    wished = [amount * units for _, units, _ in chosen]
    return give_each(_shares(chosen, bases, wished, costs=True), Caps.of(effect), ground.options)


@effect_function("set_price")
def set_price(effect: SetPrice, ground: Ground) -> list[Grant]:
    """A price for each unit; where the line already costs less, nothing."""
    chosen = _chosen(effect, ground, None)
    bases = [worth for _, _, worth in chosen]
    wished = [max(0, worth - effect.price_minor * units) for _, units, worth in chosen]
    return give_each(_shares(chosen, bases, wished), Caps.of(effect), ground.options)


@effect_function("free_delivery")
def free_delivery(effect: FreeDelivery, ground: Ground) -> list[Grant]:
    """All that deliveries still cost."""
    chosen = [(position, position.quantity, position.net_minor) for position in ground.positions]
    nets = [position.net_minor for position in ground.positions]
    return give_each(_shares(chosen, nets, nets), Caps.of(effect), ground.options)


def raised_by(effect: SetPrice, ground: Ground) -> list[tuple[Position, int]]:
    """How much above their price the set price is, position by position: what becomes a surcharge where it may."""
    chosen = _chosen(effect, ground, None)
    return [
        (position, effect.price_minor * units - worth)
        for position, units, worth in chosen
        if effect.price_minor * units > worth
    ]


def _shares(
    chosen: Sequence[Chosen], bases: Sequence[int], wished: Sequence[int], *, costs: bool = False
) -> list[Share]:
    """Shares without fractions; with `costs` no units get more than they cost."""
    return [
        Share(
            position,
            base,
            units,
            wish,
            (wish, 1),
            min(position.room_minor, worth) if costs else position.room_minor,
        )
        for (position, units, worth), base, wish in zip(chosen, bases, wished, strict=True)
    ]


def _weights(effect: PercentOff | AmountOff, ground: Ground, chosen: Sequence[Chosen]) -> list[int]:
    if effect.select == "all":
        return weights_of(ground.positions, ground.options, prices_include_tax=ground.prices_include_tax)
    return [worth for _, _, worth in chosen]


def _chosen(effect: PercentOff | AmountOff | SetPrice, ground: Ground, max_units: int | None) -> list[Chosen]:
    """Which units are meant, and what they cost: of all units what the line was given counts whole against them."""
    positions = ground.positions
    if effect.select == "all":
        if max_units is None:
            return [(position, position.quantity, position.net_minor) for position in positions]
        counts = [position.units_within(max_units) for position in positions]
        return [(p, units, p.units_net_minor(units)) for p, units in zip(positions, counts, strict=True)]
    counts = _selected_units(positions, effect.select, effect.select_units or 1)
    within = [n if max_units is None else min(n, max_units) for n in counts]
    return [(p, n, share(p.net_minor, p.quantity, n)) for p, n in zip(positions, within, strict=True) if n]


def _selected_units(positions: Sequence[Position], select: str, number: int) -> list[int]:
    """How many units of each position: the n cheapest or dearest of all, or every nth from the dearest down."""
    counts = [0] * len(positions)
    values = [Fraction(position.net_minor, position.quantity) for position in positions]
    sign = 1 if select == "cheapest" else -1
    seen = 0
    for i in sorted(range(len(positions)), key=lambda i: (sign * values[i], i)):
        quantity = positions[i].quantity
        if select == "every_nth":
            counts[i] = (seen + quantity) // number - seen // number
        else:
            counts[i] = max(0, min(quantity, number - seen))
        seen += quantity
    return counts
