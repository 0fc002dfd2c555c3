"""Asking a release: which rules hold for these facts, and which of them decides.

Facts are a flat mapping from dotted names to values as the contracts give them: text, whole numbers, booleans, tuples of
text, dates as ISO text; what is absent or None is missing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Protocol

from rules.document import Rule, RuleSetDocument, by_priority
from rules.eligibility import eligible, why_ineligible
from rules.engine import give_memory_back
from rules.matching import CompiledRelease
from rules.reference import ReferenceRules

__all__ = [
    "Matcher",
    "by_priority",
    "deciding_rule",
    "eligible",
    "fire",
    "matcher_of",
    "reference_of",
    "why_ineligible",
]

Facts = Mapping[str, Any]

MATCHERS_KEPT = 64
_matchers: OrderedDict[str, CompiledRelease] = OrderedDict()
_matchers_lock = Lock()
_making: dict[str, Lock] = {}
"""Contents that are being compiled just now."""


class Matcher(Protocol):
    """What can be asked: the compiled release, or the plain-Python reference."""

    def fire(self, grain: str, facts: Facts, stage: int | None = None) -> tuple[int, ...]:
        """Positions of the enabled rules of the grain (and stage) whose condition holds, ascending."""

    def first(self, grain: str, facts: Facts, may_act: Callable[[int], bool]) -> int | None:
        """Of the enabled rules of the grain that hold and may act, the one heard first."""


def reference_of(document: RuleSetDocument) -> ReferenceRules:
    """The plain-Python evaluator of a document."""
    return ReferenceRules(document.rules)


def matcher_of(document: RuleSetDocument, content_sha256: str) -> CompiledRelease:
    """The compiled release of a content, shared by everything in this process that has the same content.

    Whoever asks first compiles it, the others wait for that: compiled by each of many threads at once, thousands of rules
    took so long that their transactions were ended. The longest unused ones are let go; their networks are disposed of
    when nobody holds them any more.
    """
    with _matchers_lock:
        matcher = _known(content_sha256)
        if matcher is not None:
            return matcher
        making = _making.setdefault(content_sha256, Lock())
    with making:
        try:
            with _matchers_lock:
                matcher = _known(content_sha256)
            return _made(document, content_sha256) if matcher is None else matcher
        finally:
            with _matchers_lock:
                _making.pop(content_sha256, None)


def _known(content_sha256: str) -> CompiledRelease | None:
    matcher = _matchers.get(content_sha256)
    if matcher is not None:
        _matchers.move_to_end(content_sha256)
    return matcher


def _made(document: RuleSetDocument, content_sha256: str) -> CompiledRelease:
    compiled = CompiledRelease(document)
    with _matchers_lock:
        matcher = _matchers.setdefault(content_sha256, compiled)
        dropped = [_matchers.popitem(last=False)[1] for _ in range(len(_matchers) - MATCHERS_KEPT)]
    if dropped:
        dropped.clear()
        give_memory_back()
    return matcher


def fire(matcher: Matcher, grain: str, facts: Facts, stage: int | None = None) -> tuple[int, ...]:
    """Positions of the rules whose condition holds. Windows, coupons and traffic are asked by `eligible` afterwards."""
    return matcher.fire(grain, facts, stage)


def deciding_rule(
    document: RuleSetDocument,
    matcher: Matcher,
    grain: str,
    facts: Facts,
    may_act: Callable[[Rule], bool] = lambda rule: rule.enabled,
) -> Rule | None:
    """Under the policy `first`: of the rules that hold and may act, the one heard first; None where there is none."""
    rules = document.rules
    position = matcher.first(grain, facts, lambda found: may_act(rules[found]))
    return None if position is None else rules[position]
