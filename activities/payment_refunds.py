"""Operations that give a part of an order's money back over its sources, and find out what became of that."""

from __future__ import annotations

from sqlalchemy.orm import Session

from activities.catalogue import OutsideSteps, StepContext, outside_operation
from activities.payment_requests import FindRefundRequest, RefundSharesRequest, RefundSharesResponse
from capabilities.kernel.errors import PlatformError, RefusedError
from capabilities.payment import intents
from capabilities.payment.asking import Answer, Intent
from capabilities.payment.reasons import told
from capabilities.payment.refunds import intend_finding_refund, intend_refund_shares, record_refund_shares
from capabilities.payment.service import Origin

WHAT = {
    "failed": "The money was not given back",
    "incomplete": "A part of the money was not given back",
}


def _origin(context: StepContext) -> Origin:
    return Origin(actor=context.actor, correlation_id=context.correlation_id)


def _intend(session: Session, context: StepContext, request: RefundSharesRequest) -> Intent:
    return intend_refund_shares(
        session,
        refund_id=request.refund_id,
        order_id=request.order_id,
        amount_minor=request.amount_minor,
        origin=_origin(context),
    )


def _intend_finding(session: Session, context: StepContext, request: FindRefundRequest) -> Intent:
    del context
    return intend_finding_refund(session, request.refund_id)


def _record(session: Session, context: StepContext, intent: Intent, answer: Answer) -> RefundSharesResponse:
    refund = record_refund_shares(session, intent, answer, origin=_origin(context))
    return RefundSharesResponse(
        refund_id=refund.refund_id,
        status=refund.status,
        amount_minor=refund.amount_minor,
        given_minor=refund.given_minor,
        shares=refund.shares,
        reason=refund.reason,
        told=told(WHAT[refund.status], refund.reason) if refund.status in WHAT else None,
    )


def _not_whole(refund: RefundSharesResponse) -> PlatformError | None:
    """What keeps the refund from being whole: each try asks the sources that refused once more."""
    if refund.status == "succeeded":
        return None
    return RefusedError(
        "payment.refund_incomplete",
        refund.told or "It is not known yet whether all of the money was given back.",
        mend="Have the step tried again: it asks only those who have not given back.",
        refund_id=refund.refund_id,
        amount_minor=refund.amount_minor,
        given_minor=refund.given_minor,
    )


outside_operation(
    "payment.refund_shares",
    en="Give money back over the sources",
    zh="按来源退款",
    request=RefundSharesRequest,
    response=RefundSharesResponse,
    steps=OutsideSteps(_intend, intents.ask, _record, again=intents.resumed),
)
outside_operation(
    "payment.refund_rest",
    en="Give the rest back",
    zh="补退余款",
    request=RefundSharesRequest,
    response=RefundSharesResponse,
    steps=OutsideSteps(_intend, intents.ask, _record, again=intents.resumed, insist=_not_whole),
)
outside_operation(
    "payment.find_refund",
    en="Find out what became of the refund",
    zh="查询退款结果",
    request=FindRefundRequest,
    response=RefundSharesResponse,
    steps=OutsideSteps(_intend_finding, intents.find_out, _record, again=intents.resumed),
)
