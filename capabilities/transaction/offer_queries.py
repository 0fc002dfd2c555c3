"""Reads of what is sold: offers by sku, in pages, and those that a checkout names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sqlalchemy import BindParameter, Row, Select, bindparam, or_, select, tuple_
from sqlalchemy.orm import Session

from capabilities.kernel.cursor import read_cursor, write_cursor
from capabilities.kernel.database import kept
from capabilities.kernel.errors import InvalidError
from capabilities.kernel.money import MAX_MINOR
from capabilities.transaction.contract import (
    CheckoutRequest,
    Offer,
    OfferKind,
    OfferPage,
    ResolvedCheckout,
    ResolvedLine,
)
from capabilities.transaction.models import OfferRow, SellerRow, StockRow
from capabilities.transaction.paging import page_size

OFFERS = "transaction.offers"


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
    size = page_size(limit)
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
        attributes=offer.attributes,
        currency=offer.currency,
        unit_price_minor=offer.unit_price_minor,
        list_price_minor=offer.list_price_minor,
        floor_price_minor=offer.floor_price_minor,
        tax_rate_bps=offer.tax_rate_bps,
        weight_g=offer.weight_g,
        available_units=(row.available or 0) if offer.has_stock else None,
    )


# --- what a checkout names --------------------------------------------------------------------------------------


def resolve_checkout(
    session: Session, request: CheckoutRequest, reprice: Callable[[dict[str, Offer]], dict[str, Offer]] | None = None
) -> ResolvedCheckout:
    """The offers a checkout names. `InvalidError` lists *all* unknown skus, wrong kinds or wrong currencies at once.

    `reprice` gives offers other prices than their own, also in another currency, before it is asked which one they have.
    """
    skus = [line.sku for line in request.lines]
    named = skus if request.delivery_sku is None else [*skus, request.delivery_sku]
    offers = offers_of(session, request.business, named)
    kept(session, OFFERS).setdefault(request.business, {}).update(offers)
    _require_known(request, offers)
    _require_kinds(request, offers)
    offers = offers if reprice is None else reprice(offers)
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
