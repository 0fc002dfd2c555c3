"""Why a rule did not hold: the failing tests, what they saw, what they would have needed."""

from __future__ import annotations

import random

import pytest

from capabilities.kernel.expression import holds
from rules.explain import explain_rule, failure_sentence, why_not
from rules.vocabulary import fields_by_name
from tests.rules.documents import PROMOTIONS, SPEND_200, a_document, a_rule, asks
from tests.rules.random_documents import random_document, random_facts

FIELDS = fields_by_name(PROMOTIONS, "line")


def explained(when, **facts):
    return explain_rule(
        a_document(a_rule(when=when)).rules[0], {k.replace("__", "."): v for k, v in facts.items()}, FIELDS
    )


def said(when, language="en", **facts):
    return [failure_sentence(f, FIELDS, language, "CNY") for f in explained(when, **facts).failures]


def test_what_is_missing_to_a_threshold_is_told_to_the_cent():
    assert said(SPEND_200, order__subtotal_minor=18_800) == [
        "order subtotal is at least CNY 200.00: it was CNY 188.00, CNY 12.00 more needed"
    ]
    assert said(SPEND_200, "zh", order__subtotal_minor=18_800) == [
        "订单小计至少为 CNY 200.00：实际为 CNY 188.00，还差 CNY 12.00"
    ]


@pytest.mark.parametrize(
    ("op", "value", "seen", "needs"),
    [
        ("gte", 10, 7, 3),
        ("gt", 10, 10, 1),
        ("lte", 10, 12, -2),
        ("lt", 10, 10, -1),
        ("between", [10, 20], 8, 2),
        ("between", [10, 20], 25, -5),
        ("eq", 10, 12, -2),
        ("in", [1, 10], 8, 2),
        ("neq", 10, 10, None),
        ("not_in", [1, 10], 10, None),
    ],
)
def test_the_step_to_the_nearest_value_that_would_do(op, value, seen, needs):
    found = explained(asks("order.quantity", op, value), order__quantity=seen)
    assert found.first.needs == needs
    if needs is not None:
        assert holds(found.first.test, {"order.quantity": seen + needs})


def test_dates_are_told_in_days():
    assert said(asks("order.on_date", "gte", "2026-11-27"), order__on_date="2026-11-25") == [
        "date is on or after 2026-11-27: it was 2026-11-25, 2 days later"
    ]


def test_a_choice_names_what_it_saw():
    assert said(asks("buyer.tier", "in", ["gold", "vip"]), buyer__tier="silver") == [
        "buyer tier is one of Gold, VIP: it was Silver"
    ]


def test_a_missing_fact_is_told():
    assert said(SPEND_200) == ["order subtotal is at least CNY 200.00: it is not known"]


def test_all_tells_every_failing_test_and_any_the_shortest_way():
    both = {"all": [SPEND_200, asks("buyer.tier", "eq", "vip"), asks("order.quantity", "gte", 1)]}
    facts = {"order__subtotal_minor": 100, "buyer__tier": "gold", "order__quantity": 2}
    assert [f.test.field for f in explained(both, **facts).failures] == ["order.subtotal_minor", "buyer.tier"]
    either = {"any": [both, asks("order.quantity", "gte", 3)]}
    assert [f.test.field for f in explained(either, **facts).failures] == ["order.quantity"]


def test_under_none_of_the_test_that_held_is_told():
    (failure,) = explained({"none": [asks("buyer.tier", "eq", "vip")]}, buyer__tier="vip").failures
    assert not failure.wanted
    assert failure_sentence(failure, FIELDS, "en", "CNY") == "not: buyer tier is VIP: it was VIP"


def test_a_rule_that_holds_has_no_failure():
    found = explained(SPEND_200, order__subtotal_minor=20_000)
    assert (found.holds, found.failures, found.closeness) == (True, (), 1.0)


def test_the_nearer_rule_is_closer():
    near, far = explained(SPEND_200, order__subtotal_minor=19_000), explained(SPEND_200, order__subtotal_minor=1_000)
    assert 0 < far.closeness < near.closeness < 1


@pytest.mark.parametrize("seed", range(15))
def test_a_rule_fails_exactly_when_there_is_a_failure_to_tell(seed):
    chance = random.Random(seed)
    document = random_document(chance)
    for _ in range(20):
        grain = chance.choice(["order", "line"])
        facts = random_facts(chance, PROMOTIONS, grain)
        told = why_not(document, grain, facts)
        rules = [rule for rule in document.rules if rule.grain == grain]
        assert [w.rule_id for w in told] == [rule.id for rule in rules]
        for rule, why in zip(rules, told, strict=True):
            assert why.holds == holds(rule.when, facts)
            if why.holds:
                assert why.failures == ()
