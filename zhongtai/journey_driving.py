"""Driving the grocer's baskets through the API of the running product, and saying on the terminal what came of it."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import Any

import httpx
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from capabilities.kernel.ids import new_id
from capabilities.kernel.money import Money
from zhongtai.grocer import CURRENCY, Basket, checkout_of
from zhongtai.journey_comparing import PART_NAMES, Comparison, Seen, totals
from zhongtai.terminal import Terminal

WIDTH = 110
"""A table of money is not folded, however narrow the terminal."""
DECLINED_EVERY = 50
"""Every fiftieth buyer's card is declined: a shop without declines is not a shop."""


@dataclass(slots=True)
class Drive:
    """What became of the baskets that were driven."""

    seconds: float = 0.0
    waits_ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    captured_minor: int = 0
    quotes: dict[int, dict[str, Any]] = field(default_factory=dict)
    """By basket: what the buyer was shown and agreed to."""


def progress_on(terminal: Terminal) -> Progress:
    """A bar with how much is done and how long it will take."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=terminal.console,
    )


async def drive_baskets(
    driven: Sequence[Basket],
    codes: Mapping[int, Sequence[str]],
    *,
    api_url: str,
    key: str,
    at_once: int,
    terminal: Terminal,
) -> Drive:
    """Each basket once, so many at a time; every answer is counted. `codes` are the coupons of baskets that have some."""
    drive = Drive()
    run = new_id("journey")
    waiting = iter(enumerate(driven))
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=api_url, headers=headers, limits=limits, timeout=60.0) as client:
        with progress_on(terminal) as progress:
            task = progress.add_task("Checkouts", total=len(driven))

            async def buy() -> None:
                for number, basket in waiting:
                    method = "sim_declined" if number % DECLINED_EVERY == DECLINED_EVERY - 1 else "sim_ok"
                    body = checkout_of(basket, method, codes.get(basket.id, ()))
                    await _buy(client, drive, f"{run}-{basket.id}", basket.id, body)
                    progress.advance(task)

            begun = time.perf_counter()
            await asyncio.gather(*(buy() for _ in range(at_once)))
            drive.seconds = time.perf_counter() - begun
    return drive


async def _buy(client: httpx.AsyncClient, drive: Drive, key: str, basket: int, body: dict[str, Any]) -> None:
    """Ask what it costs, agree to that, buy. A coupon that does not apply is agreed to with the total."""
    try:
        shown = await client.post("/quotes", json=body)
        if shown.status_code == 200:
            drive.quotes[basket] = shown.json()
            body = body | {"expected_total_minor": drive.quotes[basket]["total_minor"]}
        begun = time.perf_counter()
        response = await client.post("/checkouts", json=body, headers={"idempotency-key": key})
    except httpx.HTTPError as away:
        drive.statuses[0] += 1
        drive.refusals[f"no answer ({type(away).__name__})"] += 1
        return
    drive.waits_ms.append((time.perf_counter() - begun) * 1000)
    drive.statuses[response.status_code] += 1
    answer = response.json()
    if response.status_code == 201:
        drive.captured_minor += answer["total_minor"]
    else:
        drive.refusals[str(answer.get("code") or answer.get("status"))] += 1


def report_drive(drive: Drive, at_once: int, terminal: Terminal) -> None:
    """How many, how fast, and what was refused for which reason."""
    count = sum(drive.statuses.values())
    table = Table(box=None, show_header=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    table.add_row("Checkouts", f"{count:,}, {at_once} at a time")
    table.add_row("Rate", f"{count / drive.seconds:,.1f} per second" if drive.seconds else "–")
    if len(drive.waits_ms) > 1:
        cuts = statistics.quantiles(drive.waits_ms, n=100, method="inclusive")
        table.add_row("p50, p99", f"{cuts[49]:,.0f} ms, {cuts[98]:,.0f} ms")
    table.add_row("Confirmed", f"{drive.statuses[201]:,}, {Money(drive.captured_minor, CURRENCY)}")
    table.add_row("Declined", f"{drive.statuses[402]:,}")
    refused = count - drive.statuses[201] - drive.statuses[402]
    table.add_row("Refused or unknown", f"{refused:,}")
    terminal.console.print(table)
    for reason, times in islice(drive.refusals.most_common(), 10):
        terminal.say(f"{times:,} × {reason}")


def report_comparison(comparison: Comparison, terminal: Terminal) -> None:
    """The differences by kind, with counts and money."""
    table = Table(title=f"What came off, then and now, in {CURRENCY}", title_justify="left", box=None)
    for name in ("", "Why", "Lines", "The grocer", "Here", "Difference"):
        table.add_column(name, justify="left" if name in ("", "Why") else "right", no_wrap=True)

    def add(part: str, why: str, lines: int, both: Seen) -> None:
        minors = (both.grocer_minor, both.ours_minor, both.difference_minor)
        table.add_row(part, why, f"{lines:,}", *(f"{Decimal(minor) / 100:,.2f}" for minor in minors))

    shown: set[str] = set()
    for part, kind, tally in comparison.rows():
        add("" if part in shown else PART_NAMES[part], kind, tally.lines, Seen(tally.grocer_minor, tally.ours_minor))
        shown.add(part)
    for part, both in totals(comparison).items():
        add(PART_NAMES[part], "in all", comparison.lines, both)
    console = terminal.console
    narrow, console.width = console.width, max(console.width, WIDTH)
    console.print(table)
    console.width = narrow
    terminal.say(
        f"{comparison.same_lines:,} of {comparison.lines:,} lines are the same in every part; "
        f"{comparison.same_baskets:,} of {comparison.baskets:,} baskets have the same discount in all."
    )
