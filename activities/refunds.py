"""Steps of a refund: assessed for the policy, opened, decided, carried out; each tells the world under its order's id."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from activities.journal.queries import find_run
from activities.refunding import days_since, days_until_start, preview_refund, zone_of
from capabilities.kernel.errors import ConflictError
from capabilities.kernel.ids import derived_id
from capabilities.kernel.outbox import publish
from capabilities.payment.refunds import shares_of_refund
from capabilities.settlement.queries_payout import transfers_of_order
from capabilities.transaction import refunds
from capabilities.transaction.acts import lock_order
from capabilities.transaction.contract import (
    Order,
    Refund,
    RefundKind,
    RefundLine,
    RefundPreview,
    RefundRequest,
    RefundStatus,
    SourceShare,
)
from capabilities.transaction.queries import find_refund, offers_of, order_of, refund_of, refunds_of
from capabilities.transaction.refund_queries import GONE
from capabilities.transaction.unit_queries import fulfilments_of
from capabilities.user.queries import find_buyer


class StepType(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Assessed(StepType):
    """What the refund would give back, and all that the policy asks, by name."""

    order_id: str
    number: str
    kind: RefundKind
    currency: str
    total_minor: int
    due_minor: int
    unpaid_minor: int
    refundable_minor: int
    sha256: str
    share_bps: int
    with_delivery: bool
    pieces: int
    tags: tuple[str, ...]
    order_total_minor: int
    days_since_confirmed: int
    days_since_delivered: int | None
    days_until_start: int | None
    refunds_before: int
    is_paid_out: bool
    channel: str
    country: str
    buyer_id: str | None
    buyer_tier: str | None
    buyer_tags: tuple[str, ...]
    buyer_is_guest: bool
    preview: RefundPreview


class OpenRefundRequest(StepType):
    """`effects` are those of the policy: the fee of the first holds. `sha256` binds the refund to the preview a person saw.

    `refund_id` where the caller already told it to somebody; else it follows from the step's key.
    """

    request: RefundRequest
    refund_id: str | None = Field(default=None, pattern=r"^rfd_[0-9A-Z]{26}$")
    effects: tuple[dict[str, Any], ...] = ()
    sha256: str | None = None
    actor: str | None = None


class RefundStanding(StepType):
    """A refund after a step. `due_minor` is what the sources are asked to give back: nothing is asked where it is 0."""

    refund_id: str
    number: str
    order_id: str
    kind: RefundKind
    status: RefundStatus
    currency: str
    total_minor: int
    fee_minor: int
    unpaid_minor: int
    due_minor: int
    destination: str
    return_id: str | None


class RefundReference(StepType):
    refund_id: str


class DecideRefund(StepType):
    """`actor` is the person who decided, where that is another than who runs the step."""

    refund_id: str
    actor: str | None = None
    reason: str | None = Field(default=None, max_length=500)


class CompleteRefund(StepType):
    """`shares` as the payment step tells them; without, the planned ones stand."""

    refund_id: str
    shares: tuple[dict[str, Any], ...] | None = None
    actor: str | None = None


@operation("transaction.assess_refund", en="Assess the refund", zh="评估退款", changes=False)
def assess_refund(session: Session, context: StepContext, request: RefundRequest) -> Assessed:  # noqa: ARG001
    """What it would give back, and what the policy asks about it. Nothing is written or reserved."""
    order = order_of(session, request.order_id)
    preview = preview_refund(session, order, request)
    buyer = None if order.buyer_id is None else find_buyer(session, order.business, order.buyer_id)
    zone = zone_of(session, order)
    handed_over = [found.fulfilled_at.astimezone(zone).date() for found in fulfilments_of(session, order.id)]
    confirmed = None if order.confirmed_at is None else order.confirmed_at.astimezone(zone).date()
    skus = [line.sku for line in preview.lines if line.units]
    tags = {tag for offer in offers_of(session, order.business, skus).values() for tag in offer.tags}
    return Assessed(
        **preview.model_dump(include=set(Assessed.model_fields) & set(RefundPreview.model_fields) - {"lines"}),
        share_bps=preview.total_minor * 10_000 // order.total_minor if order.total_minor else 0,
        with_delivery=request.delivery,
        pieces=sum(line.units for line in preview.lines if line.kind == "goods"),
        tags=tuple(sorted(tags)),
        order_total_minor=order.total_minor,
        days_since_confirmed=days_since(session, order, confirmed) or 0,
        days_since_delivered=days_since(session, order, max(handed_over, default=None)),
        days_until_start=days_until_start(session, order),
        refunds_before=sum(found.status not in GONE for found in refunds_of(session, order.id)),
        is_paid_out=any(transfer.payout_id is not None for transfer in transfers_of_order(session, order.id)),
        channel=order.channel,
        country=order.country,
        buyer_id=order.buyer_id,
        buyer_tier=None if buyer is None else str(buyer.tier),
        buyer_tags=() if buyer is None else buyer.tags,
        buyer_is_guest=order.buyer_id is None,
        preview=preview,
    )


@operation("transaction.open_refund", en="Open the refund", zh="创建退款")
def open_refund(session: Session, context: StepContext, request: OpenRefundRequest) -> RefundStanding:
    """Lock the order, compute the shares again and reserve the units: what was previewed is given, or a conflict says why not."""
    asked = request.request
    refund_id = request.refund_id or derived_id("rfd", context.key)
    order = lock_order(session, asked.order_id)
    known = find_refund(session, refund_id)
    if known is not None:
        return _standing(refunds.require_same(session, known, asked))
    fee = request.effects[0] if request.effects else {}
    preview = preview_refund(
        session, order, asked, fee_bps=int(fee.get("fee_bps") or 0), fee_minor=int(fee.get("fee_minor") or 0)
    )
    if request.sha256 is not None and request.sha256 != preview.sha256:
        raise ConflictError(
            "transaction.refund_changed",
            "The refund would not give back what was shown.",
            mend="Look at the preview again.",
            order_id=order.id,
            total_minor=preview.total_minor,
        )
    opened = refunds.open_refund(session, refund_id, asked, preview, actor=request.actor or context.actor)
    _tell(session, context, opened)
    return _standing(opened)


@operation("transaction.approve_refund", en="Approve the refund", zh="批准退款")
def approve_refund(session: Session, context: StepContext, request: DecideRefund) -> RefundStanding:
    """Let it go on; the policy or a person has decided."""
    actor = request.actor or context.actor
    return _told(
        session, context, refunds.approve_refund(session, request.refund_id, actor=actor, reason=request.reason)
    )


@operation("transaction.start_refund", en="Begin to give back", zh="开始退款")
def start_refund(session: Session, context: StepContext, request: RefundReference) -> RefundStanding:
    """From now the sources are asked."""
    return _told(session, context, refunds.start_refund(session, request.refund_id, actor=context.actor))


@operation("transaction.refuse_refund", en="Refuse the refund", zh="拒绝退款")
def refuse_refund(session: Session, context: StepContext, request: DecideRefund) -> RefundStanding:
    """Say no; its units are free again."""
    reason = request.reason or "The refund was refused."
    actor = request.actor or context.actor
    return _told(session, context, refunds.refuse_refund(session, request.refund_id, actor=actor, reason=reason))


@operation("transaction.fail_refund", en="Let the refund fail", zh="退款失败")
def fail_refund(session: Session, context: StepContext, request: DecideRefund) -> RefundStanding:
    """The undo of opening: it came to nothing, and says why. One that was refused or failed before stays so."""
    known = refund_of(session, request.refund_id)
    if known.status in GONE:
        return _standing(known)
    _require_nothing_given(session, known)
    reason = request.reason or _why_it_ended(session, context.run_id)
    actor = request.actor or context.actor
    return _told(session, context, refunds.fail_refund(session, request.refund_id, actor=actor, reason=reason))


def _require_nothing_given(session: Session, refund: Refund) -> None:
    given = [share for share in shares_of_refund(session, refund.id) if share.status != "failed"]
    if given:
        raise ConflictError(
            "transaction.refund_given",
            f"Money of refund {refund.number} was given back, or may have been, so it cannot fail.",
            mend="Give the rest back too.",
            refund_id=refund.id,
            amount_minor=sum(share.amount_minor for share in given),
        )


@operation("transaction.complete_refund", en="Complete the refund", zh="完成退款")
def complete_refund(session: Session, context: StepContext, request: CompleteRefund) -> RefundStanding:
    """The money is back; where units were cancelled for it, the order may be over now."""
    plain = ("payment_id", "method", "amount_minor")
    shares = (
        None
        if request.shares is None
        else [SourceShare.model_validate({name: share[name] for name in plain}) for share in request.shares]
    )
    actor = request.actor or context.actor
    before = order_of(session, refund_of(session, request.refund_id).order_id)
    told = _told(session, context, refunds.complete_refund(session, request.refund_id, actor=actor, sources=shares))
    after = order_of(session, told.order_id)
    if after.status is not before.status:
        tell_order(session, context, after)
    return told


@operation("transaction.reverse_refund", en="Reverse the refund", zh="撤回退款")
def reverse_refund(session: Session, context: StepContext, request: DecideRefund) -> RefundStanding:
    """The money came back to us after all: the order keeps again what the refund had taken off."""
    reason = request.reason or "The money came back."
    actor = request.actor or context.actor
    return _told(session, context, refunds.reverse_refund(session, request.refund_id, actor=actor, reason=reason))


class RefundReceipt(StepType):
    """A refund as its buyer sees it: total − fee − what was never paid = due."""

    refund_id: str
    number: str
    order_id: str
    order_number: str
    business: str
    kind: RefundKind
    status: RefundStatus
    status_reason: str | None
    reason: str
    currency: str
    prices_include_tax: bool
    total_minor: int
    tax_minor: int
    fee_minor: int
    unpaid_minor: int
    due_minor: int
    destination: str
    lines: tuple[RefundLine, ...]
    sources: tuple[SourceShare, ...]
    requested_at: Any
    completed_at: Any


@operation("transaction.refund_receipt", en="Write the refund receipt", zh="生成退款回执", changes=False)
def write_refund_receipt(session: Session, context: StepContext, request: RefundReference) -> RefundReceipt:  # noqa: ARG001
    """The refund with its lines and sources, as it stands in this transaction."""
    return refund_receipt_of(session, request.refund_id)


def refund_receipt_of(session: Session, refund_id: str, *, business: str | None = None) -> RefundReceipt:
    """The receipt of a refund; `MissingError` where there is none, or not for `business` when one is named."""
    refund = refund_of(session, refund_id, business=business)
    plain = set(RefundReceipt.model_fields) & set(Refund.model_fields)
    return RefundReceipt(
        **{name: getattr(refund, name) for name in plain},
        refund_id=refund.id,
        order_number=order_of(session, refund.order_id).number,
    )


def tell_order(session: Session, context: StepContext, order: Order) -> None:
    """Tell the world where an order stands now."""
    data = {
        "order_id": order.id,
        "number": order.number,
        "status": order.status.value,
        "reason": order.status_reason,
        "correlation_id": context.correlation_id,
    }
    publish(session, business=order.business, type=f"order.{order.status.value}", subject=order.id, data=data)


def _told(session: Session, context: StepContext, moved: tuple[Refund, bool]) -> RefundStanding:
    refund, is_new = moved
    if is_new:
        _tell(session, context, refund)
    return _standing(refund)


def _tell(session: Session, context: StepContext, refund: Refund) -> None:
    plain = ("order_id", "number", "currency", "total_minor", "fee_minor", "due_minor", "destination")
    data = {name: getattr(refund, name) for name in plain} | {
        "refund_id": refund.id,
        "kind": refund.kind.value,
        "status": refund.status.value,
        "reason": refund.status_reason or refund.reason,
        "correlation_id": context.correlation_id,
    }
    publish(session, business=refund.business, type=f"refund.{refund.status.value}", subject=refund.order_id, data=data)


def _standing(refund: Refund) -> RefundStanding:
    plain = set(RefundStanding.model_fields) & set(Refund.model_fields)
    return RefundStanding(**{name: getattr(refund, name) for name in plain}, refund_id=refund.id)


def _why_it_ended(session: Session, run_id: str) -> str:
    run = find_run(session, run_id)
    return str(run.error["message"]) if run is not None and run.error else "The refund came to nothing."
