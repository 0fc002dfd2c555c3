"""Keys from the command line: issued once, listed without their secret, revoked."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator

import pytest
from rich.console import Console
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel import database
from capabilities.kernel.errors import MissingError
from capabilities.kernel.settings import settings
from tests.builders import a_business
from web.api.keys import authenticate, keys_of
from zhongtai import api_keys
from zhongtai.terminal import Terminal


@pytest.fixture
def spoken(sessions: sessionmaker[Session], database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    for cached in (settings, database.engine, database.session_factory):
        cached.cache_clear()
    with sessions.begin() as session:
        a_business(session, "retail")
    yield Terminal(Console(file=io.StringIO(), width=300))
    database.engine().dispose()
    for cached in (settings, database.engine, database.session_factory):
        cached.cache_clear()


def said(terminal: Terminal) -> str:
    assert isinstance(terminal.console.file, io.StringIO)
    return terminal.console.file.getvalue()


def test_a_key_is_shown_once_listed_and_revoked(spoken: Terminal, sessions: sessionmaker[Session]) -> None:
    api_keys.issue(spoken, "retail", "shop", ["offers.read"])
    plain = said(spoken).split()[-1]
    with sessions() as session:
        client = authenticate(session, plain)
        key_id = keys_of(session, "retail", "shop")[0].id
    assert client is not None
    assert client.operations == {"offers.read"}
    listing = Terminal(Console(file=io.StringIO(), width=300))
    api_keys.show(listing, None)
    assert key_id in said(listing)
    assert "offers.read" in said(listing)
    assert plain not in said(listing)
    api_keys.revoke(spoken, key_id)
    with sessions() as session:
        assert authenticate(session, plain) is None


def test_a_business_nobody_knows_gets_no_key(spoken: Terminal) -> None:
    with pytest.raises(MissingError):
        api_keys.issue(spoken, uuid.uuid4().hex, "shop", [])
