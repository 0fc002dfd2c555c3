"""The embedded Temporal server: found or built once, always started tuned, loopback only.

Used by the command and by the tests alike. With TEMPORAL_ADDRESS set nothing of this is needed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from capabilities.kernel.errors import UnavailableError
from zhongtai import temporal_supply
from zhongtai.processes import last_line, spawn

Say = Callable[[str], None]

DYNAMIC_CONFIG: dict[str, int] = {
    # The history service reads its queues 20 times a second by default: after the first burst every workflow task of
    # a quiet shop would wait up to 50 ms for the next look.
    "history.transferProcessorMaxPollRPS": 2000,
    "history.timerProcessorMaxPollRPS": 2000,
    "history.visibilityProcessorMaxPollRPS": 2000,
    # One machine needs one partition: tasks and pollers meet without forwarding.
    "matching.numTaskqueueReadPartitions": 1,
    "matching.numTaskqueueWritePartitions": 1,
}
"""How every Temporal server of ours is tuned; `deploy/temporal/dynamicconfig.yaml` says the same to the cluster."""

SQLITE_PRAGMAS = {"journal_mode": "wal", "synchronous": "full"}
LOOPBACK = "127.0.0.1"


def cache_folder() -> Path:
    """Where a Temporal server is kept between checkouts of the project: `~/.cache/zhongtai/bin`, or as XDG says."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zhongtai" / "bin"


def works(binary: Path) -> bool:
    """Whether the file runs and calls itself Temporal; a half-written one does not."""
    try:
        answer = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.returncode == 0 and "temporal" in answer.stdout.lower()


def find_temporal(say: Say) -> Path:
    """The Temporal command, in this order: PATH, our cache, the SDK's download, built with Go; `say` tells which and why.

    Raises `UnavailableError` with the two ways to get one when there is none.
    """
    on_path = shutil.which("temporal")
    if on_path is not None:
        if works(Path(on_path)):
            say(f"Temporal: taking {on_path}, found on PATH.")
            return Path(on_path)
        say(f"Temporal: {on_path} is on PATH but does not run; looking further.")
    cached = cache_folder() / "temporal"
    if cached.exists() and works(cached):
        say(f"Temporal: taking {cached}, kept from an earlier run.")
        return cached
    with temporal_supply.exclusive(cache_folder(), say):
        if cached.exists():  # another process may have finished it while we waited
            if works(cached):
                say(f"Temporal: taking {cached}, just made by another process.")
                return cached
            say(f"Temporal: {cached} is broken (half written?); removed, and made anew.")
            cached.unlink()
        for supply in (temporal_supply.download, temporal_supply.build):
            made = supply(cache_folder(), say)
            if made is not None and works(made):
                made.replace(cached)
                temporal_supply.tidy(cache_folder())
                return cached
    raise UnavailableError(
        "temporal.not_found",
        "There is no Temporal server: none on PATH, none downloadable from here, and Go is missing or could not build it.",
        mend="Install the Temporal command (https://docs.temporal.io/cli) or Go 1.24 or newer and start again; "
        "or set TEMPORAL_ADDRESS to a server that runs.",
    )


def server_command(
    binary: Path, *, port: int, ui_port: int | None, database_file: Path, namespace: str = "default"
) -> list[str]:
    """The command line of the tuned server."""
    command = [str(binary), "server", "start-dev", "--ip", LOOPBACK, "--port", str(port)]
    command += ["--headless"] if ui_port is None else ["--ui-port", str(ui_port)]
    command += ["--db-filename", str(database_file), "--log-level", "warn", "--log-format", "json"]
    for pragma, value in SQLITE_PRAGMAS.items():
        command += ["--sqlite-pragma", f"{pragma}={value}"]
    for key, number in DYNAMIC_CONFIG.items():
        command += ["--dynamic-config-value", f"{key}={number}"]
    if namespace != "default":
        command += ["--namespace", namespace]
    return command


def start_temporal(
    binary: Path, *, port: int, ui_port: int | None, database_file: Path, log_file: Path, namespace: str = "default"
) -> subprocess.Popen[bytes]:
    """Start the tuned server on loopback with its state in `database_file`; `await_temporal` tells when it is ready.

    It runs in a session of its own, so that Ctrl-C in a terminal reaches only the supervisor, which stops it in order.
    """
    database_file.parent.mkdir(parents=True, exist_ok=True)
    command = server_command(binary, port=port, ui_port=ui_port, database_file=database_file, namespace=namespace)
    return spawn(command, log_file)


def await_temporal(
    address: str,
    *,
    namespace: str = "default",
    process: subprocess.Popen[bytes] | None = None,
    log_file: Path | None = None,
    within_s: float = 60.0,
) -> None:
    """Wait until the server at `address` answers and knows the namespace. Raises `UnavailableError` with the reason."""
    where = f" Its log: {log_file}." if log_file is not None else ""
    deadline = time.monotonic() + within_s
    while True:
        if process is not None and process.poll() is not None:
            raise UnavailableError(
                "temporal.ended",
                f"The Temporal server ended at once (exit {process.returncode}): {last_line(log_file)}{where}",
                mend="Read the log; `make doctor` checks ports and disk.",
            )
        trouble = asyncio.run(_ask(address, namespace))
        if trouble is None:
            return
        if time.monotonic() > deadline:
            raise UnavailableError(
                "temporal.unreachable",
                f"The Temporal server at {address} did not become ready within {within_s:g} s: {trouble}.{where}",
                mend="Is TEMPORAL_ADDRESS right, and does the namespace exist?",
            )
        time.sleep(0.1)


async def _ask(address: str, namespace: str) -> str | None:
    """None when the server answers for the namespace, else what was wrong."""
    try:
        client = await asyncio.wait_for(Client.connect(address, namespace=namespace), 5)
        await asyncio.wait_for(
            client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace)), 5
        )
    except (RPCError, RuntimeError, TimeoutError) as error:
        return str(error) or type(error).__name__
    return None
