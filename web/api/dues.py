"""What of an order is due when, and paying it: early, by another card, or in cash to whoever delivered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field, StringConstraints
from starlette.responses import Response

from activities.terms import CollectDuesRequest, Settled
from capabilities.kernel.database import transaction
from capabilities.payment.schedule import Due
from capabilities.payment.schedule_queries import schedule_of, total_of
from web.api.access import may
from web.api.after_sale import order_named, own_order
from web.api.contracts import NOT_FOUND, Body, Plain, Problem
from web.api.keys import Client
from web.api.running import ACCEPTED, IdempotencyKey, start

router = APIRouter(tags=["dues"], responses=NOT_FOUND)


class DueView(BaseModel):
    """A part of an order's total, and when it is to be paid."""

    position: int = Field(examples=[1])
    when: str = Field(examples=["at"], description="`now`, `at` a time, or `on_delivery`.")
    status: str = Field(examples=["open"], description="`open`, `collecting`, `paid`, `cancelled` or `written_off`.")
    amount_minor: int = Field(examples=[8298], description="What is left of it after refunds.")
    planned_minor: int = Field(examples=[8298])
    currency: str = Field(examples=["CNY"])
    due_at: datetime | None = Field(examples=["2026-12-25T01:00:00Z"])
    paid_at: datetime | None = Field(examples=[None])
    attempts: int = Field(examples=[0], description="How often collecting it was declined.")
    reason: str | None = Field(examples=[None])


class DuesView(BaseModel):
    """The dues of an order; none where all was paid at once."""

    order_id: str = Field(examples=["ord_01J9ZW8T3N5Q7R2K4M6P8S0V1X"])
    owed_minor: int = Field(examples=[16595], description="What is not paid yet.")
    dues: list[DueView]


class CollectionBody(Body):
    """What is to be collected now. Empty: all that is open, from the card of the checkout."""

    positions: tuple[Annotated[int, Field(ge=0, le=100)], ...] = Field(
        default=(), max_length=100, description="Certain dues; left out: all that are open.", examples=[[1]]
    )
    payment_method: Annotated[str, StringConstraints(max_length=64), Plain] = Field(
        default="", description="Another card than the checkout's.", examples=["sim_ok"]
    )


@router.get("/orders/{order_id}/dues", summary="Read what is due when")
def read_dues(order_id: str, client: Annotated[Client, Depends(may("orders.read"))]) -> DuesView:
    """The payment plan of an order."""
    order = own_order(client, order_id)
    with transaction() as session:
        dues = schedule_of(session, order.id)
    return DuesView(
        order_id=order.id,
        owed_minor=total_of(due for due in dues if due.status in ("open", "collecting")),
        dues=[_view(due) for due in dues],
    )


_ANSWERS: dict[int | str, dict[str, Any]] = {
    **ACCEPTED,
    402: {"model": Problem, "description": "The payment was declined; the dues stay open."},
    409: {"model": Problem, "description": "Nothing of it is open."},
}


@router.post(
    "/orders/{order_id}/collections",
    status_code=201,
    summary="Pay what is due, early too",
    response_model=Settled,
    responses=_ANSWERS,
)
async def collect(
    request: Request,
    order_id: str,
    body: CollectionBody,
    client: Annotated[Client, Depends(may("dues.collect"))],
    idempotency_key: IdempotencyKey,
) -> Response:
    """Collect dues from a card. The same key and body collect once."""
    return await _run(request, client, order_id, idempotency_key, positions=body.positions, method=body.payment_method)


@router.post(
    "/orders/{order_id}/cash",
    status_code=201,
    summary="Tell that cash was taken on delivery",
    response_model=Settled,
    responses=_ANSWERS,
)
async def take_cash(
    request: Request,
    order_id: str,
    client: Annotated[Client, Depends(may("dues.take_cash"))],
    idempotency_key: IdempotencyKey,
) -> Response:
    """The courier has been paid what was due on delivery, all of it."""
    return await _run(request, client, order_id, idempotency_key, by="courier")


async def _run(request: Request, client: Client, order_id: str, key: str, **asked: Any) -> Response:
    order = await order_named(client, order_id)
    return await start(request, client, key, "collect", CollectDuesRequest(order_id=order.id, **asked))


def _view(due: Due) -> DueView:
    return DueView(**due.model_dump(include=set(DueView.model_fields)))
