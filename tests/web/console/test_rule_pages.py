"""The rules' pages as a browser without script meets them: plain forms, redirects, nothing lost."""

from __future__ import annotations

import html
import re

import pytest

from rules.queries import draft_of, rule_set_of, submissions
from web.access.contract import Role


@pytest.fixture
def editor(browser_as):
    return browser_as(Role.EDITOR)


def changes(rule_set: str) -> str:
    return f"/console/retail/rules/{rule_set}/changes"


def draft(sessions, rule_set):
    with sessions() as session:
        return draft_of(session, rule_set)


def said(answer) -> str:
    """The text a reader sees."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def test_the_list_shows_what_is_live(editor, rule_set):
    text = said(editor.get("/console/retail/rules"))
    assert "Rules" in text
    assert "Release 1" in text


def test_a_rule_reads_as_a_sentence(editor, rule_set):
    text = said(editor.get(f"/console/retail/rules/{rule_set}"))
    assert "order subtotal is at least ¥200.00" in text
    assert "take 10 % off goods, across all of them together" in text
    assert "buyer tier is one of VIP" in text


def test_a_rule_reads_as_a_sentence_in_chinese(editor, rule_set):
    editor.submit("/console/preferences", language="zh")
    text = said(editor.get(f"/console/retail/rules/{rule_set}"))
    assert "订单小计 至少为 ¥200.00" in text
    assert "商品减 10 %，合计分摊" in text


def test_the_first_change_begins_a_draft_and_live_stays(editor, rule_set, sessions):
    answer = editor.submit(
        changes(rule_set),
        change="set_effect",
        rule="r_ten",
        place="effect:0",
        base_revision="0",
        kind="percent_off",
        rate_bps="１５ %",
        apply="across",
        target="lines",
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/console/retail/rules/{rule_set}#r-r_ten"
    effect = draft(sessions, rule_set).document.rule("r_ten").effects[0]
    assert effect == {"kind": "percent_off", "rate_bps": 1500, "apply": "across", "target": "lines"}
    with sessions() as session:
        assert rule_set_of(session, rule_set).live_number == 1


def test_wrong_input_gives_the_form_back_with_what_was_typed(editor, rule_set, sessions):
    answer = editor.submit(
        changes(rule_set),
        change="set_effect",
        rule="r_ten",
        place="effect:0",
        base_revision="0",
        kind="percent_off",
        rate_bps="a tenth",
    )
    assert answer.status_code == 422
    assert 'value="a tenth"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert "Write a percentage such as 10 or 12.5." in answer.text
    assert draft(sessions, rule_set) is None


def test_a_change_on_a_stale_draft_is_409_and_keeps_what_was_typed(editor, browser_as, rule_set, sessions):
    first = {"change": "set_name", "rule": "r_ten", "place": "name", "name": "Ten from 200"}
    editor.submit(changes(rule_set), base_revision="0", **first)
    revision = str(draft(sessions, rule_set).revision)
    browser_as(Role.ADMIN).submit(changes(rule_set), base_revision=revision, **{**first, "name": "Hers"})
    answer = editor.submit(changes(rule_set), base_revision=revision, **{**first, "name": "Mine"})
    assert answer.status_code == 409
    text = said(answer)
    assert "Somebody else changed this draft meanwhile." in text
    assert "Admin Person saved at" in text
    assert 'value="Mine"' in answer.text
    assert draft(sessions, rule_set).document.rule("r_ten").name == "Hers"
    newest = re.findall(r'name="base_revision" value="(\d+)"', answer.text)[0]
    assert editor.submit(changes(rule_set), base_revision=newest, **{**first, "name": "Mine"}).status_code == 303
    assert draft(sessions, rule_set).document.rule("r_ten").name == "Mine"


def test_a_rule_is_written_from_nothing_by_plain_forms(editor, rule_set, sessions):
    path = f"/console/retail/rules/{rule_set}"
    editor.submit(changes(rule_set), change="add_rule", base_revision="0", name="VIP weekend")
    rule = draft(sessions, rule_set).document.rules[-1]
    assert "incomplete, not in force" in said(editor.get(path))
    words = editor.get(f"{path}?open={rule.id}&place=add:&find=spend")
    assert "order subtotal" in words.text
    assert "buyer tags" not in words.text
    form = editor.get(f"{path}?open={rule.id}&place=add:&word=order.subtotal_minor")
    assert 'name="op"' in form.text

    def post(**fields):
        answer = editor.submit(
            changes(rule_set), rule=rule.id, base_revision=str(draft(sessions, rule_set).revision), **fields
        )
        assert answer.status_code == 303, said(answer)

    post(change="add_test", place="add:", field="order.subtotal_minor", op="between", value="200", high="1,000.50")
    post(change="add_group", path="")
    post(change="add_test", place="add:1", field="buyer.tier", op="in", value=["vip", "gold"])
    post(change="add_test", place="add:1", field="buyer.order_number", op="eq", value="1")
    post(change="set_join", path="1", join="none")
    post(change="set_effect", place="effect:new", kind="amount_off", amount_minor="¥20", apply="across", target="lines")
    post(change="set_window", place="window", weekdays=["6", "7"], **{"from": "2026-11-27T00:00", "until": ""})
    post(change="set_coupon", place="coupon", coupon="WEEKEND")
    post(change="set_manner", place="manner", stage="20", grain="order", priority="5", group="spend", mode="best",
         exclusive="stage", traffic="50")  # fmt: skip
    post(change="move_rule", by="-1")
    document = draft(sessions, rule_set).document
    written = document.rules[-2]
    assert written.id == rule.id
    from rules.document import rule_to_json

    assert rule_to_json(written) == {
        "id": rule.id,
        "name": "VIP weekend",
        "description": "",
        "grain": "order",
        "stage": 20,
        "when": {
            "all": [
                {"field": "order.subtotal_minor", "op": "between", "value": (20000, 100050)},
                {
                    "none": [
                        {"field": "buyer.tier", "op": "in", "value": ("vip", "gold")},
                        {"field": "buyer.order_number", "op": "eq", "value": 1},
                    ]
                },
            ]
        },
        "effects": [{"kind": "amount_off", "amount_minor": 2000, "apply": "across", "target": "lines"}],
        "priority": 5,
        "group": "spend",
        "exclusive": "stage",
        "excludes": [],
        "coupon": "WEEKEND",
        "window": {
            "from": "2026-11-27T00:00:00+08:00",
            "until": None,
            "zone": None,
            "weekdays": [6, 7],
            "hours": None,
        },
        "traffic_bps": 5000,
        "enabled": True,
        "tags": [],
    }
    assert document.groups["spend"].mode == "best"
    post(change="remove_condition", path="1.0")
    post(change="remove_condition", path="1")
    post(change="remove_effect", place="effect:0")
    post(change="toggle_rule")
    post(change="copy_rule")
    now_ = draft(sessions, rule_set).document
    assert [r.name for r in now_.rules] == ["10 % off from 200", "VIP weekend", "VIP weekend (copy)", "VIP, 5 % more"]
    assert (len(now_.rules[1].when.conditions), now_.rules[1].effects, now_.rules[1].enabled) == (1, (), False)
    post(change="remove_rule")
    assert draft(sessions, rule_set).document.rule(rule.id) is None


def test_htmx_gets_the_editor_alone(editor, rule_set):
    answer = editor.get(f"/console/retail/rules/{rule_set}", headers={"HX-Request": "true"})
    assert answer.text.lstrip().startswith('<div id="editor"')
    assert "<html" not in answer.text
    assert answer.headers["vary"] == "HX-Request"


def edited(editor, rule_set: str) -> None:
    editor.submit(
        changes(rule_set),
        change="set_effect",
        rule="r_ten",
        place="effect:0",
        base_revision="0",
        kind="percent_off",
        rate_bps="15",
        apply="across",
        target="lines",
    )


def submitted(editor, rule_set: str, sessions) -> str:
    edited(editor, rule_set)
    answer = editor.submit(
        f"/console/retail/rules/{rule_set}/submit",
        base_revision=str(draft(sessions, rule_set).revision),
        reason="Autumn sale",
    )
    assert answer.status_code == 303, said(answer)
    with sessions() as session:
        return submissions(session, "retail")[0].id


def test_the_review_says_what_changes_old_above_new(editor, rule_set):
    edited(editor, rule_set)
    text = said(editor.get(f"/console/retail/rules/{rule_set}/review"))
    assert "1 change against what is live" in text
    assert (
        "was: take 10 % off goods, across all of them together is: take 15 % off goods, across all of them together"
        in text
    )
    assert "1 rule unchanged" in text


def test_submitting_wants_a_reason(editor, rule_set, sessions):
    edited(editor, rule_set)
    answer = editor.submit(
        f"/console/retail/rules/{rule_set}/submit", base_revision=str(draft(sessions, rule_set).revision), reason=" "
    )
    assert answer.status_code == 422
    assert "Say why this change is made" in answer.text


def test_an_unfinished_rule_cannot_be_submitted_and_says_so(editor, rule_set, sessions):
    editor.submit(changes(rule_set), change="add_rule", base_revision="0", name="Unfinished")
    text = said(editor.get(f"/console/retail/rules/{rule_set}/review"))
    assert "1 problem must be mended first." in text
    answer = editor.submit(
        f"/console/retail/rules/{rule_set}/submit", base_revision=str(draft(sessions, rule_set).revision), reason="x"
    )
    assert answer.status_code == 422


def test_another_person_approves_and_it_is_live(editor, browser_as, rule_set, sessions):
    submission = submitted(editor, rule_set, sessions)
    approver = browser_as(Role.APPROVER)
    assert "1 change waits for your approval" in said(approver.get("/console/retail/today"))
    assert "Autumn sale" in said(approver.get("/console/retail/approvals"))
    answer = approver.submit(f"/console/retail/rules/{rule_set}/approve", submission=submission, note="")
    assert answer.headers["location"].endswith("/releases?done=approved")
    with sessions() as session:
        assert rule_set_of(session, rule_set).live_number == 2
    text = said(approver.get(f"/console/retail/rules/{rule_set}/releases"))
    assert "written by Editor Person, approved by Approver Person" in text


def test_nobody_approves_their_own_work_admins_neither(browser_as, rule_set, sessions):
    admin = browser_as(Role.ADMIN)
    submission = submitted(admin, rule_set, sessions)
    page = said(admin.get(f"/console/retail/rules/{rule_set}/review"))
    assert "Nobody approves what they wrote or submitted themselves." in page
    assert "Who can: Approver Person." in page
    answer = admin.submit(f"/console/retail/rules/{rule_set}/approve", submission=submission, note="")
    assert answer.status_code == 409
    with sessions() as session:
        assert rule_set_of(session, rule_set).live_number == 1


def test_sending_back_wants_a_comment_that_the_author_reads(editor, browser_as, rule_set, sessions):
    submission = submitted(editor, rule_set, sessions)
    approver = browser_as(Role.APPROVER)
    path = f"/console/retail/rules/{rule_set}/send-back"
    assert approver.submit(path, submission=submission, note="").status_code == 422
    assert approver.submit(path, submission=submission, note="12 % is enough").status_code == 303
    text = said(editor.get(f"/console/retail/rules/{rule_set}/review"))
    assert "Approver Person: 12 % is enough" in text
    assert draft(sessions, rule_set) is not None


def test_a_later_edit_takes_the_draft_out_of_review(editor, browser_as, rule_set, sessions):
    submission = submitted(editor, rule_set, sessions)
    editor.submit(
        changes(rule_set),
        change="toggle_rule",
        rule="r_vip",
        base_revision=str(draft(sessions, rule_set).revision),
    )
    answer = browser_as(Role.APPROVER).submit(
        f"/console/retail/rules/{rule_set}/approve", submission=submission, note=""
    )
    assert answer.status_code == 409
    assert "no longer stands" in answer.text


def test_rolling_back_says_first_what_changes_then_does_it(editor, browser_as, rule_set, sessions):
    with sessions() as session:
        first = rule_set_of(session, rule_set).live_release_id
    submission = submitted(editor, rule_set, sessions)
    approver = browser_as(Role.APPROVER)
    approver.submit(f"/console/retail/rules/{rule_set}/approve", submission=submission, note="")
    path = f"/console/retail/rules/{rule_set}/releases/{first}/roll-back"
    asked = said(approver.get(path))
    assert "to release 1?" in asked
    assert "is: take 10 % off goods" in asked
    assert approver.submit(path, reason="Too dear").status_code == 303
    with sessions() as session:
        assert rule_set_of(session, rule_set).live_release_id == first
    assert approver.submit(path).status_code == 409


def test_trying_shows_the_receipt_and_why_not_more(editor, rule_set):
    edited(editor, rule_set)
    text = said(
        editor.get(
            f"/console/retail/rules/{rule_set}/try?sku1=tea&quantity1=2&tier=standard&order_number=2&delivery=post"
        )
    )
    assert "Under this draft: ¥225.60" in text
    assert "¥12.80 less than under what is live (¥238.40)" in text
    assert "−¥38.40" in text
    assert "buyer tier was Standard; this rule asks that it is one of VIP" in text


def test_trying_says_how_much_was_missing(editor, rule_set):
    text = said(editor.get(f"/console/retail/rules/{rule_set}/try?sku1=tea&quantity1=1&order_number=2"))
    assert "order subtotal was ¥128.00; this rule asks that it is at least ¥200.00" in text
    assert "¥72.00 more" in text


def test_trying_refuses_what_is_no_number(editor, rule_set):
    answer = editor.get(f"/console/retail/rules/{rule_set}/try?sku1=tea&quantity1=many&order_number=2")
    assert answer.status_code == 422
    assert 'value="many"' in answer.text


def test_rules_for_all_businesses_are_read_but_not_changed_by_one(editor, rule_set, sessions):
    from rules.queries import rule_sets
    from tests.builders import live_rules

    rule = {
        "id": "r_large",
        "name": "Large",
        "stage": 10,
        "when": {"all": [{"field": "order.total_minor", "op": "gte", "value": 500}]},
        "effects": [{"kind": "review", "reason": "large"}],
    }
    with sessions.begin() as session:
        live_rules(session, rule, business="platform", decision="transaction.risk")
        shared = rule_sets(session, "platform")[0].id
    page = editor.get(f"/console/retail/rules/{shared}")
    assert "hold the order for a person: large" in said(page)
    assert "Add rule" not in page.text
    assert editor.submit(changes(shared), change="toggle_rule", rule="r_large", base_revision="0").status_code == 404
    tried = said(editor.get(f"/console/retail/rules/{shared}/try?order.total_minor=7"))
    assert "hold the order for a person: large" in tried
    made = editor.submit("/console/retail/rules", decision="transaction.risk")
    assert made.status_code == 303
    assert "hold the order for a person: large" in said(editor.get(made.headers["location"]))


def test_discarding_asks_first_and_leaves_live_alone(editor, rule_set, sessions):
    edited(editor, rule_set)
    path = f"/console/retail/rules/{rule_set}/discard"
    assert "Discard 1 change" in said(editor.get(path))
    assert editor.submit(path, base_revision=str(draft(sessions, rule_set).revision)).status_code == 303
    assert draft(sessions, rule_set) is None
