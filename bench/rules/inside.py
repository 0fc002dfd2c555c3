"""Where the time of a decision goes, a cart of many lines, and memory over many publishes: measured in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import zen

from bench.rules.mixes import conditions_of, facts_of, our_document, our_facts, zen_content
from rules.engine import give_memory_back
from rules.matching import CompiledRelease

ROUNDS = 5
LINES = 100
PUBLISHES = 40


@dataclass(frozen=True)
class Inside:
    """Microseconds a decision, each part timed alone; together they take longer than alone, as they share caches."""

    mix: str
    rules: int
    asked: float
    matching: float
    whole: float
    finding: float
    writing: float
    engine: float


def inside(mix: str, rules: int) -> Inside:
    """Time each part of the same decisions alone."""
    facts = [our_facts(columns) for columns in facts_of(rules, 2_000)]
    compiled = CompiledRelease(our_document(conditions_of(mix, rules)))
    compiled.warm()
    (place,) = compiled.places.values()
    values = [list(map(found.get, place.names)) for found in facts]
    wanted = [place._wanted(found) for found in values]  # noqa: SLF001 - timed alone
    asked = [(q.network, q.text(v)) for v, questions in zip(values, wanted, strict=True) for q in questions]
    matching = sum(1 for network, text in asked if network.ask(text))
    return Inside(
        mix,
        rules,
        len(asked) / len(facts),
        matching / len(facts),
        _best_us(lambda: [compiled.fire("line", found) for found in facts], len(facts)),
        _best_us(lambda: [place._wanted(list(map(found.get, place.names))) for found in facts], len(facts)),  # noqa: SLF001
        _best_us(lambda: [q.text(v) for v, found in zip(values, wanted, strict=True) for q in found], len(facts)),
        _best_us(lambda: [network.ask(text) for network, text in asked], len(facts)),
    )


def _best_us(run: Callable[[], Any], decisions: int) -> float:
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        run()
        times.append(time.process_time() - started)
    return min(times) / decisions * 1e6


def told(found: Inside) -> str:
    """The measurement as a sentence."""
    parts = found.finding + found.writing + found.engine
    return (
        f"{found.mix}, {found.rules:,} rules: {found.whole:.1f} µs a decision. {found.asked:.2f} networks are asked, "
        f"{found.matching:.2f} of them match. Timed alone: reading facts and finding what to ask {found.finding:.1f}, writing the "
        f"text {found.writing:.1f}, the engine with its lock {found.engine:.1f}; the remaining {found.whole - parts:.1f} are the "
        "answer, calls, and caches that the parts take from each other."
    )


def cart(rules: int) -> tuple[float, float]:
    """Milliseconds for all lines of one cart, here and by zen-engine, keyed rules, policy `collect`."""
    rows, columns = conditions_of("keyed", rules), facts_of(rules, LINES)
    compiled = CompiledRelease(our_document(rows))
    compiled.warm()
    engine = zen.ZenEngine({"loader": {"type": "static", "content": {"rules": zen_content(rows, "collect")}}})
    lines = [our_facts(found) for found in columns]
    ours = _best_us(lambda: [compiled.fire("line", line) for line in lines], 1_000)
    theirs = _best_us(lambda: [engine.evaluate("rules", line) for line in columns], 1_000)
    return ours, theirs


def memory_over_publishes(rules: int, resident_mb: Callable[[], float]) -> tuple[float, float]:
    """Megabytes of the process after the first ten publishes and after all of them, one rule changed each time."""
    rows = conditions_of("keyed", rules, seed=17)
    live, early = CompiledRelease(our_document(rows)), 0.0
    for i in range(PUBLISHES):
        rows[i] = [("sku", "eq", f"sku-{i}"), ("quantity", "range", (i % 7, None))]
        live = CompiledRelease(our_document(rows))
        live.warm()
        give_memory_back()
        if i == 9:
            early = resident_mb()
    return early, resident_mb()
