"""Rows of orders and their lines, as an order is opened, imported, or kept as a draft."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.database import table_of
from capabilities.kernel.errors import ConflictError, RefusedError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.transaction.contract import Offer, OfferKind, OpenOrder, OpenOrderLine, Order, OrderStatus
from capabilities.transaction.extensions import most_units, order_number
from capabilities.transaction.models import OrderLineRow, OrderRow
from capabilities.transaction.queries import line_from, order_from
from capabilities.transaction.states import INSERT_CHANGES

# made once, and past the mapper: every checkout needs them
NEXT_NUMBERS = text("SELECT nextval(pg_get_serial_sequence('sales_order', 'sequence')) FROM generate_series(1, :count)")
INSERT_ORDERS, INSERT_LINES = (insert(table_of(row)) for row in (OrderRow, OrderLineRow))


def require_offers(request: OpenOrder, offers: Mapping[str, Offer]) -> None:
    gone = [line.sku for line in request.lines if line.sku not in offers and line.kind is not OfferKind.FEE]
    if gone:
        raise ConflictError(
            "transaction.offer_gone",
            f"{', '.join(gone)} is no longer offered.",
            mend="Ask for a new quote.",
            skus=gone,
        )


def require_few_enough(request: OpenOrder, offers: Mapping[str, Offer]) -> None:
    pieces: Counter[str] = Counter()
    for line in request.lines:
        if line.kind is not OfferKind.FEE:
            pieces[line.sku] += line.quantity
    require_few_pieces(BusinessIdentity(request.business, request.scenario), pieces, offers)


def require_few_pieces(identity: BusinessIdentity, pieces: Mapping[str, int], offers: Mapping[str, Offer]) -> None:
    """Refuse more pieces of a sku than one order of this line of business may take."""
    limit_of = most_units.for_identity(identity)
    for sku, asked in sorted(pieces.items()):
        most = limit_of(offers[sku])
        if most is not None and asked > most:
            raise RefusedError(
                "transaction.quantity_over_limit",
                f"One order may take at most {most} of {sku}; {asked} were asked.",
                mend=f"Order {most} or fewer, or several times.",
                sku=sku,
                asked=asked,
                most=most,
            )


def insert_orders(
    session: Session,
    placed: Sequence[tuple[str, OpenOrder, datetime, OrderStatus]],
    offers: Mapping[str, Offer],
    *,
    origin: str = "checkout",
) -> list[Order]:
    sequences = session.scalars(NEXT_NUMBERS, {"count": len(placed)}).all()
    orders = [
        order_values(order_id, request, at, status, sequence, offers) | {"origin": origin}
        for (order_id, request, at, status), sequence in zip(placed, sequences, strict=True)
    ]
    lines = [line_values(order_id, request, offers) for order_id, request, _, _ in placed]
    session.execute(INSERT_ORDERS, orders)
    session.execute(INSERT_LINES, [line for of_order in lines for line in of_order])
    session.execute(
        INSERT_CHANGES,
        [
            {
                "business": request.business,
                "order_id": order_id,
                "from_status": None,
                "to_status": status.value,
                "reason": None,
                "at": at,
            }
            for order_id, request, at, status in placed
        ],
    )
    return [
        order_from(OrderRow(**order), tuple(line_from(OrderLineRow(**line)) for line in of_order))
        for order, of_order in zip(orders, lines, strict=True)
    ]


def order_values(
    order_id: str,
    request: OpenOrder,
    at: datetime,
    status: OrderStatus,
    sequence: int,
    offers: Mapping[str, Offer],
) -> dict[str, Any]:
    number = order_number.for_identity(BusinessIdentity(request.business, request.scenario))
    return request.model_dump(exclude={"lines", "placed_at", "draft_id"}) | {
        "id": order_id,
        "sequence": sequence,
        "number": number(request.business, sequence, at),
        "status": status.value,
        "status_reason": None,
        "piece_count": sum(
            line.quantity
            for line in request.lines
            if line.kind is not OfferKind.FEE and offers[line.sku].kind is OfferKind.GOODS
        ),
        "payment_id": None,
        "placed_at": at,
        "confirmed_at": at if status is OrderStatus.CONFIRMED else None,
    }


def line_values(order_id: str, request: OpenOrder, offers: Mapping[str, Offer]) -> list[dict[str, Any]]:
    return [
        line.model_dump()
        | {
            "business": request.business,
            "order_id": order_id,
            "position": position,
            **about_line(line, offers),
        }
        for position, line in enumerate(request.lines)
    ]


def about_line(line: OpenOrderLine, offers: Mapping[str, Offer]) -> dict[str, str]:
    """Kind, names, seller and category as they are now; a fee is no offer of anybody."""
    if line.kind is OfferKind.FEE:
        return {"kind": OfferKind.FEE.value, "name_en": "Fee", "name_zh": "附加费", "seller_id": "", "category": ""}
    offer = offers[line.sku]
    return {"kind": offer.kind.value} | {
        name: getattr(offer, name) for name in ("name_en", "name_zh", "seller_id", "category")
    }
