"""The feed of events never skips and never repeats, whoever commits when."""

from __future__ import annotations

import time

import pytest
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel.errors import InvalidError
from capabilities.kernel.outbox import events_of, events_page, publish


def tell(session: Session, subject: str, business: str = "retail") -> None:
    publish(session, business=business, type="order.confirmed", subject=subject, data={"n": subject})
    session.flush()


def subjects(session: Session, after: str | None = None, limit: int = 100) -> tuple[list[str], str | None]:
    page = events_page(session, "retail", after=after, limit=limit)
    return [event.subject for event in page.events], page.cursor


def once_there(reader: Session, count: int) -> tuple[list[str], str | None]:
    """The feed once it shows so many: transactions of other databases of the server hold it back too."""
    deadline = time.monotonic() + 120
    while len((found := subjects(reader))[0]) < count and time.monotonic() < deadline:
        reader.rollback()
        time.sleep(0.05)
    return found


def test_an_event_committed_late_is_neither_skipped_nor_overtaken(sessions: sessionmaker[Session]) -> None:
    with sessions() as slow, sessions() as reader:
        tell(slow, "first")
        with sessions.begin() as quick:
            tell(quick, "second")
        assert subjects(reader) == ([], None)  # the second waits: what began before it may still come
        reader.rollback()
        slow.commit()
        seen, cursor = once_there(reader, 2)
        assert seen == ["first", "second"]
        assert subjects(reader, cursor) == ([], cursor)


def test_pages_join_without_a_gap(sessions: sessionmaker[Session]) -> None:
    for n in range(7):
        with sessions.begin() as session:
            tell(session, str(n))
            tell(session, f"{n}b")
            tell(session, "elsewhere", business="tourism")
    seen: list[str] = []
    cursor = None
    with sessions() as reader:
        once_there(reader, 14)
        while (page := subjects(reader, cursor, limit=3))[0]:
            seen += page[0]
            cursor = page[1]
    assert seen == [part for n in range(7) for part in (str(n), f"{n}b")]


def test_events_of_a_subject_stand_in_order(session: Session) -> None:
    tell(session, "a")
    tell(session, "b")
    tell(session, "a")
    assert [event.subject for event in events_of(session, "a")] == ["a", "a"]


@pytest.mark.parametrize("cursor", ["nonsense", "WyJ4IiwgInkiXQ"])
def test_a_cursor_that_is_none_of_ours_is_refused(session: Session, cursor: str) -> None:
    with pytest.raises(InvalidError) as caught:
        events_page(session, "retail", after=cursor)
    assert caught.value.code == "cursor.unreadable"
