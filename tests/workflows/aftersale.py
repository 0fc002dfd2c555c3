"""Drive what comes after a sale from tests: buy, start a process, decide an approval, look at the books."""

from __future__ import annotations

import json
import uuid
from typing import Any

from sqlalchemy import text
from temporalio.client import Client

from activities.journal import approvals
from capabilities.kernel.identity import BusinessIdentity
from capabilities.settlement.contract import DeclareDestination
from capabilities.settlement.service_payouts import declare_destination
from capabilities.transaction.contract import Order
from capabilities.transaction.queries import order_of
from tests.builders import live_rules
from tests.workflows.driving import Sessions, answered, begin, until
from workflows import starting
from workflows.inputs import typed_input
from workflows.library import definition_for
from workflows.starting import Begun

AUTO: dict[str, Any] = {"id": "auto", "name": "Everything at once", "effects": [{"kind": "auto"}], "priority": 10}
"""A policy under which every refund goes on by itself."""


def policy(sessions: Sessions, *effects: dict[str, Any]) -> None:
    """Put a refund policy of one rule in force."""
    rules = [
        {
            "id": f"r{n}",
            "name": f"Policy {uuid.uuid4().hex[:6]}",
            "grain": "refund",
            "stage": 10,
            "priority": 10,
            "effects": [effect],
        }
        for n, effect in enumerate(effects)
    ]
    with sessions.begin() as session:
        live_rules(session, *rules, decision="transaction.refund_policy", policy="first")


async def bought(sessions: Sessions, client: Client, **changed: Any) -> Order:
    """A confirmed order of the demo's example."""
    status, body = await answered(client, begin(sessions, **changed))
    assert status == 201, body
    with sessions() as session:
        return order_of(session, body["order_id"])


def begin_process(
    sessions: Sessions, process: str, body: dict[str, Any], *, key: str | None = None, actor: str = "user:asker"
) -> Begun:
    """Commit the beginning of a process of retail."""
    identity = BusinessIdentity("retail")
    document = typed_input(definition_for(process, identity).definition.input, body)
    with sessions.begin() as session:
        return starting.begin_run(
            session,
            process=process,
            identity=identity,
            input=document,
            client_id="console",
            key=key or uuid.uuid4().hex,
            actor=actor,
        )


async def told(sessions: Sessions, client: Client, process: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Run a process to its answer."""
    return await answered(client, begin_process(sessions, process, body))


async def decide(
    sessions: Sessions, client: Client, run_id: str, decision: str = "approve", *, actor: str = "user:boss"
) -> None:
    """Somebody else decides what the run asks for."""
    await until(sessions, run_id, "waiting")
    with sessions() as session:
        (asked,) = approvals.approvals_page(session, "retail", run_id=run_id, is_open=True).approvals
    await starting.decide(client, asked.id, decision=decision, actor=actor, reason="as agreed", id=uuid.uuid4().hex)


def due_now(sessions: Sessions) -> None:
    """As if the sellers' money had waited long enough, and each seller has an account."""
    with sessions.begin() as session:
        sellers = session.execute(text("SELECT DISTINCT seller_id FROM commission_line")).scalars().all()
        for seller in sellers:
            asked = DeclareDestination(
                business="retail", seller_id=seller, currency="CNY", destination=f"CN{seller}", minimum_minor=0
            )
            declare_destination(session, asked)
        session.execute(
            text("UPDATE seller_transfer SET available_at = now() - interval '1 day' WHERE available_at IS NOT NULL")
        )


def units(order: Order, sku: str, number: int) -> dict[str, Any]:
    """So many units of the order's line of that sku."""
    return {"line_id": next(line.line_id for line in order.lines if line.sku == sku), "units": number}


def provider_given_back(sessions: Sessions) -> int:
    """What the simulated provider has given back in all."""
    with sessions() as session:
        found = session.execute(
            text(
                "SELECT coalesce(sum(amount_minor), 0) FROM simulated_provider_act WHERE action = 'refund' AND outcome = 'succeeded'"
            )
        )
        return int(found.scalar_one())


def decoded(body: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(body)
    return found
