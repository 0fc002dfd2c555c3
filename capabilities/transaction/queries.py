"""Reads of transactions: offers, orders, reservations. Lists page by keyset, so page 1,000 costs what page 1 does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Row, Select, bindparam, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session

from capabilities.kernel.cursor import read_cursor, read_moment, write_cursor
from capabilities.kernel.database import kept
from capabilities.kernel.errors import InvalidError, MissingError
from capabilities.kernel.money import MAX_MINOR
from capabilities.transaction.contract import (
    CheckoutRequest,
    Offer,
    OfferKind,
    OfferPage,
    Order,
    OrderFilters,
    OrderLine,
    OrderPage,
    OrderStatus,
    OrderSummary,
    OrderTotals,
    Reservation,
    ReservationStatus,
    ResolvedCheckout,
    ResolvedLine,
    StatusChange,
)
from capabilities.transaction.models import (
    OfferRow,
    OrderChangeRow,
    OrderLineRow,
    OrderRow,
    ReservationRow,
    SellerRow,
    StockRow,
)

MAX_PAGE = 200
ORDERS, OFFERS = "transaction.orders", "transaction.offers"
ORDER = select(OrderRow).where(OrderRow.id == bindparam("order_id")).execution_options(populate_existing=True)
LINES = select(OrderLineRow).where(OrderLineRow.order_id == bindparam("order_id")).order_by(OrderLineRow.position)


# --- offers -----------------------------------------------------------------------------------------------------


def offers_of(session: Session, business: str, skus: Iterable[str]) -> dict[str, Offer]:
    """The offers of these skus, by sku; unknown ones are simply absent."""
    found = session.execute(OFFERS_NAMED, {"business": business, "skus": sorted(set(skus))})
    return {row.OfferRow.sku: _offer_from(row) for row in found}


def offers_seen(session: Session, business: str, skus: Iterable[str]) -> dict[str, Offer]:
    """As `offers_of`, as this transaction saw them when it resolved the checkout; stock may have moved since."""
    wanted = set(skus)
    seen: dict[str, Offer] = kept(session, OFFERS).get(business, {})
    return {sku: seen[sku] for sku in wanted} if wanted <= seen.keys() else offers_of(session, business, wanted)


def list_offers(
    session: Session,
    business: str,
    *,
    category: str | None = None,
    search: str | None = None,
    kind: OfferKind | None = None,
    after: str | None = None,
    limit: int = 50,
) -> OfferPage:
    """Offers by category and sku. `category` includes everything below it; `search` looks in names, brand and sku."""
    found = _offers(business).order_by(OfferRow.category, OfferRow.sku)
    if kind is not None:
        found = found.where(OfferRow.kind == kind.value)
    if category:
        found = found.where(
            or_(OfferRow.category == category, OfferRow.category.startswith(f"{category}/", autoescape=True))
        )
    if search:
        places = (OfferRow.name_en, OfferRow.name_zh, OfferRow.brand, OfferRow.sku)
        found = found.where(or_(*(place.icontains(search, autoescape=True) for place in places)))
    if after is not None:
        found = found.where(tuple_(OfferRow.category, OfferRow.sku) > tuple_(*read_cursor(after, 2)))
    size = _page_size(limit)
    rows = session.execute(found.limit(size + 1)).all()
    offers = tuple(_offer_from(row) for row in rows[:size])
    more = len(rows) > size
    return OfferPage(offers=offers, next_cursor=write_cursor(offers[-1].category, offers[-1].sku) if more else None)


def categories_of(session: Session, business: str) -> list[str]:
    """The categories goods are offered in, in order."""
    found = select(OfferRow.category).where(OfferRow.business == business, OfferRow.kind == OfferKind.GOODS.value)
    return list(session.scalars(found.distinct().order_by(OfferRow.category)))


def seller_names(session: Session, business: str) -> dict[str, tuple[str, str]]:
    """Names of the sellers in English and Chinese, by id."""
    rows = session.execute(select(SellerRow).where(SellerRow.business == business)).scalars()
    return {row.id: (row.name_en, row.name_zh) for row in rows}


def _offers(business: str | BindParameter[str]) -> Select[OfferRow, int]:
    available = (StockRow.on_hand - StockRow.reserved).label("available")
    at_stock = (StockRow.business == OfferRow.business) & (StockRow.sku == OfferRow.sku)
    return select(OfferRow, available).outerjoin(StockRow, at_stock).where(OfferRow.business == business)


OFFERS_NAMED = _offers(bindparam("business")).where(OfferRow.sku.in_(bindparam("skus", expanding=True)))


def _offer_from(row: Row[OfferRow, int]) -> Offer:
    offer: OfferRow = row.OfferRow
    return Offer(
        business=offer.business,
        sku=offer.sku,
        kind=OfferKind(offer.kind),
        name_en=offer.name_en,
        name_zh=offer.name_zh,
        description_en=offer.description_en,
        description_zh=offer.description_zh,
        product=offer.product,
        category=offer.category,
        brand=offer.brand,
        seller_id=offer.seller_id,
        tags=tuple(offer.tags),
        currency=offer.currency,
        unit_price_minor=offer.unit_price_minor,
        list_price_minor=offer.list_price_minor,
        floor_price_minor=offer.floor_price_minor,
        tax_rate_bps=offer.tax_rate_bps,
        weight_g=offer.weight_g,
        available_units=(row.available or 0) if offer.has_stock else None,
    )


# --- what a checkout names --------------------------------------------------------------------------------------


def resolve_checkout(session: Session, request: CheckoutRequest) -> ResolvedCheckout:
    """The offers a checkout names. `InvalidError` lists *all* unknown skus, wrong kinds or wrong currencies at once."""
    skus = [line.sku for line in request.lines]
    named = skus if request.delivery_sku is None else [*skus, request.delivery_sku]
    offers = offers_of(session, request.business, named)
    kept(session, OFFERS).setdefault(request.business, {}).update(offers)
    _require_known(request, offers)
    _require_kinds(request, offers)
    _require_currency(request, offers)
    worth = sum(offers[line.sku].unit_price_minor * line.quantity for line in request.lines)
    if worth > MAX_MINOR:
        raise InvalidError(
            "transaction.total_too_large", "The order is worth more than one order may be.", mend="Order fewer pieces."
        )
    return ResolvedCheckout(
        lines=tuple(
            ResolvedLine(line_id=f"l{number}", quantity=line.quantity, offer=offers[line.sku])
            for number, line in enumerate(request.lines, start=1)
        ),
        delivery=None if request.delivery_sku is None else offers[request.delivery_sku],
    )


def _require_known(request: CheckoutRequest, offers: Mapping[str, Offer]) -> None:
    unknown = [
        {"line": number, "sku": line.sku} for number, line in enumerate(request.lines, 1) if line.sku not in offers
    ]
    delivery = request.delivery_sku
    if delivery is not None and delivery not in offers:
        unknown.append({"line": "delivery", "sku": delivery})
    if unknown:
        names = ", ".join(dict.fromkeys(str(entry["sku"]) for entry in unknown))
        raise InvalidError(
            "transaction.sku_unknown",
            f"{request.business} does not sell {names}.",
            mend="Take skus from GET /api/v1/offers.",
            field="lines" if unknown[0]["line"] != "delivery" else "delivery_sku",
            unknown=unknown,
        )


def _require_kinds(request: CheckoutRequest, offers: Mapping[str, Offer]) -> None:
    wrong = [line.sku for line in request.lines if offers[line.sku].kind is not OfferKind.GOODS]
    if wrong:
        raise InvalidError(
            "transaction.kind_wrong",
            f"{', '.join(dict.fromkeys(wrong))} is a delivery, not something to put into the cart.",
            mend="Name it in delivery_sku.",
            field="lines",
            skus=wrong,
        )
    if request.delivery_sku is not None and offers[request.delivery_sku].kind is not OfferKind.DELIVERY:
        raise InvalidError(
            "transaction.kind_wrong",
            f"{request.delivery_sku} is not a delivery.",
            mend="Take a delivery from GET /api/v1/offers?kind=delivery.",
            field="delivery_sku",
            skus=[request.delivery_sku],
        )


def _require_currency(request: CheckoutRequest, offers: Mapping[str, Offer]) -> None:
    wrong = sorted(offer.sku for offer in offers.values() if offer.currency != request.currency)
    if wrong:
        sold_in = offers[wrong[0]].currency
        raise InvalidError(
            "transaction.currency_wrong",
            f"{', '.join(wrong)} is sold in {sold_in}, not in {request.currency}.",
            mend=f"Ask in {sold_in}.",
            field="currency",
            skus=wrong,
            currency=sold_in,
        )


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
    """Lines never change once they are written: those of an order are read once a transaction."""
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
    size = _page_size(limit)
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
    """The confirmed orders placed from one moment until (without) another, in the one currency of the business."""
    count, discount, total = session.execute(
        select(func.count(), func.sum(OrderRow.discount_minor), func.sum(OrderRow.total_minor)).where(
            OrderRow.business == business,
            OrderRow.status == OrderStatus.CONFIRMED.value,
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


def _page_size(limit: int) -> int:
    return max(1, min(limit, MAX_PAGE))
