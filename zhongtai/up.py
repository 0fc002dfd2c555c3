"""`make up`: everything on one machine, in order, each step visible; then supervision until Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.text import Text
from sqlalchemy.orm import Session

from capabilities.kernel.database import make_engine
from capabilities.kernel.errors import ConflictError, InvalidError
from capabilities.kernel.settings import Settings
from zhongtai import commands, readiness, temporal
from zhongtai.demo_access import panel_text, write_demo_json
from zhongtai.front_ports import front_ports
from zhongtai.migrate import migrate
from zhongtai.ports import demand_free, ports_of
from zhongtai.processes import end_known, forget, recall, remember
from zhongtai.state import State, write_private
from zhongtai.supervise import ChildProcess, EmbeddedPostgres, Supervisor
from zhongtai.terminal import Terminal

ROOT = Path(__file__).resolve().parent.parent
SUPERVISOR = "supervisor"
READY = "Zhongtai is ready"
STOP_RANKS = [["web", "shop"], ["worker"], ["Temporal"], ["PostgreSQL"]]
"""Who asks stops first, then who works, then what both stand on."""
READY_WITHIN_S = 180.0
"""A laptop that does other things besides may need long; what has ended is told at once anyway."""
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


class StopRequestedError(BaseException):
    """Ctrl-C, `make stop` or a closed terminal; not an error of the program, so no `except Exception` may eat it."""


@dataclass
class Installation:
    """One run of everything here."""

    settings: Settings
    terminal: Terminal
    state: State
    supervisor: Supervisor = field(init=False)
    database_url: str = ""
    temporal_address: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(self.terminal.say)

    def start(self) -> None:
        """Bring everything up. On any failure the caller stops what was started."""
        self._check()
        with self.terminal.step("Database"):
            self._start_database()
        self._start_temporal()
        with self.terminal.step("Migrations"):
            migrate(self.database_url)
        with self.terminal.step("Demo data, keys and accounts" if self.settings.demo else "Lines of business"):
            self._load()
        with self.terminal.step(f"Web, {self.settings.workers} worker processes, shop"):
            self._start_processes()
        write_private(self.state.ready_file, json.dumps({"pid": os.getpid(), "since": time.time()}))

    def stop(self) -> None:
        """Stop everything in order and forget the pid files."""
        self.state.ready_file.unlink(missing_ok=True)
        self.supervisor.stop(ranks=STOP_RANKS)
        forget(self.state.run, SUPERVISOR)

    def _check(self) -> None:
        """What must hold before anything is started."""
        if self.settings.demo and self.settings.host not in LOOPBACK_HOSTS:
            raise InvalidError(
                "settings.demo_exposed",
                f"Demo mode signs people in with one click and listens on this machine only, but ZHONGTAI_HOST is {self.settings.host}.",
                mend="Set ZHONGTAI_HOST=127.0.0.1, or ZHONGTAI_DEMO=false.",
            )
        end_leftovers(self.state, self.terminal.say)
        remember(self.state.run, SUPERVISOR, os.getpid())
        demand_free(ports_of(self.settings))

    def _start_database(self) -> None:
        if self.settings.database_url is not None:
            self.database_url = self.settings.database_url
            self.terminal.say("PostgreSQL: taking DATABASE_URL.")
            return
        embedded = EmbeddedPostgres(self.state.postgres)
        self.supervisor.start(embedded)
        self.database_url = embedded.url
        self.terminal.say(f"PostgreSQL: embedded, its data in {self.state.postgres}.")

    def _start_temporal(self) -> None:
        if self.settings.temporal_address is not None:
            self.temporal_address = self.settings.temporal_address
            with self.terminal.step(f"Temporal at {self.temporal_address} (TEMPORAL_ADDRESS)"):
                temporal.await_temporal(self.temporal_address, namespace=self.settings.temporal_namespace)
            return
        with self.terminal.step("Temporal"):
            binary = temporal.find_temporal(self.terminal.say)
            self.temporal_address = f"{temporal.LOOPBACK}:{self.settings.temporal_port}"
            self.state.temporal_database.parent.mkdir(exist_ok=True)
            server = ChildProcess(
                name="Temporal",
                command=temporal.server_command(
                    binary,
                    port=self.settings.temporal_port,
                    ui_port=self.settings.temporal_ui_port,
                    database_file=self.state.temporal_database,
                    namespace=self.settings.temporal_namespace,
                ),
                log=self.state.log("temporal"),
                run_folder=self.state.run,
            )
            self.supervisor.start(server)
            temporal.await_temporal(
                self.temporal_address,
                namespace=self.settings.temporal_namespace,
                process=server.process,
                log_file=server.log,
            )

    def _load(self) -> None:
        """Data of the demo, then the file that says its keys and accounts."""
        if not self.settings.demo:
            return
        from zhongtai.demo import load_demo  # the demo's data is read only where it is wanted

        engine = make_engine(self.database_url)
        try:
            with Session(engine, expire_on_commit=False) as session, session.begin():
                load_demo(session)
            with Session(engine, expire_on_commit=False) as session, session.begin():
                self.facts = write_demo_json(session, self.state, self.settings)
        finally:
            engine.dispose()

    def _start_processes(self) -> None:
        settings = self.settings
        environment = commands.environment(
            settings,
            database_url=self.database_url,
            temporal_address=self.temporal_address,
            secret_key=settings.secret_key or self.state.secret_key(),
        )
        web = self._child("web", commands.web_command(host=settings.host, port=settings.port), environment)
        workers = [
            self._child(f"worker {number}", commands.worker_command(), environment)
            for number in range(1, settings.workers + 1)
        ]
        started = [web, *workers]
        if self.settings.demo:  # the shop takes its key from the demo's file
            shop = self._child("shop", commands.shop_command(), environment)
            started.append(shop)
        for child in started:
            self.supervisor.start(child)
        own = f"http://{settings.host}:{settings.port}"
        self.supervisor.await_ready(web, lambda: readiness.page_trouble(f"{own}/healthz"), within_s=READY_WITHIN_S)
        for worker in workers:
            self.supervisor.await_ready(worker, self._worker_trouble(worker), within_s=READY_WITHIN_S)
        if self.settings.demo:
            addresses = [f"http://127.0.0.1:{port}/" for port in front_ports(settings).values()]
            self.supervisor.await_ready(shop, lambda: readiness.pages_trouble(addresses), within_s=READY_WITHIN_S)

    def _worker_trouble(self, worker: ChildProcess) -> Callable[[], str | None]:
        def trouble() -> str | None:
            pid = worker.process.pid if worker.process is not None else 0
            return readiness.worker_trouble(self.settings, self.temporal_address, pid)

        return trouble

    def _child(self, name: str, command: list[str], environment: dict[str, str]) -> ChildProcess:
        return ChildProcess(
            name=name, command=command, log=self.state.log(name), run_folder=self.state.run, environment=environment
        )


def end_leftovers(state: State, say: Callable[[str], None]) -> list[str]:
    """End what a killed run left running here, known by pid and start time; nobody supervises it any more."""
    state.ready_file.unlink(missing_ok=True)
    shutil.rmtree(state.folder / "workers", ignore_errors=True)
    ended_names = []
    for known in recall(state.run):
        if known.pid != os.getpid() and end_known(known):
            ended_names.append(f"{known.name} (pid {known.pid})")
        forget(state.run, known.name.replace(" ", "-"))
    if ended_names:
        say(f"An earlier run was killed and had left {', '.join(ended_names)}: ended. The data is whole.")
    return ended_names


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Turn the signals that mean stop into `StopRequestedError`, once; while stopping, further ones are ignored."""
    stopping = threading.Event()

    def on_signal(*_: object) -> None:
        if not stopping.is_set():
            stopping.set()
            raise StopRequestedError

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_up(settings: Settings, terminal: Terminal) -> None:
    """Start, show the panel, supervise until asked to stop, stop. Errors of the start come out as `PlatformError`."""
    settings = demo_settings(settings)
    os.chdir(ROOT)
    state = State(settings.state_folder.resolve())
    state.make()
    claim = state.claim()
    if claim is None:
        raise ConflictError(
            "start.running_already",
            f"Zhongtai runs here already: {settings.state_folder} is in use.",
            mend="`make stop` ends it. A second installation needs its own ZHONGTAI_STATE_FOLDER and ports.",
        )
    installation = Installation(settings, terminal, state)
    with claim, stop_signals() as stopping:
        try:
            with contextlib.suppress(StopRequestedError):
                installation.start()
                show_panel(terminal, installation.facts, state)
                terminal.say(f"Running; logs in {state.logs}. Ctrl-C stops everything.")
                while True:
                    installation.supervisor.look()
                    time.sleep(0.2)
        finally:
            stopping.set()
            terminal.say("Stopping …")
            installation.stop()
            terminal.say("Stopped; the data is kept.")


def show_panel(terminal: Terminal, facts: dict[str, Any], state: State) -> None:
    """The short panel at the end of a start."""
    if facts:
        terminal.show(READY, Text(panel_text(facts, state.demo_file)))
    else:
        terminal.say(f"{READY} (not in demo mode).")


def demo_settings(settings: Settings) -> Settings:
    """`make up` is a demo unless ZHONGTAI_DEMO says otherwise."""
    return settings if "demo" in settings.model_fields_set else settings.model_copy(update={"demo": True})
