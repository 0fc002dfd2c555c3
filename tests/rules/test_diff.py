"""What changed, in words: moves are moves, fields are told one by one."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from rules.diff import Change, difference
from tests.rules.documents import SPEND_200, TEN_PERCENT, a_document, a_rule, asks


def changes(old, new):
    return [(c.change, c.rule_id) for c in difference(old, new, "CNY").rules]


def test_the_same_document_has_no_difference():
    found = difference(a_document(), a_document(), "CNY")
    assert found.is_empty
    assert (found.summary.en, found.summary.zh) == ("no change", "没有变化")


def test_a_changed_rate_is_told_with_old_and_new():
    old, new = a_document(), a_document(a_rule(effects=[{"kind": "percent_off", "rate_bps": 1_500}]))
    (changed,) = difference(old, new, "CNY").rules
    assert (changed.change, changed.rule_id) == (Change.CHANGED, "r_1")
    (field,) = changed.fields
    assert (field.field, field.old.en, field.new.en) == ("effects", "10 % off goods", "15 % off goods")
    assert field.name.zh == "效果"


def test_every_field_of_a_rule_is_told_in_words():
    old = a_document(a_rule(), a_rule("r_2"), groups={"g": {"mode": "best"}})
    new = a_document(
        a_rule(
            name="New",
            description="d",
            grain="line",
            stage=20,
            when=asks("line.quantity", "gte", 3),
            effects=[TEN_PERCENT, {"kind": "free_delivery"}],
            priority=5,
            group="g",
            exclusive="order",
            excludes=["r_2"],
            coupon="SAVE",
            window={"weekdays": [6]},
            traffic_bps=5_000,
            enabled=False,
            tags=["t"],
        ),
        a_rule("r_2"),
        groups={"g": {"mode": "best"}},
    )
    (changed,) = difference(old, new, "CNY").rules
    told = {field.field: (field.old.en, field.new.en) for field in changed.fields}
    assert told["when"] == ("order subtotal is at least CNY 200.00", "quantity of the line is at least 3 pieces")
    assert told["stage"] == ("order", "items")
    assert told["enabled"] == ("on", "off")
    assert told["window"] == ("–", "on Sat")
    assert told["traffic_bps"] == ("100 %", "50 %")
    assert told["coupon"] == ("–", "SAVE")
    assert len(told) == 15


def test_added_and_removed_rules():
    one, two, three = (a_rule(f"r_{i}", when={"all": [SPEND_200]}) for i in (1, 2, 3))
    found = difference(a_document(one, two), a_document(two, three), "CNY")
    assert [(c.change, c.rule_id) for c in found.rules] == [(Change.ADDED, "r_3"), (Change.REMOVED, "r_1")]
    assert (found.summary.en, found.summary.zh) == ("1 added, 1 removed", "新增 1 条，删除 1 条")


def test_against_nothing_everything_is_added():
    assert changes(None, a_document(a_rule("r_1"), a_rule("r_2"))) == [(Change.ADDED, "r_1"), (Change.ADDED, "r_2")]


def test_one_rule_moved_is_one_move():
    rules = [a_rule(f"r_{i}") for i in range(6)]
    assert changes(a_document(*rules), a_document(rules[5], *rules[:5])) == [(Change.MOVED, "r_5")]
    assert changes(a_document(*rules), a_document(*rules[1:], rules[0])) == [(Change.MOVED, "r_0")]


def test_removing_a_rule_moves_nobody():
    rules = [a_rule(f"r_{i}") for i in range(4)]
    assert changes(a_document(*rules), a_document(*rules[1:])) == [(Change.REMOVED, "r_0")]


@pytest.mark.parametrize("seed", range(10))
def test_undoing_the_moves_gives_the_old_order(seed):
    chance = random.Random(seed)
    rules = [a_rule(f"r_{i}") for i in range(12)]
    shuffled = chance.sample(rules, k=len(rules))
    moved = {c.rule_id for c in difference(a_document(*rules), a_document(*shuffled), "CNY").rules}
    stayed = [rule["id"] for rule in shuffled if rule["id"] not in moved]
    assert stayed == [rule["id"] for rule in rules if rule["id"] in stayed]


def test_settings_are_told():
    old = a_document(options={"totals": "running"}, groups={"g": {"mode": "stack"}})
    new = replace(
        a_document(options={"totals": "original"}, groups={"g": {"mode": "best", "best_per": "line"}}), policy="first"
    )
    found = difference(old, new, "CNY")
    assert {s.field: (s.old.en, s.new.en) for s in found.settings} == {
        "policy": ("collect", "first"),
        "options.totals": ("running", "original"),
        "groups.g": ("all per order", "the best one per line"),
    }
    assert found.summary.zh == "3 项设置修改"
