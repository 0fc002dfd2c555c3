"""What every browser test needs: the product's processes, running and answering, and a real Chromium."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Browser, sync_playwright

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SHOTS = Path(os.environ.get("ZHONGTAI_SCREENSHOTS", "state/screenshots"))


def web_command(port: int) -> list[str]:
    """How the web is started on a port."""
    return ["-m", "uvicorn", "web.app:create_app", "--factory", "--port", str(port), "--log-level", "warning"]


@contextmanager
def running(commands: Mapping[str, Sequence[str]], environment: Mapping[str, str], folder: Path) -> Iterator[None]:
    """Python processes by name, each with a log in the folder; ended in order."""
    logs = {name: (folder / f"{name}.log").open("w") for name in commands}
    processes = [
        subprocess.Popen([sys.executable, *command], env=environment, stdout=logs[name], stderr=subprocess.STDOUT)
        for name, command in commands.items()
    ]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)
        for log in logs.values():
            log.close()


def await_page(address: str) -> None:
    """Wait until the address answers well."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        try:
            if httpx.get(address, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{address} does not answer")


@contextmanager
def chromium_browser() -> Iterator[Browser]:
    """The browser named by CHROMIUM, the system's, else playwright's own."""
    found = [path for path in (os.environ.get("CHROMIUM"), "/usr/bin/chromium") if path and Path(path).exists()]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found[0] if found else None, args=FLAGS)
        yield browser
        browser.close()
