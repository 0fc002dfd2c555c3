"""What a buyer may spend besides cards: gift cards, points, wallets."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from capabilities.account.queries_stored import gift_card_with, stored_balance_of
from capabilities.account.stored import GiftCard, StoredBalance, card_reference
from capabilities.kernel.business import business_of
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import MissingError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.user.queries import find_buyer
from web.api.access import may
from web.api.contracts import NOT_FOUND, Body, CouponCode
from web.api.keys import Client
from web.api.scope import missing, own_id

router = APIRouter(tags=["buyers"], responses=NOT_FOUND)


class CardBody(Body):
    """A gift card's code. It comes in the body, so that it stands in no log of addresses."""

    code: CouponCode = Field(examples=["7K2M-94QX-TT0B-VW3E"])


@router.post("/gift-cards/balance", summary="Ask what is on a gift card")
def read_card(body: CardBody, client: Annotated[Client, Depends(may("gift_cards.read"))]) -> GiftCard:
    """What the card holds, and what of it can be spent now. The code is kept nowhere."""
    with transaction() as session:
        found = gift_card_with(session, client.business, card_reference(body.code))
    if found is None:
        raise MissingError("gift_card.unknown", f"{client.business} has no gift card with this code.")
    return found


@router.get("/buyers/{buyer_id}/balances", summary="Read what a buyer may spend")
def read_balances(buyer_id: str, client: Annotated[Client, Depends(may("buyers.read"))]) -> StoredBalance:
    """Wallet, points and what those are worth, in the currency of the business."""
    found = own_id(client, "buyer", buyer_id)
    with transaction() as session:
        if find_buyer(session, client.business, found) is None:
            raise missing(client, "buyer", buyer_id)
        currency = business_of(session, client.business).currency
        return stored_balance_of(session, BusinessIdentity(client.business), found, currency)
