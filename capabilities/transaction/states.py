"""Which status of an order may follow which, and the one way to move it.

How an order is paid, delivered and given back is not a status: it is computed from its payments, units and refunds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.database import table_of
from capabilities.kernel.errors import ConflictError
from capabilities.transaction.contract import Order, OrderStatus
from capabilities.transaction.models import OrderChangeRow, OrderRow
from capabilities.transaction.queries import keep_order

DRAFT, PLACED, ON_HOLD, CONFIRMED, FULFILLED, COMPLETED, REFUSED, CANCELLED, EXPIRED = OrderStatus

ALLOWED: Mapping[OrderStatus, frozenset[OrderStatus]] = {
    DRAFT: frozenset({PLACED, CANCELLED}),
    PLACED: frozenset({ON_HOLD, CONFIRMED, REFUSED, CANCELLED, EXPIRED}),
    ON_HOLD: frozenset({PLACED, REFUSED, CANCELLED, EXPIRED}),
    CONFIRMED: frozenset({FULFILLED, CANCELLED}),
    FULFILLED: frozenset({COMPLETED}),
    COMPLETED: frozenset(),
    REFUSED: frozenset(),
    CANCELLED: frozenset(),
    EXPIRED: frozenset(),
}
"""Which status may follow which. An order on hold is never confirmed: it is taken off hold first. A confirmed order is
cancelled only where no unit was handed over; fulfilled means that no unit is open any more."""

CLOSABLE = frozenset({PLACED, ON_HOLD})
"""What an undo may end: an order that is sold stays, and one that nobody placed is nobody's to refuse."""

INSERT_CHANGES = insert(table_of(OrderChangeRow))


def move_order(session: Session, order: Order, to: OrderStatus, reason: str | None, **also: Any) -> Order:
    """Move the order from the status it was seen in; somebody else having moved it, or a step not allowed: conflict."""
    moved = None
    if to in ALLOWED[order.status]:
        moved = session.scalar(
            update(OrderRow)
            .where(OrderRow.id == order.id, OrderRow.status == order.status.value)
            .values(status=to.value, status_reason=reason, **also)
            .returning(OrderRow.id)
            .execution_options(synchronize_session=False)
        )
    if moved is None:
        raise ConflictError(
            "transaction.status_conflict",
            f"Order {order.number} is {order.status.value} and cannot become {to.value}.",
            mend="Look at the order again: somebody else has decided about it.",
            order_id=order.id,
            status=order.status.value,
        )
    write_change(session, order.business, order.id, order.status, to, reason)
    shown = {name: value for name, value in also.items() if name in Order.model_fields}
    moved_order = order.model_copy(update={"status": to, "status_reason": reason, **shown})
    keep_order(session, moved_order)
    return moved_order


def write_change(
    session: Session, business: str, order_id: str, before: OrderStatus | None, to: OrderStatus, reason: str | None
) -> None:
    """One row of the order's history."""
    change = {
        "business": business,
        "order_id": order_id,
        "from_status": None if before is None else before.value,
        "to_status": to.value,
        "reason": reason,
        "at": now(),
    }
    session.execute(INSERT_CHANGES, [change])
