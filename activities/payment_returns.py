"""Steps about money that comes back after it was known to be gone: chargebacks that are won, refunds that return."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from capabilities.kernel.errors import ConflictError
from capabilities.payment.returned import note_chargeback_won, returned_of
from capabilities.payment.service import Origin
from capabilities.transaction.contract import OfferKind, Refund, RefundRequest, UnitsOfLine
from capabilities.transaction.queries import refund_of


class StepType(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ChargebackWon(StepType):
    """A chargeback of an order by its reference, and what the bank gave back of it."""

    order_id: str
    reference: str
    amount_minor: int = Field(gt=0)


class ChargedAgain(StepType):
    """The payment that is charged again; None where the chargeback was never told of any."""

    payment_id: str | None


class ReturnedRefund(StepType):
    """A refund by its id."""

    refund_id: str


class Returned(StepType):
    """What came back, and the request that would give it back once more."""

    total_minor: int
    currency: str
    request: RefundRequest


@operation("payment.note_chargeback_won", en="Note that the chargeback is won", zh="登记拒付申诉成功")
def note_won(session: Session, context: StepContext, request: ChargebackWon) -> ChargedAgain:
    """The payment is charged again. Where the provider has said so itself, nothing changes."""
    origin = Origin(actor=context.actor, correlation_id=context.correlation_id)
    won = note_chargeback_won(session, request.order_id, request.reference, request.amount_minor, origin)
    return ChargedAgain(payment_id=won)


@operation("payment.require_returned", en="See that the refund came back whole", zh="确认退款已全额退回", changes=False)
def require_returned(session: Session, context: StepContext, request: ReturnedRefund) -> Returned:
    """Everything a refund gave is here again; what came back in part, or lowered what is due later, needs a person."""
    del context
    refund = refund_of(session, request.refund_id)
    returned = returned_of(session, refund.id)
    if returned != refund.due_minor or refund.unpaid_minor:
        raise ConflictError(
            "payment.refund_partly_returned",
            f"Of refund {refund.number} {returned} of {refund.total_minor} minor units are here again.",
            mend="Try again when the rest has come back, or settle it with the buyer by hand and end this.",
            refund_id=refund.id,
        )
    return Returned(total_minor=refund.total_minor, currency=refund.currency, request=once_more(refund))


def once_more(refund: Refund) -> RefundRequest:
    """The request that gives back the same once more: by units where it was of units, else by its amount. Pure."""
    units = tuple(
        UnitsOfLine(line_id=line.line_id, units=line.units)
        for line in refund.lines
        if line.units and line.kind == OfferKind.GOODS
    )
    is_amount = not units and not refund.delivery and not refund.fees
    return RefundRequest(
        order_id=refund.order_id,
        kind=refund.kind,
        lines=units,
        delivery=refund.delivery,
        fees=refund.fees,
        amount_minor=refund.total_minor if is_amount else None,
        reason=refund.reason,
        destination=refund.destination,
    )
