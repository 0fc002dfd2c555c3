"""The door of the console: cookies, forged requests, one-click demo accounts."""

from __future__ import annotations

import re

import pytest

from tests.web.console.conftest import PASSWORD
from web.access.contract import Role
from web.access.models import OperatorRole
from web.edge import POLICY


def token_of(page) -> str:
    return re.findall(r'name="csrf" value="([^"]+)"', page.text)[0]


def test_a_stranger_is_led_to_the_door_and_back_to_where_they_wanted(guest):
    answer = guest.get("/console/retail/rules?tab=1", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/console/sign-in?next=/console/retail/rules%3Ftab%3D1"
    page = guest.get(answer.headers["location"])
    signed = guest.post(
        "/console/sign-in",
        data={
            "csrf": token_of(page),
            "email": "editor@demo.example",
            "password": PASSWORD,
            "next": "/console/retail/rules?tab=1",
        },
        follow_redirects=False,
    )
    assert (signed.status_code, signed.headers["location"]) == (303, "/console/retail/rules?tab=1")


def test_a_wrong_password_gives_the_form_back_with_the_name_kept(guest):
    page = guest.get("/console/sign-in")
    answer = guest.post(
        "/console/sign-in", data={"csrf": token_of(page), "email": "editor@demo.example", "password": "no"}
    )
    assert answer.status_code == 422
    assert 'value="editor@demo.example"' in answer.text
    assert "Name and password do not fit together." in answer.text


def test_a_redirect_never_leads_elsewhere(guest):
    page = guest.get("/console/sign-in")
    answer = guest.post(
        "/console/sign-in",
        data={
            "csrf": token_of(page),
            "email": "editor@demo.example",
            "password": PASSWORD,
            "next": "/console//evil.example",
        },
        follow_redirects=False,
    )
    assert answer.headers["location"] == "/console"


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_a_request_from_elsewhere_is_refused_even_with_the_token(browser_as, headers):
    browser = browser_as(Role.EDITOR)
    answer = browser.post("/console/preferences", data={"csrf": browser.csrf(), "theme": "dark"}, headers=headers)
    assert answer.status_code == 403
    assert "did not come from a page of this console" in answer.text


def test_a_request_without_the_token_is_refused(browser_as):
    browser = browser_as(Role.EDITOR)
    assert browser.post("/console/preferences", data={"theme": "dark"}).status_code == 403
    assert browser.post("/console/sign-out", data={"csrf": "guess"}).status_code == 403


def test_the_token_may_come_in_the_header_as_htmx_sends_it(browser_as):
    browser = browser_as(Role.EDITOR)
    answer = browser.post(
        "/console/preferences",
        data={"theme": "dark"},
        headers={"X-CSRF-Token": browser.csrf()},
        follow_redirects=False,
    )
    assert answer.status_code == 303


def test_the_console_opens_where_one_was_last(browser_as, sessions, people):
    with sessions.begin() as session:
        session.add(OperatorRole(operator_id=people[Role.EDITOR].id, business="tourism", role="editor"))
    browser = browser_as(Role.EDITOR)
    for business in ("tourism", "retail"):
        browser.get(f"/console/{business}/rules")
        assert browser.get("/console", follow_redirects=False).headers["location"] == f"/console/{business}/today"


def test_signing_in_changes_the_token(browser_as):
    browser = browser_as(Role.EDITOR)
    first = browser.csrf()
    browser.submit("/console/sign-out")
    assert browser.get("/console/retail/today", follow_redirects=False).status_code == 303
    assert browser_as(Role.EDITOR).csrf() != first


def test_every_answer_carries_the_policy(guest):
    headers = guest.get("/console/sign-in").headers
    assert headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_the_cookie_is_out_of_reach_of_scripts(guest):
    set_cookie = guest.get("/console/sign-in").headers["set-cookie"]
    assert "HttpOnly" in set_cookie
    assert "SameSite=lax" in set_cookie


class TestWithoutDemo:
    @pytest.fixture
    def demo_mode(self) -> bool:
        return False

    def test_there_is_no_one_click_door(self, guest, people):
        guest.base_url = guest.base_url.copy_with(scheme="https")
        page = guest.get("/console/sign-in")
        assert "one click each" not in page.text
        answer = guest.post(
            "/console/sign-in/demo",
            data={"csrf": token_of(page), "operator": people[Role.ADMIN].id},
            follow_redirects=False,
        )
        assert answer.headers["location"].startswith("/console/sign-in")

    def test_the_cookie_is_host_bound_and_only_for_tls(self, guest):
        guest.base_url = guest.base_url.copy_with(scheme="https")
        page = guest.get("/console/sign-in")
        answer = guest.post(
            "/console/sign-in",
            data={"csrf": token_of(page), "email": "editor@demo.example", "password": PASSWORD},
            follow_redirects=False,
        )
        session_cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("__Host-zhongtai="))
        assert "Secure" in session_cookie
        assert "Path=/" in session_cookie
