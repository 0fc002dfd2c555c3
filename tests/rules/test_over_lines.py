"""Conditions over lines: read, written, worked out, matched by the engine, checked and said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities.kernel.errors import InvalidError
from capabilities.kernel.expression import (
    Aggregate,
    Operator,
    Test,
    aggregate_named,
    condition_from_json,
    condition_to_json,
    holds,
)
from capabilities.marketing.contract import PROMOTIONS
from rules.check import check
from rules.document import document_from_json
from rules.gate import exercise_here
from rules.sentence import rule_sentence
from rules.vocabulary import fields_by_name

TEA = {"field": "line.sku", "op": "eq", "value": "tea"}
LINES = (
    {"line.sku": "tea", "line.net_minor": 3_000},
    {"line.sku": "cup", "line.net_minor": 500},
    {"line.sku": "tea"},
)


def a_document(*when: dict) -> object:
    rules = [
        {
            "id": f"r{i}",
            "name": f"rule {i}",
            "when": {"all": [one]},
            "effects": [{"kind": "free_delivery"}],
        }
        for i, one in enumerate(when)
    ]
    return document_from_json({"decision": PROMOTIONS.name, "name": {"en": "a", "zh": "a"}, "rules": rules})


@pytest.mark.parametrize(
    ("of", "field", "value"),
    [
        ("count", None, 2),
        ("others", None, 1),
        ("sum", "line.net_minor", 3_000),
        ("min", "line.net_minor", 3_000),
        ("max", "line.net_minor", 3_000),
    ],
)
def test_a_figure_is_of_the_lines_that_are_meant(of, field, value):
    aggregate = Aggregate(of, Test("line.sku", Operator.EQ, "tea"), field)
    assert aggregate.value(LINES) == value
    assert aggregate_named(aggregate.name) == aggregate


def test_of_no_line_the_sum_is_nothing_and_least_and_greatest_are_missing():
    meant = Test("line.sku", Operator.EQ, "coffee")
    assert Aggregate("sum", meant, "line.net_minor").value(LINES) == 0
    assert Aggregate("min", meant, "line.net_minor").value(LINES) is None


@pytest.mark.parametrize(
    ("body", "holding"),
    [
        ({"of": "any", "where": TEA}, True),
        ({"of": "any", "where": TEA | {"value": "coffee"}}, False),
        ({"of": "all", "where": TEA}, False),
        ({"of": "at_least", "where": TEA, "value": 2}, True),
        ({"of": "at_least", "where": TEA, "value": 3}, False),
        ({"of": "sum", "field": "line.net_minor", "op": "lt", "value": 3_501}, True),
    ],
)
def test_short_forms_come_to_tests_and_back(body, holding):
    condition = condition_from_json({"lines": body})
    facts = {condition.field: aggregate_named(condition.field).value(LINES)}
    assert holds(condition, facts) is holding
    assert condition_from_json(condition_to_json(condition)) == condition


@pytest.mark.parametrize(
    "body",
    [
        {"of": "most", "where": TEA, "op": "gte", "value": 1},
        {"of": "sum", "where": TEA, "op": "gte", "value": 1},
        {"of": "count", "field": "line.net_minor", "op": "gte", "value": 1},
        {"of": "count", "op": "gte", "value": 1, "until": 3},
        {"of": "any", "where": {"lines": {"of": "any", "where": TEA}}},
    ],
)
def test_what_says_too_much_or_too_little_is_refused(body):
    with pytest.raises(InvalidError) as refused:
        condition_from_json({"lines": body})
    assert refused.value.details["field"].startswith("when.lines")


def test_the_engine_says_what_the_plain_evaluator_says():
    report = exercise_here(
        a_document(
            {"lines": {"of": "any", "where": TEA}},
            {"lines": {"of": "all", "where": TEA}},
            {"lines": {"of": "sum", "field": "line.net_minor", "where": TEA, "op": "between", "value": [100, 200]}},
            {"lines": {"of": "max", "field": "line.unit_price_minor", "op": "missing"}},
        )
    )
    assert (report.rules, report.rules_seen_true) == (4, 4)


def test_a_word_that_lines_do_not_have_keeps_a_rule_from_being_published():
    found = check(
        a_document(
            {"lines": {"of": "any", "where": {"field": "line.colour", "op": "eq", "value": "red"}}},
            {"lines": {"of": "sum", "field": "line.brand", "op": "gte", "value": 1}},
            {"lines": {"of": "any", "where": TEA}},
        )
    )
    blocking = [(problem.rule_id, problem.code) for problem in found if problem.severity.value == "block"]
    assert blocking == [("r0", "field_unknown"), ("r1", "field_unknown")]


def test_it_reads_as_a_sentence():
    document = a_document(
        {"lines": {"of": "all", "where": TEA}},
        {"lines": {"of": "sum", "field": "line.net_minor", "where": TEA, "op": "gte", "value": 5_000}},
    )
    every, total = document.rules
    assert rule_sentence(PROMOTIONS.name, every, "en", "CNY") == "When every line: SKU is tea: free delivery."
    assert rule_sentence(PROMOTIONS.name, every, "zh", "CNY") == "当每一行：商品编码是 tea时：免运费。"
    assert "sum of line total so far where SKU is tea is at least CNY 50.00" in rule_sentence(
        PROMOTIONS.name, total, "en", "CNY"
    )


@given(st.lists(st.integers(0, 9_999), max_size=8), st.integers(0, 9_999))
def test_any_all_and_none_agree_with_each_other(nets, bound):
    lines = [{"line.net_minor": net} for net in nets]
    where = {"field": "line.net_minor", "op": "gte", "value": bound}

    def found(of: str) -> bool:
        test = condition_from_json({"lines": {"of": of, "where": where}})
        return holds(test, {test.field: aggregate_named(test.field).value(lines)})

    assert found("any") == any(net >= bound for net in nets)
    assert found("all") == all(net >= bound for net in nets)


def test_other_decisions_know_no_lines():
    assert fields_by_name("transaction.risk", "order").get(Aggregate("count").name) is None
