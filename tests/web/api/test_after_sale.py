"""What comes after a sale, over HTTP: previews that hold, refunds once, events in order, webhooks kept, all of one's own."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy.orm import Session, sessionmaker

from tests.builders import live_rules
from web.api.keys import issue_key

pytestmark = pytest.mark.usefixtures("worker")

CART = {"currency": "CNY", "lines": [{"sku": "tea", "quantity": 3}], "payment_method": "sim_ok"}


def auto(sessions: sessionmaker[Session]) -> None:
    rule = {"id": "r", "name": "All", "grain": "refund", "stage": 10, "priority": 10, "effects": [{"kind": "auto", "fee_minor": 100}]}  # fmt: skip
    with sessions.begin() as session:
        live_rules(session, rule, decision="transaction.refund_policy", policy="first")


async def buy(shop: httpx.AsyncClient, key: str = "buy") -> dict[str, Any]:
    answer = await shop.post("/checkouts", json=CART, headers={"idempotency-key": key})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def hand_over(shop: httpx.AsyncClient, order_id: str) -> None:
    answer = await shop.post(f"/orders/{order_id}/fulfilments", json={}, headers={"idempotency-key": "over"})
    assert (answer.status_code, answer.json()["status"]) == (201, "fulfilled")


async def test_a_refund_gives_exactly_what_its_preview_said_and_once(
    shop: httpx.AsyncClient, placed: sessionmaker[Session]
) -> None:
    auto(placed)
    order = await buy(shop)
    await hand_over(shop, order["order_id"])
    url = f"/orders/{order['order_id']}/refunds"
    body = {"lines": [{"line_id": order["lines"][0]["line_id"], "units": 1}], "reason": "broken"}
    seen = (await shop.post(f"{url}/preview", json=body)).json()
    assert (seen["policy"], seen["preview"]["total_minor"], seen["preview"]["fee_minor"]) == ("auto", 100_00, 100)
    assert seen["preview"]["due_minor"] == 99_00
    ask = body | {"preview_sha256": seen["preview"]["sha256"]}
    answers = [await shop.post(url, json=ask, headers={"idempotency-key": "r1"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201], answers[0].text
    assert answers[0].content == answers[1].content
    assert answers[1].headers["idempotent-replayed"] == "true"
    receipt = answers[0].json()
    for name in ("total_minor", "fee_minor", "due_minor", "lines", "sources"):
        assert receipt[name] == seen["preview"][name], name
    listed = (await shop.get(url)).json()["refunds"]
    assert [one["refund_id"] for one in listed] == [receipt["refund_id"]]
    stale = await shop.post(url, json=ask, headers={"idempotency-key": "r2"})
    assert (stale.status_code, stale.json()["code"]) == (409, "transaction.refund_changed")


async def test_the_events_of_an_order_come_in_their_order(
    shop: httpx.AsyncClient, placed: sessionmaker[Session]
) -> None:
    auto(placed)
    order = await buy(shop)
    await hand_over(shop, order["order_id"])
    body = {"kind": "goodwill", "lines": [{"line_id": order["lines"][0]["line_id"], "units": 1}], "reason": "sorry"}
    answer = await shop.post(f"/orders/{order['order_id']}/refunds", json=body, headers={"idempotency-key": "r"})
    assert answer.status_code == 201, answer.text
    events = (await shop.get(f"/orders/{order['order_id']}/events")).json()["events"]
    assert {event["subject"] for event in events} == {order["order_id"]}
    assert [event["type"] for event in events] == [
        "order.confirmed",
        "order.handed_over",
        "order.fulfilled",
        "refund.requested",
        "refund.approved",
        "refund.processing",
        "commission.reversed",
        "refund.succeeded",
    ]


async def test_a_cancelled_order_is_answered_at_once_and_refunded(
    shop: httpx.AsyncClient, placed: sessionmaker[Session]
) -> None:
    auto(placed)
    order = await buy(shop)
    answer = await shop.post(
        f"/orders/{order['order_id']}/cancellations", json={"reason": "twice"}, headers={"idempotency-key": "c"}
    )
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/api/v1/processes/{answer.json()['run_id']}"
    assert answer.json()["lines"] == [{"line_id": order["lines"][0]["line_id"], "units": 3}]


async def test_a_return_is_announced_and_listed(shop: httpx.AsyncClient) -> None:
    order = await buy(shop)
    await hand_over(shop, order["order_id"])
    url = f"/orders/{order['order_id']}/returns"
    body = {"lines": [{"line_id": order["lines"][0]["line_id"], "units": 2}], "reason": "too small"}
    made = await shop.post(url, json=body, headers={"idempotency-key": "ret"})
    assert (made.status_code, made.json()["status"]) == (201, "requested"), made.text
    assert [one["id"] for one in (await shop.get(url)).json()["returns"]] == [made.json()["id"]]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "refunds/preview"), ("POST", "refunds"), ("GET", "refunds"), ("POST", "cancellations"),
        ("POST", "fulfilments"), ("POST", "returns"), ("GET", "returns"), ("GET", "events"),
    ],
)  # fmt: skip
async def test_an_order_of_another_business_does_not_exist(
    shop: httpx.AsyncClient, foreign_key: str, method: str, path: str
) -> None:
    order = await buy(shop)
    bodies = {"refunds/preview": {"reason": "x"}, "refunds": {"reason": "x"}, "returns": {"lines": [{"line_id": "l", "units": 1}], "reason": "x"}}  # fmt: skip
    headers = {"authorization": f"Bearer {foreign_key}", "idempotency-key": "k"}
    answer = await shop.request(
        method,
        f"/orders/{order['order_id']}/{path}",
        json=bodies.get(path, {}) if method == "POST" else None,
        headers=headers,
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "order.unknown")


async def test_a_key_that_may_only_sell_gives_nothing_back(
    shop: httpx.AsyncClient, placed: sessionmaker[Session]
) -> None:
    order = await buy(shop)
    with placed.begin() as session:
        seller = issue_key(session, "retail", "till", ["checkouts.create", "orders.read"])
    headers = {"authorization": f"Bearer {seller}", "idempotency-key": "k"}
    for path, operation in (("refunds", "refunds.create"), ("cancellations", "orders.change")):
        answer = await shop.post(f"/orders/{order['order_id']}/{path}", json={"reason": "x"}, headers=headers)
        assert (answer.status_code, answer.json()["operation"]) == (403, operation)


async def test_nothing_due_is_settled_at_once(shop: httpx.AsyncClient) -> None:
    answer = await shop.post("/payouts", json={}, headers={"idempotency-key": "s"})
    assert (answer.status_code, answer.json()["payouts"]) == (200, 0), answer.text
    assert (await shop.get("/payouts")).json() == {"payouts": [], "next_cursor": None}
    assert (await shop.get("/statements")).json() == {"statements": [], "next_cursor": None}
    assert (await shop.get("/payouts/po_none")).status_code == 404


async def test_endpoints_of_webhooks_are_kept_and_their_secret_is_shown_once(
    shop: httpx.AsyncClient, foreign_key: str
) -> None:
    refused = await shop.post("/webhook-endpoints", json={"url": "http://127.0.0.1:9/"})
    assert (refused.status_code, refused.json()["code"]) == (422, "webhook.url_refused")
    made = await shop.post("/webhook-endpoints", json={"url": "https://93.184.216.34/", "event_types": ["order.*"]})
    assert (made.status_code, made.json()["secret"][:6]) == (201, "whsec_"), made.text
    url = f"/webhook-endpoints/{made.json()['id']}"
    listed = (await shop.get("/webhook-endpoints")).json()["endpoints"]
    assert ["secret" in one for one in listed] == [False]
    stopped = await shop.patch(url, json={"is_enabled": False})
    assert (stopped.json()["status"], stopped.json()["event_types"]) == ("disabled", ["order.*"])
    rotated = await shop.post(f"{url}/secret")
    assert rotated.json()["secret"] != made.json()["secret"]
    assert (await shop.get("/webhook-deliveries")).json() == {"deliveries": [], "next_cursor": None}
    shop.headers["authorization"] = f"Bearer {foreign_key}"
    assert (await shop.get("/webhook-endpoints")).json() == {"endpoints": []}
    assert (await shop.patch(url, json={})).status_code == 404
    assert (await shop.post("/webhook-deliveries/whd_x/resend")).status_code == 404


async def test_an_unknown_gift_card_and_an_unknown_buyer_do_not_exist(shop: httpx.AsyncClient) -> None:
    card = await shop.post("/gift-cards/balance", json={"code": "7K2M-94QX-TT0B-VW3E"})
    assert (card.status_code, card.json()["code"]) == (404, "gift_card.unknown")
    assert "7K2M" not in card.text
    assert (await shop.get("/buyers/nobody/balances")).status_code == 404


async def test_a_change_does_exactly_what_its_preview_said(
    shop: httpx.AsyncClient, placed: sessionmaker[Session]
) -> None:
    auto(placed)
    order = await buy(shop)
    url = f"/orders/{order['order_id']}/changes"
    body = {"lines": [{"line_id": order["lines"][0]["line_id"], "quantity": 2}], "reason": "one less"}
    seen = (await shop.post(f"{url}/preview", json=body)).json()
    assert (seen["total_before_minor"], seen["total_after_minor"], seen["to_refund_minor"]) == (300_00, 200_00, 100_00)
    other = await shop.post(url, json=body | {"preview_sha256": "0" * 64}, headers={"idempotency-key": "c0"})
    assert other.status_code == 409, other.text
    done = await shop.post(url, json=body | {"preview_sha256": seen["sha256"]}, headers={"idempotency-key": "c1"})
    assert (done.status_code, done.json()["total_after_minor"]) == (200, 200_00), done.text
