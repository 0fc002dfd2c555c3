"""Tables of the ledger.

Transfers and entries are only ever added: triggers of the migration refuse to change or delete one, and refuse entries
of a transfer that do not sum to zero. Balances are sums kept beside them; they can be rebuilt from the entries.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from capabilities.kernel.database import Base, BusinessRow, SmallInt

SLOTS = 16
"""Balance rows of an account without a limit: so many writers at once do not wait for each other."""


class AccountRow(BusinessRow, Base):
    __tablename__ = "ledger_account"
    __table_args__ = (Index("ix_ledger_account_business_kind_party", "business", "kind", "party"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    party: Mapped[str]
    currency: Mapped[str]
    side: Mapped[str]
    lowest_minor: Mapped[int | None]
    highest_minor: Mapped[int | None]
    opened_at: Mapped[datetime]


class TransferRow(BusinessRow, Base):
    """`pending_id` is unique: a pending transfer is resolved once, whoever comes first; a transfer is corrected once.

    `exchange_id` names the other half of a pair that crosses currencies, with the rate seen from this half.
    """

    __tablename__ = "ledger_transfer"
    __table_args__ = (
        CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
        CheckConstraint("debit_account_id <> credit_account_id", name="two_accounts"),
        CheckConstraint("(phase IN ('post', 'void', 'expire')) = (pending_id IS NOT NULL)", name="resolves"),
        CheckConstraint(
            "(exchange_id IS NULL) = (rate_numerator IS NULL) AND (exchange_id IS NULL) = (rate_denominator IS NULL)",
            name="exchange_has_rate",
        ),
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
    exchange_id: Mapped[str | None]
    rate_numerator: Mapped[int | None]
    rate_denominator: Mapped[int | None]
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
        CheckConstraint(
            "highest_minor IS NULL OR highest_minor >= CASE side"
            " WHEN 'asset' THEN debits_posted_minor - credits_posted_minor + debits_pending_minor"
            " ELSE credits_posted_minor - debits_posted_minor + credits_pending_minor END",
            name="ceiling_held",
        ),
    )

    account_id: Mapped[str] = mapped_column(primary_key=True)
    slot: Mapped[int] = mapped_column(SmallInt, primary_key=True)
    side: Mapped[str]
    lowest_minor: Mapped[int | None]
    highest_minor: Mapped[int | None]
    debits_posted_minor: Mapped[int]
    credits_posted_minor: Mapped[int]
    debits_pending_minor: Mapped[int]
    credits_pending_minor: Mapped[int]


class DayRow(BusinessRow, Base):
    """A day of the books that is closed: no entry can be dated in it any more, so its checkpoints stay true."""

    __tablename__ = "ledger_day"

    ends_at: Mapped[datetime] = mapped_column(primary_key=True)
    closed_at: Mapped[datetime]


class CheckpointRow(BusinessRow, Base):
    """Sums of an account at the end of a closed day in which it moved; later balances are counted from here."""

    __tablename__ = "ledger_checkpoint"

    account_id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    debits_posted_minor: Mapped[int]
    credits_posted_minor: Mapped[int]
    debits_pending_minor: Mapped[int]
    credits_pending_minor: Mapped[int]


class GiftCardRow(BusinessRow, Base):
    """A gift card. Its money stands in the ledger alone; of its code only a hash and the last four letters are kept."""

    __tablename__ = "gift_card"
    __table_args__ = (
        UniqueConstraint("business", "reference"),
        CheckConstraint("initial_minor > 0", name="initial_positive"),
        CheckConstraint("state IN ('active', 'frozen', 'expired')", name="state_known"),
        Index("ix_gift_card_business_issued_at", "business", "issued_at", "id"),
        Index("ix_gift_card_expires_at", "expires_at", postgresql_where=text("state <> 'expired'")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    reference: Mapped[str]
    last4: Mapped[str]
    currency: Mapped[str]
    initial_minor: Mapped[int]
    state: Mapped[str]
    state_reason: Mapped[str | None]
    funding: Mapped[str]
    buyer_id: Mapped[str | None] = mapped_column(index=True)
    subject: Mapped[str] = mapped_column(index=True)
    actor: Mapped[str]
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
