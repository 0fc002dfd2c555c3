"""Decisions a second of our engine and of zen-engine's fast path, interleaved in one run.

`python -m bench.rules.compare [--write]` prints a table; with `--write` it goes into `bench/README.md`.
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import zen

import capabilities.marketing.contract  # noqa: F401 - declares the decision
from bench.rules.mixes import MIXES, conditions_of, facts_of, our_document, our_facts, zen_content
from rules.deciding import by_priority
from rules.matching import CompiledRelease

SIZES = (60, 200, 1_000)
ROUNDS = 9
FACTS = 2_000
ROUND_S = 0.12


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
    ask_us = (lambda facts: compiled.fire("line", facts)) if policy == "collect" else _first(document, compiled)
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


def _first(document: Any, compiled: CompiledRelease) -> Callable[[Any], Any]:
    rules = document.rules

    def ask(facts: Any) -> Any:
        fired = compiled.fire("line", facts)
        return min(fired, key=lambda position: by_priority(rules[position], position), default=None)

    return ask


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


def main() -> None:
    found = [measure(mix, rules, policy) for policy in ("collect", "first") for mix in MIXES for rules in SIZES]
    for one in found:
        print(f"{one.policy:8} {one.mix:7} {one.rules:6,} {one.ours:10,.0f} {one.zen:10,.0f} {one.ratio:6.2f} {one.p99_us:6.1f} {one.hits:.2f}")


if __name__ == "__main__":
    print(platform.python_version(), sys.platform)
    main()
