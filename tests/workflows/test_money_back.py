"""Money that comes back after it was known to be gone: chargebacks that are won, refunds that return or fail late."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.client import Client

from activities.journal.queries import RunFilters, runs_page
from activities.provider_events import read_message, receive
from capabilities.kernel.clock import now
from capabilities.kernel.database import session_factory
from capabilities.kernel.settings import settings
from capabilities.payment.contract import PaymentAmounts
from capabilities.payment.models import RefundShareRow
from capabilities.payment.providers.simulator_messages import (
    charge_back,
    let_chargeback_be_won,
    post_due,
    tell,
)
from capabilities.payment.queries import payments_of_order
from capabilities.transaction.contract import Order
from capabilities.transaction.queries import order_of, refunds_of
from capabilities.transaction.unit_queries import refunded_minor
from tests.builders import a_business, an_offer
from tests.workflows.aftersale import begin_process, bought, decide, policy, told
from tests.workflows.driving import Sessions, answered, until
from workflows.disputes import follow_disputes
from workflows.provider_messages import begin_what_follows
from workflows.starting import send_event, start_process
from workflows.worker import load_operations
from zhongtai.verify import verify

CART: dict[str, Any] = {
    "lines": [{"sku": "tea", "quantity": 2}],
    "delivery_sku": None,
    "buyer_id": None,
    "coupon_codes": [],
    "expected_total_minor": None,
}


@pytest.fixture
def shop(wired: Sessions, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    monkeypatch.setenv("ZHONGTAI_SECRET_KEY", "s" * 48)
    settings.cache_clear()
    load_operations()
    with wired.begin() as session:
        a_business(session)
        an_offer(session, "tea", price=100_00, stock=1_000)
    policy(wired, {"kind": "auto"})
    return wired


async def arrive(sessions: Sessions, client: Client) -> list[str]:
    """What the simulator has posted is taken as our endpoint takes it; the runs that began."""
    begun = []

    def post(headers: dict[str, str], body: bytes) -> int:
        message = read_message("simulator", headers, body)
        with sessions.begin() as session:
            one = begin_what_follows(session, receive(session, message))
        if one is not None:
            begun.append(one)
        return 200

    post_due(session_factory(), post, at=now() + timedelta(minutes=1))
    for one in begun:
        await start_process(client, one)
    return [one.run_id for one in begun]


def amounts(sessions: Sessions, order_id: str) -> PaymentAmounts:
    with sessions() as session:
        (payment,) = payments_of_order(session, order_id)
    return payment.amounts


def sound(sessions: Sessions) -> None:
    with sessions() as session:
        assert [(found.number, found.broken) for found in verify(session) if found.broken] == []


async def refunded(sessions: Sessions, client: Client) -> tuple[Order, str]:
    """An order of which everything was given back, and the refund."""
    order = await bought(sessions, client, **CART)
    assert (await told(sessions, client, "fulfil", {"order_id": order.id}))[0] == 201
    line = order.lines[0]
    request: dict[str, Any] = {"order_id": order.id, "kind": "goodwill", "reason": "a scratch"}
    request |= {"lines": [{"line_id": line.line_id, "units": 1}]}
    status, body = await told(sessions, client, "refund", {"request": request})
    assert status == 201, body
    return order, str(body["refund_id"])


def share_of(sessions: Sessions, refund_id: str) -> RefundShareRow:
    with sessions() as session:
        return session.scalars(select(RefundShareRow).where(RefundShareRow.refund_id == refund_id)).one()


@pytest.mark.parametrize("is_told", [True, False])
async def test_a_chargeback_that_is_won_is_charged_again(
    shop: Sessions, client: Client, worker: None, is_told: bool
) -> None:
    order = await bought(shop, client, **CART)
    before = amounts(shop, order.id)
    with shop.begin() as session:
        (payment,) = payments_of_order(session, order.id)
        key = charge_back(session, payment.id, order.total_minor)
    (run_id,) = await arrive(shop, client)
    await until(shop, run_id, "waiting")
    assert amounts(shop, order.id).charged_minor == before.charged_minor - order.total_minor
    assert await follow_disputes(client) == 0
    if is_told:  # by the provider
        with shop.begin() as session:
            let_chargeback_be_won(session, key)
        assert await arrive(shop, client) == []
        assert await follow_disputes(client) == 1
    else:  # by a person, who has a letter of the bank
        await send_event(client, run_id, "dispute.decided", {"outcome": "won"}, "user:op")
    assert (await until(shop, run_id, "ended")).outcome == "won"
    assert amounts(shop, order.id) == before
    assert await follow_disputes(client) == 0
    sound(shop)


@pytest.mark.parametrize("decision", ["approve", "refuse"])
@pytest.mark.parametrize("said", ["refund.reversed", "refund.declined"])
async def test_a_refund_that_comes_back_is_taken_out_of_all_books_and_tried_again_if_a_person_says_so(
    shop: Sessions, client: Client, worker: None, said: str, decision: str
) -> None:
    order, refund_id = await refunded(shop, client)
    share = share_of(shop, refund_id)
    await arrive(shop, client)
    with shop.begin() as session:
        say(session, order, share, said)
    (run_id,) = await arrive(shop, client)
    await until(shop, run_id, "waiting")
    with shop() as session:
        (refund,) = refunds_of(session, order.id)
        assert (refund.status.value, refund.status_reason) == ("reversed", "The money came back: account_closed")
        assert refunded_minor(session, order.id) == 0
    assert amounts(shop, order.id).charged_minor == order.total_minor
    sound(shop)
    await decide(shop, client, run_id, decision)
    ended = await until(shop, run_id, "ended")
    assert ended.outcome == ("refunded" if decision == "approve" else "kept"), ended.error
    with shop() as session:
        stand = sorted(one.status.value for one in refunds_of(session, order.id))
    assert stand == (["reversed", "succeeded"] if decision == "approve" else ["reversed"])
    given = share.amount_minor if decision == "approve" else 0
    assert amounts(shop, order.id).charged_minor == order.total_minor - given
    sound(shop)


async def test_a_refund_that_comes_back_in_part_stands_with_a_person(
    shop: Sessions, client: Client, worker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, refund_id = await refunded(shop, client)
    with shop.begin() as session:
        say(session, order, share_of(shop, refund_id), "refund.reversed", less=1)
    await arrive(shop, client)
    with shop() as session:
        (run,) = runs_page(session, RunFilters(process="refund_returned")).runs
    stuck = await until(shop, run.id, "stuck")
    assert stuck.error is not None
    assert stuck.error["code"] == "payment.refund_partly_returned"
    with shop() as session:
        assert [one.status.value for one in refunds_of(session, order.id)] == ["succeeded"]


def say(session: Any, order: Order, share: RefundShareRow, name: str, less: int = 0) -> None:
    """The provider takes a refund back, or says that it failed after all."""
    is_reversal = name == "refund.reversed"
    at = now() + timedelta(seconds=5)
    data = {
        "business": order.business,
        "payment_id": share.payment_id,
        "reference": f"back_{share.reference}" if is_reversal else share.reference,
        "about": share.reference if is_reversal else None,
        "amount_minor": share.amount_minor - less,
        "currency": order.currency,
        "reason": "account_closed",
        "provider_id": None,
    }
    tell(session, business=order.business, type=name, body={"type": name, "timestamp": at.isoformat(), "data": data})


async def test_a_refund_that_is_refused_at_once_begins_nothing_more(
    shop: Sessions, client: Client, worker: None
) -> None:
    order = await bought(shop, client, **CART | {"payment_method": "sim_refund_declined"})
    request = {"order_id": order.id, "kind": "goodwill", "reason": "a scratch", "amount_minor": 1_00}
    begun = begin_process(shop, "refund", {"request": request})
    assert (await answered(client, begun))[0] == 402
    assert await arrive(shop, client) == []
    with shop() as session:
        assert order_of(session, order.id).status.value == "confirmed"
