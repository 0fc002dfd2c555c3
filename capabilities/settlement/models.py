"""Tables of settlement."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from capabilities.kernel.database import Base, BusinessRow


class CommissionRateRow(BusinessRow, Base):
    """A rate in force for a seller, a category (with everything below it), both, or all of a business."""

    __tablename__ = "commission_rate"
    __table_args__ = (
        UniqueConstraint("business", "seller_id", "category", postgresql_nulls_not_distinct=True),
        CheckConstraint("highest_minor IS NULL OR highest_minor >= lowest_minor", name="bounds_in_order"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    seller_id: Mapped[str | None]
    category: Mapped[str | None]
    rate_bps: Mapped[int]
    per_unit_minor: Mapped[int]
    lowest_minor: Mapped[int]
    highest_minor: Mapped[int | None]
    tax_rate_bps: Mapped[int]
    reason: Mapped[str]
    created_at: Mapped[datetime]


class CommissionLineRow(BusinessRow, Base):
    """A commission frozen at sale, with a snapshot of its rate."""

    __tablename__ = "commission_line"
    __table_args__ = (
        UniqueConstraint("order_id", "line_id"),
        CheckConstraint("commission_minor >= 0 AND tax_minor >= 0", name="fee_not_negative"),
        CheckConstraint("commission_minor + tax_minor <= base_minor", name="fee_within_base"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str]
    line_id: Mapped[str]
    seller_id: Mapped[str] = mapped_column(index=True)
    currency: Mapped[str]
    quantity: Mapped[int]
    base_minor: Mapped[int]
    rate_bps: Mapped[int]
    per_unit_minor: Mapped[int]
    lowest_minor: Mapped[int]
    highest_minor: Mapped[int | None]
    tax_rate_bps: Mapped[int]
    reason: Mapped[str]
    commission_minor: Mapped[int]
    tax_minor: Mapped[int]
    bounded_by: Mapped[str | None]
    status: Mapped[str]
    frozen_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]
