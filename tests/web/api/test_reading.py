"""Quotes, offers, categories, buyers: what front-ends read."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel.outbox import publish
from capabilities.marketing.price_contract import PriceEntry, PriceListTerms, SavePriceList, SetPrices
from capabilities.marketing.prices import save_price_list, set_prices
from capabilities.user.contract import EnrolBuyer, Tier
from capabilities.user.service import enrol_buyer
from tests.web.api.conftest import a_cart


async def test_a_quote_is_exact_and_writes_nothing(shop: httpx.AsyncClient, placed: sessionmaker[Session]) -> None:
    answer = await shop.post("/quotes", json=a_cart(delivery_sku="post"))
    quote = answer.json()
    assert answer.status_code == 200
    assert [(line["sku"], line["quantity"], line["total_minor"]) for line in quote["lines"]] == [
        ("tea", 2, 200_00),
        ("cup", 1, 20_00),
        ("post", 1, 8_00),
    ]
    assert quote["total_minor"] == 228_00
    assert quote["tax_minor"] == 23_01 + 2_30 + 92
    with placed() as session:
        assert session.scalar(text("SELECT count(*) FROM quote")) == 0
        assert session.scalar(text("SELECT count(*) FROM process_run")) == 0


async def test_a_coupon_nobody_knows_is_said_beside_the_quote(shop: httpx.AsyncClient) -> None:
    quote = (await shop.post("/quotes", json=a_cart(coupon_codes=["NOPE"]))).json()
    assert [(use["code"], use["state"]) for use in quote["coupons"]] == [("NOPE", "unknown")]
    assert quote["total_minor"] == 220_00


async def test_a_quote_of_an_unknown_sku_is_a_problem(shop: httpx.AsyncClient) -> None:
    answer = await shop.post("/quotes", json=a_cart(lines=[{"sku": "x", "quantity": 1}, {"sku": "y", "quantity": 1}]))
    assert (answer.status_code, answer.json()["code"]) == (422, "transaction.sku_unknown")
    assert [each["sku"] for each in answer.json()["unknown"]] == ["x", "y"]


async def test_offers_come_in_pages_that_join_without_a_gap(shop: httpx.AsyncClient) -> None:
    everything = (await shop.get("/offers", params={"limit": 200})).json()
    assert everything["next_cursor"] is None
    pages, after = [], None
    while True:
        page = (await shop.get("/offers", params={"limit": 2} | ({"after": after} if after else {}))).json()
        pages += page["offers"]
        after = page["next_cursor"]
        if after is None:
            break
    assert pages == everything["offers"]
    assert len(pages) == 5


@pytest.mark.parametrize(
    ("params", "skus"),
    [
        ({"category": "home"}, {"cup", "last", "dollar"}),
        ({"category": "hom"}, set()),
        ({"search": "TEA"}, {"tea"}),
        ({"search": "中"}, {"tea", "cup", "last", "dollar", "post"}),
        ({"search": "100%"}, set()),
        ({"kind": "delivery"}, {"post"}),
        ({"category": "home/cups", "search": "la"}, {"last", "dollar"}),
    ],
)
async def test_offers_are_found_by_category_kind_and_words(
    shop: httpx.AsyncClient, params: dict[str, str], skus: set[str]
) -> None:
    found = (await shop.get("/offers", params=params)).json()["offers"]
    assert {offer["sku"] for offer in found} == skus


@pytest.mark.parametrize(
    "params", [{"limit": 0}, {"limit": 201}, {"after": "nonsense"}, {"search": "a\x00"}, {"kind": "x"}]
)
async def test_a_list_that_cannot_be_meant_is_invalid(shop: httpx.AsyncClient, params: dict[str, str]) -> None:
    answer = await shop.get("/offers", params=params)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_one_offer_and_the_categories(shop: httpx.AsyncClient) -> None:
    offer = (await shop.get("/offers/tea")).json()
    assert (offer["unit_price_minor"], offer["available_units"], offer["name_zh"]) == (100_00, 100, "tea（中）")
    assert (await shop.get("/offers/none")).json()["code"] == "offer.unknown"
    assert (await shop.get("/categories")).json() == {"categories": ["food/drinks/tea", "home/cups"]}


async def test_an_offer_has_the_price_of_the_list_that_fits_who_asks(
    shop: httpx.AsyncClient, placed: sessionmaker[Session]
) -> None:
    with placed.begin() as session:
        enrol_buyer(session, EnrolBuyer(business="retail", id="b_1", name="Li Na", tier=Tier.VIP))
        for code, currency, price, group in (
            ("sale", "CNY", 80_00, {}),
            ("vip", "CNY", 70_00, {"tier": "vip"}),
            ("eur", "EUR", 11_00, {}),
        ):
            terms = PriceListTerms(code=code, name_en=code, name_zh=code, currency=currency, **group)
            save_price_list(session, SavePriceList(business="retail", terms=terms, reason="test", actor="op"))
            entry = PriceEntry(sku="tea", unit_price_minor=price, was_price_minor=105_00)
            set_prices(session, SetPrices(business="retail", code=code, prices=(entry,), reason="test", actor="op"))
    wanted = ("currency", "unit_price_minor", "price_list", "was_minor", "lowest_30_days_minor")

    async def seen(**params: str) -> list[object]:
        offer = (await shop.get("/offers/tea", params=params)).json()
        return [offer[name] for name in wanted]

    assert await seen() == ["CNY", 80_00, "sale", 105_00, 100_00]
    assert await seen(buyer_id="b_1") == ["CNY", 70_00, "vip", 105_00, 80_00]
    assert await seen(currency="EUR") == ["EUR", 11_00, "eur", 105_00, 11_00]
    in_euro = (await shop.get("/offers", params={"currency": "EUR"})).json()["offers"]
    assert [offer["sku"] for offer in in_euro] == ["tea"]
    assert (await shop.get("/offers", params={"buyer_id": "nobody"})).json()["code"] == "user.unknown"


async def test_buyers_are_shown_without_their_addresses(shop: httpx.AsyncClient, placed: sessionmaker[Session]) -> None:
    with placed.begin() as session:
        buyer = EnrolBuyer(business="retail", id="b_1", name="Li Na", email="li.na@example.com", tier=Tier.VIP)
        enrol_buyer(session, buyer)
    answer = await shop.get("/buyers")
    assert answer.json() == {
        "buyers": [{"id": "b_1", "name": "Li Na", "tier": "vip", "status": "active"}],
        "next_cursor": None,
    }
    assert "example.com" not in answer.text


async def test_what_happened_is_read_as_cloud_events(shop: httpx.AsyncClient, placed: sessionmaker[Session]) -> None:
    with placed.begin() as session:
        publish(session, business="retail", type="order.confirmed", subject="ord_1", data={"total_minor": 1})
        publish(session, business="tourism", type="order.confirmed", subject="ord_2", data={})
    for _ in range(2_400):  # transactions of other databases of the server hold the feed back too
        feed = (await shop.get("/events")).json()
        if feed["events"]:
            break
        await asyncio.sleep(0.05)
    [event] = feed["events"]
    assert (event["specversion"], event["source"], event["type"]) == ("1.0", "/businesses/retail", "order.confirmed")
    assert (event["subject"], event["data"]) == ("ord_1", {"total_minor": 1})
    again = (await shop.get("/events", params={"after": feed["next_cursor"]})).json()
    assert again == {"events": [], "next_cursor": feed["next_cursor"]}
    wrong = await shop.get("/events", params={"after": "nonsense"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "cursor.unreadable")
