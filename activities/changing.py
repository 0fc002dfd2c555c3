"""Changes of an order that is still open, with a dry run: what it makes of the price, and what is to be paid or given back.

A draft is priced anew. Of a confirmed order, units that are not handed over come off as a cancellation with its refund;
what is added stands in a draft of its own, which a checkout places and collects. So no money that was booked is rewritten.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from activities.pricing import quote_for, shown_id
from activities.refunding import preview_refund
from activities.transaction import order_as_quoted
from capabilities.kernel.errors import ConflictError, InvalidError, RefusedError
from capabilities.kernel.ids import derived_id
from capabilities.kernel.outbox import publish
from capabilities.marketing.contract import Quote
from capabilities.transaction.acts import lock_order, once
from capabilities.transaction.contract import (
    CheckoutLine,
    CheckoutRequest,
    LineUnits,
    OfferKind,
    Order,
    OrderStatus,
    RefundKind,
    RefundPreview,
    RefundRequest,
    UnitsOfLine,
)
from capabilities.transaction.drafts import change_attributes, draft_request_of, save_draft
from capabilities.transaction.queries import order_of
from capabilities.transaction.unit_queries import refunded_minor, units_of
from capabilities.transaction.units import cancel_units, require_status, restock


class StepType(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ChangedLine(StepType):
    """How many units of a line there shall be; 0 takes it away."""

    line_id: str = Field(min_length=1, max_length=64)
    quantity: int = Field(ge=0, le=1_000_000)


class ChangeRequest(StepType):
    """What shall be different. `pricing` says by which rules what is kept is priced: the order's own, or today's.

    What is added has today's price in either case: nobody was promised another one for it.
    """

    order_id: str
    lines: tuple[ChangedLine, ...] = ()
    add: tuple[CheckoutLine, ...] = ()
    delivery_sku: str | None = None
    attributes: dict[str, str] | None = Field(default=None, max_length=40)
    pricing: Literal["order", "today"] = "order"
    reason: str = Field(default="", max_length=500)


class ChangePreview(StepType):
    """total before − what comes off + what is added = total after; `sha256` binds the change to this."""

    order_id: str
    number: str
    status: OrderStatus
    currency: str
    total_before_minor: int
    total_after_minor: int
    to_refund_minor: int
    to_pay_minor: int
    refund: RefundPreview | None
    added: tuple[CheckoutLine, ...]
    added_minor: int
    sha256: str


class ApplyChange(StepType):
    """`sha256` is that of the preview a person saw."""

    change: ChangeRequest
    sha256: str
    actor: str | None = None


class AppliedChange(StepType):
    """Where `is_due`, `refund_request` is asked for like any refund, bound to `refund_sha256`; its units are cancelled
    already. `addition_id` is a draft that a checkout places.
    """

    order_id: str
    status: OrderStatus
    is_due: bool
    refund_request: RefundRequest | None
    refund_sha256: str | None
    addition_id: str | None
    to_refund_minor: int
    to_pay_minor: int
    total_after_minor: int


@operation("transaction.preview_change", en="Preview the change", zh="预览订单变更", changes=False)
def preview_change(session: Session, context: StepContext, request: ChangeRequest) -> ChangePreview:  # noqa: ARG001
    """A dry run: nothing is written or held."""
    return _Change(session, order_of(session, request.order_id), request).preview


@operation("transaction.apply_change", en="Change the order", zh="变更订单")
def apply_change(session: Session, context: StepContext, request: ApplyChange) -> AppliedChange:
    """What was previewed, once; where it would come to something else by now, a conflict."""
    asked = request.change
    order = lock_order(session, asked.order_id)
    actor = request.actor or context.actor

    def act() -> AppliedChange:
        change = _Change(session, order, asked)
        if change.preview.sha256 != request.sha256:
            raise ConflictError(
                "transaction.change_stale",
                "The change would not come to what was shown.",
                mend="Look at the preview again.",
                order_id=order.id,
            )
        applied = change.apply(request.sha256, actor)
        data = applied.model_dump(mode="json") | {"correlation_id": context.correlation_id}
        publish(session, business=order.business, type="order.changed", subject=order.id, data=data)
        return applied

    return once(
        session,
        order,
        kind="change",
        key=request.sha256,
        request=asked.model_dump(mode="json"),
        actor=actor,
        answer_type=AppliedChange,
        act=act,
    )


class _Change:
    """A change worked out: what comes off, what is added, and what both cost."""

    def __init__(self, session: Session, order: Order, request: ChangeRequest) -> None:
        require_status(order, OrderStatus.DRAFT, OrderStatus.CONFIRMED)
        self.session, self.order, self.request = session, order, request
        self.refund_request: RefundRequest | None = None
        self.refund: RefundPreview | None = None
        self.checkout: CheckoutRequest | None = None
        self.quote: Quote | None = None
        if order.status is OrderStatus.DRAFT:
            self._of_draft()
        else:
            self._of_confirmed()
        self.preview = self._preview()

    def _of_draft(self) -> None:
        asked = CheckoutRequest.model_validate(draft_request_of(self.session, self.order.id) or {})
        wanted = {line.line_id: line.quantity for line in self.request.lines}
        self._require_lines({f"l{place}" for place in range(1, len(asked.lines) + 1)})
        kept = [
            line.model_copy(update={"quantity": wanted.get(f"l{place}", line.quantity)})
            for place, line in enumerate(asked.lines, 1)
        ]
        changed = asked.model_dump() | {
            "lines": [line.model_dump() for line in (*kept, *self.request.add) if line.quantity],
            "delivery_sku": self.request.delivery_sku or asked.delivery_sku,
            "attributes": asked.attributes | (self.request.attributes or {}),
        }
        self.checkout = CheckoutRequest.model_validate(changed)
        self.quote = quote_for(self.session, self.checkout)

    def _of_confirmed(self) -> None:
        units = {line.line_id: line for line in units_of(self.session, self.order.id)}
        self._require_lines(set(units))
        off, more = [], list(self.request.add)
        for line in self.request.lines:
            before = units[line.line_id].quantity - units[line.line_id].cancelled
            if line.quantity < before:
                off.append(UnitsOfLine(line_id=line.line_id, units=before - line.quantity))
                self._require_open(units[line.line_id], before - line.quantity)
            elif line.quantity > before:
                more.append(CheckoutLine(sku=units[line.line_id].sku, quantity=line.quantity - before))
        delivery = self._new_delivery()
        had = any(line.kind is OfferKind.DELIVERY for line in self.order.lines)
        if off or (delivery and had):
            self.refund_request = RefundRequest(
                order_id=self.order.id,
                kind=RefundKind.CANCELLATION,
                lines=tuple(off),
                delivery=bool(delivery and had),
                reason=self.request.reason,
                pricing=self.request.pricing,
            )
            self.refund = preview_refund(self.session, self.order, self.refund_request)
        if more or delivery:
            self.checkout = self._addition(more, delivery)
            self.quote = quote_for(self.session, self.checkout)

    def _addition(self, more: list[CheckoutLine], delivery: str | None) -> CheckoutRequest:
        order = self.order
        return CheckoutRequest(
            business=order.business,
            scenario=order.scenario,
            channel=order.channel,
            currency=order.currency,
            country=order.country,
            buyer_id=order.buyer_id,
            delivery_sku=delivery,
            draft_id=derived_id("ord", "addition", order.id),
            lines=tuple(more),
            attributes=order.attributes | (self.request.attributes or {}),
        )

    def _new_delivery(self) -> str | None:
        known = {line.sku for line in self.order.lines if line.kind is OfferKind.DELIVERY}
        return None if self.request.delivery_sku in known else self.request.delivery_sku

    def _require_lines(self, known: set[str]) -> None:
        strangers = sorted({line.line_id for line in self.request.lines} - known)
        if strangers:
            raise InvalidError(
                "transaction.line_unknown",
                f"The order has no line of goods {', '.join(strangers)}.",
                field="lines",
                lines=strangers,
            )

    def _require_open(self, line: LineUnits, units: int) -> None:
        if units > line.open:
            raise RefusedError(
                "transaction.units_not_open",
                f"Of line {line.line_id} {units} units shall come off, {line.open} are open.",
                mend="What was handed over is returned.",
                line_id=line.line_id,
                asked=units,
                left=line.open,
            )

    def _preview(self) -> ChangePreview:
        added = self.quote.total_minor if self.quote else 0
        off = self.refund.total_minor if self.refund else 0
        is_draft = self.order.status is OrderStatus.DRAFT
        before = self.order.total_minor - refunded_minor(self.session, self.order.id)
        about: dict[str, Any] = {
            "order_id": self.order.id,
            "number": self.order.number,
            "status": self.order.status,
            "currency": self.order.currency,
            "total_before_minor": before,
            "total_after_minor": added if is_draft else before - off + added,
            "to_refund_minor": self.refund.due_minor if self.refund else 0,
            "to_pay_minor": 0 if is_draft else added,
            "refund": self.refund,
            "added": () if self.checkout is None else self.checkout.lines,
            "added_minor": added,
        }
        preview = ChangePreview(**about, sha256="")
        body = {
            "request": self.request.model_dump(mode="json"),
            "refund": self.refund.sha256 if self.refund else None,
            "quote": shown_id(self.quote).partition("-")[0] if self.quote else None,
        }
        sha256 = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        return preview.model_copy(update={"sha256": sha256})

    def apply(self, sha256: str, actor: str) -> AppliedChange:
        order, addition_id, status = self.order, None, self.order.status
        asked = self.refund_request
        if asked is not None and asked.lines:
            reason = asked.reason or "Changed."
            done = cancel_units(self.session, order.id, key=sha256, lines=asked.lines, reason=reason, actor=actor)
            status = done.status
            restock(self.session, order.id, key=sha256, actor=actor)
        if self.checkout is not None and self.quote is not None:
            is_draft = order.status is OrderStatus.DRAFT
            draft_id = order.id if is_draft else derived_id("ord", order.id, sha256)
            checkout = self.checkout.model_copy(update={"draft_id": draft_id})
            keep_as_draft(self.session, checkout, self.quote, None if is_draft else order.id, "addition")
            addition_id = None if is_draft else draft_id
        if self.request.attributes is not None and order.status is not OrderStatus.DRAFT:
            change_attributes(self.session, order, self.request.attributes)
        return AppliedChange(
            order_id=order.id,
            status=status,
            is_due=asked is not None,
            refund_request=asked,
            refund_sha256=self.refund.sha256 if self.refund else None,
            addition_id=addition_id,
            to_refund_minor=self.preview.to_refund_minor,
            to_pay_minor=self.preview.to_pay_minor,
            total_after_minor=self.preview.total_after_minor,
        )


def keep_as_draft(
    session: Session,
    checkout: CheckoutRequest,
    quote: Quote,
    parent_id: str | None = None,
    relation: Literal["exchange", "addition"] = "addition",
) -> Order:
    """Save what a checkout asks under its `draft_id`, as priced now."""
    priced = order_as_quoted(checkout, quote, run_id="", buyer_id=checkout.buyer_id)
    asked = checkout.model_dump(mode="json")
    return save_draft(
        session,
        checkout.draft_id or "",
        priced,
        asked,
        parent_id=parent_id,
        relation=None if parent_id is None else relation,
    )


class SaveDraft(StepType):
    """A cart to keep. Without `draft_id` a new one; `parent_id` the order it adds to."""

    checkout: CheckoutRequest
    draft_id: str | None = None
    parent_id: str | None = None


class SavedDraft(StepType):
    order_id: str
    number: str
    status: OrderStatus
    currency: str
    total_minor: int


@operation("transaction.save_draft", en="Save the draft", zh="保存草稿订单")
def keep_draft(session: Session, context: StepContext, request: SaveDraft) -> SavedDraft:
    """Keep or change a draft order; nothing is held or charged until a checkout places it."""
    draft_id = request.draft_id or derived_id("ord", context.key)
    checkout = request.checkout.model_copy(update={"draft_id": draft_id})
    order = keep_as_draft(session, checkout, quote_for(session, checkout), request.parent_id)
    return SavedDraft(
        order_id=order.id,
        number=order.number,
        status=order.status,
        currency=order.currency,
        total_minor=order.total_minor,
    )
