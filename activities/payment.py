"""Operations of payment that call providers. Each is three commits: the intent, (the call), the answer.

All are about the cards of an order together: several cards are several calls in one step, each under its own key.
"""

from __future__ import annotations

from typing import Literal

from sqlalchemy.orm import Session

from activities.catalogue import OutsideSteps, StepContext, outside_operation
from activities.payment_requests import (
    AuthorizeRequest,
    AuthorizeResponse,
    CaptureRequest,
    CaptureResponse,
    FindOutcomeRequest,
    FindOutcomeResponse,
    RefundRequest,
    TakenBack,
    VoidRequest,
)
from activities.payment_sources import cards_routed, payments_asked
from capabilities.kernel.errors import MissingError, PlatformError, UnavailableError
from capabilities.marketing.service import secure_coupons
from capabilities.payment import intents
from capabilities.payment.contract import Payment
from capabilities.payment.intents import Answer, Intent, PaymentStand, stand_of, stand_of_all
from capabilities.payment.reasons import told
from capabilities.payment.service import Origin, payment_id_of
from capabilities.transaction.queries import order_of
from capabilities.transaction.service import secure_stock

__all__ = [
    "AuthorizeRequest",
    "CaptureRequest",
    "FindOutcomeRequest",
    "RefundRequest",
    "VoidRequest",
]


def _origin(context: StepContext) -> Origin:
    return Origin(actor=context.actor, correlation_id=context.correlation_id)


WHAT = {"declined": "The payment was declined", "failed": "The payment was approved, but could not be taken"}


def _why(payments: tuple[Payment, ...], stand: PaymentStand, status: str) -> dict[str, str | None]:
    """The provider's code, and what a buyer is told; nothing where all is well."""
    if status not in WHAT:
        return {"reason": None, "told": None}
    refused = next((payment for payment in payments if stand_of(payment) is stand), None)
    reason = refused.status_reason if refused else None
    return {"reason": reason, "told": told(WHAT[status], reason)}


def _recorded(session: Session, context: StepContext, intent: Intent, answer: Answer) -> tuple[Payment, ...]:
    return intents.record_answers(session, intent, answer, origin=_origin(context))


def _first(payments: tuple[Payment, ...]) -> str:
    if not payments:
        raise MissingError("payment.unknown", "There is no payment to record an answer for.")
    return payments[0].id


def _intend_authorization(session: Session, context: StepContext, request: AuthorizeRequest) -> Intent:
    order = order_of(session, request.order_id)
    asked = payments_asked(order, request.method, request.sources, request.later_minor or 0)
    asked = cards_routed(session, context.identity, order, asked)
    if not asked:  # stored value pays all of it
        return Intent(payment_id=payment_id_of(order.id))
    return intents.intend_authorization(session, *asked, key=context.key, origin=_origin(context))


def _record_authorization(session: Session, context: StepContext, intent: Intent, answer: Answer) -> AuthorizeResponse:
    payments = _recorded(session, context, intent, answer)
    stand = stand_of_all(payments)
    done = stand in (PaymentStand.AUTHORIZED, PaymentStand.CAPTURED, PaymentStand.FAILED)
    status: Literal["authorized", "declined", "unknown"] = (
        "authorized" if done else "unknown" if stand is PaymentStand.UNKNOWN else "declined"
    )
    return AuthorizeResponse(payment_id=_first(payments), status=status, **_why(payments, stand, status))


def _intend_finding_out(session: Session, context: StepContext, request: FindOutcomeRequest) -> Intent:
    del context
    return intents.intend_finding_out(session, request.payment_id)


def _record_outcome(session: Session, context: StepContext, intent: Intent, answer: Answer) -> FindOutcomeResponse:
    payments = _recorded(session, context, intent, answer)
    stand = stand_of_all(payments)
    status: Literal["authorized", "captured", "declined", "failed"] = "declined"
    match stand:
        case PaymentStand.AUTHORIZED:
            status = "authorized"
        case PaymentStand.CAPTURED:
            status = "captured"
        case PaymentStand.FAILED:
            status = "failed"
        case _:
            pass
    return FindOutcomeResponse(payment_id=_first(payments), status=status, **_why(payments, stand, status))


def _intend_capture(session: Session, context: StepContext, request: CaptureRequest) -> Intent:
    """Coupons and stock are secured in the transaction that writes the intent: money is taken only for what is there."""
    secure_coupons(session, request.order_id)
    secure_stock(session, request.order_id)
    intent = intents.intend_capture(session, request.order_id, key=context.key, origin=_origin(context))
    return Intent(payment_id=request.payment_id) if intent.payment_id is None else intent


def _record_capture(session: Session, context: StepContext, intent: Intent, answer: Answer) -> CaptureResponse:
    payments = _recorded(session, context, intent, answer)
    cards = tuple(one for one in payments if one.amount_minor > 0 and not one.kind.is_stored)
    stand = stand_of_all(cards)
    status: Literal["captured", "unknown", "failed"] = "failed"
    if stand is PaymentStand.CAPTURED or not cards:
        status = "captured"
    elif stand is PaymentStand.UNKNOWN:
        status = "unknown"
    return CaptureResponse(payment_id=_first(payments), status=status, **_why(cards, stand, status))


def _intend_void(session: Session, context: StepContext, request: VoidRequest) -> Intent:
    return intents.intend_void(session, request.order_id, key=context.key, origin=_origin(context))


def _intend_refund(session: Session, context: StepContext, request: RefundRequest) -> Intent:
    return intents.intend_refund(session, request.order_id, key=context.key, origin=_origin(context))


def _not_given_back(back: TakenBack) -> PlatformError | None:
    """A captured payment that its provider does not give back; the next try asks anew."""
    if not back.is_refused:
        return None
    return UnavailableError(
        "payment.refund_refused",
        "The provider did not give the money back.",
        mend="Try again: each try asks the provider anew. If it stays so, settle it with the provider.",
        reason=back.reason,
    )


def _record_giving_back(session: Session, context: StepContext, intent: Intent, answer: Answer) -> TakenBack:
    payments = _recorded(session, context, intent, answer)
    kept = next((one for one in payments if one.amounts.charged_minor > 0), None)
    return TakenBack(
        payment_id=intent.payment_id,
        status=payments[0].status.value if payments else PaymentStand.NOTHING.value,
        is_refused=kept is not None,
        reason=next((event.reason for event in reversed(kept.events) if event.reason), None) if kept else None,
    )


def _record_taking_back(session: Session, context: StepContext, intent: Intent, answer: Answer) -> TakenBack:
    payments = _recorded(session, context, intent, answer)
    return TakenBack(
        payment_id=intent.payment_id,
        status=payments[0].status.value if payments else PaymentStand.NOTHING.value,
    )


outside_operation(
    "payment.authorize",
    en="Authorize the payment",
    zh="支付授权",
    request=AuthorizeRequest,
    response=AuthorizeResponse,
    steps=OutsideSteps(_intend_authorization, intents.ask, _record_authorization, again=intents.resumed),
)
outside_operation(
    "payment.find_outcome",
    en="Find out what became of the payment",
    zh="查询支付结果",
    request=FindOutcomeRequest,
    response=FindOutcomeResponse,
    steps=OutsideSteps(_intend_finding_out, intents.find_out, _record_outcome, again=intents.resumed),
)
outside_operation(
    "payment.capture",
    en="Capture the payment",
    zh="扣款",
    request=CaptureRequest,
    response=CaptureResponse,
    steps=OutsideSteps(_intend_capture, intents.ask, _record_capture, again=intents.resumed),
)
outside_operation(
    "payment.void",
    en="Withdraw the authorization",
    zh="撤销授权",
    request=VoidRequest,
    response=TakenBack,
    steps=OutsideSteps(_intend_void, intents.ask, _record_taking_back, again=intents.resumed),
)
outside_operation(
    "payment.refund",
    en="Give the payment back",
    zh="退款",
    request=RefundRequest,
    response=TakenBack,
    steps=OutsideSteps(_intend_refund, intents.ask, _record_giving_back, again=intents.resumed, insist=_not_given_back),
)
