"""Operations of payment terms: what is due later, and how it is collected.

| operation | what it does | undo |
|---|---|---|
| `payment.terms_facts` (reads) | what the decision `payment.terms` wants to know of the buyer and the order | – |
| `payment.schedule` | writes the dues that the decided terms make of the order's total | `payment.cancel_schedule` |
| `payment.start_schedule` | the order is confirmed: what was due now is paid | – |
| `payment.claim_dues` | takes open dues for collecting | `payment.release_dues` |
| `payment.collect` (outside) | one more payment of the order, authorized and captured | – |
| `payment.settle_dues` | what was claimed is paid, in the schedule and in the ledger | – |
| `payment.owe_less` | a refund of what was never paid shrinks what is due | – |
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from activities.account_books import post_instalment
from activities.account_requests import InstalmentRequest
from activities.catalogue import OutsideSteps, StepContext, operation, outside_operation
from activities.deciding import Decided
from activities.payment_routing import routed
from capabilities.kernel.business import business_of
from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, MissingError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.payment import collecting, intents
from capabilities.payment import schedule_service as service
from capabilities.payment.asking import Answer
from capabilities.payment.collecting import Collection
from capabilities.payment.contract import PreparePayment
from capabilities.payment.intents import Intent, PaymentStand, stand_of
from capabilities.payment.queries import payments_of_order
from capabilities.payment.reasons import told
from capabilities.payment.schedule import Due, DueStatus, DueWhen, dues_of, terms_of
from capabilities.payment.schedule_queries import dues_claimed, owed_of, owed_of_order, total_of
from capabilities.payment.service import Origin, lock_payments
from capabilities.transaction.acts import lock_order
from capabilities.transaction.contract import CheckoutRequest, Order
from capabilities.transaction.extensions import begins_on
from capabilities.transaction.queries import order_of, refunds_of
from capabilities.transaction.refund_queries import UNDER_WAY


class Part(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TermsFacts(Part):
    """Open dues of the buyer's earlier orders in the currency, and the days until what was ordered begins."""

    owed_minor: int
    overdue_minor: int
    days_until_service: int | None


class ScheduleRequest(Part):
    """The order and the terms that were decided for it."""

    order_id: str
    terms: Decided


class ScheduleResponse(Part):
    """What is paid with the checkout and what later; how many dues there are in all."""

    now_minor: int
    later_minor: int
    dues: int


class OrderRequest(Part):
    """The order it is about."""

    order_id: str


class StartRequest(Part):
    """An order that is confirmed, and the payment of its checkout."""

    order_id: str
    payment_id: str | None = None


class ScheduleChanged(Part):
    """How many dues it was about."""

    dues: int


class CollectDuesRequest(Part):
    """Collect of an order: certain dues, or all that are open; from a card, or what a courier took in cash.

    `is_scheduled`: the day has come and nobody asked; a decline is then tried again another day.
    """

    order_id: str = Field(min_length=1, max_length=64)
    positions: tuple[int, ...] = Field(default=(), max_length=100)
    method: str = Field(default="", max_length=64)
    by: Literal["provider", "courier"] = "provider"
    is_scheduled: bool = False


class Claimed(Part):
    """A claim names the dues it took; `method` is the asked one, else the one the checkout was paid with."""

    claim: str
    order_id: str
    amount_minor: int
    method: str
    dues: int


class ReleaseRequest(Part):
    """What was claimed and is to be open again."""

    claim: str


class CollectRequest(Part):
    """What was claimed, and the card it is collected from. A scheduled one that is declined is tried another day."""

    claim: str
    order_id: str
    method: str
    is_scheduled: bool = False


class CollectResponse(Part):
    """`told` is `reason` as a sentence."""

    payment_id: str
    status: Literal["collected", "declined"]
    reason: str | None = None
    told: str | None = None


class SettleRequest(Part):
    """What was claimed is paid: by this payment, or in cash to a courier."""

    claim: str
    payment_id: str | None = None
    by: Literal["provider", "courier"] = "provider"


class OweLessRequest(Part):
    """A refund took back what was not paid yet: the buyer owes so much less."""

    order_id: str
    amount_minor: int = Field(ge=0)


class StillOwed(Part):
    """What the order still owes."""

    owed_minor: int


class Settled(Part):
    """What was paid now, and what the order still owes."""

    order_id: str
    paid_minor: int
    positions: tuple[int, ...]


@operation("payment.terms_facts", en="What the buyer owes", zh="查询买家欠款", changes=False)
def terms_facts(session: Session, context: StepContext, request: OrderRequest) -> TermsFacts:
    """What the terms are decided by, beside the order itself."""
    order = order_of(session, request.order_id)
    return facts_for_terms(session, context.identity, order, at=order.placed_at)


def facts_for_terms(
    session: Session, identity: BusinessIdentity, sold: Order | CheckoutRequest, *, at: datetime
) -> TermsFacts:
    """What the buyer owes now, and the days until what is sold begins: of an order, or of a cart that is none yet."""
    owed = overdue = 0
    if sold.buyer_id is not None:
        found = owed_of(session, sold.business, sold.buyer_id, sold.currency, at=now())
        owed, overdue = found.owed_minor, found.overdue_minor
    day = begins_on.for_identity(identity)(sold)
    days = None
    if day is not None:
        zone = ZoneInfo(business_of(session, sold.business).time_zone)
        days = (day - at.astimezone(zone).date()).days
    return TermsFacts(owed_minor=owed, overdue_minor=overdue, days_until_service=days)


@operation("payment.schedule", en="Agree on payment terms", zh="确定付款计划")
def schedule(session: Session, context: StepContext, request: ScheduleRequest) -> ScheduleResponse:
    """Write what is due when. Where all is paid at once nothing is written."""
    order = order_of(session, request.order_id)
    zone = business_of(session, order.business).time_zone
    planned = dues_of(
        terms_of(request.terms.effects),
        order.total_minor,
        at=order.placed_at,
        zone=zone,
        service_date=_service_date(context, order),
    )
    paid_now = sum(due.amount_minor for due in planned if due.when is DueWhen.NOW)
    if paid_now < order.total_minor:
        service.write_schedule(
            session,
            business=order.business,
            order_id=order.id,
            buyer_id=order.buyer_id,
            currency=order.currency,
            planned=planned,
        )
    return ScheduleResponse(now_minor=paid_now, later_minor=order.total_minor - paid_now, dues=len(planned))


@operation("payment.cancel_schedule", en="Cancel the payment plan", zh="取消付款计划")
def cancel_schedule(session: Session, context: StepContext, request: OrderRequest) -> ScheduleChanged:
    """The order will not be: nothing of it is due; nothing where nothing was."""
    del context
    return ScheduleChanged(dues=service.cancel_schedule(session, request.order_id))


@operation("payment.start_schedule", en="Begin the payment plan", zh="启动付款计划")
def start_schedule(session: Session, context: StepContext, request: StartRequest) -> ScheduleChanged:
    """What was due now is paid; what has a day is collected on it. Nothing where all was paid at once."""
    del context
    return ScheduleChanged(dues=service.start_schedule(session, request.order_id, payment_id=request.payment_id))


@operation("payment.claim_dues", en="Take dues for collecting", zh="锁定待收款项")
def claim_dues(session: Session, context: StepContext, request: CollectDuesRequest) -> Claimed:
    """Take the named dues, or all that are open (what a courier takes: those due on delivery).

    Refused while a refund that takes off what is due is under way: the order is locked, as for opening one.
    """
    lock_order(session, request.order_id)
    going = [found for found in refunds_of(session, request.order_id) if found.status in UNDER_WAY]
    if any(found.unpaid_minor for found in going):
        raise ConflictError(
            "payment.due_refunding",
            "A refund of the order takes off what is due, and is not through yet.",
            mend="Collect what is left when the refund is through.",
            order_id=request.order_id,
            refunds=[found.number for found in going],
        )
    dues = service.claim_dues(
        session,
        request.order_id,
        claim=context.key,
        positions=set(request.positions) or None,
        when=DueWhen.ON_DELIVERY if request.by == "courier" else None,
    )
    return Claimed(
        claim=context.key,
        order_id=request.order_id,
        amount_minor=total_of(dues),
        method=request.method or _usual_method(session, request.order_id),
        dues=len(dues),
    )


@operation("payment.release_dues", en="Let dues go", zh="释放待收款项")
def release_dues(session: Session, context: StepContext, request: ReleaseRequest) -> ScheduleChanged:
    """What was claimed is open again; nothing where it was settled or released before."""
    del context
    return ScheduleChanged(dues=service.reopen_dues(session, request.claim, reason=None, is_declined=False))


@operation("payment.settle_dues", en="Dues are paid", zh="款项已收")
def settle_dues(session: Session, context: StepContext, request: SettleRequest) -> Settled:
    """Paid, in the schedule and in the ledger, in one transaction; a second time changes nothing."""
    dues = service.settle_dues(session, request.claim, payment_id=request.payment_id, by=request.by)
    for due in dues:
        if due.status is not DueStatus.PAID:
            raise ConflictError("payment.due_not_claimed", "This due is not claimed any more.", order_id=due.order_id)
        posted = InstalmentRequest(
            order_id=due.order_id, due=due.position, amount_minor=due.amount_minor, by=request.by
        )
        post_instalment(session, context, posted)
    return Settled(
        order_id=_order_of(dues, request.claim),
        paid_minor=total_of(dues),
        positions=tuple(due.position for due in dues),
    )


@operation("payment.owe_less", en="Owe less", zh="减少待付金额")
def owe_less(session: Session, context: StepContext, request: OweLessRequest) -> StillOwed:
    """Shrink the last open dues of the order. Refused while they are being collected right now."""
    del context
    service.owe_less(session, request.order_id, request.amount_minor)
    return StillOwed(owed_minor=owed_of_order(session, request.order_id))


def _intend_collection(session: Session, context: StepContext, request: CollectRequest) -> Collection:
    order = order_of(session, request.order_id)
    lock_payments(session, order.id)  # two who collect of one order at once take places one after the other
    asked = PreparePayment(
        business=order.business,
        order_id=order.id,
        method=request.method,
        currency=order.currency,
        amount_minor=total_of(dues_claimed(session, request.claim)),
        position=collecting.next_position(session, order.id),
    )
    (asked,) = routed(session, context.identity, order, [asked], sources=1)
    intent = collecting.intend_collection(session, asked, key=context.key, origin=_origin(context))
    return intent.model_copy(update={"claim": request.claim, "is_scheduled": request.is_scheduled})


def _record_collection(session: Session, context: StepContext, intent: Collection, answer: Answer) -> CollectResponse:
    about = Intent(payment_id=intent.payment_id)
    (payment,) = intents.record_answers(session, about, answer, origin=_origin(context))
    if stand_of(payment) is PaymentStand.CAPTURED:
        return CollectResponse(payment_id=payment.id, status="collected")
    service.reopen_dues(session, intent.claim, reason=payment.status_reason, is_declined=intent.is_scheduled)
    return CollectResponse(
        payment_id=payment.id,
        status="declined",
        reason=payment.status_reason,
        told=told("The payment was declined", payment.status_reason),
    )


outside_operation(
    "payment.collect",
    en="Collect what is due",
    zh="收取到期款项",
    request=CollectRequest,
    response=CollectResponse,
    steps=OutsideSteps(_intend_collection, collecting.collect, _record_collection, again=collecting.resumed),
)


def _service_date(context: StepContext, order: Order) -> date | None:
    """The day on which what was sold begins, as the line of business knows it."""
    return begins_on.for_identity(context.identity)(order)


def _usual_method(session: Session, order_id: str) -> str:
    """The card the checkout named, also where it paid nothing yet."""
    payments = payments_of_order(session, order_id)
    if not payments:
        raise MissingError(
            "payment.method_missing", "The order has no payment method.", mend="Name the card to collect from."
        )
    return next((payment.method for payment in payments if not payment.kind.is_stored), payments[0].method)


def _order_of(dues: tuple[Due, ...], claim: str) -> str:
    if not dues:
        raise MissingError("payment.claim_unknown", "Nothing is claimed under this name.", claim=claim)
    return dues[0].order_id


def _origin(context: StepContext) -> Origin:
    return Origin(actor=context.actor, correlation_id=context.correlation_id)
