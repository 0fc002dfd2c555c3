"""Where the units of orders stand, and what follows from them: fulfilment, returns, sellers' parts, the order's story."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from capabilities.kernel.cursor import read_cursor, read_moment, write_cursor
from capabilities.kernel.errors import MissingError
from capabilities.transaction.after_sale import (
    Fulfilment,
    FulfilmentStatus,
    LineUnits,
    RefundState,
    Return,
    ReturnLine,
    ReturnPage,
    ReturnState,
    ReturnStatus,
    UnitsOfLine,
)
from capabilities.transaction.after_sale_models import (
    FulfilmentLineRow,
    FulfilmentRow,
    RefundRow,
    ReturnLineRow,
    ReturnRow,
)
from capabilities.transaction.contract import OfferKind
from capabilities.transaction.models import OrderLineRow
from capabilities.transaction.paging import page_size
from capabilities.transaction.refund_queries import GONE


def units_of(session: Session, order_id: str, *, kind: OfferKind | None = OfferKind.GOODS) -> tuple[LineUnits, ...]:
    """The units of the order's lines, of goods unless another kind (or None: all) is asked, in the order of the lines."""
    found = select(OrderLineRow).where(OrderLineRow.order_id == order_id).order_by(OrderLineRow.position)
    if kind is not None:
        found = found.where(OrderLineRow.kind == kind.value)
    rows = session.scalars(found.execution_options(populate_existing=True))
    return tuple(LineUnits(**{name: getattr(row, name) for name in LineUnits.model_fields}) for row in rows)


def fulfilment_status(units: Iterable[LineUnits]) -> FulfilmentStatus:
    """How far an order, or a seller's part of it, is handed over."""
    lines = list(units)
    if not lines:
        return FulfilmentStatus.NOTHING
    fulfilled = sum(line.fulfilled for line in lines)
    if sum(line.open for line in lines):
        return FulfilmentStatus.PARTLY if fulfilled else FulfilmentStatus.UNFULFILLED
    return FulfilmentStatus.FULFILLED if fulfilled else FulfilmentStatus.CANCELLED


def return_state(units: Iterable[LineUnits]) -> ReturnState:
    """What came back of what was handed over."""
    lines = list(units)
    returned = sum(line.returned for line in lines)
    if not returned:
        return ReturnState.NONE
    return ReturnState.RETURNED if returned == sum(line.fulfilled for line in lines) else ReturnState.PARTLY


def refunded_minor(session: Session, order_id: str) -> int:
    """What live refunds take off the order, asked for or done."""
    total = select(func.coalesce(func.sum(RefundRow.total_minor), 0)).where(
        RefundRow.order_id == order_id, RefundRow.status.not_in(GONE)
    )
    return int(session.scalar(total) or 0)


def refund_state(session: Session, order_id: str, total_minor: int) -> RefundState:
    """How much of an order's total was given back."""
    gone = refunded_minor(session, order_id)
    if not gone:
        return RefundState.NONE
    return RefundState.REFUNDED if gone >= total_minor else RefundState.PARTLY


# --- fulfilments ------------------------------------------------------------------------------------------------


def fulfilments_of(session: Session, order_id: str) -> tuple[Fulfilment, ...]:
    """What was handed over, oldest first."""
    rows = session.scalars(
        select(FulfilmentRow)
        .where(FulfilmentRow.order_id == order_id)
        .order_by(FulfilmentRow.fulfilled_at, FulfilmentRow.id)
    ).all()
    lines: dict[str, list[UnitsOfLine]] = defaultdict(list)
    for line in session.scalars(
        select(FulfilmentLineRow)
        .where(FulfilmentLineRow.fulfilment_id.in_([row.id for row in rows]))
        .order_by(FulfilmentLineRow.line_id)
    ):
        lines[line.fulfilment_id].append(UnitsOfLine(line_id=line.line_id, units=line.units))
    plain = set(Fulfilment.model_fields) - {"lines"}
    return tuple(Fulfilment(**{name: getattr(row, name) for name in plain}, lines=tuple(lines[row.id])) for row in rows)


# --- returns ----------------------------------------------------------------------------------------------------


def return_of(session: Session, return_id: str, *, business: str | None = None) -> Return:
    """The return with its lines; `MissingError` where there is none, or not for `business`."""
    found = _returns(session, ReturnRow.id == return_id)
    if not found or business not in (None, found[0].business):
        raise MissingError("transaction.return_unknown", f"There is no return {return_id!r}.", return_id=return_id)
    return found[0]


def returns_of(session: Session, order_id: str) -> tuple[Return, ...]:
    """The returns of an order, oldest first."""
    return tuple(reversed(_returns(session, ReturnRow.order_id == order_id)))


def returns_page(
    session: Session,
    business: str,
    *,
    statuses: Sequence[ReturnStatus] = (),
    cursor: str | None = None,
    limit: int = 50,
) -> ReturnPage:
    """Returns of a business, newest first."""
    conditions: list[Any] = [ReturnRow.business == business]
    if statuses:
        conditions.append(ReturnRow.status.in_([status.value for status in statuses]))
    if cursor is not None:
        at, return_id = read_cursor(cursor, 2)
        conditions.append(tuple_(ReturnRow.requested_at, ReturnRow.id) < tuple_(read_moment(at), return_id))
    size = page_size(limit)
    found = _returns(session, *conditions, limit=size + 1)
    more = len(found) > size
    shown = tuple(found[:size])
    return ReturnPage(
        returns=shown, next_cursor=write_cursor(shown[-1].requested_at.isoformat(), shown[-1].id) if more else None
    )


def count_returns(session: Session, business: str, *statuses: ReturnStatus) -> int:
    """How many returns stand in these statuses."""
    wanted = [status.value for status in statuses]
    count = select(func.count()).where(ReturnRow.business == business, ReturnRow.status.in_(wanted))
    return session.scalar(count) or 0


def _returns(session: Session, *conditions: Any, limit: int | None = None) -> list[Return]:
    found = select(ReturnRow).where(*conditions).order_by(ReturnRow.requested_at.desc(), ReturnRow.id.desc())
    if limit is not None:
        found = found.limit(limit)
    rows = session.scalars(found.execution_options(populate_existing=True)).all()
    lines: dict[str, list[ReturnLine]] = defaultdict(list)
    for line in session.scalars(
        select(ReturnLineRow)
        .where(ReturnLineRow.return_id.in_([row.id for row in rows]))
        .order_by(ReturnLineRow.return_id, ReturnLineRow.line_id)
        .execution_options(populate_existing=True)
    ):
        values = {name: getattr(line, name) for name in ReturnLine.model_fields}
        lines[line.return_id].append(ReturnLine(**values))
    plain = set(Return.model_fields) - {"lines", "status"}
    return [
        Return(
            **{name: getattr(row, name) for name in plain},
            status=ReturnStatus(row.status),
            lines=tuple(lines[row.id]),
        )
        for row in rows
    ]
