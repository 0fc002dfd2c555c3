"""Batches of payouts: what a run planned, what each seller gets and why, approved by a person who did not plan it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from sqlalchemy.orm import Session

from activities.journal.approvals import ApprovalSeen, approvals_page
from activities.journal.models import ProcessRun
from activities.journal.queries import run_of_subject
from capabilities.kernel.clock import now
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import MissingError
from capabilities.settlement.contract import Batch, DueDay, Payout, StatementLine
from capabilities.settlement.queries_payout import batch_of, batches_page, due_calendar
from capabilities.settlement.queries_statement import lines_of_batch
from web.access.permissions import Action
from web.access.queries import names_of
from web.console.approvals import may_decide
from web.console.edge import ConsoleRoute
from web.console.money_frame import Frame, Narrowed, Refused, approvers, frame_of, narrowed, read_day, run
from web.console.pages import page
from web.console.texts import N_
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)

STATUSES = ("planned", "approved", "closed")
AHEAD = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Parts:
    """What one sum is made of: gross − commission − tax on it − fees − withheld + other = net, exactly."""

    gross_minor: int = 0
    commission_minor: int = 0
    tax_minor: int = 0
    fees_minor: int = 0
    withheld_minor: int = 0
    other_minor: int = 0
    net_minor: int = 0

    @classmethod
    def of(cls, lines: Iterable[StatementLine]) -> Parts:
        """Added up over lines. `other`: reserves and adjustments, which no sale explains."""
        parts = cls()
        for line in lines:
            taken = line.commission_minor + line.tax_minor + line.channel_fee_minor + line.withheld_minor
            other = line.amount_minor - (line.base_minor - taken)
            parts += cls(
                line.base_minor,
                line.commission_minor,
                line.tax_minor,
                line.channel_fee_minor,
                line.withheld_minor,
                other,
                line.amount_minor,
            )
        return parts

    def __add__(self, more: Parts) -> Parts:
        return Parts(*(getattr(self, name) + getattr(more, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class BatchRow:
    batch: Batch
    planned_by: str
    approved_by: str


@dataclass(frozen=True)
class BatchesPage:
    """`due` is what falls due next, so that an empty list says when something will."""

    frame: Frame
    list: Narrowed
    rows: tuple[BatchRow, ...]
    cursor: str | None
    statuses: tuple[str, ...]
    due: tuple[DueDay, ...]
    may_run: bool
    who_run: tuple[str, ...]


@dataclass(frozen=True)
class BatchPage:
    frame: Frame
    batch: Batch
    planned_by: str
    approved_by: str
    rows: tuple[tuple[Payout, Parts], ...]
    totals: tuple[tuple[str, Parts], ...]
    run: ProcessRun | None
    asked: ApprovalSeen | None
    may_decide: bool
    who_decide: tuple[str, ...]


@router.get("/console/{business}/money/batches", name="payout_batches")
def batches(visit: Annotated[Visit, Depends(Needs(Action.SEE_MONEY))]) -> Response:
    return show_batches(visit)


def show_batches(visit: Visit, refused: Refused | None = None) -> Response:
    base = f"{visit.path}/money/batches"
    found = narrowed(visit, base, {"status": N_("state")}, {"status": "batch"})
    here = visit.business.business
    today = now().astimezone(visit.business.zone).date()
    status = found.get("status")
    with transaction() as session:
        listed = batches_page(
            session, here, status=status if status in STATUSES else None, after=found.get("cursor") or None
        )
        names = names_of(session, {one for batch in listed.batches for one in _people(batch)})
        may_run = visit.may(Action.RUN_PAYOUTS.value)
        context = BatchesPage(
            frame=frame_of(session, visit, "batches", refused),
            list=found,
            rows=tuple(_row(batch, names) for batch in listed.batches),
            cursor=listed.next_cursor,
            statuses=STATUSES,
            due=due_calendar(session, here, first=today, last=today + AHEAD),
            may_run=may_run,
            who_run=() if may_run else visit.who_may(Action.RUN_PAYOUTS.value),
        )
    return page(visit, "money/batches.html", context, block="batches", status=refused.status if refused else 200)


def _people(batch: Batch) -> tuple[str, ...]:
    return (batch.planned_by, batch.approved_by or "")


def _row(batch: Batch, names: dict[str, str]) -> BatchRow:
    return BatchRow(batch, *(names.get(one, one) for one in _people(batch)))


@router.post("/console/{business}/money/batches", name="run_settlement")
async def run_settlement(visit: Annotated[Visit, Depends(Needs(Action.RUN_PAYOUTS))]) -> Response:
    """Settle by hand: plan what is due now. Nothing is paid before another person has approved the batch."""

    def read() -> dict[str, Any]:
        day = visit.posted("run_date")
        return {"run_date": read_day(day, "run_date") if day else None}

    return await run(
        visit,
        "settlement",
        read,
        to=f"{visit.path}/money/batches",
        show=lambda refused: show_batches(visit, refused),
        subject=visit.business.business,
    )


@router.get("/console/{business}/money/batches/{batch_id}", name="payout_batch")
def batch(visit: Annotated[Visit, Depends(Needs(Action.SEE_MONEY))], batch_id: str) -> Response:
    return show_batch(visit, batch_id)


def show_batch(visit: Visit, batch_id: str, refused: Refused | None = None) -> Response:
    with transaction() as session:
        found = own_batch(session, visit, batch_id)
        lines = lines_of_batch(session, batch_id)
        rows = tuple((payout, Parts.of(lines.get(payout.id, ()))) for payout in found.payouts)
        run_ = run_of_subject(session, batch_id)
        questions = approvals_page(session, found.business, run_id=run_.id) if run_ else None
        asked = next((one for one in questions.approvals if one.is_open), None) if questions else None
        names = names_of(session, set(_people(found)))
        row = _row(found, names)
        context = BatchPage(
            frame=frame_of(session, visit, "batches", refused),
            batch=found,
            planned_by=row.planned_by,
            approved_by=row.approved_by,
            rows=rows,
            totals=_totals(rows),
            run=run_,
            asked=asked,
            may_decide=asked is not None and may_decide(visit, asked) and asked.asked_by != visit.operator.id,
            who_decide=approvers(session, asked) if asked else (),
        )
    return page(visit, "money/batch.html", context, status=refused.status if refused else 200)


def _totals(rows: Iterable[tuple[Payout, Parts]]) -> tuple[tuple[str, Parts], ...]:
    """By currency: mixed currencies are never added."""
    sums: dict[str, Parts] = {}
    for payout, parts in rows:
        sums[payout.currency] = sums.get(payout.currency, Parts()) + parts
    return tuple(sorted(sums.items()))


def own_batch(session: Session, visit: Visit, batch_id: str) -> Batch:
    """The batch, if it is of this business."""
    found = batch_of(session, batch_id)
    if found.business != visit.business.business:
        raise MissingError("settlement.batch_unknown", f"There is no batch {batch_id!r}.")
    return found
