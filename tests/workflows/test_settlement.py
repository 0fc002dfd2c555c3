"""Sellers are settled, payouts approved and paid, chargebacks borne: on a real Temporal server with all capabilities."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client, ScheduleOverlapPolicy

from activities.journal.models import ProcessRun
from activities.journal.queries import RunFilters, parts_of, runs_page
from capabilities.settlement.contract import PayoutFilters, PayoutStatus
from capabilities.settlement.queries_payout import disputes_of, payouts_page
from capabilities.transaction.queries import refunds_of
from tests.workflows.aftersale import begin_process, bought, decide, due_now, told
from tests.workflows.driving import Sessions, answered, until
from workflows import scheduled, starting
from workflows.worker import load_operations
from zhongtai.demo import load_demo
from zhongtai.verify import verify


@pytest.fixture
def shop(wired: Sessions) -> Sessions:
    load_operations()
    with wired.begin() as session:
        load_demo(session)
    return wired


def sound(sessions: Sessions) -> None:
    with sessions() as session:
        assert [(found.number, found.broken) for found in verify(session) if found.broken] == []


def payouts(sessions: Sessions) -> Any:
    with sessions() as session:
        return payouts_page(session, PayoutFilters(business="retail")).payouts


async def settled(sessions: Sessions, client: Client, decision: str) -> ProcessRun:
    """A settlement of one delivered order, decided so."""
    order = await bought(sessions, client)
    assert (await told(sessions, client, "fulfil", {"order_id": order.id}))[0] == 201
    assert (await told(sessions, client, "settlement", {}))[0] == 200, "nothing is due yet"
    due_now(sessions)
    begun = begin_process(sessions, "settlement", {}, actor="user:planner")
    status, body = await answered(client, begun)
    assert (status, body["status"]) == (202, "awaiting_approval"), body
    await decide(sessions, client, begun.run_id, decision)
    return await until(sessions, begun.run_id, "ended", 40)


async def test_what_is_due_is_planned_approved_by_another_and_paid_one_by_one(
    shop: Sessions, client: Client, worker: None
) -> None:
    run = await settled(shop, client, "approve")
    assert run.outcome == "settled", run.error
    with shop() as session:
        parts = parts_of(session, run.id)
    assert {(part.process, part.outcome) for part in parts} == {("payout", "paid")}
    assert {payout.status for payout in payouts(shop)} == {PayoutStatus.PAID}
    assert len(parts) == len(payouts(shop)) > 0
    sound(shop)


async def test_what_a_person_does_not_approve_is_due_again(shop: Sessions, client: Client, worker: None) -> None:
    run = await settled(shop, client, "refuse")
    assert run.outcome == "refused", run.error
    assert {payout.status for payout in payouts(shop)} == {PayoutStatus.WITHDRAWN}
    again = begin_process(shop, "settlement", {}, actor="user:planner")
    assert (await answered(client, again))[0] == 202
    sound(shop)


@pytest.mark.parametrize("outcome", ["won", "lost"])
async def test_a_chargeback_holds_the_money_until_it_is_decided(
    shop: Sessions, client: Client, worker: None, outcome: str
) -> None:
    order = await bought(shop, client)
    body = {"order_id": order.id, "reference": "cb_1", "reason": "not received", "amount_minor": order.total_minor}
    begun = begin_process(shop, "chargeback", body)
    assert (await answered(client, begun))[0] == 202
    await until(shop, begun.run_id, "waiting")
    with shop() as session:
        assert [one.status for one in disputes_of(session, "retail")] == ["open"]
    await starting.send_event(client, begun.run_id, "dispute.decided", {"outcome": outcome}, "user:op")
    run = await until(shop, begun.run_id, "ended")
    assert run.outcome == outcome, run.error
    with shop() as session:
        refunds = refunds_of(session, order.id)
        assert [one.status for one in disputes_of(session, "retail")] == [outcome]
    assert [(one.kind.value, one.status.value) for one in refunds] == (
        [] if outcome == "won" else [("chargeback", "succeeded")]
    )


async def test_a_schedule_a_line_of_business_starts_the_settlement_in_its_zone(
    shop: Sessions, client: Client, worker: None
) -> None:
    made = await scheduled.keep_schedules(client)
    assert made == 4
    assert await scheduled.keep_schedules(client) == 0
    handle = client.get_schedule_handle(scheduled.schedule_id_of("retail"))
    found = (await handle.describe()).schedule
    assert (found.spec.time_zone_name, found.policy.overlap) == ("Asia/Shanghai", ScheduleOverlapPolicy.SKIP)
    assert found.policy.catchup_window == timedelta(hours=12)
    await handle.trigger()
    run = await started(shop, "settlement")
    assert (run.actor, run.outcome) == ("system:schedule", "nothing_due")
    for business in ("retail", "finance", "logistics", "tourism"):
        await client.get_schedule_handle(scheduled.schedule_id_of(business)).delete()


async def started(sessions: Sessions, process: str) -> ProcessRun:
    """The run of that process, once it has ended."""
    for _ in range(400):
        with sessions() as session:
            runs = runs_page(session, RunFilters(process=process, status="ended")).runs
        if runs:
            return runs[0]
        await asyncio.sleep(0.05)
    raise AssertionError(f"No {process} was started.")
