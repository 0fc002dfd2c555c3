"""Which of several prices holds, and the lowest before: the rules of `price_contract`, and against a naive reading of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities.marketing.price_contract import PriceEntry, PriceListTerms, PriceQuestion
from capabilities.marketing.price_resolution import OWN_PRICE, Span, effective, lowest_before, resolve

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def terms(code: str = "base", **more: object) -> PriceListTerms:
    return PriceListTerms.model_validate({"code": code, "name_en": "n", "name_zh": "n", "currency": "CNY"} | more)


def question(quantity: int = 1, **more: object) -> PriceQuestion:
    return PriceQuestion.model_validate(
        {"currency": "CNY", "channel": "web", "at": NOON, "quantities": {"tea": quantity}} | more
    )


def chosen(asked: PriceQuestion, *lists: tuple[PriceListTerms, dict[int, int]]) -> tuple[str, int] | None:
    by_id = {f"id-{found.code}": found for found, _ in lists}
    entries = [
        (f"id-{found.code}", PriceEntry(sku="tea", from_quantity=count, unit_price_minor=price))
        for found, prices in lists
        for count, price in prices.items()
    ]
    price = resolve(by_id, entries, asked).get("tea")
    return None if price is None else (price.list_code, price.unit_price_minor)


GENERAL = (terms("general", priority=99), {1: 50})
WEB = (terms("web", channel="web", priority=50), {1: 90})
GOLD = (terms("gold", tier="gold"), {1: 95})
GOLD_WEB = (terms("gold-web", tier="gold", channel="web", priority=-5), {1: 99})


@pytest.mark.parametrize(
    ("lists", "wins"),
    [
        ((GENERAL,), "general"),
        ((GENERAL, WEB), "web"),
        ((GENERAL, WEB, GOLD), "gold"),
        ((GENERAL, WEB, GOLD, GOLD_WEB), "gold-web"),
    ],
)
def test_the_most_specific_list_wins_whatever_its_priority_and_price(lists, wins):
    assert chosen(question(tier="gold"), *lists)[0] == wins


def test_of_equally_specific_lists_priority_decides_then_the_lower_price_then_the_code():
    low, high = (terms("b", priority=1), {1: 10}), (terms("a", priority=2), {1: 20})
    assert chosen(question(), low, high) == ("a", 20)
    assert chosen(question(), (terms("a"), {1: 20}), (terms("b"), {1: 10})) == ("b", 10)
    assert chosen(question(), (terms("b"), {1: 10}), (terms("a"), {1: 10})) == ("a", 10)


def test_a_price_of_a_larger_quantity_holds_once_it_is_reached():
    steps = (terms(), {1: 100, 10: 90, 100: 80})
    assert [chosen(question(count), steps)[1] for count in (1, 9, 10, 99, 100, 5000)] == [100, 100, 90, 90, 80, 80]


def test_a_list_that_asks_for_more_pieces_leaves_the_sku_to_the_next_list():
    wholesale = (terms("wholesale", tier="gold"), {10: 70})
    assert chosen(question(9, tier="gold"), wholesale, GENERAL) == ("general", 50)
    assert chosen(question(10, tier="gold"), wholesale, GENERAL) == ("wholesale", 70)
    assert chosen(question(9, tier="gold"), wholesale) is None


@pytest.mark.parametrize(
    "more",
    [
        {"channel": "shop"},
        {"tier": "gold"},
        {"segment": "press"},
        {"currency": "EUR"},
        {"valid_from": NOON + timedelta(seconds=1)},
        {"valid_until": NOON},
        {"is_active": False},
    ],
)
def test_a_list_for_others_or_another_time_prices_nothing(more):
    assert chosen(question(tier="silver", segments=("tea",)), (terms(**more), {1: 1})) is None


@pytest.mark.parametrize("more", [{"valid_from": NOON}, {"valid_until": NOON + timedelta(microseconds=1)}])
def test_a_list_holds_from_its_first_moment_to_before_its_last(more):
    assert chosen(question(), (terms(**more), {1: 1})) == ("base", 1)


def test_a_list_is_for_a_tier_or_for_a_segment():
    with pytest.raises(ValueError, match="not for both"):
        terms(tier="gold", segment="press")


LISTS = st.builds(
    lambda code, channel, group, priority, begins, ends, prices: (
        terms(
            code,
            channel=channel,
            priority=priority,
            valid_from=None if begins is None else NOON + begins * DAY,
            valid_until=None if ends is None or (begins is not None and ends <= begins) else NOON + ends * DAY,
            **group,
        ),
        prices,
    ),
    code=st.text("abcdefgh", min_size=1, max_size=3),
    channel=st.sampled_from([None, "web", "shop"]),
    group=st.sampled_from([{}, {"tier": "gold"}, {"segment": "press"}, {"tier": "vip"}]),
    priority=st.integers(-2, 2),
    begins=st.sampled_from([None, None, None, -1, 0, 1]),
    ends=st.sampled_from([None, None, None, -1, 0, 1]),
    prices=st.dictionaries(st.integers(1, 3), st.integers(0, 5), min_size=1, max_size=3),
)


def naive(asked: PriceQuestion, lists: list[tuple[PriceListTerms, dict[int, int]]]) -> tuple[str, int] | None:
    """As the text says it, one comparison after the other."""
    found = []
    for one, prices in lists:
        if one.channel is not None and one.channel != asked.channel:
            continue
        if one.tier is not None and one.tier != asked.tier:
            continue
        if one.segment is not None and one.segment not in asked.segments:
            continue
        if one.valid_from is not None and asked.at < one.valid_from:
            continue
        if one.valid_until is not None and asked.at >= one.valid_until:
            continue
        reached = [count for count in prices if count <= asked.quantities["tea"]]
        if reached:
            found.append((one, prices[max(reached)]))
    for wanted in ("both", "group", "channel", "general"):
        alike = [
            (one, price)
            for one, price in found
            if wanted
            == {(True, True): "both", (True, False): "group", (False, True): "channel", (False, False): "general"}[
                one.tier is not None or one.segment is not None, one.channel is not None
            ]
        ]
        if alike:
            highest = max(one.priority for one, _ in alike)
            alike = [(one, price) for one, price in alike if one.priority == highest]
            cheapest = min(price for _, price in alike)
            return min((one.code, price) for one, price in alike if price == cheapest)
    return None


@given(st.lists(LISTS, max_size=6, unique_by=lambda found: found[0].code), st.integers(1, 7), st.randoms())
def test_the_price_is_that_of_a_naive_reading_in_any_order_of_storage(lists, quantity, chance):
    asked = question(quantity, tier="gold", segments=("press",))
    expected = naive(asked, lists)
    assert chosen(asked, *lists) == expected
    chance.shuffle(lists)
    assert chosen(asked, *lists) == expected


# --- in time ----------------------------------------------------------------------------------------------------


def span(begins: int, ends: int | None, price: int, rank: tuple[int, int, int, int, str] = OWN_PRICE) -> Span:
    return Span(NOON + begins * DAY, None if ends is None else NOON + ends * DAY, price, rank)


LISTED = (0, 0, 0, 0, "sale")


def test_a_sale_is_compared_with_the_lowest_price_of_the_thirty_days_before_it():
    own = [span(-100, -40, 70), span(-40, -20, 90), span(-20, None, 100)]
    sale = span(-5, None, 80, LISTED)
    assert lowest_before([*own, sale], NOON) == 90
    assert lowest_before(own, NOON) == 70
    assert lowest_before([own[0]], NOON - 50 * DAY) == 70


def test_prices_older_than_thirty_days_before_count_no_more_and_one_that_ended_within_does():
    sale = span(-1, None, 50, LISTED)
    assert lowest_before([span(-90, -31, 60), span(-31, None, 100), sale], NOON) == 100
    assert lowest_before([span(-90, -30, 60), span(-30, None, 100), sale], NOON) == 60


def test_a_price_that_never_changed_is_its_own_lowest_and_what_is_not_sold_has_none():
    assert lowest_before([span(-1, None, 42)], NOON) == 42
    assert lowest_before([span(-9, -1, 42)], NOON) is None
    assert lowest_before([], NOON) is None


def test_the_same_price_from_another_source_begins_nothing_new():
    spans = [span(-60, None, 100), span(-10, None, 100, LISTED)]
    assert [(found.begins, found.ends) for found in effective(spans)] == [(NOON - 60 * DAY, None)]


SPANS = st.lists(
    st.builds(
        lambda begins, length, price, list_no: Span(
            NOON + begins * DAY,
            None if length is None else NOON + (begins + length) * DAY,
            price,
            OWN_PRICE if list_no is None else (0, 0, -list_no, price, str(list_no)),
        ),
        st.integers(-50, 0),
        st.none() | st.integers(1, 40),
        st.integers(1, 9),
        st.none() | st.integers(0, 3),
    ),
    max_size=8,
)


@given(SPANS)
def test_the_lowest_price_is_that_of_looking_day_by_day(spans):
    def price_on(day: int) -> int | None:
        living = [found for found in spans if found.holds_at(NOON + day * DAY)]
        return min(living, key=lambda found: found.rank).unit_price_minor if living else None

    today = price_on(0)
    if today is None:
        assert lowest_before(spans, NOON) is None
        return
    began = 0
    while price_on(began - 1) == today:
        began -= 1
    earlier = [price for day in range(began - 30, began) if (price := price_on(day)) is not None]
    assert lowest_before(spans, NOON) == min(earlier, default=today)
