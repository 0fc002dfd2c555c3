"""Record the histories that CI replays: `.venv/bin/python -m tests.histories.record [scene …]`.

Record anew only when the interpreter has changed on purpose and no process that began before is running any more;
otherwise the change belongs behind `workflow.patched`.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
import tempfile
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session, sessionmaker
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.contrib.pydantic import pydantic_data_converter

from capabilities.kernel.database import session_factory
from capabilities.transaction.contract import Order
from capabilities.transaction.service import receive_stock
from tests.workflows.aftersale import begin_process, bought, decide, due_now, policy, told, units
from tests.workflows.driving import answered, begin, broken, until
from workflows import interpreter, starting
from workflows.starting import Repair, RepairKind
from workflows.worker import load_operations, make_worker
from zhongtai.demo import load_demo
from zhongtai.migrate import migrate
from zhongtai.postgres import start_postgres
from zhongtai.processes import stop_process
from zhongtai.temporal import await_temporal, find_temporal, start_temporal

FOLDER = Path(__file__).parent
Sessions = sessionmaker[Session]
LARGE = {"lines": [{"sku": "RT-TEA-001", "quantity": 300}]}


async def confirmed(client: Client, sessions: Sessions) -> str:
    begun = begin(sessions)
    assert (await answered(client, begun))[0] == 201
    return begun.workflow_id


async def declined(client: Client, sessions: Sessions) -> str:
    begun = begin(sessions, payment_method="sim_declined")
    assert (await answered(client, begun))[0] == 402
    return begun.workflow_id


async def refused(client: Client, sessions: Sessions) -> str:
    begun = begin(sessions, lines=[{"sku": "RT-CUP-001", "quantity": 900_000}])
    assert (await answered(client, begun))[0] == 409
    return begun.workflow_id


async def unknown_then_found(client: Client, sessions: Sessions) -> str:
    begun = begin(sessions, payment_method="sim_timeout_done")
    assert (await answered(client, begun))[0] == 202
    await until(sessions, begun.run_id, "ended")
    return begun.workflow_id


async def review_released(client: Client, sessions: Sessions) -> str:
    return await _reviewed(client, sessions, "release", "confirmed")


async def review_rejected(client: Client, sessions: Sessions) -> str:
    return await _reviewed(client, sessions, "reject", "rejected")


async def _reviewed(client: Client, sessions: Sessions, decision: str, outcome: str) -> str:
    begun = begin(sessions, **LARGE)
    assert (await answered(client, begun))[0] == 202
    await starting.send_event(client, begun.run_id, "order.reviewed", {"decision": decision, "reason": ""}, "user:op")
    assert (await until(sessions, begun.run_id, "ended")).outcome == outcome
    return begun.workflow_id


async def parked_then_retried(client: Client, sessions: Sessions) -> str:
    return await _mended(client, sessions, RepairKind.RETRY, "confirmed")


async def parked_then_undone(client: Client, sessions: Sessions) -> str:
    return await _mended(client, sessions, RepairKind.UNDO, "stopped")


async def _mended(client: Client, sessions: Sessions, kind: RepairKind, outcome: str) -> str:
    begun = begin(sessions)
    with broken("settlement.freeze"):
        await starting.start_process(client, begun)
        await until(sessions, begun.run_id, "stuck")
    await starting.repair(client, begun.run_id, Repair(uuid.uuid4().hex, kind, "user:op", "The lamp was mended."))
    assert (await until(sessions, begun.run_id, "ended")).outcome == outcome
    return begun.workflow_id


async def refunded(client: Client, sessions: Sessions) -> str:
    policy(sessions, {"kind": "auto"})
    order = await delivered(client, sessions)
    begun = begin_process(sessions, "refund", goodwill(order))
    assert (await answered(client, begun))[0] == 201
    return begun.workflow_id


async def refund_approved(client: Client, sessions: Sessions) -> str:
    return await _asked(client, sessions, "approve", "refunded")


async def refund_denied(client: Client, sessions: Sessions) -> str:
    return await _asked(client, sessions, "refuse", "refused")


async def _asked(client: Client, sessions: Sessions, decision: str, outcome: str) -> str:
    policy(sessions, {"kind": "ask"})
    order = await delivered(client, sessions)
    begun = begin_process(sessions, "refund", goodwill(order))
    assert (await answered(client, begun))[0] == 202
    await decide(sessions, client, begun.run_id, decision)
    assert (await until(sessions, begun.run_id, "ended")).outcome == outcome
    return begun.workflow_id


async def refund_parked_then_retried(client: Client, sessions: Sessions) -> str:
    policy(sessions, {"kind": "auto"})
    order = await delivered(client, sessions)
    begun = begin_process(sessions, "refund", goodwill(order))
    with broken("account.post_refund"):
        await starting.start_process(client, begun)
        await until(sessions, begun.run_id, "stuck")
    retry = Repair(uuid.uuid4().hex, RepairKind.RETRY, "user:op", "The books are open again.")
    await starting.repair(client, begun.run_id, retry)
    assert (await until(sessions, begun.run_id, "ended")).outcome == "refunded"
    return begun.workflow_id


async def cancelled_and_refunded(client: Client, sessions: Sessions) -> str:
    policy(sessions, {"kind": "auto"})
    order = await bought(sessions, client)
    begun = begin_process(sessions, "cancel", {"order_id": order.id})
    await starting.start_process(client, begun)
    assert (await until(sessions, begun.run_id, "ended")).outcome == "cancelled_and_refunded"
    return begun.workflow_id


async def settled(client: Client, sessions: Sessions) -> str:
    await delivered(client, sessions)
    await told(sessions, client, "settlement", {})
    due_now(sessions)
    begun = begin_process(sessions, "settlement", {}, actor="user:planner")
    assert (await answered(client, begun))[0] == 202
    await decide(sessions, client, begun.run_id)
    assert (await until(sessions, begun.run_id, "ended")).outcome == "settled"
    return begun.workflow_id


async def charged_back(client: Client, sessions: Sessions) -> str:
    order = await bought(sessions, client)
    body = {"order_id": order.id, "reference": "cb_1", "amount_minor": order.total_minor}
    begun = begin_process(sessions, "chargeback", body)
    assert (await answered(client, begun))[0] == 202
    await starting.send_event(client, begun.run_id, "dispute.decided", {"outcome": "lost"}, "user:op")
    assert (await until(sessions, begun.run_id, "ended")).outcome == "lost"
    return begun.workflow_id


async def delivered(client: Client, sessions: Sessions) -> Order:
    """An order that was bought and handed over."""
    order = await bought(sessions, client)
    assert (await told(sessions, client, "fulfil", {"order_id": order.id}))[0] == 201
    return order


def goodwill(order: Order) -> dict[str, Any]:
    """One piece of tea given back."""
    lines = [units(order, "RT-TEA-001", 1)]
    return {"request": {"order_id": order.id, "kind": "goodwill", "lines": lines, "reason": "a scratch"}}


SCENES: tuple[Callable[[Client, Sessions], Awaitable[str]], ...] = (
    confirmed,
    declined,
    refused,
    unknown_then_found,
    review_released,
    review_rejected,
    parked_then_retried,
    parked_then_undone,
    refunded,
    refund_approved,
    refund_denied,
    refund_parked_then_retried,
    cancelled_and_refunded,
    settled,
    charged_back,
)


async def record(address: str) -> None:
    """Play every scene and keep its history."""
    interpreter.WORK_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=20), maximum_attempts=3)
    client = await Client.connect(address, data_converter=pydantic_data_converter, identity="recorder")
    sessions = session_factory()
    load_operations()
    with sessions.begin() as session:
        load_demo(session)
        receive_stock(session, "retail", "RT-TEA-001", 1_000)
    with ThreadPoolExecutor(4) as executor:
        async with make_worker(client, executor):
            for scene in SCENES:
                if sys.argv[1:] and scene.__name__ not in sys.argv[1:]:
                    continue
                workflow_id = await scene(client, sessions)
                handle = client.get_workflow_handle(workflow_id)
                await handle.result()
                history = await handle.fetch_history()
                (FOLDER / f"{scene.__name__}.json").write_text(_without_traces(history.to_json()) + "\n")
                print(scene.__name__, len(history.events), "events")


def _without_traces(history: str) -> str:
    """The history without stack traces: they name files of the machine it was recorded on, and replay needs none."""
    return re.sub(r'("stackTrace": ")(?:[^"\\]|\\.)*"', r'\1"', history)


def main() -> None:
    """Servers of its own in a folder of its own, then the recording."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
        probe.close()
        os.environ |= {
            "DATABASE_URL": start_postgres(Path(folder) / "postgres", outlive=False),
            "ZHONGTAI_PROVIDER_LIMIT_S": "0.5",
        }
        migrate(os.environ["DATABASE_URL"])
        files = {"database_file": Path(folder) / "temporal.db", "log_file": Path(folder) / "temporal.log"}
        server = start_temporal(find_temporal(print), port=port, ui_port=None, **files)
        try:
            await_temporal(f"127.0.0.1:{port}", process=server)
            asyncio.run(record(f"127.0.0.1:{port}"))
        finally:
            stop_process(server)


if __name__ == "__main__":
    main()
