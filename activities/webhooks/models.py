"""Who is told of events over HTTP, what each was sent, and every attempt at it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from activities.webhooks.secret import secret_of
from capabilities.kernel.database import Base, BusinessRow, SmallInt


class EndpointStatus(StrEnum):
    """Whether an endpoint is sent to."""

    ENABLED = "enabled"
    DISABLED = "disabled"


class DeliveryStatus(StrEnum):
    """What became of an event for one endpoint. A pending one holds back later ones of the same subject."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class WebhookEndpoint(BusinessRow, Base):
    """Where a front-end wants to be told. Up to two secrets are live, so that it can move from one to the other."""

    __tablename__ = "webhook_endpoint"
    __table_args__ = (CheckConstraint("status IN ('enabled', 'disabled')", name="status_known"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str]
    description: Mapped[str]
    event_types: Mapped[list[str]]
    """Types such as `order.confirmed`, groups such as `order.*`, or `*`."""
    seed: Mapped[str] = mapped_column("secret")
    """What the secret is made of, beside the installation's own (see `secret`)."""
    previous_seed: Mapped[str | None] = mapped_column("previous_secret")
    previous_secret_until: Mapped[datetime | None]
    status: Mapped[str]
    status_reason: Mapped[str | None]
    failing_since: Mapped[datetime | None]
    read_transaction: Mapped[int]
    """How far of the outbox it has been given: the place of the last event looked at."""
    read_sequence: Mapped[int]
    created_by: Mapped[str]
    created_at: Mapped[datetime]

    @property
    def secret(self) -> str:
        """What signs now, as the front-end knows it."""
        return secret_of(self.id, self.seed)

    @property
    def previous_secret(self) -> str | None:
        """What signed before the last rotation."""
        return None if self.previous_seed is None else secret_of(self.id, self.previous_seed)


class WebhookDelivery(BusinessRow, Base):
    """One event for one endpoint. `leased_until` is whose turn it is: a sender that died gives it back by the clock."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "event_id"),
        Index("ix_webhook_delivery_due", "endpoint_id", "next_attempt_at", postgresql_where=text("status = 'pending'")),
        Index(
            "ix_webhook_delivery_order",
            "endpoint_id",
            "subject",
            "position",
            postgresql_where=text("status = 'pending'"),
        ),
        Index("ix_webhook_delivery_business_id", "business", "id"),
        CheckConstraint("status IN ('pending', 'delivered', 'failed')", name="status_known"),
        CheckConstraint("(status = 'delivered') = (delivered_at IS NOT NULL)", name="delivered_at_told"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    endpoint_id: Mapped[str]
    event_id: Mapped[str]
    type: Mapped[str]
    subject: Mapped[str]
    position: Mapped[int]
    """The event's number in the outbox: the order of the events of one subject."""
    status: Mapped[str]
    attempts: Mapped[int] = mapped_column(SmallInt)
    next_attempt_at: Mapped[datetime]
    leased_until: Mapped[datetime | None]
    is_resent: Mapped[bool]
    """Sent again by hand: it comes late anyway, and holds nothing back."""
    last_status: Mapped[int | None] = mapped_column(SmallInt)
    last_error: Mapped[str | None]
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]


class WebhookAttempt(BusinessRow, Base):
    """One request that was sent, and what came back: the log."""

    __tablename__ = "webhook_attempt"
    __table_args__ = (Index("ix_webhook_attempt_delivery", "delivery_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    delivery_id: Mapped[str]
    endpoint_id: Mapped[str]
    attempt: Mapped[int] = mapped_column(SmallInt)
    status: Mapped[int | None] = mapped_column(SmallInt)
    took_ms: Mapped[int]
    answer: Mapped[str]
    """The first bytes of the answer, as text."""
    error: Mapped[str | None]
    sent_at: Mapped[datetime]
