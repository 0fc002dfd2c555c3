"""Quotes: what a cart would cost now, and why. Dry: nothing is held, claimed or promised."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from activities.pricing import quote_for
from capabilities.kernel.database import transaction
from capabilities.marketing.contract import Quote
from web.api.access import may
from web.api.contracts import Problem, QuoteBody
from web.api.keys import Client
from web.api.scope import own_business

router = APIRouter(tags=["quotes"])


@router.post(
    "/quotes",
    summary="Price a cart",
    response_description="Each line with what came off and by which rule, tax, delivery, and what became of each coupon.",
    responses={413: {"model": Problem, "description": "More than 1,000 lines, or too large."}},
)
def create_quote(body: QuoteBody, client: Annotated[Client, Depends(may("quotes.create"))]) -> Quote:
    """Price a cart without binding anybody: call it as often as the cart changes."""
    with transaction() as session:
        return quote_for(session, body.as_request(own_business(client, body.business)))
