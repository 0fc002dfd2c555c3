"""The condition tree: what it means, how it is read, and that it is refused where it cannot be meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities.kernel.errors import InvalidError
from capabilities.kernel.expression import (
    MAX_DEPTH,
    Group,
    Join,
    Operator,
    Test,
    condition_from_json,
    condition_to_json,
    holds,
)

scalars = st.one_of(st.integers(-1000, 1000), st.text(max_size=8), st.booleans())
lists = st.lists(st.integers(-50, 50), min_size=1, max_size=5).map(tuple)
tests = st.one_of(
    st.builds(Test, st.sampled_from(["a", "b.c"]), st.sampled_from([Operator.EQ, Operator.NEQ]), scalars),
    st.builds(Test, st.just("n"), st.sampled_from([Operator.IN, Operator.NOT_IN]), lists),
    st.builds(Test, st.just("x"), st.sampled_from([Operator.PRESENT, Operator.MISSING]), st.none()),
)
conditions = st.recursive(
    tests, lambda inner: st.builds(Group, st.sampled_from(Join), st.lists(inner, max_size=3).map(tuple)), max_leaves=12
)


@given(conditions)
def test_what_is_written_as_json_reads_back_as_the_same_condition(condition):
    assert condition_from_json(condition_to_json(condition)) == condition


FACTS = {"n": 5, "tier": "gold", "tags": ("new", "hot"), "path": "food/tea/green", "yes": True, "nothing": None}


@pytest.mark.parametrize(
    ("field", "op", "value", "expected"),
    [
        ("n", "eq", 5, True),
        ("n", "neq", 5, False),
        ("n", "lt", 6, True),
        ("n", "lte", 5, True),
        ("n", "gt", 5, False),
        ("n", "gte", 5, True),
        ("n", "between", [5, 9], True),
        ("n", "between", [6, 9], False),
        ("tier", "in", ["gold", "vip"], True),
        ("tier", "not_in", ["gold", "vip"], False),
        ("path", "within", ["food/tea"], True),
        ("path", "within", ["food/te"], False),
        ("tags", "contains_any", ["hot", "cold"], True),
        ("tags", "contains_all", ["hot", "cold"], False),
        ("tags", "contains_none", ["cold"], True),
        ("n", "present", None, True),
        ("n", "missing", None, False),
        ("nothing", "missing", None, True),
    ],
)
def test_each_operator_means_what_it_says(field, op, value, expected):
    assert holds(condition_from_json({"field": field, "op": op, "value": value}), FACTS) is expected


@pytest.mark.parametrize("op", [op for op in Operator if op not in (Operator.MISSING, Operator.PRESENT)])
def test_a_test_on_a_missing_field_is_false_whatever_it_asks(op):
    value = [1, 2] if op.value in {"between", "in", "not_in", "within"} or op.value.startswith("contains") else 1
    assert holds(condition_from_json({"field": "absent", "op": op.value, "value": value}), {}) is False


def test_none_of_a_missing_field_is_true():
    assert holds(condition_from_json({"none": [{"field": "absent", "op": "eq", "value": 1}]}), {}) is True


def test_empty_groups_are_true_for_all_and_none_and_false_for_any():
    assert [holds(condition_from_json({join: []}), {}) for join in ("all", "none", "any")] == [True, True, False]


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ("text", "condition.unreadable", "when"),
        ({"all": [], "any": []}, "condition.unreadable", "when"),
        ({"all": [{"field": "a", "op": "like", "value": 1}]}, "condition.operator_unknown", "when.all[0].op"),
        ({"field": "a", "op": "eq", "value": 1.5}, "condition.value_wrong", "when.value"),
        ({"field": "a", "op": "between", "value": [2, 1]}, "condition.value_wrong", "when.value"),
        ({"field": "a", "op": "in", "value": []}, "condition.value_wrong", "when.value"),
        ({"field": "a", "op": "eq", "value": 1, "code": "x"}, "condition.unreadable", "when"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(body, code, field):
    with pytest.raises(InvalidError) as caught:
        condition_from_json(body)
    assert (caught.value.code, caught.value.details["field"]) == (code, field)


def test_a_condition_nested_too_deep_is_refused():
    body = {"field": "a", "op": "present"}
    for _ in range(MAX_DEPTH + 2):
        body = {"all": [body]}
    with pytest.raises(InvalidError) as caught:
        condition_from_json(body)
    assert caught.value.code == "condition.too_deep"
