"""API keys: hashed, scoped, rotated, revoked; who may ask what, and how often."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel.errors import InvalidError, RefusedError
from tests.web.api.conftest import a_cart
from web.api import keys
from web.api.keys import OPERATIONS, Throttle, authenticate, issue_key, keys_of, revoke_key
from web.api.models import ApiKey


def test_a_key_is_kept_only_as_a_hash(session: Session) -> None:
    plain = issue_key(session, "retail", "shop")
    row = session.scalars(select(ApiKey)).one()
    assert plain.startswith("zk_retail_")
    assert len(plain) == len("zk_retail_") + 64
    assert plain not in {str(value) for value in vars(row).values()}
    assert plain.startswith(row.prefix)
    assert len(row.prefix) == len("zk_retail_") + 6


def test_a_key_names_its_client_and_what_it_may_do(session: Session) -> None:
    plain = issue_key(session, "retail", "shop", ["offers.read", "quotes.create"])
    client = authenticate(session, plain)
    assert client is not None
    assert (client.business, client.name) == ("retail", "shop")
    assert client.operations == {"offers.read", "quotes.create"}
    assert authenticate(session, plain[:-1] + "x") is None


def test_an_operation_nobody_knows_is_not_granted(session: Session) -> None:
    with pytest.raises(InvalidError, match="orders\\.delete"):
        issue_key(session, "retail", "shop", ["orders.delete"])


def test_two_keys_live_side_by_side_and_a_third_is_refused(session: Session) -> None:
    old, new = issue_key(session, "retail", "shop"), issue_key(session, "retail", "shop")
    first, second = authenticate(session, old), authenticate(session, new)
    assert first is not None
    assert second is not None
    assert (first.id, first.key_id) != (second.id, second.key_id)
    assert first.id == second.id
    with pytest.raises(RefusedError) as refused:
        issue_key(session, "retail", "shop")
    assert refused.value.code == "api.keys_exhausted"
    revoke_key(session, first.key_id)
    assert authenticate(session, old) is None
    issue_key(session, "retail", "shop")
    assert len(keys_of(session, "retail", "shop")) == 3


def test_revoking_twice_keeps_the_first_time(session: Session) -> None:
    issue_key(session, "retail", "shop")
    key = keys_of(session, "retail", "shop")[0]
    revoke_key(session, key.id)
    at = key.revoked_at
    revoke_key(session, key.id)
    assert key.revoked_at == at


def test_last_use_is_written_once_a_minute(session: Session) -> None:
    plain = issue_key(session, "retail", "shop")
    authenticate(session, plain)
    row = session.scalars(select(ApiKey).execution_options(populate_existing=True)).one()
    first = row.last_used_at
    assert first is not None
    authenticate(session, plain)
    session.refresh(row)
    assert row.last_used_at == first


def test_a_bucket_empties_and_fills_again(session: Session) -> None:
    plain = issue_key(session, "retail", "shop", requests_per_minute=60)
    client = authenticate(session, plain)
    assert client is not None
    throttle = Throttle()
    waits = [throttle.wait_s(client) for _ in range(11)]
    assert waits[:10] == [0.0] * 10
    assert 0.9 < waits[10] <= 1.0


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "api.key_required"),
        ({"authorization": "Basic abc"}, "api.key_required"),
        ({"authorization": "Bearer zk_retail_0000"}, "api.key_unknown"),
    ],
)
async def test_without_a_key_nothing_is_answered(web: httpx.AsyncClient, headers: dict[str, str], code: str) -> None:
    answer = await web.get("/offers", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_revoked_key_stops_working_within_seconds(
    shop: httpx.AsyncClient, placed: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert keys.REMEMBERED_S <= 5
    monkeypatch.setattr(keys, "REMEMBERED_S", 0.2)
    assert (await shop.get("/offers")).status_code == 200
    with placed.begin() as session:
        revoke_key(session, keys_of(session, "retail", "shop")[0].id)
    await asyncio.sleep(0.3)
    assert (await shop.get("/offers")).json()["code"] == "api.key_unknown"


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
async def test_a_key_may_do_only_what_it_was_issued_for(
    web: httpx.AsyncClient, placed: sessionmaker[Session], operation: str
) -> None:
    with placed.begin() as session:
        plain = issue_key(session, "retail", "narrow", [each for each in OPERATIONS if each != operation])
    web.headers["authorization"] = f"Bearer {plain}"
    requests = {
        "quotes.create": ("POST", "/quotes"),
        "checkouts.create": ("POST", "/checkouts"),
        "orders.read": ("GET", "/orders/ord_1"),
        "processes.read": ("GET", "/processes/run_1"),
        "offers.read": ("GET", "/offers"),
        "buyers.read": ("GET", "/buyers"),
        "events.read": ("GET", "/events"),
        "orders.change": ("POST", "/orders/ord_1/cancellations"),
        "refunds.create": ("POST", "/orders/ord_1/refunds"),
        "payouts.read": ("GET", "/payouts"),
        "payouts.run": ("POST", "/payouts"),
        "gift_cards.read": ("POST", "/gift-cards/balance"),
        "webhooks.manage": ("GET", "/webhook-endpoints"),
        "dues.collect": ("POST", "/orders/ord_1/collections"),
        "dues.take_cash": ("POST", "/orders/ord_1/cash"),
    }
    method, path = requests[operation]
    body = a_cart() if method == "POST" else None
    answer = await web.request(method, path, json=body, headers={"idempotency-key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (403, "api.operation_refused")
    assert answer.json()["operation"] == operation


async def test_too_many_requests_are_told_when_to_come_again(
    web: httpx.AsyncClient, placed: sessionmaker[Session]
) -> None:
    with placed.begin() as session:
        plain = issue_key(session, "retail", "busy", requests_per_minute=6)
    web.headers["authorization"] = f"Bearer {plain}"
    assert (await web.get("/offers")).status_code == 200
    answer = await web.get("/offers")
    assert (answer.status_code, answer.json()["code"]) == (429, "api.rate_exceeded")
    assert 1 <= int(answer.headers["retry-after"]) <= 10
    assert answer.json()["retry_after_s"] == int(answer.headers["retry-after"])
