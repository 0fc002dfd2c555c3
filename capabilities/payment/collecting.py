"""Collecting what fell due: one more payment of the order, authorized and captured at once from one card.

Both keys are stored before the first call. Whoever comes again asks the provider after both before sending either.
"""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import UnavailableError
from capabilities.kernel.ids import derived_id
from capabilities.kernel.settings import settings
from capabilities.payment.asking import Answer
from capabilities.payment.contract import MAX_SOURCES, Contract, Payment, PreparePayment
from capabilities.payment.extensions import find_provider
from capabilities.payment.fold import AUTHORIZATION, CHARGE
from capabilities.payment.intents import call_for
from capabilities.payment.models import PaymentRow
from capabilities.payment.providers.calling import send
from capabilities.payment.providers.protocol import Action, Outcome, Provider, ProviderCall, ProviderReport
from capabilities.payment.service import Origin, lock_payments, prepare_payment, record_request

FIRST_POSITION = MAX_SOURCES


class Collection(Contract):
    """What will be asked: an authorization and its capture. Without calls, this payment was collected or declined before.

    `claim` names the dues it is for; `is_scheduled`: their day has come, nobody asked.
    """

    payment_id: str
    claim: str = ""
    is_scheduled: bool = False
    provider: str = ""
    authorize: ProviderCall | None = None
    capture: ProviderCall | None = None
    may_be_sent: bool = False


def next_position(session: Session, order_id: str) -> int:
    """The place of the next payment of an order, behind the sources of its checkout."""
    last = session.scalar(select(func.max(PaymentRow.position)).where(PaymentRow.order_id == order_id))
    return max(FIRST_POSITION, -1 if last is None else last + 1)


def intend_collection(session: Session, asked: PreparePayment, *, key: str, origin: Origin) -> Collection:
    """Write what will be asked of the provider: the payment, and both requests under keys of their own."""
    prepared = prepare_payment(session, asked)
    payment = next(one for one in lock_payments(session, asked.order_id) if one.id == prepared.id)
    keys = {action: derived_id(action.value[:3], payment.id, key) for action in (Action.AUTHORIZE, Action.CAPTURE)}
    known = {event.reference for event in payment.events}
    if not known:
        for action, reference in keys.items():
            record_request(
                session,
                payment,
                action=action,
                reference=reference,
                amount_minor=payment.amount_minor,
                origin=origin,
            )
    elif _is_answered(payment):
        return Collection(payment_id=payment.id)
    authorize = call_for(payment, Action.AUTHORIZE, keys[Action.AUTHORIZE], payment.amount_minor)
    capture = authorize.model_copy(
        update={
            "key": keys[Action.CAPTURE],
            "action": Action.CAPTURE,
            "authorization_key": authorize.key,
        }
    )
    return Collection(
        payment_id=payment.id,
        provider=payment.provider,
        authorize=authorize,
        capture=capture,
        may_be_sent=bool(known),
    )


def resumed(collection: Collection) -> Collection:
    """The collection of an attempt that broke off."""
    return collection.model_copy(update={"may_be_sent": True})


def collect(collection: Collection) -> Answer:
    """Authorize and capture. `UnavailableError` while the provider does not say what became of either."""
    if collection.authorize is None or collection.capture is None:
        return Answer()
    provider = find_provider(collection.provider)
    limit_s = settings().provider_limit_s
    granted = _told(provider, collection.authorize, limit_s, may_be_sent=collection.may_be_sent)
    if granted.outcome is Outcome.DECLINED:
        return Answer(reports=(granted, _never(collection.capture, granted.reason)))
    capture = collection.capture.model_copy(update={"authorization_id": granted.provider_id})
    taken = _told(provider, capture, limit_s, may_be_sent=collection.may_be_sent)
    if taken.outcome is not Outcome.DECLINED:
        return Answer(reports=(granted, taken))
    void = capture.model_copy(update={"key": derived_id("voi", capture.key), "action": Action.VOID})
    withdrawn = _told(provider, void, limit_s, may_be_sent=collection.may_be_sent)
    return Answer(reports=(granted, taken, withdrawn))


def _told(provider: Provider, call: ProviderCall, limit_s: float, *, may_be_sent: bool) -> ProviderReport:
    reports = send(provider, call, limit_s=limit_s, may_be_sent=may_be_sent)
    if not reports:
        raise UnavailableError(
            "payment.outcome_unknown",
            "The provider has not said yet what became of the payment.",
            mend="Ask again later.",
        )
    return reports[-1]


def _never(call: ProviderCall, reason: str | None) -> ProviderReport:
    """A capture that was not asked for: its authorization was declined."""
    return ProviderReport(
        key=call.key,
        action=call.action,
        outcome=Outcome.DECLINED,
        amount_minor=call.amount_minor,
        occurred_at=now(),
        reason=reason,
    )


def _is_answered(payment: Payment) -> bool:
    kinds = {event.kind for event in payment.events}
    return bool(kinds & {CHARGE.success, CHARGE.failure, AUTHORIZATION.failure})
