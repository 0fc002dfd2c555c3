"""Writes of transactions: offers are declared, orders opened, held, confirmed, closed. Nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, InvalidError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.ids import derived_id
from capabilities.transaction.contract import (
    SOLD,
    CloseOrder,
    ConfirmOrder,
    DeclareOffer,
    DeclareSeller,
    ImportOrder,
    OpenOrder,
    Order,
    OrderStatus,
)
from capabilities.transaction.drafts import place_draft
from capabilities.transaction.extensions import reservation_minutes, review_hours
from capabilities.transaction.models import OfferRow, OrderRow, SellerRow, StockRow
from capabilities.transaction.offer_prices import record_first_prices, record_offer_price
from capabilities.transaction.order_rows import insert_orders, require_few_enough, require_offers
from capabilities.transaction.queries import (
    find_order,
    keep_order,
    offers_of,
    offers_seen,
    order_of,
)
from capabilities.transaction.states import CLOSABLE, move_order
from capabilities.transaction.stock import (
    commit_stock,
    expire_reservations,
    extend_holds,
    has_expired,
    hold_stock,
    release_stock,
    secure_stock,
)

__all__ = [
    "close_order",
    "commit_stock",
    "confirm_order",
    "declare_new_offers",
    "declare_offer",
    "declare_seller",
    "expire_reservations",
    "hold_stock",
    "import_order",
    "import_orders",
    "open_order",
    "payment_ends_at",
    "put_on_hold",
    "receive_stock",
    "release_stock",
    "review_ends_at",
    "secure_stock",
    "take_off_hold",
]

# --- what is sold -----------------------------------------------------------------------------------------------


def declare_seller(session: Session, request: DeclareSeller) -> None:
    """Enter a seller, or rename one."""
    names = {"name_en": request.name_en, "name_zh": request.name_zh}
    session.execute(
        insert(SellerRow)
        .values(business=request.business, id=request.id, **names)
        .on_conflict_do_update(index_elements=[SellerRow.business, SellerRow.id], set_=names)
    )


def declare_offer(session: Session, request: DeclareOffer) -> None:
    """Enter an offer, or change one. Stock is set only when the offer is new: pieces of a known one come and go."""
    if request.floor_price_minor > request.unit_price_minor:
        raise InvalidError(
            "transaction.floor_above_price",
            f"The floor price of {request.sku} lies above its price.",
            field="floor_price_minor",
        )
    has_stock = request.on_hand_units is not None
    about = request.model_dump(mode="json", exclude={"business", "sku", "on_hand_units"}) | {"has_stock": has_stock}
    session.execute(
        insert(OfferRow)
        .values(business=request.business, sku=request.sku, **about)
        .on_conflict_do_update(index_elements=[OfferRow.business, OfferRow.sku], set_=about)
    )
    record_offer_price(session, request.business, request.sku, request.currency, request.unit_price_minor)
    if has_stock:
        session.execute(
            insert(StockRow)
            .values(business=request.business, sku=request.sku, on_hand=request.on_hand_units, reserved=0)
            .on_conflict_do_nothing()
        )


def declare_new_offers(session: Session, requests: Sequence[DeclareOffer]) -> int:
    """Enter those of many offers that are not there yet, in few statements; returns how many they were."""
    rows = [
        request.model_dump(mode="json", exclude={"on_hand_units"}) | {"has_stock": request.on_hand_units is not None}
        for request in requests
    ]
    if not rows:
        return 0
    entered = insert(OfferRow).values(rows).on_conflict_do_nothing().returning(OfferRow.business, OfferRow.sku)
    new = {(business, sku) for business, sku in session.execute(entered)}
    added = [request for request in requests if (request.business, request.sku) in new]
    record_first_prices(session, added)
    stocks = [
        {"business": request.business, "sku": request.sku, "on_hand": request.on_hand_units, "reserved": 0}
        for request in added
        if request.on_hand_units is not None
    ]
    if stocks:
        session.execute(insert(StockRow).values(stocks).on_conflict_do_nothing())
    return len(added)


def receive_stock(session: Session, business: str, sku: str, pieces: int) -> int:
    """Pieces come in (or, negative, are written off); returns what is on hand. Never below what is reserved."""
    on_hand = session.scalar(
        update(StockRow)
        .where(StockRow.business == business, StockRow.sku == sku, StockRow.on_hand + pieces >= StockRow.reserved)
        .values(on_hand=StockRow.on_hand + pieces)
        .returning(StockRow.on_hand)
        .execution_options(synchronize_session=False)
    )
    if on_hand is None:
        raise ConflictError(
            "transaction.stock_short",
            f"There is no stock of {sku} that {pieces} pieces could be taken from.",
            sku=sku,
            asked=-pieces,
        )
    return on_hand


# --- orders -----------------------------------------------------------------------------------------------------


def open_order(session: Session, request: OpenOrder) -> Order:
    """Place an order as priced. The id comes from the run, so the same run finds its order instead of a second one."""
    if request.draft_id is not None:
        return place_draft(session, request)
    order_id = derived_id("ord", request.run_id)
    known = find_order(session, order_id)
    if known is not None:
        return known
    offers = offers_seen(session, request.business, [line.sku for line in request.lines])
    require_offers(request, offers)
    require_few_enough(request, offers)
    (order,) = insert_orders(session, [(order_id, request, now(), OrderStatus.PLACED)], offers)
    keep_order(session, order)
    return order


def confirm_order(session: Session, request: ConfirmOrder) -> tuple[Order, bool]:
    """Confirm a placed order; True with it where this call did it. Confirming again with the same payment is no change."""
    order = order_of(session, request.order_id)
    if order.status in SOLD and order.payment_id == request.payment_id:
        return order, False
    done = {"payment_id": request.payment_id, "confirmed_at": now()}
    return move_order(session, order, OrderStatus.CONFIRMED, None, **done), True


def close_order(session: Session, request: CloseOrder) -> Order | None:
    """End an order that will not be confirmed and give back what it holds. Nothing to close, or closed: no change."""
    session.execute(select(OrderRow.id).where(OrderRow.id == request.order_id).with_for_update())
    order = find_order(session, request.order_id)
    if order is None or order.status not in CLOSABLE:
        return order
    release_stock(session, order.id)
    if request.is_cancelled:
        status = OrderStatus.CANCELLED
    else:
        status = OrderStatus.EXPIRED if has_expired(session, order.id) else OrderStatus.REFUSED
    return move_order(session, order, status, request.reason)


def put_on_hold(session: Session, order_id: str, reason: str) -> Order:
    """Hold an order for a person to look at; its stock stays held for as long as that may take."""
    order = order_of(session, order_id)
    if order.status is not OrderStatus.ON_HOLD:
        order = move_order(session, order, OrderStatus.ON_HOLD, reason)
        extend_holds(session, order.id, review_ends_at(order))
    return order


def take_off_hold(session: Session, order_id: str) -> Order:
    """Let a held order go on; from now its stock is held as long as that of any order."""
    order = order_of(session, order_id)
    if order.status is not OrderStatus.PLACED:
        order = move_order(session, order, OrderStatus.PLACED, None)
        extend_holds(session, order.id, payment_ends_at(order))
    return order


def review_ends_at(order: Order) -> datetime:
    """Until when what the order claims is kept while a person looks at it, counted from now."""
    return now() + timedelta(hours=review_hours.for_identity(BusinessIdentity(order.business, order.scenario))())


def payment_ends_at(order: Order) -> datetime:
    """Until when what the order claims is kept for its payment, counted from now."""
    identity = BusinessIdentity(order.business, order.scenario)
    return now() + timedelta(minutes=reservation_minutes.for_identity(identity)())


def import_order(session: Session, request: ImportOrder) -> str:
    """Enter an order of the past; returns its id. The same order again changes nothing."""
    return import_orders(session, [request])[0]


def import_orders(session: Session, requests: Sequence[ImportOrder]) -> list[str]:
    """Enter orders of the past, all of one business, in three statements; returns their ids."""
    ids = [derived_id("ord", "import", request.business, request.run_id) for request in requests]
    known = set(session.scalars(select(OrderRow.id).where(OrderRow.id.in_(ids))))
    fresh = {key: request for key, request in zip(ids, requests, strict=True) if key not in known}
    if fresh:
        skus = {line.sku for request in fresh.values() for line in request.lines}
        offers = offers_of(session, requests[0].business, skus)
        for request in fresh.values():
            require_offers(request, offers)
        placed = [(key, request, request.placed_at, OrderStatus.CONFIRMED) for key, request in fresh.items()]
        insert_orders(session, placed, offers, origin="import")
    return ids
