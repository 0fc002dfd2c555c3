"""The plain-Python evaluator: closures built from the closed tree, nothing is ever evaluated as text.

It says what the engine must say. Publishing compares the two, tests compare them by the ten thousand, and large
simulations run on it because it is proven equal and quicker over many facts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from capabilities.kernel.expression import Condition, Join, Operator, Test
from rules.document import Rule, by_priority

Facts = Mapping[str, Any]
Predicate = Callable[[Facts], bool]


def predicate(condition: Condition) -> Predicate:
    """The condition as a function of facts, the same as `kernel.expression.holds` and several times quicker."""
    if isinstance(condition, Test):
        return _test(condition)
    parts = tuple(predicate(part) for part in condition.conditions)
    if condition.join is Join.ALL:
        return _all(parts)
    if condition.join is Join.ANY:
        return _any(parts)
    found = _any(parts)
    return lambda facts: not found(facts)


def _all(parts: tuple[Predicate, ...]) -> Predicate:
    def every(facts: Facts) -> bool:
        for part in parts:  # noqa: SIM110 - twice as quick as all() over a generator, and this is the hot path
            if not part(facts):
                return False
        return True

    return every


def _any(parts: tuple[Predicate, ...]) -> Predicate:
    def some(facts: Facts) -> bool:
        for part in parts:  # noqa: SIM110 - as above
            if part(facts):
                return True
        return False

    return some


def _test(test: Test) -> Predicate:  # noqa: C901, PLR0911, PLR0912 - one branch an operator, as the operators are
    name, value = test.field, test.value
    match test.op:
        case Operator.MISSING:
            return lambda facts: facts.get(name) is None
        case Operator.PRESENT:
            return lambda facts: facts.get(name) is not None
        case Operator.EQ:
            return lambda facts: facts.get(name) == value
        case Operator.NEQ:
            return lambda facts: (seen := facts.get(name)) is not None and seen != value
        case Operator.LT:
            return lambda facts: (seen := facts.get(name)) is not None and seen < value
        case Operator.LTE:
            return lambda facts: (seen := facts.get(name)) is not None and seen <= value
        case Operator.GT:
            return lambda facts: (seen := facts.get(name)) is not None and seen > value
        case Operator.GTE:
            return lambda facts: (seen := facts.get(name)) is not None and seen >= value
        case Operator.BETWEEN:
            low, high = value
            return lambda facts: (seen := facts.get(name)) is not None and low <= seen <= high
        case Operator.IN:
            members = frozenset(value)
            return lambda facts: facts.get(name) in members
        case Operator.NOT_IN:
            members = frozenset(value)
            return lambda facts: (seen := facts.get(name)) is not None and seen not in members
        case Operator.WITHIN:
            paths = tuple(value)
            return lambda facts: (seen := facts.get(name)) is not None and is_within(seen, paths)
        case Operator.CONTAINS_ANY:
            members = frozenset(value)
            return lambda facts: (seen := facts.get(name)) is not None and not members.isdisjoint(seen)
        case Operator.CONTAINS_ALL:
            members = frozenset(value)
            return lambda facts: (seen := facts.get(name)) is not None and members.issubset(seen)
        case Operator.CONTAINS_NONE:
            members = frozenset(value)
            return lambda facts: (seen := facts.get(name)) is not None and members.isdisjoint(seen)


def is_within(path: str, ancestors: tuple[str, ...]) -> bool:
    """Whether the path is one of the ancestors or lies below one."""
    return any(path == ancestor or path.startswith(f"{ancestor}/") for ancestor in ancestors)


class ReferenceRules:
    """The rules of a document by grain and stage, evaluated in plain Python. `fire` has the engine's signature.

    A rule that asks for one of some texts is looked at only where the fact is one of them: trying thousands of rules on
    facts made of each of them would otherwise take time by their square.
    """

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules
        self._rows = {
            position: (rule.grain, rule.stage, predicate(rule.when))
            for position, rule in enumerate(rules)
            if rule.enabled
        }
        self._always, self._by_text = _by_text({position: rules[position].when for position in self._rows})

    def fire(self, grain: str, facts: Facts, stage: int | None = None) -> tuple[int, ...]:
        """Positions of the rules of this grain (and stage) whose condition holds, ascending."""
        found = []
        for position in self._to_look_at(facts):
            of_grain, of_stage, holds = self._rows[position]
            if of_grain == grain and (stage is None or of_stage == stage) and holds(facts):
                found.append(position)
        return tuple(found)

    def first(self, grain: str, facts: Facts, may_act: Callable[[int], bool]) -> int | None:
        """Of the rules of this grain that hold and may act, the one heard first."""
        in_order = sorted(self.fire(grain, facts), key=lambda position: by_priority(self._rules[position], position))
        return next((position for position in in_order if may_act(position)), None)

    def _to_look_at(self, facts: Facts) -> list[int]:
        found = list(self._always)
        for field, positions in self._by_text.items():
            seen = facts.get(field)
            if isinstance(seen, str):
                found += positions.get(seen, ())
        return sorted(found)


def _by_text(conditions: Mapping[int, Condition]) -> tuple[list[int], dict[str, dict[str, list[int]]]]:
    """Positions to look at always, and those that need a text of a field, by field and text; each under one field.

    Of several such fields the one of which the rules name the most texts: it leaves the fewest to look at.
    """
    needs = {position: _texts_needed(condition) for position, condition in conditions.items()}
    named: dict[str, set[str]] = {}
    for texts in needs.values():
        for field, values in texts.items():
            named.setdefault(field, set()).update(values)
    always: list[int] = []
    by_text: dict[str, dict[str, list[int]]] = {}
    for position, texts in needs.items():
        if not texts:
            always.append(position)
            continue
        field = max(texts, key=lambda name: (len(named[name]), name))
        for value in texts[field]:
            by_text.setdefault(field, {}).setdefault(value, []).append(position)
    return always, by_text


def _texts_needed(condition: Condition) -> dict[str, frozenset[str]]:
    """By field: texts of which the fact must be one, or the condition fails. Only what stands at the top is asked."""
    parts = condition.conditions if not isinstance(condition, Test) and condition.join is Join.ALL else (condition,)
    found: dict[str, frozenset[str]] = {}
    for part in parts:
        if isinstance(part, Test) and part.op in (Operator.EQ, Operator.IN):
            values = part.value if isinstance(part.value, tuple) else (part.value,)
            if all(isinstance(value, str) for value in values):
                found[part.field] = frozenset(values) & found.get(part.field, frozenset(values))
    return found
