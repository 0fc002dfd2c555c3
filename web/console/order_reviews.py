"""Orders in review: release or reject, by an event to their process. Orders change only through a process."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from activities.journal.queries import find_run
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import MissingError, PlatformError
from capabilities.transaction.queries import order_of
from web.access.audit import record_act
from web.access.permissions import Action
from web.console.edge import STATUS, ConsoleRoute
from web.console.orders import show_order
from web.console.pages import go
from web.console.texts import N_
from web.console.visit import Needs, Visit
from workflows.starting import send_event

router = APIRouter(route_class=ConsoleRoute)

EVENT = "order.reviewed"


@router.post("/console/{business}/orders/{order_id}/review", name="review_order")
async def review(visit: Annotated[Visit, Depends(Needs(Action.REVIEW_ORDERS))], order_id: str) -> Response:
    """Tell the waiting process what a person decided. A rejection says why."""
    decision, reason = visit.posted("decision"), visit.posted("reason")[:500]
    if decision not in {"release", "reject"}:
        decision = "reject"
    if decision == "reject" and not reason:
        error = N_("Say why the order is rejected: the buyer's front-end and the audit get it.")
        return await run_in_threadpool(show_order, visit, order_id, error=error, status=422)
    try:
        run_id = await run_in_threadpool(_prepare, visit, order_id, decision, reason)
        client = await visit.request.app.state.temporal.client()
        await send_event(client, run_id, EVENT, {"decision": decision, "reason": reason}, visit.operator.id)
    except PlatformError as error:
        return await run_in_threadpool(
            show_order, visit, order_id, error=error.message, error_mend=error.mend, status=STATUS[error.kind]
        )
    return go(visit, f"{visit.path}/orders/{order_id}?done={'released' if decision == 'release' else 'rejected'}")


def _prepare(visit: Visit, order_id: str, decision: str, reason: str) -> str:
    """The run that waits; the act is written down before the event leaves."""
    with transaction() as session:
        order = order_of(session, order_id, business=visit.business.business)
        run = find_run(session, order.run_id, business=order.business)
        if run is None:
            raise MissingError("process.unknown", "No process of this order is known.")
        record_act(
            session,
            business=visit.business.business,
            actor=visit.operator.id,
            action=f"orders.{decision}",
            subject=order_id,
            detail={"reason": reason},
        )
        return run.id
