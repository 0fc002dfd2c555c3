"""Payment terms before anybody is bound: what would be due when, as the rules stand now."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from capabilities.kernel.database import transaction
from capabilities.marketing.contract import Quote
from web.api.access import may
from web.api.contracts import CheckoutBody, Problem
from web.api.keys import Client
from web.api.scope import own_business
from workflows.previewing_terms import preview_of_terms

router = APIRouter(tags=["quotes"])


class PlannedDueView(BaseModel):
    """A part of the total, and when it would be paid."""

    when: str = Field(examples=["at"], description="`now`, `at` a time, or `on_delivery`.")
    amount_minor: int = Field(examples=[8298])
    due_at: datetime | None = Field(examples=["2026-12-25T01:00:00Z"])


class TermsPreview(BaseModel):
    """The dues of a cart, if it were bought now; they add up to the quote's total exactly."""

    terms: str = Field(
        examples=["instalments"], description="`all_now`, `deposit`, `instalments` or `on_delivery`, as the rules say."
    )
    rule_ids: tuple[str, ...] = Field(description="The rules that decided; none: the platform's default.")
    dues: list[PlannedDueView]
    quote: Quote


@router.post(
    "/terms/preview",
    summary="Preview payment terms",
    response_description="The price, and what of it would be due when.",
    responses={
        409: {"model": Problem, "description": "No such terms for this buyer and cart; `detail` says why."},
        413: {"model": Problem, "description": "More than 1,000 lines, or too large."},
    },
)
def preview_terms(body: CheckoutBody, client: Annotated[Client, Depends(may("quotes.create"))]) -> TermsPreview:
    """What a checkout with this body would agree on: the same rules and arithmetic, and nothing is written."""
    with transaction() as session:
        request = body.as_request(own_business(client, body.business))
        offer = preview_of_terms(session, request, actor=f"api:{client.name}")
    return TermsPreview(
        terms=offer.decided.outcome,
        rule_ids=offer.decided.rule_ids,
        dues=[PlannedDueView(**due.model_dump()) for due in offer.dues],
        quote=offer.quote,
    )
