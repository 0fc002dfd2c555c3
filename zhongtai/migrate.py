"""Migrations: Alembic, run from code so that tests, the command and compose do the same."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

from capabilities.kernel.database import normalized_url

MIGRATIONS = Path(__file__).parent.parent / "migrations"


def alembic_config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", normalized_url(url).replace("%", "%%"))
    return config


def migrate(url: str) -> None:
    """Bring the database at `url` to the newest revision; a second run changes nothing."""
    command.upgrade(alembic_config(url), "head")
