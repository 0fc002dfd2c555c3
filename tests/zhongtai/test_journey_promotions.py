"""The grocer's promises as rules, and every kind of difference, with a tiny grocer that is played."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy.orm import Session

from activities.pricing import quote_for
from capabilities.transaction.contract import CheckoutRequest
from capabilities.transaction.service import declare_new_offers
from rules.queries import rule_sets
from zhongtai import grocer_promotions, journey, journey_comparing, journey_rules
from zhongtai.grocer import BUSINESS, Basket, BasketLine, Grocer, buyer_of, checkout_of, offer_of
from zhongtai.grocer_promotions import CouponLine, GrocerCampaign, GrocerCoupon, Promotions, Shelf
from zhongtai.journey_comparing import PARTS, SAME, compare
from zhongtai.journey_rules import code_of, enter_promises, enter_shelves, publish_rules, rules_of, weeks_of

MILK, FUEL, TEA, SOAP, OIL, JAM = range(1, 7)
PRODUCTS: dict[int, dict[str, Any]] = {n: {} for n in (MILK, TEA, SOAP, OIL, JAM)} | {FUEL: {"department": "FUEL"}}
AT = datetime(2017, 2, 8, 18, tzinfo=UTC)
WEEK = 7
SENT, OUTSIDE, ELSEWHERE = 18, 8, 9


def a_line(product: int, pieces: int, shelf: int, retail: int = 0, coupon: int = 0, match: int = 0) -> BasketLine:
    return BasketLine(product, pieces, shelf, max(0, shelf - retail - match - coupon), retail, coupon, match)


CASES: dict[str, tuple[list[int], list[BasketLine], list[tuple[str, str, str, str]]]] = {
    "reduced": ([], [a_line(MILK, 2, 600, 100)], [(SAME, SAME, SAME, SAME)]),
    "fuel": ([], [a_line(FUEL, 1, 2037, 30)], [("FUEL", "FUEL", SAME, SAME)]),
    "a cent": ([], [a_line(SOAP, 3, 1000)], [("ROUNDING", SAME, SAME, SAME)]),
    "three for eleven": ([], [a_line(SOAP, 3, 1100)], [("UNEVEN", SAME, SAME, SAME)]),
    "nobody knows": ([], [a_line(JAM, 1, 555)], [("UNUSUAL", SAME, SAME, SAME)]),
    "dearer": ([], [a_line(MILK, 1, 310, 50)], [("OTHER_PRICE", SAME, SAME, SAME)]),
    "dearer and reduced": ([], [a_line(MILK, 1, 310, 60)], [("OTHER_PRICE", "OTHER_PRICE", SAME, SAME)]),
    "no card": ([], [a_line(MILK, 1, 300)], [(SAME, "NOT_REDUCED", SAME, SAME)]),
    "a favour": ([], [a_line(TEA, 1, 400, 20)], [(SAME, "REDUCED", SAME, SAME)]),
    "more off": ([], [a_line(MILK, 1, 300, 80)], [(SAME, "OTHER_REDUCTION", SAME, SAME)]),
    "a coupon": ([501], [a_line(TEA, 1, 400, 0, 100)], [(SAME, SAME, SAME, SAME)]),
    "from a newspaper": ([], [a_line(TEA, 1, 400, 0, 100)], [(SAME, SAME, "UNRECORDED", SAME)]),
    "never sent": ([503], [a_line(TEA, 1, 400, 0, 100)], [(SAME, SAME, "NOT_SENT", SAME)]),
    "too late": ([504], [a_line(TEA, 1, 400, 0, 100)], [(SAME, SAME, "OUTSIDE", SAME)]),
    "two coupons": ([501, 502], [a_line(TEA, 1, 400, 0, 120)], [(SAME, SAME, "SEVERAL", "AS_COUPON")]),
    "twice": ([501], [a_line(TEA, 2, 800, 0, 200)], [(SAME, SAME, "REPEATED", SAME)]),
    "two lines": (
        [502],
        [a_line(TEA, 1, 400, 0, 50, 50), a_line(OIL, 1, 250)],
        [(SAME, SAME, "ELSEWHERE", "AS_COUPON"), (SAME, SAME, "ELSEWHERE", "AS_COUPON")],
    ),
    "a gift": ([505], [a_line(OIL, 1, 250, 0, 1000)], [(SAME, SAME, "ABOVE", SAME)]),
    "worth more": ([501], [a_line(TEA, 1, 400, 0, 130)], [(SAME, SAME, "OTHER_WORTH", SAME)]),
    "forgotten": ([501], [a_line(TEA, 1, 400)], [(SAME, SAME, "NOT_TAKEN", SAME)]),
    "not added to": ([502], [a_line(TEA, 1, 400, 0, 50)], [(SAME, SAME, SAME, "NOT_MATCHED")]),
    "added to": ([501], [a_line(TEA, 1, 400, 0, 100, 30)], [(SAME, SAME, SAME, "MATCHED")]),
    "added less": ([502], [a_line(TEA, 1, 400, 0, 50, 20)], [(SAME, SAME, SAME, "OTHER_MATCH")]),
}
"""By name: coupons redeemed, the lines as the grocer sold them, and for each line the kind of its four parts."""

CAMPAIGN_OF = {501: SENT, 502: SENT, 503: ELSEWHERE, 504: OUTSIDE, 505: SENT}
HOUSEHOLDS = {name: 100 + n for n, name in enumerate(CASES)}


def the_grocer() -> Grocer:
    baskets = [
        Basket(n, HOUSEHOLDS[name], AT, tuple(lines), WEEK) for n, (name, (_, lines, _)) in enumerate(CASES.items())
    ]
    prices = dict.fromkeys(PRODUCTS, (500, 500))
    return Grocer([], PRODUCTS, {}, prices, driven=baskets)


def the_promises() -> Promotions:
    everybody = frozenset(HOUSEHOLDS.values())
    campaigns = {
        SENT: GrocerCampaign(SENT, "Type A", date(2017, 2, 6), date(2017, 2, 12), everybody),
        OUTSIDE: GrocerCampaign(OUTSIDE, "Type B", date(2017, 7, 3), date(2017, 7, 9), everybody),
        ELSEWHERE: GrocerCampaign(ELSEWHERE, "Type C", date(2017, 2, 1), date(2017, 2, 20), frozenset()),
    }
    worths = {
        501: ({TEA}, 100, 0),
        502: ({TEA, OIL}, 50, 50),
        503: ({TEA}, 100, 0),
        504: ({TEA}, 100, 0),
        505: ({OIL}, 1000, 0),
    }
    coupons = {
        (number, CAMPAIGN_OF[number]): GrocerCoupon((number, CAMPAIGN_OF[number]), frozenset(products), worth, match, 1)
        for number, (products, worth, match) in worths.items()
    }
    redeemed = {
        (HOUSEHOLDS[name], date(2017, 2, 8)): tuple((number, CAMPAIGN_OF[number]) for number in numbers)
        for name, (numbers, _, _) in CASES.items()
        if numbers
    }
    shelves = {MILK: Shelf(300, 50), FUEL: Shelf(2000, 0), TEA: Shelf(400, 0), SOAP: Shelf(333, 0), OIL: Shelf(250, 0)}
    return Promotions(campaigns, coupons, redeemed, {(WEEK, product): shelf for product, shelf in shelves.items()})


@pytest.fixture
def entered(session: Session) -> tuple[Grocer, Promotions]:
    """The tiny grocer as a line of business with its promises in force."""
    grocer, promotions = the_grocer(), the_promises()
    journey._enter_business(session)
    declare_new_offers(session, [offer_of(grocer, number) for number in PRODUCTS])
    segments = journey_rules.segments_of
    journey._enter_buyers(session, [buyer_of(grocer, one, segments(promotions, one)) for one in HOUSEHOLDS.values()])
    enter_promises(session, promotions)
    assert enter_shelves(session, promotions) == 5
    assert publish_rules(session, rules_of(grocer, promotions)).is_new
    session.expire_all()
    return grocer, promotions


def quotes_of(session: Session, grocer: Grocer, promotions: Promotions) -> dict[int, dict[str, Any]]:
    found = {}
    for basket in grocer.driven:
        body = checkout_of(basket, "sim_ok", [code_of(key) for key in promotions.codes_of(basket)])
        asked = CheckoutRequest.model_validate(body | {"business": BUSINESS})
        found[basket.id] = quote_for(session, asked).model_dump(mode="json")
    return found


def test_every_difference_between_the_grocer_and_the_product_has_its_kind(
    session: Session, entered: tuple[Grocer, Promotions]
) -> None:
    grocer, promotions = entered
    quotes = quotes_of(session, grocer, promotions)
    told = {}
    for basket, (name, (_, _, expected)) in zip(grocer.driven, CASES.items(), strict=True):
        found = compare(grocer, promotions, [basket], quotes)
        kinds = Counter({key: tally.lines for key, tally in found.tallies.items()})
        wanted = Counter(
            (part, getattr(journey_comparing, kind, kind))
            for line in expected
            for part, kind in zip(PARTS, line, strict=True)
        )
        if kinds != wanted:
            told[name] = (kinds - wanted, wanted - kinds)
    assert told == {}


def test_the_whole_comparison_adds_up_and_says_the_same_twice(
    session: Session, entered: tuple[Grocer, Promotions]
) -> None:
    grocer, promotions = entered
    quotes = quotes_of(session, grocer, promotions)
    found = compare(grocer, promotions, grocer.driven, quotes)
    lines = [line for basket in grocer.driven for line in basket.lines]
    quoted = [line for quote in quotes.values() for line in quote["lines"]]
    totals = journey_comparing.totals(found)
    assert totals["price"].grocer_minor == sum(line.shelf_minor for line in lines)
    assert totals["price"].ours_minor == sum(line["gross_minor"] for line in quoted)
    assert sum(totals[part].ours_minor for part in PARTS[1:]) == sum(line["discount_minor"] for line in quoted)
    assert [totals[part].grocer_minor for part in PARTS[1:]] == [
        sum(line.retail_minor for line in lines),
        sum(line.coupon_minor for line in lines),
        sum(line.match_minor for line in lines),
    ]
    assert (found.baskets, found.lines, found.same_lines) == (23, 24, 2)
    assert found.as_json() == compare(grocer, promotions, grocer.driven, quotes).as_json()
    same = [row for row in found.as_json()["kinds"] if row["kind"] == SAME]
    assert {row["difference_minor"] for row in same} == {0}
    assert found.same_baskets + sum(found.by_kinds.values()) == found.baskets


def test_promising_twice_changes_nothing(session: Session, entered: tuple[Grocer, Promotions]) -> None:
    grocer, promotions = entered
    (before,) = rule_sets(session, BUSINESS)
    enter_promises(session, promotions)
    assert enter_shelves(session, promotions) == 0
    assert not publish_rules(session, rules_of(grocer, promotions)).is_new
    assert list(rule_sets(session, BUSINESS)) == [before]


def test_reductions_of_one_amount_share_a_rule_where_there_are_too_many() -> None:
    grocer, promotions = the_grocer(), the_promises()
    promotions.shelves = {(WEEK, product): Shelf(300, 50) for product in (MILK, TEA)} | {(8, OIL): Shelf(250, 20)}
    apart = [rule.id for rule in rules_of(grocer, promotions).rules if rule.stage == 10]
    shared = [rule.id for rule in rules_of(grocer, promotions, most_apart=2).rules if rule.stage == 10]
    assert sorted(apart) == ["shelf-w07-1", "shelf-w07-3", "shelf-w08-5"]
    assert sorted(shared) == ["shelf-w07-by-50", "shelf-w08-5"]


def test_a_coupon_is_worth_what_the_lines_say_that_only_it_explains() -> None:
    day = date(2017, 2, 8)
    products = {(1, 18): {TEA, OIL}, (2, 18): {TEA}, (3, 18): {JAM}}
    redeemed = {(7, day): ((1, 18),), (8, day): ((1, 18), (2, 18))}
    lines = [
        CouponLine(7, day, OIL, 50, 50),
        CouponLine(8, day, TEA, 300, 0),
        CouponLine(9, day, TEA, 100, 0),
        CouponLine(9, day, TEA, 100, 0),
        CouponLine(9, day, SOAP, 75, 25),
        *[CouponLine(9, day, SOAP, 75, 25)] * 3,
    ]
    found = grocer_promotions.worths(products, redeemed, lines)
    told = {key[0]: (coupon.worth_minor, coupon.match_minor, coupon.seen) for key, coupon in found.items()}
    assert told == {1: (50, 50, 1), 2: (100, 0, 0), 3: (75, 25, 0)}


def test_the_weeks_of_a_campaign_are_those_its_days_touch() -> None:
    promotions = the_promises()
    assert weeks_of(promotions.campaigns[SENT]) == [WEEK]
    assert weeks_of(promotions.campaigns[ELSEWHERE]) == [6, 7, 8, 9]
    beyond = GrocerCampaign(24, "Type C", date(2016, 11, 14), date(2017, 1, 3), frozenset())
    assert weeks_of(beyond) == [1, 2]


def test_the_real_promises_are_read_whole() -> None:
    found = grocer_promotions.read_promises()
    assert (len(found.campaigns), len(found.coupons)) == (27, 1_197)
    assert sum(len(keys) for keys in found.redeemed.values()) == 2_102
    assert all(coupon.worth_minor > 0 for coupon in found.coupons.values())
