"""`make start`, `make stop`, `make reset`: the same as `make up`, without a terminal that must stay open."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from capabilities.kernel.errors import ConflictError, UnavailableError
from capabilities.kernel.settings import Settings
from zhongtai.postgres import postmaster, stop_postgres
from zhongtai.processes import end_known, forget, recall, spawn, stop_process
from zhongtai.state import State
from zhongtai.terminal import Terminal
from zhongtai.up import READY, SUPERVISOR, end_leftovers, show_panel

STOP_WITHIN_S = 90.0


def run_start(settings: Settings, terminal: Terminal) -> None:
    """Start in the background and return when all is ready; otherwise raise with the reason and the log's place."""
    state = State(settings.state_folder.resolve())
    state.make()
    if state.is_claimed():
        _await_other(state, terminal)
        show_panel(terminal, state.demo_facts(), state)
        return
    state.ready_file.unlink(missing_ok=True)
    log = state.logs / "up.log"
    log.unlink(missing_ok=True)
    process = spawn([sys.executable, "-m", "zhongtai", "up"], log)
    try:
        _follow(process, log, state, terminal)
    except KeyboardInterrupt:
        terminal.say("Stopping what was started …")
        stop_process(process, within_s=STOP_WITHIN_S)
        raise
    show_panel(terminal, state.demo_facts(), state)
    terminal.say(f"Running in the background (pid {process.pid}); `make stop` ends it. Its log: {log}")


def _follow(process: subprocess.Popen[bytes], log: Path, state: State, terminal: Terminal) -> None:
    """Show what the start says until it is ready; raise when it ends instead."""
    told = 0
    while True:
        is_over = process.poll() is not None
        is_ready = not is_over and ready_pid(state) == process.pid
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        whole = lines if is_over else lines[:-1]
        for line in whole[told:]:
            if is_ready and line.startswith(READY):
                break  # the panel is shown once, by us
            terminal.console.print(line, markup=False)
        told = max(told, len(whole))
        if is_ready:
            return
        if is_over:
            raise UnavailableError(
                "start.failed",
                f"The start failed (exit {process.returncode}); the reason stands above.",
                mend=f"Its log: {log}; the logs of the parts stand beside it.",
            )
        time.sleep(0.1)


def ready_pid(state: State) -> int | None:
    """The supervisor whose installation is ready."""
    try:
        return int(json.loads(state.ready_file.read_text())["pid"])
    except (OSError, ValueError, KeyError):
        return None


def _await_other(state: State, terminal: Terminal) -> None:
    terminal.say("Zhongtai runs here already.")
    deadline = time.monotonic() + 600
    while ready_pid(state) is None and state.is_claimed():
        if time.monotonic() > deadline:
            raise UnavailableError("start.slow", "The other start is not ready yet.", mend=f"See {state.logs}.")
        time.sleep(0.2)
    if ready_pid(state) is None:
        raise UnavailableError(
            "start.failed", "The other start has ended without becoming ready.", mend="Start again: it says why."
        )


def run_stop(settings: Settings, terminal: Terminal) -> None:
    """Stop what runs here and wait; nothing running is fine too."""
    state = State(settings.state_folder.resolve())
    supervisor = next((known for known in recall(state.run) if known.name == SUPERVISOR), None)
    stopped = False
    if supervisor is not None and state.is_claimed():
        with terminal.step("Stopping"):
            stopped = end_known(supervisor, within_s=STOP_WITHIN_S)
        forget(state.run, SUPERVISOR)
    if state.is_claimed():
        raise ConflictError(
            "stop.unknown_supervisor",
            f"A process holds {state.folder}, but its pid file is gone.",
            mend="Look for `python -m zhongtai up` and end it.",
        )
    left = end_leftovers(state, terminal.say)
    if postmaster(state.postgres) is not None:
        with terminal.step("Stopping the embedded database"):
            stop_postgres(state.postgres)
        stopped = True
    terminal.say("Stopped; the data is kept." if stopped or left else "Nothing was running.")


def run_reset(settings: Settings, terminal: Terminal) -> None:
    """Forget the data of the embedded servers, the keys, the logs. A database of DATABASE_URL is not touched."""
    state = State(settings.state_folder.resolve())
    run_stop(settings, terminal)
    if state.folder.exists():
        size = sum(path.lstat().st_size for path in state.folder.rglob("*"))
        for name in ("postgres", "temporal", "run", "logs", "workers"):
            shutil.rmtree(state.folder / name, ignore_errors=True)
        for name in ("demo.json", "secret_key", "ready", ".postgres.start.lock", ".postgres.library.lock"):
            (state.folder / name).unlink(missing_ok=True)
        terminal.say(f"Forgotten: {size / 1e6:,.0f} MB of data, keys and logs in {state.folder}.")
    if settings.database_url is not None:
        terminal.say("The database of DATABASE_URL is yours and was left as it is.")
