"""The table of what is due when."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from capabilities.kernel.database import Base, BusinessRow, SmallInt


class DueRow(BusinessRow, Base):
    """A part of an order's total. `planned_minor` is as agreed; `amount_minor` what is left of it after refunds."""

    __tablename__ = "payment_due"
    __table_args__ = (
        CheckConstraint("amount_minor >= 0 AND amount_minor <= planned_minor", name="amount_within_plan"),
        CheckConstraint("\"when\" IN ('now', 'at', 'on_delivery')", name="when_known"),
        CheckConstraint("status IN ('open', 'collecting', 'paid', 'cancelled', 'written_off')", name="status_known"),
        CheckConstraint("(\"when\" = 'at') = (due_at IS NOT NULL)", name="day_known"),
        CheckConstraint("(status = 'collecting') <= (claim IS NOT NULL)", name="claimed"),
        Index(
            "ix_payment_due_next", "next_try_at", postgresql_where=text("status = 'open' AND next_try_at IS NOT NULL")
        ),
        Index("ix_payment_due_page", "business", "due_at", "order_id", "position"),
        Index(
            "ix_payment_due_owed",
            "business",
            "buyer_id",
            postgresql_where=text("status IN ('open', 'collecting')"),
        ),
    )

    order_id: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(SmallInt, primary_key=True)
    buyer_id: Mapped[str | None]
    when: Mapped[str]
    status: Mapped[str]
    currency: Mapped[str]
    planned_minor: Mapped[int]
    amount_minor: Mapped[int]
    due_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(SmallInt)
    next_try_at: Mapped[datetime | None]
    claim: Mapped[str | None]
    payment_id: Mapped[str | None]
    reason: Mapped[str | None]
    paid_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
