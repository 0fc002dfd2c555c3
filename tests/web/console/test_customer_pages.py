"""Customers and approvals as pages: who sees what, what acts are started with, and that nobody decides on their own."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta

import pytest

from activities.journal import service as journal
from activities.journal.approvals import ask
from activities.journal.models import ProcessRun, RunStatus
from capabilities.kernel.clock import now
from capabilities.kernel.idempotency import Answer
from capabilities.kernel.identity import BusinessIdentity
from capabilities.user.contract import EnrolBuyer, Tier
from capabilities.user.service import enrol_buyer
from tests.activities.selling import an_order, sell
from web.access.audit import entries_page
from web.access.contract import Role
from web.console import acts
from web.starting import Ran
from workflows.library import definition_for
from workflows.worker import load_operations

load_operations()

BASE = "/console/retail/customers"


def said(answer) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", answer.text)))


@pytest.fixture
def ann(people, sessions) -> str:
    with sessions.begin() as session:
        for code, name, tier in (("ann", "Ann Lee", Tier.GOLD), ("bob", "Bob Ray", Tier.STANDARD)):
            email = f"{code}@example.com"
            enrol_buyer(session, EnrolBuyer(business="retail", id=code, name=name, email=email, tier=tier))
    return "ann"


@pytest.fixture
def started(monkeypatch) -> list[dict]:
    found: list[dict] = []

    async def run_process(request, **asked):
        found.append(asked)
        return Ran("run_x", Answer(200, "{}"), is_replayed=False)

    monkeypatch.setattr(acts, "run_process", run_process)
    return found


def posted(page) -> dict[str, str]:
    form = page.text.split(f'<form method="post" action="{BASE}')[-1].split("</form>")[0]
    names = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
    return {name: html.unescape(value) for name, value in names if name != "csrf"}


def test_customers_are_found_by_name_tier_and_state(browser_as, ann):
    browser = browser_as(Role.OPERATOR)
    text = said(browser.get(f"{BASE}?q=lee"))
    assert "Ann Lee ann ann@example.com ● active ● Gold" in text
    assert "Bob Ray" not in text
    assert "1 customer matches" in text
    assert "2 customers match" in said(browser.get(BASE))
    assert "No customer matches" in said(browser.get(f"{BASE}?tier=vip&status=suspended"))


def test_who_may_not_act_on_customers_sees_no_names_and_finds_by_none(browser_as, ann):
    browser = browser_as(Role.AUDITOR)
    for path in (BASE, f"{BASE}?q=ann", f"{BASE}/ann"):
        text = browser.get(path).text
        assert "ann" in text
        assert "Ann Lee" not in text
        assert "@example.com" not in text.replace("@demo.example", "")
    assert "No customer matches" in said(browser.get(f"{BASE}?q=lee"))
    assert "Who can: Admin Person, Operator Person." in said(browser.get(f"{BASE}/ann"))
    assert browser.get(f"{BASE}/ann/export").status_code == 403


def test_a_customer_is_suspended_for_a_reason(browser_as, ann, started):
    browser = browser_as(Role.OPERATOR)
    page = browser.get(f"{BASE}/ann/acts/suspend")
    assert "Suspend Ann Lee: every new checkout is refused." in said(page)
    assert browser.submit(f"{BASE}/ann/acts/suspend", **posted(page), reason="").status_code == 422
    answer = browser.submit(f"{BASE}/ann/acts/suspend", **posted(page), reason="Chargebacks")
    assert answer.headers["location"] == f"{BASE}/ann?ran=run_x"
    assert started[0]["process"] == "suspend_buyer"
    assert started[0]["input"] == {"buyer_id": "ann", "reason": "Chargebacks"}
    assert "This customer is not suspended." in said(browser.get(f"{BASE}/ann/acts/restore"))


def test_a_tier_is_set_until_the_end_of_a_day_in_the_zone_of_the_business(browser_as, ann, started):
    browser = browser_as(Role.OPERATOR)
    page = browser.get(f"{BASE}/ann/acts/tier?tier=vip&until=2026-12-31")
    assert "Set Ann Lee to VIP" in said(page)
    browser.submit(f"{BASE}/ann/acts/tier", **posted(page), reason="A friend")
    asked = started[0]["input"]
    assert (asked["tier"], asked["until"]) == ("vip", "2027-01-01T00:00:00+08:00")


def test_a_consent_names_the_text_that_was_shown(browser_as, ann, started):
    browser = browser_as(Role.OPERATOR)
    page = browser.get(f"{BASE}/ann/acts/consent?purpose=analytics&given=no")
    assert "Record that Ann Lee withdraws from analytics." in said(page)
    answer = browser.submit(f"{BASE}/ann/acts/consent", **posted(page), text_version="", channel="phone")
    assert "Say which text the buyer was shown." in answer.text
    browser.submit(f"{BASE}/ann/acts/consent", **posted(page), text_version="v2", channel="phone")
    assert started[0]["input"] == {
        "buyer_id": "ann",
        "purpose": "analytics",
        "is_given": False,
        "text_version": "v2",
        "channel": "phone",
    }


def test_erasing_says_what_goes_and_what_stays_and_is_refused_while_an_order_is_open(
    browser_as, ann, started, sessions
):
    browser = browser_as(Role.OPERATOR)
    text = said(browser.get(f"{BASE}/bob/acts/erase"))
    assert "What goes name, e-mail, birthday, tags, segments, reasons of tiers" in text
    assert "What stays orders, payments and the ledger with an id that tells nobody's name" in text
    assert "This cannot be undone." in text
    with sessions.begin() as session:
        order = an_order(session, buyer="ann")
        sell(session, order, [("sim_ok", 270_00)])
    refused = browser.get(f"{BASE}/ann/acts/erase")
    assert refused.status_code == 409
    assert f"Something of this customer is still open: {order.number} (confirmed)." in said(refused)
    assert "Ask to erase the data" not in refused.text
    assert started == []


def test_taking_a_customers_data_stands_in_the_audit(browser_as, ann, sessions):
    answer = browser_as(Role.OPERATOR).get(f"{BASE}/ann/export")
    assert json.loads(answer.text)["buyer"]["email"] == "ann@example.com"
    with sessions() as session:
        newest = entries_page(session, "retail", limit=1)[0]
    assert (newest.action, newest.subject) == ("customers.export", "ann")


# --- approvals --------------------------------------------------------------------------------------------------


def a_question(session, key: str, asked_by: str, *, due: int, role: str = "approver") -> None:
    definition = definition_for("refund", BusinessIdentity("retail"))
    journal.save_definition(
        session, sha256=definition.sha256, body=definition.body, business="retail", process="refund"
    )
    journal.open_run(
        session,
        id=f"run_{key}",
        business="retail",
        scenario=None,
        process="refund",
        definition_sha256=definition.sha256,
        workflow_id=f"retail/refund/{key}",
        input={},
        actor=asked_by,
        correlation_id=key,
        status=RunStatus.WAITING,
    )
    shows = {"number": f"R-{key}", "currency": "CNY", "due_minor": due, "kind": "return", "reason": f"Why {key}"}
    about = {"business": "retail", "run_id": f"run_{key}", "path": "approval", "iteration": 0}
    ask(session, **about, role=role, shows=shows, asked_by=asked_by, until=now() + timedelta(days=1))


@pytest.fixture
def questions(people, sessions) -> None:
    with sessions.begin() as session:
        a_question(session, "old", "api:shop", due=600_00)
        a_question(session, "big", people[Role.ADMIN].id, due=900_00)


def link_of(browser, number: str) -> str:
    found = re.search(
        rf'href="(/console/retail/approvals/[^"]+)">Refund {number}', browser.get("/console/retail/approvals").text
    )
    assert found is not None
    return found.group(1)


def test_what_waits_stands_in_one_list_by_age_or_money(browser_as, questions):
    browser = browser_as(Role.APPROVER)
    text = said(browser.get("/console/retail/approvals"))
    assert text.index("Refund R-old") < text.index("Refund R-big")
    text = said(browser.get("/console/retail/approvals?by=money"))
    assert text.index("Refund R-big") < text.index("Refund R-old")
    assert "¥900.00" in text
    assert "2 processes ask for your approval" in said(browser.get("/console/retail/today"))


def test_ones_own_question_is_shown_closed_with_the_reason_and_who_can(browser_as, questions):
    browser = browser_as(Role.ADMIN)
    page = browser.get(link_of(browser, "R-big"))
    text = said(page)
    assert "You asked for this yourself; somebody else decides." in text
    assert "Who can: Approver Person." in text
    assert 'name="decision"' not in page.text


def test_who_lacks_the_role_is_told_so_and_cannot_decide_by_hand(browser_as, questions, sessions):
    browser = browser_as(Role.OPERATOR)
    path = link_of(browser, "R-old")
    assert "This needs another role than yours." in said(browser.get(path))
    answer = browser.submit(path, decision="approve", reason="because")
    assert answer.status_code == 409
    with sessions() as session:
        assert session.get(ProcessRun, "run_old").status == RunStatus.WAITING
    assert browser_as(Role.AUDITOR).submit(path, decision="approve", reason="x").status_code == 403


def test_a_decision_wants_a_reason(browser_as, questions):
    browser = browser_as(Role.APPROVER)
    path = link_of(browser, "R-old")
    answer = browser.submit(path, decision="approve", reason="")
    assert answer.status_code == 422
    assert "Say why: it stands in the audit." in answer.text
    assert "Approve ¥600.00" in said(answer)
