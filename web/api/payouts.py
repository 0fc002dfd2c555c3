"""Sellers' money: payouts and how they stand, settlement by hand, statements as files."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from activities.settlement_requests import PlanResponse
from capabilities.kernel.business import business_of
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import MissingError
from capabilities.settlement.contract import IssuedStatement, Payout, PayoutFilters, PayoutPage, PayoutStatus
from capabilities.settlement.queries_payout import payout_of, payouts_page
from capabilities.settlement.queries_statement import statement_of, statements_page
from capabilities.settlement.statement_files import csv_file, xlsx_file
from web.api.access import may
from web.api.contracts import NOT_FOUND, Body, Name
from web.api.keys import Client
from web.api.offers import Cursor, Limit
from web.api.running import ACCEPTED, IdempotencyKey, start
from web.api.scope import missing, own_id
from workflows.inputs import SettlementInput

router = APIRouter(tags=["settlement"])

Reader = Annotated[Client, Depends(may("payouts.read"))]
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class SettlementBody(Body):
    """Which day to settle; left out: today, in the zone of the business."""

    run_date: date | None = Field(default=None, examples=[None])


class StatementViews(BaseModel):
    """Issued statements, newest first."""

    statements: list[IssuedStatement]
    next_cursor: str | None


@router.get("/payouts", summary="List payouts")
def list_payouts(
    client: Reader,
    seller_id: Annotated[Name | None, Query(description="Of one seller only.")] = None,
    status: Annotated[PayoutStatus | None, Query(description="That stand so only.")] = None,
    after: Cursor = None,
    limit: Limit = 50,
) -> PayoutPage:
    """What is or was paid to sellers, newest first."""
    statuses = () if status is None else (status,)
    filters = PayoutFilters(business=client.business, seller_id=seller_id, statuses=statuses)
    with transaction() as session:
        return payouts_page(session, filters, after=after or None, limit=limit)


@router.post(
    "/payouts",
    summary="Settle by hand",
    response_model=PlanResponse,
    response_description="Nothing is due.",
    responses=ACCEPTED,
)
async def run_settlement(
    request: Request,
    body: SettlementBody,
    client: Annotated[Client, Depends(may("payouts.run"))],
    idempotency_key: IdempotencyKey,
) -> Response:
    """Plan what is due to sellers now. A person who did not plan it approves it before anything is paid (202)."""
    asked = SettlementInput(run_date=body.run_date)
    return await start(request, client, idempotency_key, "settlement", asked)


@router.get("/payouts/{payout_id}", summary="Read a payout", responses=NOT_FOUND)
def read_payout(payout_id: str, client: Reader) -> Payout:
    """One payout: its amount, attempts, and what the bank said."""
    found = own_id(client, "payout", payout_id)
    with transaction() as session:
        try:
            payout = payout_of(session, found)
        except MissingError:
            raise missing(client, "payout", payout_id) from None
    if payout.business != client.business:
        raise missing(client, "payout", payout_id)
    return payout


@router.get("/statements", summary="List sellers' statements")
def list_statements(
    client: Reader,
    seller_id: Annotated[Name | None, Query(description="Of one seller only.")] = None,
    after: Cursor = None,
    limit: Limit = 50,
) -> StatementViews:
    """The statements that were issued, newest first."""
    with transaction() as session:
        found, following = statements_page(
            session, client.business, seller_id=seller_id, after=after or None, limit=limit
        )
    return StatementViews(statements=list(found), next_cursor=following)


@router.get(
    "/statements/{statement_id}",
    summary="Download a seller's statement",
    response_class=Response,
    responses={
        **NOT_FOUND,
        200: {
            "description": "The file.",
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                XLSX: {"schema": {"type": "string", "format": "binary"}},
            },
        },
    },
)
def download_statement(
    statement_id: str,
    client: Reader,
    format: Annotated[Literal["csv", "xlsx"], Query(description="Which kind of file.")] = "csv",  # noqa: A002 - the word of the query
    language: Annotated[Literal["en", "zh"], Query(description="In which language.")] = "en",
) -> Response:
    """A statement as CSV or as a workbook: the same bytes whenever it is asked for."""
    found = own_id(client, "statement", statement_id)
    with transaction() as session:
        try:
            statement = statement_of(session, found)
        except MissingError:
            raise missing(client, "statement", statement_id) from None
        zone = business_of(session, client.business).zone
    if statement.business != client.business:
        raise missing(client, "statement", statement_id)
    make, media_type = (csv_file, "text/csv; charset=utf-8") if format == "csv" else (xlsx_file, XLSX)
    named = {"content-disposition": f'attachment; filename="{statement.id}.{format}"'}
    return Response(make(statement, language=language, zone=zone), 200, named, media_type)
