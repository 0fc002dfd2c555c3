"""Tables of payment. Events are append-only: a trigger of the migration refuses to change or delete one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Identity, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from capabilities.kernel.database import Base, BusinessRow


class PaymentRow(BusinessRow, Base):
    """What is to be paid. Nothing here changes: what became of it is the fold of its events."""

    __tablename__ = "payment"
    __table_args__ = (CheckConstraint("amount_minor >= 0", name="amount_not_negative"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str] = mapped_column(unique=True)
    provider: Mapped[str]
    method: Mapped[str]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    created_at: Mapped[datetime]


class PaymentEventRow(BusinessRow, Base):
    """One event; the same act, kind, amount and moment told twice is one row, so duplicates are harmless.

    The moment belongs to the key: a failure that follows an older one of the same reference is news.
    """

    __tablename__ = "payment_event"
    __table_args__ = (
        UniqueConstraint("payment_id", "reference", "kind", "amount_minor", "occurred_at"),
        CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
    )

    sequence: Mapped[int] = mapped_column(Identity(), primary_key=True)
    payment_id: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    reference: Mapped[str]
    amount_minor: Mapped[int]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    is_counted: Mapped[bool]
    reason: Mapped[str | None]
    provider_id: Mapped[str | None]
    actor: Mapped[str]
    correlation_id: Mapped[str]


class SimulatedActRow(BusinessRow, Base):
    """The simulator's own books: another system that happens to live in the same database. One row a key.

    `calls` counts how often the key was sent, `acts` how often money moved for it: never more than once.
    `answers_at` is when the act becomes visible; before it a look-up finds it still being worked on.
    """

    __tablename__ = "simulated_provider_act"

    key: Mapped[str] = mapped_column(primary_key=True)
    action: Mapped[str]
    payment_id: Mapped[str] = mapped_column(index=True)
    authorization_key: Mapped[str | None] = mapped_column(index=True)
    amount_minor: Mapped[int]
    currency: Mapped[str]
    method: Mapped[str]
    outcome: Mapped[str]
    reason: Mapped[str | None]
    calls: Mapped[int]
    acts: Mapped[int]
    done_at: Mapped[datetime]
    answers_at: Mapped[datetime]
