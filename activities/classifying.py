"""Working out a buyer's tier and segments anew: their orders become facts, the live rules decide, the buyer's row keeps it.

Never in the way of a checkout: `activities/following.py` reads the feed of events after the fact, and goes over everybody
once a night, because time alone changes what holds (365 days, a tier's end).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from capabilities.kernel.business import business_of
from capabilities.kernel.clock import now
from capabilities.kernel.errors import InvalidError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.transaction.buyer_history import orders_of_buyer
from capabilities.user.contract import BuyerStanding, BuyerStands, BuyerStatus, DecidedTier, Tier
from capabilities.user.models import BuyerRow
from capabilities.user.queries import buyer_from, buyer_of
from capabilities.user.segments import refresh_segments
from capabilities.user.tier_rules import StandingFacts
from capabilities.user.tiers import earn_tier, keep_standing, lock_buyer
from rules.check import check
from rules.deciding import deciding_rule, eligible
from rules.document import document_from_json
from rules.facts import flat_facts
from rules.problem import Severity
from rules.queries import live_release

DECISION = "user.tier"


def reclassify_buyer(session: Session, identity: BusinessIdentity, buyer_id: str, actor: str) -> BuyerStands:
    """Work out one buyer anew. The row is locked before their orders are read, so that none is missed or counted twice."""
    at = now()
    row = lock_buyer(session, identity.business, buyer_id)
    before = buyer_from(row)
    if row.status != BuyerStatus.ERASED.value:
        standing = standing_of(session, identity.business, buyer_id, at)
        keep_standing(session, row, standing)
        facts = facts_of(row, standing)
        earn_tier(session, row, _decide(session, identity, buyer_id, facts, at), at, actor)
        refresh_segments(session, row, facts | {"buyer.tier": row.tier})
    buyer = buyer_of(session, identity.business, buyer_id)
    changed = (before.tier, before.segments) != (buyer.tier, buyer.segments)
    return BuyerStands(
        buyer_id=buyer.id, status=buyer.status, tier=buyer.tier, segments=buyer.segments, changed=changed
    )


def standing_of(session: Session, business: str, buyer_id: str, at: datetime) -> BuyerStanding:
    """What the buyer has done, in the money of the business; orders in another currency are counted, not added up."""
    orders = orders_of_buyer(session, business, buyer_id, business_of(session, business).currency, at)
    return BuyerStanding(
        at=at,
        orders=orders.orders,
        lifetime_minor=orders.ordered_minor - orders.refunded_minor,
        last_year_minor=orders.ordered_last_year_minor - orders.refunded_last_year_minor,
        refunded_minor=orders.refunded_minor,
        first_order_at=orders.first_order_at,
        last_order_at=orders.last_order_at,
    )


def facts_of(row: BuyerRow, standing: BuyerStanding) -> dict[str, Any]:
    """The facts of the decision, flat. The share refunded is rounded down."""
    ordered = standing.lifetime_minor + standing.refunded_minor
    last = standing.last_order_at
    facts = StandingFacts(
        lifetime_minor=standing.lifetime_minor,
        last_year_minor=standing.last_year_minor,
        orders=standing.orders,
        days_since_joined=max(0, (standing.at - row.joined_at).days),
        days_since_order=None if last is None else max(0, (standing.at - last).days),
        refunded_bps=standing.refunded_minor * 10_000 // ordered if ordered else 0,
        tags=tuple(row.tags),
        tier=row.tier,
    )
    return flat_facts({"buyer": facts})


def _decide(
    session: Session, identity: BusinessIdentity, buyer_id: str, facts: dict[str, Any], at: datetime
) -> DecidedTier:
    release = live_release(session, DECISION, identity)
    if release is None:
        return DecidedTier()
    zone = business_of(session, identity.business).time_zone
    rule = deciding_rule(
        release.document, release.compiled, "order", facts, lambda found: eligible(found, at, (), buyer_id, zone)
    )
    if rule is None:
        return DecidedTier(release_id=release.release_id)
    effect = rule.effects[0]
    return DecidedTier(
        tier=Tier(str(effect["tier"])),
        reason=str(effect.get("reason") or rule.name),
        valid_days=effect.get("valid_days"),
        release_id=release.release_id,
    )


def check_condition(when: dict[str, Any]) -> None:
    """`InvalidError` where the condition asks for what nobody knows of a buyer; the same check as a rule's."""
    effect = {"kind": "set_tier", "tier": "standard", "reason": "as the segment says"}
    rule = {"id": "r_segment", "name": "Segment", "stage": 10, "when": when, "effects": [effect]}
    document = document_from_json({"decision": DECISION, "name": {"en": "Segment", "zh": "分群"}, "rules": [rule]})
    wrong = [found for found in check(document) if found.severity is Severity.BLOCK]
    if wrong:
        raise InvalidError("user.segment_condition_wrong", wrong[0].en, mend=wrong[0].mend_en, field="when")
