"""What is for sale, and to whom: offers and buyers of the key's business."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import StringConstraints
from sqlalchemy.orm import Session

from activities.prices import Audience, ShownOffer, ShownOfferPage, audience_of, shown_offers
from capabilities.kernel.database import transaction
from capabilities.transaction.contract import OfferKind
from capabilities.transaction.queries import categories_of, list_offers, offers_of
from capabilities.user.queries import buyers_page
from web.api.access import may
from web.api.contracts import NOT_FOUND, BuyerView, BuyerViews, CategoryList, Name, Plain
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
Channel = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=40), Plain],
    Query(description="Where it is sold; price lists may depend on it."),
]
InCurrency = Annotated[
    Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None,
    Query(
        description="Only what is sold in this currency, at its prices. Left out: each in its own.", examples=["EUR"]
    ),
]
ForBuyer = Annotated[Name | None, Query(description="The prices of this buyer's tier and segments; left out: a guest.")]


@dataclass(frozen=True, slots=True)
class Asking:
    """Who the prices are for, as asked."""

    channel: str
    currency: str | None
    buyer_id: str | None

    def audience(self, session: Session, business: str) -> Audience:
        return audience_of(session, business, channel=self.channel, currency=self.currency, buyer_id=self.buyer_id)


def asking(channel: Channel = "web", currency: InCurrency = None, buyer_id: ForBuyer = None) -> Asking:
    return Asking(channel, currency, buyer_id)


PricesFor = Annotated[Asking, Depends(asking)]


@router.get("/offers", tags=["offers"], summary="List offers", response_description="One page, by category and sku.")
def read_offers(
    client: Annotated[Client, Depends(may("offers.read"))],
    prices_for: PricesFor,
    category: Annotated[
        Words | None, Query(description="This category and everything below it.", examples=["tea"])
    ] = None,
    search: Annotated[Words | None, Query(description="Words of the name, in either language, or a sku.")] = None,
    kind: Annotated[OfferKind | None, Query(description="Left out: goods and deliveries.")] = None,
    after: Cursor = None,
    limit: Limit = 50,
) -> ShownOfferPage:
    """What can be bought now, deliveries included, with prices, tax and what is left.

    The price is the one that holds for one piece: of the price list that fits best, else the offer's own.
    """
    with transaction() as session:
        audience = prices_for.audience(session, client.business)
        page = list_offers(
            session,
            client.business,
            category=category or None,
            search=search or None,
            kind=kind,
            after=after,
            limit=limit,
        )
        shown = shown_offers(session, client.business, page.offers, audience)
    return ShownOfferPage(offers=shown, next_cursor=page.next_cursor)


@router.get("/offers/{sku}", tags=["offers"], summary="Read an offer", responses=NOT_FOUND)
def read_offer(sku: str, client: Annotated[Client, Depends(may("offers.read"))], prices_for: PricesFor) -> ShownOffer:
    """One offer with its price now, the lowest of the 30 days before, prices of larger quantities, and what is left."""
    if not SKU.fullmatch(sku):
        raise missing(client, "offer", sku)
    with transaction() as session:
        audience = prices_for.audience(session, client.business)
        offers = offers_of(session, client.business, [sku]).values()
        shown = shown_offers(session, client.business, offers, audience)
    if not shown:
        raise missing(client, "offer", sku)
    return shown[0]


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
