"""Tables of payment. Events are append-only: a trigger of the migration refuses to change or delete one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from capabilities.kernel.database import Base, BusinessRow, SmallInt


class PaymentRow(BusinessRow, Base):
    """What is to be paid from one source of an order. What became of it is the fold of its events.

    `reference` names a gift card; `routed_by` is the rule release that chose the provider.
    """

    __tablename__ = "payment"
    __table_args__ = (
        UniqueConstraint("order_id", "position"),
        Index("ix_payment_page", "business", "created_at", "id"),
        CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str]
    position: Mapped[int] = mapped_column(SmallInt, server_default="0")
    provider: Mapped[str]
    method: Mapped[str]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    reference: Mapped[str | None]
    routed_by: Mapped[str | None]
    created_at: Mapped[datetime]


class PaymentEventRow(BusinessRow, Base):
    """One event; the same act, kind, amount and moment told twice is one row, so duplicates are harmless.

    The moment belongs to the key: a failure that follows an older one of the same reference is news.
    """

    __tablename__ = "payment_event"
    __table_args__ = (
        UniqueConstraint("payment_id", "reference", "kind", "amount_minor", "occurred_at"),
        Index("ix_payment_event_provider_id", "provider_id", postgresql_where=text("provider_id IS NOT NULL")),
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


class RefundShareRow(BusinessRow, Base):
    """What one source gives back of a refund. A share its provider refused is asked for again as a further attempt.

    `reference` is the key of the order to the provider: written here before it is sent, and never used twice.
    """

    __tablename__ = "payment_refund_share"
    __table_args__ = (CheckConstraint("amount_minor > 0", name="amount_positive"),)

    refund_id: Mapped[str] = mapped_column(primary_key=True)
    payment_id: Mapped[str] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(SmallInt, primary_key=True)
    order_id: Mapped[str] = mapped_column(index=True)
    amount_minor: Mapped[int]
    reference: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]


class ProviderEventRow(BusinessRow, Base):
    """A message of a provider, kept once by its id before it has any effect; `effect` is what it says of a payment.

    `payment_ref` is how the provider names the payment: ours, or its own id of it.
    """

    __tablename__ = "provider_event"
    __table_args__ = (
        UniqueConstraint("provider", "message_id"),
        Index("ix_provider_event_page", "business", "received_at", "id"),
        Index("ix_provider_event_waiting", "received_at", postgresql_where=text("status = 'waiting'")),
        CheckConstraint("status IN ('waiting', 'applied', 'ignored')", name="status_known"),
        CheckConstraint("deliveries > 0", name="deliveries_positive"),
        CheckConstraint("(status = 'applied') = (applied_at IS NOT NULL)", name="applied_says_when"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    provider: Mapped[str]
    message_id: Mapped[str]
    type: Mapped[str]
    status: Mapped[str]
    payment_id: Mapped[str | None] = mapped_column(index=True)
    payment_ref: Mapped[str | None]
    effect: Mapped[dict[str, Any] | None]
    body_sha256: Mapped[str]
    reason: Mapped[str | None]
    deliveries: Mapped[int]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    applied_at: Mapped[datetime | None]


class SimulatedMessageRow(BusinessRow, Base):
    """A message the simulator is to send, or has sent: its own outgoing post."""

    __tablename__ = "simulated_message"
    __table_args__ = (Index("ix_simulated_message_due", "due_at", postgresql_where=text("copies_left > 0")),)

    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    body: Mapped[dict[str, Any]]
    due_at: Mapped[datetime]
    copies_left: Mapped[int]
    attempts: Mapped[int]
    answered: Mapped[int | None]


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
