"""Tables of the ledger.

Transfers and entries are only ever added: triggers of the migration refuse to change or delete one, and refuse entries
of a transfer that do not sum to zero. Balances are sums kept beside them; they can be rebuilt from the entries.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from capabilities.kernel.database import Base, BusinessRow, SmallInt

SLOTS = 16
"""Balance rows of an account without a limit: so many writers at once do not wait for each other."""


class AccountRow(BusinessRow, Base):
    __tablename__ = "ledger_account"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    party: Mapped[str]
    currency: Mapped[str]
    side: Mapped[str]
    lowest_minor: Mapped[int | None]
    opened_at: Mapped[datetime]


class TransferRow(BusinessRow, Base):
    """`pending_id` is unique: a pending transfer is resolved once, whoever comes first."""

    __tablename__ = "ledger_transfer"
    __table_args__ = (
        CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
        CheckConstraint("debit_account_id <> credit_account_id", name="two_accounts"),
        CheckConstraint("(phase IN ('post', 'void', 'expire')) = (pending_id IS NOT NULL)", name="resolves"),
        Index(
            "ix_ledger_transfer_expires_at",
            "expires_at",
            postgresql_where=text("phase = 'pending' AND expires_at IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    linked_id: Mapped[str] = mapped_column(index=True)
    phase: Mapped[str]
    debit_account_id: Mapped[str]
    credit_account_id: Mapped[str]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    pending_id: Mapped[str | None] = mapped_column(unique=True)
    corrects_id: Mapped[str | None] = mapped_column(unique=True)
    expires_at: Mapped[datetime | None]
    subject: Mapped[str] = mapped_column(index=True)
    reason: Mapped[str]
    actor: Mapped[str]
    correlation_id: Mapped[str]
    body_sha256: Mapped[str]
    created_at: Mapped[datetime]


class EntryRow(BusinessRow, Base):
    """One side of a transfer. Amounts are positive, except that resolving takes its pending entries back."""

    __tablename__ = "ledger_entry"
    __table_args__ = (
        CheckConstraint("side IN ('debit', 'credit')", name="side_known"),
        CheckConstraint("layer IN ('posted', 'pending')", name="layer_known"),
        CheckConstraint("amount_minor > 0 OR layer = 'pending'", name="posted_positive"),
        Index("ix_ledger_entry_account_id_created_at", "account_id", "created_at"),
    )

    transfer_id: Mapped[str] = mapped_column(primary_key=True)
    layer: Mapped[str] = mapped_column(primary_key=True)
    side: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str]
    amount_minor: Mapped[int]
    currency: Mapped[str]
    created_at: Mapped[datetime]


class BalanceRow(BusinessRow, Base):
    """Sums of one slot of an account. The limit stands here too, so that the database itself holds it."""

    __tablename__ = "ledger_balance"
    __table_args__ = (
        CheckConstraint(
            "lowest_minor IS NULL OR lowest_minor <= CASE side"
            " WHEN 'asset' THEN debits_posted_minor - credits_posted_minor - credits_pending_minor"
            " ELSE credits_posted_minor - debits_posted_minor - debits_pending_minor END",
            name="limit_held",
        ),
    )

    account_id: Mapped[str] = mapped_column(primary_key=True)
    slot: Mapped[int] = mapped_column(SmallInt, primary_key=True)
    side: Mapped[str]
    lowest_minor: Mapped[int | None]
    debits_posted_minor: Mapped[int]
    credits_posted_minor: Mapped[int]
    debits_pending_minor: Mapped[int]
    credits_pending_minor: Mapped[int]
