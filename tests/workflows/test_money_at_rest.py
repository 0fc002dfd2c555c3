"""Whatever a provider does to a checkout, money, stock and books end as they should: every invariant holds."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from temporalio.client import Client
from temporalio.common import RetryPolicy

from capabilities.payment.providers import simulator
from capabilities.payment.queries import payment_of_order
from capabilities.transaction.queries import order_of
from tests.workflows.driving import Sessions, begin, until
from workflows import interpreter, starting
from workflows.messages import Repair, RepairKind
from workflows.worker import load_operations
from zhongtai.demo import load_demo
from zhongtai.verify import verify

METHODS = {
    "sim_ok": "confirmed",
    "sim_twice": "confirmed",
    "sim_late_100": "confirmed",
    "sim_late_1500": "confirmed",
    "sim_timeout_done": "confirmed",
    "sim_timeout": "declined",
    "sim_declined": "declined",
    "sim_capture_declined": "declined",
    "sim_capture_late_1500": "confirmed",
    "sim_capture_timeout_done": "confirmed",
}


@pytest.fixture
def shop(wired: Sessions, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    monkeypatch.setattr(simulator, "LONGEST_SILENCE_S", 2.0)
    load_operations()
    with wired.begin() as session:
        load_demo(session)
    return wired


def broken(sessions: Sessions) -> dict[int, list[str]]:
    with sessions() as session:
        return {result.number: result.broken for result in verify(session) if result.broken}


async def test_however_the_provider_answers_everything_ends_at_rest(
    shop: Sessions, client: Client, worker: None
) -> None:
    begun = {method: begin(shop, payment_method=method) for method in METHODS}
    await asyncio.gather(*(starting.await_answer(client, one, 15) for one in begun.values()))
    ended = {method: await until(shop, one.run_id, "ended", 60) for method, one in begun.items()}

    assert {method: run.outcome for method, run in ended.items()} == METHODS
    assert broken(shop) == {}
    with shop() as session:
        for method, run in ended.items():
            payment = payment_of_order(session, str(run.subject))
            assert payment is not None
            sold = order_of(session, payment.order_id).total_minor if METHODS[method] == "confirmed" else 0
            assert (method, payment.amounts.charged_minor, payment.amounts.authorized_minor) == (method, sold, 0)


async def test_a_capture_nobody_hears_of_stands_on_a_list_until_a_person_undoes_it(
    shop: Sessions, client: Client, worker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreter, "WORK_RETRY", RetryPolicy(maximum_attempts=2))  # not the minute of the product
    begun = begin(shop, payment_method="sim_capture_timeout")
    await starting.await_answer(client, begun, 15)
    stuck = await until(shop, begun.run_id, "stuck", 120)
    assert stuck.error is not None
    assert stuck.error["code"] == "payment.outcome_unknown"
    assert broken(shop) == {}

    await starting.repair(
        client, begun.run_id, Repair(uuid.uuid4().hex, RepairKind.UNDO, "user:op", "The provider lost it.")
    )
    ended = await until(shop, begun.run_id, "ended", 60)
    assert broken(shop) == {}
    with shop() as session:
        payment = payment_of_order(session, str(ended.subject))
        assert payment is not None
        assert (payment.amounts.charged_minor, payment.amounts.authorized_minor) == (0, 0)
        assert payment.amounts.charge_pending_minor == 0
