"""Steps of marketing in a sale and after it: coupons and limits claimed, redeemed, released; rewards; what a refund gives back."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from activities.limits import uses_of_quote
from capabilities.kernel.identity import BusinessIdentity
from capabilities.marketing import service_claims, service_returns
from capabilities.marketing.extensions import uses_after_refund
from capabilities.marketing.queries import quote_of
from capabilities.transaction.after_sale import Refund, RefundStatus
from capabilities.transaction.contract import OfferKind, Order
from capabilities.transaction.queries import order_of
from capabilities.transaction.refund_queries import refund_of, refunds_of


class StepType(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ClaimRequest(StepType):
    """The order, and the quote whose coupons and limits it uses."""

    order_id: str
    quote_id: str


class OrderReference(StepType):
    order_id: str


class RefundReference(StepType):
    refund_id: str


class Claimed(StepType):
    """How many coupons and counters the order uses."""

    coupons: int
    limits: int


class Redeemed(StepType):
    coupons: int
    limits: int


class Released(StepType):
    coupons: int
    limits: int


class GrantedRewards(StepType):
    """What the order earned its buyer; points and cashback are posted by others."""

    buyer_id: str
    """Empty for a guest, who earns nothing."""
    points: int
    cashback_minor: int
    currency: str
    coupons: tuple[str, ...]


class GivenBack(StepType):
    """What the refund gave back to budgets and limits, how many coupons can be used again, and what rewards to take back."""

    budget: int
    uses: int
    coupons: int
    buyer_id: str
    """Empty for a guest, who earns nothing."""
    points: int
    cashback_minor: int
    currency: str


@operation("marketing.claim", en="Claim coupons and limits", zh="占用优惠券和额度")
def claim(session: Session, context: StepContext, request: ClaimRequest) -> Claimed:  # noqa: ARG001
    """All of it or nothing; refused with the coupon or limit named where one is used up meanwhile."""
    uses = uses_of_quote(session, quote_of(session, request.quote_id))
    claims = service_claims.claim(session, request.order_id, request.quote_id, uses)
    return Claimed(coupons=claims.coupons, limits=claims.limits)


@operation("marketing.redeem", en="Redeem coupons and limits", zh="核销优惠券和额度")
def redeem(session: Session, context: StepContext, request: OrderReference) -> Redeemed:  # noqa: ARG001
    """The order is confirmed: what it claimed is used."""
    claims = service_claims.redeem_claims(session, request.order_id)
    return Redeemed(coupons=claims.coupons, limits=claims.limits)


@operation("marketing.release", en="Release coupons and limits", zh="释放优惠券和额度")
def release(session: Session, context: StepContext, request: OrderReference) -> Released:  # noqa: ARG001
    """The undo of claiming; what is redeemed or was released stays so."""
    claims = service_claims.release_claims(session, request.order_id)
    return Released(coupons=claims.coupons, limits=claims.limits)


@operation("marketing.grant_rewards", en="Grant the rewards", zh="发放奖励")
def grant_rewards(session: Session, context: StepContext, request: OrderReference) -> GrantedRewards:  # noqa: ARG001
    """Record the points and cashback the quote promised and issue its coupons, once."""
    order = order_of(session, request.order_id)
    granted = service_returns.grant_rewards(session, order.id, order.buyer_id, quote_of(session, order.quote_id))
    return GrantedRewards(
        buyer_id=order.buyer_id or "",
        points=granted.points,
        cashback_minor=granted.cashback_minor,
        currency=order.currency,
        coupons=granted.coupons,
    )


@operation("marketing.give_back", en="Give back budgets and coupons", zh="归还预算和优惠券")
def give_back(session: Session, context: StepContext, request: RefundReference) -> GivenBack:  # noqa: ARG001
    """The discounts' share goes back to budgets, uses by policy; says what of points and cashback is to be taken back."""
    refund = refund_of(session, request.refund_id)
    order = order_of(session, refund.order_id)
    refunded = _refunded(session, refund, order)
    restores = uses_after_refund.for_identity(BusinessIdentity(order.business, order.scenario))(refund.kind.value)
    given = service_returns.give_back(session, refunded, restores_uses=restores)
    return GivenBack(
        budget=given.budget,
        uses=given.uses,
        coupons=given.coupons,
        buyer_id=order.buyer_id or "",
        points=given.points,
        cashback_minor=given.cashback_minor,
        currency=order.currency,
    )


def _refunded(session: Session, refund: Refund, order: Order) -> service_returns.RefundedOrder:
    """The refund in marketing's words: this one, and what succeeded before it."""
    done = [one for one in refunds_of(session, order.id) if one.status == RefundStatus.SUCCEEDED or one.id == refund.id]
    units: dict[str, int] = {}
    for one in done:
        for line in one.lines:
            units[line.line_id] = units.get(line.line_id, 0) + line.units
    goods = [line for line in order.lines if line.kind == OfferKind.GOODS and not line.is_gift]
    discounts: dict[str, int] = {}
    for line in refund.lines:
        for adjustment in line.adjustments:
            discounts[adjustment.rule_id] = discounts.get(adjustment.rule_id, 0) + adjustment.given_minor
    return service_returns.RefundedOrder(
        refund_id=refund.id,
        order_id=order.id,
        discounts=discounts,
        refunded_minor=sum(one.total_minor for one in done),
        paid_minor=order.total_minor,
        is_whole=all(units.get(line.line_id, 0) >= line.quantity for line in goods),
    )


# --- the names that definitions published before still call -----------------------------------------------------


class ClaimedCoupons(StepType):
    claims: int


class RedeemedCoupons(StepType):
    redeemed: int


class ReleasedCoupons(StepType):
    released: int


@operation("marketing.claim_coupons", en="Claim the coupons", zh="占用优惠券")
def claim_coupons(session: Session, context: StepContext, request: ClaimRequest) -> ClaimedCoupons:
    """A use of every coupon the quote applied and of every limit, or none; refused with the reason where one is used up."""
    return ClaimedCoupons(claims=claim(session, context, request).coupons)


@operation("marketing.redeem_coupons", en="Redeem the coupons", zh="核销优惠券")
def redeem_coupons(session: Session, context: StepContext, request: OrderReference) -> RedeemedCoupons:
    """The order is confirmed: its uses are final."""
    return RedeemedCoupons(redeemed=redeem(session, context, request).coupons)


@operation("marketing.release_coupons", en="Release the coupons", zh="释放优惠券")
def release_coupons(session: Session, context: StepContext, request: OrderReference) -> ReleasedCoupons:
    """The undo of claiming; what is redeemed or was released stays so."""
    return ReleasedCoupons(released=release(session, context, request).coupons)
