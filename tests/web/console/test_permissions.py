"""The one permission table, walked through every console route with every role."""

from __future__ import annotations

import re

import pytest
from fastapi.routing import APIRoute

from web.access.contract import OperatorSeen, Role, Theme
from web.access.permissions import PERMISSIONS, Action, may, roles_for
from web.console.routes import PARTS, router
from web.console.visit import Needs

OPEN = {
    "sign_in_page",
    "sign_in",
    "sign_in_demo",
    "sign_out",
    "preferences",
    "console",
    "door",
    "nowhere",
}
"""Routes of the door: they need a session of one's own or nobody at all."""


def routes() -> list[APIRoute]:
    own = [route for route in router.routes if isinstance(route, APIRoute)]
    return [*own, *(route for part in PARTS for route in part.routes if isinstance(route, APIRoute))]


def action_of(route: APIRoute) -> Action | None:
    needs = [d.call for d in route.dependant.dependencies if isinstance(d.call, Needs)]
    assert len(needs) <= 1, route.path
    return needs[0].action if needs else None


def test_every_route_names_exactly_one_action_or_is_a_door():
    for route in routes():
        assert (action_of(route) is None) == (route.name in OPEN), route.path


def test_every_action_of_the_table_guards_something_and_none_is_missing():
    assert set(PERMISSIONS) == set(Action)
    guarded = {action_of(route) for route in routes()} - {None}
    assert guarded == set(Action)


def test_the_table_denies_what_it_does_not_say():
    nobody = OperatorSeen(
        id="opr_x", email="x@example.com", name="X", language="en", theme=Theme.DEVICE, roles={}, is_demo=False
    )
    assert not any(may(nobody, "retail", action) for action in Action)
    assert roles_for("made_up") == frozenset()


def test_who_changes_rules_cannot_approve_by_role_alone_and_auditors_change_nothing():
    changing = {
        Action.EDIT_RULES,
        Action.SUBMIT_RULES,
        Action.APPROVE_RULES,
        Action.ROLL_BACK_RULES,
        Action.REVIEW_ORDERS,
        Action.REFUND_ORDERS,
        Action.CHANGE_ORDERS,
        Action.CHANGE_CUSTOMERS,
        Action.ERASE_CUSTOMERS,
        Action.DECIDE_APPROVALS,
        Action.CHANGE_CAMPAIGNS,
        Action.CHANGE_COUPONS,
        Action.CHANGE_PRICES,
        Action.CHANGE_GIFT_CARDS,
        Action.GRANT_POINTS,
        Action.REPAIR_PROCESSES,
        Action.CORRECT_LEDGER,
        Action.RUN_PAYOUTS,
        Action.HOLD_MONEY,
        Action.SET_SETTLEMENT,
        Action.ISSUE_STATEMENTS,
        Action.RECONCILE,
        Action.KEEP_WEBHOOKS,
        Action.RESEND_WEBHOOKS,
    }
    assert not any(Role.AUDITOR in PERMISSIONS[action] for action in changing)
    assert Role.EDITOR not in PERMISSIONS[Action.APPROVE_RULES]
    assert Role.APPROVER not in PERMISSIONS[Action.EDIT_RULES]


@pytest.mark.parametrize("role", list(Role))
def test_every_route_answers_every_role_as_the_table_says(role, browser_as, rule_set):
    browser = browser_as(role)
    token = browser.csrf()
    walked = 0
    for route in routes():
        action = action_of(route)
        if action is None:
            continue
        path = route.path.replace("{business}", "retail").replace("{rule_set_id}", rule_set)
        path = re.sub(r"\{\w+\}", "unknown", path)
        for method in route.methods - {"HEAD"}:
            answer = browser.request(
                method,
                path,
                data={"csrf": token} if method == "POST" else None,
                follow_redirects=False,
            )
            walked += 1
            if role in PERMISSIONS[action]:
                assert answer.status_code not in (401, 403, 500), (method, path, answer.status_code)
            else:
                assert answer.status_code == 403, (method, path, answer.status_code)
                assert "This needs one of these roles" in answer.text
    assert walked >= 25


@pytest.mark.parametrize("role", list(Role))
def test_a_business_one_has_no_role_in_is_not_there(role, browser_as, rule_set):
    browser = browser_as(role)
    assert browser.get("/console/tourism/today").status_code == 404
    assert "Tourism" not in browser.get("/console/retail/today").text


def test_rules_of_another_business_are_not_there(browser_as, rule_set, sessions):
    from rules.queries import rule_sets
    from tests.builders import live_rules

    with sessions.begin() as session:
        live_rules(session, business="tourism")
        other = rule_sets(session, "tourism")[0].id
    assert browser_as(Role.ADMIN).get(f"/console/retail/rules/{other}").status_code == 404


def test_without_a_session_every_route_leads_to_the_door(guest, rule_set):
    for route in routes():
        if action_of(route) is None:
            continue
        path = re.sub(r"\{\w+\}", "unknown", route.path.replace("{business}", "retail"))
        method = "POST" if "POST" in route.methods else "GET"
        answer = guest.request(method, path, follow_redirects=False)
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/console/sign-in")


def test_htmx_without_a_session_is_sent_to_the_door_whole(guest):
    answer = guest.get("/console/retail/today", headers={"HX-Request": "true"}, follow_redirects=False)
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"].startswith("/console/sign-in?next=")


def test_a_forbidden_page_names_the_role_and_who_has_it(browser_as, rule_set):
    answer = browser_as(Role.EDITOR).get("/console/retail/audit")
    assert answer.status_code == 403
    assert "Admin Person" in answer.text
    assert "Auditor Person" in answer.text
