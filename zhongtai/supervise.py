"""Supervision: starts the processes, starts again what dies, says so, and stops everything in order."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from capabilities.kernel.errors import PlatformError, UnavailableError
from zhongtai.postgres import postmaster, start_postgres, stop_postgres
from zhongtai.processes import forget, last_line, remember, spawn, stop_process

Say = Callable[[str], None]

BACK_OFF_S = (0.5, 1, 2, 4, 8, 15, 30)
"""How long to wait before each new start; the first one again after a quiet time."""
QUIET_S = 60.0


class Part(Protocol):
    """Something that runs and is to run again when it has ended."""

    @property
    def name(self) -> str: ...

    def start(self) -> None: ...

    def is_alive(self) -> bool: ...

    def last_words(self) -> str:
        """How it ended, for a sentence."""
        ...

    def ask_to_stop(self) -> None:
        """Ask, without waiting."""
        ...

    def stop(self) -> None:
        """Wait for the end, by force if need be."""
        ...


@dataclass
class ChildProcess:
    """A process of ours with its log and its pid file."""

    name: str
    command: list[str]
    log: Path
    run_folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_within_s: float = 15.0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = spawn(self.command, self.log, self.environment)
        remember(self.run_folder, self.name.replace(" ", "-"), self.process.pid)

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def last_words(self) -> str:
        code = self.process.returncode if self.process is not None else None
        if code is not None and code < 0:  # whoever kills leaves no words in the log
            return f"was killed (signal {-code}). Log: {self.log}."
        return f"ended (exit {code}): {last_line(self.log)} Log: {self.log}."

    def ask_to_stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def stop(self) -> None:
        if self.process is not None:
            stop_process(self.process, within_s=self.stop_within_s)
        forget(self.run_folder, self.name.replace(" ", "-"))


@dataclass
class EmbeddedPostgres:
    """The embedded database: not a child, found by its own pid file."""

    folder: Path
    name: str = "PostgreSQL"
    url: str = ""

    def start(self) -> None:
        self.url = start_postgres(self.folder)

    def is_alive(self) -> bool:
        return postmaster(self.folder) is not None

    def last_words(self) -> str:
        return f"ended. Log: {self.folder / 'log'}"

    def ask_to_stop(self) -> None:
        """Stopped in `stop`, when its clients have gone."""

    def stop(self) -> None:
        stop_postgres(self.folder)


@dataclass
class _Watched:
    part: Part
    failures: int = 0
    started: float = 0.0
    due: float | None = None


class Supervisor:
    """Parts are started in order and stopped in reverse, those of one rank together."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._watched: list[_Watched] = []

    @property
    def parts(self) -> list[Part]:
        return [watched.part for watched in self._watched]

    def start(self, part: Part) -> None:
        """Start a part and watch it from now on."""
        watched = _Watched(part, started=time.monotonic())
        self._watched.append(watched)
        part.start()

    def await_ready(self, part: Part, trouble: Callable[[], str | None], *, within_s: float) -> None:
        """Wait until `trouble` tells of none. A part that ends meanwhile, or takes too long, fails the start."""
        deadline = time.monotonic() + within_s
        while (reason := trouble()) is not None:
            if not part.is_alive():
                raise UnavailableError("start.failed", f"{part.name} {part.last_words()}")
            if time.monotonic() > deadline:
                log = f" Its log: {part.log}." if isinstance(part, ChildProcess) else ""
                raise UnavailableError("start.slow", f"{part.name} was not ready within {within_s:g} s: {reason}{log}")
            time.sleep(0.1)

    def look(self) -> None:
        """One round: notice what has ended, start again what is due."""
        moment = time.monotonic()
        for watched in self._watched:
            if watched.due is not None:
                if moment >= watched.due:
                    self._revive(watched)
            elif not watched.part.is_alive():
                if moment - watched.started > QUIET_S:
                    watched.failures = 0
                pause = BACK_OFF_S[min(watched.failures, len(BACK_OFF_S) - 1)]
                watched.failures += 1
                watched.due = moment + pause
                self._say(f"{watched.part.name} {watched.part.last_words()} Starting it again in {pause:g} s.")

    def _revive(self, watched: _Watched) -> None:
        watched.due = None
        watched.started = time.monotonic()
        try:
            watched.part.start()
        except (PlatformError, OSError) as error:
            self._say(f"{watched.part.name} could not be started again: {error}")
        else:
            self._say(f"{watched.part.name} runs again.")

    def stop(self, *, ranks: list[list[str]]) -> None:
        """Stop rank by rank (names by prefix), asking all of a rank before waiting for any; then whatever is left."""
        left = list(self._watched)
        for rank in ranks:
            chosen = [watched.part for watched in left if watched.part.name.startswith(tuple(rank))]
            for part in chosen:
                part.ask_to_stop()
            for part in chosen:
                part.stop()
            left = [watched for watched in left if watched.part not in chosen]
        for watched in reversed(left):
            watched.part.stop()
        self._watched.clear()
