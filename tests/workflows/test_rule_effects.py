"""What rules promise beside a price is acted on: a person looks, a tag is kept, uses of rewards are counted."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.client import Client

from capabilities.account.queries import trial_balance
from capabilities.marketing.contract import CreateCoupon
from capabilities.marketing.service import create_coupon
from capabilities.transaction.contract import OrderFilters, OrderStatus
from capabilities.transaction.queries import order_of, orders_page
from capabilities.user.contract import EnrolBuyer
from capabilities.user.service import enrol_buyer
from tests.builders import a_business, an_offer, live_rules
from tests.workflows.driving import Sessions, answered, begin, until
from workflows import starting
from workflows.worker import load_operations
from zhongtai.verify import verify

CART: dict[str, Any] = {
    "lines": [{"sku": "tea", "quantity": 2}],
    "delivery_sku": None,
    "buyer_id": "ann",
    "coupon_codes": [],
    "expected_total_minor": None,
}
RED = {
    "id": "red",
    "name": "Red things",
    "grain": "line",
    "when": {"all": [{"field": "line.attributes", "op": "contains_any", "value": ["color=red"]}]},
    "effects": [{"kind": "percent_off", "rate_bps": 1000, "apply": "each"}],
}


def rule(name: str, *effects: dict[str, Any], **about: Any) -> dict[str, Any]:
    return {"id": name, "name": name.title(), "stage": 50, "when": {"all": []}, "effects": list(effects)} | about


@pytest.fixture
def shop(wired: Sessions) -> Sessions:
    load_operations()
    with wired.begin() as session:
        a_business(session)
        an_offer(session, "tea", price=100_00, stock=1_000, attributes={"color": "red"})
        an_offer(session, "jam", price=100_00, stock=1_000, attributes={"color": "blue"})
        enrol_buyer(session, EnrolBuyer(business="retail", id="ann", name="Ann"))
    return wired


def rules(sessions: Sessions, *made: dict[str, Any]) -> None:
    with sessions.begin() as session:
        live_rules(session, *made)


async def sold(sessions: Sessions, client: Client, **changed: Any) -> tuple[int, dict[str, Any]]:
    return await answered(client, begin(sessions, **CART | changed))


def sound(sessions: Sessions) -> None:
    with sessions() as session:
        assert [(found.number, found.broken) for found in verify(session) if found.broken] == []


@pytest.mark.parametrize(("decision", "outcome"), [("release", "confirmed"), ("reject", "rejected")])
async def test_a_rule_that_holds_for_review_makes_the_order_wait_for_a_person(
    shop: Sessions, client: Client, worker: None, decision: str, outcome: str
) -> None:
    rules(
        shop,
        rule("odd", {"kind": "hold", "reason": "Two of a kind"}),
        rule("plain", {"kind": "hold", "reason": "Plain"}),
    )
    begun = begin(shop, **CART)
    status, body = await answered(client, begun)
    assert (status, body["status"], body["reason"]) == (202, "in_review", "Two of a kind; Plain")
    with shop() as session:
        order = order_of(session, body["order_id"])
    assert (order.status, order.status_reason) == (OrderStatus.ON_HOLD, "Two of a kind; Plain")
    said = {"decision": decision, "reason": "Looked at."}
    await until(shop, begun.run_id, "waiting")
    await starting.send_event(client, begun.run_id, "order.reviewed", said, "user:op")
    assert (await until(shop, begun.run_id, "ended")).outcome == outcome
    sound(shop)


async def test_a_tag_stays_with_the_order_and_finds_it(shop: Sessions, client: Client, worker: None) -> None:
    rules(shop, rule("first", {"kind": "tag", "tag": "gift wrap"}, {"kind": "tag", "tag": "press"}))
    status, body = await sold(shop, client)
    assert status == 201
    with shop() as session:
        assert order_of(session, body["order_id"]).tags == ("gift wrap", "press")
        found = {
            tag: [one.id for one in orders_page(session, OrderFilters(business="retail", tag=tag)).orders]
            for tag in ("press", "gift", "")
        }
    assert found == {"press": [body["order_id"]], "gift": [], "": []}


async def test_rules_ask_about_attributes_of_offers(shop: Sessions, client: Client, worker: None) -> None:
    rules(shop, RED)
    cart = [{"sku": "tea", "quantity": 1}, {"sku": "jam", "quantity": 1}]
    status, body = await sold(shop, client, lines=cart)
    assert (status, body["total_minor"]) == (201, 190_00)


async def test_a_rule_that_only_promises_is_counted_against_its_limits(
    shop: Sessions, client: Client, worker: None
) -> None:
    rules(shop, rule("earn", {"kind": "points", "points": 50}, limits=[{"most": 1, "per": ["buyer"]}]))
    assert (await sold(shop, client))[0] == 201
    assert (await sold(shop, client))[0] == 201
    with shop() as session:
        held = [
            balance.minor
            for page in trial_balance(session, "retail")
            for ref, balance in page.balances
            if ref.party == "ann" and ref.kind.value == "points"
        ]
    assert held == [50]
    sound(shop)


async def test_uses_of_a_code_are_counted_for_promises_too(shop: Sessions, client: Client, worker: None) -> None:
    limits = [{"most": 1, "per": ["code"]}]
    rules(shop, rule("earn", {"kind": "points", "points": 50}, coupon="MORE", limits=limits))
    with shop.begin() as session:
        create_coupon(session, CreateCoupon(business="retail", code="MORE", use_limit=10))
    assert (await sold(shop, client, coupon_codes=["MORE"]))[0] == 201
    status, body = await sold(shop, client, coupon_codes=["MORE"])
    assert (status, body["code"]) == (409, "marketing.coupon_not_applicable")
    sound(shop)
