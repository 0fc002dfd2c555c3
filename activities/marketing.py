"""Steps about coupons: claim their uses for an order, redeem them, give them back."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from capabilities.marketing import service


class StepType(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ClaimRequest(StepType):
    """The order, and the quote whose coupons it used."""

    order_id: str
    quote_id: str


class OrderReference(StepType):
    order_id: str


class ClaimedCoupons(StepType):
    claims: int


class RedeemedCoupons(StepType):
    redeemed: int


class ReleasedCoupons(StepType):
    released: int


@operation("marketing.claim_coupons", en="Claim the coupons", zh="占用优惠券")
def claim_coupons(session: Session, context: StepContext, request: ClaimRequest) -> ClaimedCoupons:  # noqa: ARG001
    """A use of every coupon the quote applied, or none; refused with the reason where one is used up meanwhile."""
    return ClaimedCoupons(claims=service.claim_coupons(session, request.order_id, request.quote_id))


@operation("marketing.redeem_coupons", en="Redeem the coupons", zh="核销优惠券")
def redeem_coupons(session: Session, context: StepContext, request: OrderReference) -> RedeemedCoupons:  # noqa: ARG001
    """The order is confirmed: its uses are final."""
    return RedeemedCoupons(redeemed=service.redeem_coupons(session, request.order_id))


@operation("marketing.release_coupons", en="Release the coupons", zh="释放优惠券")
def release_coupons(session: Session, context: StepContext, request: OrderReference) -> ReleasedCoupons:  # noqa: ARG001
    """The undo of claiming; what is redeemed or was released stays so."""
    return ReleasedCoupons(released=service.release_coupons(session, request.order_id))
