"""An exchange: goods come back, others go out. What comes back is worth what was paid for it, and pays for the new order.

A buyer with an account gets the worth into the wallet, and the new order takes it from there as its first source; a guest
gets it back to where it came from and pays the new order whole.
"""

from __future__ import annotations

import hashlib
import json

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from activities.changing import keep_as_draft
from activities.pricing import quote_for, shown_id
from activities.refunding import preview_refund
from capabilities.kernel.errors import ConflictError
from capabilities.kernel.ids import derived_id
from capabilities.kernel.outbox import publish
from capabilities.transaction import returns
from capabilities.transaction.acts import lock_order, once
from capabilities.transaction.contract import (
    CheckoutLine,
    CheckoutRequest,
    Order,
    RefundKind,
    RefundRequest,
    UnitsOfLine,
)
from capabilities.transaction.queries import order_of


class StepType(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ExchangeRequest(StepType):
    """Units that come back, and what is wanted instead."""

    order_id: str
    lines: tuple[UnitsOfLine, ...] = Field(min_length=1)
    wanted: tuple[CheckoutLine, ...] = Field(min_length=1)
    delivery_sku: str | None = None
    reason: str = Field(default="", max_length=500)


class ExchangePreview(StepType):
    """`wallet_minor` of the worth pays for the new order; `due_minor` is asked, `left_minor` stays with the buyer."""

    order_id: str
    currency: str
    worth_minor: int
    new_total_minor: int
    wallet_minor: int
    due_minor: int
    left_minor: int
    sha256: str


class ExchangeStep(StepType):
    """`sha256` is that of the preview a person saw."""

    exchange: ExchangeRequest
    sha256: str
    actor: str | None = None


class Exchanged(StepType):
    """The return to receive, the refund to ask for, and the draft that a checkout places."""

    order_id: str
    return_id: str
    refund_request: RefundRequest
    draft_id: str
    worth_minor: int
    new_total_minor: int
    wallet_minor: int
    due_minor: int


@operation("transaction.preview_exchange", en="Preview the exchange", zh="预览换货", changes=False)
def preview_exchange(session: Session, context: StepContext, request: ExchangeRequest) -> ExchangePreview:  # noqa: ARG001
    """A dry run: what comes back is worth, what the new goods cost, what is due."""
    return _preview(session, order_of(session, request.order_id), request)


@operation("transaction.exchange", en="Exchange goods", zh="换货")
def exchange(session: Session, context: StepContext, request: ExchangeStep) -> Exchanged:
    """Announce the return and keep the new goods as a draft, once; the refund is the next step of the process."""
    asked = request.exchange
    order = lock_order(session, asked.order_id)
    actor = request.actor or context.actor

    def act() -> Exchanged:
        preview = _preview(session, order, asked)
        if preview.sha256 != request.sha256:
            raise ConflictError(
                "transaction.change_stale",
                "The exchange would not come to what was shown.",
                mend="Look at the preview again.",
                order_id=order.id,
            )
        back, _ = returns.request_return(
            session, order.id, key=f"exchange {request.sha256}", lines=asked.lines, reason=asked.reason
        )
        wanted_refund = _refund(order, asked).model_copy(update={"return_id": back.id})
        checkout = _checkout(order, asked, derived_id("ord", order.id, request.sha256))
        draft = keep_as_draft(session, checkout, quote_for(session, checkout), order.id, "exchange")
        returns.name_exchange(session, back.id, draft.id)
        made = Exchanged(
            order_id=order.id,
            return_id=back.id,
            refund_request=wanted_refund,
            draft_id=draft.id,
            **preview.model_dump(include={"worth_minor", "new_total_minor", "wallet_minor", "due_minor"}),
        )
        data = made.model_dump(mode="json") | {"correlation_id": context.correlation_id}
        publish(session, business=order.business, type="order.exchanged", subject=order.id, data=data)
        return made

    return once(
        session,
        order,
        kind="exchange",
        key=request.sha256,
        request=asked.model_dump(mode="json"),
        actor=actor,
        answer_type=Exchanged,
        act=act,
    )


def _preview(session: Session, order: Order, request: ExchangeRequest) -> ExchangePreview:
    refund = preview_refund(session, order, _refund(order, request))
    checkout = _checkout(order, request, None)
    quote = quote_for(session, checkout)
    worth = refund.due_minor
    wallet = 0 if order.buyer_id is None else min(worth, quote.total_minor)
    body = {
        "request": request.model_dump(mode="json"),
        "refund": refund.sha256,
        "quote": shown_id(quote).partition("-")[0],
    }
    return ExchangePreview(
        order_id=order.id,
        currency=order.currency,
        worth_minor=worth,
        new_total_minor=quote.total_minor,
        wallet_minor=wallet,
        due_minor=quote.total_minor - wallet,
        left_minor=worth - wallet,
        sha256=hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest(),
    )


def _refund(order: Order, request: ExchangeRequest) -> RefundRequest:
    return RefundRequest(
        order_id=order.id,
        kind=RefundKind.RETURN,
        lines=request.lines,
        reason=request.reason or "Exchanged.",
        destination="sources" if order.buyer_id is None else "wallet",
    )


def _checkout(order: Order, request: ExchangeRequest, draft_id: str | None) -> CheckoutRequest:
    return CheckoutRequest(
        business=order.business,
        scenario=order.scenario,
        channel=order.channel,
        currency=order.currency,
        country=order.country,
        buyer_id=order.buyer_id,
        delivery_sku=request.delivery_sku,
        draft_id=draft_id,
        lines=request.wanted,
        attributes=order.attributes,
    )
