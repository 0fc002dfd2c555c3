"""Writes of units: handed over, cancelled, back on the shelf; and what that makes of the order's status.

The order is locked first, then its lines, then stock. A line is changed under a condition: quantity = open + fulfilled +
cancelled always, whoever asks at the same time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, InvalidError, RefusedError
from capabilities.kernel.ids import derived_id
from capabilities.transaction.acts import lock_order, once
from capabilities.transaction.after_sale import Contract, Fulfilment, FulfilRequest, LineUnits, UnitsOfLine
from capabilities.transaction.after_sale_models import (
    FulfilmentLineRow,
    FulfilmentRow,
    RefundLineRow,
    RefundRow,
    ReturnLineRow,
    ReturnRow,
)
from capabilities.transaction.contract import Order, OrderStatus
from capabilities.transaction.models import OrderLineRow
from capabilities.transaction.states import move_order
from capabilities.transaction.unit_queries import fulfilments_of, units_of

PUT_BACK = text(
    "UPDATE stock SET on_hand = on_hand + back.pieces"
    " FROM unnest(CAST(:skus AS varchar[]), CAST(:pieces AS bigint[])) AS back (sku, pieces)"
    " WHERE stock.business = :business AND stock.sku = back.sku"
)


class CancelledUnits(Contract):
    """What a cancellation did: the units it cancelled, and where the order stands."""

    order_id: str
    status: OrderStatus
    lines: tuple[UnitsOfLine, ...]


class RestockedUnits(Contract):
    """Units that went back on the shelf."""

    order_id: str
    lines: tuple[UnitsOfLine, ...]


def fulfil(session: Session, request: FulfilRequest) -> tuple[Fulfilment, bool]:
    """Hand over units; True with it where this call did it. The last open unit makes the order fulfilled."""
    order = lock_order(session, request.order_id)
    known = next((f for f in fulfilments_of(session, order.id) if f.id == _fulfilment_id(request)), None)
    if known is not None:
        return known, False
    require_status(order, OrderStatus.CONFIRMED)
    lines = _open_or_named(units_of(session, order.id), request.lines, request.seller_id)
    for line in lines:
        change_units(session, order, line.line_id, fulfilled=line.units)
    made = {"business": order.business, "fulfilled_at": now()}
    session.execute(
        insert(FulfilmentRow).values(
            id=_fulfilment_id(request),
            order_id=order.id,
            key=request.key,
            carrier=request.carrier,
            tracking=request.tracking,
            actor=request.actor,
            **made,
        )
    )
    session.execute(
        insert(FulfilmentLineRow),
        [{"business": order.business, "fulfilment_id": _fulfilment_id(request), **line.model_dump()} for line in lines],
    )
    settle_status(session, order, None)
    return next(f for f in fulfilments_of(session, order.id) if f.id == _fulfilment_id(request)), True


def cancel_units(
    session: Session, order_id: str, *, key: str, lines: Sequence[UnitsOfLine] = (), reason: str, actor: str
) -> CancelledUnits:
    """Cancel units of a confirmed order that are not handed over; no lines: all that are open."""
    order = lock_order(session, order_id)

    def act() -> CancelledUnits:
        require_status(order, OrderStatus.CONFIRMED)
        chosen = _open_or_named(units_of(session, order.id), lines, None)
        for line in chosen:
            change_units(session, order, line.line_id, cancelled=line.units)
        left = settle_status(session, order, reason)
        return CancelledUnits(order_id=order.id, status=left.status, lines=tuple(chosen))

    asked = {"lines": [line.model_dump() for line in lines], "reason": reason}
    return once(session, order, kind="cancel", key=key, request=asked, actor=actor, answer_type=CancelledUnits, act=act)


def restock(session: Session, order_id: str, *, key: str, actor: str) -> RestockedUnits:
    """Put cancelled units back on the shelf, once; those of a refund nobody has decided about yet wait for it."""
    order = lock_order(session, order_id)

    def act() -> RestockedUnits:
        lines = [
            UnitsOfLine(line_id=line_id, units=units)
            for line_id, units in _restockable(session, order.id).items()
            if units > 0
        ]
        skus = {line.line_id: line.sku for line in order.lines}
        put_back(session, order, {line.line_id: line.units for line in lines}, skus)
        return RestockedUnits(order_id=order.id, lines=tuple(lines))

    return once(session, order, kind="restock", key=key, request={}, actor=actor, answer_type=RestockedUnits, act=act)


def complete_order(session: Session, order_id: str) -> tuple[Order, bool]:
    """End the life of an order that is fulfilled; True where this call did it."""
    order = lock_order(session, order_id)
    if order.status is OrderStatus.COMPLETED:
        return order, False
    return move_order(session, order, OrderStatus.COMPLETED, None, completed_at=now()), True


def put_back(session: Session, order: Order, units: Mapping[str, int], skus: Mapping[str, str]) -> None:
    """Units of lines go on the shelf again, rows of stock in their order of locking."""
    pieces: Counter[str] = Counter()
    for line_id, count in units.items():
        if count:
            pieces[skus[line_id]] += count
            change_units(session, order, line_id, restocked=count)
    if pieces:
        ordered = sorted(pieces)
        session.execute(
            PUT_BACK, {"business": order.business, "skus": ordered, "pieces": [pieces[sku] for sku in ordered]}
        )


def settle_status(session: Session, order: Order, reason: str | None) -> Order:
    """Where no unit is open any more, a confirmed order is fulfilled, or cancelled if none was ever handed over."""
    units = units_of(session, order.id)
    if order.status is not OrderStatus.CONFIRMED or any(line.open for line in units) or not units:
        return order
    if any(line.fulfilled for line in units):
        return move_order(session, order, OrderStatus.FULFILLED, None)
    return move_order(session, order, OrderStatus.CANCELLED, reason or "All of it was cancelled.")


def change_units(
    session: Session,
    order: Order,
    line_id: str,
    *,
    fulfilled: int = 0,
    cancelled: int = 0,
    returned: int = 0,
    restocked: int = 0,
) -> None:
    """Move counters of a line, under the condition that they stay true."""
    row = OrderLineRow
    found = session.scalar(
        update(row)
        .where(
            row.order_id == order.id,
            row.line_id == line_id,
            row.fulfilled + fulfilled + row.cancelled + cancelled <= row.quantity,
            row.cancelled + cancelled >= 0,
            row.returned + returned <= row.fulfilled + fulfilled,
            row.restocked + restocked <= row.cancelled + cancelled + row.returned + returned,
        )
        .values(
            fulfilled=row.fulfilled + fulfilled,
            cancelled=row.cancelled + cancelled,
            returned=row.returned + returned,
            restocked=row.restocked + restocked,
        )
        .returning(row.line_id)
        .execution_options(synchronize_session=False)
    )
    if found is None:
        raise ConflictError(
            "transaction.units_taken",
            f"So many units of line {line_id} are not there any more.",
            mend="Look at the order again: somebody else has decided about them.",
            order_id=order.id,
            line_id=line_id,
        )


def require_status(order: Order, *statuses: OrderStatus) -> None:
    """`RefusedError` where the order stands elsewhere."""
    if order.status not in statuses:
        raise RefusedError(
            "transaction.status_wrong",
            f"Order {order.number} is {order.status.value}; this needs it to be {' or '.join(statuses)}.",
            mend="Look at the order again.",
            order_id=order.id,
            status=order.status.value,
        )


def _fulfilment_id(request: FulfilRequest) -> str:
    return derived_id("ful", request.order_id, request.key)


def _open_or_named(
    units: Sequence[LineUnits], named: Sequence[UnitsOfLine], seller_id: str | None
) -> list[UnitsOfLine]:
    """The units that were named, or all open ones; of one seller where one is named."""
    of_seller = {line.line_id: line for line in units if seller_id in (None, line.seller_id)}
    strangers = sorted({line.line_id for line in named} - set(of_seller))
    if strangers or len({line.line_id for line in named}) < len(named):
        raise InvalidError(
            "transaction.line_unknown",
            f"These are not lines of goods to choose from: {', '.join(strangers) or 'a line is named twice'}.",
            field="lines",
            lines=strangers,
        )
    if named:
        short = [line for line in named if line.units > of_seller[line.line_id].open]
        if short:
            left = of_seller[short[0].line_id].open
            raise RefusedError(
                "transaction.units_not_open",
                f"Of line {short[0].line_id} {short[0].units} units were asked, {left} are open.",
                mend="Ask for fewer units.",
                line_id=short[0].line_id,
                asked=short[0].units,
                left=left,
            )
        return list(named)
    chosen = [UnitsOfLine(line_id=line.line_id, units=line.open) for line in of_seller.values() if line.open]
    if not chosen:
        raise RefusedError("transaction.units_not_open", "No unit of this order is open.", left=0)
    return chosen


def _restockable(session: Session, order_id: str) -> dict[str, int]:
    """Cancelled units by line that are not back on the shelf, without those of refunds that are not through."""
    waiting = _sum_by_line(
        session,
        select(RefundLineRow.line_id, func.sum(RefundLineRow.cancelled_units))
        .join(RefundRow, RefundRow.id == RefundLineRow.refund_id)
        .where(RefundRow.order_id == order_id, RefundRow.status.in_(["requested", "approved", "processing"]))
        .group_by(RefundLineRow.line_id),
    )
    returned = _sum_by_line(
        session,
        select(ReturnLineRow.line_id, func.sum(ReturnLineRow.restocked))
        .join(ReturnRow, ReturnRow.id == ReturnLineRow.return_id)
        .where(ReturnRow.order_id == order_id)
        .group_by(ReturnLineRow.line_id),
    )
    return {
        line.line_id: line.cancelled - waiting.get(line.line_id, 0) - (line.restocked - returned.get(line.line_id, 0))
        for line in units_of(session, order_id)
    }


def _sum_by_line(session: Session, statement: object) -> dict[str, int]:
    return {line_id: int(total) for line_id, total in session.execute(statement)}  # type: ignore[call-overload]


__all__ = ["CancelledUnits", "RestockedUnits", "cancel_units", "complete_order", "fulfil", "restock"]
