"""Why a rule did not hold: the first test that failed, what it saw, and what it would have needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from capabilities.kernel.decision import FieldKind, FieldType
from capabilities.kernel.expression import Condition, Join, Operator, Test, holds
from rules.document import Rule, RuleSetDocument
from rules.sentence import Language, money_text, percent_text, test_sentence, value_text
from rules.vocabulary import fields_by_name

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """The test that failed, with the value it saw. `needs` is the step to the nearest value that would have done.

    `wanted` is False where the test held and must not have: it stands under "none of".
    """

    test: Test
    seen: Any
    wanted: bool
    needs: int | None


@dataclass(frozen=True, slots=True)
class WhyNot:
    """One rule: whether its condition holds, and if not, why. `closeness` is between 0 and 1, nearest to holding first."""

    rule_id: str
    rule_name: str
    holds: bool
    failures: tuple[Failure, ...]
    closeness: float

    @property
    def first(self) -> Failure | None:
        return self.failures[0] if self.failures else None


def why_not(document: RuleSetDocument, grain: str, facts: Facts) -> list[WhyNot]:
    """Each rule of the grain in the document's order."""
    fields = fields_by_name(document.decision, grain)
    return [explain_rule(rule, facts, fields) for rule in document.rules if rule.grain == grain]


def explain_rule(rule: Rule, facts: Facts, fields: Mapping[str, FieldType]) -> WhyNot:
    """One rule: the tests that keep it from holding, in reading order."""
    if holds(rule.when, facts):
        return WhyNot(rule.id, rule.name, holds=True, failures=(), closeness=1.0)
    failures = tuple(_failures(rule.when, facts, fields, wanted=True))
    weights = [_share_reached(failure, fields) for failure in failures]
    total = max(1, sum(1 for _ in _tests(rule.when)))
    closeness = (total - len(failures) + sum(weights)) / total
    return WhyNot(rule.id, rule.name, holds=False, failures=failures, closeness=max(0.0, min(closeness, 0.999)))


def _tests(condition: Condition) -> list[Test]:
    if isinstance(condition, Test):
        return [condition]
    return [test for part in condition.conditions for test in _tests(part)]


def _failures(condition: Condition, facts: Facts, fields: Mapping[str, FieldType], *, wanted: bool) -> list[Failure]:
    """The fewest tests that would have to come out otherwise for the condition to be as wanted."""
    if holds(condition, facts) == wanted:
        return []
    if isinstance(condition, Test):
        seen = facts.get(condition.field)
        return [Failure(condition, seen, wanted, _needs(condition, seen, fields.get(condition.field), wanted=wanted))]
    inside = wanted if condition.join is not Join.NONE else not wanted
    parts = [_failures(part, facts, fields, wanted=inside) for part in condition.conditions]
    together = wanted if condition.join is not Join.ANY else not wanted
    if together:
        return [failure for part in parts for failure in part]
    # one of them is enough: the one with the fewest failures, the first of equals
    return min(parts, key=len, default=[])


def _needs(test: Test, seen: Any, field: FieldType | None, *, wanted: bool) -> int | None:
    if field is None or seen is None or test.op in (Operator.PRESENT, Operator.MISSING):
        return None
    if field.kind is FieldKind.DATE:
        return _steps(test, _day(seen), tuple(map(_day, _values(test))), wanted=wanted)
    if field.kind in (FieldKind.MONEY, FieldKind.NUMBER, FieldKind.RATE) and isinstance(seen, int):
        return _steps(test, seen, _values(test), wanted=wanted)
    return None


def _values(test: Test) -> tuple[Any, ...]:
    return test.value if isinstance(test.value, tuple) else (test.value,)


def _day(text: str) -> int:
    return date.fromisoformat(text).toordinal()


def _steps(  # noqa: PLR0911 - one branch an operator
    test: Test, seen: int, values: tuple[int, ...], *, wanted: bool
) -> int | None:
    """How far the value is from doing, signed: +1200 is "12.00 more"."""
    if not wanted:
        return None
    first = values[0]
    match test.op:
        case Operator.GTE:
            return first - seen
        case Operator.GT:
            return first + 1 - seen
        case Operator.LTE:
            return first - seen
        case Operator.LT:
            return first - 1 - seen
        case Operator.BETWEEN:
            return first - seen if seen < first else values[1] - seen
        case Operator.EQ | Operator.IN:
            return min((value - seen for value in values), key=abs)
    return None


def _share_reached(failure: Failure, fields: Mapping[str, FieldType]) -> float:
    field = fields.get(failure.test.field)
    if failure.needs is None or field is None or field.kind is FieldKind.DATE or not isinstance(failure.seen, int):
        return 0.0
    reached = failure.seen + failure.needs
    return max(0.0, min(0.99, 1 - abs(failure.needs) / max(abs(reached), abs(failure.seen), 1)))


def failure_sentence(failure: Failure, fields: Mapping[str, FieldType], language: Language, currency: str) -> str:
    """The failure in words: "order subtotal is at least CNY 200.00: it was CNY 188.00, CNY 12.00 more needed"."""
    english = language == "en"
    said = test_sentence(failure.test, fields, language, currency)
    if not failure.wanted:
        said = f"not: {said}" if english else f"不应：{said}"
    field = fields.get(failure.test.field)
    if field is None or failure.seen is None:
        return f"{said}: it is not known" if english else f"{said}：该值未知"
    seen = value_text(failure.seen, field, language, currency)
    parts = [f"it was {seen}" if english else f"实际为 {seen}"]
    needed = _needed_text(failure, field, language, currency)
    if needed:
        parts.append(needed)
    return f"{said}: {', '.join(parts)}" if english else f"{said}：{'，'.join(parts)}"


def _needed_text(failure: Failure, field: FieldType, language: Language, currency: str) -> str:
    english = language == "en"
    if failure.needs is None or failure.test.op in (Operator.EQ, Operator.IN):
        return ""
    more = failure.needs > 0
    amount = abs(failure.needs)
    if field.kind is FieldKind.DATE:
        if english:
            return f"{amount} {'day' if amount == 1 else 'days'} {'later' if more else 'earlier'}"
        return f"需{'晚' if more else '早'} {amount} 天"
    texts = {FieldKind.MONEY: money_text(amount, currency), FieldKind.RATE: percent_text(amount)}
    text = texts.get(field.kind, f"{amount} {field.word.unit}".strip())
    if english:
        return f"{text} {'more' if more else 'less'} needed"
    return f"还差 {text}" if more else f"超出 {text}"
