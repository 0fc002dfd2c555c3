"""Webhooks out: where events are sent, what was sent and what came back, and sending again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field, StringConstraints

from activities.webhooks import queries, service
from activities.webhooks.models import WebhookDelivery, WebhookEndpoint
from capabilities.kernel.database import transaction
from web.api.access import may
from web.api.contracts import NOT_FOUND, Body, Name, Plain
from web.api.keys import Client
from web.api.offers import Cursor, Limit
from web.api.scope import missing, own_id

router = APIRouter(tags=["webhooks"])

Keeper = Annotated[Client, Depends(may("webhooks.manage"))]
Url = Annotated[str, StringConstraints(min_length=1, max_length=500), Plain]
EventTypes = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1, max_length=80), Plain], ...],
    Field(
        min_length=1, max_length=50, description="Types such as `order.confirmed`, groups such as `order.*`, or `*`."
    ),
]


class EndpointBody(Body):
    """Where to send which events. https only, to a public address."""

    url: Url = Field(examples=["https://shop.example/hooks"])
    event_types: EventTypes = Field(default=("*",), examples=[["order.*", "refund.succeeded"]])
    description: Annotated[str, StringConstraints(max_length=200), Plain] = Field(default="", examples=["The shop"])


class EndpointChange(Body):
    """What to change; what is left out stays."""

    url: Url | None = Field(default=None, examples=[None])
    event_types: EventTypes | None = Field(default=None, examples=[["*"]])
    is_enabled: bool | None = Field(default=None, examples=[True])


class EndpointView(BaseModel):
    """An endpoint. Its secret is shown once, when it is made."""

    id: str
    url: str
    description: str
    event_types: list[str]
    status: str = Field(examples=["enabled"])
    status_reason: str | None
    failing_since: datetime | None
    created_at: datetime


class EndpointWithSecret(EndpointView):
    """The secret (Standard Webhooks) stands here and nowhere else; the one before signs beside it for a day."""

    secret: str


class EndpointViews(BaseModel):
    endpoints: list[EndpointView]


class DeliveryView(BaseModel):
    """One event for one endpoint, and how it stands."""

    id: str
    endpoint_id: str
    event_id: str
    type: str
    subject: str
    status: str = Field(examples=["delivered"], description="`pending`, `delivered` or `failed` (given up).")
    attempts: int
    last_status: int | None
    last_error: str | None
    created_at: datetime
    next_attempt_at: datetime
    delivered_at: datetime | None


class DeliveryViews(BaseModel):
    deliveries: list[DeliveryView]
    next_cursor: str | None


class AttemptView(BaseModel):
    """One request: its HTTP status, how long it took, and the first bytes of the answer."""

    attempt: int
    status: int | None
    took_ms: int
    answer: str
    error: str | None
    sent_at: datetime


class DeliveryDetail(DeliveryView):
    log: list[AttemptView]


def _seen(row: WebhookEndpoint) -> EndpointView:
    return EndpointView(**{name: getattr(row, name) for name in EndpointView.model_fields})


def _with_secret(row: WebhookEndpoint) -> EndpointWithSecret:
    return EndpointWithSecret(**{name: getattr(row, name) for name in EndpointWithSecret.model_fields})


def _delivery(row: WebhookDelivery) -> DeliveryView:
    return DeliveryView(**{name: getattr(row, name) for name in DeliveryView.model_fields})


@router.get("/webhook-endpoints", summary="List endpoints")
def list_endpoints(client: Keeper) -> EndpointViews:
    """Where events of the business are sent."""
    with transaction() as session:
        return EndpointViews(endpoints=[_seen(row) for row in queries.endpoints_of(session, client.business)])


@router.post("/webhook-endpoints", status_code=201, summary="Add an endpoint")
def add_endpoint(body: EndpointBody, client: Keeper) -> EndpointWithSecret:
    """Send events there from now on, in order for each subject, signed after Standard Webhooks, until they are taken."""
    with transaction() as session:
        row = service.add_endpoint(
            session,
            client.business,
            body.url,
            body.event_types,
            actor=f"api:{client.name}",
            description=body.description,
        )
        return _with_secret(row)


@router.patch("/webhook-endpoints/{endpoint_id}", summary="Change an endpoint", responses=NOT_FOUND)
def change_endpoint(endpoint_id: str, body: EndpointChange, client: Keeper) -> EndpointView:
    """Change where or what is sent, or stop and go on; what came meanwhile is sent when it goes on."""
    found = own_id(client, "endpoint", endpoint_id)
    with transaction() as session:
        return _seen(service.change_endpoint(session, client.business, found, **body.model_dump()))


@router.post("/webhook-endpoints/{endpoint_id}/secret", summary="Rotate the secret", responses=NOT_FOUND)
def rotate_secret(endpoint_id: str, client: Keeper) -> EndpointWithSecret:
    """A new secret; for a day both sign, so that nothing is missed."""
    found = own_id(client, "endpoint", endpoint_id)
    with transaction() as session:
        return _with_secret(service.rotate_secret(session, client.business, found))


@router.get("/webhook-deliveries", summary="Read what was sent")
def list_deliveries(
    client: Keeper,
    endpoint_id: Annotated[Name | None, Query(description="To one endpoint only.")] = None,
    status: Annotated[Literal["pending", "delivered", "failed"] | None, Query(description="That stand so.")] = None,
    subject: Annotated[Name | None, Query(description="About one subject, such as an order.")] = None,
    after: Cursor = None,
    limit: Limit = 50,
) -> DeliveryViews:
    """What was sent or waits to be, newest first."""
    with transaction() as session:
        page = queries.deliveries_page(
            session,
            client.business,
            endpoint_id=endpoint_id,
            status=status,
            subject=subject,
            after=after or None,
            limit=limit,
        )
        return DeliveryViews(deliveries=[_delivery(row) for row in page.deliveries], next_cursor=page.next_cursor)


@router.get("/webhook-deliveries/{delivery_id}", summary="Read one delivery", responses=NOT_FOUND)
def read_delivery(delivery_id: str, client: Keeper) -> DeliveryDetail:
    """Every request that was sent for it, and what came back."""
    found = own_id(client, "delivery", delivery_id)
    with transaction() as session:
        row = queries.delivery_of(session, client.business, found)
        if row is None:
            raise missing(client, "delivery", delivery_id)
        tried = queries.attempts_of(session, row.id)
        log = [AttemptView(**{name: getattr(one, name) for name in AttemptView.model_fields}) for one in tried]
        return DeliveryDetail(**_delivery(row).model_dump(), log=log)


@router.post("/webhook-deliveries/{delivery_id}/resend", summary="Send it again", responses=NOT_FOUND)
def resend(delivery_id: str, client: Keeper) -> DeliveryView:
    """Send the event once more, under its own id: whoever has taken it knows it by that."""
    found = own_id(client, "delivery", delivery_id)
    with transaction() as session:
        return _delivery(service.resend(session, client.business, found))
