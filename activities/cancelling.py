"""What is to be given back for units that were cancelled: what the process of a cancellation hands to that of a refund."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from capabilities.transaction.contract import OrderStatus, RefundKind, RefundRequest, UnitsOfLine
from capabilities.transaction.queries import order_of
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
