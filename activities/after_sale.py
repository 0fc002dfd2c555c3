"""Steps about an order that was sold: handed over, cancelled, back on the shelf, returned, completed."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from activities.refunds import tell_order
from activities.transaction import OrderReference, OrderStanding
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.outbox import publish
from capabilities.transaction import returns, service, units
from capabilities.transaction.acts import lock_order
from capabilities.transaction.contract import (
    CloseOrder,
    Fulfilment,
    FulfilRequest,
    Hold,
    Order,
    OrderStatus,
    Return,
    UnitsOfLine,
)
from capabilities.transaction.extensions import return_days
from capabilities.transaction.queries import order_of
from capabilities.transaction.states import move_order
from capabilities.transaction.stock import extend_reservation
from capabilities.transaction.unit_queries import return_of

DAY_S = 24 * 60 * 60


class StepType(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CancelRequest(StepType):
    """No lines: the whole order, or of a confirmed one all that is not handed over. `key`: the same whenever told again."""

    order_id: str
    lines: tuple[UnitsOfLine, ...] = ()
    reason: str = Field(default="Cancelled.", max_length=500)
    key: str | None = Field(default=None, max_length=200)
    actor: str | None = None


class FulfilStep(StepType):
    """As `FulfilRequest`; without a key, the step's own."""

    order_id: str
    lines: tuple[UnitsOfLine, ...] = ()
    seller_id: str | None = None
    carrier: str | None = Field(default=None, max_length=80)
    tracking: str | None = Field(default=None, max_length=120)
    key: str | None = Field(default=None, max_length=200)
    actor: str | None = None


class Fulfilled(StepType):
    """What was handed over, and where the order stands."""

    order_id: str
    status: OrderStatus
    fulfilment: Fulfilment
    return_seconds: int = 0
    """How long the buyer has to send something back, where nothing is left to be handed over."""


class ExtendRequest(StepType):
    order_id: str
    minutes: int = Field(gt=0, le=60 * 24 * 31)


class ReturnRequest(StepType):
    order_id: str
    lines: tuple[UnitsOfLine, ...]
    reason: str = Field(default="", max_length=500)
    key: str | None = Field(default=None, max_length=200)


class ReceiveRequest(StepType):
    """No lines: all that was announced, to sell again."""

    return_id: str
    lines: tuple[returns.ReceivedLine, ...] = ()
    key: str | None = Field(default=None, max_length=200)
    actor: str | None = None


class ReturnDecision(StepType):
    return_id: str
    reason: str | None = Field(default=None, max_length=500)


@operation("transaction.cancel", en="Cancel", zh="取消订单")
def cancel(session: Session, context: StepContext, request: CancelRequest) -> units.CancelledUnits:
    """End an order that is not confirmed, or cancel units that are not handed over; the refund is another step."""
    order = lock_order(session, request.order_id)
    if order.confirmed_at is None:
        return _cancel_whole(session, context, order, request)
    done = units.cancel_units(
        session,
        order.id,
        key=request.key or context.key,
        lines=request.lines,
        reason=request.reason,
        actor=request.actor or context.actor,
    )
    _tell_if_moved(session, context, order)
    return done


def _cancel_whole(session: Session, context: StepContext, order: Order, request: CancelRequest) -> units.CancelledUnits:
    if order.status is OrderStatus.DRAFT:
        move_order(session, order, OrderStatus.CANCELLED, request.reason)
    else:
        service.close_order(session, CloseOrder(order_id=order.id, reason=request.reason, is_cancelled=True))
    _tell_if_moved(session, context, order)
    return units.CancelledUnits(order_id=order.id, status=order_of(session, order.id).status, lines=())


@operation("transaction.restock", en="Put cancelled units back", zh="取消件回库")
def restock(session: Session, context: StepContext, request: OrderReference) -> units.RestockedUnits:
    """Cancelled units go back on the shelf, once."""
    return units.restock(session, request.order_id, key=context.key, actor=context.actor)


@operation("transaction.fulfil", en="Hand over", zh="履约发货")
def fulfil(session: Session, context: StepContext, request: FulfilStep) -> Fulfilled:
    """Hand over the units named, or all that are open; of one seller where one is named."""
    before = lock_order(session, request.order_id)
    told = request.model_dump(exclude={"key", "actor"})
    made, is_new = units.fulfil(
        session, FulfilRequest(**told, key=request.key or context.key, actor=request.actor or context.actor)
    )
    if is_new:
        data = {
            "order_id": before.id,
            "number": before.number,
            "fulfilment_id": made.id,
            "carrier": made.carrier,
            "tracking": made.tracking,
            "lines": [line.model_dump() for line in made.lines],
            "correlation_id": context.correlation_id,
        }
        publish(session, business=before.business, type="order.handed_over", subject=before.id, data=data)
        _tell_if_moved(session, context, before)
    after = order_of(session, before.id)
    days = 0
    if after.status is OrderStatus.FULFILLED:
        days = return_days.for_identity(BusinessIdentity(after.business, after.scenario))(after)
    return Fulfilled(order_id=after.id, status=after.status, fulfilment=made, return_seconds=days * DAY_S)


@operation("transaction.complete", en="Complete the order", zh="完成订单")
def complete(session: Session, context: StepContext, request: OrderReference) -> OrderStanding:
    """All of it is handed over and the time for returns is over, as the process decides."""
    order, is_new = units.complete_order(session, request.order_id)
    if is_new:
        tell_order(session, context, order)
    return OrderStanding(order_id=order.id, status=order.status)


@operation("transaction.extend_reservation", en="Hold the stock longer", zh="延长库存预留")
def extend(session: Session, context: StepContext, request: ExtendRequest) -> Hold:  # noqa: ARG001
    """Never beyond the longest a hold may last; one that ran out stays so."""
    return extend_reservation(session, request.order_id, request.minutes)


@operation("transaction.request_return", en="Ask for a return", zh="申请退货")
def request_return(session: Session, context: StepContext, request: ReturnRequest) -> Return:
    """Units that were handed over are announced to come back."""
    made, is_new = returns.request_return(
        session,
        request.order_id,
        key=request.key or context.key,
        lines=request.lines,
        reason=request.reason,
    )
    return _told(session, context, made, is_new=is_new)


@operation("transaction.receive_return", en="Receive the return", zh="签收退货")
def receive_return(session: Session, context: StepContext, request: ReceiveRequest) -> Return:
    """What arrived, to sell again or to throw away."""
    before = return_of(session, request.return_id)
    made = returns.receive_return(
        session,
        request.return_id,
        key=request.key or context.key,
        lines=request.lines,
        actor=request.actor or context.actor,
    )
    return _told(session, context, made, is_new=made.status is not before.status)


@operation("transaction.refuse_return", en="Refuse the return", zh="拒绝退货")
def refuse_return(session: Session, context: StepContext, request: ReturnDecision) -> Return:
    """Nothing may come back."""
    made, is_new = returns.refuse_return(session, request.return_id, reason=request.reason or "The return was refused.")
    return _told(session, context, made, is_new=is_new)


@operation("transaction.close_return", en="Close the return", zh="关闭退货")
def close_return(session: Session, context: StepContext, request: ReturnDecision) -> Return:
    """All of it is settled."""
    made, is_new = returns.close_return(session, request.return_id, reason=request.reason)
    return _told(session, context, made, is_new=is_new)


def _told(session: Session, context: StepContext, made: Return, *, is_new: bool) -> Return:
    if is_new:
        data = {
            "order_id": made.order_id,
            "return_id": made.id,
            "number": made.number,
            "status": made.status.value,
            "refund_id": made.refund_id,
            "lines": [line.model_dump() for line in made.lines],
            "correlation_id": context.correlation_id,
        }
        publish(session, business=made.business, type=f"return.{made.status.value}", subject=made.order_id, data=data)
    return made


def _tell_if_moved(session: Session, context: StepContext, before: Order) -> None:
    after = order_of(session, before.id)
    if after.status is not before.status:
        tell_order(session, context, after)
