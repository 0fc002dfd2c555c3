"""Dues whose day has come: each is collected by a process of its own."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlalchemy.orm import Session
from temporalio.client import Client

from activities.terms import CollectDuesRequest
from capabilities.kernel.clock import now
from capabilities.kernel.database import transaction
from capabilities.kernel.identity import BusinessIdentity
from capabilities.payment.schedule import Due
from capabilities.payment.schedule_queries import dues_to_collect
from capabilities.payment.schedule_service import send_again
from workflows.starting import Begun, begin_run, start_process

COLLECT_EVERY_S = 60.0
COLLECT_AT_ONCE = 200
SENT_AGAIN_AFTER = timedelta(days=1)
"""A due that a run was begun for and that is still open then, is sent again: the run may have ended without it."""

CLIENT = "schedule"


async def collect_due(client: Client) -> int:
    """Begin the collection of what is due; how many runs were begun. Their starting is safe with the sweeper."""
    begun = await asyncio.to_thread(begin_collections)
    for one in begun:
        await start_process(client, one)
    return len(begun)


def begin_collections() -> list[Begun]:
    """Commit a run for each due whose next attempt has come; whoever comes second finds none."""
    with transaction() as session:
        moment = now()
        due = dues_to_collect(session, at=moment, limit=COLLECT_AT_ONCE)
        taken = [one for one in due if send_again(session, one, at=moment + SENT_AGAIN_AFTER)]
        return [_begin(session, one) for one in taken]


def _begin(session: Session, due: Due) -> Begun:
    asked = CollectDuesRequest(order_id=due.order_id, positions=(due.position,), is_scheduled=True)
    body = asked.model_dump(mode="json")
    tried = due.next_try_at.isoformat() if due.next_try_at else ""
    return begin_run(
        session,
        process="collect",
        identity=BusinessIdentity(due.business),
        input=body,
        client_id=CLIENT,
        key=f"due/{due.order_id}/{due.position}/{tried}",
        actor=CLIENT,
    )
