"""Reads of users: buyers, how their tiers changed, what they consented to, and segments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import MissingError
from capabilities.user.contract import (
    Buyer,
    BuyerFilters,
    BuyerPage,
    BuyerStatus,
    Consent,
    Purpose,
    Segment,
    Tier,
    TierChange,
    TierSource,
)
from capabilities.user.models import BuyerRow, ConsentRow, SegmentMemberRow, SegmentRow, TierChangeRow

MAX_PAGE = 200


def find_buyer(session: Session, business: str, buyer_id: str) -> Buyer | None:
    """The buyer, None where the business has none of that id."""
    row = session.get(BuyerRow, (business, buyer_id), populate_existing=True)
    return None if row is None else buyer_from(row)


def buyer_of(session: Session, business: str, buyer_id: str) -> Buyer:
    """The buyer; `MissingError` where the business has none of that id."""
    found = find_buyer(session, business, buyer_id)
    if found is None:
        raise MissingError("user.unknown", f"There is no buyer {buyer_id!r}.", buyer_id=buyer_id)
    return found


def buyers_page(
    session: Session,
    business: str,
    *,
    search: str | None = None,
    filters: BuyerFilters | None = None,
    after: str | None = None,
    limit: int = 50,
) -> BuyerPage:
    """Buyers of a business by id; `search` looks in id, name and e-mail; `after` is the cursor of the page before."""
    wanted = filters or BuyerFilters(business=business, search=search)
    found = select(BuyerRow).where(BuyerRow.business == business, *_conditions(wanted)).order_by(BuyerRow.id)
    if after is not None:
        found = found.where(BuyerRow.id > after)
    size = max(1, min(limit, MAX_PAGE))
    rows = session.scalars(found.limit(size + 1).execution_options(populate_existing=True)).all()
    more = len(rows) > size
    return BuyerPage(buyers=tuple(map(buyer_from, rows[:size])), next_cursor=rows[size - 1].id if more else None)


def count_buyers(session: Session, filters: BuyerFilters, *, at_most: int = 10_000) -> int:
    """How many buyers pass, counted up to `at_most`."""
    some = select(BuyerRow.id).where(BuyerRow.business == filters.business, *_conditions(filters)).limit(at_most)
    return session.scalar(select(func.count()).select_from(some.subquery())) or 0


def _conditions(filters: BuyerFilters) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    text = (filters.search or "").replace("\x00", "").strip()
    if text:
        places = (BuyerRow.id, BuyerRow.name, BuyerRow.email)
        conditions.append(or_(*(place.icontains(text, autoescape=True) for place in places)))
    if filters.tiers:
        conditions.append(tier_now(now()).in_([tier.value for tier in filters.tiers]))
    if filters.statuses:
        conditions.append(BuyerRow.status.in_([status.value for status in filters.statuses]))
    if filters.segment is not None:
        conditions.append(BuyerRow.segments.contains([filters.segment]))
    if filters.tag is not None:
        conditions.append(BuyerRow.tags.contains([filters.tag]))
    return conditions


def tier_now(at: datetime) -> ColumnElement[str]:
    """The tier that holds at a moment, in SQL; `buyer_from` says the same of a row."""
    lasting = and_(BuyerRow.set_tier.is_not(None), or_(BuyerRow.set_tier_until.is_(None), BuyerRow.set_tier_until > at))
    return case((lasting, BuyerRow.set_tier), else_=BuyerRow.tier)


def buyer_from(row: BuyerRow) -> Buyer:
    """The contract form of a row, as of now."""
    is_set = row.set_tier is not None and (row.set_tier_until is None or row.set_tier_until > now())
    standing: Mapping[str, Any] = {
        "tier": row.set_tier if is_set else row.tier,
        "tier_source": TierSource.PERSON if is_set else row.tier_source,
        "tier_reason": row.set_tier_reason if is_set else row.tier_reason,
        "tier_until": row.set_tier_until if is_set else row.tier_until,
    }
    return Buyer(
        business=row.business,
        id=row.id,
        name=row.name,
        email=row.email,
        birthday=row.birthday,
        tier=Tier(standing["tier"]),
        tier_source=TierSource(standing["tier_source"] or TierSource.ENROLMENT),
        tier_reason=standing["tier_reason"],
        tier_until=standing["tier_until"],
        earned_tier=Tier(row.tier),
        tags=tuple(row.tags),
        segments=tuple(row.segments),
        status=BuyerStatus(row.status),
        status_reason=row.status_reason,
        order_count=row.order_count,
        lifetime_value_minor=row.lifetime_value_minor,
        first_order_at=row.first_order_at,
        last_order_at=row.last_order_at,
        joined_at=row.joined_at,
        erased_at=row.erased_at,
    )


# --- tiers, consent ---------------------------------------------------------------------------------------------


def tier_history(session: Session, business: str, buyer_id: str, *, limit: int = MAX_PAGE) -> tuple[TierChange, ...]:
    """How the buyer's tier changed, newest first."""
    rows = session.scalars(
        select(TierChangeRow)
        .where(TierChangeRow.business == business, TierChangeRow.buyer_id == buyer_id)
        .order_by(TierChangeRow.sequence.desc())
        .limit(limit)
        .execution_options(populate_existing=True)
    )
    return tuple(
        TierChange(
            from_tier=None if row.from_tier is None else Tier(row.from_tier),
            to_tier=Tier(row.to_tier),
            source=TierSource(row.source),
            reason=row.reason,
            until=row.until,
            release_id=row.release_id,
            actor=row.actor,
            at=row.at,
        )
        for row in rows
    )


def consents_of(session: Session, business: str, buyer_id: str) -> dict[Purpose, Consent]:
    """The newest word of the buyer about each purpose they were asked about."""
    newest = (
        select(ConsentRow)
        .where(ConsentRow.business == business, ConsentRow.buyer_id == buyer_id)
        .ext(distinct_on(ConsentRow.purpose))
        .order_by(ConsentRow.purpose, ConsentRow.sequence.desc())
    )
    return {Purpose(row.purpose): _consent_from(row) for row in session.scalars(newest)}


def consent_history(session: Session, business: str, buyer_id: str) -> tuple[Consent, ...]:
    """Everything the buyer ever said, newest first."""
    rows = session.scalars(
        select(ConsentRow)
        .where(ConsentRow.business == business, ConsentRow.buyer_id == buyer_id)
        .order_by(ConsentRow.sequence.desc())
    )
    return tuple(map(_consent_from, rows))


def _consent_from(row: ConsentRow) -> Consent:
    return Consent(
        purpose=Purpose(row.purpose),
        is_given=row.is_given,
        text_version=row.text_version,
        channel=row.channel,
        actor=row.actor,
        at=row.at,
    )


# --- segments ---------------------------------------------------------------------------------------------------


def segments_of(session: Session, business: str) -> tuple[Segment, ...]:
    """The segments of a business by code, with how many active buyers are in each now."""
    members = (
        select(func.count())
        .select_from(BuyerRow)
        .where(
            BuyerRow.business == SegmentRow.business,
            BuyerRow.segments.contains(func.jsonb_build_array(SegmentRow.code)),
        )
        .scalar_subquery()
    )
    rows = session.execute(
        select(SegmentRow, members.label("members"))
        .where(SegmentRow.business == business)
        .order_by(SegmentRow.code)
        .execution_options(populate_existing=True)
    )
    return tuple(
        Segment(
            business=row.business,
            code=row.code,
            name_en=row.name_en,
            name_zh=row.name_zh,
            when=row.condition,
            needs_consent=None if row.needs_consent is None else Purpose(row.needs_consent),
            is_active=row.is_active,
            members=members,
            changed_at=row.changed_at,
            changed_by=row.changed_by,
        )
        for row, members in rows
    )


def segment_of(session: Session, business: str, code: str) -> Segment:
    """The segment; `MissingError` where the business has none of that code."""
    found = next((segment for segment in segments_of(session, business) if segment.code == code), None)
    if found is None:
        raise MissingError("user.segment_unknown", f"There is no segment {code!r}.", segment=code)
    return found


def members_of(session: Session, business: str, code: str) -> tuple[str, ...]:
    """The ids on the list of a segment without a condition, in order."""
    listed = select(SegmentMemberRow.buyer_id).where(
        SegmentMemberRow.business == business, SegmentMemberRow.code == code
    )
    return tuple(session.scalars(listed.order_by(SegmentMemberRow.buyer_id)))
