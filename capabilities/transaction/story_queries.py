"""An order's own story in time, where it stands in all respects, and what of orders waits for somebody."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from capabilities.transaction.after_sale import (
    Contract,
    FulfilmentStatus,
    LineUnits,
    RefundState,
    ReturnState,
    ReturnStatus,
    SellerOrder,
)
from capabilities.transaction.after_sale_models import ActRow, RefundChangeRow, RefundRow
from capabilities.transaction.contract import OfferKind, Order, OrderStatus
from capabilities.transaction.models import OrderLineRow, OrderRow
from capabilities.transaction.queries import history_of, order_of
from capabilities.transaction.seller_orders import seller_orders_of
from capabilities.transaction.unit_queries import (
    count_returns,
    fulfilment_status,
    fulfilments_of,
    refund_state,
    refunded_minor,
    return_state,
    returns_of,
    units_of,
)

MOST_COUNTED = 10_000
StoryKind = Literal["order", "fulfilment", "return", "refund", "act"]


class StoryEntry(Contract):
    """One thing that happened to an order; `id` names what it happened to, `what` is a status or the kind of act."""

    at: datetime
    kind: StoryKind
    id: str
    number: str
    what: str
    reason: str | None = None
    actor: str | None = None
    units: int = 0
    amount_minor: int | None = None


class OrderStanding(Contract):
    """An order in all respects: its status is stored, the rest is computed from units and refunds."""

    order: Order
    units: tuple[LineUnits, ...]
    fulfilment: FulfilmentStatus
    returned: ReturnState
    refunded: RefundState
    refunded_minor: int
    kept_minor: int
    sellers: tuple[SellerOrder, ...]


class WaitingOrders(Contract):
    """What of orders waits for somebody, counted."""

    in_review: int
    to_hand_over: int
    refunds_to_decide: int
    refunds_under_way: int
    returns_to_receive: int
    returns_to_close: int


def standing_of(session: Session, order_id: str, *, business: str | None = None) -> OrderStanding:
    """Where an order stands; `MissingError` where there is none, or not for `business`."""
    order = order_of(session, order_id, business=business)
    units = units_of(session, order.id)
    gone = refunded_minor(session, order.id)
    return OrderStanding(
        order=order,
        units=units,
        fulfilment=fulfilment_status(units),
        returned=return_state(units),
        refunded=refund_state(session, order.id, order.total_minor),
        refunded_minor=gone,
        kept_minor=order.total_minor - gone,
        sellers=seller_orders_of(session, order),
    )


def story_of(session: Session, order_id: str) -> tuple[StoryEntry, ...]:
    """What happened to an order, oldest first: its statuses, hand-overs, returns, refunds, and what was done to it."""
    order = order_of(session, order_id)
    story = [
        StoryEntry(at=c.at, kind="order", id=order.id, number=order.number, what=c.to_status.value, reason=c.reason)
        for c in history_of(session, order_id)
    ]
    for made in fulfilments_of(session, order_id):
        units = sum(line.units for line in made.lines)
        told = " ".join(part for part in (made.carrier, made.tracking) if part) or None
        about = {"id": made.id, "number": order.number, "reason": told, "actor": made.actor, "units": units}
        story.append(StoryEntry(at=made.fulfilled_at, kind="fulfilment", what="handed_over", **about))
    for back in returns_of(session, order_id):
        moments = ((back.requested_at, "requested"), (back.received_at, "received"), (back.closed_at, "closed"))
        story += [
            StoryEntry(
                at=at,
                kind="return",
                id=back.id,
                number=back.number,
                what=what,
                reason=back.reason or None,
                units=sum(line.units if what == "requested" else line.received for line in back.lines),
            )
            for at, what in moments
            if at is not None
        ]
    return tuple(sorted([*story, *_refunds(session, order_id), *_acts(session, order)], key=lambda entry: entry.at))


def _refunds(session: Session, order_id: str) -> list[StoryEntry]:
    rows = session.execute(
        select(RefundChangeRow, RefundRow.number, RefundRow.total_minor)
        .join(RefundRow, RefundRow.id == RefundChangeRow.refund_id)
        .where(RefundRow.order_id == order_id)
        .order_by(RefundChangeRow.sequence)
    )
    return [
        StoryEntry(
            at=row.at,
            kind="refund",
            id=row.refund_id,
            number=number,
            what=row.to_status,
            reason=row.reason,
            actor=row.actor,
            amount_minor=total,
        )
        for row, number, total in rows
    ]


def _acts(session: Session, order: Order) -> list[StoryEntry]:
    rows = session.scalars(select(ActRow).where(ActRow.order_id == order.id, ActRow.kind != "receive_return"))
    return [
        StoryEntry(at=row.at, kind="act", id=row.id, number=order.number, what=row.kind, actor=row.actor)
        for row in rows
    ]


def waiting_orders(session: Session, business: str) -> WaitingOrders:
    """Counts for the page of today; orders to hand over are counted up to `MOST_COUNTED`."""
    in_review = session.scalar(
        select(func.count()).where(OrderRow.business == business, OrderRow.status == OrderStatus.ON_HOLD.value)
    )
    rows = session.execute(
        select(RefundRow.status, func.count().label("refunds"))
        .where(RefundRow.business == business, RefundRow.status.in_(["requested", "approved", "processing"]))
        .group_by(RefundRow.status)
    )
    refunds = {row.status: row.refunds for row in rows}
    has_open_unit = exists().where(
        OrderLineRow.order_id == OrderRow.id,
        OrderLineRow.kind == OfferKind.GOODS.value,
        OrderLineRow.quantity > OrderLineRow.fulfilled + OrderLineRow.cancelled,
    )
    some = (
        select(OrderRow.id)
        .where(
            OrderRow.business == business,
            OrderRow.status == OrderStatus.CONFIRMED.value,
            OrderRow.origin != "import",
            has_open_unit,
        )
        .limit(MOST_COUNTED)
    )
    to_hand_over = session.scalar(select(func.count()).select_from(some.subquery()))
    return WaitingOrders(
        in_review=in_review or 0,
        to_hand_over=to_hand_over or 0,
        refunds_to_decide=refunds.get("requested", 0),
        refunds_under_way=refunds.get("approved", 0) + refunds.get("processing", 0),
        returns_to_receive=count_returns(session, business, ReturnStatus.REQUESTED),
        returns_to_close=count_returns(session, business, ReturnStatus.RECEIVED),
    )
