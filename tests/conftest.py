"""Fixtures of all tests: one embedded PostgreSQL a run, one migrated database a worker process, sessions rolled back."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel.database import Base, make_engine, normalized_url
from zhongtai.migrate import migrate
from zhongtai.postgres import start_postgres
from zhongtai.processes import stop_process
from zhongtai.temporal import await_temporal, find_temporal, start_temporal

logging.getLogger("alembic").setLevel(logging.WARNING)
# how long an example takes says something about the machine, nothing about the product
hypothesis_settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("default")


def pytest_configure() -> None:
    """Give this run a root of temporary folders that no other run touches.

    Every run of pytest closes the user's common root to other users. Where PostgreSQL runs as another user (it does when
    root runs the tests), the databases of all other runs died of it at their next checkpoint.
    """
    os.environ.setdefault("ZHONGTAI_SECRET_KEY", "a secret of tests, as long as one has to be")
    if "PYTEST_DEBUG_TEMPROOT" in os.environ:  # set by hand, or inherited by a worker process of this run
        return
    root = os.environ["PYTEST_DEBUG_TEMPROOT"] = tempfile.mkdtemp(prefix="zhongtai-tests-")
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(root, ignore_errors=True)

    atexit.register(remove)  # registered first, so it comes after the servers of this process have ended


@pytest.fixture(scope="session")
def worker_name() -> str:
    """The xdist worker, or `main` without xdist."""
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory, worker_name: str) -> str:
    """A fresh database of this worker, built by the real migrations."""
    run_folder = tmp_path_factory.getbasetemp() if worker_name == "main" else tmp_path_factory.getbasetemp().parent
    server = normalized_url(start_postgres(Path(run_folder) / "postgres", outlive=False))
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "test_{worker_name}"'))
    admin.dispose()
    url = server.replace("/postgres?", f"/test_{worker_name}?")
    assert url != server
    migrate(url)
    return url


@pytest.fixture(scope="session")
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session whose work is rolled back: for tests of business functions, which never commit."""
    with Session(engine, expire_on_commit=False) as session:
        yield session
        session.rollback()


@pytest.fixture
def sessions(engine: Engine) -> Iterator[sessionmaker[Session]]:
    """Sessions that really commit, for concurrency and crash tests; every table is emptied afterwards."""
    yield sessionmaker(engine, expire_on_commit=False)
    tables = ", ".join(f'"{table.name}"' for table in Base.metadata.sorted_tables)
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def temporal_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Temporal server of this worker, tuned as in production, on a free port."""
    folder = tmp_path_factory.mktemp("temporal")
    port = free_port()
    process = start_temporal(
        find_temporal(print), port=port, ui_port=None, database_file=folder / "temporal.db", log_file=folder / "log"
    )
    try:
        await_temporal(f"127.0.0.1:{port}", process=process, log_file=folder / "log")
        yield f"127.0.0.1:{port}"
    finally:
        stop_process(process)
