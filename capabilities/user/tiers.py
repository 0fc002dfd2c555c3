"""Writes of users: which tier a buyer has, and since when. Every change of the tier that holds is written down."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import InvalidError, MissingError
from capabilities.kernel.outbox import publish
from capabilities.user.contract import BuyerStanding, DecidedTier, OverrideTier, Tier, TierSource
from capabilities.user.models import BuyerRow, TierChangeRow

RANK = {tier.value: rank for rank, tier in enumerate(Tier)}


def lock_buyer(session: Session, business: str, buyer_id: str) -> BuyerRow:
    """The buyer's row, locked: what is worked out about a buyer is worked out by one at a time."""
    row = session.get(BuyerRow, (business, buyer_id), populate_existing=True, with_for_update=True)
    if row is None:
        raise MissingError("user.unknown", f"There is no buyer {buyer_id!r}.", buyer_id=buyer_id)
    return row


def override_tier(session: Session, request: OverrideTier) -> bool:
    """Set the tier of a buyer by hand, or end that; whether anything is another than before."""
    at = now()
    if request.until is not None and request.until <= at:
        raise InvalidError(
            "user.tier_ends_before", "The tier would end before it begins.", mend="Name a later time.", field="until"
        )
    row = lock_buyer(session, request.business, request.buyer_id)
    wanted: tuple[str | None, datetime | None, str | None] = (None, None, None)
    if request.tier is not None:
        wanted = (request.tier.value, request.until, request.reason)
    is_new = wanted != (row.set_tier, row.set_tier_until, row.set_tier_reason)
    row.set_tier, row.set_tier_until, row.set_tier_reason = wanted
    session.flush()
    noted = note_tier(session, row, at, actor=request.actor, reason=request.reason)
    return is_new or noted


def earn_tier(session: Session, row: BuyerRow, decided: DecidedTier, at: datetime, actor: str) -> bool:
    """Take what the rules said into the books; whether the tier that holds is another now.

    A tier that is sure until a time does not fall before it. One whose time is over, and which no rule gives any more,
    falls to the lowest.
    """
    is_sure = row.tier_until is not None and row.tier_until > at
    if decided.tier is not None:
        if not (is_sure and RANK[decided.tier.value] < RANK[row.tier]):
            row.tier, row.tier_source, row.tier_reason = decided.tier.value, TierSource.RULES.value, decided.reason
            row.tier_until = None if decided.valid_days is None else at + timedelta(days=decided.valid_days)
    elif row.tier_until is not None and not is_sure:
        row.tier, row.tier_source, row.tier_until = Tier.STANDARD.value, TierSource.RULES.value, None
        row.tier_reason = "The time of the tier earned before is over."
    if row.set_tier is not None and row.set_tier_until is not None and row.set_tier_until <= at:
        row.set_tier = row.set_tier_until = row.set_tier_reason = None
    session.flush()
    return note_tier(session, row, at, actor=actor, release_id=decided.release_id)


def keep_standing(session: Session, row: BuyerRow, standing: BuyerStanding) -> None:
    """Bring what admission hands on up to date: orders of the past may have been refunded or imported since."""
    row.lifetime_value_minor = standing.lifetime_minor
    row.first_order_at, row.last_order_at = standing.first_order_at, standing.last_order_at
    session.flush()


def note_tier(
    session: Session,
    row: BuyerRow,
    at: datetime,
    *,
    actor: str,
    reason: str | None = None,
    release_id: str | None = None,
) -> bool:
    """Write down and tell that the tier that holds is another than the one told last; whether it is."""
    is_set = row.set_tier is not None and (row.set_tier_until is None or row.set_tier_until > at)
    holds = row.set_tier if is_set and row.set_tier is not None else row.tier
    told = session.scalar(
        select(TierChangeRow.to_tier)
        .where(TierChangeRow.business == row.business, TierChangeRow.buyer_id == row.id)
        .order_by(TierChangeRow.sequence.desc())
        .limit(1)
    )
    if told == holds:
        return False
    change = {
        "from_tier": told,
        "to_tier": holds,
        "source": TierSource.PERSON.value if is_set or reason is not None else row.tier_source,
        "reason": reason or row.tier_reason,
        "until": row.set_tier_until if is_set else row.tier_until,
        "release_id": release_id,
        "actor": actor,
        "at": at,
    }
    session.execute(insert(TierChangeRow).values(business=row.business, buyer_id=row.id, **change))
    if told is not None:
        told_of = {"buyer_id": row.id, "from_tier": told, "to_tier": holds}
        publish(session, business=row.business, type="buyer.tier_changed", subject=row.id, data=told_of)
    return True
