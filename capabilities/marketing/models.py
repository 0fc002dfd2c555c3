"""Tables of marketing: quotes as they were given, coupons, campaigns, budgets, counters, and who claimed what of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from capabilities.kernel.database import Base, BusinessRow, SmallInt


class QuoteRow(BusinessRow, Base):
    """A quote as it was given, with the cart it was computed from: enough to compute it again, byte for byte."""

    __tablename__ = "quote"
    __table_args__ = (Index("ix_quote_business_created_at", "business", "created_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    buyer_id: Mapped[str | None]
    currency: Mapped[str]
    total_minor: Mapped[int]
    cart: Mapped[dict[str, Any]]
    body: Mapped[dict[str, Any]]
    release_ids: Mapped[list[str]]
    algorithm: Mapped[str]
    content_sha256: Mapped[str]
    circumstances: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """What was known besides: what was left of the limits its rules have, which word a lot's code opens."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class CouponRow(BusinessRow, Base):
    """A code. `used` counts the uses that are held, secured or redeemed; `code_key` is the code in capitals.

    `opens` is what a rule asks for, in capitals: the code itself, or the word of its lot.
    """

    __tablename__ = "coupon"
    __table_args__ = (
        UniqueConstraint("business", "code_key"),
        CheckConstraint("used >= 0", name="used"),
        CheckConstraint("use_limit IS NULL OR used <= use_limit", name="use_limit"),
        CheckConstraint("after_refund IN ('keep', 'restore', 'restore_within')", name="after_refund"),
        Index("ix_coupon_lot_id", "lot_id", postgresql_where=text("lot_id IS NOT NULL")),
        Index("ix_coupon_business_created_at", "business", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str]
    code_key: Mapped[str]
    use_limit: Mapped[int | None]
    used: Mapped[int]
    status: Mapped[str]
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    opens: Mapped[str | None]
    lot_id: Mapped[str | None]
    buyer_id: Mapped[str | None]
    reason: Mapped[str | None]
    after_refund: Mapped[str] = mapped_column(server_default="keep")
    after_refund_days: Mapped[int | None]
    created_at: Mapped[datetime]


class CouponLotRow(BusinessRow, Base):
    """A lot of codes, made in chunks: `made` of `wanted` are there."""

    __tablename__ = "coupon_lot"
    __table_args__ = (
        UniqueConstraint("business", "name"),
        CheckConstraint("made >= 0 AND made <= wanted", name="made"),
        CheckConstraint("status IN ('making', 'ready', 'void')", name="status"),
        Index("ix_coupon_lot_business_created_at", "business", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    plan: Mapped[dict[str, Any]]
    opens: Mapped[str]
    pattern: Mapped[str]
    wanted: Mapped[int]
    made: Mapped[int]
    status: Mapped[str]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class CouponClaimRow(BusinessRow, Base):
    """One use of a coupon by one order: held, secured, redeemed, or given back (released, expired, restored), each once."""

    __tablename__ = "coupon_claim"
    __table_args__ = (
        UniqueConstraint("order_id", "coupon_id"),
        CheckConstraint("status IN ('held', 'secured', 'redeemed', 'released', 'expired', 'restored')", name="status"),
        Index("ix_coupon_claim_coupon_id_status", "coupon_id", "status"),
        Index("ix_coupon_claim_held", "expires_at", postgresql_where=text("status = 'held'")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    coupon_id: Mapped[str]
    code: Mapped[str]
    order_id: Mapped[str]
    quote_id: Mapped[str]
    status: Mapped[str]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class CampaignRow(BusinessRow, Base):
    """A campaign. `state` is what a person decided; whether it is scheduled, live or over follows from the window."""

    __tablename__ = "campaign"
    __table_args__ = (
        UniqueConstraint("business", "name"),
        CheckConstraint("state IN ('draft', 'started', 'paused', 'ended')", name="state"),
        Index("ix_campaign_business_created_at", "business", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    """What rules name it by."""
    name_en: Mapped[str]
    name_zh: Mapped[str]
    state: Mapped[str]
    from_at: Mapped[datetime | None]
    until_at: Mapped[datetime | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    changed_by: Mapped[str]
    changed_at: Mapped[datetime]


class BudgetRow(BusinessRow, Base):
    """A budget of a campaign. `most` is the sum of its changes."""

    __tablename__ = "campaign_budget"
    __table_args__ = (
        CheckConstraint("most >= 0", name="most"),
        CheckConstraint("counts IN ('uses', 'spend')", name="counts"),
        CheckConstraint("period IN ('day', 'week', 'month', 'year')", name="period"),
        Index("ix_campaign_budget_campaign_id", "campaign_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    campaign_id: Mapped[str]
    position: Mapped[int]
    counts: Mapped[str]
    most: Mapped[int]
    per: Mapped[list[str]]
    period: Mapped[str | None]
    zone: Mapped[str | None]
    is_partial: Mapped[bool]
    currency: Mapped[str | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class BudgetChangeRow(BusinessRow, Base):
    """One change of a budget, the first of them its beginning; rows are only added."""

    __tablename__ = "campaign_budget_change"
    __table_args__ = (Index("ix_campaign_budget_change_budget_id", "budget_id", "created_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    budget_id: Mapped[str]
    amount: Mapped[int]
    most_after: Mapped[int]
    actor: Mapped[str]
    approved_by: Mapped[str | None]
    reason: Mapped[str]
    created_at: Mapped[datetime]


class LimitCounterRow(BusinessRow, Base):
    """A slot of a counter. What a counter allows is the sum of its slots' `most`; room moves between slots, never appears.

    A counter of much traffic has several slots, so that its checkouts do not wait for each other. `total` is what the
    limit said last; where more than that is used, `is_over` and no slot has room.
    """

    __tablename__ = "limit_counter"
    __table_args__ = (
        CheckConstraint("used >= 0 AND used <= most", name="used"),
        CheckConstraint("NOT is_over OR used = most", name="over"),
        Index("ix_limit_counter_owner", "business", "owner"),
        Index("ix_limit_counter_budget_id", "budget_id", postgresql_where=text("budget_id IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    slot: Mapped[int] = mapped_column(SmallInt, primary_key=True)
    owner: Mapped[str]
    budget_id: Mapped[str | None]
    counts: Mapped[str]
    key: Mapped[str]
    total: Mapped[int]
    is_over: Mapped[bool]
    most: Mapped[int]
    used: Mapped[int]
    created_at: Mapped[datetime]


class LimitClaimRow(BusinessRow, Base):
    """What one order took of one counter, out of one slot; `returned` of it came back by refunds."""

    __tablename__ = "limit_claim"
    __table_args__ = (
        UniqueConstraint("order_id", "counter_id"),
        CheckConstraint("status IN ('held', 'secured', 'redeemed', 'released', 'expired')", name="status"),
        CheckConstraint("returned >= 0 AND returned <= amount", name="returned"),
        Index("ix_limit_claim_counter_id", "counter_id", "slot"),
        Index("ix_limit_claim_held", "expires_at", postgresql_where=text("status = 'held'")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    counter_id: Mapped[str]
    slot: Mapped[int] = mapped_column(SmallInt)
    owner: Mapped[str]
    counts: Mapped[str]
    order_id: Mapped[str]
    quote_id: Mapped[str]
    amount: Mapped[int]
    returned: Mapped[int]
    parts: Mapped[dict[str, Any]]
    status: Mapped[str]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class LimitReturnRow(BusinessRow, Base):
    """What a refund gave back to a counter, once a refund; rows are only added."""

    __tablename__ = "limit_return"
    __table_args__ = (
        UniqueConstraint("refund_id", "claim_id"),
        Index("ix_limit_return_claim_id", "claim_id", "created_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    refund_id: Mapped[str]
    claim_id: Mapped[str]
    counter_id: Mapped[str]
    order_id: Mapped[str]
    amount: Mapped[int]
    created_at: Mapped[datetime]


class RewardRow(BusinessRow, Base):
    """What an order earned its buyer: points, cashback or a code, by rule; `taken_back` of it by refunds."""

    __tablename__ = "order_reward"
    __table_args__ = (
        CheckConstraint("kind IN ('points', 'cashback', 'coupon')", name="kind"),
        CheckConstraint("taken_back >= 0 AND taken_back <= amount", name="taken_back"),
        UniqueConstraint("order_id", "kind", "rule_id", "number"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str]
    buyer_id: Mapped[str]
    kind: Mapped[str]
    rule_id: Mapped[str]
    number: Mapped[int]
    amount: Mapped[int]
    taken_back: Mapped[int]
    code: Mapped[str | None]
    granted_at: Mapped[datetime]
    changed_at: Mapped[datetime]
