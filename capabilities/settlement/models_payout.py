"""Tables of what sellers have to get and get."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Date, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from capabilities.kernel.database import Base, BusinessRow

OPEN_PAYOUT = "status IN ('planned', 'approved', 'sent', 'failed')"


class SellerAccountRow(BusinessRow, Base):
    """A seller in one currency: where it is paid. Whoever changes what it has to get locks this row first."""

    __tablename__ = "seller_account"

    id: Mapped[str] = mapped_column(primary_key=True)
    seller_id: Mapped[str]
    currency: Mapped[str]
    destination: Mapped[str | None]
    minimum_minor: Mapped[int | None]
    changed_at: Mapped[datetime]


class SellerTransferRow(BusinessRow, Base):
    """A movement of what a seller has to get."""

    __tablename__ = "seller_transfer"
    __table_args__ = (
        CheckConstraint("amount_minor <> 0", name="moves_something"),
        CheckConstraint("(status IN ('claimed', 'paid')) = (payout_id IS NOT NULL)", name="claimed_by_a_payout"),
        CheckConstraint("status = 'waiting' OR available_at IS NOT NULL", name="due_has_a_time"),
        Index("ix_seller_transfer_seller", "business", "seller_id", "currency", "status"),
        Index("ix_seller_transfer_list", "business", "booked_at", "id"),
        Index("ix_seller_transfer_due", "business", "available_at", postgresql_where="status = 'waiting'"),
        Index(
            "ix_seller_transfer_timeless",
            "business",
            "checked_at",
            postgresql_where="status = 'waiting' AND available_at IS NULL",
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    seller_id: Mapped[str]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    order_id: Mapped[str | None] = mapped_column(index=True)
    line_id: Mapped[str | None]
    refund_id: Mapped[str | None]
    status: Mapped[str]
    available_at: Mapped[datetime | None]
    checked_at: Mapped[datetime]
    reserve_bps: Mapped[int] = mapped_column(server_default="0")
    reserve_days: Mapped[int] = mapped_column(server_default="0")
    payout_id: Mapped[str | None] = mapped_column(index=True)
    reason: Mapped[str]
    booked_at: Mapped[datetime]


class SettlementHoldRow(BusinessRow, Base):
    """What is kept back by hand."""

    __tablename__ = "settlement_hold"
    __table_args__ = (
        CheckConstraint("(seller_id IS NULL) <> (order_id IS NULL)", name="of_a_seller_or_an_order"),
        Index("ix_settlement_hold_active", "business", "seller_id", "order_id", postgresql_where="lifted_at IS NULL"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    seller_id: Mapped[str | None]
    order_id: Mapped[str | None]
    reason: Mapped[str]
    placed_by: Mapped[str]
    placed_at: Mapped[datetime]
    lifted_by: Mapped[str | None]
    lifted_reason: Mapped[str | None]
    lifted_at: Mapped[datetime | None]


class DisputeRow(BusinessRow, Base):
    """An order whose money a bank asks back."""

    __tablename__ = "settlement_dispute"
    __table_args__ = (UniqueConstraint("order_id", "reference"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str]
    reference: Mapped[str]
    reason: Mapped[str]
    amount_minor: Mapped[int | None]
    status: Mapped[str]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class PayoutBatchRow(BusinessRow, Base):
    """The payouts of one run. `run_key` makes a run plan once."""

    __tablename__ = "payout_batch"
    __table_args__ = (
        UniqueConstraint("business", "run_key"),
        Index("ix_payout_batch_list", "business", "planned_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    run_date: Mapped[date] = mapped_column(Date())
    run_key: Mapped[str]
    status: Mapped[str]
    planned_by: Mapped[str]
    planned_at: Mapped[datetime]
    approved_by: Mapped[str | None]
    approved_at: Mapped[datetime | None]


class PayoutRow(BusinessRow, Base):
    """Money to one seller in one currency."""

    __tablename__ = "payout"
    __table_args__ = (
        UniqueConstraint("batch_id", "seller_id", "currency"),
        CheckConstraint("amount_minor > 0", name="pays_something"),
        Index("ix_payout_list", "business", "planned_at", "id"),
        Index("ix_payout_seller", "business", "seller_id", "currency"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    batch_id: Mapped[str]
    seller_id: Mapped[str]
    currency: Mapped[str]
    destination: Mapped[str]
    amount_minor: Mapped[int]
    earned_minor: Mapped[int]
    taken_back_minor: Mapped[int]
    transfers: Mapped[int]
    status: Mapped[str]
    reason: Mapped[str | None]
    attempts: Mapped[int]
    bank_reference: Mapped[str | None]
    planned_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class SellerStatementRow(BusinessRow, Base):
    """A statement that was issued: what it covers, and the hash of what it says."""

    __tablename__ = "seller_statement"
    __table_args__ = (
        UniqueConstraint("payout_id"),
        Index("ix_seller_statement_list", "business", "issued_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    seller_id: Mapped[str]
    currency: Mapped[str]
    payout_id: Mapped[str | None]
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime]
    closing_minor: Mapped[int]
    content_sha256: Mapped[str]
    issued_at: Mapped[datetime]


class ClosedDayRow(BusinessRow, Base):
    """A day on which a business does not settle, beside weekends and public holidays."""

    __tablename__ = "settlement_closed_day"

    id: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(Date())
    name: Mapped[str]


class SimulatedBankActRow(BusinessRow, Base):
    """The simulated bank's own books: `acts` counts how often it really moved money, which must never pass one."""

    __tablename__ = "simulated_bank_act"

    key: Mapped[str] = mapped_column(primary_key=True)
    destination: Mapped[str]
    amount_minor: Mapped[int]
    currency: Mapped[str]
    outcome: Mapped[str]
    reason: Mapped[str | None]
    attempt: Mapped[int]
    calls: Mapped[int]
    acts: Mapped[int]
    done_at: Mapped[datetime]
    answers_at: Mapped[datetime]
