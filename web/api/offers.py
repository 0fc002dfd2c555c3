"""What is for sale, and to whom: offers and buyers of the key's business."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import StringConstraints

from capabilities.kernel.database import transaction
from capabilities.transaction.contract import Offer, OfferKind, OfferPage
from capabilities.transaction.queries import categories_of, list_offers, offers_of
from capabilities.user.queries import buyers_page
from web.api.access import may
from web.api.contracts import NOT_FOUND, BuyerView, BuyerViews, CategoryList, Plain
from web.api.keys import Client
from web.api.scope import missing

router = APIRouter()

SKU = re.compile(r"[A-Za-z0-9._-]{1,64}")

Words = Annotated[str, StringConstraints(max_length=100), Plain]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at once.")]
Cursor = Annotated[
    Annotated[str, StringConstraints(max_length=300), Plain] | None,
    Query(description="`next_cursor` of the page before."),
]


@router.get("/offers", tags=["offers"], summary="List offers", response_description="One page, by category and sku.")
def read_offers(
    client: Annotated[Client, Depends(may("offers.read"))],
    category: Annotated[
        Words | None, Query(description="This category and everything below it.", examples=["tea"])
    ] = None,
    search: Annotated[Words | None, Query(description="Words of the name, in either language, or a sku.")] = None,
    kind: Annotated[OfferKind | None, Query(description="Left out: goods and deliveries.")] = None,
    after: Cursor = None,
    limit: Limit = 50,
) -> OfferPage:
    """What can be bought now, deliveries included, with prices, tax and what is left."""
    with transaction() as session:
        return list_offers(
            session,
            client.business,
            category=category or None,
            search=search or None,
            kind=kind,
            after=after,
            limit=limit,
        )


@router.get("/offers/{sku}", tags=["offers"], summary="Read an offer", responses=NOT_FOUND)
def read_offer(sku: str, client: Annotated[Client, Depends(may("offers.read"))]) -> Offer:
    """One offer with its price now and what is left."""
    if not SKU.fullmatch(sku):
        raise missing(client, "offer", sku)
    with transaction() as session:
        found = offers_of(session, client.business, [sku]).get(sku)
    if found is None:
        raise missing(client, "offer", sku)
    return found


@router.get("/categories", tags=["offers"], summary="List categories")
def read_categories(client: Annotated[Client, Depends(may("offers.read"))]) -> CategoryList:
    """The categories goods are offered in; `tea/green` stands below `tea`."""
    with transaction() as session:
        return CategoryList(categories=categories_of(session, client.business))


@router.get("/buyers", tags=["buyers"], summary="List buyers", response_description="One page, by id.")
def read_buyers(
    client: Annotated[Client, Depends(may("buyers.read"))],
    search: Annotated[Words | None, Query(description="Part of an id or a name.")] = None,
    after: Cursor = None,
    limit: Limit = 50,
) -> BuyerViews:
    """The buyers a front-end may sell to, without what it does not need to know of them."""
    with transaction() as session:
        page = buyers_page(session, client.business, search=search or None, after=after, limit=limit)
    views = [BuyerView(id=buyer.id, name=buyer.name, tier=buyer.tier, status=buyer.status) for buyer in page.buyers]
    return BuyerViews(buyers=views, next_cursor=page.next_cursor)
