"""Chargebacks that the bank has decided for us: their processes are told, whenever the message came."""

from __future__ import annotations

import asyncio

from temporalio.client import Client

from activities.journal import queries
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import ConflictError
from capabilities.payment.returned import won_chargebacks
from workflows.starting import send_event

DECIDED = "dispute.decided"
"""What a chargeback waits for, for months; a person may decide it as well."""

DISPUTES_EVERY_S = 10.0
DISPUTES_REST_S = 60.0
AT_ONCE = 500


async def follow_disputes(client: Client) -> int:
    """Tell chargebacks that are won by now, so that they put the books right; how many were told."""
    told = 0
    for run_id in await asyncio.to_thread(_won):
        try:
            await send_event(client, run_id, DECIDED, {"outcome": "won"}, "system:disputes")
            told += 1
        except ConflictError:
            continue  # somebody else told it
    return told


def _won() -> list[str]:
    with transaction() as session:
        waiting = queries.runs_waiting_for(session, DECIDED, limit=AT_ONCE)
        places = {(str(run.input["order_id"]), str(run.input["reference"])): run.id for run in waiting}
        won = won_chargebacks(session, sorted({reference for _, reference in places})) if places else set()
        return [places[place] for place in sorted(won & set(places))]
