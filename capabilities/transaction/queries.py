"""Reads of transactions: offers, orders, reservations. Lists page by keyset, so page 1,000 costs what page 1 does."""

# ruff: noqa: PLC0414 - one place to read from, in three files; this is how a name is handed on
from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, exists, func, literal, or_, select, tuple_
from sqlalchemy.orm import Session

from capabilities.kernel.business import Business
from capabilities.kernel.cursor import read_cursor, read_moment, write_cursor
from capabilities.kernel.database import kept
from capabilities.kernel.errors import MissingError
from capabilities.transaction.contract import (
    SOLD,
    OfferKind,
    Order,
    OrderFilters,
    OrderLine,
    OrderPage,
    OrderStatus,
    OrderSummary,
    OrderTotals,
    Reservation,
    ReservationStatus,
    StatusChange,
)
from capabilities.transaction.models import OrderChangeRow, OrderLineRow, OrderRow, ReservationRow
from capabilities.transaction.offer_queries import categories_of as categories_of
from capabilities.transaction.offer_queries import list_offers as list_offers
from capabilities.transaction.offer_queries import offers_of as offers_of
from capabilities.transaction.offer_queries import offers_seen as offers_seen
from capabilities.transaction.offer_queries import resolve_checkout as resolve_checkout
from capabilities.transaction.offer_queries import seller_names as seller_names
from capabilities.transaction.paging import page_size
from capabilities.transaction.refund_queries import find_refund as find_refund
from capabilities.transaction.refund_queries import refund_history_of as refund_history_of
from capabilities.transaction.refund_queries import refund_of as refund_of
from capabilities.transaction.refund_queries import refunds_of as refunds_of
from capabilities.transaction.refund_queries import refunds_page as refunds_page

ORDERS = "transaction.orders"
ORDER = select(OrderRow).where(OrderRow.id == bindparam("order_id")).execution_options(populate_existing=True)
LINES = select(OrderLineRow).where(OrderLineRow.order_id == bindparam("order_id")).order_by(OrderLineRow.position)


# --- orders -----------------------------------------------------------------------------------------------------


def find_order(session: Session, order_id: str, *, business: str | None = None) -> Order | None:
    """The order with its lines, as it stands now; None where there is none, or not for `business` when one is named."""
    row = session.scalars(ORDER, {"order_id": order_id}).one_or_none()
    if row is None or (business is not None and row.business != business):
        return None
    found = order_from(row, _lines_of(session, order_id))
    keep_order(session, found)
    return found


def keep_order(session: Session, order: Order) -> None:
    """What this transaction has read, opened or changed: its later steps take it from here."""
    kept(session, ORDERS)[order.id] = order


def _lines_of(session: Session, order_id: str) -> tuple[OrderLine, ...]:
    """Lines of an order that was placed never change: they are read once a transaction."""
    known: Order | None = kept(session, ORDERS).get(order_id)
    if known is not None:
        return known.lines
    return tuple(map(line_from, session.scalars(LINES, {"order_id": order_id})))


def order_of(session: Session, order_id: str, *, business: str | None = None) -> Order:
    """The order as this transaction knows it, read where it does not; whoever moves its status checks the status then.

    `MissingError` where there is none, or not for `business` when one is named.
    """
    found: Order | None = kept(session, ORDERS).get(order_id) or find_order(session, order_id, business=business)
    if found is None or (business is not None and found.business != business):
        raise MissingError("transaction.order_unknown", f"There is no order {order_id!r}.", order_id=order_id)
    return found


def orders_page(session: Session, filters: OrderFilters, cursor: str | None = None, *, limit: int = 50) -> OrderPage:
    """Orders, newest first, that pass every filter."""
    found = select(OrderRow).where(OrderRow.business == filters.business, *_conditions(filters))
    if cursor is not None:
        at, order_id = read_cursor(cursor, 2)
        found = found.where(tuple_(OrderRow.placed_at, OrderRow.id) < tuple_(read_moment(at), order_id))
    size = page_size(limit)
    rows = session.scalars(found.order_by(OrderRow.placed_at.desc(), OrderRow.id.desc()).limit(size + 1)).all()
    more = len(rows) > size
    last = rows[size - 1] if more else None
    return OrderPage(
        orders=tuple(map(_summary_from, rows[:size])),
        next_cursor=None if last is None else write_cursor(last.placed_at.isoformat(), last.id),
    )


def count_orders(session: Session, filters: OrderFilters, *, at_most: int = 10_000) -> int:
    """How many orders pass, counted up to `at_most`."""
    some = select(OrderRow.id).where(OrderRow.business == filters.business, *_conditions(filters)).limit(at_most)
    return session.scalar(select(func.count()).select_from(some.subquery())) or 0


def order_totals(session: Session, business: str, placed_from: datetime, placed_until: datetime) -> OrderTotals:
    """The confirmed orders (whatever came back since) placed from one moment until (without) another.

    All are counted; amounts are of those in the currency of the business, since two currencies are never added.
    """
    own = OrderRow.currency == select(Business.currency).where(Business.business == business).scalar_subquery()
    count, discount, total = session.execute(
        select(
            func.count(), func.sum(OrderRow.discount_minor).filter(own), func.sum(OrderRow.total_minor).filter(own)
        ).where(
            OrderRow.business == business,
            OrderRow.status.in_([status.value for status in SOLD]),
            OrderRow.placed_at >= placed_from,
            OrderRow.placed_at < placed_until,
        )
    ).one()
    return OrderTotals(orders=count, discount_minor=int(discount or 0), total_minor=int(total or 0))


def _conditions(filters: OrderFilters) -> list[Any]:
    line_of_order = OrderLineRow.order_id == OrderRow.id
    conditions: list[Any] = []
    if filters.statuses:
        conditions.append(OrderRow.status.in_([status.value for status in filters.statuses]))
    if filters.buyer_id is not None:
        conditions.append(OrderRow.buyer_id == filters.buyer_id)
    if filters.number is not None:
        conditions.append(func.upper(OrderRow.number) == filters.number.strip().upper())
    if filters.placed_from is not None:
        conditions.append(OrderRow.placed_at >= filters.placed_from)
    if filters.placed_until is not None:
        conditions.append(OrderRow.placed_at < filters.placed_until)
    if filters.origin is not None:
        conditions.append(OrderRow.origin == filters.origin)
    if filters.tag is not None:
        conditions += [OrderRow.tags.contains([filters.tag]), OrderRow.tags != literal([], OrderRow.tags.type)]
    if filters.sku is not None:
        conditions.append(
            exists().where(line_of_order, OrderLineRow.business == OrderRow.business, OrderLineRow.sku == filters.sku)
        )
    text = (filters.text or "").replace("\x00", "").strip()
    if text:
        conditions.append(_text_condition(text))
    return conditions


def _text_condition(text: str) -> Any:
    places = (OrderLineRow.sku, OrderLineRow.name_en, OrderLineRow.name_zh)
    in_a_line = exists().where(
        OrderLineRow.order_id == OrderRow.id, or_(*(place.icontains(text, autoescape=True) for place in places))
    )
    return or_(
        OrderRow.id == text, OrderRow.buyer_id == text, OrderRow.number.icontains(text, autoescape=True), in_a_line
    )


def history_of(session: Session, order_id: str) -> list[StatusChange]:
    """The order's changes of status, oldest first."""
    rows = session.scalars(
        select(OrderChangeRow).where(OrderChangeRow.order_id == order_id).order_by(OrderChangeRow.sequence)
    )
    return [
        StatusChange(
            from_status=None if row.from_status is None else OrderStatus(row.from_status),
            to_status=OrderStatus(row.to_status),
            reason=row.reason,
            at=row.at,
        )
        for row in rows
    ]


def reservations_of(session: Session, order_id: str) -> list[Reservation]:
    """The order's reservations by sku."""
    rows = session.scalars(
        select(ReservationRow)
        .where(ReservationRow.order_id == order_id)
        .order_by(ReservationRow.sku)
        .execution_options(populate_existing=True)
    )
    return [
        Reservation(
            id=row.id,
            order_id=row.order_id,
            sku=row.sku,
            quantity=row.quantity,
            status=ReservationStatus(row.status),
            expires_at=row.expires_at,
        )
        for row in rows
    ]


def order_from(row: OrderRow, lines: tuple[OrderLine, ...]) -> Order:
    """The contract form of an order."""
    computed = {"status", "origin", "lines"}
    return Order(
        **{name: getattr(row, name) for name in Order.model_fields if name not in computed},
        status=OrderStatus(row.status),
        origin="import" if row.origin == "import" else "checkout",
        lines=lines,
    )


def line_from(row: OrderLineRow) -> OrderLine:
    """The contract form of a line."""
    return OrderLine(
        **{name: getattr(row, name) for name in OrderLine.model_fields if name != "kind"}, kind=OfferKind(row.kind)
    )


def _summary_from(row: OrderRow) -> OrderSummary:
    return OrderSummary(
        id=row.id,
        business=row.business,
        number=row.number,
        buyer_id=row.buyer_id,
        status=OrderStatus(row.status),
        status_reason=row.status_reason,
        currency=row.currency,
        discount_minor=row.discount_minor,
        total_minor=row.total_minor,
        piece_count=row.piece_count,
        origin="import" if row.origin == "import" else "checkout",
        placed_at=row.placed_at,
    )
