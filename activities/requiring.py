"""A step that insists: it refuses until what it is told is whole, so that the run stands with a person and not in silence."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from capabilities.kernel.errors import RefusedError


class StepType(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GivenBack(StepType):
    """How the payment's refund stands, as `payment.refund_shares` told it."""

    refund_id: str
    status: str
    told: str | None = None


@operation("payment.require_given_back", en="Insist on the whole refund", zh="确认退款全额到账", changes=False)
def require_given_back(session: Session, context: StepContext, request: GivenBack) -> GivenBack:  # noqa: ARG001
    """Refuses while a part of the money was not given back: somebody gives it back another way, then skips this step."""
    if request.status != "succeeded":
        raise RefusedError(
            "payment.refund_incomplete",
            request.told or "A part of the money was not given back.",
            mend="Give the rest back another way and skip this step, or wait and retry the step before.",
            refund_id=request.refund_id,
        )
    return request
