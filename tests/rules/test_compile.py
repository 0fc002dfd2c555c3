"""From conditions to alternatives: exact, folded, bounded, and the same every time."""

from __future__ import annotations

import itertools
import random

import pytest

from capabilities.kernel.errors import InvalidError
from capabilities.kernel.expression import condition_from_json, holds
from rules.compile import (
    MAX_ALTERNATIVES,
    NO,
    NUMERIC,
    YES,
    Membership,
    Operator,
    alternatives,
    as_membership,
    compile_document,
    number_of,
    row_key,
)
from rules.domain import HIGHEST, LOWEST, Numbers, Texts
from rules.index import plan_index
from rules.vocabulary import fields_by_name
from tests.rules.documents import PROMOTIONS, a_document, a_rule, asks
from tests.rules.random_documents import random_condition, random_document, random_facts

FIELDS = fields_by_name(PROMOTIONS, "line")


def rows_of(condition):
    return alternatives(condition_from_json(condition), FIELDS)


def span(low, high):
    return Numbers(((low, high),))


def test_ranges_on_one_field_fold_into_one():
    rows = rows_of({"all": [asks("order.subtotal_minor", "gte", 100), asks("order.subtotal_minor", "lt", 500)]})
    assert rows == [{"order.subtotal_minor": span(100, 499)}]


def test_a_contradiction_has_no_alternative():
    assert rows_of({"all": [asks("order.quantity", "gt", 5), asks("order.quantity", "lt", 6)]}) == []
    assert rows_of({"all": [asks("buyer.tier", "eq", "gold"), asks("buyer.tier", "eq", "vip")]}) == []
    assert rows_of({"any": []}) == []


def test_what_always_holds_is_one_row_that_asks_nothing():
    assert rows_of({"all": []}) == [{}]
    assert rows_of({"any": [asks("order.quantity", "present"), asks("order.quantity", "missing")]}) == [{}]
    assert rows_of({"none": [{"any": []}]}) == [{}]


def test_alternatives_of_one_field_become_one_row():
    rows = rows_of({"any": [asks("buyer.tier", "eq", "gold"), asks("buyer.tier", "in", ["vip", "silver"])]})
    assert rows == [{"buyer.tier": Texts(frozenset(("gold", "vip", "silver")))}]


def test_alternatives_of_two_fields_stay_two_rows():
    rows = rows_of({"any": [asks("buyer.tier", "eq", "gold"), asks("order.quantity", "gte", 3)]})
    assert {row_key(row) for row in rows} == {
        row_key({"buyer.tier": Texts(frozenset(("gold",)))}),
        row_key({"order.quantity": span(3, HIGHEST)}),
    }


def test_a_negated_comparison_lets_the_missing_value_through():
    assert rows_of({"none": [asks("order.quantity", "gte", 3)]}) == [
        {"order.quantity": Numbers(((LOWEST, 2),), missing=True)}
    ]


def test_none_of_several_is_all_of_the_turned_around_parts():
    rows = rows_of({"none": [asks("order.quantity", "gte", 3), asks("buyer.tier", "eq", "vip")]})
    assert rows == [
        {
            "order.quantity": Numbers(((LOWEST, 2),), missing=True),
            "buyer.tier": Texts(frozenset(("vip",)), others=True, missing=True),
        }
    ]


def test_sets_and_paths_are_memberships():
    question = Membership("buyer.tags", Operator.CONTAINS_ANY, ("a", "b"))
    assert rows_of(asks("buyer.tags", "contains_any", ["b", "a"])) == [{question: YES}]
    assert rows_of({"none": [asks("buyer.tags", "contains_any", ["a", "b"])]}) == [{question: NO}]
    assert rows_of(asks("line.category", "within", ["food"])) == [
        {Membership("line.category", Operator.WITHIN, ("food",)): YES}
    ]


def test_what_no_span_can_say_becomes_a_membership_with_the_answer_wanted():
    assert as_membership("f", Texts(frozenset(("b", "a")))) == (Membership("f", Operator.IN, ("a", "b")), YES)
    assert as_membership("f", Texts(frozenset(("a",)), others=True, missing=True)) == (
        Membership("f", Operator.IN, ("a",)),
        NO,
    )
    assert as_membership("f", Numbers((), missing=True)) == (Membership("f", Operator.PRESENT, ()), NO)
    assert as_membership("f", Numbers(((1, 2), (5, 6)))) == (Membership("f", Operator.BETWEEN, ((1, 2), (5, 6))), YES)


def test_a_rule_of_too_many_alternatives_is_refused_before_it_grows():
    fields = [f.name for f in FIELDS.values() if f.kind in ("money", "number")][:6]
    beside = list(itertools.pairwise(fields))
    ways = [{"any": [asks(a, "gte", i + 1), asks(b, "gte", i + 1)]} for i, (a, b) in enumerate(beside)]
    pairs = [{"all": [asks(f, "eq", i), asks(g, "eq", i + 1)]} for i in range(80) for f, g in beside[:3]]
    assert 0 < len(rows_of({"all": ways})) <= MAX_ALTERNATIVES
    with pytest.raises(InvalidError) as refused:
        rows_of({"any": pairs})
    assert refused.value.code == "rules.too_many_alternatives"
    with pytest.raises(InvalidError):
        rows_of({"all": [{"any": pairs[:70]}, {"any": pairs[70:140]}]})


@pytest.mark.parametrize("seed", range(20))
def test_alternatives_say_exactly_what_the_condition_says(seed):
    """Without the engine: a fact lies in some row exactly when the condition holds."""
    chance = random.Random(seed)
    for _ in range(40):
        condition = random_condition(chance, FIELDS)
        try:
            rows = alternatives(condition, FIELDS)
        except InvalidError:  # too many of them: such a rule is refused
            continue
        for _ in range(10):
            facts = random_facts(chance, PROMOTIONS, "line")
            assert any(all(lies_in(facts, *part) for part in row.items()) for row in rows) == holds(condition, facts)


def lies_in(facts, subject, domain):
    if isinstance(subject, Membership):
        value = facts.get(subject.field)
        return domain.has(int(value is not None and subject.question()(value)))
    value = facts.get(subject)
    if value is None:
        return domain.missing
    kind = FIELDS[subject].kind
    return domain.has(number_of(value, kind) if kind in NUMERIC else value)


def test_identical_rows_of_two_rules_are_one_row():
    found = compile_document(a_document(a_rule("r_1"), a_rule("r_2", name="Other")))
    (merged,) = found["order", 30].rows
    assert merged.positions == (0, 1)


def test_rules_are_kept_apart_by_grain_and_stage_and_disabled_ones_left_out():
    document = a_document(
        a_rule("r_1"), a_rule("r_2", grain="line"), a_rule("r_3", stage=20), a_rule("r_4", enabled=False)
    )
    assert {place: [row.positions for row in found.rows] for place, found in compile_document(document).items()} == {
        ("line", 30): [(1,)],
        ("order", 20): [(2,)],
        ("order", 30): [(0,)],
    }


def test_a_rule_that_cannot_be_compiled_is_named():
    with pytest.raises(InvalidError) as refused:
        compile_document(a_document(a_rule("r_7", when=asks("order.colour", "eq", "red"))))
    assert (refused.value.code, refused.value.details["rule_id"]) == ("rules.field_unknown", "r_7")


@pytest.mark.parametrize(
    "test",
    [
        asks("buyer.tier", "gte", "gold"),
        asks("order.quantity", "within", ["3"]),
        asks("buyer.tags", "eq", "a"),
        asks("order.on_date", "gte", "soon"),
        asks("line.is_discounted", "eq", 1),
        asks("order.quantity", "eq", "3"),
        asks("buyer.tier", "eq", 3),
    ],
)
def test_a_test_that_does_not_fit_its_field_is_refused(test):
    with pytest.raises(InvalidError) as refused:
        rows_of(test)
    assert refused.value.code in ("rules.operator_unfit", "rules.value_wrong")


def test_compiling_twice_gives_the_same_plan():
    document = random_document(random.Random(5), rules=80)
    once, again = compile_document(document), compile_document(document)
    assert once == again
    assert [plan_index(found) for found in once.values()] == [plan_index(found) for found in again.values()]
