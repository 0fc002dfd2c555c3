"""Decisions a second of our engine and of zen-engine's fast path, interleaved in one run.

`python -m bench.rules.compare [--write]` prints the tables; with `--write` they go into `bench/README.md`.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import zen

import capabilities.marketing.contract  # noqa: F401 - declares the decision
from bench.rules.inside import LINES, PUBLISHES, Inside, cart, inside, memory_over_publishes, told
from bench.rules.mixes import MIXES, conditions_of, facts_of, our_document, our_facts, zen_content
from rules.engine import give_memory_back
from rules.matching import CompiledRelease

SIZES = (60, 200, 1_000)
ROUNDS = 7
FACTS = 2_000
ROUND_S = 0.08
TARGETS = {("keyed", 0): 1.1, ("mixed", 0): 1.2, ("mixed", 1_000): 1.8, ("ranges", 1_000): 7.0}
README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- rules: begin -->", "<!-- rules: end -->"


@dataclass(frozen=True)
class Measured:
    mix: str
    rules: int
    policy: str
    ours: float
    zen: float
    p99_us: float
    hits: float

    @property
    def ratio(self) -> float:
        return self.ours / self.zen


def measure(mix: str, rules: int, policy: str) -> Measured:
    """Both engines on the same rules and facts; they must agree on every one before time is taken."""
    rows, columns = conditions_of(mix, rules), facts_of(rules, FACTS)
    document = our_document(rows)
    compiled = CompiledRelease(document)
    compiled.warm()
    engine = zen.ZenEngine({"loader": {"type": "static", "content": {"rules": zen_content(rows, policy)}}})
    ours, theirs = [our_facts(found) for found in columns], columns
    ask_us = (lambda facts: compiled.fire("line", facts)) if policy == "collect" else _first(compiled)
    ask_zen: Callable[[Any], Any] = lambda facts: engine.evaluate("rules", facts)  # noqa: E731 - beside ask_us
    hits = [_agreed(ask_us(one), ask_zen(other), policy) for one, other in zip(ours, theirs, strict=True)]
    rates: tuple[list[float], list[float]] = ([], [])
    for turn in range(ROUNDS):
        for i, (ask, facts) in enumerate(((ask_us, ours), (ask_zen, theirs))):
            rates[i].append(_rate(ask, facts, offset=turn * 97))
    return Measured(
        mix,
        rules,
        policy,
        statistics.median(rates[0]),
        statistics.median(rates[1]),
        _p99_us(ask_us, ours),
        statistics.fmean(hits),
    )


def _first(compiled: CompiledRelease) -> Callable[[Any], Any]:
    return lambda facts: compiled.first("line", facts, _may_act)


def _may_act(_position: int) -> bool:
    return True


def _agreed(ours: Any, theirs: dict[str, Any], policy: str) -> int:
    result = theirs["result"]
    if policy == "collect":
        expected = tuple(found["rule"] for found in result or ())
        assert ours == expected, (ours, expected)
        return len(ours)
    expected_first = result["rule"] if result else None
    assert ours == expected_first, (ours, expected_first)
    return ours is not None


def _rate(ask: Callable[[Any], Any], facts: list[Any], *, offset: int) -> float:
    facts = facts[offset % len(facts) :] + facts[: offset % len(facts)]
    # processor time, not the clock: other processes of the machine take their share without warning
    done, started = 0, time.process_time()
    while True:
        for found in facts[:500]:
            ask(found)
        done += 500
        taken = time.process_time() - started
        if taken > ROUND_S:
            return done / taken


def _p99_us(ask: Callable[[Any], Any], facts: list[Any]) -> float:
    clock, times = time.perf_counter_ns, []
    for found in facts:
        started = clock()
        ask(found)
        times.append(clock() - started)
    return statistics.quantiles(times, n=100)[98] / 1_000


@dataclass(frozen=True)
class Cost:
    rules: int
    compile_ms: float
    warm_ms: float
    megabytes: float
    publish_ms: float
    kept: int
    networks: int


def cost(rules: int, mix: str = "keyed") -> Cost:
    """What a release costs: compiling, building its networks, memory, and publishing it with one rule changed."""
    rows = conditions_of(mix, rules, seed=13)
    document = our_document(rows)
    changed = our_document([*rows[:-1], [("sku", "eq", "sku-0"), ("quantity", "range", (3, None))]])
    give_memory_back()
    before, started = _resident_mb(), time.process_time()
    compiled = CompiledRelease(document)
    compiled_at = time.process_time()
    compiled.warm()
    warm_at, megabytes = time.process_time(), _resident_mb() - before
    new = CompiledRelease(changed)
    new.warm()
    published_at = time.process_time()
    old_networks = {asked.network for place in compiled.places.values() for asked in place.asked}
    new_networks = {asked.network for place in new.places.values() for asked in place.asked}
    return Cost(
        rules,
        (compiled_at - started) * 1_000,
        (warm_at - compiled_at) * 1_000,
        megabytes,
        (published_at - warm_at) * 1_000,
        len(old_networks & new_networks),
        len(new_networks),
    )


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize() / 1024**2


def report(
    found: list[Measured],
    costs: list[Cost],
    profiles: list[Inside],
    line_ms: tuple[float, float],
    memory: tuple[float, float],
) -> str:
    """The section of the README, with what was aimed at and missed."""
    machine = f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
    engines = f"durable_rules {version('durable_rules')}, zen-engine {version('zen-engine')}"
    lines = [
        f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {engines}; {machine}.",
        "",
        "Decisions a second of processor time on one thread, medians of interleaved rounds, the same rules and facts, both",
        "engines checked to agree on every fact. zen-engine by its fast path (static loader and `evaluate`). Targets are the",
        "ratios of the design: keyed 1.1, mixed 1.2 (1.8 at 1,000), ranges 7 at 1,000.",
        "",
        "| policy | mix | rules | here | zen | ratio | target | p99 here (µs, clock) | rules that match |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for one in found:
        target = TARGETS.get((one.mix, one.rules), TARGETS.get((one.mix, 0)))
        aimed = (
            "–" if target is None or one.policy == "first" else f"{target:g}{'' if one.ratio >= target else ' missed'}"
        )
        lines.append(
            f"| {one.policy} | {one.mix} | {one.rules:,} | {one.ours:,.0f} | {one.zen:,.0f} | {one.ratio:.2f} | {aimed} "
            f"| {one.p99_us:.0f} | {one.hits:.2f} |"
        )
    lines += [
        "",
        "Where the time goes, profiled in this run:",
        "",
        *(f"- {told(profile)}" for profile in profiles),
        "",
        (
            f"{LINES} lines against 1,000 keyed rules: {line_ms[0]:.2f} ms here, {line_ms[1]:.2f} ms by zen-engine. "
            f"{PUBLISHES} publishes of 1,000 rules, one changed each time: {memory[0]:.0f} MB resident after ten, "
            f"{memory[1]:.0f} MB after all. Nothing is remembered between decisions (no memo of answers)."
        ),
        "",
        "A release of keyed rules: compiling it, building all its networks, its memory, and publishing it with one rule changed.",
        "",
        "| rules | compile (ms) | networks (ms) | memory (MB) | publish one change (ms) | networks kept |",
        "|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {c.rules:,} | {c.compile_ms:.0f} | {c.warm_ms:.0f} | {c.megabytes:.0f} | {c.publish_ms:.0f} | {c.kept} of {c.networks} |"
        for c in costs
    ]
    return "\n".join(lines)


def write_into_readme(section: str) -> None:
    """Replace what stands between the markers."""
    text = README.read_text(encoding="utf-8") if README.exists() else "# Benchmarks\n"
    if BEGIN not in text:
        text = f"{text.rstrip()}\n\n## Rules\n\n{BEGIN}\n{END}\n"
    head, rest = text.split(BEGIN, 1)
    README.write_text(f"{head}{BEGIN}\n{section}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


def main() -> None:
    found = [measure(mix, rules, policy) for policy in ("collect", "first") for mix in MIXES for rules in SIZES]
    profiles = [inside(mix, 1_000) for mix in MIXES]
    costs = [cost(rules) for rules in SIZES]
    section = report(found, costs, profiles, cart(1_000), memory_over_publishes(1_000, _resident_mb))
    print(section)
    if "--write" in sys.argv[1:]:
        write_into_readme(section)


if __name__ == "__main__":
    main()
