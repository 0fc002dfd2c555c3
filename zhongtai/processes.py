"""Child processes: starting, stopping, and knowing again one that an earlier run left behind."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil


def spawn(command: list[str], log_file: Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a process whose output goes to the log.

    It runs in a session of its own, so that Ctrl-C in a terminal reaches only the supervisor, which stops it in order.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )


def stop_process(process: subprocess.Popen[bytes], *, within_s: float = 10.0) -> None:
    """Ask the process to end, wait, and end it by force when it does not."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


def is_alive(process: psutil.Process) -> bool:
    """Whether the process still runs; one that has ended and waits to be collected by a stranger does not."""
    with suppress(psutil.Error):
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    return False


def ended(process: psutil.Process, *, within_s: float) -> bool:
    """Wait for the end of a process that need not be our child; whether it came."""
    deadline = time.monotonic() + within_s
    while is_alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@dataclass(frozen=True)
class Known:
    """A process as a pid file remembers it: the start time tells it from a later one with the same number."""

    name: str
    pid: int
    started: float

    def process(self) -> psutil.Process | None:
        """The process if it still runs and is the same."""
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if is_alive(process) and abs(process.create_time() - self.started) < 1:
                return process
        return None


def remember(folder: Path, name: str, pid: int) -> Known:
    """Write the pid file of a process."""
    known = Known(name=name, pid=pid, started=psutil.Process(pid).create_time())
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".{name}.new"
    fresh.write_text(json.dumps(asdict(known)))
    fresh.replace(folder / f"{name}.json")
    return known


def forget(folder: Path, name: str) -> None:
    """Remove the pid file."""
    (folder / f"{name}.json").unlink(missing_ok=True)


def recall(folder: Path) -> list[Known]:
    """Every process the pid files name, running or not; unreadable files are removed, they say nothing."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(Known(**json.loads(path.read_text())))
        except (ValueError, TypeError):
            path.unlink(missing_ok=True)
    return found


def end_known(known: Known, *, within_s: float = 15.0) -> bool:
    """Stop a remembered process and wait: asked first, then by force. Whether it was still running."""
    process = known.process()
    if process is None:
        return False
    with suppress(psutil.Error):
        process.terminate()
        if not ended(process, within_s=within_s):
            process.kill()
            ended(process, within_s=10)
    return True


def last_line(log_file: Path | None) -> str:
    """The last line of a log that says something, for a sentence on the terminal."""
    if log_file is None or not log_file.exists():
        return "no reason given."
    lines = [line.strip() for line in log_file.read_text(errors="replace").splitlines()[-200:] if line.strip()]
    return lines[-1][:400] if lines else "no reason given."
