"""The sources an order is paid from: which there are, who takes them, and what stored value pays.

Stored value (gift cards, points, wallets) stands in our own ledger: it is reserved by pending transfers in the checkout's
first transaction and posted in its last. The payment's events tell it as a provider would, so all sources fold alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy.orm import Session

from activities import stored_value
from activities.catalogue import StepContext, operation
from activities.payment_requests import StoredRequest, StoredResponse
from activities.payment_routing import routed
from capabilities.account.stored import StoredMethod, StoredSource
from capabilities.kernel.identity import BusinessIdentity
from capabilities.payment.contract import AskedSource, Payment, PreparePayment, SourceShare, kind_of_method
from capabilities.payment.queries import payments_of_order
from capabilities.payment.refunds import shares_of_payment
from capabilities.payment.service import Origin, lock_payments, payment_id_of
from capabilities.payment.sharing import allot
from capabilities.payment.stored import post_source, release_source, reserve_source
from capabilities.transaction.contract import Order, PaymentSource
from capabilities.transaction.queries import order_of

LEDGER = "ledger"
"""The provider of stored value: our own books."""

Change = Callable[[Payment], Payment]


@operation("payment.reserve_stored", en="Reserve the stored value", zh="预留储值支付")
def reserve_stored(session: Session, context: StepContext, request: StoredRequest) -> StoredResponse:
    """Share the order's total over its sources, and reserve what stored value pays of it, all or nothing.

    Without sources nothing is read and nothing written.
    """
    if not request.sources:
        return StoredResponse()
    order = order_of(session, request.order_id)
    asked = payments_asked(order, "", request.sources, request.later_minor or 0)
    stored = [one for one in asked if _is_stored(one) and one.amount_minor > 0]
    for one in stored:
        reserve_source(session, one, origin=_origin(context))
    stored_value.reserve(session, context, order, [_in_ledger(one) for one in stored])
    paid = sum(one.amount_minor for one in stored)
    return StoredResponse(
        shares=tuple(map(_share, asked)), stored_minor=paid, card_minor=sum(one.amount_minor for one in asked) - paid
    )


@operation("payment.post_stored", en="Take the stored value", zh="扣减储值支付")
def post_stored(session: Session, context: StepContext, request: StoredRequest) -> StoredResponse:
    """Post what is reserved. Without sources nothing is read and nothing written; a second time changes nothing."""
    if not request.sources:
        return StoredResponse()
    stored_value.post(session, context, order_of(session, request.order_id))
    return _changed(session, request.order_id, lambda one: post_source(session, one, origin=_origin(context)))


@operation("payment.release_stored", en="Let the stored value go", zh="释放储值支付")
def release_stored(session: Session, context: StepContext, request: StoredRequest) -> StoredResponse:
    """The undo of both: what is reserved is set free, what is posted given back; nothing where nothing is."""
    if not request.sources:
        return StoredResponse()
    stored_value.void(session, context, order_of(session, request.order_id))
    return _changed(session, request.order_id, lambda one: release_source(session, one, origin=_origin(context)))


def payments_asked(
    order: Order, method: str, sources: Sequence[PaymentSource], later_minor: int = 0
) -> list[PreparePayment]:
    """The payments of an order, one a source in the recorded order; without sources one card pays all that is due now."""
    asked = [AskedSource(**source.model_dump()) for source in sources] or [AskedSource(method=method)]
    return [
        PreparePayment(
            business=order.business,
            order_id=order.id,
            method=source.method,
            currency=order.currency,
            amount_minor=amount,
            position=position,
            reference=source.reference,
            provider=LEDGER if kind_of_method(source.method).is_stored else None,
        )
        for position, (source, amount) in enumerate(
            zip(asked, allot(order.total_minor - later_minor, asked), strict=True)
        )
    ]


def cards_routed(
    session: Session, identity: BusinessIdentity, order: Order, asked: Sequence[PreparePayment]
) -> list[PreparePayment]:
    """Those of the payments that providers take, each sent to its provider by the rules where any are live."""
    return routed(session, identity, order, [one for one in asked if not _is_stored(one)], sources=len(asked))


def _changed(session: Session, order_id: str, change: Change) -> StoredResponse:
    for payment in lock_payments(session, order_id):
        if payment.kind.is_stored:
            change(payment)
    payments = payments_of_order(session, order_id)
    stored = [one for one in payments if one.kind.is_stored]
    return StoredResponse(
        shares=tuple(shares_of_payment(one, one.amount_minor) for one in stored),
        stored_minor=sum(one.amount_minor for one in stored),
        card_minor=sum(one.amount_minor for one in payments if not one.kind.is_stored),
    )


def _is_stored(asked: PreparePayment) -> bool:
    return kind_of_method(asked.method).is_stored


def _in_ledger(asked: PreparePayment) -> StoredSource:
    return StoredSource(
        payment_id=payment_id_of(asked.order_id, asked.position),
        method=StoredMethod(asked.method),
        amount_minor=asked.amount_minor,
        reference=asked.reference,
    )


def _share(asked: PreparePayment) -> SourceShare:
    return SourceShare(
        payment_id=payment_id_of(asked.order_id, asked.position),
        position=asked.position,
        kind=kind_of_method(asked.method),
        method=asked.method,
        provider=asked.provider or "",
        reference=asked.reference,
        currency=asked.currency,
        amount_minor=asked.amount_minor,
    )


def _origin(context: StepContext) -> Origin:
    return Origin(actor=context.actor, correlation_id=context.correlation_id)
