"""A hot budget: claims on one counter, split in slots against one row, 1, 8 and 32 at a time, on real PostgreSQL.

    python -m bench.limits [--write] [--rounds 5] [--seconds 2]

A claim is what a checkout does (`claim_limits` in a transaction, committed with fsync); in the second half of the table
the transaction does 5 ms of other work after it, as a checkout's first transaction does before it commits. Both kinds
count exactly; the counter is compared with the claims after every measurement. `--write` puts the table into
`bench/README.md`.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel.clock import now
from capabilities.kernel.database import make_engine
from capabilities.marketing.counting import counters_of, uses_of
from capabilities.marketing.extensions import counter_slots
from capabilities.marketing.limits import Bearing, Limit, LimitUse, Occasion
from capabilities.marketing.models import LimitClaimRow, LimitCounterRow
from capabilities.marketing.service_limits import claim_limits
from zhongtai.migrate import migrate
from zhongtai.postgres import start_postgres, stop_postgres

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- limits: begin -->", "<!-- limits: end -->"
AT_ONCE = (1, 8, 32)
REST_MS = (0, 5)
BUSINESSES = ("row", "slots")
"""One keeps a counter in one row, the other in as many slots as the default says."""


@dataclass
class Cell:
    """One combination, over all rounds."""

    per_s: list[float] = field(default_factory=list)
    waits_ms: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(self.per_s)

    def percentile(self, share: float) -> float:
        return sorted(self.waits_ms)[min(len(self.waits_ms) - 1, int(len(self.waits_ms) * share))]


Key = tuple[str, int, int]
"""Business, at once, milliseconds of other work."""


def a_use(business: str) -> LimitUse:
    """One use of a limit that is never used up."""
    limit = Limit(owner="rule:bench/hot", name="Hot", counts="uses", most=10**12)
    occasion = Occasion(business=business, currency="CNY", at=now(), buyer_id="buyer")
    return uses_of(counters_of([Bearing(limit=limit, rule_ids=("hot",))], occasion), {"hot": 1})[0]


def measure(sessions: sessionmaker[Session], key: Key, seconds: float, turn: int) -> tuple[float, list[float]]:
    """Claims a second, and how long each took."""
    business, at_once, rest_ms = key
    use = a_use(business)
    waits: list[list[float]] = [[] for _ in range(at_once)]
    ready = threading.Barrier(at_once + 1)
    ends_at = [0.0]

    def work(number: int) -> None:
        ready.wait()
        count = 0
        while (begun := time.perf_counter()) < ends_at[0]:
            with sessions.begin() as session:
                order_id = f"{business}.{rest_ms}.{at_once}.{turn}.{number}.{count}"
                claim_limits(session, order_id, "quote", business, [use])
                if rest_ms:
                    session.execute(text("SELECT pg_sleep(:s)"), {"s": rest_ms / 1000})
            waits[number].append((time.perf_counter() - begun) * 1000)
            count += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(at_once)]
    for thread in threads:
        thread.start()
    begun = time.perf_counter()
    ends_at[0] = begun + seconds
    ready.wait()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - begun
    all_waits = [wait for some in waits for wait in some]
    return len(all_waits) / took, all_waits


def require_exact(sessions: sessionmaker[Session]) -> int:
    """Every counter is what its claims took; how many there are."""
    with sessions() as session:
        counted = session.scalar(select(func.sum(LimitCounterRow.used))) or 0
        claimed = session.scalar(select(func.count()).select_from(LimitClaimRow)) or 0
    if counted != claimed:
        raise AssertionError(f"{counted} counted, {claimed} claimed")
    return int(claimed)


def compare(sessions: sessionmaker[Session], rounds: int, seconds: float) -> dict[Key, Cell]:
    """Every round measures every combination, row and slots right after each other."""
    cells: dict[Key, Cell] = {}
    for business in BUSINESSES:
        measure(sessions, (business, 4, 0), 1, -1)
    for turn in range(rounds):
        for rest_ms in REST_MS:
            for at_once in AT_ONCE:
                for business in sorted(BUSINESSES, reverse=bool(turn % 2)):
                    key = (business, at_once, rest_ms)
                    rate, waits = measure(sessions, key, seconds, turn)
                    cell = cells.setdefault(key, Cell())
                    cell.per_s.append(rate)
                    cell.waits_ms += waits
        print(f"round {turn + 1} of {rounds}: {require_exact(sessions):,} claims, all counted", flush=True)
    return cells


def report(cells: dict[Key, Cell], claims: int) -> str:
    """The section of the README."""
    machine = f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
    lines = [
        f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}; {machine}. `python -m bench.limits --write`.",
        "",
        "Claims on one hot counter, each a transaction with fsync; one process, one thread a claim. *Rest* is other work of",
        f"the same transaction after the claim. Medians of interleaved rounds; {claims:,} claims, all counted exactly.",
        "",
        "| at once | rest (ms) | one row (/s) | p50 / p99 (ms) | 16 slots (/s) | p50 / p99 (ms) | ratio |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for rest_ms in REST_MS:
        for at_once in AT_ONCE:
            row, slots = cells["row", at_once, rest_ms], cells["slots", at_once, rest_ms]
            ratio = statistics.median(s / r for s, r in zip(slots.per_s, row.per_s, strict=True))
            waits = [f"{cell.percentile(0.5):.1f} / {cell.percentile(0.99):.1f}" for cell in (row, slots)]
            lines.append(
                f"| {at_once} | {rest_ms} | {row.rate:,.0f} | {waits[0]} | {slots.rate:,.0f} | {waits[1]} | {ratio:.2f} |"
            )
    return "\n".join(lines)


def write_into_readme(section: str) -> None:
    """Replace what stands between the markers."""
    before = README.read_text(encoding="utf-8") if README.exists() else "# Benchmarks\n"
    if BEGIN not in before:
        before = f"{before.rstrip()}\n\n## Limits\n\n{BEGIN}\n{END}\n"
    head, rest = before.split(BEGIN, 1)
    README.write_text(f"{head}{BEGIN}\n{section}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


@contextmanager
def database() -> Iterator[Engine]:
    """A fresh PostgreSQL, migrated, ended at the end."""
    with tempfile.TemporaryDirectory(prefix="zhongtai-bench-") as folder:
        where = Path(folder) / "postgres"
        url = start_postgres(where)
        engine = make_engine(url, pool_size=max(AT_ONCE))
        try:
            migrate(url)
            yield engine
        finally:
            engine.dispose()
            stop_postgres(where, how="immediate")


def _one() -> int:
    """A counter is one row."""
    return 1


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--write", action="store_true")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seconds", type=float, default=2.0)
    asked = arguments.parse_args()
    counter_slots.realize("row")(_one)
    with database() as engine:
        sessions = sessionmaker(engine, expire_on_commit=False)
        section = report(compare(sessions, asked.rounds, asked.seconds), require_exact(sessions))
    print(section)
    if asked.write:
        write_into_readme(section)


if __name__ == "__main__":
    main()
