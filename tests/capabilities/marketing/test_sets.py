"""Sets of units as runs, against a naive algorithm that takes lines apart into single units; and their size."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities.kernel.expression import holds
from capabilities.marketing.contract import Bundle, BundlePart, BuyGet, Cart, PricingOptions, Quote
from capabilities.marketing.pricing import apply_stage, begin, finish, line_facts, share, unit_runs
from capabilities.marketing.pricing.rounding import percent_of
from tests.capabilities.marketing.carts import a_cart, a_line, a_rule, priced, set_effects


@dataclass(frozen=True)
class Unit:
    """One piece: of which line, which of its pieces, and what it is worth."""

    line: int
    number: int
    value: Fraction


def _units(cart: Cart, selector: object) -> list[Unit]:
    state = begin(cart)
    return [
        Unit(i, number, Fraction(line.unit_price_minor))
        for i, line in enumerate(cart.lines)
        if selector is None or holds(selector, line_facts(state, line.id))  # type: ignore[arg-type]
        for number in range(line.quantity)
    ]


def _best(units: list[Unit], count: int, *, dearest: bool, taken: dict[int, int]) -> list[Unit] | None:
    """So many units by explicit sorting: lines by value, then by order; pieces of a line are taken from its first on."""
    sign = -1 if dearest else 1
    free = [unit for unit in units if unit.number >= taken.get(unit.line, 0)]
    found = sorted(free, key=lambda unit: (sign * unit.value, unit.line, unit.number))[:count]
    if len(found) < count:
        return None
    for unit in found:
        taken[unit.line] = taken.get(unit.line, 0) + 1
    return found


def _naive_buy_get(cart: Cart, effect: BuyGet, how: PricingOptions) -> list[int]:
    """One set more as long as it can be had, every piece looked at by itself."""
    most = effect.repeat_most or (1 if how.repetition == "once" else 10**9)
    which = effect.which or how.free_unit
    x, y = _units(cart, effect.buy), _units(cart, effect.buy if effect.get is None else effect.get)
    found: list[Unit] = []
    for number in range(1, min(most, len(y)) + 1):
        taken: dict[int, int] = {}
        if effect.buy_units is not None:
            earning = _best(x, number * effect.buy_units, dearest=which == "cheapest", taken=taken)
        else:
            earning = _worth(x, number * (effect.buy_minor or 0), dearest=which == "cheapest", taken=taken)
        if earning is None:
            break
        wanted = number * effect.get_units
        left = sum(1 for unit in y if unit.number >= taken.get(unit.line, 0))
        if effect.sets == "as_many":
            if left <= (number - 1) * effect.get_units:
                break
            wanted = min(wanted, left)
        got = _best(y, wanted, dearest=which == "dearest", taken=taken)
        if got is None:
            break
        found = got
    return _given(cart, found, _each_of(effect, how))


def _worth(units: list[Unit], amount: int, *, dearest: bool, taken: dict[int, int]) -> list[Unit] | None:
    sign = -1 if dearest else 1
    spent, found = 0, []
    for unit in sorted(units, key=lambda unit: (sign * unit.value, unit.line, unit.number)):
        if spent >= amount:
            break
        if unit.value:
            spent += int(unit.value)
            found.append(unit)
            taken[unit.line] = taken.get(unit.line, 0) + 1
    return found if spent >= amount else None


def _each_of(effect: BuyGet | Bundle, how: PricingOptions) -> Callable[[int, int], int]:
    def worth(base: int, count: int) -> int:
        if effect.rate_bps is not None:
            return percent_of(base, effect.rate_bps, how)
        if isinstance(effect, BuyGet) and effect.amount_minor is not None:
            return min(effect.amount_minor * count, base)
        return max(0, base - (effect.price_minor or 0) * count)

    return worth


def _given(cart: Cart, units: list[Unit], worth: Callable[[int, int], int]) -> list[int]:
    given_ = []
    for i, line in enumerate(cart.lines):
        mine = [unit for unit in units if unit.line == i]
        base = sum(int(unit.value) for unit in mine)
        room = (line.unit_price_minor - min(line.floor_price_minor, line.unit_price_minor)) * line.quantity
        given_.append(min(worth(base, len(mine)), base, room) if mine else 0)
    return given_


def _naive_bundle(cart: Cart, effect: Bundle, how: PricingOptions) -> list[int] | int:
    if effect.cheapest_free is not None:
        part = effect.parts[0]
        units = part.units - effect.cheapest_free
        get = BuyGet(
            buy=part.of,
            buy_units=units,
            get_units=effect.cheapest_free,
            rate_bps=10_000,
            which="cheapest",
            repeat_most=effect.repeat_most,
        )
        return _naive_buy_get(cart, get, how)
    most = effect.repeat_most or (1 if how.repetition == "once" else 10**9)
    parts = [(_units(cart, part.of), part.units) for part in effect.parts]
    found: list[Unit] = []
    total = 0
    for number in range(1, most + 1):
        taken: dict[int, int] = {}
        sets = [_best(units, number * count, dearest=True, taken=taken) for units, count in parts]
        if any(one is None for one in sets):
            break
        flat = [unit for one in sets for unit in one or ()]
        worth = sum(int(unit.value) for unit in flat)
        if effect.price_minor is not None:
            if worth - sum(int(unit.value) for unit in found) <= effect.price_minor:
                break
            total = worth - number * effect.price_minor
        found = flat
    if effect.rate_bps is not None:
        return _given(cart, found, _each_of(effect, how))
    return total


@st.composite
def _cases(draw: st.DrawFn) -> tuple[Cart, BuyGet | Bundle, PricingOptions]:
    lines = [
        a_line(number, draw(st.sampled_from([0, 1, 5_00, 5_00, 7_77, 20_00])), draw(st.integers(1, 14)))
        for number in range(1, draw(st.integers(1, 6)) + 1)
    ]
    effect = draw(set_effects)
    plain = {"max_line_minor": None, "max_minor": None, "partial": "allowed"}
    plain |= {"max_unit_minor": None} if isinstance(effect, BuyGet) else {}
    how = PricingOptions(
        free_unit=draw(st.sampled_from(["cheapest", "dearest"])),
        repetition=draw(st.sampled_from(["unlimited", "once"])),
        rounding=draw(st.sampled_from(["half_up", "half_even", "down"])),
    )
    return a_cart(*lines), effect.model_copy(update=plain), how


@given(_cases())
def test_runs_give_what_taking_lines_apart_gives(case: tuple[Cart, BuyGet | Bundle, PricingOptions]) -> None:
    cart, effect, how = case
    quote = priced(cart, a_rule(1, effect), options=how)

    found = [line.discount_minor for line in quote.lines]
    if isinstance(effect, BuyGet):
        assert found == _naive_buy_get(cart, effect, how)
    elif effect.price_minor is None:
        assert found == _naive_bundle(cart, effect, how)
    elif len(effect.parts) == 1:
        # of a price for several kinds that overlap, the order of sets is not the order of what they save
        assert sum(found) == _naive_bundle(cart, effect, how)


@given(st.integers(1, 30), st.integers(0, 5_000), st.data())
def test_what_units_are_worth_one_after_the_other_is_what_the_line_costs(
    quantity: int, given_: int, data: st.DataObject
) -> None:
    line = a_line(1, 10_00, quantity)
    state = begin(a_cart(line))
    position = state.positions["l1"].less(min(given_, 10_00 * quantity))
    pieces = data.draw(st.integers(0, quantity))
    rest = unit_runs.worth_of(position, pieces, quantity - pieces)

    assert unit_runs.worth_of(position, 0, pieces) + rest == position.net_minor
    assert unit_runs.worth_of(position, 0, pieces) == share(position.net_minor, quantity, pieces)


def _thousand_lines(quantity: int) -> Cart:
    return a_cart(*(a_line(n, 5_00 + n, quantity) for n in range(1, 1_001)))


SETS = (
    BuyGet(buy_units=2, get_units=1, rate_bps=10_000),
    BuyGet(buy_minor=100_00, get_units=3, price_minor=1_00),
    Bundle(parts=(BundlePart(units=3),), price_minor=20_00),
)


def _calls(cart: Cart, effect: object) -> tuple[int, Quote]:
    """The quote, and how many Python functions were called for it: what was done, whatever the machine."""
    state = begin(cart)
    calls = 0

    def counted(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(counted)
    try:
        after = apply_stage(state, 30, [a_rule(1, effect)])
    finally:
        sys.setprofile(None)
    return calls, finish(after, quote_id="quo_1", created_at=cart.at, expires_at=cart.at)


@pytest.mark.parametrize("effect", SETS, ids=lambda effect: effect.kind)
def test_a_thousand_lines_of_6_000_pieces_are_not_taken_apart(effect: BuyGet | Bundle) -> None:
    """For a hundred times as many pieces a few halvings more are done, nothing a piece at a time."""
    few, _ = _calls(_thousand_lines(60), effect)
    many, quote = _calls(_thousand_lines(6_000), effect)

    assert sum(line.quantity for line in quote.lines) == 6_000_000
    assert many < 2 * few
    assert many < 600_000
    assert quote.discount_minor > 0


def test_three_for_two_over_six_million_pieces_is_exact_to_the_cent() -> None:
    _, quote = _calls(_thousand_lines(6_000), SETS[0])

    # two million are free: all of the 333 cheapest lines, and 2,000 pieces of the next
    free = sum(5_00 + number for number in range(1, 334)) * 6_000 + 2_000 * (5_00 + 334)
    assert quote.discount_minor == free
    assert sum(line.set_units for line in quote.lines) == 6_000_000
