"""Migrations: one line of them, saying what the code says, and back again."""

from __future__ import annotations

from alembic import command
from sqlalchemy import create_engine, inspect, text

from capabilities.kernel.database import normalized_url
from zhongtai.check_migrations import differences, heads
from zhongtai.migrate import alembic_config, migrate
from zhongtai.postgres import start_postgres, stop_postgres


def test_there_is_one_newest_revision():
    assert len(heads()) == 1


def test_a_migrated_database_is_what_the_code_says_and_a_second_run_changes_nothing(database_url):
    migrate(database_url)
    assert differences(database_url) == []


def test_what_only_one_side_knows_is_found(database_url):
    engine = create_engine(normalized_url(database_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("ALTER TABLE business ADD COLUMN forgotten bigint"))
        try:
            found = differences(database_url)
        finally:
            connection.execute(text("ALTER TABLE business DROP COLUMN forgotten"))
    engine.dispose()
    assert len(found) == 1
    assert "forgotten" in found[0]


def test_all_migrations_go_back_to_nothing(tmp_path):
    url = start_postgres(tmp_path / "postgres")
    try:
        migrate(url)
        command.downgrade(alembic_config(url), "base")
        engine = create_engine(normalized_url(url))
        assert inspect(engine).get_table_names() == ["alembic_version"]
        engine.dispose()
    finally:
        stop_postgres(tmp_path / "postgres", how="immediate")
