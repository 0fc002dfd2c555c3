"""A finding of the checks: how bad, where, in both languages, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rules.document import Rule


class Severity(StrEnum):
    """How much a problem matters."""

    BLOCK = "block"
    WARN = "warn"
    HINT = "hint"


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding. `rule_id` is None for the document as a whole; `at` names the place in the rule, such as `when`."""

    severity: Severity
    rule_id: str | None
    at: str
    code: str
    en: str
    zh: str
    mend_en: str = ""
    mend_zh: str = ""


def problem_to_json(problem: Problem) -> dict[str, Any]:
    """The problem as JSON."""
    return {
        "severity": problem.severity.value,
        "rule_id": problem.rule_id,
        "at": problem.at,
        "code": problem.code,
        "en": problem.en,
        "zh": problem.zh,
        "mend_en": problem.mend_en,
        "mend_zh": problem.mend_zh,
    }


def block(rule: Rule, at: str, code: str, en: str, zh: str, mend_en: str = "", mend_zh: str = "") -> Problem:
    """A finding that keeps the document from being submitted."""
    return Problem(Severity.BLOCK, rule.id, at, code, en, zh, mend_en, mend_zh)
