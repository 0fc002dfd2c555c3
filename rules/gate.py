"""The gate before review: a release is built and exercised in a process of its own, which can crash or hang alone.

`python -m rules.gate` reads a document, compares the engine with the plain-Python evaluator on facts made from its own
conditions, and writes a report. Whatever keeps it from that blocks, with a sentence.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from capabilities.kernel.errors import InvalidError
from rules.document import RuleSetDocument, document_from_json, document_to_json
from rules.exercise import facts_for
from rules.matching import CompiledRelease
from rules.reference import ReferenceRules
from rules.vocabulary import decision_named

PROCESSOR_LIMIT_S = 60
"""Time of a processor an exercise may take: a busy machine makes it no longer. What never ends is stopped by it."""

TIME_LIMIT_S = 600.0
"""By the clock, for what waits rather than computes."""

COMMAND = ("-m", "rules.gate")
RANDOM_FACTS = 500
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class GateReport:
    """What was exercised: enabled rules, how many of them were seen to hold, and the facts asked."""

    rules: int
    rules_seen_true: int
    facts: int
    milliseconds: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def exercise_here(document: RuleSetDocument, *, random_facts: int = RANDOM_FACTS) -> GateReport:
    """Build and exercise in this process. Raises `InvalidError` where engine and reference disagree."""
    started = time.monotonic()
    compiled, reference = CompiledRelease(document), ReferenceRules(document.rules)
    compiled.warm()
    seen: set[int] = set()
    asked = 0
    for grain, facts in facts_for(document, random_facts=random_facts):
        found, expected = compiled.fire(grain, facts), reference.fire(grain, facts)
        asked += 1
        seen.update(expected)
        if found != expected:
            position = min(set(found) ^ set(expected))
            raise _refused(
                f"The engine and its check disagree about “{document.rules[position].name}”.",
                rule=position,
                facts=facts,
            )
    enabled = sum(1 for rule in document.rules if rule.enabled)
    return GateReport(enabled, len(seen), asked, int((time.monotonic() - started) * 1000))


def exercise_apart(document: RuleSetDocument, *, time_limit_s: float = TIME_LIMIT_S) -> GateReport:
    """Build and exercise in a process of its own. Raises `InvalidError` for a crash, a hang or a disagreement."""
    declared = decision_named(document.decision)
    types = [*declared.effects, *(facts for grain in declared.grains for facts in grain.groups.values())]
    modules = sorted({one.__module__ for one in [*types, *filter(None, [declared.options])]})
    request = json.dumps({"modules": modules, "document": document_to_json(document)})
    try:
        done = subprocess.run(  # noqa: S603 - our own command, the document goes in by standard input
            [sys.executable, *COMMAND],
            input=request,
            capture_output=True,
            text=True,
            timeout=time_limit_s,
            check=False,
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
        )
    except subprocess.TimeoutExpired:
        raise _refused(f"These rules did not come to an end within {time_limit_s:g} s of being tried.") from None
    if done.returncode == -signal.SIGXCPU:
        raise _refused(f"These rules did not come to an end within {PROCESSOR_LIMIT_S} s of being tried.")
    if done.returncode != 0:
        raise _refused(f"These rules bring the engine down (code {done.returncode}).", output=done.stderr[-2_000:])
    answer = json.loads(done.stdout)
    if "problem" in answer:
        raise _refused(answer["problem"], **answer["details"])
    return GateReport(**answer)


def _refused(sentence: str, **details: Any) -> InvalidError:
    return InvalidError(
        "rules.gate_failed",
        sentence,
        mend="Simplify the rules changed last; what is live is not touched. Please report this: it should not happen.",
        **details,
    )


def main() -> None:
    """Read the request from standard input, write the report to standard output."""
    # the limit ends even a loop inside the engine, which no signal handler of Python would interrupt
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_LIMIT_S, resource.RLIM_INFINITY))
    request = json.load(sys.stdin)
    for module in request["modules"]:
        importlib.import_module(module)
    try:
        answer = exercise_here(document_from_json(request["document"])).as_json()
    except InvalidError as error:
        answer = {"problem": error.message, "details": error.details}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
