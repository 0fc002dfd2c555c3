"""A whole installation for the fault experiments: servers that can be killed, and worker processes of the product."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker
from temporalio.client import Client

from activities.journal.models import ProcessRun
from capabilities.kernel import database
from capabilities.kernel.errors import UnavailableError
from capabilities.kernel.idempotency import Answer
from capabilities.kernel.settings import settings
from capabilities.payment.models import SimulatedActRow
from capabilities.transaction.service import receive_stock
from tests.conftest import free_port
from tests.workflows.driving import begin
from workflows import starting
from zhongtai.demo import load_demo
from zhongtai.migrate import migrate
from zhongtai.postgres import restart_postgres, start_postgres, stop_postgres
from zhongtai.processes import stop_process
from zhongtai.temporal import await_temporal, find_temporal, start_temporal
from zhongtai.verify import verify

IS_LONG = os.environ.get("ZHONGTAI_FAULTS") == "long"
SEED = int(os.environ.get("ZHONGTAI_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)


def either(short: int, long: int) -> int:
    """A size: the short form in CI, the long one by `make faults`."""
    return long if IS_LONG else short


class Plant:
    """PostgreSQL, Temporal and workers; each can be killed and comes back."""

    def __init__(self, folder: Path, *, workers: int = 3, worker_module: str = "workflows.worker") -> None:
        self.folder = folder
        self.port = free_port()
        self.worker_module = worker_module
        self.wanted = workers
        self.workers: list[subprocess.Popen[bytes]] = []
        self.temporal: subprocess.Popen[bytes] | None = None
        self.kills = 0
        self.random = random.Random(SEED)
        self.environment: dict[str, str] = {}

    # --- life

    def start(self) -> None:
        url = start_postgres(self.folder / "postgres")
        self._start_temporal()
        self.environment = {
            "DATABASE_URL": url,
            "TEMPORAL_ADDRESS": f"127.0.0.1:{self.port}",
            "ZHONGTAI_STATE_FOLDER": str(self.folder / "state"),
            "ZHONGTAI_PROVIDER_LIMIT_S": "1",
            "FAULTS_FOLDER": str(self.folder),
        }
        os.environ.update(self.environment)
        self._forget_connections()
        migrate(url)
        with self.sessions.begin() as session:
            load_demo(session)
            receive_stock(session, "retail", "RT-TEA-001", 100_000)
            receive_stock(session, "retail", "RT-CUP-001", 100_000)
        for _ in range(self.wanted):
            self.workers.append(self._worker())
        deadline = time.monotonic() + 60
        while len(self._ready()) < self.wanted:
            assert time.monotonic() < deadline, (self.folder / "worker.log").read_text()[-3000:]
            time.sleep(0.1)

    def stop(self) -> None:
        for worker in self.workers:
            stop_process(worker, within_s=20)
        if self.temporal is not None:
            stop_process(self.temporal)
        self._forget_connections()
        stop_postgres(self.folder / "postgres", how="immediate")
        for name in self.environment:
            os.environ.pop(name, None)
        self._forget_connections()

    def _forget_connections(self) -> None:
        if database.engine.cache_info().currsize:
            database.engine().dispose()
        for cached in (settings, database.engine, database.session_factory):
            cached.cache_clear()

    def _start_temporal(self) -> None:
        self.temporal = start_temporal(
            find_temporal(print),
            port=self.port,
            ui_port=None,
            database_file=self.folder / "temporal.db",
            log_file=self.folder / "temporal.log",
        )
        await_temporal(f"127.0.0.1:{self.port}", process=self.temporal, log_file=self.folder / "temporal.log")

    def _worker(self) -> subprocess.Popen[bytes]:
        with (self.folder / "worker.log").open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", self.worker_module], stdout=log, stderr=log)

    def _ready(self) -> list[Path]:
        files = (self.folder / "state" / "workers").glob("*.ready")
        living = {str(worker.pid) for worker in self.workers if worker.poll() is None}
        return [file for file in files if file.stem in living]

    @property
    def sessions(self) -> sessionmaker[Session]:
        return database.session_factory()

    # --- faults

    def kill_worker(self) -> None:
        """`kill -9` the next worker in turn, and start another in its place.

        One of three at a time: on a busy machine the one before must have come back first.
        """
        if len(self._ready()) < self.wanted:
            return
        turn = self.kills % len(self.workers)
        self.kills += 1
        self.workers[turn].send_signal(signal.SIGKILL)
        self.workers[turn].wait(10)
        self.workers[turn] = self._worker()

    def raise_the_dead(self) -> None:
        """Start workers anew that killed themselves."""
        for turn, worker in enumerate(self.workers):
            if worker.poll() is not None:
                self.workers[turn] = self._worker()

    def kill_temporal(self) -> None:
        self.temporal.kill()
        self.temporal.wait(10)
        self._start_temporal()

    def restart_postgres(self) -> None:
        restart_postgres(self.folder / "postgres", how=self.random.choice(["fast", "immediate"]))

    # --- business

    async def buy(self, client: Client, *, key: str | None = None, patience_s: float = 180, **changed: Any) -> Answer:
        """A buyer who does what the API says: the same request under the same key until there is an answer."""
        key = key or uuid.uuid4().hex
        deadline = time.monotonic() + patience_s
        while True:
            with contextlib.suppress(SQLAlchemyError, UnavailableError):
                begun = await asyncio.to_thread(begin, self.sessions, "retail", key, **changed)
                answer = await starting.await_answer(client, begun, 15)
                if answer is not None:
                    return answer
            assert time.monotonic() < deadline, f"no answer for {key}"
            await asyncio.sleep(0.2)

    async def at_rest(self, within_s: float = 120) -> Counter[str]:
        """How runs ended, once all stand still; a parked one stands on somebody's list."""
        deadline = time.monotonic() + within_s
        while True:
            with self.sessions() as session:
                runs = list(session.scalars(select(ProcessRun)))
            moving = [run for run in runs if run.status not in {"ended", "stuck"}]
            if not moving:
                return Counter(run.outcome or run.status for run in runs)
            assert time.monotonic() < deadline, [(run.id, run.status, run.step, run.error) for run in moving]
            await asyncio.sleep(0.2)

    def captures(self) -> Counter[str]:
        """How often money was really taken, by payment, in the provider's own books."""
        acts = select(SimulatedActRow.payment_id, SimulatedActRow.acts).where(SimulatedActRow.action == "capture")
        found: Counter[str] = Counter()
        with self.sessions() as session:
            for payment_id, count in session.execute(acts):
                found[payment_id] += count
        return found

    def assert_sound(self) -> None:
        """Every invariant of the product holds."""
        with self.sessions() as session:
            broken = [result for result in verify(session) if result.broken]
        assert broken == [], broken


@asynccontextmanager
async def running_plant(folder: Path, **options: Any) -> AsyncIterator[Plant]:
    """A plant that is stopped whatever happens."""
    print(f"seed {SEED} (ZHONGTAI_SEED={SEED} plays it again), {'long' if IS_LONG else 'short'} form")
    plant = Plant(folder, **options)
    try:
        await asyncio.to_thread(plant.start)
        yield plant
    finally:
        await asyncio.to_thread(plant.stop)


@asynccontextmanager
async def trouble(plant: Plant, fault: str, every_s: tuple[float, float]) -> AsyncIterator[None]:
    """Something is killed again and again while the body runs."""
    done = asyncio.Event()

    async def make() -> None:
        while not done.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), plant.random.uniform(*every_s))
                return
            await asyncio.to_thread(getattr(plant, fault))

    task = asyncio.create_task(make())
    try:
        yield
    finally:
        done.set()
        await task
