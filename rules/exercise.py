"""Facts to exercise a document with: each rule once true and once false, then facts on the edges of all its conditions."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from capabilities.kernel.decision import FieldKind, FieldType
from capabilities.kernel.errors import InvalidError
from capabilities.kernel.expression import Operator, Test, tests_of
from rules.compile import YES, Membership, Row, alternatives
from rules.document import Rule, RuleSetDocument
from rules.domain import HIGHEST, LOWEST, Domain, Numbers
from rules.vocabulary import decision_named, fields_by_name

Facts = dict[str, Any]
ROWS_TRIED = 8
"""Alternatives of one rule that are made true; a rule of many is exercised by the random facts as well."""


def facts_for(document: RuleSetDocument, *, random_facts: int, seed: int = 1) -> Iterator[tuple[str, Facts]]:
    """(grain, facts): for each rule facts that should satisfy it and facts that should not, then random ones."""
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    pools = {grain.name: value_pools(document, grain.name) for grain in decision_named(document.decision).grains}
    for rule in document.rules:
        if rule.enabled and rule.grain in pools:
            for facts in _for_rule(document, rule, pools[rule.grain], chance):
                yield rule.grain, facts
    used = sorted({rule.grain for rule in document.rules if rule.grain in pools})
    for i in range(random_facts if used else 0):
        grain = used[i % len(used)]
        yield grain, random_facts_from(pools[grain], chance)


def value_pools(document: RuleSetDocument, grain: str) -> dict[str, list[Any]]:
    """By field: the values its conditions name, those just beside them, something unheard of, and missing."""
    fields = fields_by_name(document.decision, grain)
    pools: dict[str, list[Any]] = {name: _unheard_of(field) for name, field in fields.items()}
    for rule in document.rules:
        if rule.grain == grain:
            for test in tests_of(rule.when):
                field = fields.get(test.field)
                if field is not None:
                    pools.setdefault(test.field, _unheard_of(field)).extend(_edges(test, field))
    return {name: list(dict.fromkeys(values)) for name, values in pools.items()}


def random_facts_from(pools: Mapping[str, list[Any]], chance: random.Random) -> Facts:
    """Facts with a value of each pool."""
    return {name: value for name, pool in pools.items() if (value := chance.choice(pool)) is not None}


def _for_rule(
    document: RuleSetDocument, rule: Rule, pools: Mapping[str, list[Any]], chance: random.Random
) -> Iterator[Facts]:
    fields = fields_by_name(document.decision, rule.grain)
    try:
        rows = alternatives(rule.when, fields)
    except InvalidError:
        return
    for row in rows[:ROWS_TRIED]:
        base = random_facts_from(pools, chance)
        true = {**base, **_satisfying(row, fields)}
        yield {name: value for name, value in true.items() if value is not None}
        for subject in list(row)[:2]:
            spoilt = subject if isinstance(subject, str) else subject.field
            yield {name: value for name, value in true.items() if value is not None and name != spoilt}


def _satisfying(row: Row, fields: Mapping[str, FieldType]) -> Facts:
    facts: Facts = {}
    having: dict[str, list[str]] = {}
    for subject, domain in row.items():
        if isinstance(subject, Membership):
            if domain == YES and subject.op in (Operator.CONTAINS_ANY, Operator.CONTAINS_ALL):
                wanted = subject.values if subject.op is Operator.CONTAINS_ALL else subject.values[:1]
                having.setdefault(subject.field, []).extend(wanted)
            elif domain == YES and subject.op is Operator.WITHIN:
                facts[subject.field] = f"{subject.values[0]}/below"
        else:
            facts[subject] = _inside(domain, fields[subject].kind)
    return {**facts, **{field: tuple(values) for field, values in having.items()}}


def _inside(domain: Domain, kind: FieldKind) -> Any:
    if not isinstance(domain, Numbers):
        if domain.others:
            return "elsewhere"
        return min(domain.values, default=None)
    if not domain.spans:
        return None
    low, high = domain.spans[0]
    number = low if low != LOWEST else high if high != HIGHEST else 0
    if kind is FieldKind.DATE:
        return date.fromordinal(max(1, min(number, date.max.toordinal()))).isoformat()
    return number == 1 if kind is FieldKind.BOOLEAN else number


def _unheard_of(field: FieldType) -> list[Any]:
    match field.kind:
        case FieldKind.SET:
            return [None, (), ("never heard of",)]
        case FieldKind.BOOLEAN:
            return [None, True, False]
        case FieldKind.DATE:
            return [None, "2026-01-01"]
        case FieldKind.NUMBER | FieldKind.MONEY | FieldKind.RATE:
            return [None, 0, 1]
    return [None, "never heard of", *field.word.choices]


def _edges(test: Test, field: FieldType) -> list[Any]:
    values = test.value if isinstance(test.value, tuple) else (test.value,)
    named = [value for value in values[:50] if value is not None]
    match field.kind:
        case FieldKind.SET:
            return [*((value,) for value in named), tuple(named), (*named[:1], "never heard of")]
        case FieldKind.PATH:
            return [*named, *(f"{value}/below" for value in named), *(f"{value}beside" for value in named)]
        case FieldKind.DATE:
            days = [date.fromisoformat(value) for value in named if isinstance(value, str)]
            return [(day + timedelta(days=beside)).isoformat() for day in days for beside in (-1, 0, 1)]
        case FieldKind.NUMBER | FieldKind.MONEY | FieldKind.RATE:
            return [value + beside for value in named if isinstance(value, int) for beside in (-1, 0, 1)]
    return named
