"""The state folder of an installation: where the embedded servers keep their data, where logs and pid files stand."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

LOG_LIMIT_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class State:
    """Names of everything in the folder."""

    folder: Path

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def temporal_database(self) -> Path:
        return self.folder / "temporal" / "temporal.db"

    @property
    def run(self) -> Path:
        """Pid files of the running processes."""
        return self.folder / "run"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def demo_file(self) -> Path:
        return self.folder / "demo.json"

    @property
    def ready_file(self) -> Path:
        """Stands while everything runs and answers."""
        return self.folder / "ready"

    def make(self) -> None:
        """Make the folders; what is inside concerns only the person who runs it.

        The folder itself stays passable: as root the embedded database runs as another user.
        """
        for folder in (self.folder, self.run, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        self.run.chmod(0o700)
        self.logs.chmod(0o700)

    def log(self, name: str) -> Path:
        """The log of a process; a large one of an earlier run is set aside."""
        path = self.logs / f"{name.replace(' ', '-')}.log"
        if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(".log.old"))
        return path

    def secret_key(self) -> str:
        """The installation's secret, made once and kept where only its owner reads it."""
        path = self.folder / "secret_key"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(48))
        return path.read_text().strip()

    def claim(self) -> IO[str] | None:
        """Hold the folder as its one supervisor; None when another holds it. The lock ends with its process."""
        lock = (self.folder / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
        return lock

    def is_claimed(self) -> bool:
        """Whether a supervisor runs here."""
        if not (self.folder / "lock").exists():
            return False
        lock = self.claim()
        if lock is None:
            return True
        lock.close()
        return False

    def demo_facts(self) -> dict[str, Any]:
        """What `demo.json` says; empty when it is lost or unreadable."""
        try:
            facts = json.loads(self.demo_file.read_text())
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
