"""Tables of settlement: rates, frozen commissions, and what refunds took back of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from capabilities.kernel.database import Base, BusinessRow


class CommissionRateRow(BusinessRow, Base):
    """A rate in force for a seller, a category (with everything below it), a currency, any of them, or all of a business.

    `revision` is another text after every change, so that the revisions of a business tell whether its table is known.
    """

    __tablename__ = "commission_rate"
    __table_args__ = (
        UniqueConstraint("business", "seller_id", "category", "currency", postgresql_nulls_not_distinct=True),
        CheckConstraint("highest_minor IS NULL OR highest_minor >= lowest_minor", name="bounds_in_order"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    seller_id: Mapped[str | None]
    category: Mapped[str | None]
    currency: Mapped[str | None]
    rate_bps: Mapped[int]
    per_unit_minor: Mapped[int]
    per_order_minor: Mapped[int] = mapped_column(server_default="0")
    tiers: Mapped[list[Any]] = mapped_column(server_default="[]")
    tiers_by: Mapped[str] = mapped_column(server_default="amount")
    lowest_minor: Mapped[int]
    highest_minor: Mapped[int | None]
    tax_rate_bps: Mapped[int]
    channel_rate_bps: Mapped[int] = mapped_column(server_default="0")
    channel_flat_minor: Mapped[int] = mapped_column(server_default="0")
    withheld_bps: Mapped[int] = mapped_column(server_default="0")
    reason: Mapped[str]
    revision: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime]


class CommissionLineRow(BusinessRow, Base):
    """A commission frozen at sale, with a snapshot of its rate. `booked_at`: since then its seller has a transfer for it."""

    __tablename__ = "commission_line"
    __table_args__ = (
        UniqueConstraint("order_id", "line_id"),
        CheckConstraint("commission_minor >= 0 AND tax_minor >= 0", name="fee_not_negative"),
        CheckConstraint("channel_fee_minor >= 0 AND withheld_minor >= 0", name="other_fees_not_negative"),
        CheckConstraint(
            "commission_minor + tax_minor + channel_fee_minor + withheld_minor <= base_minor", name="fee_within_base"
        ),
        Index(
            "ix_commission_line_unbooked",
            "business",
            "frozen_at",
            postgresql_where="booked_at IS NULL AND status = 'frozen'",
        ),
        Index("ix_commission_line_volume", "business", "seller_id", "frozen_at"),
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
    per_order_minor: Mapped[int] = mapped_column(server_default="0")
    tiers: Mapped[list[Any]] = mapped_column(server_default="[]")
    tiers_by: Mapped[str] = mapped_column(server_default="amount")
    lowest_minor: Mapped[int]
    highest_minor: Mapped[int | None]
    tax_rate_bps: Mapped[int]
    channel_rate_bps: Mapped[int] = mapped_column(server_default="0")
    channel_flat_minor: Mapped[int] = mapped_column(server_default="0")
    withheld_bps: Mapped[int] = mapped_column(server_default="0")
    reason: Mapped[str]
    release_id: Mapped[str | None]
    volume_minor: Mapped[int] = mapped_column(server_default="0")
    is_first: Mapped[bool] = mapped_column(server_default="true")
    commission_minor: Mapped[int]
    tax_minor: Mapped[int]
    channel_fee_minor: Mapped[int] = mapped_column(server_default="0")
    withheld_minor: Mapped[int] = mapped_column(server_default="0")
    bounded_by: Mapped[str | None]
    status: Mapped[str]
    frozen_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]
    booked_at: Mapped[datetime | None]


class CommissionReversalRow(BusinessRow, Base):
    """What a refund took back of a line; `kept_base_minor` is what the line still brings after it."""

    __tablename__ = "commission_reversal"
    __table_args__ = (UniqueConstraint("refund_id", "commission_line_id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    commission_line_id: Mapped[str] = mapped_column(index=True)
    refund_id: Mapped[str]
    order_id: Mapped[str] = mapped_column(index=True)
    line_id: Mapped[str]
    seller_id: Mapped[str]
    currency: Mapped[str]
    base_minor: Mapped[int]
    commission_minor: Mapped[int]
    tax_minor: Mapped[int]
    channel_fee_minor: Mapped[int]
    withheld_minor: Mapped[int]
    kept_base_minor: Mapped[int]
    reversed_at: Mapped[datetime]
    reinstated_at: Mapped[datetime | None]
