"""Tables of marketing: quotes as they were given, coupons, and who claimed a use of one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from capabilities.kernel.database import Base, BusinessRow


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
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class CouponRow(BusinessRow, Base):
    """A code. `used` counts the uses that are held, secured or redeemed; `code_key` is the code in capitals."""

    __tablename__ = "coupon"
    __table_args__ = (
        UniqueConstraint("business", "code_key"),
        CheckConstraint("used >= 0", name="used"),
        CheckConstraint("use_limit IS NULL OR used <= use_limit", name="use_limit"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str]
    code_key: Mapped[str]
    use_limit: Mapped[int | None]
    used: Mapped[int]
    status: Mapped[str]
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    created_at: Mapped[datetime]


class CouponClaimRow(BusinessRow, Base):
    """One use of a coupon by one order: held, secured, redeemed, or given back (released, expired), each once."""

    __tablename__ = "coupon_claim"
    __table_args__ = (
        UniqueConstraint("order_id", "coupon_id"),
        CheckConstraint("status IN ('held', 'secured', 'redeemed', 'released', 'expired')", name="status"),
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
