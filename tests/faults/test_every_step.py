"""Every step of the checkout fails once, in each way a step can fail; then every undo. Nothing is left half done."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.client import Client
from temporalio.common import RetryPolicy

from activities import catalogue
from activities.journal.service import undo_rows
from capabilities.account.queries import trial_balance
from capabilities.kernel.errors import RefusedError, UnavailableError
from tests.workflows.conftest import client as client  # noqa: PLC0414 - fixtures
from tests.workflows.conftest import wired as wired  # noqa: PLC0414
from tests.workflows.conftest import worker as worker  # noqa: PLC0414
from tests.workflows.driving import Sessions, answered, begin, until
from workflows import interpreter, starting
from workflows.language.definition import Call, steps_of
from workflows.library import library
from workflows.starting import Repair, RepairKind
from workflows.worker import load_operations
from zhongtai.demo import load_demo
from zhongtai.verify import verify

pytestmark = pytest.mark.faults

CALLS = [step for step in steps_of(library()["checkout"].definition.steps) if isinstance(step, Call)]
SOMETIMES = {"owes", "plan", "park", "release", "outcome", "taken"}
"""Steps of ways that a plain cart does not go."""
ALWAYS = [call for call in CALLS if call.when is None and call.name not in SOMETIMES]
UNDOS = [call for call in ALWAYS if call.undo is not None]


@pytest.fixture
def shop(wired: Sessions, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    monkeypatch.setattr(
        interpreter, "WORK_RETRY", RetryPolicy(initial_interval=timedelta(milliseconds=5), maximum_attempts=2)
    )
    load_operations()
    with wired.begin() as session:
        load_demo(session)
    return wired


@contextmanager
def failing(name: str, error: Callable[[], Exception]) -> Iterator[None]:
    """An operation that fails, wherever it begins its work."""
    whole = catalogue._OPERATIONS[name]

    def fail(*_: Any) -> Any:
        raise error()

    broken = (
        replace(whole, run=fail)
        if whole.outside is None
        else replace(whole, outside=replace(whole.outside, intend=fail))
    )
    catalogue._OPERATIONS[name] = broken
    try:
        yield
    finally:
        catalogue._OPERATIONS[name] = whole


def standing(sessions: Sessions) -> dict[str, Any]:
    """What a sale moves: stock, coupons, open holds, the ledger, the provider's own books."""
    with sessions() as session:

        def told(query: str) -> Any:
            return session.execute(text(query)).all()

        return {
            "stock": told("SELECT sku, on_hand, reserved FROM stock ORDER BY sku"),
            "coupons": told("SELECT code, used FROM coupon ORDER BY code"),
            "money": told(
                "SELECT coalesce(sum(acts * CASE action WHEN 'capture' THEN amount_minor WHEN 'refund' THEN -amount_minor"
                " ELSE 0 END), 0) FROM simulated_provider_act"
            ),
            "ledger": [
                (ref, balance.minor, balance.available_minor)
                for page in trial_balance(session, "retail")
                for ref, balance in page.balances
                if balance.minor or balance.available_minor
            ],
            "open orders": told("SELECT count(*) FROM sales_order WHERE status IN ('placed', 'on_hold', 'confirmed')"),
        }


def no() -> Exception:
    return RefusedError("test.refused", "No.")


def away() -> Exception:
    return UnavailableError("test.away", "Nobody answers.")


def mend(kind: RepairKind) -> Repair:
    return Repair(uuid.uuid4().hex, kind, "user:op", "The cause is gone.")


async def test_whatever_step_says_no_everything_is_as_before(shop: Sessions, client: Client, worker: None) -> None:
    before = standing(shop)
    for call in ALWAYS:
        with failing(call.operation, no):
            begun = begin(shop)
            status, body = await answered(client, begun)
        assert (call.name, status, body["code"]) == (call.name, 409, "test.refused")
        run = await until(shop, begun.run_id, "ended")
        assert run.outcome == "refused"
        assert standing(shop) == before, call.name
    with shop() as session:
        assert [result for result in verify(session) if result.broken] == []


async def test_whatever_step_fails_it_is_parked_and_can_be_taken_back_or_mended(
    shop: Sessions, client: Client, worker: None
) -> None:
    for call in ALWAYS:
        before = standing(shop)
        for kind, outcome in ((RepairKind.UNDO, "stopped"), (RepairKind.RETRY, "confirmed")):
            with failing(call.operation, away):
                begun = begin(shop)
                await starting.start_process(client, begun)
                run = await until(shop, begun.run_id, "stuck")
                assert (run.step, run.error["code"] if run.error else None) == (call.name, "test.away")
            await starting.repair(client, begun.run_id, mend(kind))
            run = await until(shop, begun.run_id, "ended")
            assert (call.name, run.outcome) == (call.name, outcome)
            if kind is RepairKind.UNDO:
                assert standing(shop) == before, call.name
    with shop() as session:
        assert [result for result in verify(session) if result.broken] == []


@pytest.mark.parametrize("error", [no, away])
async def test_whatever_undo_fails_it_is_parked_with_everything_at_hand(
    shop: Sessions, client: Client, worker: None, error: Callable[[], Exception]
) -> None:
    before = standing(shop)
    for call in UNDOS:
        assert call.undo is not None
        with failing("transaction.confirm", no), failing(call.undo.operation, error):
            begun = begin(shop)
            await starting.start_process(client, begun)
            if call.name in {"freeze", "post"}:  # rolled back with the batch that was refused: nothing to undo
                run = await until(shop, begun.run_id, "ended")
            else:
                run = await until(shop, begun.run_id, "stuck")
                assert run.step == f"undo/{call.name}"
                with shop() as session:
                    assert undo_rows(session, begun.run_id)[0].path == call.name
        if run.status == "stuck":
            await starting.repair(client, begun.run_id, mend(RepairKind.RETRY))
            run = await until(shop, begun.run_id, "ended")
        assert run.outcome == "refused"
        assert standing(shop) == before, call.name
    with shop() as session:
        assert [result for result in verify(session) if result.broken] == []
