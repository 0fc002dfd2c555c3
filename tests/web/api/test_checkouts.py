"""Checkouts over HTTP, on a real Temporal server, worker and database."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel.settings import settings
from tests.conftest import free_port
from tests.web.api.conftest import a_cart, at_once, keyed
from web.temporal import TemporalGate
from workflows.starting import connect

pytestmark = pytest.mark.usefixtures("worker")

Counts = Callable[[], dict[str, int]]


async def test_a_cart_is_bought_in_one_answer(shop: httpx.AsyncClient, written: Counts) -> None:
    answer = await shop.post("/checkouts", json=a_cart(delivery_sku="post"), headers=keyed())
    assert answer.status_code == 201, answer.text
    receipt = answer.json()
    assert receipt["status"] == "confirmed"
    assert (receipt["goods_gross_minor"], receipt["delivery_minor"], receipt["discount_minor"]) == (220_00, 8_00, 0)
    assert receipt["total_minor"] == 228_00
    assert answer.headers["location"] == f"/api/v1/orders/{receipt['order_id']}"
    assert answer.headers["content-type"] == "application/json"
    read = await shop.get(f"/orders/{receipt['order_id']}")
    more = {
        "status_reason": None,
        "attributes": {},
        "begins_on": None,
        "fulfilments": [],
        "open_units": [{"line_id": "l1", "units": 2}, {"line_id": "l2", "units": 1}],
        "tags": [],
    }
    assert read.json() == receipt | more
    assert (written()["sales_order"], written()["payment"]) == (1, 1)


async def test_the_same_key_and_body_give_the_same_bytes_and_buy_once(shop: httpx.AsyncClient, written: Counts) -> None:
    first = await shop.post("/checkouts", json=a_cart(), headers=keyed())
    before = written()
    again = await shop.post("/checkouts", json=a_cart(), headers=keyed())
    assert (again.status_code, again.content) == (first.status_code, first.content) == (201, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert written() == before


async def test_the_same_request_in_other_words_is_the_same_request(shop: httpx.AsyncClient) -> None:
    first = await shop.post("/checkouts", json=a_cart(), headers=keyed())
    cart = a_cart(business="retail", channel="web", coupon_codes=[], buyer_id=None)
    other_words = json.dumps(dict(reversed(cart.items())), indent=4)
    headers = keyed() | {"content-type": "application/json"}
    again = await shop.post("/checkouts", content=other_words, headers=headers)
    assert again.content == first.content


async def test_the_same_key_with_another_body_is_a_conflict(shop: httpx.AsyncClient, written: Counts) -> None:
    await shop.post("/checkouts", json=a_cart(), headers=keyed())
    before = written()
    other = await shop.post("/checkouts", json=a_cart(payment_method="sim_declined"), headers=keyed())
    assert (other.status_code, other.json()["code"]) == (409, "idempotency.key_reused")
    assert other.json()["mend"]
    assert written() == before


async def test_keys_belong_to_the_client_that_made_them(
    shop: httpx.AsyncClient, foreign_key: str, written: Counts
) -> None:
    await shop.post("/checkouts", json=a_cart(), headers=keyed())
    theirs = keyed() | {"authorization": f"Bearer {foreign_key}"}
    answer = await shop.post("/checkouts", json=a_cart(payment_method="sim_late_1"), headers=theirs)
    assert answer.status_code == 201, answer.text
    assert written()["sales_order"] == 2


async def test_twenty_duplicates_at_once_buy_once_and_get_equal_bytes(shop: httpx.AsyncClient, written: Counts) -> None:
    calls = (shop.post("/checkouts", json=a_cart(), headers=keyed()) for _ in range(20))
    answers = await at_once(*calls)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert (written()["sales_order"], written()["payment"]) == (1, 1)


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"lines": [{"sku": "no-such", "quantity": 1}]}, 422, "transaction.sku_unknown"),
        ({"currency": "USD"}, 422, "transaction.currency_wrong"),
        ({"lines": [{"sku": "dollar", "quantity": 1}]}, 422, "transaction.currency_wrong"),
        ({"lines": [{"sku": "last", "quantity": 2}]}, 409, "transaction.stock_short"),
        ({"lines": [{"sku": "tea", "quantity": 1_000_000}]}, 409, "transaction.stock_short"),
        ({"lines": [{"sku": "post", "quantity": 1}]}, 422, "transaction.kind_wrong"),
        ({"delivery_sku": "tea"}, 422, "transaction.kind_wrong"),
        ({"buyer_id": "b_nobody"}, 422, "user.unknown"),
        ({"coupon_codes": ["NOPE"]}, 409, "marketing.coupon_unknown"),
        ({"expected_total_minor": 219_99}, 409, "transaction.total_changed"),
        ({"quote_id": "quo_nothing"}, 409, "transaction.quote_unknown"),
    ],
)
async def test_a_refusal_says_what_is_wrong_and_writes_nothing(
    shop: httpx.AsyncClient, written: Counts, changed: dict[str, Any], status: int, code: str
) -> None:
    before = written()
    answer = await shop.post("/checkouts", json=a_cart(**changed), headers=keyed())
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["detail"].endswith(".")
    assert written() == before
    again = await shop.post("/checkouts", json=a_cart(**changed), headers=keyed())
    assert again.content == answer.content


@pytest.mark.parametrize(
    ("changed", "status", "code", "at"),
    [
        ({"lines": [{"sku": "tea", "quantity": 0}]}, 422, "request.invalid", "body.lines[0].quantity"),
        ({"lines": [{"sku": "tea", "quantity": -1}]}, 422, "request.invalid", "body.lines[0].quantity"),
        ({"lines": [{"sku": "tea", "quantity": 1_000_001}]}, 422, "request.invalid", "body.lines[0].quantity"),
        ({"lines": [{"sku": "tea", "quantity": 10**30}]}, 422, "request.invalid", "body.lines[0].quantity"),
        ({"lines": [{"sku": "tea", "quantity": 1.5}]}, 422, "request.invalid", "body.lines[0].quantity"),
        ({"lines": [{"sku": "tea", "quantity": True}]}, 422, "request.invalid", "body.lines[0].quantity"),
        ({"lines": [{"sku": "", "quantity": 1}]}, 422, "request.invalid", "body.lines[0].sku"),
        ({"lines": [{"sku": "te a", "quantity": 1}]}, 422, "request.invalid", "body.lines[0].sku"),
        ({"lines": []}, 422, "request.invalid", "body.lines"),
        ({"currency": "yuan"}, 422, "request.invalid", "body.currency"),
        ({"price_minor": 1}, 422, "request.invalid", "body.price_minor"),
        ({"buyer_id": "a\x00b"}, 422, "request.invalid", "body.buyer_id"),
        ({"expected_total_minor": -1}, 422, "request.invalid", "body.expected_total_minor"),
        ({"coupon_codes": ["A"] * 21}, 422, "request.invalid", "body.coupon_codes"),
    ],
)
async def test_what_cannot_be_meant_never_starts_a_process(
    shop: httpx.AsyncClient,
    placed: sessionmaker[Session],
    changed: dict[str, Any],
    status: int,
    code: str,
    at: str,
) -> None:
    answer = await shop.post("/checkouts", json=a_cart(**changed), headers=keyed())
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert [error["at"] for error in problem["errors"]] == [at]
    with placed() as session:
        assert session.scalar(text("SELECT count(*) FROM process_run")) == 0
        assert session.scalar(text("SELECT count(*) FROM idempotency")) == 0


@pytest.mark.parametrize("lines", [1_001, 10_000])
async def test_more_than_a_thousand_lines_are_too_many(
    shop: httpx.AsyncClient, placed: sessionmaker[Session], lines: int
) -> None:
    cart = a_cart(lines=[{"sku": "tea", "quantity": 1}] * lines)
    answer = await shop.post("/checkouts", json=cart, headers=keyed())
    assert (answer.status_code, answer.json()["code"]) == (413, "request.too_many_lines")
    assert answer.json()["limit"] == 1_000
    with placed() as session:
        assert session.scalar(text("SELECT count(*) FROM process_run")) == 0


async def test_a_hundred_lines_are_bought(shop: httpx.AsyncClient, written: Counts) -> None:
    cart = a_cart(lines=[{"sku": "tea", "quantity": 1}] * 50 + [{"sku": "cup", "quantity": 1}] * 50)
    answer = await shop.post("/checkouts", json=cart, headers=keyed())
    assert answer.status_code == 201, answer.text
    assert answer.json()["total_minor"] == 50 * 100_00 + 50 * 20_00
    assert written()["sales_order_line"] == 100


async def test_a_checkout_without_a_key_is_invalid(shop: httpx.AsyncClient) -> None:
    answer = await shop.post("/checkouts", json=a_cart())
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["at"] == "header.idempotency-key"


async def test_a_declined_payment_is_an_answer_of_its_own(shop: httpx.AsyncClient, written: Counts) -> None:
    answer = await shop.post("/checkouts", json=a_cart(payment_method="sim_declined"), headers=keyed())
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["reason"]) == (402, "payment.declined", "card_declined")
    assert problem["detail"] == "The payment was declined: the bank did not approve it."
    assert "another payment method" in problem["mend"]
    order = (await shop.get(f"/orders/{problem['order_id']}")).json()
    assert order["status"] == "refused"
    before = written()
    again = await shop.post("/checkouts", json=a_cart(payment_method="sim_declined"), headers=keyed())
    assert (again.status_code, again.content) == (402, answer.content)
    assert written() == before
    offers = {offer["sku"]: offer for offer in (await shop.get("/offers")).json()["offers"]}
    assert offers["tea"]["available_units"] == 100


async def test_an_unknown_outcome_is_told_and_can_be_followed(shop: httpx.AsyncClient) -> None:
    answer = await shop.post("/checkouts", json=a_cart(payment_method="sim_timeout"), headers=keyed())
    assert answer.status_code == 202, answer.text
    run_id = answer.json()["run_id"]
    assert answer.headers["location"] == f"/api/v1/processes/{run_id}"
    assert answer.headers["retry-after"] == "2"
    process = (await shop.get(f"/processes/{run_id}")).json()
    assert process["process"] == "checkout"
    assert process["answer_status"] == 202
    assert process["order_id"].startswith("ord_")
    assert [step["step"] for step in process["steps"]][:2] == ["admit", "price"]


async def test_a_longer_wait_than_the_caller_has_is_not_stored(
    shop: httpx.AsyncClient, placed: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHONGTAI_ANSWER_WITHIN_S", "0.05")
    settings.cache_clear()
    cart = a_cart(payment_method="sim_late_300")
    early = await shop.post("/checkouts", json=cart, headers=keyed())
    assert (early.status_code, early.json()["status"]) == (202, "running")
    monkeypatch.setenv("ZHONGTAI_ANSWER_WITHIN_S", "10")
    settings.cache_clear()
    late = await shop.post("/checkouts", json=cart, headers=keyed())
    assert late.status_code == 201, late.text
    assert late.json()["run_id"] == early.json()["run_id"]


async def test_a_checkout_begun_while_temporal_is_away_is_finished_later(
    shop: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch, written: Counts
) -> None:
    alive = app.state.temporal
    app.state.temporal = TemporalGate(partial(connect, f"127.0.0.1:{free_port()}", lazy=True))
    monkeypatch.setenv("ZHONGTAI_ANSWER_WITHIN_S", "0.5")
    settings.cache_clear()
    early = await shop.post("/checkouts", json=a_cart(), headers=keyed())
    assert (early.status_code, early.json()["status"]) == (202, "running")
    app.state.temporal = alive
    monkeypatch.setenv("ZHONGTAI_ANSWER_WITHIN_S", "10")
    settings.cache_clear()
    late = await shop.post("/checkouts", json=a_cart(), headers=keyed())
    assert (late.status_code, late.json()["run_id"]) == (201, early.json()["run_id"])
    assert written()["sales_order"] == 1


async def test_the_total_a_quote_named_is_the_total_paid(shop: httpx.AsyncClient) -> None:
    quote = (await shop.post("/quotes", json=a_cart())).json()
    by_total = a_cart(expected_total_minor=quote["total_minor"])
    assert (await shop.post("/checkouts", json=by_total, headers=keyed("a"))).json()["total_minor"] == 220_00
    by_quote = a_cart(quote_id=quote["id"])
    answer = await shop.post("/checkouts", json=by_quote, headers=keyed("b"))
    assert answer.json()["total_minor"] == 220_00, answer.text


async def test_the_explanation_of_an_order_holds_its_quote(shop: httpx.AsyncClient) -> None:
    receipt = (await shop.post("/checkouts", json=a_cart(), headers=keyed())).json()
    explained = (await shop.get(f"/orders/{receipt['order_id']}/explanation")).json()
    assert explained["is_reproduced"] is True
    assert explained["quote"]["total_minor"] == receipt["total_minor"]


async def test_the_journal_names_the_client_not_its_key(shop: httpx.AsyncClient, placed: sessionmaker[Session]) -> None:
    await shop.post("/checkouts", json=a_cart(), headers=keyed("secret-basket-81"))
    with placed() as session:
        actor, workflow_id = session.execute(text("SELECT actor, workflow_id FROM process_run")).one()
        assert session.scalar(select(text("key")).select_from(text("idempotency"))) == "secret-basket-81"
    assert actor == "api:shop"
    assert workflow_id.startswith("retail/checkout/")
    assert "secret" not in workflow_id
