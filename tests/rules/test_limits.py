"""Limits in a rule's document: read and written exactly, checked, said in both languages."""

from __future__ import annotations

import pytest

from capabilities.kernel.errors import InvalidError
from rules.check import check
from rules.diff import difference
from rules.document import RuleLimit, content_sha256, document_from_json, document_to_json, rule_from_json, rule_to_json
from rules.limit_sentence import limit_sentence
from rules.sentence import rule_sentence

TENTH = {"kind": "percent_off", "rate_bps": 1000}


def a_document(decision="marketing.promotions", **about):
    rule = {"id": "r1", "name": "Rule", "effects": [TENTH]} | about
    return document_from_json({"decision": decision, "name": {"en": "Rules", "zh": "规则"}, "rules": [rule]})


def codes(**about):
    return {(problem.code, problem.at) for problem in check(a_document(**about)) if problem.severity != "hint"}


def test_a_rule_with_limits_is_read_and_written_exactly():
    limits = [
        {"counts": "uses", "most": 100, "per": [], "period": None, "zone": None, "partial": "allowed"},
        {"counts": "spend", "most": 5, "per": ["buyer"], "period": "day", "zone": "UTC", "partial": "refused"},
    ]
    document = a_document(limits=limits, campaign="spring")
    written = document_to_json(document)
    assert written["rules"][0]["limits"] == limits
    assert written["rules"][0]["campaign"] == "spring"
    assert document_from_json(written) == document


def test_a_rule_without_limits_is_written_as_it_was_before_there_were_any():
    body = rule_to_json(rule_from_json({"id": "r1", "name": "Rule"}))
    assert "limits" not in body
    assert "campaign" not in body
    assert content_sha256(a_document()) != content_sha256(a_document(limits=[{}]))


@pytest.mark.parametrize("limit", [{"most": "3"}, {"per": "buyer"}, {"more": 1}, 7])
def test_what_is_no_limit_is_refused_with_the_place(limit):
    with pytest.raises(InvalidError) as caught:
        a_document(limits=[limit])
    assert caught.value.details["field"].startswith("rules[0].limits[0]")


def test_sound_limits_are_not_complained_of():
    sound = [
        {"most": 3, "per": ["buyer"]},
        {"most": 3, "per": ["buyer"], "period": "day"},
        {"counts": "spend", "most": 3, "per": ["code", "buyer"], "period": "week", "zone": "Asia/Shanghai"},
    ]
    assert codes(limits=sound, coupon="X", campaign="spring") == set()


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        ([{"counts": "orders"}], ("limit_wrong", "limits[0]")),
        ([{"per": ["planet"]}], ("limit_wrong", "limits[0]")),
        ([{"period": "hour"}], ("limit_wrong", "limits[0]")),
        ([{"partial": "maybe"}], ("limit_wrong", "limits[0]")),
        ([{"most": -1}], ("limit_size_wrong", "limits[0].most")),
        ([{"most": 0}], ("limit_zero", "limits[0].most")),
        ([{"period": "day", "zone": "Moon/Crater"}], ("zone_unknown", "limits[0].zone")),
        ([{"per": ["code"]}], ("limit_without_code", "limits[0].per")),
        ([{"most": 1}, {"most": 2}], ("limit_repeated", "limits[1]")),
    ],
)
def test_a_wrong_limit_is_told_with_its_place(limits, found):
    assert codes(limits=limits) == {found}


def test_an_empty_campaign_and_limits_of_what_only_decides_are_told():
    assert codes(campaign=" ") == {("campaign_empty", "campaign")}
    approve = {"effects": [{"kind": "approve"}], "decision": "transaction.risk"}
    assert ("limits_unknown", "limits") in codes(limits=[{"most": 1}], **approve)


@pytest.mark.parametrize(
    ("limit", "en", "zh"),
    [
        (RuleLimit("uses", 1), "at most once in all", "总共最多 1 次"),
        (
            RuleLimit("uses", 1_000, ("buyer",), "day", "Asia/Shanghai"),
            "at most 1,000 times per buyer and day (Asia/Shanghai)",
            "每个买家每天（Asia/Shanghai）最多 1,000 次",
        ),
        (
            RuleLimit("spend", 1_000_00, ("buyer", "code"), "month", None, "refused"),
            "at most CNY 1,000.00 per buyer and code and month, or nothing where less is left",
            "每个买家、优惠码每月最多优惠 CNY 1,000.00，不足则不优惠",
        ),
    ],
)
def test_a_limit_is_a_sentence(limit, en, zh):
    assert limit_sentence(limit, "en", "CNY") == en
    assert limit_sentence(limit, "zh", "CNY") == zh


def test_a_rule_says_its_limits_and_its_campaign_and_a_difference_names_them():
    rule = a_document(limits=[{"most": 3, "per": ["buyer"]}], campaign="spring").rules[0]
    said = rule_sentence("marketing.promotions", rule, "en", "CNY")
    assert said.startswith("Always, at most 3 times per buyer, in the campaign spring: 10 % off goods")
    assert "每个买家最多 3 次，属于活动 spring" in rule_sentence("marketing.promotions", rule, "zh", "CNY")

    changed = difference(a_document(), a_document(limits=[{"most": 3}], campaign="spring"), "CNY").rules[0]
    assert [(field.name.en, field.old.en, field.new.en) for field in changed.fields] == [
        ("limits", "–", "at most 3 times in all"),
        ("campaign", "–", "spring"),
    ]
