"""Operations of payment. All call a provider, so each is three commits: the intent, (the call), the answer."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from activities.catalogue import OutsideSteps, StepContext, outside_operation
from capabilities.kernel.errors import MissingError
from capabilities.marketing.service_claims import secure_claims
from capabilities.payment import intents
from capabilities.payment.contract import Payment, PreparePayment
from capabilities.payment.intents import Answer, Intent, PaymentStand, stand_of
from capabilities.payment.queries import payment_of, payment_of_order
from capabilities.payment.reasons import told
from capabilities.payment.service import Origin
from capabilities.transaction.queries import order_of
from capabilities.transaction.service import secure_stock


class Part(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AuthorizeRequest(Part):
    order_id: str
    method: str


class AuthorizeResponse(Part):
    """`unknown`: the provider did not answer in time; `payment.find_outcome` finds out. `told` is `reason` as a sentence."""

    payment_id: str
    status: Literal["authorized", "declined", "unknown"]
    reason: str | None
    told: str | None = None


class FindOutcomeRequest(Part):
    payment_id: str


class FindOutcomeResponse(Part):
    """What became of the payment; `failed` is a capture that did not work. `told` is `reason` as a sentence."""

    payment_id: str
    status: Literal["authorized", "captured", "declined", "failed"]
    reason: str | None
    told: str | None = None


class CaptureRequest(Part):
    order_id: str
    payment_id: str


class CaptureResponse(Part):
    payment_id: str
    status: Literal["captured", "unknown", "failed"]
    reason: str | None
    told: str | None = None


class VoidRequest(Part):
    order_id: str


class RefundRequest(Part):
    order_id: str
    payment_id: str | None = None


class TakenBack(Part):
    """What an undo found and did; `nothing` where nothing was authorized or captured."""

    payment_id: str | None
    status: str


def _origin(context: StepContext) -> Origin:
    return Origin(actor=context.actor, correlation_id=context.correlation_id)


WHAT = {"declined": "The payment was declined", "failed": "The payment was approved, but could not be taken"}


def _why(payment: Payment, status: str) -> dict[str, str | None]:
    """The provider's code, and what a buyer is told; nothing where all is well."""
    if status not in WHAT:
        return {"reason": None, "told": None}
    return {"reason": payment.status_reason, "told": told(WHAT[status], payment.status_reason)}


def _recorded(session: Session, context: StepContext, intent: Intent, answer: Answer) -> Payment:
    payment = intents.record_answer(session, intent, answer, origin=_origin(context))
    if payment is None:
        raise MissingError("payment.unknown", "There is no payment to record an answer for.")
    return payment


def _intend_authorization(session: Session, context: StepContext, request: AuthorizeRequest) -> Intent:
    order = order_of(session, request.order_id)
    asked = PreparePayment(
        business=order.business,
        order_id=order.id,
        method=request.method,
        currency=order.currency,
        amount_minor=order.total_minor,
    )
    return intents.intend_authorization(session, asked, key=context.key, origin=_origin(context))


def _record_authorization(session: Session, context: StepContext, intent: Intent, answer: Answer) -> AuthorizeResponse:
    payment = _recorded(session, context, intent, answer)
    stand = stand_of(payment)
    done = stand in (PaymentStand.AUTHORIZED, PaymentStand.CAPTURED, PaymentStand.FAILED)
    status: Literal["authorized", "declined", "unknown"] = (
        "authorized" if done else "unknown" if stand is PaymentStand.UNKNOWN else "declined"
    )
    return AuthorizeResponse(payment_id=payment.id, status=status, **_why(payment, status))


def _intend_finding_out(session: Session, context: StepContext, request: FindOutcomeRequest) -> Intent:
    del context
    return intents.intend_finding_out(session, request.payment_id)


def _record_outcome(session: Session, context: StepContext, intent: Intent, answer: Answer) -> FindOutcomeResponse:
    payment = _recorded(session, context, intent, answer)
    status: Literal["authorized", "captured", "declined", "failed"] = "declined"
    match stand_of(payment):
        case PaymentStand.AUTHORIZED:
            status = "authorized"
        case PaymentStand.CAPTURED:
            status = "captured"
        case PaymentStand.FAILED:
            status = "failed"
        case _:
            pass
    return FindOutcomeResponse(payment_id=payment.id, status=status, **_why(payment, status))


def _intend_capture(session: Session, context: StepContext, request: CaptureRequest) -> Intent:
    """Coupons and stock are secured in the transaction that writes the intent: money is taken only for what is there."""
    secure_claims(session, request.order_id)
    secure_stock(session, request.order_id)
    return intents.intend_capture(session, request.payment_id, key=context.key, origin=_origin(context))


def _record_capture(session: Session, context: StepContext, intent: Intent, answer: Answer) -> CaptureResponse:
    payment = _recorded(session, context, intent, answer)
    stand = stand_of(payment)
    status: Literal["captured", "unknown", "failed"] = "failed"
    if stand is PaymentStand.CAPTURED or payment.amount_minor == 0:
        status = "captured"
    elif stand is PaymentStand.UNKNOWN:
        status = "unknown"
    return CaptureResponse(payment_id=payment.id, status=status, **_why(payment, status))


def _intend_void(session: Session, context: StepContext, request: VoidRequest) -> Intent:
    payment = payment_of_order(session, request.order_id)
    return intents.intend_void(session, payment, key=context.key, origin=_origin(context))


def _intend_refund(session: Session, context: StepContext, request: RefundRequest) -> Intent:
    payment = (
        payment_of(session, request.payment_id)
        if request.payment_id is not None
        else payment_of_order(session, request.order_id)
    )
    return intents.intend_refund(session, payment, key=context.key, origin=_origin(context))


def _record_taking_back(session: Session, context: StepContext, intent: Intent, answer: Answer) -> TakenBack:
    payment = intents.record_answer(session, intent, answer, origin=_origin(context))
    return TakenBack(
        payment_id=intent.payment_id,
        status=PaymentStand.NOTHING.value if payment is None else payment.status.value,
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
    steps=OutsideSteps(_intend_refund, intents.ask, _record_taking_back, again=intents.resumed),
)
