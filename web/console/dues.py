"""Dues: what buyers owe of their payment plans, by the day; the overdue ones are one click away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import InvalidError
from capabilities.payment.schedule import Due, DueFilters, DueStatus
from capabilities.payment.schedule_queries import count_dues, dues_page
from capabilities.transaction.queries import find_order
from web.access.permissions import Action
from web.console.act_dues import due_day
from web.console.edge import ConsoleRoute
from web.console.lists import Listing, asked, listing
from web.console.pages import page
from web.console.texts import N_
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)

FILTERS = {"status": N_("state"), "overdue": N_("overdue"), "buyer": N_("buyer")}


@dataclass(frozen=True, slots=True)
class DueRow:
    """One due with its order's number and its day in words."""

    due: Due
    number: str
    day: str
    is_late: bool


@dataclass(frozen=True)
class DuesPage:
    """The list with how many there are."""

    dues: tuple[DueRow, ...]
    listing: Listing
    statuses: tuple[str, ...]
    count: int


@router.get("/console/{business}/dues", name="dues")
def dues(visit: Annotated[Visit, Depends(Needs(Action.SEE_ORDERS))]) -> Response:
    query = asked(visit)
    at = now()
    status = query.get("status", "")
    filters = DueFilters(
        business=visit.business.business,
        statuses=(DueStatus(status),) if status in DueStatus.__members__.values() else (),
        buyer_id=query.get("buyer"),
        overdue_at=at if query.get("overdue") == "yes" else None,
    )
    rows: tuple[DueRow, ...] = ()
    cursor, error, count = None, None, 0
    with transaction() as session:
        try:
            found = dues_page(session, filters, after=query.get("cursor"), limit=50)
            count = count_dues(session, filters)
            cursor = found.next_cursor
            rows = tuple(_row(session, visit, due, at) for due in found.dues)
        except InvalidError as refusal:
            error = refusal.message
    shown = listing(
        f"{visit.path}/dues",
        query,
        FILTERS,
        next_cursor=cursor,
        badges={"status": "due", "overdue": "yes_no"},
        error=error,
    )
    context = DuesPage(rows, shown, tuple(one.value for one in DueStatus), count)
    return page(visit, "dues.html", context, block="dues", status=422 if error else 200)


def _row(session: Session, visit: Visit, due: Due, at: datetime) -> DueRow:
    order = find_order(session, due.order_id)
    is_owed = due.status in (DueStatus.OPEN, DueStatus.COLLECTING)
    late = is_owed and due.due_at is not None and due.due_at < at
    return DueRow(due, order.number if order else due.order_id, due_day(visit, due), is_late=late)
