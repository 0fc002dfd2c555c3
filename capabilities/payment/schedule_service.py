"""Writes of schedules. A due is collected by whoever claims it: one conditional update, whose row count is checked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.database import rows_changed
from capabilities.kernel.errors import ConflictError
from capabilities.kernel.outbox import publish
from capabilities.payment.schedule import Due, DueStatus, DueWhen, PlannedDue, less_owed
from capabilities.payment.schedule_models import DueRow
from capabilities.payment.schedule_queries import due_from, dues_claimed, schedule_of

MOST_ATTEMPTS = 3
"""A due that was declined so often waits for a person, or for the buyer to pay by hand."""

TRY_AGAIN_AFTER = timedelta(days=1)


def write_schedule(
    session: Session,
    *,
    business: str,
    order_id: str,
    buyer_id: str | None,
    currency: str,
    planned: Sequence[PlannedDue],
) -> tuple[Due, ...]:
    """The schedule of an order, written once; another one for the same order raises `ConflictError`."""
    moment = now()
    rows = [
        {
            "business": business,
            "order_id": order_id,
            "position": position,
            "buyer_id": buyer_id,
            "when": due.when.value,
            # what is due now is paid by the checkout itself
            "status": DueStatus.OPEN.value,
            "currency": currency,
            "planned_minor": due.amount_minor,
            "amount_minor": due.amount_minor,
            "due_at": due.due_at,
            "attempts": 0,
            "next_try_at": None,
            "created_at": moment,
        }
        for position, due in enumerate(planned)
    ]
    if rows:
        session.execute(insert(DueRow).on_conflict_do_nothing(), rows)
    written = schedule_of(session, order_id)
    if [(due.when, due.planned_minor) for due in written] != [(due.when, due.amount_minor) for due in planned]:
        raise ConflictError("payment.schedule_differs", "The order has another schedule already.", order_id=order_id)
    return written


def start_schedule(session: Session, order_id: str, *, payment_id: str | None) -> int:
    """The order is confirmed: what was due now is paid, what has a day is collected on it. How many dues that were."""
    moment = now()
    paid = session.execute(
        update(DueRow)
        .where(DueRow.order_id == order_id, DueRow.when == DueWhen.NOW.value, DueRow.status == DueStatus.OPEN.value)
        .values(status=DueStatus.PAID.value, paid_at=moment, payment_id=payment_id)
    )
    waiting = session.execute(
        update(DueRow)
        .where(DueRow.order_id == order_id, DueRow.when == DueWhen.AT.value, DueRow.status == DueStatus.OPEN.value)
        .values(next_try_at=DueRow.due_at)
    )
    return rows_changed(paid) + rows_changed(waiting)


def cancel_schedule(session: Session, order_id: str) -> int:
    """The order will not be: nothing of it is due any more. How many dues were cancelled."""
    done = session.execute(
        update(DueRow)
        .where(DueRow.order_id == order_id, DueRow.status == DueStatus.OPEN.value)
        .values(status=DueStatus.CANCELLED.value, next_try_at=None)
    )
    return rows_changed(done)


def send_again(session: Session, due: Due, *, at: datetime) -> bool:
    """Put a due's next attempt off, because one begins now; False where somebody else did, or it is not open any more."""
    done = session.execute(
        update(DueRow)
        .where(
            DueRow.order_id == due.order_id,
            DueRow.position == due.position,
            DueRow.status == DueStatus.OPEN.value,
            DueRow.next_try_at == due.next_try_at,
        )
        .values(next_try_at=at)
    )
    return rows_changed(done) == 1


def claim_dues(
    session: Session,
    order_id: str,
    *,
    claim: str,
    positions: Collection[int] | None = None,
    when: DueWhen | None = None,
) -> tuple[Due, ...]:
    """Take open dues for collecting: the named ones, or all that are open. A claim made twice is one.

    Raises `ConflictError` where one of the named is not open, or nothing is.
    """
    before = dues_claimed(session, claim)
    if before:
        return before
    wanted = update(DueRow).where(DueRow.order_id == order_id, DueRow.status == DueStatus.OPEN.value)
    if positions is not None:
        wanted = wanted.where(DueRow.position.in_(positions))
    if when is not None:
        wanted = wanted.where(DueRow.when == when.value)
    done = session.execute(
        wanted.where(DueRow.when != DueWhen.NOW.value, DueRow.amount_minor > 0)
        .values(status=DueStatus.COLLECTING.value, claim=claim)
        .returning(DueRow.position)
    )
    taken = set(done.scalars())
    if not taken or (positions is not None and taken != set(positions)):
        raise ConflictError(
            "payment.due_not_open",
            "What should be collected is not open: it is paid, cancelled, or being collected right now.",
            mend="Look at the schedule of the order again.",
            order_id=order_id,
        )
    return dues_claimed(session, claim)


def settle_dues(session: Session, claim: str, *, payment_id: str | None, by: str) -> tuple[Due, ...]:
    """What was claimed is paid; a second time changes nothing."""
    moment = now()
    done = session.execute(
        update(DueRow)
        .where(DueRow.claim == claim, DueRow.status == DueStatus.COLLECTING.value)
        .values(status=DueStatus.PAID.value, paid_at=moment, payment_id=payment_id, next_try_at=None, reason=None)
    )
    dues = dues_claimed(session, claim)
    if rows_changed(done):
        for due in dues:
            _tell(session, due, "payment.due_paid", by=by)
    return dues


def reopen_dues(session: Session, claim: str, *, reason: str | None, is_declined: bool) -> int:
    """What was claimed could not be collected: open again. A declined one is tried another day, a few times."""
    rows = session.scalars(
        select(DueRow).where(DueRow.claim == claim, DueRow.status == DueStatus.COLLECTING.value).with_for_update()
    ).all()
    moment = now()
    for row in rows:
        row.status = DueStatus.OPEN.value
        row.claim = None
        row.reason = reason
        row.attempts += 1 if is_declined else 0
        if row.due_at is not None:
            row.next_try_at = _next_try(row, moment, is_declined=is_declined)
    session.flush()
    if is_declined:
        for row in rows:
            _tell(session, due_from(row), "payment.due_declined", reason=reason)
    return len(rows)


def write_off(session: Session, order_id: str, position: int, *, claim: str, reason: str) -> Due:
    """A due nobody expects any more; only one that is claimed by this very claim."""
    done = session.execute(
        update(DueRow)
        .where(
            DueRow.order_id == order_id,
            DueRow.position == position,
            DueRow.claim == claim,
            DueRow.status.in_([DueStatus.COLLECTING.value, DueStatus.WRITTEN_OFF.value]),
        )
        .values(status=DueStatus.WRITTEN_OFF.value, reason=reason, next_try_at=None)
        .returning(DueRow)
    ).scalar_one_or_none()
    if done is None:
        raise ConflictError("payment.due_not_open", "This due is not claimed for writing off.", order_id=order_id)
    session.refresh(done)
    return due_from(done)


def owe_less(session: Session, order_id: str, amount_minor: int) -> None:
    """A refund of what was never paid: the last open dues shrink. The caller holds the order's row and comes here once."""
    if amount_minor == 0:
        return
    rows = session.scalars(
        select(DueRow).where(DueRow.order_id == order_id).order_by(DueRow.position).with_for_update()
    ).all()
    after = less_owed([due_from(row) for row in rows], amount_minor)
    for row in rows:
        if row.position in after:
            row.amount_minor = after[row.position]
            if row.amount_minor == 0:
                row.status, row.next_try_at = DueStatus.CANCELLED.value, None
    session.flush()


def _next_try(row: DueRow, moment: datetime, *, is_declined: bool) -> datetime | None:
    if not is_declined:
        return row.next_try_at
    return moment + TRY_AGAIN_AFTER if row.attempts < MOST_ATTEMPTS else None


def _tell(session: Session, due: Due, type_: str, **more: object) -> None:
    data = {
        "order_id": due.order_id,
        "position": due.position,
        "amount_minor": due.amount_minor,
        "currency": due.currency,
        "attempts": due.attempts,
    }
    publish(session, business=due.business, type=type_, subject=due.order_id, data=data | more)
