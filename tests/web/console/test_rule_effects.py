"""Effects with rows and selections of goods, written in the editor by plain forms."""

from __future__ import annotations

import html
import re
from urllib.parse import quote

import pytest

from capabilities.kernel.expression import Aggregate, Operator, Test
from rules.queries import draft_of
from web.access.contract import Role

TIERS = {
    "mode": "volume",
    "tiers.0.up_to": "10",
    "tiers.0.unit_minor": "9.50",
    "tiers.1.up_to": "",
    "tiers.1.unit_minor": "8",
    "tiers.1.flat_minor": "1",
    "tiers.2.up_to": "",
    "apply": "across",
}
BUY_GET = {
    "buy.0.word": "line.category",
    "buy.0.op": "within",
    "buy.0.value": "food/tea",
    "buy.1.word": "line.unit_price_minor",
    "buy.1.op": "gte",
    "buy.1.value": "12.50",
    "buy.2.word": "",
    "buy_units": "2",
    "get.0.word": "line.sku",
    "get.0.op": "eq",
    "get.0.value": "cup",
    "get_units": "1",
    "rate_bps": "50",
    "repeat_most": "3",
}


@pytest.fixture
def editor(browser_as):
    return browser_as(Role.EDITOR)


def said(answer) -> str:
    """The text a reader sees."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def draft(sessions, rule_set):
    with sessions() as session:
        return draft_of(session, rule_set)


def written(editor, rule_set, sessions, kind, **fields):
    revision = getattr(draft(sessions, rule_set), "revision", 0)
    return editor.submit(
        f"/console/retail/rules/{rule_set}/changes",
        change="set_effect",
        rule="r_ten",
        place="effect:0",
        base_revision=str(revision),
        kind=kind,
        word=kind,
        **fields,
    )


def effect_of(sessions, rule_set):
    return draft(sessions, rule_set).document.rule("r_ten").effects[0]


def test_tiers_are_rows_and_blank_rows_are_left_out(editor, rule_set, sessions):
    answer = written(editor, rule_set, sessions, "tier_price", **TIERS)

    assert answer.status_code == 303
    assert effect_of(sessions, rule_set) == {
        "kind": "tier_price",
        "mode": "volume",
        "tiers": [{"up_to": 10, "unit_minor": 950}, {"unit_minor": 800, "flat_minor": 100}],
        "apply": "across",
    }
    page = editor.get(f"/console/retail/rules/{rule_set}?open=r_ten&place=effect:0")
    assert 'name="tiers.1.unit_minor" value="8.00"' in page.text
    assert 'name="tiers.3.unit_minor" value=""' in page.text
    assert "price by quantity (up to 10 pieces each ¥9.50; each ¥8.00 once ¥1.00)" in said(page)


def test_goods_are_selected_by_tests_in_rows(editor, rule_set, sessions):
    answer = written(editor, rule_set, sessions, "buy_get", **BUY_GET)

    assert answer.status_code == 303
    effect = effect_of(sessions, rule_set)
    assert effect["buy"] == {
        "all": [
            {"field": "line.category", "op": "within", "value": ["food/tea"]},
            {"field": "line.unit_price_minor", "op": "gte", "value": 1250},
        ]
    }
    assert effect["get"] == {"field": "line.sku", "op": "eq", "value": "cup"}
    assert (effect["buy_units"], effect["get_units"], effect["rate_bps"], effect["repeat_most"]) == (2, 1, 5000, 3)
    page = editor.get(f"/console/retail/rules/{rule_set}?open=r_ten&place=effect:0")
    assert '<option value="line.category" selected>' in page.text
    assert 'name="buy.0.value" value="food/tea"' in page.text
    assert "buy 2 pieces of goods whose category is in food/tea and unit price is at least" in said(page)


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"buy.1.op": "within"}, "buy.1.op"),
        ({"buy.1.value": "dear"}, "buy.1.value"),
        ({"buy_units": ""}, "buy"),
        ({"rate_bps": ""}, "buy"),
    ],
)
def test_what_does_not_fit_is_refused_beside_its_input(editor, rule_set, sessions, changed, place):
    answer = written(editor, rule_set, sessions, "buy_get", **(BUY_GET | changed))

    assert answer.status_code == 422
    assert f'id="f-{place}-error"' in answer.text
    assert 'value="food/tea"' in answer.text
    assert draft(sessions, rule_set) is None


def test_a_bundle_of_two_kinds_is_two_rows(editor, rule_set, sessions):
    fields = {
        "parts.0.units": "2",
        "parts.0.of.0.word": "line.sku",
        "parts.0.of.0.op": "eq",
        "parts.0.of.0.value": "shirt",
        "parts.1.units": "1",
        "parts.1.of.0.word": "",
        "price_minor": "50",
    }
    assert written(editor, rule_set, sessions, "bundle", **fields).status_code == 303
    assert effect_of(sessions, rule_set) == {
        "kind": "bundle",
        "parts": [{"units": 2, "of": {"field": "line.sku", "op": "eq", "value": "shirt"}}, {"units": 1}],
        "price_minor": 5000,
    }


def test_a_gift_is_a_list_of_skus(editor, rule_set, sessions):
    assert written(editor, rule_set, sessions, "gift", skus="cap, scarf", units="1").status_code == 303
    assert effect_of(sessions, rule_set) == {"kind": "gift", "skus": ["cap", "scarf"], "units": 1}


def test_an_effect_for_the_other_case_is_added_changed_and_removed(editor, rule_set, sessions):
    def act(change, place, **fields):
        about = {"rule": "r_ten", "base_revision": str(getattr(draft(sessions, rule_set), "revision", 0))}
        path = f"/console/retail/rules/{rule_set}/changes"
        return editor.submit(path, change=change, place=place, **about, **fields).status_code

    assert act("set_effect", "otherwise:new", kind="percent_off", rate_bps="5") == 303
    assert draft(sessions, rule_set).document.rule("r_ten").otherwise == ({"kind": "percent_off", "rate_bps": 500},)
    page = said(editor.get(f"/console/retail/rules/{rule_set}"))
    assert "otherwise take 5 % off goods, on each line" in page
    assert act("set_effect", "otherwise:0", kind="message", en="Nearly") == 303
    assert draft(sessions, rule_set).document.rule("r_ten").otherwise == ({"kind": "message", "en": "Nearly"},)
    assert act("remove_effect", "otherwise:0") == 303
    rule = draft(sessions, rule_set).document.rule("r_ten")
    assert (rule.otherwise, len(rule.effects)) == ((), 1)


def test_a_condition_over_lines_says_which_lines(editor, rule_set, sessions):
    path = f"/console/retail/rules/{rule_set}"
    words = editor.get(f"{path}?open=r_ten&place=add:&find=sum")
    name = Aggregate("sum", field="line.net_minor").name
    assert quote(name) in words.text
    form = editor.get(path, params={"open": "r_ten", "place": "add:", "word": name})
    assert 'name="where.0.word"' in form.text
    answer = editor.submit(
        f"{path}/changes",
        change="add_test",
        rule="r_ten",
        place="add:",
        base_revision="0",
        field=name,
        op="gte",
        value="50",
        **{"where.0.word": "line.brand", "where.0.op": "eq", "where.0.value": "Longjing"},
    )
    assert answer.status_code == 303
    test = draft(sessions, rule_set).document.rule("r_ten").when.conditions[-1]
    where = Test("line.brand", Operator.EQ, "Longjing")
    assert test == Test(Aggregate("sum", where, "line.net_minor").name, Operator.GTE, 5_000)
    assert "sum of line total so far where brand is Longjing is at least ¥50.00" in said(editor.get(path))
    again = editor.get(f"{path}?open=r_ten&place=test:1")
    assert 'name="where.0.value" value="Longjing"' in again.text
