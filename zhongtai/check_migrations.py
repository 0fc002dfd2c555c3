"""Part of `make lint`: one newest revision, and tables that are the same in code and after all migrations."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from capabilities.kernel.database import Base, normalized_url
from zhongtai.migrate import alembic_config, migrate
from zhongtai.postgres import start_postgres, stop_postgres
from zhongtai.tables import import_all_tables
from zhongtai.terminal import Terminal


def heads() -> list[str]:
    """The newest revisions; more than one is a fork that somebody has to join."""
    return sorted(ScriptDirectory.from_config(alembic_config("postgresql://")).get_heads())


def differences(url: str) -> list[str]:
    """What autogenerate would still change in a migrated database."""
    import_all_tables()
    engine = create_engine(normalized_url(url))
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            return [str(difference) for difference in compare_metadata(context, Base.metadata)]
    finally:
        engine.dispose()


def run_check(terminal: Terminal) -> int:
    """0 when all is well, 1 otherwise, with a line for each difference."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    newest = heads()
    if len(newest) != 1:
        terminal.say(f"There are {len(newest)} newest revisions: {', '.join(newest)}. Chain one to the other.")
        return 1
    with tempfile.TemporaryDirectory(prefix="zhongtai-") as folder:
        server = Path(folder) / "postgres"
        try:
            url = start_postgres(server)
            migrate(url)
            found = differences(url)
        finally:
            stop_postgres(server, how="immediate")
    for difference in found:
        terminal.say(f"The migrations lack: {difference}")
    return 1 if found else 0
