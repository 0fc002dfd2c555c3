"""Documents: an exact JSON form, a canonical hash, strict reading."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import datetime

import pytest

from capabilities.kernel.errors import InvalidError
from rules.document import (
    Names,
    RuleSetDocument,
    Window,
    content_sha256,
    document_from_json,
    document_to_json,
    release_id_of,
)
from tests.rules.documents import PROMOTIONS, RISK, TEN_PERCENT, a_document, a_rule
from tests.rules.random_documents import random_document

FULL = a_rule(
    "r_full",
    description="For the weekend",
    grain="line",
    stage=20,
    priority=5,
    group="g1",
    exclusive="stage",
    excludes=["r_1"],
    coupon="SAVE",
    window={
        "from": "2026-11-27T00:00:00",
        "until": "2026-11-30T00:00:00+08:00",
        "zone": "Asia/Shanghai",
        "weekdays": [6, 7],
        "hours": [22, 2],
    },
    traffic_bps=5_000,
    enabled=False,
    tags=["weekend"],
)


def test_every_field_survives_the_way_to_json_and_back():
    document = a_document(
        a_rule(), FULL, groups={"g1": {"mode": "best", "best_per": "line"}}, options={"totals": "original"}
    )
    through_text = document_from_json(json.loads(json.dumps(document_to_json(document))))
    assert through_text == document
    assert document_to_json(through_text)["rules"][1] == FULL


@pytest.mark.parametrize("seed", range(30))
def test_random_documents_survive_the_way_to_json_and_back(seed):
    document = random_document(random.Random(seed))
    assert document_from_json(json.loads(json.dumps(document_to_json(document)))) == document


def test_what_is_left_out_has_its_default():
    document = document_from_json({"decision": PROMOTIONS, "rules": [{"id": "r_1"}]})
    rule = document.rules[0]
    assert document.policy == "collect"
    assert (rule.stage, rule.priority, rule.group, rule.traffic_bps, rule.enabled) == (30, 0, "default", 10_000, True)
    assert document_from_json({"decision": RISK}).policy == "first"


def test_equal_content_has_one_hash_whatever_the_order_of_its_keys():
    document = a_document(a_rule(), FULL)
    shuffled = json.loads(json.dumps(document_to_json(document), sort_keys=True))
    assert content_sha256(document_from_json(shuffled)) == content_sha256(document)


def test_the_order_of_rules_is_content():
    assert content_sha256(a_document(a_rule("r_1"), a_rule("r_2"))) != content_sha256(
        a_document(a_rule("r_2"), a_rule("r_1"))
    )


def test_a_release_id_belongs_to_one_rule_set_and_is_repeatable():
    document = a_document()
    assert release_id_of(document, "rs_1") == release_id_of(a_document(), "rs_1")
    assert release_id_of(document, "rs_1") != release_id_of(document, "rs_2")
    assert len(release_id_of(document, "rs_1")) == len("rel_") + 26


def test_a_time_without_an_offset_stays_without_one():
    document = a_document(FULL)
    assert document.rules[0].window == Window(
        datetime(2026, 11, 27),  # noqa: DTZ001 - without an offset is meant
        datetime.fromisoformat("2026-11-30T00:00:00+08:00"),
        "Asia/Shanghai",
        (6, 7),
        (22, 2),
    )


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        ({"id": 7}, "rules[0].id"),
        ({"id": "r", "stage": "30"}, "rules[0].stage"),
        ({"id": "r", "stage": True}, "rules[0].stage"),
        ({"id": "r", "enabled": 1}, "rules[0].enabled"),
        ({"id": "r", "effects": [{"rate_bps": 1}]}, "rules[0].effects[0]"),
        ({"id": "r", "when": {"all": [{"field": "a", "op": "like", "value": "x"}]}}, "rules[0].when.all[0].op"),
        ({"id": "r", "window": {"from": "tomorrow"}}, "rules[0].window.from"),
        ({"id": "r", "window": {"hours": [1, 2, 3]}}, "rules[0].window.hours"),
        ({"id": "r", "colour": "red"}, "rules[0]"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(rule, place):
    with pytest.raises(InvalidError) as refused:
        document_from_json({"decision": PROMOTIONS, "rules": [rule]})
    assert refused.value.details["field"] == place


def test_documents_are_frozen():
    document = a_document()
    with pytest.raises(AttributeError):
        document.decision = "other"
    assert replace(document, name=Names("a", "b")) != document
    assert isinstance(document, RuleSetDocument)
    assert document.rule("r_1").effects == (TEN_PERCENT,)
    assert document.rule("r_2") is None
