"""What a buyer has ordered, summed up: what tiers, segments and the page of a customer are made of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from capabilities.transaction.after_sale import RefundStatus
from capabilities.transaction.after_sale_models import RefundRow
from capabilities.transaction.contract import Contract
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
