"""Reads of refunds: one, those of an order, pages of them, and what an order's lines still keep."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select, tuple_
from sqlalchemy.orm import Session

from capabilities.kernel.cursor import read_cursor, read_moment, write_cursor
from capabilities.kernel.errors import MissingError
from capabilities.transaction.after_sale import (
    Contract,
    Refund,
    RefundFilters,
    RefundKind,
    RefundLine,
    RefundPage,
    RefundStatus,
    RefundSummary,
    SourceShare,
)
from capabilities.transaction.after_sale_models import RefundChangeRow, RefundLineRow, RefundRow
from capabilities.transaction.models import OrderRow
from capabilities.transaction.paging import page_size

GONE = ("refused", "failed", "reversed")
"""Statuses of refunds that take nothing off an order: what they had reserved is free again."""

UNDER_WAY = (RefundStatus.REQUESTED, RefundStatus.APPROVED, RefundStatus.PROCESSING)
"""Statuses of refunds that are not through: what they give and take off is promised, not done."""


class RefundChange(Contract):
    """One step of a refund's life, and who took it."""

    from_status: RefundStatus | None
    to_status: RefundStatus
    reason: str | None
    actor: str
    at: datetime


def find_refund(session: Session, refund_id: str, *, business: str | None = None) -> Refund | None:
    """The refund with its lines as it stands now; None where there is none, or not for `business`."""
    found = _refunds(session, RefundRow.id == refund_id)
    return found[0] if found and business in (None, found[0].business) else None


def refund_of(session: Session, refund_id: str, *, business: str | None = None) -> Refund:
    """As `find_refund`; `MissingError` where there is none."""
    found = find_refund(session, refund_id, business=business)
    if found is None:
        raise MissingError("transaction.refund_unknown", f"There is no refund {refund_id!r}.", refund_id=refund_id)
    return found


def refunds_of(session: Session, order_id: str) -> tuple[Refund, ...]:
    """All refunds of an order, oldest first, whatever became of them."""
    return tuple(_refunds(session, RefundRow.order_id == order_id))


def refund_history_of(session: Session, refund_id: str) -> tuple[RefundChange, ...]:
    """The refund's changes of status, oldest first."""
    rows = session.scalars(
        select(RefundChangeRow).where(RefundChangeRow.refund_id == refund_id).order_by(RefundChangeRow.sequence)
    )
    return tuple(
        RefundChange(
            from_status=None if row.from_status is None else RefundStatus(row.from_status),
            to_status=RefundStatus(row.to_status),
            reason=row.reason,
            actor=row.actor,
            at=row.at,
        )
        for row in rows
    )


def refunds_page(session: Session, filters: RefundFilters, cursor: str | None = None, *, limit: int = 50) -> RefundPage:
    """Refunds that pass every filter, newest first."""
    found = (
        select(RefundRow, OrderRow.number.label("order_number"))
        .join(OrderRow, OrderRow.id == RefundRow.order_id)
        .where(RefundRow.business == filters.business, *_conditions(filters))
    )
    if cursor is not None:
        at, refund_id = read_cursor(cursor, 2)
        found = found.where(tuple_(RefundRow.requested_at, RefundRow.id) < tuple_(read_moment(at), refund_id))
    size = page_size(limit)
    rows = session.execute(found.order_by(RefundRow.requested_at.desc(), RefundRow.id.desc()).limit(size + 1)).all()
    last = rows[size - 1].RefundRow if len(rows) > size else None
    return RefundPage(
        refunds=tuple(_summary(row.RefundRow, row.order_number) for row in rows[:size]),
        next_cursor=None if last is None else write_cursor(last.requested_at.isoformat(), last.id),
    )


def count_refunds(session: Session, filters: RefundFilters, *, at_most: int = 10_000) -> int:
    """How many refunds pass, counted up to `at_most`."""
    some = (
        select(RefundRow.id)
        .join(OrderRow, OrderRow.id == RefundRow.order_id)
        .where(RefundRow.business == filters.business, *_conditions(filters))
        .limit(at_most)
    )
    return session.scalar(select(func.count()).select_from(some.subquery())) or 0


def _conditions(filters: RefundFilters) -> list[Any]:
    conditions: list[Any] = []
    if filters.statuses:
        conditions.append(RefundRow.status.in_([status.value for status in filters.statuses]))
    if filters.kinds:
        conditions.append(RefundRow.kind.in_([kind.value for kind in filters.kinds]))
    if filters.order_id is not None:
        conditions.append(RefundRow.order_id == filters.order_id)
    if filters.requested_from is not None:
        conditions.append(RefundRow.requested_at >= filters.requested_from)
    if filters.requested_until is not None:
        conditions.append(RefundRow.requested_at < filters.requested_until)
    text = (filters.text or "").replace("\x00", "").strip()
    if text:
        places = (RefundRow.number, RefundRow.reason, OrderRow.number)
        found = [place.icontains(text, autoescape=True) for place in places]
        conditions.append(or_(RefundRow.id == text, RefundRow.order_id == text, *found))
    return conditions


def _summary(row: RefundRow, order_number: str) -> RefundSummary:
    shared = set(RefundSummary.model_fields) - {"kind", "status", "order_number"}
    return RefundSummary(
        **{name: getattr(row, name) for name in shared},
        kind=RefundKind(row.kind),
        status=RefundStatus(row.status),
        order_number=order_number,
    )


def _refunds(session: Session, condition: Any) -> list[Refund]:
    rows = session.scalars(
        select(RefundRow).where(condition).order_by(RefundRow.sequence).execution_options(populate_existing=True)
    ).all()
    if not rows:
        return []
    lines = session.scalars(
        select(RefundLineRow)
        .where(RefundLineRow.refund_id.in_([row.id for row in rows]))
        .order_by(RefundLineRow.refund_id, RefundLineRow.position)
    ).all()
    return [refund_from(row, [line for line in lines if line.refund_id == row.id]) for row in rows]


def refund_from(row: RefundRow, lines: Sequence[RefundLineRow]) -> Refund:
    """The contract form of a refund."""
    converted = {"kind", "status", "lines", "sources"}
    return Refund(
        **{name: getattr(row, name) for name in set(Refund.model_fields) - converted},
        kind=RefundKind(row.kind),
        status=RefundStatus(row.status),
        lines=tuple(
            RefundLine(**{name: getattr(line, name) for name in RefundLine.model_fields if name != "adjustments"})
            if not line.adjustments
            else RefundLine.model_validate({name: getattr(line, name) for name in RefundLine.model_fields})
            for line in lines
        ),
        sources=tuple(SourceShare.model_validate(share) for share in row.sources),
    )
