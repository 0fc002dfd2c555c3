"""Getting a Temporal server when the machine has none: the SDK's download, or a build with Go; never twice at once.

Both write beside the final place; the caller renames, so that what stands in the cache is whole.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import httpx

Say = Callable[[str], None]

MODULE = "github.com/temporalio/cli/cmd/temporal@v1.5.1"
"""Later versions need a module that is not published and cannot be installed this way."""
DOWNLOAD_SITE = "https://temporal.download/"
PACKAGES_TO_BUILD = 1290
"""How many packages a cold build compiles, roughly: for the progress line only."""
BUILDING = "building-"
LIFE_SIGN_S = 10.0
"""How often a long build shows that it lives."""


@contextmanager
def exclusive(folder: Path, say: Say) -> Iterator[None]:
    """Hold the cache folder alone; a second process waits here and then finds what the first made.

    The lock is the operating system's: it ends with its process, so a killed one leaves nothing behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Temporal: another process is getting the server just now; waiting for it …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        tidy(folder)
        yield


def tidy(folder: Path) -> None:
    """Remove what broken-off builds left; only under the lock, where nobody else builds."""
    for left in folder.glob(f"{BUILDING}*"):
        shutil.rmtree(left, ignore_errors=True)


def _workplace(folder: Path) -> Path:
    place = folder / f"{BUILDING}{os.getpid()}"
    place.mkdir(parents=True, exist_ok=True)
    return place


def download(folder: Path, say: Say) -> Path | None:
    """The SDK's own download; None, quickly, where its site is not reachable."""
    try:
        httpx.head(DOWNLOAD_SITE, timeout=4.0)
    except httpx.HTTPError:
        say("Temporal: the SDK's download site is not reachable from here.")
        return None
    say("Temporal: downloading the server (about 60 MB) …")
    place = _workplace(folder)
    try:
        asyncio.run(asyncio.wait_for(_sdk_download(place), 180))
    except (RuntimeError, TimeoutError) as error:
        say(f"Temporal: the download failed ({str(error)[:160] or 'too slow'}).")
        return None
    found = [path for path in place.iterdir() if path.is_file() and os.access(path, os.X_OK)]
    return found[0] if found else None


async def _sdk_download(place: Path) -> None:
    # Kept out of the module's head: the testing package is large and rarely needed.
    from temporalio.testing import WorkflowEnvironment

    environment = await WorkflowEnvironment.start_local(download_dest_dir=str(place))
    await environment.shutdown()


def build(folder: Path, say: Say) -> Path | None:
    """Build the command with Go, saying how far it is; None when Go is missing or fails."""
    go = shutil.which("go")
    if go is None:
        say("Temporal: there is no `go` on PATH to build it with.")
        return None
    say("Temporal: building the server with Go. This happens once and takes 2 to 4 minutes on two cores (250 MB).")
    place = _workplace(folder)
    started = time.monotonic()
    process = subprocess.Popen(
        [go, "install", "-v", MODULE],
        env={**os.environ, "GOBIN": str(place)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        tail = _follow(process, say, started)
    except BaseException:  # Ctrl-C too: no compiler goes on in the background
        process.kill()
        process.wait()
        raise
    if process.returncode != 0:
        say(f"Temporal: the build failed (exit {process.returncode}): {' / '.join(tail) or 'no reason given'}")
        return None
    say(f"Temporal: built in {time.monotonic() - started:.0f} s.")
    return place / "temporal"


def _follow(process: subprocess.Popen[str], say: Say, started: float) -> list[str]:
    """Say every few seconds how many modules were fetched and packages compiled; return the last lines."""
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(process, lines), daemon=True).start()
    fetched = compiled = 0
    tail: list[str] = []
    spoken = time.monotonic()
    ended = False
    while not ended:
        try:
            line = lines.get(timeout=min(1.0, LIFE_SIGN_S))
        except queue.Empty:
            line = ""
        if line is None:
            ended = True
        elif line.startswith("go: downloading"):
            fetched += 1
        elif line and not line.startswith("go: "):
            compiled += 1
        if line:
            tail = [*tail[-3:], line]
        if time.monotonic() - spoken >= LIFE_SIGN_S:
            spoken = time.monotonic()
            say(_progress(fetched, compiled, spoken - started))
    process.wait()
    return tail


def _progress(fetched: int, compiled: int, elapsed_s: float) -> str:
    if compiled == 0:
        return f"Temporal: fetching sources, {fetched} modules so far, {elapsed_s:.0f} s …"
    share = min(99, compiled * 100 // PACKAGES_TO_BUILD)
    return f"Temporal: compiled {compiled} packages, about {share} %, {elapsed_s:.0f} s …"


def _read(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    with process.stdout or nullcontext(()) as output:
        for line in output:
            lines.put(line.strip())
    lines.put(None)
