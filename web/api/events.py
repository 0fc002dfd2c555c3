"""What has happened, as a feed of CloudEvents: a front-end remembers its cursor and asks again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field

from capabilities.kernel.database import transaction
from capabilities.kernel.outbox import OutboxEvent, events_of, events_page
from capabilities.transaction.queries import find_order
from web.api.access import may
from web.api.contracts import NOT_FOUND, Body
from web.api.keys import Client
from web.api.offers import Cursor, Limit
from web.api.scope import missing, own_id

router = APIRouter()


class EventView(Body):
    """An event in the JSON format of CloudEvents 1.0."""

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(examples=["evt_01J9Z3K8M2N4P6Q8R0S2T4V6W8"])
    source: str = Field(description="The line of business.", examples=["/businesses/retail"])
    type: str = Field(examples=["order.confirmed"])
    subject: str = Field(description="The id it is about.", examples=["ord_01J9Z3K8M2N4P6Q8R0S2T4V6W8"])
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    data: dict[str, Any]


class EventViews(Body):
    """A part of the feed. Keep `next_cursor` and send it as `after`: it stays right when nothing has come yet."""

    events: list[EventView]
    next_cursor: str | None


class OrderEvents(Body):
    """The events of one order, oldest first."""

    events: list[EventView]


@router.get("/events", tags=["events"], summary="Read the feed of events", response_description="Oldest first.")
def read_events(
    client: Annotated[Client, Depends(may("events.read"))], after: Cursor = None, limit: Limit = 100
) -> EventViews:
    """Every event exactly once, in an order that does not change, however often and from wherever it is read."""
    with transaction() as session:
        page = events_page(session, client.business, after=after or None, limit=limit)
    return EventViews(events=[_view(event) for event in page.events], next_cursor=page.cursor)


@router.get("/orders/{order_id}/events", tags=["events"], summary="Read the events of an order", responses=NOT_FOUND)
def read_order_events(order_id: str, client: Annotated[Client, Depends(may("events.read"))]) -> OrderEvents:
    """Everything that happened to an order, in the order in which it happened."""
    found = own_id(client, "order", order_id)
    with transaction() as session:
        if find_order(session, found, business=client.business) is None:
            raise missing(client, "order", order_id)
        return OrderEvents(events=[_view(event) for event in events_of(session, found)])


def _view(event: OutboxEvent) -> EventView:
    return EventView(
        id=event.id,
        source=f"/businesses/{event.business}",
        type=event.type,
        subject=event.subject,
        time=event.occurred_at,
        data=event.data,
    )
