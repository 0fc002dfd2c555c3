"""Asking a provider in three parts: `intend_…` writes what will be asked, `ask` asks, `record_answer` writes the answer.

An intent is about all payments of an order that providers take (its cards): each has a call and a key of its own, stored
before any call. `ask` (in `asking`) runs outside of any transaction and may run again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from capabilities.kernel.errors import UnavailableError
from capabilities.kernel.ids import derived_id
from capabilities.kernel.settings import settings
from capabilities.payment.asking import NOTHING_TO_ASK, Answer, Intent, ask, find_out, resumed, together
from capabilities.payment.contract import Payment, PaymentEvent, PaymentEventKind, PreparePayment, SourceKind
from capabilities.payment.fold import AUTHORIZATION, CANCEL, CHARGE, REFUND, Act, amounts, open_references
from capabilities.payment.providers.protocol import Action, ProviderCall
from capabilities.payment.queries import payment_of
from capabilities.payment.service import (
    Origin,
    is_refund_share,
    lock_payments,
    lock_payments_beside,
    prepare_payment,
    record_reports,
    record_request,
)

__all__ = [
    "NOTHING_TO_ASK",
    "Answer",
    "Intent",
    "PaymentStand",
    "ask",
    "find_out",
    "intend_authorization",
    "intend_capture",
    "intend_finding_out",
    "intend_refund",
    "intend_void",
    "record_answer",
    "record_answers",
    "resumed",
    "stand_of",
    "stand_of_all",
]

K = PaymentEventKind


class PaymentStand(StrEnum):
    """Where a payment stands, for the process that asked."""

    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    DECLINED = "declined"
    FAILED = "failed"
    UNKNOWN = "unknown"
    NOTHING = "nothing"


# --- intents: in a transaction ----------------------------------------------------------------------------------


def intend_authorization(session: Session, *requests: PreparePayment, key: str, origin: Origin) -> Intent:
    """Ask for the whole amount of each. Nothing is asked where nothing is due or it is authorized or charged already."""
    intents = []
    for request in requests:
        payment = prepare_payment(session, request)
        if payment.amount_minor == 0 or payment.amounts.authorized_minor > 0 or was_charged(payment):
            intents.append(Intent(payment_id=payment.id))
        else:
            intents.append(_order(session, payment, Action.AUTHORIZE, payment.amount_minor, key, origin))
    return together(intents)


def intend_capture(session: Session, order_id: str, *, key: str, origin: Origin) -> Intent:
    """Ask for what is authorized: nothing once it is captured. An open capture is asked after."""
    intents = []
    for payment in _cards(lock_payments(session, order_id)):
        open_captures = open_references(payment.events, CHARGE)
        amount = payment.amounts.charge_pending_minor if open_captures else payment.amounts.authorized_minor
        if amount == 0:
            intents.append(Intent(payment_id=payment.id))
        else:
            intents.append(_order(session, payment, Action.CAPTURE, amount, key, origin))
    return together(intents)


def intend_void(session: Session, order_id: str, *, key: str, origin: Origin) -> Intent:
    """Withdraw what is authorized, or may still become so. Nothing to withdraw: nothing is asked."""
    intents = []
    for payment in _cards(lock_payments(session, order_id)):
        open_calls = (*_open_calls(payment, AUTHORIZATION), *_open_calls(payment, CHARGE))
        amount = payment.amounts.authorized_minor + payment.amounts.cancel_pending_minor
        amount += sum(call.amount_minor for call in open_calls)
        if amount == 0:
            intents.append(Intent(payment_id=payment.id))
        else:
            intent = _order(session, payment, Action.VOID, amount, key, origin)
            is_taken = _charged(payment) >= payment.amount_minor
            intents.append(intent.model_copy(update={"open_calls": open_calls, "is_taken": is_taken}))
    return together(intents)


def intend_refund(session: Session, order_id: str, *, key: str, origin: Origin) -> Intent:
    """Give back all that was charged, or may have been. Nothing charged: nothing is asked."""
    intents = []
    for payment in _cards(lock_payments(session, order_id)):
        sums = payment.amounts
        if sums.refund_pending_minor > 0 and is_refund_share(session, open_references(payment.events, REFUND)):
            raise UnavailableError(
                "payment.refund_pending", "A refund of a part is under way.", mend="Try again when it is known."
            )
        amount = sums.charged_minor + sums.charge_pending_minor + sums.refund_pending_minor
        if amount <= 0:
            intents.append(Intent(payment_id=payment.id))
        else:
            intent = _order(session, payment, Action.REFUND, amount, _after_refusals(payment, REFUND, key), origin)
            intents.append(intent.model_copy(update={"open_calls": _open_calls(payment, CHARGE)}))
    return together(intents)


def intend_finding_out(session: Session, payment_id: str) -> Intent:
    """Find out what became of what is open of the order that this payment belongs to.

    An open capture is sent again if the provider never heard of it: the pieces are secured for it. An authorization it
    never heard of is given up after twice the limit of a call.
    """
    return together([_finding_out(payment) for payment in _cards(lock_payments_beside(session, payment_id))])


def _finding_out(payment: Payment) -> Intent:
    captures = _open_calls(payment, CHARGE)
    if captures:
        return Intent(payment_id=payment.id, provider=payment.provider, call=captures[0], may_be_sent=True)
    open_calls = _open_calls(payment, AUTHORIZATION)
    patience = timedelta(seconds=2 * settings().provider_limit_s)
    asked_at = [e.occurred_at for e in payment.events if e.reference in {call.key for call in open_calls}]
    return Intent(
        payment_id=payment.id,
        provider=payment.provider,
        open_calls=open_calls,
        gives_up_at=max(asked_at) + patience if asked_at else None,
    )


# --- answers: in a transaction ----------------------------------------------------------------------------------


def record_answers(session: Session, intent: Intent, answer: Answer, *, origin: Origin) -> tuple[Payment, ...]:
    """Write the answers; the payments as they stand then. Recording the same answer again changes nothing."""
    payments = []
    # an answer without others belongs to an intent whose others had nothing to say
    for position, one in enumerate(intent.each):
        if one.payment_id is None:
            continue
        told = answer.each[position].reports if position < len(answer.each) else ()
        record_reports(session, one.payment_id, told, origin)
        payments.append(payment_of(session, one.payment_id))
    return tuple(payments)


def record_answer(session: Session, intent: Intent, answer: Answer, *, origin: Origin) -> Payment | None:
    """As `record_answers`, for an order paid by one card: its payment, None where nothing was asked."""
    return next(iter(record_answers(session, intent, answer, origin=origin)), None)


def stand_of_all(payments: Sequence[Payment]) -> PaymentStand:
    """Where an order's cards stand together: they are authorized or captured only if all are; a no of one is a no."""
    stands = [stand_of(payment) for payment in payments]
    for word in (PaymentStand.DECLINED, PaymentStand.FAILED, PaymentStand.UNKNOWN, PaymentStand.AUTHORIZED):
        if word in stands:
            return word
    return stands[0] if stands else PaymentStand.NOTHING


def stand_of(payment: Payment | None) -> PaymentStand:
    """Where the payment stands, for the process. Less captured than was asked for is a capture that failed."""
    if payment is None:
        return PaymentStand.NOTHING
    sums = payment.amounts
    if was_charged(payment):
        return PaymentStand.CAPTURED if _charged(payment) >= payment.amount_minor else PaymentStand.FAILED
    if sums.authorize_pending_minor > 0 or sums.charge_pending_minor > 0:
        return PaymentStand.UNKNOWN
    if sums.authorized_minor > 0 or payment.amount_minor == 0:
        return PaymentStand.FAILED if _capture_failed(payment) else PaymentStand.AUTHORIZED
    return PaymentStand.DECLINED


def was_charged(payment: Payment) -> bool:
    """Whether a charge succeeded, whatever was given back or taken back since."""
    return _charged(payment) > 0


def _charged(payment: Payment) -> int:
    return amounts(e for e in payment.events if e.kind in (K.CHARGE_SUCCESS, K.CHARGE_FAILURE)).charged_minor


def _capture_failed(payment: Payment) -> bool:
    return any(event.kind is K.CHARGE_FAILURE for event in payment.events)


def _cards(payments: Iterable[Payment]) -> list[Payment]:
    """The payments that a provider takes; stored value stands in our own ledger."""
    return [payment for payment in payments if payment.kind is SourceKind.CARD]


ACTS = {Action.AUTHORIZE: AUTHORIZATION, Action.CAPTURE: CHARGE, Action.VOID: CANCEL, Action.REFUND: REFUND}


def _order(session: Session, payment: Payment, action: Action, amount_minor: int, key: str, origin: Origin) -> Intent:
    """The order to the provider: an open one of the same act again, or a new one."""
    act = ACTS[action]
    waiting = open_references(payment.events, act)
    reference = waiting[0] if waiting else derived_id(action.value[:3], payment.id, key)
    if not waiting and any(e.kind is act.request and e.reference == reference for e in payment.events):
        return Intent(payment_id=payment.id)  # asked with this key before, and answered: the answer stands
    if not waiting:
        record_request(session, payment, action=action, reference=reference, amount_minor=amount_minor, origin=origin)
    call = call_for(payment, action, reference, amount_minor)
    return Intent(payment_id=payment.id, provider=payment.provider, call=call, may_be_sent=bool(waiting))


def _after_refusals(payment: Payment, act: Act, key: str) -> str:
    """A key of its own for the next try: a provider keeps its no under the key that it declined."""
    refused = {event.reference for event in payment.events if event.kind is act.failure}
    return f"{key}/{len(refused)}" if refused else key


def _open_calls(payment: Payment, act: Act) -> tuple[ProviderCall, ...]:
    action = {AUTHORIZATION: Action.AUTHORIZE, CHARGE: Action.CAPTURE}[act]
    asked: dict[str, PaymentEvent] = {e.reference: e for e in payment.events if e.kind is act.request}
    return tuple(
        call_for(payment, action, reference, asked[reference].amount_minor)
        for reference in open_references(payment.events, act)
    )


def call_for(payment: Payment, action: Action, reference: str, amount_minor: int) -> ProviderCall:
    """The order to the provider of a payment, under that key."""
    authorizations = [e for e in payment.events if e.kind is K.AUTHORIZATION_REQUEST]
    granted = [e for e in payment.events if e.kind is K.AUTHORIZATION_SUCCESS]
    about = None if action is Action.AUTHORIZE else [*authorizations, *granted][-1]
    return ProviderCall(
        key=reference,
        action=action,
        business=payment.business,
        payment_id=payment.id,
        method=payment.method,
        currency=payment.currency,
        amount_minor=amount_minor,
        authorization_key=about.reference if about else None,
        authorization_id=about.provider_id if about else None,
    )
