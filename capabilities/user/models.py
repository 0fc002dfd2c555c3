"""Tables of users. Which columns hold personal data, and how it is erased, is registered in `activities/personal_data`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Date, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from capabilities.kernel.database import Base, BusinessRow

TIER_KNOWN = "{} IN ('standard', 'silver', 'gold', 'vip')"


class BuyerRow(Base):
    """A buyer. The business is part of the key: one person may buy in two lines of business and be known differently.

    `tier` is what was enrolled or earned; what a person set stands beside it and goes before while it lasts.
    `segments` is what admission hands on: labels of the enrolment and the memberships of `segment_member`.
    """

    __tablename__ = "buyer"
    __table_args__ = (
        CheckConstraint("order_count >= 0", name="order_count_not_negative"),
        CheckConstraint("status IN ('active', 'suspended', 'erased')", name="status_known"),
        CheckConstraint(TIER_KNOWN.format("tier"), name="tier_known"),
        CheckConstraint(f"set_tier IS NULL OR {TIER_KNOWN.format('set_tier')}", name="set_tier_known"),
        CheckConstraint("(status = 'erased') = (erased_at IS NOT NULL)", name="erased_has_time"),
        CheckConstraint(
            "status <> 'erased' OR (name = '' AND email IS NULL AND birthday IS NULL)", name="erased_is_empty"
        ),
        Index("ix_buyer_business_tier", "business", "tier"),
    )

    business: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str | None]
    birthday: Mapped[date | None] = mapped_column(Date())
    tier: Mapped[str]
    tier_source: Mapped[str] = mapped_column(server_default=text("'enrolment'"))
    tier_reason: Mapped[str | None]
    tier_until: Mapped[datetime | None]
    set_tier: Mapped[str | None]
    set_tier_until: Mapped[datetime | None]
    set_tier_reason: Mapped[str | None]
    tags: Mapped[list[str]]
    segments: Mapped[list[str]]
    status: Mapped[str]
    status_reason: Mapped[str | None]
    order_count: Mapped[int]
    lifetime_value_minor: Mapped[int] = mapped_column(server_default=text("0"))
    first_order_at: Mapped[datetime | None]
    last_order_at: Mapped[datetime | None]
    joined_at: Mapped[datetime]
    erased_at: Mapped[datetime | None]


class TierChangeRow(BusinessRow, Base):
    """A change of the tier that holds; rows are only added, and their reasons emptied when the buyer is erased."""

    __tablename__ = "buyer_tier_change"
    __table_args__ = (Index("ix_buyer_tier_change_buyer", "business", "buyer_id", "sequence"),)

    sequence: Mapped[int] = mapped_column(Identity(), primary_key=True)
    buyer_id: Mapped[str]
    from_tier: Mapped[str | None]
    to_tier: Mapped[str]
    source: Mapped[str]
    reason: Mapped[str | None]
    until: Mapped[datetime | None]
    release_id: Mapped[str | None]
    actor: Mapped[str]
    at: Mapped[datetime]


class SegmentRow(Base):
    """A named group of buyers: a condition over their standing, or (without one) a list."""

    __tablename__ = "segment"

    business: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    name_en: Mapped[str]
    name_zh: Mapped[str]
    condition: Mapped[dict[str, Any] | None]
    needs_consent: Mapped[str | None]
    is_active: Mapped[bool]
    changed_at: Mapped[datetime]
    changed_by: Mapped[str]


class SegmentMemberRow(Base):
    """A buyer on the list of a segment without a condition."""

    __tablename__ = "segment_member"
    __table_args__ = (Index("ix_segment_member_buyer", "business", "buyer_id"),)

    business: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    buyer_id: Mapped[str] = mapped_column(primary_key=True)
    added_at: Mapped[datetime]
    added_by: Mapped[str]


class ConsentRow(BusinessRow, Base):
    """One word of a buyer about one purpose. Rows are only added; the newest counts."""

    __tablename__ = "buyer_consent"
    __table_args__ = (
        UniqueConstraint("key"),
        CheckConstraint("purpose IN ('marketing', 'analytics', 'profiling')", name="purpose_known"),
        Index("ix_buyer_consent_buyer", "business", "buyer_id", "purpose", "sequence"),
    )

    sequence: Mapped[int] = mapped_column(Identity(), primary_key=True)
    buyer_id: Mapped[str]
    purpose: Mapped[str]
    is_given: Mapped[bool]
    text_version: Mapped[str]
    channel: Mapped[str]
    actor: Mapped[str]
    key: Mapped[str]
    at: Mapped[datetime]


class ClassifyingRow(Base):
    """How far a business's events were followed for its buyers, and the nightly round over all of them."""

    __tablename__ = "buyer_classifying"

    business: Mapped[str] = mapped_column(primary_key=True)
    cursor: Mapped[str | None]
    """Place in the feed of events up to which buyers were worked out anew."""
    round_on: Mapped[str | None]
    """The business's own date of the last round over all buyers, once begun."""
    round_after: Mapped[str | None]
    """The last buyer the round has done; None once it is through."""
    is_round_done: Mapped[bool]
