"""The arithmetic of slots against a simple model, periods across midnights, and codes against guessing."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities.kernel.errors import InvalidError
from capabilities.marketing.codes import DIGITS, LETTERS, bits_of, new_code, require_unguessable
from capabilities.marketing.periods import period_bounds, period_key
from capabilities.marketing.slots import Slot, Slots, fresh, gathered, given_back, resized, slots_for


def taken(found: Slots, amount: int, turn: int) -> Slots | None:
    """As the service takes: from the first slot with room, counted from a turn on, else gathered."""
    if not found.is_over:
        count = len(found.slots)
        for number in sorted(range(count), key=lambda n: (n + turn) % count):
            slot = found.slots[number]
            if slot.left >= amount:
                after = (*found.slots[:number], Slot(slot.most, slot.used + amount), *found.slots[number + 1 :])
                return Slots(found.total, after)
    return gathered(resized(found, found.total), amount, turn % len(found.slots))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(1, 60), st.integers(0, 15)),
        st.tuples(st.just("back"), st.integers(0, 30), st.just(0)),
        st.tuples(st.just("resize"), st.integers(0, 200), st.just(0)),
    ),
    max_size=60,
)


@given(total=st.integers(0, 200), count=st.integers(1, 16), steps=STEPS)
def test_slots_are_one_counter(total: int, count: int, steps: list[tuple[str, int, int]]) -> None:
    """A model of two numbers, total and used, decides the same; room is never made or lost."""
    found, claims = fresh(total, count), list[tuple[int, int]]()
    for what, number, turn in steps:
        used = sum(amount for amount, _ in claims)
        if what == "take":
            after = taken(found, number, turn)
            assert (after is not None) == (used + number <= total)
            if after is not None:
                place = next(i for i in range(count) if after.slots[i].used != found.slots[i].used)
                claims.append((number, place))
                found = after
        elif what == "back" and claims:
            amount, place = claims.pop(number % len(claims))
            found = given_back(found, amount, place)
        elif what == "resize":
            total = number
            found = resized(found, total)
        used = sum(amount for amount, _ in claims)
        assert found.used == used
        assert all(0 <= slot.used <= slot.most for slot in found.slots)
        assert found.is_over or sum(slot.most for slot in found.slots) == total
        assert not found.is_over or all(slot.used == slot.most for slot in found.slots)


def test_how_many_slots() -> None:
    assert [slots_for("uses", most) for most in (0, 15, 32, 10_000)] == [1, 1, 2, 16]
    assert [slots_for("spend", most) for most in (99_99, 1_000_00, 50_000_00)] == [1, 10, 16]


def test_periods_of_a_moment() -> None:
    late = datetime(2026, 12, 31, 16, tzinfo=UTC)
    keys = [period_key(period, late, "Asia/Shanghai") for period in ("day", "week", "month", "year")]
    assert keys == ["day=2027-01-01", "week=2026-W53", "month=2027-01", "year=2027"]
    assert period_key("day", late, "UTC") == "day=2026-12-31"


def test_a_day_of_25_hours_when_clocks_go_back() -> None:
    begins, ends = period_bounds("day", datetime(2026, 10, 25, 12, tzinfo=UTC), "Europe/Berlin")
    assert (ends.astimezone(UTC) - begins.astimezone(UTC)).total_seconds() == 25 * 3600
    assert begins == datetime(2026, 10, 25, tzinfo=ZoneInfo("Europe/Berlin"))


@given(st.integers(946_684_800, 3_786_912_000), st.sampled_from(["day", "week", "month", "year"]))
def test_a_moment_lies_in_its_period_and_the_end_in_the_next(seconds: int, period: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    begins, ends = period_bounds(period, at, "America/New_York")
    assert begins <= at < ends
    assert period_key(period, begins, "America/New_York") == period_key(period, at, "America/New_York")
    assert period_key(period, ends, "America/New_York") != period_key(period, at, "America/New_York")


def test_codes_look_like_their_pattern_without_what_looks_alike() -> None:
    for _ in range(50):
        code = new_code("Summer-##-??-*")
        assert code[:7] == "SUMMER-"
        assert set(code[7:9]) <= set(DIGITS)
        assert set(code[10:12]) <= set(LETTERS)
        assert code[13] in DIGITS + LETTERS
    assert not set("01OILU") & set(DIGITS + LETTERS)


def test_a_lot_that_could_be_guessed_is_refused_with_the_bits_and_the_mend() -> None:
    assert round(bits_of("SUMMER-####-????"), 1) == 29.8
    assert require_unguessable("SUMMER-####-????", 500) == bits_of("SUMMER-####-????")
    with pytest.raises(InvalidError) as caught:
        require_unguessable("SUMMER-####", 1_000)
    assert caught.value.code == "marketing.codes_guessable"
    assert caught.value.message == (
        "The pattern SUMMER-#### has 12.0 bits; 1,000 codes need 30.0: now about every 4th guess would hit one."
    )
    assert caught.value.mend == "Add 5 more letters (?) or 6 more digits (#), or make fewer codes."
    assert caught.value.details["bits"] == 12.0
