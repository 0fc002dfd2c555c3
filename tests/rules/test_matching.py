"""The engine against the plain-Python evaluator: the same answers, decision by decision."""

from __future__ import annotations

import random
import threading

import pytest

from capabilities.kernel.errors import InvalidError
from capabilities.kernel.expression import holds
from rules.compile import compile_document
from rules.index import NETWORK_LIMIT, NETWORK_ROWS, marker, plan_index, short_names
from rules.matching import CompiledRelease
from rules.reference import ReferenceRules
from rules.vocabulary import decision_named
from tests.rules.documents import PROMOTIONS, RISK, a_document, a_rule, asks
from tests.rules.random_documents import random_document, random_facts

DECISIONS_A_SEED = 500


@pytest.mark.parametrize("seed", range(44))
def test_22_000_random_decisions_are_those_of_the_reference(seed):
    chance = random.Random(seed)
    asked = 0
    while asked < DECISIONS_A_SEED:
        decision = chance.choice([PROMOTIONS, PROMOTIONS, RISK])
        document = random_document(chance, decision)
        compiled, reference = CompiledRelease(document), ReferenceRules(document.rules)
        for _ in range(50):
            grain = chance.choice(decision_named(decision).grains).name
            facts = random_facts(chance, decision, grain)
            assert compiled.fire(grain, facts) == reference.fire(grain, facts), facts
            blocked = chance.randrange(1, 4)
            may_act = lambda position, blocked=blocked: position % blocked == 0  # noqa: E731
            assert compiled.first(grain, facts, may_act) == reference.first(grain, facts, may_act), facts
            asked += 1


@pytest.mark.parametrize("seed", range(3))
def test_large_sets_with_keys_and_boxes_decide_as_the_reference_does(seed):
    chance = random.Random(1_000 + seed)
    document = random_document(chance, rules=1_500)
    compiled, reference = CompiledRelease(document), ReferenceRules(document.rules)
    for _ in range(60):
        grain = chance.choice(["order", "line"])
        facts = random_facts(chance, PROMOTIONS, grain)
        assert compiled.fire(grain, facts) == reference.fire(grain, facts), facts


@pytest.mark.parametrize("seed", range(20))
def test_the_reference_says_what_the_condition_tree_says(seed):
    chance = random.Random(2_000 + seed)
    document = random_document(chance)
    reference = ReferenceRules(document.rules)
    for _ in range(50):
        grain = chance.choice(["order", "line"])
        facts = random_facts(chance, PROMOTIONS, grain)
        expected = tuple(
            i
            for i, rule in enumerate(document.rules)
            if rule.enabled and rule.grain == grain and holds(rule.when, facts)
        )
        assert reference.fire(grain, facts) == expected


def test_the_reference_looks_only_at_rules_whose_text_is_there():
    fruit = ["apple", "pear", "plum"]
    rules = [asks("line.sku", "in", [one, f"{one}-bag"]) for one in fruit]
    both = {"all": [asks("line.sku", "eq", "apple"), asks("order.channel", "eq", "app")]}
    neither = {"all": [asks("line.sku", "eq", "apple"), asks("line.sku", "eq", "pear")]}
    conditions = [*rules, both, neither, {"none": [asks("line.sku", "eq", "apple")]}, {"all": []}]
    document = a_document(*(a_rule(f"r{n}", when=when, grain="line") for n, when in enumerate(conditions)))
    reference = ReferenceRules(document.rules)

    looked_at = {sku: reference._to_look_at({"line.sku": sku}) for sku in ["apple", "plum-bag", "fig", None]}
    assert looked_at == {"apple": [0, 3, 5, 6], "plum-bag": [2, 5, 6], "fig": [5, 6], None: [5, 6]}
    fired = {sku: reference.fire("line", {"line.sku": sku, "order.channel": "app"}) for sku in ["apple", "pear", "fig"]}
    assert fired == {"apple": (0, 3, 6), "pear": (1, 5, 6), "fig": (5, 6)}


def test_under_the_policy_first_networks_that_cannot_win_are_not_asked():
    """Keys are asked in the order of their best rule, so that the brand's network is not even built here."""
    rules = [
        a_rule(
            f"r_{i}",
            grain="line",
            when={"all": [asks(f"line.{field}", "eq", f"{field}{i % 100}"), asks("line.quantity", "gte", i * i % 23)]},
        )
        for i, field in enumerate(["sku"] * 200 + ["brand"] * 200)
    ]
    compiled = CompiledRelease(a_document(*rules))
    facts = {"line.sku": "sku7", "line.brand": "brand3", "line.quantity": 23}
    assert compiled.first("line", facts, lambda _: True) == 7
    (place,) = compiled.places.values()
    assert sum(asked.network._handle is not None for asked in place.asked) == 1
    assert compiled.first("line", facts, lambda position: position != 7) == 107
    assert compiled.first("line", facts, lambda position: position >= 200) == 203
    assert sum(asked.network._handle is not None for asked in place.asked) == 2
    assert compiled.first("line", facts, lambda position: position >= 400) is None


def test_every_name_the_engine_is_given_has_a_hash_of_its_own():
    """It compares names by a hash of 32 bits only."""
    fields = short_names(map(str, range(2_000))).values()
    names = [*fields, *map(marker, range(NETWORK_LIMIT)), *(f"m{name[1:]}" for name in fields)]
    names += ["id", "sid", "k", "$s"]
    hashes = set()
    for name in names:
        found = 0x811C9DC5
        for byte in name.encode():
            found = (found ^ byte) * 16_777_619 % 2**32
        hashes.add(found)
    assert len(hashes) == len(names)


def test_a_fact_is_asked_with_the_fields_its_rules_need_and_no_others():
    rules = [
        a_rule("r_1", grain="line", when={"all": [asks("line.sku", "eq", "A"), asks("line.quantity", "gte", 2)]}),
        a_rule("r_2", grain="line", when={"all": [asks("line.sku", "eq", "B"), asks("line.brand", "eq", "X")]}),
    ]
    (place,) = CompiledRelease(a_document(*rules)).places.values()
    values = {"line.sku": "A", "line.brand": "X", "line.quantity": 3}
    in_order = [values[name] for name in place.names]
    (question,) = place._wanted(in_order)
    assert question.text(in_order) == '{"id":"1","g1":1,"f17":3}'
    assert place.fire(values) == (0,)


def test_a_stage_is_asked_alone():
    compiled = CompiledRelease(
        a_document(a_rule("r_1", stage=20), a_rule("r_2", stage=30), a_rule("r_3", when={"all": []}))
    )
    facts = {"order.subtotal_minor": 30_000}
    assert compiled.fire("order", facts) == (0, 1, 2)
    assert compiled.fire("order", facts, 20) == (0,)
    assert compiled.fire("order", facts, 30) == (1, 2)
    assert compiled.fire("order", facts, 40) == ()
    assert compiled.fire("line", facts) == ()


def test_every_one_of_many_matching_rules_is_told():
    """More than 64 matches at one node would be lost: networks are kept smaller."""
    rules = [a_rule(f"r_{i}", when=asks("order.subtotal_minor", "gte", i)) for i in range(300)]
    compiled = CompiledRelease(a_document(*rules))
    assert compiled.fire("order", {"order.subtotal_minor": 10_000}) == tuple(range(300))
    assert compiled.fire("order", {"order.subtotal_minor": 149}) == tuple(range(150))


def keyed(count):
    return [
        a_rule(
            f"r_{i}",
            grain="line",
            when={"all": [asks("line.sku", "eq", f"S{i % 200}"), asks("line.quantity", "gte", i % 7)]},
        )
        for i in range(count)
    ]


def test_rows_are_packed_by_their_rarest_equality_and_a_key_is_never_split():
    (found,) = compile_document(a_document(*keyed(1_000))).values()
    plan = plan_index(found)
    assert plan.broad == ()
    assert set(plan.keyed) == {"line.sku"}
    assert len(plan.keyed["line.sku"]) == 200
    assert {group.network for group in plan.keyed["line.sku"].values()} == set(range(len(plan.networks)))
    assert sum(len(network.answers) for network in plan.networks) == len(found.rows)
    assert all(len(network.answers) <= NETWORK_ROWS for network in plan.networks)


def test_a_fact_with_an_unknown_key_asks_no_network():
    compiled = CompiledRelease(a_document(*keyed(1_000)))
    (place,) = compiled.places.values()
    assert compiled.fire("line", {"line.sku": "other", "line.quantity": 9}) == ()
    assert all(asked.network._handle is None for asked in place.asked)
    assert compiled.fire("line", {"line.sku": "S3", "line.quantity": 9}) == (3, 203, 403, 603, 803)
    assert sum(asked.network._handle is not None for asked in place.asked) == 1


def test_rows_without_a_key_are_found_by_their_boxes():
    rules = [
        a_rule(f"r_{i}", when=asks("order.subtotal_minor", "between", [i * 100, i * 100 + 150])) for i in range(1_000)
    ]
    compiled = CompiledRelease(a_document(*rules))
    assert compiled.fire("order", {"order.subtotal_minor": 50_120}) == (500, 501)
    (place,) = compiled.places.values()
    assert sum(asked.network._handle is not None for asked in place.asked) <= 2
    assert all(len(asked.answers) <= NETWORK_LIMIT for asked in place.asked)


def test_publishing_one_changed_rule_keeps_the_other_networks():
    rules = keyed(1_000)
    before = CompiledRelease(a_document(*rules))
    changed = {**rules[0], "when": {"all": [asks("line.sku", "eq", "S0"), asks("line.quantity", "gte", 50)]}}
    after = CompiledRelease(a_document(changed, *rules[1:]))
    held = {asked.network for place in before.places.values() for asked in place.asked}
    shared = {asked.network for place in after.places.values() for asked in place.asked} & held
    assert len(shared) >= len(held) - 1


@pytest.mark.parametrize(
    "facts",
    [
        {"order.subtotal_minor": "20000"},
        {"order.subtotal_minor": 20_000.5},
        {"order.subtotal_minor": [1]},
    ],
)
def test_a_fact_of_the_wrong_kind_is_refused_rather_than_decided(facts):
    with pytest.raises(InvalidError) as refused:
        CompiledRelease(a_document()).fire("order", facts)
    assert refused.value.code == "rules.fact_wrong"


def test_a_list_where_a_set_is_expected_is_refused():
    compiled = CompiledRelease(a_document(a_rule(when=asks("buyer.tags", "contains_any", ["a"]))))
    assert compiled.fire("order", {"buyer.tags": ("a",)}) == (0,)
    with pytest.raises(InvalidError):
        compiled.fire("order", {"buyer.tags": ["a"]})


def test_texts_that_would_hurt_the_engine_never_reach_it():
    hostile = ['"', "\\", '"}}', "\u0000", "x" * 70_000, "$and", "sid", "日本", "1"]
    rules = [a_rule(f"r_{i}", when=asks("order.channel", "eq", text)) for i, text in enumerate(hostile)]
    compiled = CompiledRelease(a_document(*rules))
    for i, text in enumerate(hostile):
        assert compiled.fire("order", {"order.channel": text}) == (i,)
    assert compiled.fire("order", {"order.channel": 'other"'}) == ()


def test_numbers_beyond_the_limit_count_as_just_beyond_it():
    compiled = CompiledRelease(a_document(a_rule(when=asks("order.subtotal_minor", "lte", 10**15))))
    assert compiled.fire("order", {"order.subtotal_minor": 10**15}) == (0,)
    assert compiled.fire("order", {"order.subtotal_minor": 10**15 + 1}) == ()
    assert compiled.fire("order", {"order.subtotal_minor": 10**40}) == ()
    assert compiled.fire("order", {"order.subtotal_minor": -(10**40)}) == (0,)


def test_many_unheard_of_values_do_not_fill_the_memory():
    compiled = CompiledRelease(a_document(a_rule(when=asks("order.channel", "in", ["a", "b"]))))
    for i in range(10_000):
        assert compiled.fire("order", {"order.channel": f"channel {i}"}) == ()
    (place,) = compiled.places.values()
    assert all(len(table) <= 4_096 for asked in place.asked for _, table in asked.tables)


def test_many_threads_get_the_reference_answers():
    document = random_document(random.Random(7), rules=80)
    compiled, reference = CompiledRelease(document), ReferenceRules(document.rules)
    wrong: list[object] = []

    def ask(seed):
        chance = random.Random(seed)
        for _ in range(400):
            grain = chance.choice(["order", "line"])
            facts = random_facts(chance, PROMOTIONS, grain)
            if compiled.fire(grain, facts) != reference.fire(grain, facts):
                wrong.append(facts)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
