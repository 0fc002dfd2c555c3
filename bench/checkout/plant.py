"""The servers and processes of a comparison: own folder, own free ports, everything ended at the end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import update
from sqlalchemy.orm import Session

from bench.checkout.measuring import Part
from capabilities.kernel.database import make_engine
from capabilities.kernel.settings import Settings
from capabilities.transaction.models import StockRow
from capabilities.transaction.queries import list_offers
from capabilities.user.contract import EnrolBuyer
from capabilities.user.service import enrol_buyer
from web.api.keys import issue_key
from zhongtai import commands, temporal
from zhongtai.demo import load_demo
from zhongtai.migrate import migrate
from zhongtai.postgres import postmaster, start_postgres, stop_postgres
from zhongtai.processes import spawn, stop_process
from zhongtai.readiness import page_trouble, worker_trouble

BUSINESS = "retail"
BUYERS = 200
PIECES = 10_000_000
WORKERS = 2
"""Worker processes of every peer: one a core, as `make up` starts them."""


@dataclass
class Plant:
    """What runs. The key may ask without limit."""

    folder: Path
    database_url: str = ""
    address: str = ""
    web_port: int = 0
    key: str = ""
    skus: list[str] = field(default_factory=list)
    server: Part = field(init=False)
    database: Part = field(init=False)
    web: Part = field(init=False)
    workers: Part = field(init=False)
    bare_workers: Part = field(init=False)
    durable: list[subprocess.Popen[str]] = field(default_factory=list)
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def child(self, name: str, command: list[str], environment: dict[str, str]) -> int:
        process = spawn(command, self.folder / f"{name}.log", environment)
        self.children.append(process)
        return process.pid

    @property
    def durable_steps(self) -> Part:
        return Part("dbos", tuple(process.pid for process in self.durable))


BARE_QUEUE = "bare"


@contextmanager
def running_plant(folder: Path, say: Callable[[str], None]) -> Iterator[Plant]:
    """Everything started and ready; stopped at the end whatever happens."""
    plant = Plant(folder)
    try:
        _start(plant, say)
        yield plant
    finally:
        for process in plant.durable:
            process.kill()
        for child in reversed(plant.children):
            stop_process(child, within_s=15)
        stop_postgres(folder / "postgres")


def _start(plant: Plant, say: Callable[[str], None]) -> None:
    say("PostgreSQL and demo data")
    plant.folder.chmod(0o755)  # as root the embedded database runs as another user
    plant.database_url = start_postgres(plant.folder / "postgres")
    started = postmaster(plant.folder / "postgres")
    assert started is not None
    plant.database = Part("database", (started.pid,))
    migrate(plant.database_url)
    load(plant)
    say("Temporal")
    port = _free_port()
    server = temporal.start_temporal(
        temporal.find_temporal(say),
        port=port,
        ui_port=None,
        database_file=plant.folder / "temporal" / "temporal.db",
        log_file=plant.folder / "temporal.log",
    )
    plant.children.append(server)
    plant.server = Part("server", (server.pid,))
    plant.address = f"{temporal.LOOPBACK}:{port}"
    temporal.await_temporal(plant.address, process=server)
    say("Web, workers, peers")
    _start_ours(plant)
    bare = [
        plant.child(f"bare-{n}", [sys.executable, "-m", "bench.checkout.no_op", plant.address, BARE_QUEUE], {})
        for n in range(WORKERS)
    ]
    plant.bare_workers = Part("worker", tuple(bare))
    for pid in bare:
        _await(lambda pid=pid: worker_trouble(Settings(task_queue=BARE_QUEUE), plant.address, pid))
    for number in range(WORKERS):
        _start_durable(plant, number)


def _start_ours(plant: Plant) -> None:
    plant.web_port = _free_port()
    settings = Settings(state_folder=plant.folder, demo=False, port=plant.web_port)
    environment = commands.environment(
        settings, database_url=plant.database_url, temporal_address=plant.address, secret_key="bench" * 12
    )
    web = plant.child("web", commands.web_command(host="127.0.0.1", port=plant.web_port), environment)
    plant.web = Part("web", (web,))
    workers = [plant.child(f"worker-{n}", commands.worker_command(), environment) for n in range(WORKERS)]
    plant.workers = Part("worker", tuple(workers))
    _await(lambda: page_trouble(f"http://127.0.0.1:{plant.web_port}/healthz"))
    for pid in workers:
        _await(lambda pid=pid: worker_trouble(settings, plant.address, pid))


def _start_durable(plant: Plant, number: int) -> None:
    """One after the other: the first makes DBOS's own tables."""
    with (plant.folder / f"dbos-{number}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.checkout.durable_steps", plant.database_url, f"executor-{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "DATABASE_URL": plant.database_url},
        )
    plant.durable.append(process)
    assert process.stdout is not None
    ready = process.stdout.readline()
    assert "ready" in ready, (plant.folder / f"dbos-{number}.log").read_text()[-2000:]


def load(plant: Plant) -> None:
    """The demo's data, with buyers and pieces enough for as many checkouts as one likes."""
    engine = make_engine(plant.database_url)
    with Session(engine, expire_on_commit=False) as session, session.begin():
        load_demo(session)
        offers = list_offers(session, BUSINESS, limit=100).offers
        plant.skus = [offer.sku for offer in offers if offer.sku.startswith("RT-") and "SHIP" not in offer.sku]
        session.execute(update(StockRow).where(StockRow.business == BUSINESS).values(on_hand=PIECES))
        for number in range(BUYERS):
            enrol_buyer(session, EnrolBuyer(business=BUSINESS, id=f"bench_{number}", name=f"Buyer {number}"))
        plant.key = issue_key(session, BUSINESS, "bench", requests_per_minute=10_000_000)
    engine.dispose()


def _await(trouble: Callable[[], str | None], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while (reason := trouble()) is not None:
        assert time.monotonic() < deadline, reason
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
