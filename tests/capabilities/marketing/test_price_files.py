"""Price lists as files: every bad line named, and what is written is read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities.marketing.price_contract import PriceEntry
from capabilities.marketing.price_files import read_prices, write_prices


def test_a_file_is_read_in_any_order_of_columns_and_with_what_may_be_missing():
    text = "\ufeffPrice,SKU,from_quantity,was\n12.50,tea,,15\n\n1 ,mug,10,\n"
    prices, problems = read_prices(text.replace("1 ,", "1,"), "CNY")
    assert problems == ()
    assert prices == (
        (2, PriceEntry(sku="tea", unit_price_minor=1250, was_price_minor=1500)),
        (4, PriceEntry(sku="mug", from_quantity=10, unit_price_minor=100)),
    )


def test_amounts_have_the_decimals_of_the_currency():
    assert read_prices("sku,price\ntea,1200\n", "JPY")[0][0][1].unit_price_minor == 1200
    assert read_prices("sku,price\ntea,1.5\n", "JPY")[1][0].field == "price"
    assert read_prices("sku,price\ntea,1.234\n", "BHD")[0][0][1].unit_price_minor == 1234


@pytest.mark.parametrize(
    ("line", "field", "message"),
    [
        ("tea,1,", "price", "There is no price."),
        ("tea,1,abc", "price", "'abc' is no amount such as 12.50."),
        ("tea,1,NaN", "price", "'NaN' is no amount such as 12.50."),
        ("tea,1,1.005", "price", "'1.005' is no amount such as 12.50."),
        ("tea,1,-1", "price", "Input should be greater than or equal to 0."),
        ("tea,0,1", "from_quantity", "Input should be greater than or equal to 1."),
        ("tea,some,1", "from_quantity", "'some' is no whole number of pieces."),
        (",1,1", "sku", "String should have at least 1 character."),
        ("tea,1,1,2", "floor", "The floor price lies at or below the price."),
        ("good,1,1", "sku", "The same sku and quantity stand in line 2."),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_read(line, field, message):
    prices, problems = read_prices(f"sku,from_quantity,price,floor\ngood,1,9.90\n{line}\nlast,1,2\n", "CNY")
    assert [(found.line, found.field, found.message) for found in problems] == [(3, field, message)]
    assert [entry.sku for _, entry in prices] == ["good", "last"]


def test_a_file_without_the_needed_columns_says_which():
    assert [(found.line, found.message) for found in read_prices("sku\ntea\n", "CNY")[1]] == [
        (1, "There is no column 'price'.")
    ]
    assert read_prices("", "CNY")[1][0].message == "There is no column 'sku'."


ENTRIES = st.builds(
    lambda sku, count, price, floor, was: PriceEntry(
        sku=sku,
        from_quantity=count,
        unit_price_minor=price,
        floor_price_minor=None if floor is None else min(floor, price),
        was_price_minor=was,
    ),
    st.text("ABC-_.0", min_size=1, max_size=5),
    st.integers(1, 1_000),
    st.integers(0, 10**11),
    st.none() | st.integers(0, 10**11),
    st.none() | st.integers(0, 10**11),
)


@given(
    st.lists(ENTRIES, unique_by=lambda entry: (entry.sku, entry.from_quantity)), st.sampled_from(["CNY", "JPY", "BHD"])
)
def test_what_is_written_is_read_back(entries, currency):
    prices, problems = read_prices(write_prices(entries, currency), currency)
    assert problems == ()
    assert [entry for _, entry in prices] == entries
