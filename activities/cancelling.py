"""What is to be given back for units that were cancelled: what the process of a cancellation hands to that of a refund."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from capabilities.kernel.errors import RefusedError
from capabilities.transaction.contract import OrderStatus, RefundKind, RefundRequest, UnitsOfLine
from capabilities.transaction.queries import order_of
from capabilities.transaction.refundable import refunded_as
from capabilities.transaction.unit_queries import units_of


class StepType(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CancelledRequest(StepType):
    """The lines as `transaction.cancel` tells them."""

    order_id: str
    lines: tuple[UnitsOfLine, ...] = ()
    reason: str = Field(default="", max_length=500)


class DueForCancelled(StepType):
    """`is_due`: the order was paid and units were cancelled. The request names them; the delivery too, where nothing is
    handed over at all.
    """

    is_due: bool
    status: OrderStatus
    request: RefundRequest


@operation("transaction.due_for_cancelled", en="See what a cancellation gives back", zh="核算取消应退", changes=False)
def due_for_cancelled(session: Session, context: StepContext, request: CancelledRequest) -> DueForCancelled:  # noqa: ARG001
    """Reads only; what the refund is worth, the refund itself works out."""
    order = order_of(session, request.order_id)
    is_whole = all(line.open == 0 and line.fulfilled == 0 for line in units_of(session, order.id))
    is_due = bool(request.lines) and order.confirmed_at is not None
    asked = RefundRequest(
        order_id=order.id,
        kind=RefundKind.CANCELLATION,
        lines=request.lines,
        delivery=is_whole,
        fees=is_whole,
        reason=request.reason,
    )
    return DueForCancelled(is_due=is_due, status=order.status, request=asked)


class RefundedCancellation(StepType):
    """All cancelled pieces of the lines were given back."""

    is_refunded: bool


@operation("transaction.require_refunded", en="Insist on the refund", zh="确认取消已退款", changes=False)
def require_refunded(session: Session, context: StepContext, request: CancelledRequest) -> RefundedCancellation:  # noqa: ARG001
    """Refuses while the money of cancelled pieces was not given back, however it came to that."""
    order = order_of(session, request.order_id)
    given = refunded_as(session, order.id, RefundKind.CANCELLATION)
    named = {line.line_id for line in request.lines}
    owed = [
        line.line_id
        for line in units_of(session, order.id)
        if line.line_id in named and line.cancelled > given.get(line.line_id, 0)
    ]
    if owed:
        raise RefusedError(
            "transaction.cancellation_unpaid",
            f"Pieces of order {order.number} are cancelled, and what was paid for them was not given back.",
            mend="Refund the cancelled pieces, then have this step tried again; skip it only where nothing is to be given.",
            order_id=order.id,
            lines=owed,
        )
    return RefundedCancellation(is_refunded=True)
