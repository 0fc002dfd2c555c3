"""What of a lost chargeback an order bears: what is left of it. The rest was given back before, and is our loss."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from capabilities.transaction.acts import lock_order
from capabilities.transaction.refundable import kept_lines
from capabilities.transaction.refunding import kept_total


class StepType(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ChargedBack(StepType):
    """What the buyer's bank keeps of an order's money."""

    order_id: str
    amount_minor: int = Field(gt=0)


class BorneBy(StepType):
    """`order_minor` is taken back from everybody who had a share, `rest_minor` is written off; together the amount."""

    order_id: str
    order_minor: int
    rest_minor: int


@operation("transaction.assess_chargeback", en="See who bears the chargeback", zh="核算拒付承担方", changes=False)
def assess_chargeback(session: Session, context: StepContext, request: ChargedBack) -> BorneBy:  # noqa: ARG001
    """Locks the order, so that no refund takes meanwhile what is found here. Writes nothing."""
    order = lock_order(session, request.order_id)
    left = kept_total(kept_lines(session, order, {}), prices_include_tax=order.prices_include_tax)
    borne = min(request.amount_minor, left)
    return BorneBy(order_id=order.id, order_minor=borne, rest_minor=request.amount_minor - borne)
