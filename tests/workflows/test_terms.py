"""Payment terms, end to end on a real Temporal server: agreed in the checkout, collected later, books in balance."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import update
from temporalio.client import Client

from capabilities.account.contract import AccountKind
from capabilities.account.queries import trial_balance
from capabilities.kernel.clock import now
from capabilities.kernel.identity import BusinessIdentity
from capabilities.payment.queries import payments_of_order
from capabilities.payment.schedule import DueStatus
from capabilities.payment.schedule_models import DueRow
from capabilities.payment.schedule_queries import owed_of_order, schedule_of
from capabilities.transaction.queries import order_of
from tests.workflows.aftersale import policy, told
from tests.workflows.driving import Sessions, answered, begin, until
from workflows import due_dates, starting
from workflows.inputs import typed_input
from workflows.starting import Begun
from workflows.worker import load_operations
from zhongtai.demo import EXAMPLE_TOTAL_MINOR, load_demo
from zhongtai.demo_rules import publish_demo_rules

PLANS: dict[str, Any] = {
    "decision": "payment.terms",
    "name": {"en": "Plans", "zh": "付款方案"},
    "rules": [
        {
            "id": "r_three",
            "name": "Three instalments",
            "grain": "order",
            "stage": 10,
            "when": {"field": "order.plan", "op": "eq", "value": "3"},
            "effects": [{"kind": "instalments", "count": 3, "days_between": 30}],
        },
        {
            "id": "r_cash",
            "name": "Cash on delivery",
            "grain": "order",
            "stage": 10,
            "when": {"field": "order.plan", "op": "eq", "value": "cash"},
            "effects": [{"kind": "on_delivery"}],
        },
        {
            "id": "r_none",
            "name": "Nothing else",
            "grain": "order",
            "stage": 10,
            "when": {"field": "order.plan", "op": "eq", "value": "never"},
            "effects": [{"kind": "refuse", "reason": "There is no such plan."}],
        },
    ],
}


@pytest.fixture
def shop(wired: Sessions) -> Sessions:
    load_operations()
    with wired.begin() as session:
        load_demo(session)
        publish_demo_rules(session, [{"business": "retail", "document": PLANS}])
    return wired


def collect(sessions: Sessions, order_id: str, **asked: Any) -> Begun:
    body = typed_input("payment.claim_dues", {"order_id": order_id, **asked})
    with sessions.begin() as session:
        return starting.begin_run(
            session,
            process="collect",
            identity=BusinessIdentity("retail"),
            input=body,
            client_id="shop",
            key=uuid.uuid4().hex,
            actor="api:shop",
        )


def books(sessions: Sessions) -> dict[AccountKind, int]:
    with sessions() as session:
        return {ref.kind: balance.minor for page in trial_balance(session, "retail") for ref, balance in page.balances}


async def test_instalments_are_agreed_on_collected_and_paid_early(shop: Sessions, client: Client, worker: None) -> None:
    status, body = await answered(client, begin(shop, terms="3"))
    assert (status, body["total_minor"], body["status"]) == (201, EXAMPLE_TOTAL_MINOR, "confirmed")
    order_id = body["order_id"]
    with shop() as session:
        assert [due.status for due in schedule_of(session, order_id)] == [
            DueStatus.PAID,
            DueStatus.OPEN,
            DueStatus.OPEN,
        ]
        first, second, third = (due.amount_minor for due in schedule_of(session, order_id))
    assert books(shop)[AccountKind.PROVIDER_CLEARING] == first
    assert books(shop)[AccountKind.BUYER_RECEIVABLE] == second + third

    status, body = await answered(client, collect(shop, order_id, positions=[1]))
    assert (status, body["paid_minor"], body["positions"]) == (201, second, [1])
    assert books(shop)[AccountKind.BUYER_RECEIVABLE] == third

    status, body = await answered(client, collect(shop, order_id))
    assert (status, body["paid_minor"], body["positions"]) == (201, third, [2])
    assert books(shop)[AccountKind.BUYER_RECEIVABLE] == 0
    assert books(shop)[AccountKind.PROVIDER_CLEARING] == EXAMPLE_TOTAL_MINOR
    with shop() as session:
        assert owed_of_order(session, order_id) == 0
        assert [payment.amounts.charged_minor for payment in payments_of_order(session, order_id)] == [
            first,
            second,
            third,
        ]
    status, body = await answered(client, collect(shop, order_id))
    assert (status, body["code"]) == (409, "payment.due_not_open")


async def test_a_declined_collection_leaves_the_due_open(shop: Sessions, client: Client, worker: None) -> None:
    _, body = await answered(client, begin(shop, terms="3"))
    order_id = body["order_id"]
    owed = books(shop)[AccountKind.BUYER_RECEIVABLE]
    for method in ("sim_declined", "sim_capture_declined"):
        begun = collect(shop, order_id, positions=[1], method=method, is_scheduled=True)
        status, body = await answered(client, begun)
        assert (status, body["code"]) == (402, "payment.declined")
        await until(shop, begun.run_id, "ended")
    with shop() as session:
        due = schedule_of(session, order_id)[1]
    assert (due.status, due.attempts) == (DueStatus.OPEN, 2)
    assert books(shop)[AccountKind.BUYER_RECEIVABLE] == owed


async def test_cash_on_delivery_is_owed_until_the_courier_has_it(shop: Sessions, client: Client, worker: None) -> None:
    _, body = await answered(client, begin(shop, terms="cash"))
    order_id = body["order_id"]
    assert books(shop)[AccountKind.BUYER_RECEIVABLE] == EXAMPLE_TOTAL_MINOR
    status, body = await answered(client, collect(shop, order_id, by="courier"))
    assert (status, body["paid_minor"]) == (201, EXAMPLE_TOTAL_MINOR)
    assert books(shop)[AccountKind.BUYER_RECEIVABLE] == 0
    assert books(shop)[AccountKind.COURIER_CLEARING] == EXAMPLE_TOTAL_MINOR


async def test_refused_terms_leave_no_order(shop: Sessions, client: Client, worker: None) -> None:
    begun = begin(shop, terms="never")
    status, body = await answered(client, begun)
    assert (status, body["code"], body["detail"]) == (409, "payment.terms_refused", "There is no such plan.")
    assert (await until(shop, begun.run_id, "ended")).subject is None


async def test_a_declined_deposit_cancels_the_plan(shop: Sessions, client: Client, worker: None) -> None:
    begun = begin(shop, terms="3", payment_method="sim_declined")
    status, body = await answered(client, begun)
    assert status == 402
    await until(shop, begun.run_id, "ended")
    with shop() as session:
        assert order_of(session, body["order_id"]).status == "refused"
        assert {due.status for due in schedule_of(session, body["order_id"])} == {DueStatus.CANCELLED}


async def test_what_has_come_due_is_collected_by_itself_once(shop: Sessions, client: Client, worker: None) -> None:
    _, body = await answered(client, begin(shop, terms="3"))
    order_id = body["order_id"]
    with shop.begin() as session:
        session.execute(
            update(DueRow).where(DueRow.order_id == order_id, DueRow.position == 1).values(next_try_at=now())
        )
    (begun,) = due_dates.begin_collections()
    assert due_dates.begin_collections() == []
    await starting.start_process(client, begun)
    run = await until(shop, begun.run_id, "ended")
    assert (run.outcome, run.actor) == ("collected", "schedule")
    with shop() as session:
        assert [due.status for due in schedule_of(session, order_id)] == [
            DueStatus.PAID,
            DueStatus.PAID,
            DueStatus.OPEN,
        ]


async def test_a_refund_takes_off_what_is_owed_before_any_money_goes_back(
    shop: Sessions, client: Client, worker: None
) -> None:
    policy(shop, {"kind": "auto"})
    _, body = await answered(client, begin(shop, terms="3"))
    with shop() as session:
        order = order_of(session, body["order_id"])
        first, second, third = (due.amount_minor for due in schedule_of(session, order.id))
    asked = {"order_id": order.id, "kind": "goodwill", "amount_minor": third + 100, "reason": "late"}
    status, back = await told(shop, client, "refund", {"request": asked})
    assert (status, back["total_minor"], back["due_minor"]) == (201, third + 100, 0), back
    with shop() as session:
        assert [(due.amount_minor, due.status) for due in schedule_of(session, order.id)] == [
            (first, DueStatus.PAID),
            (second - 100, DueStatus.OPEN),
            (0, DueStatus.CANCELLED),
        ]
    assert books(shop)[AccountKind.BUYER_RECEIVABLE] == second - 100
    everything = {"order_id": order.id, "kind": "goodwill", "amount_minor": order.total_minor - third - 100}
    status, back = await told(shop, client, "refund", {"request": everything})
    assert (status, back["due_minor"]) == (201, first), back
    assert books(shop)[AccountKind.BUYER_RECEIVABLE] == books(shop)[AccountKind.PROVIDER_CLEARING] == 0
