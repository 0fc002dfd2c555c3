"""Refunds: the list with what it adds up to, and one refund with its lines, sources, history and books."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from sqlalchemy.orm import Session

from activities.journal.models import ProcessRun
from activities.journal.queries import RunFilters, runs_page, steps_of
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import InvalidError
from capabilities.transaction.contract import (
    Order,
    Refund,
    RefundFilters,
    RefundKind,
    RefundStatus,
    RefundSummary,
)
from capabilities.transaction.queries import order_of
from capabilities.transaction.refund_queries import (
    RefundChange,
    count_refunds,
    refund_history_of,
    refund_of,
    refunds_page,
)
from web.access.permissions import Action
from web.access.queries import names_of
from web.console.act_refund import KINDS
from web.console.became import Became, became_of
from web.console.edge import ConsoleRoute
from web.console.lists import Listing, asked, listing, stretch
from web.console.order_choices import names_by_line
from web.console.pages import page
from web.console.payment_words import method_word
from web.console.texts import N_
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)

FILTERS = {
    "q": N_("text"),
    "status": N_("state"),
    "kind": N_("kind"),
    "from": N_("from"),
    "until": N_("until"),
}
MOST_COUNTED = 10_000
MOVING = (RefundStatus.APPROVED, RefundStatus.PROCESSING)
UNDER_WAY = "under_way"
"""A state of the list that stands for two of a refund."""


@dataclass(frozen=True)
class RefundsPage:
    """The list; `sums` are those of the page shown, by currency: what goes back and what is taken off."""

    refunds: tuple[RefundSummary, ...]
    listing: Listing
    statuses: tuple[str, ...]
    kinds: tuple[tuple[str, str], ...]
    count: int
    sums: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class ShareLine:
    """What went back to one source."""

    method: str
    amount_minor: int


@dataclass(frozen=True)
class RefundPage:
    """One refund with all that belongs to it."""

    refund: Refund
    order: Order
    names: dict[str, str]
    kind: str
    sources: tuple[ShareLine, ...]
    history: tuple[tuple[RefundChange, str], ...]
    requested_by: str
    decided_by: str
    run: tuple[str, str] | None
    became: Became | None


@router.get("/console/{business}/refunds", name="refunds")
def refunds(visit: Annotated[Visit, Depends(Needs(Action.SEE_ORDERS))]) -> Response:
    query = asked(visit)
    found: tuple[RefundSummary, ...] = ()
    error, count, cursor = None, 0, None
    try:
        filters = _filters(visit, query)
        with transaction() as session:
            shown = refunds_page(session, filters, query.get("cursor"), limit=50)
            count = count_refunds(session, filters, at_most=MOST_COUNTED)
        found, cursor = shown.refunds, shown.next_cursor
    except InvalidError as refusal:
        error = refusal.message
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for one in found:
        sums[one.currency][0] += one.total_minor
        sums[one.currency][1] += one.due_minor
    context = RefundsPage(
        refunds=found,
        listing=listing(
            f"{visit.path}/refunds",
            query,
            FILTERS,
            next_cursor=cursor,
            badges={"status": "refund", "kind": "refund_kind"},
            error=error,
        ),
        statuses=(UNDER_WAY, *(status.value for status in RefundStatus)),
        kinds=tuple((kind.value, KINDS[kind]) for kind in RefundKind),
        count=count,
        sums=tuple((code, total, due) for code, (total, due) in sorted(sums.items())),
    )
    return page(visit, "refunds/list.html", context, block="refunds", status=422 if error else 200)


def _filters(visit: Visit, query: dict[str, str]) -> RefundFilters:
    status, kind = query.get("status", ""), query.get("kind", "")
    start, end = stretch(visit, query)
    statuses: tuple[RefundStatus, ...] = ()
    if status == UNDER_WAY:
        statuses = MOVING
    elif status in RefundStatus.__members__.values():
        statuses = (RefundStatus(status),)
    return RefundFilters(
        business=visit.business.business,
        statuses=statuses,
        kinds=(RefundKind(kind),) if kind in RefundKind.__members__.values() else (),
        requested_from=start,
        requested_until=end,
        text=query.get("q", "")[:200] or None,
    )


@router.get("/console/{business}/refunds/{refund_id}", name="refund")
def refund_page(visit: Annotated[Visit, Depends(Needs(Action.SEE_ORDERS))], refund_id: str) -> Response:
    with transaction() as session:
        refund = refund_of(session, refund_id, business=visit.business.business)
        order = order_of(session, refund.order_id)
        changes = refund_history_of(session, refund.id)
        actors = {change.actor for change in changes} | {refund.requested_by, refund.decided_by or ""}
        people = names_of(session, actors)
        run = _run_of(session, refund)
        context = RefundPage(
            refund=refund,
            order=order,
            names=names_by_line(visit, order),
            kind=KINDS[refund.kind],
            sources=tuple(ShareLine(method_word(visit, one.method), one.amount_minor) for one in refund.sources),
            history=tuple((change, people.get(change.actor, change.actor)) for change in changes),
            requested_by=people.get(refund.requested_by, refund.requested_by),
            decided_by=people.get(refund.decided_by or "", refund.decided_by or ""),
            run=None if run is None else (run.id, run.status),
            became=became_of(session, visit, visit.request.query_params.get("ran")),
        )
    return page(visit, "refunds/refund.html", context)


def _run_of(session: Session, refund: Refund) -> ProcessRun | None:
    """The run that opened it: its journal holds the refund's id as what the step answered."""
    runs = runs_page(session, RunFilters(business=refund.business, process="refund", subject=refund.order_id)).runs
    for run in runs:
        if any((step.response or {}).get("refund_id") == refund.id for step in steps_of(session, run.id)):
            return run
    return None
