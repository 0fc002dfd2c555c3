"""Each check by an example: what it finds, where, how bad, and that it is silent where nothing is wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rules.check import Severity, check, problem_to_json
from tests.rules.documents import RISK, SPEND_200, TEN_PERCENT, a_document, a_rule, asks

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
BLOCK, WARN, HINT = Severity.BLOCK, Severity.WARN, Severity.HINT
APPROVE = {"kind": "approve"}
WEEKEND = {"from": "2026-11-27T00:00:00+08:00", "until": "2026-11-30T00:00:00+08:00"}


def found(document):
    return {(p.severity, p.code, p.at) for p in check(document, at=AT)}


def codes(document):
    return {p.code for p in check(document, at=AT)}


@pytest.mark.parametrize(
    "rule",
    [
        a_rule(),
        a_rule(window={**WEEKEND, "weekdays": [6, 7], "hours": [22, 2], "zone": "Asia/Shanghai"}),
        a_rule(grain="line", when=asks("line.category", "within", ["food/tea"])),
        a_rule(effects=[{"kind": "amount_off", "amount_minor": 2_000}, {"kind": "free_delivery"}]),
        a_rule(effects=[{"kind": "percent_off", "rate_bps": 5_000, "max_minor": 5_000}]),
    ],
)
def test_a_sound_rule_has_no_problem(rule):
    assert check(a_document(rule), at=AT) == []


@pytest.mark.parametrize(
    ("parts", "severity", "code", "at"),
    [
        ({"id": ""}, BLOCK, "id_missing", "id"),
        ({"name": " "}, BLOCK, "name_missing", "name"),
        ({"grain": "pallet"}, BLOCK, "grain_unknown", "grain"),
        ({"stage": 31}, BLOCK, "stage_unknown", "stage"),
        ({"group": "g9"}, BLOCK, "group_unknown", "group"),
        ({"exclusive": "always"}, BLOCK, "exclusive_wrong", "exclusive"),
        ({"coupon": " "}, BLOCK, "coupon_empty", "coupon"),
        ({"excludes": ["r_9"]}, BLOCK, "excludes_unknown", "excludes"),
        ({"excludes": ["r_1"]}, BLOCK, "excludes_itself", "excludes"),
        ({"when": asks("order.colour", "eq", "red")}, BLOCK, "field_unknown", "when"),
        ({"when": asks("line.sku", "eq", "A")}, BLOCK, "field_unknown", "when"),
        ({"when": asks("buyer.tier", "gte", "gold")}, BLOCK, "operator_unfit", "when"),
        ({"when": asks("order.subtotal_minor", "gte", "much")}, BLOCK, "value_wrong", "when"),
        ({"when": asks("order.on_date", "gte", "soon")}, BLOCK, "value_wrong", "when"),
        ({"when": asks("order.subtotal_minor", "gte", 10**16)}, BLOCK, "value_too_large", "when"),
        ({"when": asks("buyer.tier", "in", ["gold", "platinum"])}, BLOCK, "choice_unknown", "when"),
        ({"when": asks("order.channel", "eq", "")}, BLOCK, "value_empty", "when"),
        ({"when": {"all": [SPEND_200, asks("order.subtotal_minor", "lt", 100)]}}, BLOCK, "never_true", "when"),
        ({"when": {"all": []}}, HINT, "always_true", "when"),
        ({"effects": []}, BLOCK, "no_effect", "effects"),
        ({"effects": [APPROVE]}, BLOCK, "effect_not_allowed", "effects[0]"),
        ({"effects": [{"kind": "percent_off", "rate_bps": 0}]}, BLOCK, "effect_value_wrong", "effects[0].rate_bps"),
        ({"effects": [{"kind": "percent_off"}]}, BLOCK, "effect_value_wrong", "effects[0].rate_bps"),
        (
            {"effects": [{"kind": "percent_off", "rate_bps": 11_000}]},
            WARN,
            "percent_over_hundred",
            "effects[0].rate_bps",
        ),
        (
            {"effects": [{"kind": "percent_off", "rate_bps": 3_000}]},
            HINT,
            "discount_without_cap",
            "effects[0].max_minor",
        ),
        (
            {"effects": [{"kind": "amount_off", "amount_minor": 20_001}]},
            HINT,
            "discount_above_spend",
            "effects[0].amount_minor",
        ),
        ({"effects": [TEN_PERCENT, TEN_PERCENT]}, BLOCK, "effects_conflict", "effects[1]"),
        (
            {"effects": [{"kind": "set_price", "price_minor": 1, "target": "delivery"}, {"kind": "free_delivery"}]},
            BLOCK,
            "effects_conflict",
            "effects[1]",
        ),
        ({"window": {**WEEKEND, "zone": "Mars/Olympus"}}, BLOCK, "zone_unknown", "window.zone"),
        ({"window": {"weekdays": [8]}}, BLOCK, "weekday_wrong", "window.weekdays"),
        ({"window": {"hours": [9, 9]}}, BLOCK, "hours_wrong", "window.hours"),
        ({"window": {"hours": [9, 25]}}, BLOCK, "hours_wrong", "window.hours"),
        ({"window": {"from": WEEKEND["until"], "until": WEEKEND["from"]}}, BLOCK, "window_never_starts", "window"),
        ({"window": {"until": "2026-11-25T12:00:00+00:00"}}, WARN, "window_expired", "window.until"),
        ({"window": {**WEEKEND, "weekdays": [2]}}, WARN, "window_without_day", "window.weekdays"),
        ({"traffic_bps": 10_001}, BLOCK, "traffic_wrong", "traffic_bps"),
        ({"traffic_bps": 0}, WARN, "traffic_nobody", "traffic_bps"),
    ],
)
def test_each_problem_of_a_rule_is_found_at_its_place(parts, severity, code, at):
    assert (severity, code, at) in found(a_document(a_rule(**parts)))


@pytest.mark.parametrize(
    ("document", "severity", "code"),
    [
        (a_document(a_rule(), a_rule()), BLOCK, "id_twice"),
        (a_document(a_rule(), a_rule("r_2")), WARN, "duplicate"),
        (a_document(groups={"g": {"mode": "worst"}}), BLOCK, "group_wrong"),
        (a_document(options={"rounding": "up"}), BLOCK, "option_wrong"),
        (a_document(options={"colour": "red"}), BLOCK, "option_wrong"),
        (replace(a_document(), decision="no.such"), BLOCK, "decision_unknown"),
        (replace(a_document(), rules=()), WARN, "no_rules"),
    ],
)
def test_each_problem_of_a_document_is_found(document, severity, code):
    assert (severity, code) in {(p.severity, p.code) for p in check(document, at=AT)}


def test_too_many_alternatives_block_with_advice():
    pairs = [{"all": [asks("order.quantity", "eq", i), asks("order.lines", "eq", i)]} for i in range(201)]
    (problem,) = check(a_document(a_rule(when={"any": pairs})), at=AT)
    assert (problem.severity, problem.code) == (BLOCK, "too_many_alternatives")
    assert "two rules" in problem.mend_en


def test_exclusions_in_a_circle_are_told_once_for_the_circle():
    rules = [a_rule("r_1", excludes=["r_2"]), a_rule("r_2", excludes=["r_3"]), a_rule("r_3", excludes=["r_1"])]
    problems = [p for p in check(a_document(*rules), at=AT) if p.code == "exclusion_cycle"]
    assert len(problems) == 1
    assert "Rule r_1 → Rule r_2 → Rule r_3 → Rule r_1" in problems[0].en


def test_a_chain_or_different_priorities_are_no_circle():
    chain = [a_rule("r_1", excludes=["r_2", "r_3"]), a_rule("r_2", excludes=["r_3"]), a_rule("r_3")]
    assert "exclusion_cycle" not in codes(a_document(*chain))
    ranked = [a_rule("r_1", excludes=["r_2"], priority=5), a_rule("r_2", excludes=["r_1"])]
    assert "exclusion_cycle" not in codes(a_document(*ranked))


def risk(rule_id, when, **parts):
    return a_rule(rule_id, when=when, effects=[{"kind": "review", "reason": "large"}], stage=10, **parts)


def test_under_the_policy_first_a_rule_behind_a_wider_one_never_decides():
    wide, narrow = asks("order.total_minor", "gte", 100), asks("order.total_minor", "gte", 200)
    document = a_document(risk("r_1", wide), risk("r_2", narrow), decision=RISK)
    (problem,) = [p for p in check(document, at=AT) if p.code == "unreachable"]
    assert problem.rule_id == "r_2"
    assert "Rule r_1" in problem.en
    assert "unreachable" not in codes(a_document(risk("r_1", narrow), risk("r_2", wide), decision=RISK))
    assert "unreachable" not in codes(a_document(risk("r_1", wide), risk("r_2", narrow, priority=1), decision=RISK))
    assert "unreachable" not in codes(a_document(risk("r_1", wide, traffic_bps=10), risk("r_2", narrow), decision=RISK))


def test_a_decision_has_one_outcome_a_rule():
    rule = a_rule(
        when=asks("order.total_minor", "gte", 1), effects=[APPROVE, {"kind": "reject", "reason": "x"}], stage=10
    )
    assert "effects_conflict" in codes(a_document(rule, decision=RISK))


def test_every_problem_speaks_both_languages_and_travels_as_json():
    broken = a_document(
        a_rule("r_1", when={"all": []}, effects=[], stage=99, window={"hours": [1, 1]}, traffic_bps=0),
        a_rule("r_1", when=asks("x.y", "eq", 1), effects=[APPROVE]),
        a_rule("r_3", excludes=["r_9"]),
    )
    problems = check(broken, at=AT)
    assert [p.severity for p in problems] == sorted((p.severity for p in problems), key=list(Severity).index)
    for problem in problems:
        assert problem.en[-1] in ".!"
        assert problem.zh[-1] == "。"
        assert any("\u4e00" <= character <= "\u9fff" for character in problem.zh)
        assert problem_to_json(problem)["code"] == problem.code
