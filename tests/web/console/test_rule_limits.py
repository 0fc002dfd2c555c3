"""Limits and the campaign of a rule, written in the editor's card."""

from __future__ import annotations

import html
import re

import pytest

from capabilities.marketing.campaigns import CreateCampaign
from capabilities.marketing.service_campaigns import create_campaign
from rules.document import Rule, RuleLimit
from rules.queries import draft_of
from web.access.contract import Role


@pytest.fixture
def editor(browser_as):
    return browser_as(Role.EDITOR)


def said(answer) -> str:
    """The text a reader sees."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def change(editor, rule_set: str, sessions, change: str, place: str, **fields: object):
    with sessions() as session:
        draft = draft_of(session, rule_set)
    revision = "0" if draft is None else str(draft.revision)
    about = {"rule": "r_ten", "base_revision": revision, "place": place, "change": change}
    return editor.submit(f"/console/retail/rules/{rule_set}/changes", **about, **fields)


def drafted(sessions, rule_set: str) -> Rule:
    with sessions() as session:
        return draft_of(session, rule_set).document.rule("r_ten")


def test_a_limit_is_added_changed_and_removed(editor, rule_set, sessions):
    money = {"counts": "spend", "most": "¥1,000.50", "per": "buyer", "period": "day", "partial": "refused"}
    assert change(editor, rule_set, sessions, "set_limit", "limit:new", **money).status_code == 303
    spend = RuleLimit("spend", 1_000_50, ("buyer",), "day", None, "refused")
    assert drafted(sessions, rule_set).limits == (spend,)
    change(editor, rule_set, sessions, "set_limit", "limit:new", counts="uses", most="３", zone="Asia/Shanghai")
    assert drafted(sessions, rule_set).limits == (spend, RuleLimit("uses", 3))
    text = said(editor.get(f"/console/retail/rules/{rule_set}"))
    assert "at most CNY 1,000.50 per buyer and day, or nothing where less is left" in text
    assert "at most 3 times in all" in text
    editor.submit("/console/preferences", language="zh")
    text = said(editor.get(f"/console/retail/rules/{rule_set}?open=r_ten&place=limit:0"))
    assert "每个买家每天最多优惠 CNY 1,000.50，不足则不优惠" in text
    assert "剩余金额不足时" in text

    month = {"counts": "uses", "most": "5", "period": "month", "zone": "Asia/Shanghai"}
    change(editor, rule_set, sessions, "set_limit", "limit:0", **month)
    change(editor, rule_set, sessions, "remove_limit", "limit:1")
    assert drafted(sessions, rule_set).limits == (RuleLimit("uses", 5, (), "month", "Asia/Shanghai"),)


def test_a_limit_that_cannot_be_gives_the_form_back(editor, rule_set, sessions):
    wrong = {"counts": "uses", "most": "many", "per": "buyer", "period": "day"}
    answer = change(editor, rule_set, sessions, "set_limit", "limit:new", **wrong)
    assert answer.status_code == 422
    assert "Write a whole number such as 3." in said(answer)
    assert 'value="many"' in answer.text
    zone = {"counts": "uses", "most": "3", "period": "day", "zone": "Moon/Crater"}
    answer = change(editor, rule_set, sessions, "set_limit", "limit:new", **zone)
    assert "Write a time zone such as Asia/Shanghai." in said(answer)


def test_a_rule_joins_a_campaign_and_leaves_it(editor, rule_set, sessions):
    change(editor, rule_set, sessions, "set_campaign", "campaign", campaign="spring")
    assert drafted(sessions, rule_set).campaign == "spring"
    assert "of the campaign spring" in said(editor.get(f"/console/retail/rules/{rule_set}"))
    change(editor, rule_set, sessions, "set_campaign", "campaign", campaign="")
    assert drafted(sessions, rule_set).campaign is None


def test_the_open_campaign_names_those_a_rule_can_belong_to(editor, rule_set, sessions):
    with sessions.begin() as session:
        create_campaign(session, CreateCampaign(business="retail", campaign_id="spring", name_en="Spring"), "opr_e")
    answer = editor.get(f"/console/retail/rules/{rule_set}?open=r_ten&place=campaign")
    assert "Planned are: spring (Spring, draft)" in said(answer)
    assert '<option value="spring">Spring</option>' in answer.text
