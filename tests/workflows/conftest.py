"""A worker of the product in this very process, on a real Temporal server and a database that commits."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import pytest_asyncio
from sqlalchemy.orm import Session, sessionmaker
from temporalio.client import Client
from temporalio.common import RetryPolicy

from capabilities.kernel import database
from capabilities.kernel.settings import settings
from tests.workflows import hall
from workflows import branching, interpreter, library, starting
from workflows.inputs import INPUTS
from workflows.language.reading import read_yaml
from workflows.language.snapshot import snapshot
from workflows.worker import make_worker


@pytest.fixture
def wired(
    monkeypatch: pytest.MonkeyPatch, database_url: str, temporal_address: str, sessions: sessionmaker[Session]
) -> Iterator[sessionmaker[Session]]:
    """The product's own settings pointed at the servers of the tests, with a task queue of its own."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_address)
    monkeypatch.setenv("ZHONGTAI_TASK_QUEUE", f"test-{uuid.uuid4().hex}")
    monkeypatch.setenv("ZHONGTAI_PROVIDER_LIMIT_S", "0.5")
    for cached in (settings, database.engine, database.session_factory):
        cached.cache_clear()
    yield sessions
    database.engine().dispose()
    for cached in (settings, database.engine, database.session_factory):
        cached.cache_clear()


@pytest_asyncio.fixture
async def client(wired: sessionmaker[Session]) -> Client:
    return await starting.connect()


@pytest_asyncio.fixture
async def worker(client: Client) -> AsyncIterator[None]:
    """The worker of the product, wired as in production."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(8) as executor:
        loop.set_default_executor(ThreadPoolExecutor(8))
        async with make_worker(client, executor):
            yield


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> hall.Hall:
    """The hall's processes stand in the library."""
    hall.declare()
    texts = (
        hall.VISIT,
        hall.ASKING,
        hall.HURRIED,
        hall.CALLING,
        hall.TOUR,
        hall.NESTED,
        hall.CONSENT,
        hall.BRIEF,
        hall.PARTY,
        hall.INVITED,
        hall.INVITED,
        hall.NO_RETURN,
    )
    known = {read_yaml(text)["process"]: snapshot(read_yaml(text)) for text in texts}
    monkeypatch.setattr(starting, "definition_for", lambda process, identity: known[process])
    monkeypatch.setattr(branching, "definition_for", lambda process, identity: known[process])
    monkeypatch.setitem(INPUTS, "hall.visit", hall.Visit)
    monkeypatch.setattr(library, "library", lambda: known)
    return hall.fresh_hall()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parking takes a second, not a minute."""
    monkeypatch.setattr(
        interpreter, "WORK_RETRY", RetryPolicy(initial_interval=timedelta(milliseconds=20), maximum_attempts=3)
    )
