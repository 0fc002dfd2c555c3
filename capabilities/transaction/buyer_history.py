"""What a buyer has ordered, summed up: what tiers, segments and the page of a customer are made of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from capabilities.transaction.after_sale import RefundStatus, ReturnStatus
from capabilities.transaction.after_sale_models import RefundRow, ReturnRow
from capabilities.transaction.contract import Contract, OrderStatus
from capabilities.transaction.models import OrderRow

A_YEAR = timedelta(days=365)


class BuyerOrders(Contract):
    """The confirmed orders of a buyer in one currency. Amounts before refunds; `refunded_*` is what was given back."""

    orders: int
    ordered_minor: int
    ordered_last_year_minor: int
    refunded_minor: int
    refunded_last_year_minor: int
    first_order_at: datetime | None
    last_order_at: datetime | None


def orders_of_buyer(session: Session, business: str, buyer_id: str, currency: str, at: datetime) -> BuyerOrders:
    """Orders that were ever confirmed, whatever became of them since; counts and times in every currency."""
    in_currency = OrderRow.currency == currency
    refunded, refunded_last_year = _refunded(session, business, buyer_id, currency, at)
    recently = OrderRow.confirmed_at > at - A_YEAR
    found = session.execute(
        select(
            func.count().label("orders"),
            func.coalesce(func.sum(OrderRow.total_minor).filter(in_currency), 0).label("ordered"),
            func.coalesce(func.sum(OrderRow.total_minor).filter(in_currency, recently), 0).label("last_year"),
            func.min(OrderRow.confirmed_at).label("first_at"),
            func.max(OrderRow.confirmed_at).label("last_at"),
        ).where(OrderRow.business == business, OrderRow.buyer_id == buyer_id, OrderRow.confirmed_at.is_not(None))
    ).one()
    return BuyerOrders(
        orders=found.orders,
        ordered_minor=int(found.ordered),
        ordered_last_year_minor=int(found.last_year),
        refunded_minor=refunded,
        refunded_last_year_minor=refunded_last_year,
        first_order_at=found.first_at,
        last_order_at=found.last_at,
    )


def _refunded(session: Session, business: str, buyer_id: str, currency: str, at: datetime) -> tuple[int, int]:
    """What the buyer got back (or need not pay any more): in all, and of the orders of the last year."""
    back = RefundRow.due_minor + RefundRow.unpaid_minor
    of_the_year = OrderRow.confirmed_at > at - A_YEAR
    total, recent = session.execute(
        select(func.coalesce(func.sum(back), 0), func.coalesce(func.sum(back).filter(of_the_year), 0))
        .join(OrderRow, OrderRow.id == RefundRow.order_id)
        .where(
            OrderRow.business == business,
            OrderRow.buyer_id == buyer_id,
            RefundRow.currency == currency,
            RefundRow.status == RefundStatus.SUCCEEDED.value,
        )
    ).one()
    return int(total), int(recent)


def buyers_of_orders(session: Session, order_ids: Iterable[str]) -> set[str]:
    """Who placed these orders; guests are nobody."""
    wanted = sorted(set(order_ids))
    if not wanted:
        return set()
    found = select(OrderRow.buyer_id).where(OrderRow.id.in_(wanted), OrderRow.buyer_id.is_not(None)).distinct()
    return {buyer_id for buyer_id in session.scalars(found) if buyer_id is not None}


# --- what keeps a buyer from being erased, and what is theirs ---------------------------------------------------

OPEN_ORDERS = (OrderStatus.PLACED, OrderStatus.ON_HOLD, OrderStatus.CONFIRMED)
OPEN_REFUNDS = (RefundStatus.REQUESTED, RefundStatus.APPROVED, RefundStatus.PROCESSING)
OPEN_RETURNS = (ReturnStatus.REQUESTED, ReturnStatus.RECEIVED)


class OpenMatter(Contract):
    """Something of a buyer that is not over: an order to be delivered, a refund or a return under way."""

    kind: Literal["order", "refund", "return"]
    id: str
    number: str
    status: str


class BuyerOrderIds(Contract):
    """The ids of everything a buyer ordered, and what came with it."""

    order_ids: tuple[str, ...]
    run_ids: tuple[str, ...]
    refund_ids: tuple[str, ...]
    attributes: tuple[dict[str, str], ...]


def open_matters(session: Session, business: str, buyer_id: str) -> tuple[OpenMatter, ...]:
    """What of the buyer's is not over, oldest first. Orders taken over from elsewhere are over."""
    theirs = (OrderRow.business == business, OrderRow.buyer_id == buyer_id)
    orders = select(OrderRow.id, OrderRow.number, OrderRow.status).where(
        *theirs, OrderRow.origin != "import", OrderRow.status.in_([status.value for status in OPEN_ORDERS])
    )
    refunds = (
        select(RefundRow.id, RefundRow.number, RefundRow.status)
        .join(OrderRow, OrderRow.id == RefundRow.order_id)
        .where(*theirs, RefundRow.status.in_([status.value for status in OPEN_REFUNDS]))
    )
    returns = (
        select(ReturnRow.id, ReturnRow.number, ReturnRow.status)
        .join(OrderRow, OrderRow.id == ReturnRow.order_id)
        .where(*theirs, ReturnRow.status.in_([status.value for status in OPEN_RETURNS]))
    )
    kinds: tuple[tuple[Literal["order", "refund", "return"], Any], ...] = (
        ("order", orders.order_by(OrderRow.placed_at)),
        ("refund", refunds.order_by(RefundRow.requested_at)),
        ("return", returns.order_by(ReturnRow.requested_at)),
    )
    return tuple(
        OpenMatter(kind=kind, id=row.id, number=row.number, status=row.status)
        for kind, found in kinds
        for row in session.execute(found)
    )


def orders_with_refunds(session: Session, business: str, buyer_id: str) -> BuyerOrderIds:
    """The ids of everything the buyer ordered, drafts included."""
    orders = session.execute(
        select(OrderRow.id, OrderRow.run_id, OrderRow.attributes, OrderRow.draft)
        .where(OrderRow.business == business, OrderRow.buyer_id == buyer_id)
        .order_by(OrderRow.id)
    ).all()
    refunds = session.scalars(
        select(RefundRow.id)
        .join(OrderRow, OrderRow.id == RefundRow.order_id)
        .where(OrderRow.business == business, OrderRow.buyer_id == buyer_id)
        .order_by(RefundRow.id)
    ).all()
    drafts = [(order.draft or {}).get("attributes", {}) for order in orders]
    return BuyerOrderIds(
        order_ids=tuple(order.id for order in orders),
        run_ids=tuple(order.run_id for order in orders),
        refund_ids=tuple(refunds),
        attributes=tuple(given for given in (*(order.attributes for order in orders), *drafts) if given),
    )
