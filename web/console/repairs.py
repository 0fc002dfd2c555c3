"""Mending a parked run: retry, retry with another input, skip with a result, undo and stop. Each with a reason."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from capabilities.kernel.database import transaction
from capabilities.kernel.errors import InvalidError, PlatformError
from capabilities.kernel.ids import new_id
from web.access.audit import record_act
from web.access.permissions import Action
from web.console.edge import STATUS, ConsoleRoute
from web.console.pages import go, page
from web.console.processes import run_context, run_in_business
from web.console.texts import N_
from web.console.visit import Needs, Visit
from workflows.starting import Repair, RepairKind, repair

router = APIRouter(route_class=ConsoleRoute)


@router.post("/console/{business}/processes/{run_id}/repair", name="repair_process")
async def repair_post(visit: Annotated[Visit, Depends(Needs(Action.REPAIR_PROCESSES))], run_id: str) -> Response:
    """Order a repair. The page then watches the step; an accepted command is not yet a success."""
    try:
        order = _read(visit)
        await run_in_threadpool(_write_down, visit, run_id, order)
        client = await visit.request.app.state.temporal.client()
        await repair(client, run_id, order)
    except PlatformError as error:
        return await run_in_threadpool(_refused, visit, run_id, error)
    return go(visit, f"{visit.path}/processes/{run_id}?done={order.kind.value}")


def _read(visit: Visit) -> Repair:
    kind = visit.posted("kind")
    if kind not in RepairKind.__members__.values():
        raise InvalidError("process.repair_unknown", N_("Choose what to do."), field="kind")
    reason = visit.posted("reason")[:500]
    if not reason:
        raise InvalidError("process.reason_missing", N_("Say why: repairs are audited."), field="reason")
    change: dict[str, Any] | None = None
    if kind in (RepairKind.RETRY_WITH, RepairKind.SKIP):
        change = _json(visit.posted("change"))
    return Repair(
        id=visit.posted("repair_id")[:64] or new_id("rep"),
        kind=RepairKind(kind),
        actor=visit.operator.id,
        reason=reason,
        step=visit.posted("step") or None,
        change=change,
    )


def _json(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text or "{}")
    except ValueError:
        raise InvalidError("process.change_unreadable", N_("This is not readable as JSON."), field="change") from None
    if not isinstance(read, dict):
        raise InvalidError("process.change_unreadable", N_("An object with fields is expected."), field="change")
    return read


def _write_down(visit: Visit, run_id: str, order: Repair) -> None:
    with transaction() as session:
        run_in_business(session, visit, run_id)
        record_act(
            session,
            business=visit.business.business,
            actor=visit.operator.id,
            action=f"processes.{order.kind.value}",
            subject=run_id,
            detail={"step": order.step, "reason": order.reason},
        )


def _refused(visit: Visit, run_id: str, error: PlatformError) -> Response:
    context = replace(
        run_context(visit, run_id),
        error=error.message,
        error_mend=error.mend,
        typed_change=visit.posted("change") or None,
        typed_reason=visit.posted("reason"),
    )
    return page(visit, "processes/run.html", context, block="run", status=STATUS[error.kind])
