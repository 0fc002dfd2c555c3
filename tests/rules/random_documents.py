"""Random rule sets and facts over the real vocabularies, seeded: what the engine and the reference are compared on."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

from capabilities.kernel.decision import FieldKind, FieldType
from capabilities.kernel.errors import InvalidError
from capabilities.kernel.expression import Condition, Group, Join, Operator, Test
from rules.compile import alternatives
from rules.document import Names, Rule, RuleSetDocument
from rules.vocabulary import decision_named, fields_by_name, operators_for

TEXTS = {
    "line.sku": [f"SKU-{i:03}" for i in range(40)],
    "line.category": ["food", "food/tea", "food/tea/green", "foodie", "home", "home/kitchen", "toys", "toys/outdoor"],
    "line.brand": ["acme", "orient", "北方", 'o"hara', "back\\slash"],
    "order.country": ["CN", "DE", "US", "FR"],
    "order.channel": ["web", "app", "store"],
    "order.currency": ["CNY", "EUR"],
}
WORDS = ["red", "blue", "green", "black", "白", "vip", "new", "", 'quo"te', "a/b"]
DAY = date(2026, 11, 25)


def values_of(field: FieldType) -> list[str]:
    """Texts this field may have, few enough to meet each other."""
    return list(field.word.choices) or TEXTS.get(field.name, WORDS)


def random_number(chance: random.Random, field: FieldType) -> int:
    if field.kind is FieldKind.MONEY:
        return chance.choice(
            [0, 1, 999, 1_000, 10**15, -(10**15), chance.randrange(60_000), chance.randrange(100) * 100]
        )
    return chance.choice([-1, 0, 1, 2, 3, 5, 10, chance.randrange(30), chance.randrange(5_000)])


def random_literal(chance: random.Random, field: FieldType) -> Any:
    if field.kind is FieldKind.DATE:
        return (DAY + timedelta(days=chance.randrange(-20, 20))).isoformat()
    if field.kind is FieldKind.BOOLEAN:
        return chance.random() < 0.5
    if field.kind in (FieldKind.NUMBER, FieldKind.MONEY, FieldKind.RATE):
        return random_number(chance, field)
    return chance.choice(values_of(field))


def random_test(chance: random.Random, fields: Mapping[str, FieldType]) -> Test:
    field = chance.choice(list(fields.values()))
    op = chance.choice(
        [*operators_for(field), *((Operator.PRESENT, Operator.MISSING) if chance.random() < 0.1 else ())]
    )
    if op in (Operator.PRESENT, Operator.MISSING):
        return Test(field.name, op)
    if op is Operator.BETWEEN:
        return Test(field.name, op, tuple(sorted(random_literal(chance, field) for _ in range(2))))
    if op in (Operator.IN, Operator.NOT_IN, Operator.WITHIN) or field.kind is FieldKind.SET:
        size = chance.choice([1, 2, 3, 20])
        return Test(field.name, op, tuple(random_literal(chance, field) for _ in range(size)))
    return Test(field.name, op, random_literal(chance, field))


def random_condition(chance: random.Random, fields: Mapping[str, FieldType], depth: int = 0) -> Condition:
    if depth > 2 or chance.random() < 0.35:
        return random_test(chance, fields)
    join = chance.choices([Join.ALL, Join.ANY, Join.NONE], weights=[5, 2, 2])[0]
    size = chance.choice([0, 1, 2, 2, 3]) if depth else chance.choice([1, 2, 3, 4])
    return Group(join, tuple(random_condition(chance, fields, depth + 1) for _ in range(size)))


def compilable(chance: random.Random, fields: Mapping[str, FieldType]) -> Condition:
    """A condition within the limit of alternatives; the few beyond it are drawn anew."""
    while True:
        condition = random_condition(chance, fields)
        with suppress(InvalidError):
            alternatives(condition, fields)
            return condition


def random_document(
    chance: random.Random, decision: str = "marketing.promotions", *, rules: int | None = None
) -> RuleSetDocument:
    """Up to 80 rules of all grains and stages; a good part shares a condition, a field or a key."""
    declared = decision_named(decision)
    count = rules if rules is not None else chance.choice([1, 3, 10, 30, 80])
    found: list[Rule] = []
    for i in range(count):
        grain = chance.choice(declared.grains).name
        fields = fields_by_name(decision, grain)
        alike = [rule for rule in found if rule.grain == grain]
        when = chance.choice(alike).when if alike and chance.random() < 0.1 else compilable(chance, fields)
        stage = chance.choice(list(declared.stages))
        found.append(Rule(f"r_{i}", f"Rule {i}", when, grain=grain, stage=stage, enabled=chance.random() < 0.95))
    return RuleSetDocument(decision, Names("Random", "随机"), tuple(found), policy=declared.hit_policy)


def random_facts(chance: random.Random, decision: str, grain: str) -> dict[str, Any]:
    """Facts from the same small worlds as the conditions, so that they meet; every field may be missing."""
    return {
        field.name: random_value(chance, field)
        for field in fields_by_name(decision, grain).values()
        if chance.random() > 0.08
    }


def random_value(chance: random.Random, field: FieldType) -> Any:
    if chance.random() < 0.03:
        return None
    if field.kind is FieldKind.SET:
        known = values_of(field)
        return tuple(chance.choice(known) for _ in range(chance.choice([0, 1, 2, 4])))
    value = random_literal(chance, field)
    if field.kind in (FieldKind.TEXT, FieldKind.PATH) and chance.random() < 0.1:
        return chance.choice(["never heard of", "", "food/tea/green/new", "0", "null"])
    if isinstance(value, int) and not isinstance(value, bool) and chance.random() < 0.05:
        return chance.choice([10**15 + 1, 10**15 + 5, -(10**16), 10**30, value + 1, value - 1])
    return value
