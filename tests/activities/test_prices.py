"""Price lists meet carts and offers: exact prices, statements counted, history kept."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from activities.catalogue import StepContext, find_operation
from activities.explaining import explain_quote
from activities.prices import Audience, price_file, shown_offers
from activities.pricing import quote_for
from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, InvalidError, MissingError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.marketing.price_contract import ChangedPrices
from capabilities.marketing.price_queries import price_history, price_lists_of
from capabilities.marketing.queries import cart_of
from capabilities.transaction.contract import CheckoutLine, CheckoutRequest, OfferKind
from capabilities.transaction.queries import offers_of
from capabilities.user.contract import AdmittedBuyer, EnrolBuyer
from capabilities.user.service import enrol_buyer
from tests.builders import a_business, an_offer, live_rules
from workflows.worker import load_operations

GUEST = AdmittedBuyer()
GOLD = AdmittedBuyer(buyer_id="ann", tier="gold", segments=("press",))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def shop(session: Session) -> Session:
    load_operations()
    a_business(session)
    an_offer(session, "tea", price=100_00)
    an_offer(session, "mug", price=50_00)
    an_offer(session, "post", price=8_00, kind=OfferKind.DELIVERY, stock=None)
    return session


def run(session: Session, name: str, **request: object) -> object:
    operation = find_operation(name)
    context = StepContext("run", name, f"run/{name}", BusinessIdentity("retail"), "operator:op", "cor")
    return operation.run(session, context, operation.request.model_validate(request))


def a_list(session: Session, code: str, prices: dict[str, int] | None = None, **terms: object) -> None:
    about = {"code": code, "name_en": code, "name_zh": code, "currency": "CNY"} | terms
    run(session, "marketing.save_price_list", terms=about, reason="test")
    if prices:
        entries = [{"sku": sku, "unit_price_minor": price} for sku, price in prices.items()]
        run(session, "marketing.set_prices", code=code, prices=entries, reason="test")


def cart(*pieces: tuple[str, int], currency: str = "CNY", channel: str = "web", post: bool = False) -> CheckoutRequest:
    return CheckoutRequest(
        business="retail",
        currency=currency,
        channel=channel,
        lines=tuple(CheckoutLine(sku=sku, quantity=count) for sku, count in pieces),
        delivery_sku="post" if post else None,
    )


def priced(session: Session, request: CheckoutRequest, buyer: AdmittedBuyer = GUEST) -> list[int]:
    return [line.unit_price_minor for line in quote_for(session, request, buyer).lines]


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(connection, cursor, statement, *rest):
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_a_cart_pays_the_price_of_its_group_its_channel_or_the_offers_own(shop: Session) -> None:
    a_list(shop, "everybody", {"tea": 90_00})
    a_list(shop, "shop", {"tea": 85_00}, channel="shop")
    a_list(shop, "press", {"tea": 88_00}, segment="press")
    assert priced(shop, cart(("tea", 1), ("mug", 1))) == [90_00, 50_00]
    assert priced(shop, cart(("tea", 1), channel="shop")) == [85_00]
    assert priced(shop, cart(("tea", 1), channel="shop"), GOLD) == [88_00]


def test_all_pieces_of_a_sku_in_the_cart_reach_a_quantity_together(shop: Session) -> None:
    a_list(shop, "volume")
    steps = [
        {"sku": "tea", "from_quantity": count, "unit_price_minor": price} for count, price in ((1, 95_00), (5, 80_00))
    ]
    run(shop, "marketing.set_prices", code="volume", prices=steps, reason="test")
    assert priced(shop, cart(("tea", 4))) == [95_00]
    assert priced(shop, cart(("tea", 2), ("mug", 1), ("tea", 3))) == [80_00, 50_00, 80_00]


def test_what_a_list_prices_in_another_currency_is_sold_in_it(shop: Session) -> None:
    a_list(shop, "euro", {"tea": 13_00, "post": 4_00}, currency="EUR")
    quote = quote_for(shop, cart(("tea", 2), currency="EUR", post=True), GUEST)
    assert (quote.currency, quote.goods_gross_minor, quote.delivery_minor, quote.total_minor) == (
        "EUR",
        2600,
        400,
        3000,
    )
    with pytest.raises(InvalidError) as caught:
        quote_for(shop, cart(("tea", 1), ("mug", 1), currency="EUR"), GUEST)
    assert (caught.value.code, caught.value.details["skus"]) == ("transaction.currency_wrong", ["mug"])
    assert priced(shop, cart(("tea", 1))) == [100_00]


def test_rules_of_amounts_stay_in_the_money_of_the_business_and_say_so(shop: Session) -> None:
    a_list(shop, "euro", {"tea": 100_00}, currency="EUR")
    amount = {"kind": "amount_off", "amount_minor": 20_00, "apply": "across"}
    percent = {"kind": "percent_off", "rate_bps": 1000, "apply": "across"}
    spend = {"all": [{"field": "order.subtotal_minor", "op": "gte", "value": 1}]}
    in_euro = {"all": [{"field": "order.currency", "op": "eq", "value": "EUR"}]}
    live_rules(
        shop,
        {"id": "r_amount", "name": "Amount", "when": {"all": []}, "effects": [amount]},
        {"id": "r_spend", "name": "Spend", "when": spend, "effects": [percent]},
        {"id": "r_percent", "name": "Percent", "when": {"all": []}, "effects": [percent]},
        {"id": "r_euro", "name": "Euro", "when": in_euro, "effects": [amount]},
    )
    done = run(
        shop, "marketing.price", checkout=cart(("tea", 1), currency="EUR").model_dump(), buyer=GUEST.model_dump()
    )
    found = explain_quote(shop, done.quote_id)
    assert found.is_reproduced
    assert {verdict.rule_id: verdict.outcome for verdict in found.verdicts} == {
        "r_amount": "not_matched",
        "r_spend": "not_matched",
        "r_percent": "applied",
        "r_euro": "applied",
    }
    assert found.verdicts[0].failed.en == "the rule speaks of amounts in CNY; this cart is in EUR"
    at_home = quote_for(shop, cart(("tea", 1)), GUEST)
    assert {outcome.rule_id for outcome in at_home.outcomes} == {"r_amount", "r_spend", "r_percent"}


def test_a_line_remembers_the_list_its_price_comes_from(shop: Session) -> None:
    a_list(shop, "all", {"tea": 90_00})
    asked = cart(("tea", 1), ("mug", 1)).model_dump()
    done = run(shop, "marketing.price", checkout=asked, buyer=GUEST.model_dump())
    assert [line.price_list for line in cart_of(shop, done.quote_id).lines] == ["all", None]


def test_points_are_read_only_where_a_rule_asks_for_them(shop: Session, engine: Engine) -> None:
    enrol_buyer(shop, EnrolBuyer(business="retail", id="ann", name="Ann"))
    run(shop, "account.grant_points", buyer_id="ann", points=120, currency="CNY", subject="test")
    request = cart(("tea", 1)).model_copy(update={"buyer_id": "ann"})
    with statements(engine) as seen:
        assert quote_for(shop, request).discount_minor == 0
    assert not [found for found in seen if "ledger_" in found]
    effect = {"kind": "amount_off", "amount_minor": 1_00, "apply": "across"}
    when = {"all": [{"field": "buyer.points", "op": "gte", "value": 120}]}
    live_rules(shop, {"id": "r_points", "name": "Points", "when": when, "effects": [effect]})
    assert quote_for(shop, request).discount_minor == 1_00
    run(shop, "account.take_back_points", buyer_id="ann", points=1, currency="CNY", subject="test2")
    assert quote_for(shop, request).discount_minor == 0


def test_a_list_holds_from_and_until_its_times_without_anybody_doing_anything(shop: Session) -> None:
    with time_machine.travel(NOON, tick=False):
        a_list(shop, "sale", {"tea": 70_00}, valid_from=NOON + DAY, valid_until=NOON + 2 * DAY)
        assert priced(shop, cart(("tea", 1))) == [100_00]
    with time_machine.travel(NOON + DAY, tick=False):
        assert priced(shop, cart(("tea", 1))) == [70_00]
    with time_machine.travel(NOON + 2 * DAY, tick=False):
        assert priced(shop, cart(("tea", 1))) == [100_00]


def test_a_change_holds_for_the_very_next_cart(shop: Session) -> None:
    a_list(shop, "all", {"tea": 90_00})
    assert priced(shop, cart(("tea", 1))) == [90_00]
    a_list(shop, "all", {"tea": 80_00})
    assert priced(shop, cart(("tea", 1))) == [80_00]
    a_list(shop, "all", is_active=False)
    assert priced(shop, cart(("tea", 1))) == [100_00]
    a_list(shop, "all")
    run(shop, "marketing.set_prices", code="all", remove=[{"sku": "tea"}], reason="test")
    assert priced(shop, cart(("tea", 1))) == [100_00]


def test_lists_cost_one_statement_for_all_skus_and_none_where_there_is_no_list(shop: Session, engine: Engine) -> None:
    request = cart(("tea", 1), ("mug", 2), post=True)
    priced(shop, request)
    with statements(engine) as without:
        priced(shop, request)
    a_list(shop, "all", {"tea": 90_00, "mug": 45_00, "post": 1_00})
    a_list(shop, "gold", {"tea": 80_00}, tier="gold")
    priced(shop, request)
    with statements(engine) as with_lists:
        assert priced(shop, request) == [90_00, 45_00, 1_00]
    assert not [found for found in without if "price_list" in found.partition("FROM")[2] or "price_entry" in found]
    assert len(with_lists) == len(without) + 1
    assert sum("price_entry" in found for found in with_lists) == 1


def test_a_list_that_fits_nobody_here_costs_no_statement(shop: Session, engine: Engine) -> None:
    a_list(shop, "gold", {"tea": 80_00}, tier="gold")
    priced(shop, cart(("tea", 1)))
    with statements(engine) as seen:
        priced(shop, cart(("tea", 1)))
    assert not [found for found in seen if "price_entry" in found]


def test_the_floor_never_lies_above_the_price_of_a_list(shop: Session) -> None:
    shop.execute(text("UPDATE offer SET floor_price_minor = 9000 WHERE sku = 'tea'"))
    shop.expire_all()
    a_list(shop, "clearance", {"tea": 60_00})
    (found,) = shown_offers(shop, "retail", offers_of(shop, "retail", ["tea"]).values())
    assert (found.unit_price_minor, found.floor_price_minor) == (60_00, 60_00)


# --- what is shown ----------------------------------------------------------------------------------------------


def test_an_offer_is_shown_with_what_it_was_and_the_lowest_of_thirty_days(session: Session) -> None:
    with time_machine.travel(NOON - 40 * DAY, tick=False):
        a_business(session)
        an_offer(session, "tea", price=120_00)
    with time_machine.travel(NOON - 20 * DAY, tick=False):
        an_offer(session, "tea", price=110_00)
    with time_machine.travel(NOON - 10 * DAY, tick=False):
        an_offer(session, "tea", price=125_00)
    with time_machine.travel(NOON, tick=False):
        a_list(session, "sale")
        sale = [
            {"sku": "tea", "unit_price_minor": 99_00, "was_price_minor": 125_00},
            {"sku": "tea", "from_quantity": 6, "unit_price_minor": 89_00},
        ]
        run(session, "marketing.set_prices", code="sale", prices=sale, reason="spring")
        offers = offers_of(session, "retail", ["tea"]).values()
        (found,) = shown_offers(session, "retail", offers)
        assert (found.unit_price_minor, found.was_minor, found.lowest_30_days_minor) == (99_00, 125_00, 110_00)
        assert found.price_list == "sale"
        assert [(step.from_quantity, step.unit_price_minor) for step in found.volume_prices] == [(6, 89_00)]
        assert shown_offers(session, "retail", offers, Audience(currency="EUR")) == ()


def test_a_price_that_was_lower_than_now_is_not_shown_as_a_reduction(shop: Session) -> None:
    a_list(shop, "up")
    prices = [{"sku": "tea", "unit_price_minor": 140_00, "was_price_minor": 130_00}]
    run(shop, "marketing.set_prices", code="up", prices=prices, reason="test")
    (found,) = shown_offers(shop, "retail", offers_of(shop, "retail", ["tea"]).values())
    assert (found.unit_price_minor, found.was_minor, found.lowest_30_days_minor) == (140_00, None, 100_00)


# --- changes and their history ----------------------------------------------------------------------------------


def test_each_price_that_changed_has_one_line_of_history_with_who_and_why(shop: Session) -> None:
    a_list(shop, "all", {"tea": 90_00, "mug": 40_00})
    again = [{"sku": "tea", "unit_price_minor": 90_00}, {"sku": "mug", "unit_price_minor": 39_00}]
    changed = run(shop, "marketing.set_prices", code="all", prices=again, reason="autumn")
    assert changed == ChangedPrices(code="all", changed=1, removed=0, unchanged=1)
    assert run(shop, "marketing.set_prices", code="all", prices=again, reason="autumn").changed == 0
    run(shop, "marketing.set_prices", code="all", prices=again[:1], replace_all=True, reason="out")
    lines = [(line.unit_price_minor, line.reason, line.actor) for line in price_history(shop, "retail", "mug")]
    assert lines == [(None, "out", "operator:op"), (39_00, "autumn", "operator:op"), (40_00, "test", "operator:op")]
    assert len(price_history(shop, "retail", "tea")) == 1


def test_other_times_of_a_list_write_its_prices_down_anew(shop: Session) -> None:
    a_list(shop, "all", {"tea": 90_00})
    until = now() + DAY
    a_list(shop, "all", valid_until=until)
    a_list(shop, "all", valid_until=until, priority=5)
    assert [line.ends_at for line in price_history(shop, "retail", "tea")] == [until, None]


@pytest.mark.parametrize("table", ["price_change", "offer_price"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET unit_price_minor = 1"])
def test_the_history_of_prices_is_only_added_to(shop: Session, table: str, change: str) -> None:
    a_list(shop, "all", {"tea": 90_00})
    with pytest.raises(DBAPIError, match="only added to"):
        shop.execute(text(change.format(table)))


def test_a_price_of_what_is_not_sold_refuses_the_whole(shop: Session) -> None:
    a_list(shop, "all")
    prices = [{"sku": "tea", "unit_price_minor": 1}, {"sku": "gone", "unit_price_minor": 1}]
    with pytest.raises(InvalidError) as caught:
        run(shop, "marketing.set_prices", code="all", prices=prices, reason="test")
    assert (caught.value.code, caught.value.details["skus"]) == ("marketing.price_sku_unknown", ["gone"])
    assert price_history(shop, "retail", "tea") == ()
    with pytest.raises(MissingError):
        run(shop, "marketing.set_prices", code="nowhere", reason="test")


def test_the_currency_of_a_list_stays(shop: Session) -> None:
    a_list(shop, "all")
    with pytest.raises(ConflictError) as caught:
        a_list(shop, "all", currency="EUR")
    assert caught.value.code == "marketing.price_list_currency_fixed"


def test_a_file_with_a_bad_line_changes_nothing_and_names_every_bad_line(shop: Session) -> None:
    a_list(shop, "all", {"tea": 90_00})
    with pytest.raises(InvalidError) as caught:
        run(shop, "marketing.import_prices", code="all", text="sku,price\ntea,1\ngone,2\nmug,x\n", reason="file")
    assert [(found["line"], found["field"]) for found in caught.value.details["problems"]] == [(3, "sku"), (4, "price")]
    assert priced(shop, cart(("tea", 1))) == [90_00]


def test_an_exported_list_imports_as_no_change(shop: Session) -> None:
    a_list(shop, "all", {"tea": 90_00, "mug": 4_05})
    written = price_file(shop, "retail", "all")
    assert written == "sku,from_quantity,price,floor,was\nmug,1,4.05,,\ntea,1,90.00,,\n"
    done = run(shop, "marketing.import_prices", code="all", text=written, replace_all=True, reason="file")
    assert done == ChangedPrices(code="all", changed=0, removed=0, unchanged=2)


# --- at once ----------------------------------------------------------------------------------------------------


def test_changes_of_a_list_at_once_are_all_kept_and_each_written_down(sessions: sessionmaker[Session]) -> None:
    load_operations()
    with sessions.begin() as session:
        a_business(session)
        for number in range(8):
            an_offer(session, f"sku{number}")

    def change(number: int) -> None:
        with sessions.begin() as session:
            a_list(session, "all", {f"sku{number}": 1_00 + number, "sku0": 9_00 + number})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(8)))
    with sessions() as session:
        (listed,) = price_lists_of(session, "retail")
        assert listed.prices == 8
        written = price_history(session, "retail", "sku0")
        (shown,) = shown_offers(session, "retail", offers_of(session, "retail", ["sku0"]).values())
        assert (len(written), written[0].unit_price_minor) == (8, shown.unit_price_minor)


def test_lists_of_a_change_that_was_taken_back_are_not_remembered(sessions: sessionmaker[Session]) -> None:
    load_operations()
    with sessions.begin() as session:
        a_business(session)
        an_offer(session, "tea", price=100_00)
        a_list(session, "all", {"tea": 90_00})
    with sessions() as session:
        a_list(session, "more", {"tea": 10_00}, channel="web")
        assert priced(session, cart(("tea", 1))) == [10_00]
        session.rollback()
    with sessions() as session:
        assert priced(session, cart(("tea", 1))) == [90_00]
        assert [found.terms.code for found in price_lists_of(session, "retail")] == ["all"]
