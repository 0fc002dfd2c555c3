"""How far a process has come: the journal, as far as the front-end that started it may know."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends

from activities.journal.queries import find_run, steps_of
from capabilities.kernel.database import transaction
from capabilities.kernel.idempotency import answer_of
from web.api.access import may
from web.api.contracts import NOT_FOUND, ProcessView, StepView
from web.api.keys import Client
from web.api.scope import missing, own_id

router = APIRouter(tags=["processes"], responses=NOT_FOUND)


@router.get("/processes/{run_id}", summary="Read a process")
def read_process(run_id: str, client: Annotated[Client, Depends(may("processes.read"))]) -> ProcessView:
    """Where a process stands, its steps so far, and its answer once there is one."""
    found = own_id(client, "process", run_id)
    with transaction() as session:
        run = find_run(session, found, business=client.business)
        if run is None:
            raise missing(client, "process", run_id)
        answer = answer_of(session, run.id)
        steps = steps_of(session, run.id)
    body: dict[str, Any] | None = orjson.loads(answer.body) if answer else None
    return ProcessView(
        id=run.id,
        process=run.process,
        status=run.status,
        outcome=run.outcome,
        waiting_for=run.waiting_for,
        order_id=run.subject,
        started_at=run.started_at,
        ended_at=run.ended_at,
        answer_status=answer.status if answer else None,
        answer=body,
        steps=[
            StepView(
                step=step.path,
                status=step.status,
                attempt=step.attempt,
                started_at=step.started_at,
                ended_at=step.ended_at,
            )
            for step in steps
        ],
    )
