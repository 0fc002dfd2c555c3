"""The outbox: events written in the transaction of what they tell (CloudEvents 1.0 attributes), delivered afterwards."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Identity, Index, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from capabilities.kernel.clock import now
from capabilities.kernel.database import Base, BusinessRow
from capabilities.kernel.ids import new_id


class OutboxEvent(BusinessRow, Base):
    """An event: `type` such as `order.confirmed`, `subject` the id it is about; `sequence` orders events of a subject."""

    __tablename__ = "outbox_event"
    __table_args__ = (
        Index("ix_outbox_event_subject_sequence", "subject", "sequence"),
        Index("ix_outbox_event_undelivered", "sequence", postgresql_where=text("delivered_at IS NULL")),
    )

    sequence: Mapped[int] = mapped_column(Identity(), primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    subject: Mapped[str]
    data: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]


def publish(session: Session, *, business: str, type: str, subject: str, data: dict[str, Any]) -> None:  # noqa: A002 - CloudEvents' own word
    """Write an event in the current transaction."""
    event = OutboxEvent(id=new_id("evt"), business=business, type=type, subject=subject, data=data, occurred_at=now())
    session.add(event)


def events_of(session: Session, subject: str) -> list[OutboxEvent]:
    """The events about one subject, in order."""
    found = select(OutboxEvent).where(OutboxEvent.subject == subject).order_by(OutboxEvent.sequence)
    return list(session.scalars(found))
