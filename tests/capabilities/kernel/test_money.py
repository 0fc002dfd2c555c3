"""Money is exact, whatever is done to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities.kernel.errors import InvalidError
from capabilities.kernel.money import Money, split_minor

amounts = st.integers(-(10**12), 10**12)
weights = st.lists(st.integers(0, 10**9), min_size=1, max_size=40)


@given(amounts, weights)
def test_the_parts_of_a_split_always_add_up(total, shares):
    assert sum(split_minor(total, shares)) == total


@given(amounts, weights)
def test_no_part_is_further_than_one_minor_unit_from_its_exact_share(total, shares):
    whole = sum(shares) or len(shares)
    exact = shares if sum(shares) else [1] * len(shares)
    assert all(
        abs(part * whole - total * share) < whole for part, share in zip(split_minor(total, shares), exact, strict=True)
    )


@given(amounts, weights)
def test_a_negative_total_mirrors_the_positive_one(total, shares):
    assert split_minor(-total, shares) == [-part for part in split_minor(total, shares)]


def test_ties_go_to_the_earlier_part():
    assert split_minor(10, [1, 1, 1]) == [4, 3, 3]
    assert split_minor(5000, [12000, 23000, 30000]) == [923, 1769, 2308]


def test_all_weights_zero_means_equal_parts():
    assert split_minor(5, [0, 0]) == [3, 2]


@pytest.mark.parametrize(
    ("total", "shares", "code"), [(1, [], "money.split_nothing"), (1, [1, -1], "money.split_negative")]
)
def test_impossible_splits_are_refused(total, shares, code):
    with pytest.raises(InvalidError) as caught:
        split_minor(total, shares)
    assert caught.value.code == code


@given(amounts, st.sampled_from(["CNY", "JPY", "KWD", "EUR"]))
def test_decimal_text_is_read_back_to_the_same_amount(minor, currency):
    money = Money(minor, currency)
    assert Money.of(money.decimal(), currency) == money


@pytest.mark.parametrize(
    ("text", "currency", "code"),
    [("1.005", "CNY", "money.too_precise"), ("abc", "CNY", "money.unreadable"), ("1.5", "JPY", "money.too_precise")],
)
def test_unreadable_amounts_say_what_is_wrong(text, currency, code):
    with pytest.raises(InvalidError) as caught:
        Money.of(text, currency)
    assert caught.value.code == code


def test_currencies_never_mix():
    with pytest.raises(InvalidError) as caught:
        Money(1, "CNY") + Money(1, "EUR")
    assert caught.value.code == "money.currency_mismatch"


def test_a_float_is_no_amount():
    with pytest.raises(InvalidError):
        Money(1.0, "CNY")
    with pytest.raises(InvalidError):
        Money(1, "CNY") * 0.5
