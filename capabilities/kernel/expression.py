"""The closed condition tree that rules and processes share: data, never text that is evaluated.

JSON form: `{"all": [...]}`, `{"any": [...]}`, `{"none": [...]}` or a test
`{"field": "order.subtotal_minor", "op": "gte", "value": 20000}`.

Conditions over lines are tests too: `{"lines": {"of": "sum", "field": "line.net_minor", "where": {...}, "op": "gte",
"value": 5000}}`. `of` is count, sum, min or max; any, all and at_least are written for what they come to. Such a test asks
a fact that is worked out from the lines: its name holds what is asked (`Aggregate`).

A test on a missing field is false, whatever the operator, except `missing`; so `none` of a test on a missing field is true.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from capabilities.kernel.errors import InvalidError

Scalar = str | int | bool
Value = Scalar | list[Scalar] | None
Facts = Mapping[str, Any]

MAX_DEPTH = 8
MAX_TESTS = 500
MAX_LIST = 50_000


class Operator(StrEnum):
    """What a test may ask. Lists of choices hold text or whole numbers; `within` compares paths such as `food/tea`."""

    EQ = "eq"
    NEQ = "neq"
    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"
    BETWEEN = "between"
    IN = "in"
    NOT_IN = "not_in"
    WITHIN = "within"
    CONTAINS_ANY = "contains_any"
    CONTAINS_ALL = "contains_all"
    CONTAINS_NONE = "contains_none"
    PRESENT = "present"
    MISSING = "missing"


class Join(StrEnum):
    """How a group joins its conditions."""

    ALL = "all"
    ANY = "any"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison of a field with a literal."""

    __test__ = False  # not a class of tests, whatever pytest makes of its name

    field: str
    op: Operator
    value: Any = None


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions joined by all, any or none. An empty `all` or `none` is true, an empty `any` false."""

    join: Join
    conditions: tuple[Condition, ...]


Condition = Test | Group
ALWAYS = Group(Join.ALL, ())

AGGREGATE_PREFIX = "lines:"
_COUNTING = ("count", "others")
_MEASURING = ("sum", "min", "max")
_SHORT = ("any", "all", "at_least")


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A fact about lines: how many there are for which `where` holds (`count`) or does not (`others`).

    Or of a field of those for which it holds the `sum`, `min` or `max`.
    """

    of: str
    where: Condition = ALWAYS
    field: str | None = None

    @property
    def name(self) -> str:
        """The name of the fact: everything it asks, so that equal questions are one fact."""
        body = {"of": self.of, "where": condition_to_json(self.where)} | (
            {} if self.field is None else {"field": self.field}
        )
        return AGGREGATE_PREFIX + json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def value(self, lines: Iterable[Facts]) -> int | None:
        """What the fact is for these lines; None where no line has what is asked for."""
        if self.of == "others":
            return sum(1 for line in lines if not holds(self.where, line))
        meant = [line for line in lines if holds(self.where, line)]
        if self.of == "count":
            return len(meant)
        values: list[int] = [value for line in meant if (value := line.get(self.field or "")) is not None]
        if self.of == "sum":
            return sum(values)
        least_or_most = min if self.of == "min" else max
        return least_or_most(values) if values else None


def aggregate_named(name: str) -> Aggregate | None:
    """The aggregate behind a fact's name; None for a fact that is none."""
    if not name.startswith(AGGREGATE_PREFIX):
        return None
    body = json.loads(name.removeprefix(AGGREGATE_PREFIX))
    return Aggregate(body["of"], condition_from_json(body["where"]), body.get("field"))


_COMPARE: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: lambda seen, value: bool(seen == value),
    Operator.NEQ: lambda seen, value: bool(seen != value),
    Operator.LT: lambda seen, value: bool(seen < value),
    Operator.LTE: lambda seen, value: bool(seen <= value),
    Operator.GT: lambda seen, value: bool(seen > value),
    Operator.GTE: lambda seen, value: bool(seen >= value),
    Operator.BETWEEN: lambda seen, value: bool(value[0] <= seen <= value[1]),
    Operator.IN: lambda seen, value: seen in value,
    Operator.NOT_IN: lambda seen, value: seen not in value,
    Operator.WITHIN: lambda seen, value: any(seen == path or seen.startswith(f"{path}/") for path in value),
    Operator.CONTAINS_ANY: lambda seen, value: any(item in seen for item in value),
    Operator.CONTAINS_ALL: lambda seen, value: all(item in seen for item in value),
    Operator.CONTAINS_NONE: lambda seen, value: not any(item in seen for item in value),
}

_WITH_LIST = {
    Operator.BETWEEN,
    Operator.IN,
    Operator.NOT_IN,
    Operator.WITHIN,
    Operator.CONTAINS_ANY,
    Operator.CONTAINS_ALL,
    Operator.CONTAINS_NONE,
}
_WITHOUT_VALUE = {Operator.PRESENT, Operator.MISSING}


def holds(condition: Condition, facts: Facts) -> bool:
    """Whether the condition is true of the facts, a flat mapping from field to value; absent and None are missing."""
    if isinstance(condition, Test):
        return value_passes(condition, facts.get(condition.field))
    if condition.join is Join.ALL:
        return all(holds(part, facts) for part in condition.conditions)
    found = any(holds(part, facts) for part in condition.conditions)
    return found if condition.join is Join.ANY else not found


def value_passes(test: Test, seen: Any) -> bool:
    """Whether one test is true of the value seen; None is missing."""
    if test.op is Operator.MISSING:
        return seen is None
    if seen is None:
        return False
    return test.op is Operator.PRESENT or _COMPARE[test.op](seen, test.value)


def tests_of(condition: Condition) -> Iterator[Test]:
    """Every test of the tree, in reading order."""
    if isinstance(condition, Test):
        yield condition
    else:
        for part in condition.conditions:
            yield from tests_of(part)


def condition_to_json(condition: Condition) -> dict[str, Any]:
    """The JSON form; `condition_from_json` is its inverse."""
    if isinstance(condition, Group):
        return {condition.join.value: [condition_to_json(part) for part in condition.conditions]}
    body: dict[str, Any] = {"field": condition.field, "op": condition.op.value}
    if condition.op not in _WITHOUT_VALUE:
        body["value"] = condition.value
    aggregate = aggregate_named(condition.field)
    if aggregate is None:
        return body
    del body["field"]
    asked = {"of": aggregate.of, "where": condition_to_json(aggregate.where)}
    return {"lines": asked | ({} if aggregate.field is None else {"field": aggregate.field}) | body}


def condition_from_json(body: Any, *, at: str = "when") -> Condition:
    """Read the JSON form. Raises `InvalidError` naming the place, such as `when.all[2].op`."""
    condition = _read(body, at, 0)
    if sum(1 for _ in tests_of(condition)) > MAX_TESTS:
        raise InvalidError("condition.too_large", f"A condition has at most {MAX_TESTS} tests.", field=at)
    return condition


def _read(body: Any, at: str, depth: int) -> Condition:
    if depth > MAX_DEPTH:
        raise InvalidError("condition.too_deep", f"Conditions nest at most {MAX_DEPTH} levels.", field=at)
    if not isinstance(body, dict):
        raise InvalidError(
            "condition.unreadable", "A condition is an object.", field=at, mend="Write all, any, none or a test."
        )
    if "field" in body:
        return _read_test(body, at)
    if set(body) == {"lines"} and isinstance(body["lines"], dict):
        return _read_aggregate(body["lines"], f"{at}.lines", depth)
    if len(body) != 1 or next(iter(body)) not in Join.__members__.values():
        raise InvalidError("condition.unreadable", "A group has exactly one of all, any, none.", field=at)
    join, parts = next(iter(body.items()))
    if not isinstance(parts, list):
        raise InvalidError("condition.unreadable", f"{join} holds a list of conditions.", field=f"{at}.{join}")
    return Group(Join(join), tuple(_read(part, f"{at}.{join}[{i}]", depth + 1) for i, part in enumerate(parts)))


def _read_aggregate(body: dict[str, Any], at: str, depth: int) -> Test:
    of, name = body.get("of"), body.get("field")
    unknown = set(body) - {"of", "where", "field", "op", "value"}
    if unknown or of not in (*_COUNTING, *_MEASURING, *_SHORT) or (of in _MEASURING) != isinstance(name, str):
        raise InvalidError(
            "condition.unreadable",
            "A condition over lines says of what (any, all, at_least, count, sum, min, max), where, op and value.",
            field=at,
            mend="Name a field for sum, min and max, and none for the others.",
        )
    where = _read(body.get("where", {"all": []}), f"{at}.where", depth + 1)
    if any(test.field.startswith(AGGREGATE_PREFIX) for test in tests_of(where)):
        raise InvalidError("condition.unreadable", "A condition over lines holds none itself.", field=f"{at}.where")
    if of == "any":
        return Test(Aggregate("count", where).name, Operator.GTE, 1)
    if of == "all":
        return Test(Aggregate("others", where).name, Operator.EQ, 0)
    asked = {"field": Aggregate("count" if of == "at_least" else str(of), where, name).name}
    asked |= {"op": Operator.GTE.value} if of == "at_least" else {}
    return _read_test({key: body[key] for key in ("op", "value") if key in body} | asked, at)


def _read_test(body: dict[str, Any], at: str) -> Test:
    unknown = set(body) - {"field", "op", "value"}
    if unknown or not isinstance(body["field"], str):
        raise InvalidError("condition.unreadable", "A test has field, op and value.", field=at)
    if body.get("op") not in Operator.__members__.values():
        raise InvalidError("condition.operator_unknown", f"{body.get('op')!r} is not an operator.", field=f"{at}.op")
    op, value = Operator(body["op"]), body.get("value")
    if op in _WITHOUT_VALUE:
        return Test(body["field"], op)
    if op not in _WITH_LIST:
        if not isinstance(value, str | int):
            raise InvalidError(
                "condition.value_wrong", "The value is text, a whole number or a boolean.", field=f"{at}.value"
            )
        return Test(body["field"], op, value)
    if (
        not isinstance(value, list | tuple)
        or not 0 < len(value) <= MAX_LIST
        or not all(isinstance(v, str | int) for v in value)
    ):
        raise InvalidError(
            "condition.value_wrong", "The value is a list of texts or whole numbers.", field=f"{at}.value"
        )
    if op is Operator.BETWEEN and (len(value) != 2 or type(value[0]) is not type(value[1]) or value[0] > value[1]):
        raise InvalidError(
            "condition.value_wrong", "A range has a lower and an upper end, in this order.", field=f"{at}.value"
        )
    return Test(body["field"], op, tuple(value))
