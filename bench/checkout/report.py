"""The comparison as a section of `bench/README.md`."""

from __future__ import annotations

import datetime as dt
import os
import platform
import statistics
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

from bench.checkout.history import Cost
from bench.checkout.measuring import Figures

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- checkout: figures -->", "<!-- /checkout: figures -->"
"""Between them only what is measured; what people say about it stands around them, between `<!-- checkout -->`."""
PARTS = ("server", "worker", "web", "database", "dbos")
NAMES = {
    "checkout": "**Checkout**, through HTTP",
    "bare 1": "Temporal, 1 no-op local activity",
    "bare 7": "Temporal, 7 no-op local activities",
    "dbos plain": "DBOS, the same 14 steps, plain",
    "dbos transactional": "DBOS, the same 14 steps, exactly once",
}


@dataclass(frozen=True)
class Report:
    figures: dict[str, Figures]
    probes_ms: list[float]
    costs: dict[str, Cost]
    rounds: int
    alone: int
    busy: int
    at_once: int

    def text(self) -> str:
        return "\n".join([*self._head(), "", *self._table(), "", *self._targets(), "", *self._cost()])

    def _head(self) -> list[str]:
        versions = ", ".join(f"{name} {version(name)}" for name in ("temporalio", "dbos", "SQLAlchemy", "psycopg"))
        load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
        memory = psutil.virtual_memory().total / 2**30
        today = dt.datetime.now(dt.UTC)
        machine = (
            f"{today:%Y-%m-%d %H:%M} UTC · {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} · "
            f"Python {platform.python_version()}, {versions}"
        )
        method = (
            f"{self.rounds} rounds, peers interleaved; a round is {self.alone} one at a time and {self.busy} "
            f"{self.at_once} at once; medians of rounds, p99 alone over all rounds. Load averages at the end: {load}. "
            f"One page written and synced: {statistics.median(self.probes_ms):.2f} ms "
            f"(between {min(self.probes_ms):.2f} and {max(self.probes_ms):.2f})."
        )
        return [machine, "", method]

    def _table(self) -> list[str]:
        rows = [
            "| | p50 alone | p99 alone | per second | p50 busy | p99 busy | CPU ms: server | worker | web | database | all |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
        ]
        for name, found in self.figures.items():
            cpu = [found.cpu(part) for part in PARTS]
            worker = found.cpu("worker") + found.cpu("dbos")
            rows.append(
                f"| {NAMES[name]} | {found.p50:.1f} ms | {found.p99:.1f} | {found.rate:.1f} | {found.busy_p50:.0f} | "
                f"{found.busy_p99:.0f} | {_or_dash(cpu[0])} | {_or_dash(worker)} | {_or_dash(cpu[2])} | "
                f"{_or_dash(cpu[3])} | {sum(cpu):.1f} |"
            )
        return rows

    def _targets(self) -> list[str]:
        f = self.figures
        checkout, one, seven = f["checkout"], f["bare 1"], f["bare 7"]
        plain, exact = f["dbos plain"], f["dbos transactional"]
        cost = self.costs["checkout"]
        lines = [
            "| Target | Wanted | Found | |",
            "|---|---|---|---|",
            _target("Throughput to 7 no-op local activities", "≥ 1.0", _ratio(checkout, seven), lambda x: x >= 1.0),
            _target("Throughput to DBOS, exactly once", "≥ 1.2", _ratio(checkout, exact), lambda x: x >= 1.2),
            _target("Throughput to DBOS, plain steps", "≥ 1.2", _ratio(checkout, plain), lambda x: x >= 1.2),
            _target(
                "p50 alone to 1 no-op local activity",
                "≤ 2",
                statistics.median(a / b for a, b in zip(checkout.p50_ms, one.p50_ms, strict=True)),
                lambda x: x <= 2,
            ),
            _target("State transitions", "≤ 3", cost.transitions, lambda x: x <= 3),
            _target("Activities", "≤ 4", cost.activities, lambda x: x <= 4),
        ]
        by_cpu = ", ".join(
            f"{found.cpu_total / checkout.cpu_total:.2f} of {NAMES[name]}"
            for name, found in f.items()
            if found is not checkout
        )
        told = (
            "Ratios are medians of the rounds' ratios. On a machine busy with other things they depend on who gets a "
            f"processor; what each needs of it does so less: by processor time the checkout does {by_cpu}."
        )
        return [*lines, "", told]

    def _cost(self) -> list[str]:
        rows = [
            "| A run in Temporal | state transitions | history events | activities | bytes |",
            "|---|---|---|---|---|",
        ]
        rows += [
            f"| {NAMES[name]} | {cost.transitions:.0f} | {cost.events:.0f} | {cost.activities:.0f} | {cost.bytes:,.0f} |"
            for name, cost in self.costs.items()
        ]
        return rows


def _ratio(ours: Figures, theirs: Figures) -> float:
    return statistics.median(a / b for a, b in zip(ours.per_s, theirs.per_s, strict=True))


def _target(what: str, wanted: str, found: float, holds: object) -> str:
    assert callable(holds)
    return f"| {what} | {wanted} | {found:.2f} | {'holds' if holds(found) else '**short**'} |"


def _or_dash(value: float) -> str:
    return f"{value:.1f}" if value else "–"


def write_section(text: str) -> None:
    """Put the text between the markers of this section, or at the end where there are none yet; the rest stays."""
    before = README.read_text(encoding="utf-8") if README.exists() else "# Benchmarks\n"
    if BEGIN not in before:
        before += f"\n<!-- checkout -->\n## Checkout\n\n{BEGIN}\n{END}\n<!-- /checkout -->\n"
    head, _, rest = before.partition(BEGIN)
    tail = rest.partition(END)[2]
    README.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")
