"""What is measured beside time: the processor by part, and what a durable write costs on this disk."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PAGE = 8192
PROBES = 200


def fsync_ms(folder: Path) -> float:
    """The median of writing one page to the end of a file and having it on the disk, as a commit does."""
    path = folder / "fsync-probe"
    times = []
    with path.open("wb", buffering=0) as probe:
        page = os.urandom(PAGE)
        probe.write(page * PROBES)  # room first: a commit writes into segments that exist
        os.fdatasync(probe.fileno())
        probe.seek(0)
        for _ in range(PROBES):
            started = time.perf_counter()
            probe.write(page)
            os.fdatasync(probe.fileno())
            times.append((time.perf_counter() - started) * 1000)
    path.unlink()
    return statistics.median(times)


@dataclass(frozen=True)
class Part:
    """A part of the installation: its processes, with all their children, living and ended."""

    name: str
    pids: tuple[int, ...]

    def cpu_s(self) -> float:
        """Seconds of processor used so far."""
        total = 0.0
        for pid in self.pids:
            with suppress(psutil.NoSuchProcess):
                top = psutil.Process(pid)
                total += _own(top) + top.cpu_times().children_user + top.cpu_times().children_system
                for child in top.children(recursive=True):
                    with suppress(psutil.NoSuchProcess):
                        total += _own(child)
        return total


def _own(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@dataclass
class Figures:
    """What one peer showed, round by round."""

    name: str
    waits_ms: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    busy_p50_ms: list[float] = field(default_factory=list)
    busy_p99_ms: list[float] = field(default_factory=list)
    per_s: list[float] = field(default_factory=list)
    cpu_ms: dict[str, list[float]] = field(default_factory=dict)

    def add_alone(self, waits_ms: Sequence[float]) -> None:
        self.waits_ms += waits_ms
        self.p50_ms.append(statistics.median(waits_ms))

    def add_busy(self, waits_ms: Sequence[float], seconds: float, cpu_s: dict[str, float]) -> None:
        self.per_s.append(len(waits_ms) / seconds)
        self.busy_p50_ms.append(statistics.median(waits_ms))
        self.busy_p99_ms.append(_p99(waits_ms))
        for part, used in cpu_s.items():
            self.cpu_ms.setdefault(part, []).append(used * 1000 / len(waits_ms))

    @property
    def p50(self) -> float:
        return statistics.median(self.p50_ms)

    @property
    def p99(self) -> float:
        return _p99(self.waits_ms)

    @property
    def rate(self) -> float:
        return statistics.median(self.per_s)

    @property
    def busy_p50(self) -> float:
        return statistics.median(self.busy_p50_ms)

    @property
    def busy_p99(self) -> float:
        return statistics.median(self.busy_p99_ms)

    @property
    def cpu_total(self) -> float:
        """Milliseconds of all parts together."""
        return sum(self.cpu(part) for part in self.cpu_ms)

    def cpu(self, part: str) -> float:
        return statistics.median(self.cpu_ms.get(part) or [0.0])


def _p99(waits_ms: Sequence[float]) -> float:
    return sorted(waits_ms)[min(len(waits_ms) - 1, int(len(waits_ms) * 0.99))]
