"""Sets of units: buy some and get some, and bundles. Units that earned and units that got it count in no other set.

How many sets there are is found by halving, not by counting them off: each trial costs as much as there are lines. For n
sets the units that earn it are the n × b dearest free ones (the cheapest, where the dearest get it), those that get it
are the cheapest of what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from capabilities.kernel.expression import Condition
from capabilities.marketing.contract import Bundle, BuyGet, PricingOptions
from capabilities.marketing.pricing.ground import Caps, Ground, Share, give_across, give_each, percents
from capabilities.marketing.pricing.registry import effect_function
from capabilities.marketing.pricing.rounding import WHOLE_BPS
from capabilities.marketing.pricing.state import Grant, Position
from capabilities.marketing.pricing.unit_runs import Runs, Side, Taken, worth_of


@dataclass(frozen=True, slots=True)
class Sets:
    """Units of so many sets: what earns it, what gets it."""

    earning: Taken
    getting: Taken


@dataclass(frozen=True, slots=True)
class Offer:
    """Buy (units, or spend) of some, get units of the same or others."""

    buy: Condition | None
    buy_units: int | None
    buy_minor: int | None
    get: Condition | None
    get_units: int
    which: Side
    is_complete: bool
    most: int | None


@effect_function("buy_get")
def buy_get(effect: BuyGet, ground: Ground) -> list[Grant]:
    """Percent, an amount each, or a price each, on the units that are got."""
    offer = Offer(
        effect.buy,
        effect.buy_units,
        effect.buy_minor,
        effect.buy if effect.get is None else effect.get,
        effect.get_units,
        effect.which or ground.options.free_unit,
        effect.sets == "complete",
        _most_sets(effect.repeat_most, ground.options),
    )
    sets = most_sets(offer, ground)
    if sets is None:
        return []
    positions = _with_units(ground, sets)
    units = [sets.getting.get(position.id, 0) for position in positions]
    worth = [
        worth_of(position, sets.earning.get(position.id, 0), count)
        for position, count in zip(positions, units, strict=True)
    ]
    bases = _bases(positions, units, worth, ground.options) if effect.rate_bps else worth
    if effect.rate_bps is not None:
        wished = percents(bases, units, effect.rate_bps, ground.options)
        exact = [(base * effect.rate_bps, WHOLE_BPS) for base in bases]
    elif effect.amount_minor is not None:
        wished = [effect.amount_minor * count for count in units]
        exact = [(wish, 1) for wish in wished]
    else:
        price = effect.price_minor or 0
        wished = [max(0, base - price * count) for base, count in zip(bases, units, strict=True)]
        exact = [(wish, 1) for wish in wished]
    shares = [
        Share(p, base, count, wish, part, min(p.room_minor, cost), sets.earning.get(p.id, 0) + count)
        for p, base, count, wish, part, cost in zip(positions, bases, units, wished, exact, worth, strict=True)
    ]
    return _if_anything(give_each(shares, Caps.of(effect), ground.options))


@effect_function("bundle")
def bundle(effect: Bundle, ground: Ground) -> list[Grant]:
    """A price for the set or percent off it, on the dearest units there are; or the cheapest of it free."""
    most = _most_sets(effect.repeat_most, ground.options)
    if effect.cheapest_free is not None:
        part = effect.parts[0]
        free = effect.cheapest_free
        offer = BuyGet(
            buy=part.of,
            buy_units=part.units - free,
            get_units=free,
            rate_bps=WHOLE_BPS,
            which="cheapest",
            repeat_most=most,
            max_line_minor=effect.max_line_minor,
            max_minor=effect.max_minor,
            partial=effect.partial,
        )
        return buy_get(offer, ground)
    parts = [(Runs(ground.selected(part.of)), part.units) for part in effect.parts]
    taken = _bundled(parts, effect.price_minor, most)
    if not taken:
        return []
    positions = [position for position in _all_positions(ground) if position.id in taken]
    units = [taken[position.id] for position in positions]
    worth = [worth_of(position, 0, count) for position, count in zip(positions, units, strict=True)]
    if effect.rate_bps is not None:
        bases = _bases(positions, units, worth, ground.options)
        wished = percents(bases, units, effect.rate_bps, ground.options)
        shares = [
            Share(p, base, n, wish, (base * effect.rate_bps, WHOLE_BPS), min(p.room_minor, cost), n)
            for p, base, n, wish, cost in zip(positions, bases, units, wished, worth, strict=True)
        ]
        return _if_anything(give_each(shares, Caps.of(effect), ground.options))
    sets = sum(units) // sum(part.units for part in effect.parts)
    total = max(0, sum(worth) - sets * (effect.price_minor or 0))
    shares = [
        Share(p, cost, n, 0, (0, 1), min(p.room_minor, cost), n)
        for p, n, cost in zip(positions, units, worth, strict=True)
    ]
    return _if_anything(give_across(shares, total, worth, Caps.of(effect), ground.options, exact=(total, 1)))


def most_sets(offer: Offer, ground: Ground) -> Sets | None:
    """As many sets as there are, None where there is none."""
    buying, getting = Runs(ground.selected(offer.buy)), Runs(ground.selected(offer.get))

    def sets_of(number: int) -> Sets | None:
        return _sets_of(offer, buying, getting, number)

    bound = getting.free({}) if not offer.is_complete else getting.free({}) // offer.get_units
    if offer.buy_units is not None:
        bound = min(bound, buying.free({}) // offer.buy_units)
    number = _largest(bound if offer.most is None else min(bound, offer.most), lambda n: sets_of(n) is not None)
    return sets_of(number) if number else None


def _sets_of(offer: Offer, buying: Runs, getting: Runs, number: int) -> Sets | None:
    """The units of so many sets; None where there are not enough."""
    used: Taken = {}
    earning_side: Side = "dearest" if offer.which == "cheapest" else "cheapest"
    if offer.buy_units is not None:
        earning = buying.take(number * offer.buy_units, earning_side, used)
    else:
        earning = buying.take_worth(number * (offer.buy_minor or 0), earning_side, used)
    if earning is None:
        return None
    wanted = number * offer.get_units
    if not offer.is_complete:
        left = getting.free(used)
        if left <= (number - 1) * offer.get_units:
            return None
        wanted = min(wanted, left)
    got = getting.take(wanted, offer.which, used)
    return None if got is None else Sets(earning, got)


def _bundled(parts: Sequence[tuple[Runs, int]], price_minor: int | None, most: int | None) -> Taken:
    """The units of as many sets as there are; of sets with a price, only as many as cost more without it."""

    def taken_of(number: int) -> Taken | None:
        used: Taken = {}
        for runs, units in parts:
            if runs.take(number * units, "dearest", used) is None:
                return None
        return used

    bound = min(runs.free({}) // units for runs, units in parts)
    number = _largest(bound if most is None else min(bound, most), lambda n: taken_of(n) is not None)
    if price_minor is not None and number:
        values: dict[str, Fraction] = {}
        for runs, _ in parts:
            values.update(runs.values)

        def is_worth_it(n: int) -> bool:
            return _value(taken_of(n) or {}, values) - _value(taken_of(n - 1) or {}, values) > price_minor

        number = _largest(number, is_worth_it)
    return (taken_of(number) or {}) if number else {}


def _value(taken: Taken, values: Mapping[str, Fraction]) -> Fraction:
    whole, broken = 0, Fraction(0)
    for position_id, units in taken.items():
        value = values[position_id]
        if value.denominator == 1:
            whole += value.numerator * units
        else:
            broken += value * units
    return whole + broken


def _largest(bound: int, will_do: Callable[[int], bool]) -> int:
    """The largest number up to the bound that will do, where all smaller ones do; 0 where none does."""
    low, high = 0, max(0, bound)
    while low < high:
        middle = (low + high + 1) // 2
        if will_do(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _most_sets(repeat_most: int | None, options: PricingOptions) -> int | None:
    """How often an effect repeats: as it says itself, else as the rule set declares."""
    if repeat_most is not None:
        return repeat_most
    return 1 if options.repetition == "once" else options.repeat_most


def _bases(
    positions: Sequence[Position], units: Sequence[int], worth: Sequence[int], options: PricingOptions
) -> list[int]:
    if options.percent_of == "initial":
        return [position.unit_price_minor * count for position, count in zip(positions, units, strict=True)]
    return list(worth)


def _all_positions(ground: Ground) -> Sequence[Position]:
    """All lines that may take part, in canonical order."""
    return ground.goods or ground.positions


def _with_units(ground: Ground, sets: Sets) -> list[Position]:
    return [p for p in _all_positions(ground) if p.id in sets.earning or p.id in sets.getting]


def _if_anything(grants: list[Grant]) -> list[Grant]:
    """Sets that give nothing use nothing up."""
    return grants if any(grant.given_minor for grant in grants) else [g for g in grants if g.wished_minor]
