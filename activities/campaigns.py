"""Steps about campaigns, budgets and coupons in numbers: what operators do, as operations of one-step processes."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from capabilities.kernel.errors import RefusedError
from capabilities.marketing import service_campaigns, service_lots
from capabilities.marketing.campaigns import AskTopUp, BudgetChange, ChangeCampaign, CreateCampaign, TopUp
from capabilities.marketing.contract import CreateCoupon
from capabilities.marketing.coupon_files import add_coupon, import_coupons
from capabilities.marketing.coupons import ChangeCoupons, CouponFile, CouponLot, CreateLot, ImportedCoupons
from capabilities.marketing.queries_campaigns import budget_of


class StepType(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CampaignChanged(StepType):
    campaign_id: str
    status: str


class BudgetSeen(StepType):
    campaign_id: str
    counts: str
    most: int
    most_after: int
    used: int
    currency: str | None


class LotReference(StepType):
    business: str
    lot_id: str


class LotProgress(StepType):
    """How far a lot is made; `chunks` are the calls of `marketing.make_codes` that are still needed."""

    lot_id: str
    wanted: int
    made: int
    is_ready: bool
    chunks: tuple[int, ...]


class CouponCreated(StepType):
    code: str


class CouponsChanged(StepType):
    changed: int


@operation("marketing.create_campaign", en="Create a campaign", zh="创建活动")
def create_campaign(session: Session, context: StepContext, request: CreateCampaign) -> CampaignChanged:
    """A draft with its budgets."""
    _require_own(context, request.business)
    made = service_campaigns.create_campaign(session, request, context.actor)
    return CampaignChanged(campaign_id=made.id, status=made.status)


@operation("marketing.change_campaign", en="Start, pause or end a campaign", zh="启动、暂停或结束活动")
def change_campaign(session: Session, context: StepContext, request: ChangeCampaign) -> CampaignChanged:
    """From now on its rules act, or do not."""
    _require_own(context, request.business)
    changed = service_campaigns.change_campaign(session, request, context.actor)
    return CampaignChanged(campaign_id=changed.id, status=changed.status)


@operation("marketing.preview_top_up", en="Preview a budget's change", zh="预览预算变更", changes=False)
def preview_top_up(session: Session, context: StepContext, request: AskTopUp) -> BudgetSeen:
    """What whoever decides about the change should see."""
    _require_own(context, request.business)
    campaign, budget = budget_of(session, request.business, request.budget_id)
    return BudgetSeen(
        campaign_id=campaign.id,
        counts=budget.counts,
        most=budget.most,
        most_after=budget.most + request.amount,
        used=budget.used,
        currency=budget.currency,
    )


@operation("marketing.top_up_budget", en="Top up a budget", zh="追加预算")
def top_up_budget(session: Session, context: StepContext, request: TopUp) -> BudgetChange:
    """The budget allows so much more, once a request."""
    _require_own(context, request.business)
    return service_campaigns.top_up(session, request, context.actor)


@operation("marketing.create_coupon", en="Create a coupon", zh="创建优惠券")
def create_coupon(session: Session, context: StepContext, request: CreateCoupon) -> CouponCreated:
    """One code; the same again is the same."""
    _require_own(context, request.business)
    add_coupon(session, request)
    return CouponCreated(code=request.code)


@operation("marketing.open_lot", en="Plan a lot of coupons", zh="规划一批优惠券")
def open_lot(session: Session, context: StepContext, request: CreateLot) -> LotProgress:
    """The lot without its codes; refused where codes could be guessed, with how to mend it."""
    _require_own(context, request.business)
    return _progress(service_lots.open_lot(session, request, context.actor))


@operation("marketing.make_codes", en="Make codes of a lot", zh="生成一批优惠码")
def make_codes(session: Session, context: StepContext, request: LotReference) -> LotProgress:
    """The next chunk; a lot that is whole stays as it is."""
    _require_own(context, request.business)
    return _progress(service_lots.make_codes(session, request.business, request.lot_id))


@operation("marketing.import_coupons", en="Import coupons", zh="导入优惠券")
def import_file(session: Session, context: StepContext, request: CouponFile) -> ImportedCoupons:
    """Every good row of the file; bad ones are told by line."""
    _require_own(context, request.business)
    return import_coupons(session, request.business, request.file)


@operation("marketing.change_coupons", en="Pause, resume or void coupons", zh="暂停、恢复或作废优惠券")
def change_coupons(session: Session, context: StepContext, request: ChangeCoupons) -> CouponsChanged:
    """A code, or all codes of a lot."""
    _require_own(context, request.business)
    return CouponsChanged(changed=service_lots.change_coupons(session, request, context.actor))


def _progress(lot: CouponLot) -> LotProgress:
    missing = -(-(lot.wanted - lot.made) // service_lots.CHUNK) if lot.status == "making" else 0
    return LotProgress(
        lot_id=lot.id,
        wanted=lot.wanted,
        made=lot.made,
        is_ready=lot.status == "ready",
        chunks=tuple(range(1, missing + 1)),
    )


def _require_own(context: StepContext, business: str) -> None:
    if context.identity.business != business:
        raise RefusedError(
            "marketing.business_differs",
            f"A process of {context.identity.business} changes nothing in {business}.",
            mend="Start the process for the business it is about.",
        )
