"""The outbox: events written in the transaction of what they tell (attributes of CloudEvents 1.0), read as a feed.

A feed must never skip an event: a transaction that began earlier may commit later, so numbers alone do not tell what is
whole. Every event carries the id of its transaction, and the feed shows only those of transactions before the oldest one
still running, in that order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Identity, Index, exists, literal, literal_column, select, text, true, tuple_, union_all
from sqlalchemy.orm import Mapped, Session, mapped_column

from capabilities.kernel.clock import now
from capabilities.kernel.cursor import read_cursor, write_cursor
from capabilities.kernel.database import Base, BusinessRow
from capabilities.kernel.errors import InvalidError
from capabilities.kernel.ids import new_id

OLDEST_RUNNING: Any = literal_column(
    "(SELECT least(coalesce(min(running::text::bigint), pg_snapshot_xmax(pg_current_snapshot())::text::bigint),"
    " pg_current_xact_id_if_assigned()::text::bigint)"
    " FROM pg_snapshot_xip(pg_current_snapshot()) AS running WHERE NOT EXISTS (SELECT 1 FROM pg_stat_activity"
    " WHERE datname <> current_database() AND backend_xid = running::xid))"
)
"""Every transaction of this database with a smaller id has ended; what other databases of the server do holds nothing up.

Only what the statement's own snapshot saw running counts, less what is known to run elsewhere: one that ends while we look
is still waited for, because its events are not visible yet.
"""


class OutboxEvent(BusinessRow, Base):
    """An event: `type` such as `order.confirmed`, `subject` the id it is about; `sequence` orders events of a subject."""

    __tablename__ = "outbox_event"
    __table_args__ = (
        Index("ix_outbox_event_subject_sequence", "subject", "sequence"),
        Index("ix_outbox_event_feed", "business", "transaction_id", "sequence"),
    )

    sequence: Mapped[int] = mapped_column(Identity(), primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    subject: Mapped[str]
    data: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime]
    transaction_id: Mapped[int] = mapped_column(server_default=text("pg_current_xact_id()::text::bigint"))


@dataclass(frozen=True, slots=True)
class EventPage:
    """A part of the feed. `cursor` is where to go on, also when nothing has come yet."""

    events: tuple[OutboxEvent, ...]
    cursor: str | None


def publish(session: Session, *, business: str, type: str, subject: str, data: dict[str, Any]) -> None:  # noqa: A002 - CloudEvents' own word
    """Write an event in the current transaction."""
    event = OutboxEvent(id=new_id("evt"), business=business, type=type, subject=subject, data=data, occurred_at=now())
    session.add(event)


def cloud_event(event: OutboxEvent) -> dict[str, Any]:
    """The event in the JSON format of CloudEvents 1.0."""
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": f"/businesses/{event.business}",
        "type": event.type,
        "subject": event.subject,
        "time": event.occurred_at.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": event.data,
    }


def events_of(session: Session, subject: str) -> list[OutboxEvent]:
    """The events about one subject, in order."""
    found = select(OutboxEvent).where(OutboxEvent.subject == subject).order_by(OutboxEvent.sequence)
    return list(session.scalars(found))


def events_page(session: Session, business: str, *, after: str | None = None, limit: int = 100) -> EventPage:
    """The events of a business after a cursor, oldest first: each exactly once, whoever commits when."""
    found = select(OutboxEvent).where(OutboxEvent.business == business, OutboxEvent.transaction_id < OLDEST_RUNNING)
    if after is not None:
        place = tuple_(OutboxEvent.transaction_id, OutboxEvent.sequence)
        found = found.where(place > _place(after))
    events = tuple(session.scalars(found.order_by(OutboxEvent.transaction_id, OutboxEvent.sequence).limit(limit)))
    last = write_cursor(str(events[-1].transaction_id), str(events[-1].sequence)) if events else after
    return EventPage(events, last)


def with_events_after(session: Session, cursors: Mapping[str, str | None]) -> set[str]:
    """Of some businesses, each with how far it was read, those that have more: one statement for all of them."""
    place = tuple_(OutboxEvent.transaction_id, OutboxEvent.sequence)
    asked = [
        select(literal(business)).where(
            exists().where(
                OutboxEvent.business == business,
                OutboxEvent.transaction_id < OLDEST_RUNNING,
                place > _place(after) if after is not None else true(),
            )
        )
        for business, after in cursors.items()
    ]
    return set(session.scalars(union_all(*asked))) if asked else set()


def _place(cursor: str) -> tuple[int, ...]:
    return tuple(_number(part) for part in read_cursor(cursor, 2))


def _number(part: str) -> int:
    if not part.isdecimal() or len(part) > 18:
        raise InvalidError("cursor.unreadable", "This cursor is none of ours.", mend="Begin with the first page.")
    return int(part)
