"""Steps about buyers: admitted, worked out anew, suspended, restored; what they agreed to; segments."""

from __future__ import annotations

from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from activities.classifying import check_condition, reclassify_buyer
from capabilities.kernel.outbox import publish
from capabilities.user.consents import record_consent
from capabilities.user.contract import (
    AdmitBuyer,
    AdmittedBuyer,
    Buyer,
    BuyerReference,
    BuyerStands,
    BuyerStatus,
    ChangedMembers,
    ChangeMembers,
    ConsentRequest,
    DefineSegment,
    GiveConsent,
    MembersRequest,
    OverrideTier,
    SegmentRequest,
    SegmentStands,
    StatusRequest,
    TierRequest,
)
from capabilities.user.queries import buyer_of, segment_of
from capabilities.user.segments import change_members, define_segment, publish_segment
from capabilities.user.service import admit_buyer, reinstate_buyer, suspend_buyer
from capabilities.user.tiers import override_tier

AT_ONCE = 200
"""Buyers worked out anew within the step; a longer list is followed afterwards."""


@operation("user.admit", en="Admit the buyer", zh="核验买家", changes=False)
def admit(session: Session, context: StepContext, request: AdmitBuyer) -> AdmittedBuyer:  # noqa: ARG001 - one signature for all steps
    """Refuses suspended buyers; a guest is admitted with the tier that guests have."""
    return admit_buyer(session, request)


@operation("user.reclassify", en="Work out tier and segments", zh="重新评定等级与分群")
def reclassify(session: Session, context: StepContext, request: BuyerReference) -> BuyerStands:
    """By the orders, refunds and rules of now; a second time changes nothing."""
    return reclassify_buyer(session, context.identity, request.buyer_id, context.actor)


@operation("user.suspend", en="Suspend the buyer", zh="停用买家")
def suspend(session: Session, context: StepContext, request: StatusRequest) -> BuyerStands:
    """The buyer can begin no further checkout; those already admitted go on to their end."""
    before = buyer_of(session, context.identity.business, request.buyer_id)
    after = suspend_buyer(session, context.identity.business, request.buyer_id, request.reason)
    return _moved(session, before, after)


@operation("user.restore", en="Restore the buyer", zh="恢复买家")
def restore(session: Session, context: StepContext, request: StatusRequest) -> BuyerStands:
    """The buyer can order again. The reason stands in the run that asked for it."""
    before = buyer_of(session, context.identity.business, request.buyer_id)
    after = reinstate_buyer(session, context.identity.business, request.buyer_id)
    return _moved(session, before, after)


def _moved(session: Session, before: Buyer, after: Buyer) -> BuyerStands:
    changed = before.status is not after.status
    if changed:
        kind = "buyer.suspended" if after.status is BuyerStatus.SUSPENDED else "buyer.restored"
        publish(session, business=after.business, type=kind, subject=after.id, data={"buyer_id": after.id})
    return _stands(after, changed=changed or before.status_reason != after.status_reason)


@operation("user.override_tier", en="Set the tier by hand", zh="人工设定等级")
def set_tier(session: Session, context: StepContext, request: TierRequest) -> BuyerStands:
    """What a person set goes before what the rules say, until its time is over or somebody ends it."""
    business = context.identity.business
    asked = OverrideTier(business=business, actor=context.actor, **request.model_dump())
    changed = override_tier(session, asked)
    return _stands(buyer_of(session, business, request.buyer_id), changed=changed)


@operation("user.consent", en="Record a consent", zh="记录同意")
def consent(session: Session, context: StepContext, request: ConsentRequest) -> BuyerStands:
    """What the buyer said, for good; a segment that needs the consent follows at once."""
    business = context.identity.business
    said = GiveConsent(business=business, actor=context.actor, key=context.key, **request.model_dump())
    _, is_new = record_consent(session, said)
    stands = reclassify_buyer(session, context.identity, request.buyer_id, context.actor)
    return stands.model_copy(update={"changed": is_new or stands.changed})


@operation("user.segment", en="Define a segment", zh="定义分群")
def segment(session: Session, context: StepContext, request: SegmentRequest) -> SegmentStands:
    """The buyers it is about are worked out anew within the minute; those on its list carry it already."""
    if request.when is not None:
        check_condition(request.when)
    business = context.identity.business
    define_segment(session, DefineSegment(business=business, actor=context.actor, **request.model_dump()))
    return _segment_stands(session, business, request.code)


@operation("user.change_members", en="Change the list of a segment", zh="调整分群名单")
def members(session: Session, context: StepContext, request: MembersRequest) -> ChangedMembers:
    """Buyers go on the list of a segment without a condition, or off it. A few carry it from now on, many in a minute."""
    business = context.identity.business
    changed = change_members(session, ChangeMembers(business=business, actor=context.actor, **request.model_dump()))
    moved = sorted({*request.add, *request.remove} - set(changed.unknown))
    if len(moved) > AT_ONCE:
        publish_segment(session, business, request.code)
        return changed
    for buyer_id in moved:
        reclassify_buyer(session, context.identity, buyer_id, context.actor)
    return changed


def _segment_stands(session: Session, business: str, code: str) -> SegmentStands:
    found = segment_of(session, business, code)
    return SegmentStands(code=found.code, is_active=found.is_active, members=found.members)


def _stands(buyer: Buyer, *, changed: bool) -> BuyerStands:
    return BuyerStands(
        buyer_id=buyer.id, status=buyer.status, tier=buyer.tier, segments=buyer.segments, changed=changed
    )
