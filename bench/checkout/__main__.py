"""The checkout beside a bare Temporal workflow and DBOS, interleaved in one run on tuned servers.

    python -m bench.checkout [--write] [--rounds 7] [--alone 40] [--busy 240]

Prints the table; `--write` puts it into `bench/README.md`. Takes a few minutes; compare ratios, not runs.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path

from temporalio.client import Client

from bench.checkout.history import Cost, cost_of
from bench.checkout.measuring import Figures, Part, fsync_ms
from bench.checkout.peers import BareWorkflow, Checkout, DurableSteps, Peer
from bench.checkout.plant import BARE_QUEUE, Plant, running_plant
from bench.checkout.report import Report, write_section

AT_ONCE = 30
WARM_UP = 60


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


async def compare(plant: Plant, rounds: int, alone: int, busy: int) -> Report:
    """Every round asks every peer, in turn, first one at a time, then thirty at once."""
    client = await Client.connect(plant.address)
    checkout = Checkout(plant)
    peers: list[Peer] = [
        checkout,
        BareWorkflow(plant, client, 1),
        BareWorkflow(plant, client, 7),
        DurableSteps(plant, "plain"),
        DurableSteps(plant, "transactional"),
    ]
    for peer in peers:
        say(f"Warm-up: {peer.name}")
        await peer.run(WARM_UP, AT_ONCE)
    figures = {peer.name: Figures(peer.name) for peer in peers}
    probes = []
    for turn in range(rounds):
        probes.append(await asyncio.to_thread(fsync_ms, plant.folder))
        order = peers[turn % len(peers) :] + peers[: turn % len(peers)]
        for peer in order:
            await _measure(peer, figures[peer.name], alone, busy)
        say(f"Round {turn + 1} of {rounds}: " + ", ".join(f"{p.name} {figures[p.name].per_s[-1]:.0f}/s" for p in peers))
    costs: dict[str, Cost] = {"checkout": await cost_of(client)}
    for bare in ("bare 1", "bare 7"):
        costs[bare] = await cost_of(client, queue=BARE_QUEUE, prefix=bare)
    return Report(figures, probes, costs, rounds, alone, busy, AT_ONCE)


async def _measure(peer: Peer, figures: Figures, alone: int, busy: int) -> None:
    await peer.run(5, 1)
    figures.add_alone(await peer.run(alone, 1))
    parts: tuple[Part, ...] = peer.parts
    before = {part.name: part.cpu_s() for part in parts}
    started = time.perf_counter()
    waits = await peer.run(busy, AT_ONCE)
    seconds = time.perf_counter() - started
    figures.add_busy(waits, seconds, {part.name: part.cpu_s() - before[part.name] for part in parts})


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--write", action="store_true")
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--alone", type=int, default=40)
    arguments.add_argument("--busy", type=int, default=240)
    asked = arguments.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # also in the background, where a shell has Ctrl-C ignored
        signal.signal(number, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="zhongtai-bench-") as folder, running_plant(Path(folder), say) as plant:
        report = asyncio.run(compare(plant, asked.rounds, asked.alone, asked.busy))
    print(report.text())
    if asked.write:
        write_section(report.text())


if __name__ == "__main__":
    main()
