"""Stripe's own mock server for tests: found, or got once; it answers after Stripe's public description of its API.

In this order: PATH, our cache, built with Go, downloaded from its releases. Nothing of the product needs it.
"""

from __future__ import annotations

import io
import os
import platform
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from capabilities.kernel.errors import UnavailableError
from zhongtai.processes import spawn
from zhongtai.temporal import cache_folder
from zhongtai.temporal_supply import exclusive

Say = Callable[[str], None]

NAME = "stripe-mock"
MODULE = "github.com/stripe/stripe-mock@latest"
RELEASE = "0.197.0"
RELEASES = "https://github.com/stripe/stripe-mock/releases/download"
LOOPBACK = "127.0.0.1"
LARGEST_BYTES = 100_000_000


def works(binary: Path) -> bool:
    """Whether the file runs and calls itself stripe-mock."""
    try:
        answer = subprocess.run([binary, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.returncode == 0 and NAME in answer.stdout + answer.stderr


def find_stripe_mock(say: Say) -> Path:
    """The command; `say` tells which one and why. Raises `UnavailableError` with the ways to get one when there is none."""
    on_path = shutil.which(NAME)
    if on_path is not None and works(Path(on_path)):
        say(f"stripe-mock: taking {on_path}, found on PATH.")
        return Path(on_path)
    cached = cache_folder() / NAME
    if cached.exists() and works(cached):
        say(f"stripe-mock: taking {cached}, kept from an earlier run.")
        return cached
    with exclusive(cache_folder(), say):
        if cached.exists() and works(cached):  # another process has made it while we waited
            return cached
        for supply in (build, download):
            made = supply(cache_folder(), say)
            if made is not None and works(made):
                made.replace(cached)
                shutil.rmtree(made.parent, ignore_errors=True)
                say(f"stripe-mock: ready, kept as {cached}.")
                return cached
    raise UnavailableError(
        "stripe_mock.not_found",
        "There is no stripe-mock: none on PATH, Go is missing or could not build it, and its releases are not reachable.",
        mend="Install Go 1.24 or newer, or put the command from https://github.com/stripe/stripe-mock on PATH.",
    )


def _workplace(folder: Path) -> Path:
    place = folder / f"building-{NAME}-{os.getpid()}"
    place.mkdir(parents=True, exist_ok=True)
    return place


def build(folder: Path, say: Say) -> Path | None:
    """Build the command with Go; None when Go is missing or fails."""
    go = shutil.which("go")
    if go is None:
        say("stripe-mock: there is no `go` on PATH to build it with.")
        return None
    say("stripe-mock: building it with Go, once; this takes about a minute …")
    place = _workplace(folder)
    built = subprocess.run(
        [go, "install", MODULE],
        env={**os.environ, "GOBIN": str(place)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode != 0:
        last = (built.stderr.strip().splitlines() or ["no reason given"])[-1]
        say(f"stripe-mock: the build failed (exit {built.returncode}): {last[:200]}")
        return None
    return place / NAME


def release_url(system: str, machine: str) -> str | None:
    """Where the release for a machine is; None where there is none."""
    systems = {"linux": "linux", "darwin": "darwin"}
    machines = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
    if system.lower() not in systems or machine.lower() not in machines:
        return None
    made_for = f"{systems[system.lower()]}_{machines[machine.lower()]}"
    return f"{RELEASES}/v{RELEASE}/stripe-mock_{RELEASE}_{made_for}.tar.gz"


def download(folder: Path, say: Say) -> Path | None:
    """Download a release; None, quickly, where it is not reachable or there is none for this machine."""
    url = release_url(platform.system(), platform.machine())
    if url is None:
        say("stripe-mock: there is no release for this machine.")
        return None
    say(f"stripe-mock: downloading {url} …")
    try:
        answer = httpx.get(url, follow_redirects=True, timeout=httpx.Timeout(60.0, connect=4.0)).raise_for_status()
    except httpx.HTTPError as error:
        say(f"stripe-mock: the download failed ({str(error)[:160] or 'not reachable'}).")
        return None
    place = _workplace(folder)
    try:
        with tarfile.open(fileobj=io.BytesIO(answer.content[:LARGEST_BYTES])) as archive:
            member = archive.extractfile(NAME)
            if member is None:
                return None
            binary = place / NAME
            binary.write_bytes(member.read())
    except (tarfile.TarError, KeyError):
        say("stripe-mock: what was downloaded is not a release.")
        return None
    binary.chmod(0o755)
    return binary


def start_stripe_mock(binary: Path, *, port: int, log_file: Path) -> subprocess.Popen[bytes]:
    """Start it on loopback; returns when it answers. Raises `UnavailableError` when it does not."""
    process = spawn([str(binary), "-http-addr", f"{LOOPBACK}:{port}"], log_file)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(f"http://{LOOPBACK}:{port}/v1/charges", timeout=1.0)
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return process
    process.kill()
    raise UnavailableError(
        "stripe_mock.ended", "stripe-mock did not become ready.", mend=f"Its log says why: {log_file}."
    )
