"""The feed of events never skips and never repeats, whoever commits when."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel.errors import InvalidError
from capabilities.kernel.outbox import events_of, events_page, publish


def tell(session: Session, subject: str, business: str = "retail") -> None:
    publish(session, business=business, type="order.confirmed", subject=subject, data={"n": subject})
    session.flush()


def subjects(session: Session, after: str | None = None, limit: int = 100) -> tuple[list[str], str | None]:
    page = events_page(session, "retail", after=after, limit=limit)
    return [event.subject for event in page.events], page.cursor


def test_an_event_committed_late_is_neither_skipped_nor_overtaken(sessions: sessionmaker[Session]) -> None:
    with sessions() as slow, sessions() as reader:
        tell(slow, "first")
        with sessions.begin() as quick:
            tell(quick, "second")
        assert subjects(reader) == ([], None)  # the second waits: what began before it may still come
        reader.rollback()
        slow.commit()
        seen, cursor = subjects(reader)
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
        subjects(reader)
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


def test_what_runs_in_another_database_of_the_server_holds_nothing_up(
    sessions: sessionmaker[Session], database_url: str
) -> None:
    elsewhere = create_engine(make_url(database_url).set(database="postgres"))
    try:
        with elsewhere.begin() as busy:
            busy.execute(text("SELECT pg_current_xact_id()"))
            with sessions.begin() as session:
                publish(session, business="retail", type="order.confirmed", subject="ord_1", data={})
            with sessions() as session:
                assert [event.subject for event in events_page(session, "retail").events] == ["ord_1"]
    finally:
        elsewhere.dispose()
