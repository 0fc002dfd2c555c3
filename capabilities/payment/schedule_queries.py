"""Reads of schedules: what is due of an order, what a buyer owes, what has to be collected next."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.orm import Session

from capabilities.kernel.cursor import read_cursor, write_cursor
from capabilities.kernel.errors import InvalidError, MissingError
from capabilities.payment.schedule import Due, DueFilters, DuePage, DueStatus, DueWhen, Owed
from capabilities.payment.schedule_models import DueRow

OWED = (DueStatus.OPEN.value, DueStatus.COLLECTING.value)


def schedule_of(session: Session, order_id: str) -> tuple[Due, ...]:
    """The dues of an order by position; empty where all was paid at once."""
    rows = session.scalars(select(DueRow).where(DueRow.order_id == order_id).order_by(DueRow.position))
    return tuple(due_from(row) for row in rows)


def due_of(session: Session, order_id: str, position: int) -> Due:
    """One due; `MissingError` where the order has none at that place."""
    row = session.get(DueRow, (order_id, position), populate_existing=True)
    if row is None:
        raise MissingError("payment.due_unknown", f"The order has no due {position}.", order_id=order_id)
    return due_from(row)


def owed_of_order(session: Session, order_id: str) -> int:
    """What of an order is not paid yet."""
    found = select(func.coalesce(func.sum(DueRow.amount_minor), 0))
    return int(session.scalar(found.where(DueRow.order_id == order_id, DueRow.status.in_(OWED))) or 0)


def owed_of(session: Session, business: str, buyer_id: str, currency: str, *, at: datetime) -> Owed:
    """What a buyer owes in a currency, and what of it was due before `at`."""
    overdue = func.coalesce(func.sum(DueRow.amount_minor).filter(DueRow.due_at < at), 0)
    owed, late = session.execute(
        select(func.coalesce(func.sum(DueRow.amount_minor), 0), overdue).where(
            DueRow.business == business,
            DueRow.buyer_id == buyer_id,
            DueRow.currency == currency,
            DueRow.status.in_(OWED),
        )
    ).one()
    return Owed(owed_minor=int(owed), overdue_minor=int(late))


def dues_to_collect(session: Session, *, at: datetime, limit: int) -> tuple[Due, ...]:
    """Dues whose next attempt has come, the oldest first."""
    found = select(DueRow).where(DueRow.status == DueStatus.OPEN.value, DueRow.next_try_at <= at)
    return tuple(due_from(row) for row in session.scalars(found.order_by(DueRow.next_try_at).limit(limit)))


def dues_claimed(session: Session, claim: str) -> tuple[Due, ...]:
    """The dues that a claim took, whatever became of them since."""
    found = select(DueRow).where(DueRow.claim == claim).order_by(DueRow.order_id, DueRow.position)
    return tuple(due_from(row) for row in session.scalars(found))


def dues_page(session: Session, filters: DueFilters, *, after: str | None = None, limit: int = 50) -> DuePage:
    """Dues by the day they are due, then order and position; those without a day last."""
    day = func.coalesce(DueRow.due_at, func.to_timestamp(253_402_300_799))
    found = select(DueRow, day).where(*_conditions(filters))
    place = tuple_(day, DueRow.order_id, DueRow.position)
    if after is not None:
        moment, order_id, position = read_cursor(after, 3)
        found = found.where(place > tuple_(_moment(moment), order_id, _number(position)))
    rows = session.execute(found.order_by(day, DueRow.order_id, DueRow.position).limit(limit + 1)).all()
    shown = rows[:limit]
    cursor = None
    if len(rows) > limit:
        last, last_day = shown[-1]
        cursor = write_cursor(last_day.isoformat(), last.order_id, str(last.position))
    return DuePage(dues=tuple(due_from(row) for row, _ in shown), next_cursor=cursor)


def count_dues(session: Session, filters: DueFilters, *, at_most: int = 10_000) -> int:
    """How many dues pass, counted up to `at_most`."""
    some = select(DueRow.position).where(*_conditions(filters)).limit(at_most)
    return session.scalar(select(func.count()).select_from(some.subquery())) or 0


def _conditions(filters: DueFilters) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [DueRow.business == filters.business]
    if filters.statuses:
        conditions.append(DueRow.status.in_([status.value for status in filters.statuses]))
    if filters.buyer_id is not None:
        conditions.append(DueRow.buyer_id == filters.buyer_id)
    if filters.order_id is not None:
        conditions.append(DueRow.order_id == filters.order_id)
    if filters.overdue_at is not None:
        conditions += [DueRow.status.in_(OWED), DueRow.due_at < filters.overdue_at]
    return conditions


def due_from(row: DueRow) -> Due:
    return Due(
        order_id=row.order_id,
        business=row.business,
        buyer_id=row.buyer_id,
        position=row.position,
        when=DueWhen(row.when),
        status=DueStatus(row.status),
        currency=row.currency,
        planned_minor=row.planned_minor,
        amount_minor=row.amount_minor,
        due_at=row.due_at,
        attempts=row.attempts,
        next_try_at=row.next_try_at,
        claim=row.claim,
        payment_id=row.payment_id,
        reason=row.reason,
        paid_at=row.paid_at,
    )


def total_of(dues: Iterable[Due]) -> int:
    """What the dues add up to."""
    return sum(due.amount_minor for due in dues)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidError(
            "cursor.unreadable", "This cursor is none of ours.", mend="Begin with the first page."
        ) from None


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 6:
        raise InvalidError("cursor.unreadable", "This cursor is none of ours.", mend="Begin with the first page.")
    return int(text)
