"""One checkout over several sellers: each seller's part of the order, amount by amount and source by source.

An order of one seller is that seller's order: no row is written for it, and it is computed when asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.ids import derived_id
from capabilities.kernel.money import split_minor
from capabilities.transaction.after_sale import SellerOrder, SourceShare
from capabilities.transaction.after_sale_models import SellerOrderRow
from capabilities.transaction.contract import OfferKind, Order, OrderLine
from capabilities.transaction.unit_queries import fulfilment_status, units_of

COMPUTED = {"fulfilment", "sources"}


def sellers_of(order: Order) -> list[str]:
    """Whose goods the order is made of, in the order of its lines."""
    return list(dict.fromkeys(line.seller_id for line in order.lines if line.kind is OfferKind.GOODS))


def split_over_sellers(order: Order, sources: Sequence[SourceShare] = ()) -> tuple[SellerOrder, ...]:
    """Each seller's part: own goods, and of deliveries, fees and sources a share in proportion to the goods' totals.

    Pure. Every column adds up to the order's, and what each source pays adds up over sellers.
    """
    sellers = sellers_of(order)
    if not sellers:
        return ()
    amounts = {seller: dict.fromkeys(("goods", "discount", "delivery", "fee", "tax", "net"), 0) for seller in sellers}
    for line in order.lines:
        if line.kind is OfferKind.GOODS:
            _add(amounts[line.seller_id], "goods", line.net_minor, line.discount_minor, line.tax_minor)
    weights = [
        amounts[seller]["net"] + (0 if order.prices_include_tax else amounts[seller]["tax"]) for seller in sellers
    ]
    for line in order.lines:
        if line.kind is not OfferKind.GOODS:
            column = "delivery" if line.kind is OfferKind.DELIVERY else "fee"
            for seller, parts in zip(sellers, _shares(line, weights), strict=True):
                _add(amounts[seller], column, *parts)
    totals = [
        amounts[seller]["net"] + (0 if order.prices_include_tax else amounts[seller]["tax"]) for seller in sellers
    ]
    paid = _paid_by(totals, sources)
    units = fulfilment_status(())
    return tuple(
        SellerOrder(
            id=derived_id("sor", order.id, seller),
            order_id=order.id,
            business=order.business,
            seller_id=seller,
            number=order.number if len(sellers) == 1 else f"{order.number}-S{place}",
            currency=order.currency,
            goods_gross_minor=amounts[seller]["goods"],
            discount_minor=amounts[seller]["discount"],
            delivery_minor=amounts[seller]["delivery"],
            fee_minor=amounts[seller]["fee"],
            tax_minor=amounts[seller]["tax"],
            total_minor=totals[place - 1],
            sources=paid[place - 1],
            fulfilment=units,
        )
        for place, seller in enumerate(sellers, 1)
    )


def save_seller_orders(session: Session, parts: Sequence[SellerOrder]) -> None:
    """Keep the parts of an order that is confirmed; a second time changes nothing."""
    if parts:
        session.execute(
            insert(SellerOrderRow).on_conflict_do_nothing(),
            [
                part.model_dump(exclude=COMPUTED)
                | {"sources": [share.model_dump(mode="json") for share in part.sources]}
                for part in parts
            ],
        )


def seller_orders_of(session: Session, order: Order) -> tuple[SellerOrder, ...]:
    """The sellers' parts of an order with how far each is handed over; of one seller, the order itself."""
    rows = session.scalars(
        select(SellerOrderRow).where(SellerOrderRow.order_id == order.id).order_by(SellerOrderRow.number)
    ).all()
    parts = [
        SellerOrder(
            **{name: getattr(row, name) for name in set(SellerOrder.model_fields) - COMPUTED},
            sources=tuple(SourceShare.model_validate(share) for share in row.sources),
            fulfilment=fulfilment_status(()),
        )
        for row in rows
    ] or split_over_sellers(order)
    units = units_of(session, order.id)
    return tuple(
        part.model_copy(update={"fulfilment": fulfilment_status(u for u in units if u.seller_id == part.seller_id)})
        for part in parts
    )


def _add(amounts: dict[str, int], column: str, net: int, discount: int, tax: int) -> None:
    amounts[column] += net + discount
    amounts["net"] += net
    amounts["discount"] += discount
    amounts["tax"] += tax


def _shares(line: OrderLine, weights: Sequence[int]) -> list[tuple[int, int, int]]:
    """Net, discount and tax of a delivery or fee for each seller."""
    parts = [split_minor(amount, weights) for amount in (line.net_minor, line.discount_minor, line.tax_minor)]
    return list(zip(*parts, strict=True))


def _paid_by(totals: Sequence[int], sources: Sequence[SourceShare]) -> list[tuple[SourceShare, ...]]:
    """Fill each seller's total from the sources in their order: what a source pays adds up over sellers, and vice versa."""
    left = list(totals)
    shares: list[list[SourceShare]] = [[] for _ in totals]
    for source in sources:
        parts = split_minor(min(source.amount_minor, sum(left)), left)
        for place, part in enumerate(parts):
            left[place] -= part
            if part:
                shares[place].append(source.model_copy(update={"amount_minor": part}))
    return [tuple(found) for found in shares]
