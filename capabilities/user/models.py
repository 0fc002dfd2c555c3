"""Tables of users."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from capabilities.kernel.database import Base


class BuyerRow(Base):
    """A buyer. The business is part of the key: one person may buy in two lines of business and be known differently."""

    __tablename__ = "buyer"
    __table_args__ = (
        CheckConstraint("order_count >= 0", name="order_count_not_negative"),
        CheckConstraint("status IN ('active', 'suspended')", name="status_known"),
        CheckConstraint("tier IN ('standard', 'silver', 'gold', 'vip')", name="tier_known"),
        Index("ix_buyer_business_tier", "business", "tier"),
    )

    business: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str | None]
    tier: Mapped[str]
    tags: Mapped[list[str]]
    segments: Mapped[list[str]]
    status: Mapped[str]
    status_reason: Mapped[str | None]
    order_count: Mapped[int]
    joined_at: Mapped[datetime]
