"""What comes after a sale: refunds, returns, cancellations, hand-overs, changes of an order."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field, StringConstraints
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from activities.after_sale import Fulfilled, FulfilStep, ReturnRequest
from activities.refunds import RefundReceipt, refund_receipt_of
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import MissingError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.transaction.contract import (
    MAX_LINES,
    MAX_QUANTITY,
    Order,
    RefundKind,
    RefundPreview,
    RefundRequest,
    Return,
    UnitsOfLine,
)
from capabilities.transaction.queries import order_of, refunds_of
from capabilities.transaction.unit_queries import returns_of
from web.api.access import may
from web.api.contracts import NOT_FOUND, Body, Name, Plain, Problem
from web.api.keys import Client
from web.api.running import ACCEPTED, IdempotencyKey, start
from web.api.scope import missing, own_id
from workflows.inputs import CancellationInput, RefundInput
from workflows.previewing import preview_of_refund

router = APIRouter(tags=["orders"], responses=NOT_FOUND)

Reader = Annotated[Client, Depends(may("orders.read"))]
Changer = Annotated[Client, Depends(may("orders.change"))]
Refunder = Annotated[Client, Depends(may("refunds.create"))]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=500), Plain]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Short = Annotated[str, StringConstraints(min_length=1, max_length=80), Plain]


class UnitsBody(Body):
    """Some pieces of a line of the order."""

    line_id: Name = Field(description="A line of the order.", examples=["l1"])
    units: int = Field(strict=True, gt=0, le=MAX_QUANTITY, description="Pieces of it.", examples=[1])

    def as_units(self) -> UnitsOfLine:
        return UnitsOfLine(line_id=self.line_id, units=self.units)


class RefundBody(Body):
    """What is to be given back: pieces of lines, the delivery, the fees; or an amount, which stands alone."""

    kind: Literal["return", "cancellation", "goodwill"] = Field(
        default="return", description="Goods came back, were never sent, or out of goodwill.", examples=["return"]
    )
    lines: tuple[UnitsBody, ...] = Field(default=(), max_length=MAX_LINES, examples=[[{"line_id": "l1", "units": 1}]])
    delivery: bool = Field(default=False, description="The delivery too.", examples=[False])
    fees: bool = Field(default=False, description="Surcharges too.", examples=[False])
    amount_minor: int | None = Field(default=None, gt=0, le=10**15, strict=True, examples=[None])
    reason: Reason = Field(description="Why; the buyer may read it.", examples=["The cup was broken."])
    return_id: Name | None = Field(default=None, description="The return that is paid for.", examples=[None])
    destination: Literal["sources", "wallet"] = Field(
        default="sources", description="Back to what it was paid from, or to the buyer's wallet.", examples=["sources"]
    )

    def as_request(self, order_id: str) -> RefundRequest:
        """The capability's own request."""
        return RefundRequest(
            order_id=order_id,
            kind=RefundKind(self.kind),
            lines=tuple(line.as_units() for line in self.lines),
            **self.model_dump(include={"delivery", "fees", "amount_minor", "reason", "return_id", "destination"}),
        )


class AskRefundBody(RefundBody):
    """A refund to be asked for; `preview_sha256` binds it to a preview."""

    preview_sha256: Sha256 | None = Field(
        default=None,
        description="`sha256` of a preview: refused with 409 `transaction.refund_changed` when it no longer holds.",
        examples=[None],
    )


class RefundPreviewView(BaseModel):
    """What the refund would give back, and what the policy says of it."""

    policy: str = Field(examples=["auto"], description="`auto`, `ask` (a person decides) or `refuse`.")
    policy_reason: str | None
    preview: RefundPreview


class RefundViews(BaseModel):
    """The refunds of an order, oldest first."""

    refunds: list[RefundReceipt]


class ReturnViews(BaseModel):
    """The returns of an order, oldest first."""

    returns: list[Return]


class CancellationBody(Body):
    """No lines: the whole order, or of a confirmed one all that is not handed over."""

    lines: tuple[UnitsBody, ...] = Field(default=(), max_length=MAX_LINES, examples=[[]])
    reason: Reason = Field(default="Cancelled.", examples=["Ordered twice."])


class Cancelled(BaseModel):
    """What was cancelled, and where the order stands."""

    order_id: str
    status: str = Field(examples=["cancelled"])
    lines: list[UnitsOfLine]
    run_id: str


class FulfilmentBody(Body):
    """What is handed over. No lines: all that is open, of one seller where one is named."""

    lines: tuple[UnitsBody, ...] = Field(default=(), max_length=MAX_LINES, examples=[[]])
    seller_id: Name | None = Field(default=None, examples=[None])
    carrier: Short | None = Field(default=None, examples=["SF Express"])
    tracking: Short | None = Field(default=None, examples=["SF1234567890"])


class ReturnBody(Body):
    """What is to come back."""

    lines: tuple[UnitsBody, ...] = Field(min_length=1, max_length=MAX_LINES, examples=[[{"line_id": "l1", "units": 1}]])
    reason: Reason = Field(examples=["Too small."])


def own_order(client: Client, text: str) -> Order:
    """The order of the key's business; missing like any other where it is another's."""
    found = own_id(client, "order", text)
    with transaction() as session:
        try:
            return order_of(session, found, business=client.business)
        except MissingError:
            raise missing(client, "order", text) from None


async def order_named(client: Client, text: str) -> Order:
    """The same, for endpoints that wait."""
    return await run_in_threadpool(own_order, client, text)


@router.post("/orders/{order_id}/refunds/preview", summary="Preview a refund", responses={409: {"model": Problem}})
def preview_refund(order_id: str, body: RefundBody, client: Refunder) -> RefundPreviewView:
    """What would be given back line by line, per source and after a fee, and whether a person would have to decide.

    Nothing is written. Asking for the refund with this `sha256` gives exactly this, or a conflict.
    """
    order = own_order(client, order_id)
    identity = BusinessIdentity(client.business, order.scenario)
    with transaction() as session:
        offer = preview_of_refund(session, identity, body.as_request(order.id), actor=f"api:{client.name}")
    return RefundPreviewView(policy=offer.outcome, policy_reason=offer.reason, preview=offer.preview)


@router.post(
    "/orders/{order_id}/refunds",
    status_code=201,
    summary="Ask for a refund",
    response_model=RefundReceipt,
    response_description="The money was given back.",
    responses={**ACCEPTED, 402: {"model": Problem, "description": "The provider declined; nothing was given back."}},
)
async def create_refund(
    order_id: str, request: Request, body: AskRefundBody, client: Refunder, idempotency_key: IdempotencyKey
) -> Response:
    """Give money back as the rules allow it, at once or after a person has agreed. Never more than was paid, per source."""
    order = await order_named(client, order_id)
    asked = RefundInput(request=body.as_request(order.id), sha256=body.preview_sha256)
    where = f"/api/v1/orders/{order.id}/refunds"
    return await start(request, client, idempotency_key, "refund", asked, scenario=order.scenario, location=where)


@router.get("/orders/{order_id}/refunds", summary="Read the refunds of an order")
def read_refunds(order_id: str, client: Reader) -> RefundViews:
    """Every refund that was asked for, and what became of it."""
    order = own_order(client, order_id)
    with transaction() as session:
        found = refunds_of(session, order.id)
        return RefundViews(refunds=[refund_receipt_of(session, one.id) for one in found])


@router.post(
    "/orders/{order_id}/cancellations",
    summary="Cancel an order, or a part of it",
    response_model=Cancelled,
    response_description="Cancelled; nothing was paid yet.",
    responses=ACCEPTED,
)
async def create_cancellation(
    order_id: str, request: Request, body: CancellationBody, client: Changer, idempotency_key: IdempotencyKey
) -> Response:
    """Call off what is not handed over. A checkout under way undoes itself; what was paid is refunded (202)."""
    order = await order_named(client, order_id)
    asked = CancellationInput(
        order_id=order.id, lines=tuple(line.as_units() for line in body.lines), reason=body.reason
    )
    return await start(request, client, idempotency_key, "cancel", asked, scenario=order.scenario)


@router.post(
    "/orders/{order_id}/fulfilments",
    status_code=201,
    summary="Hand over",
    response_model=Fulfilled,
    responses=ACCEPTED,
)
async def create_fulfilment(
    order_id: str, request: Request, body: FulfilmentBody, client: Changer, idempotency_key: IdempotencyKey
) -> Response:
    """Tell that pieces were handed over. With the last of them the time for returns begins."""
    order = await order_named(client, order_id)
    lines = tuple(line.as_units() for line in body.lines)
    told = body.model_dump(include={"seller_id", "carrier", "tracking"})
    asked = FulfilStep(order_id=order.id, lines=lines, **told)
    return await start(request, client, idempotency_key, "fulfil", asked, scenario=order.scenario)


@router.post(
    "/orders/{order_id}/returns",
    status_code=201,
    summary="Announce a return",
    response_model=Return,
    responses=ACCEPTED,
)
async def create_return(
    order_id: str, request: Request, body: ReturnBody, client: Changer, idempotency_key: IdempotencyKey
) -> Response:
    """Announce that pieces come back. They are received by the business; the refund is asked for apart."""
    order = await order_named(client, order_id)
    lines = tuple(line.as_units() for line in body.lines)
    asked = ReturnRequest(order_id=order.id, lines=lines, reason=body.reason)
    return await start(request, client, idempotency_key, "return", asked, scenario=order.scenario)


@router.get("/orders/{order_id}/returns", summary="Read the returns of an order")
def read_returns(order_id: str, client: Reader) -> ReturnViews:
    """Every return that was announced, and what became of it."""
    order = own_order(client, order_id)
    with transaction() as session:
        return ReturnViews(returns=list(returns_of(session, order.id)))
