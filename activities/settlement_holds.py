"""Operations that keep sellers' money back: holds by hand, disputes, days on which nothing is settled."""

from __future__ import annotations

from datetime import date

from pydantic import Field
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from activities.settlement import reverse
from activities.settlement_requests import (
    CloseDisputeRequest,
    DisputeResponse,
    HoldRequest,
    HoldResponse,
    LiftHoldRequest,
    OpenDisputeRequest,
    Part,
    RefundOfSale,
)
from capabilities.settlement import service_holds
from capabilities.settlement.contract import Dispute, PlaceHold
from capabilities.settlement.queries_payout import transfers_of_order
from capabilities.transaction.queries import order_of


class ClosedDayRequest(Part):
    day: date
    name: str = Field(min_length=1, max_length=100)


class ClosedDayResponse(Part):
    day: date


@operation("settlement.place_hold", en="Keep a seller's money back", zh="冻结卖家款项")
def place_hold(session: Session, context: StepContext, request: HoldRequest) -> HoldResponse:
    """Keep back what a seller or an order has coming; payouts of it that were not sent are withdrawn."""
    asked = PlaceHold(business=context.identity.business, **request.model_dump())
    return HoldResponse(hold_id=service_holds.place_hold(session, asked, key=context.key, by=context.actor).id)


@operation("settlement.lift_hold", en="Let a seller's money go", zh="解冻卖家款项")
def lift_hold(session: Session, context: StepContext, request: LiftHoldRequest) -> HoldResponse:
    """End a hold; one that ended already stays as it was."""
    held = service_holds.lift_hold(session, request.hold_id, reason=request.reason, by=context.actor)
    return HoldResponse(hold_id=held.id)


@operation("settlement.open_dispute", en="Hold the order's money in dispute", zh="争议冻结")
def open_dispute(session: Session, context: StepContext, request: OpenDisputeRequest) -> DisputeResponse:
    """Nobody is paid from the order until the dispute is decided; the same reference twice is one dispute."""
    del context
    order = order_of(session, request.order_id)
    dispute = service_holds.open_dispute(
        session,
        business=order.business,
        order_id=order.id,
        reference=request.reference,
        reason=request.reason,
        amount_minor=request.amount_minor,
    )
    return _told(session, dispute)


@operation("settlement.close_dispute", en="Decide the dispute", zh="争议结案")
def close_dispute(session: Session, context: StepContext, request: CloseDisputeRequest) -> DisputeResponse:
    """Let the order's money go; a lost dispute first takes back what its refund gives back. Without one we bear it."""
    if request.outcome == "lost" and request.refund_id is not None:
        reverse(session, context, RefundOfSale(refund_id=request.refund_id))
    dispute = service_holds.close_dispute(session, request.dispute_id, is_won=request.outcome == "won")
    return _told(session, dispute)


@operation("settlement.close_day", en="Keep a day closed", zh="登记非结算日")
def close_day(session: Session, context: StepContext, request: ClosedDayRequest) -> ClosedDayResponse:
    """Nothing falls due on that day; times that were set before stay."""
    service_holds.close_day(session, context.identity.business, request.day, request.name)
    return ClosedDayResponse(day=request.day)


def _told(session: Session, dispute: Dispute) -> DisputeResponse:
    return DisputeResponse(
        dispute_id=dispute.id, status=dispute.status, transfers=len(transfers_of_order(session, dispute.order_id))
    )
