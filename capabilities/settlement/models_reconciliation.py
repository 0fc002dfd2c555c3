"""Tables of reconciliation."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from capabilities.kernel.database import Base, BusinessRow


class ReconFileRow(BusinessRow, Base):
    """A statement that was taken in, once by its content."""

    __tablename__ = "reconciliation_file"
    __table_args__ = (
        UniqueConstraint("business", "kind", "provider", "content_sha256"),
        Index("ix_reconciliation_file_list", "business", "imported_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    provider: Mapped[str]
    name: Mapped[str]
    content_sha256: Mapped[str]
    rows: Mapped[int]
    covers_until: Mapped[datetime]
    imported_by: Mapped[str]
    imported_at: Mapped[datetime]


class ReconRowRow(BusinessRow, Base):
    """A row of any side, and where it stands: matched, parked, or a mistake; never more than one of them."""

    __tablename__ = "reconciliation_row"
    __table_args__ = (
        UniqueConstraint("file_id", "line", "side"),
        CheckConstraint("standing IN ('matched', 'parked', 'mistake')", name="standing_known"),
        CheckConstraint("(standing = 'mistake') = (mistake IS NOT NULL)", name="mistake_has_a_kind"),
        CheckConstraint("(resolved_at IS NULL) OR (standing = 'mistake')", name="only_mistakes_are_resolved"),
        Index("ix_reconciliation_row_key", "business", "provider", "key"),
        Index("ix_reconciliation_row_standing", "business", "standing", "occurred_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    provider: Mapped[str]
    side: Mapped[str]
    key: Mapped[str]
    kind: Mapped[str]
    amount_minor: Mapped[int]
    fee_minor: Mapped[int | None]
    currency: Mapped[str]
    status: Mapped[str]
    payout_reference: Mapped[str | None]
    occurred_at: Mapped[datetime]
    order_id: Mapped[str | None]
    file_id: Mapped[str | None]
    line: Mapped[int | None]
    standing: Mapped[str]
    mistake: Mapped[str | None]
    partner_id: Mapped[str | None]
    difference_minor: Mapped[int]
    taken_by: Mapped[str | None]
    note: Mapped[str | None]
    resolution: Mapped[str | None]
    resolved_reason: Mapped[str | None]
    proposed_by: Mapped[str | None]
    resolved_by: Mapped[str | None]
    resolved_at: Mapped[datetime | None]
