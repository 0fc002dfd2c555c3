"""Splitting and sharing: exact, within limits, whatever the numbers."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities.kernel.errors import InvalidError
from capabilities.kernel.money import split_minor
from capabilities.marketing.pricing import share, share_between, split, split_within

remainders = st.sampled_from(["largest", "first_lines", "last_line"])


@st.composite
def vessels(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    count = draw(st.integers(1, 12))
    weights = draw(st.lists(st.integers(0, 10_000), min_size=count, max_size=count))
    limits = draw(st.lists(st.integers(0, 5_000), min_size=count, max_size=count))
    return weights, limits


@given(st.integers(0, 20_000), vessels(), remainders)
def test_a_split_within_limits_gives_all_or_fills_all_and_never_overfills(
    total: int, vessel: tuple[list[int], list[int]], remainder: str
) -> None:
    weights, limits = vessel

    parts = split_within(total, weights, limits, remainder)

    assert sum(parts) == min(total, sum(limits))
    assert all(0 <= part <= limit for part, limit in zip(parts, limits, strict=True))


@given(st.integers(0, 20_000), vessels())
def test_it_fills_like_water_a_line_at_its_limit_and_the_rest_split_anew(
    total: int, vessel: tuple[list[int], list[int]]
) -> None:
    """Against the definition, taken literally: fix what would pass its limit, split the rest anew, and so on."""
    weights, limits = vessel
    weights = [weight or 1 for weight in weights]
    parts, left = [0] * len(weights), min(total, sum(limits))
    active = list(range(len(weights)))
    while active:
        whole = sum(weights[i] for i in active)
        full = [i for i in active if Fraction(left * weights[i], whole) > limits[i]]
        if not full:
            for i, part in zip(active, split_minor(left, [weights[i] for i in active]), strict=True):
                parts[i] = part
            break
        for i in full:
            parts[i] = limits[i]
        left -= sum(limits[i] for i in full)
        active = [i for i in active if i not in full]

    assert split_within(total, weights, limits) == parts


@given(st.integers(-20_000, 20_000), st.lists(st.integers(0, 10_000), min_size=1, max_size=12), remainders)
def test_a_split_adds_up_and_mirrors_negatives(total: int, weights: list[int], remainder: str) -> None:
    parts = split(total, weights, remainder)

    assert sum(parts) == total
    assert split(-total, weights, remainder) == [-part for part in parts]
    if any(weights):
        assert all(part == 0 for part, weight in zip(parts, weights, strict=True) if not weight)


@pytest.mark.parametrize(
    ("remainder", "expected"),
    [("largest", [12, 1, 2]), ("first_lines", [13, 1, 1]), ("last_line", [12, 1, 2])],
)
def test_15_by_80_8_12(remainder: str, expected: list[int]) -> None:
    assert split(15, [80, 8, 12], remainder) == expected


def test_all_weights_zero_means_equal_parts() -> None:
    assert split(10, [0, 0, 0]) == [4, 3, 3]


def test_a_split_over_nothing_is_refused() -> None:
    with pytest.raises(InvalidError, match="at least one"):
        split(10, [])


def test_a_thousand_lines_that_fill_one_after_the_other_do_not_take_a_round_each() -> None:
    weights = list(range(1, 20_001))
    limits = [weight // 3 + weight % 7 for weight in weights]
    began = time.perf_counter()

    parts = split_within(sum(limits) - 1, weights, limits)

    assert sum(parts) == sum(limits) - 1
    assert time.perf_counter() - began < 2


@given(st.integers(0, 100_000), st.integers(1, 500), st.data())
def test_27_any_sequence_of_partial_returns_adds_up_to_the_amount(
    amount: int, quantity: int, data: st.DataObject
) -> None:
    returned = total = 0
    while returned < quantity:
        more = data.draw(st.integers(1, quantity - returned))
        part = share_between(amount, quantity, returned, more)
        assert part >= 0
        total += part
        returned += more

    assert total == amount


def test_a_share_is_rounded_half_up() -> None:
    assert [share(100, 8, k) for k in range(9)] == [0, 13, 25, 38, 50, 63, 75, 88, 100]


def test_more_units_than_there_are_cannot_be_shared() -> None:
    with pytest.raises(InvalidError, match="5 of 4 units"):
        share(100, 4, 5)
