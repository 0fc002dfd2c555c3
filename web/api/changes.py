"""Changes of an order that is not handed over: a dry run first, then exactly that."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import Response

from activities.changing import AppliedChange, ApplyChange, ChangedLine, ChangePreview, ChangeRequest
from activities.changing import preview_change as change_preview
from capabilities.kernel.database import transaction
from capabilities.kernel.identity import BusinessIdentity
from capabilities.transaction.contract import MAX_LINES, MAX_QUANTITY, CheckoutLine
from web.api.access import may
from web.api.after_sale import Reason, Sha256, order_named, own_order
from web.api.contracts import NOT_FOUND, Body, Line, Name, Problem
from web.api.keys import Client
from web.api.running import ACCEPTED, IdempotencyKey, start
from workflows.previewing import asking

router = APIRouter(tags=["orders"], responses=NOT_FOUND)

Changer = Annotated[Client, Depends(may("orders.change"))]


class ChangedLineBody(Body):
    """How many pieces of a line there shall be; 0 takes it away."""

    line_id: Name = Field(description="A line of the order.", examples=["l1"])
    quantity: int = Field(strict=True, ge=0, le=MAX_QUANTITY, examples=[1])


class ChangeBody(Body):
    """What shall be different of an order that is not handed over."""

    lines: tuple[ChangedLineBody, ...] = Field(
        default=(), max_length=MAX_LINES, examples=[[{"line_id": "l1", "quantity": 1}]]
    )
    add: tuple[Line, ...] = Field(default=(), max_length=MAX_LINES, examples=[[]])
    pricing: Literal["order", "today"] = Field(
        default="order", description="By whose rules what is kept is priced.", examples=["order"]
    )
    reason: Reason = Field(examples=["One is enough."])

    def as_request(self, order_id: str) -> ChangeRequest:
        """The operation's own request."""
        return ChangeRequest(
            order_id=order_id,
            lines=tuple(ChangedLine(line_id=line.line_id, quantity=line.quantity) for line in self.lines),
            add=tuple(CheckoutLine(sku=line.sku, quantity=line.quantity) for line in self.add),
            pricing=self.pricing,
            reason=self.reason,
        )


class ApplyChangeBody(ChangeBody):
    """The change, bound to the preview that was agreed to."""

    preview_sha256: Sha256 = Field(description="`sha256` of the preview.", examples=["0" * 64])


@router.post("/orders/{order_id}/changes/preview", summary="Preview a change", responses={409: {"model": Problem}})
def preview_change(order_id: str, body: ChangeBody, client: Changer) -> ChangePreview:
    """What the change makes of the price, and what is to be paid or given back. Nothing is written."""
    order = own_order(client, order_id)
    identity = BusinessIdentity(client.business, order.scenario)
    with transaction() as session:
        return change_preview(session, asking(identity, f"api:{client.name}"), body.as_request(order.id))


@router.post("/orders/{order_id}/changes", summary="Change an order", response_model=AppliedChange, responses=ACCEPTED)
async def create_change(
    order_id: str, request: Request, body: ApplyChangeBody, client: Changer, idempotency_key: IdempotencyKey
) -> Response:
    """Change it exactly as previewed, or 409. What comes off is refunded; what is added is a draft that a checkout places."""
    order = await order_named(client, order_id)
    asked = ApplyChange(change=body.as_request(order.id), sha256=body.preview_sha256)
    return await start(request, client, idempotency_key, "change", asked, scenario=order.scenario)
