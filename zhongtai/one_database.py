"""A database for a single command: the one of DATABASE_URL, or the embedded one, running or started for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from capabilities.kernel import database
from capabilities.kernel.settings import Settings
from capabilities.kernel.settings import settings as cached_settings
from zhongtai.postgres import postmaster, start_postgres, stop_postgres
from zhongtai.state import State


@contextmanager
def with_database(settings: Settings) -> Iterator[Settings]:
    """Settings whose `database_url` answers, also for this process's own `transaction()`; stopped again if it stood still."""
    if settings.database_url is not None:
        yield settings
        return
    state = State(settings.state_folder.resolve())
    state.make()
    was_running = postmaster(state.postgres) is not None
    os.environ["DATABASE_URL"] = start_postgres(state.postgres)
    cached_settings.cache_clear()
    try:
        yield cached_settings()
    finally:
        if database.engine.cache_info().currsize:
            database.engine().dispose()
        database.session_factory.cache_clear()
        database.engine.cache_clear()
        del os.environ["DATABASE_URL"]
        cached_settings.cache_clear()
        if not was_running:
            stop_postgres(state.postgres)
