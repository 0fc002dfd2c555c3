"""Acts on orders: what is shown is what the process is started with; refused and blocked ones say why."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from typing import Any

import pytest

from activities.catalogue import StepContext, find_operation
from capabilities.kernel.clock import now
from capabilities.kernel.idempotency import Answer
from capabilities.kernel.identity import BusinessIdentity
from capabilities.payment.schedule_models import DueRow
from capabilities.transaction.queries import order_of
from capabilities.transaction.unit_queries import returns_of
from tests.activities.selling import an_order, sell
from tests.builders import live_rules
from web.access.audit import entries_page
from web.access.contract import Role
from web.console import acts
from web.starting import Ran
from workflows.worker import load_operations

load_operations()

AUTO = {"id": "r", "name": "All", "grain": "refund", "stage": 10, "effects": [{"kind": "auto", "fee_minor": 500}]}
ASK = {"id": "r", "name": "Ask", "grain": "refund", "stage": 10, "effects": [{"kind": "ask", "reason": "A large one"}]}


def said(answer) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def run(session, name: str, key: str, /, **request: Any) -> Any:
    operation = find_operation(name)
    context = StepContext(f"run_{key}", name, f"{key}/{name}", BusinessIdentity("retail"), "api:test", "corr_1")
    return operation.run(session, context, operation.request.model_validate(request))


@pytest.fixture
def order(people, sessions) -> str:
    """Three teas at 90.00 of Ann, 20.00 of it off, paid by two cards; two are handed over."""
    with sessions.begin() as session:
        made = an_order(session, off=20_00)
        sell(session, made, [("sim_ok", 200_00), ("sim_other", 50_00)])
        run(session, "transaction.fulfil", "f", order_id=made.id, lines=[{"line_id": "l1", "units": 2}], carrier="SF")
        live_rules(session, AUTO, decision="transaction.refund_policy", policy="first")
        return made.id


class Started(list):
    """What processes were started with; `answer` is what they answer."""

    answer: Answer | None = Answer(201, json.dumps({"number": "R-1"}))


@pytest.fixture
def started(monkeypatch) -> Started:
    found = Started()

    async def run_process(request, **asked):
        found.append(asked)
        return Ran("run_x", found.answer, is_replayed=False)

    monkeypatch.setattr(acts, "run_process", run_process)
    return found


def posted(page) -> dict[str, str]:
    """The fields of the form that does it, as the page holds them."""
    form = page.text.split('<form method="post" action="/console/retail/orders')[-1]
    names = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form.split("</form>")[0])
    return {name: html.unescape(value) for name, value in names if name != "csrf"}


def test_an_order_shows_its_pieces_payments_and_story(browser_as, order):
    text = said(browser_as(Role.OPERATOR).get(f"/console/retail/orders/{order}"))
    assert "tea (en) tea 3 1 2 – – – Return a piece Cancel a piece" in text
    assert "1. card (sim_ok) ● captured ¥200.00" in text
    assert "2. card (sim_other) ● captured ¥50.00" in text
    assert "● handed over 2 pieces · SF" in text
    assert "◐ partly handed over" in text
    assert "transfers, booked together" in text
    assert "provider clearing → sales in transit" in text


def test_who_may_not_act_sees_the_controls_closed_and_who_can(browser_as, order):
    page = browser_as(Role.EDITOR).get(f"/console/retail/orders/{order}")
    text = said(page)
    assert "Acting on orders needs an operator. Who can: Admin Person, Operator Person." in text
    assert "/refund?" not in page.text
    assert "transfers, booked together" not in text, "an editor does not see the books"


def test_a_refund_shows_what_it_gives_back_per_line_and_source_after_the_fee(browser_as, order):
    page = browser_as(Role.OPERATOR).get(f"/console/retail/orders/{order}/refund?units.l1=1")
    text = said(page)
    assert "tea (en) 1 90.00 −6.67 0.00 83.33" in text
    assert "card (sim_ok) 62.66 card (sim_other) 15.67 To the buyer 78.33" in text
    assert "Fee kept by the policy −¥5.00" in text
    assert "Still kept afterwards ¥166.67" in text
    assert "Refund 1 piece of order" in text
    assert "¥78.33 back to what it was paid from." in text
    assert "Refund ¥78.33" in text


def test_what_was_shown_is_what_the_refund_is_started_with(browser_as, order, started, people, sessions):
    browser = browser_as(Role.OPERATOR)
    path = f"/console/retail/orders/{order}/refund"
    fields = posted(browser.get(f"{path}?units.l1=1"))
    answer = browser.submit(path, **fields, reason="A cup was broken")
    assert answer.headers["location"] == f"/console/retail/orders/{order}?ran=run_x"
    (asked,) = started
    assert asked["process"] == "refund"
    assert asked["actor"] == people[Role.OPERATOR].id
    assert asked["key"] == fields["key"]
    request = asked["input"]["request"]
    assert request["lines"] == [{"line_id": "l1", "units": 1}]
    assert (request["kind"], request["reason"]) == ("return", "A cup was broken")
    with sessions() as session:
        shown = run(session, "transaction.assess_refund", "a", **request)
        newest = entries_page(session, "retail", limit=1)[0]
    assert asked["input"]["sha256"] == shown.sha256
    assert (newest.action, newest.subject) == ("acts.refund", order)


def test_a_refund_wants_a_reason_and_keeps_what_was_chosen(browser_as, order, started):
    browser = browser_as(Role.OPERATOR)
    path = f"/console/retail/orders/{order}/refund"
    answer = browser.submit(path, **posted(browser.get(f"{path}?units.l1=1")), reason="")
    assert answer.status_code == 422
    assert "Say why: it stands in the audit." in answer.text
    assert 'name="units.l1" value="1"' in answer.text
    assert started == []


def test_a_refund_that_would_come_to_something_else_by_now_is_shown_again(browser_as, order, started, sessions):
    browser = browser_as(Role.OPERATOR)
    path = f"/console/retail/orders/{order}/refund"
    fields = posted(browser.get(f"{path}?units.l1=1"))
    with sessions.begin() as session:
        live_rules(
            session, {**AUTO, "effects": [{"kind": "auto"}]}, decision="transaction.refund_policy", policy="first"
        )
    answer = browser.submit(path, **fields, reason="late")
    assert answer.status_code == 409
    assert "It would come to something else by now." in answer.text
    assert "Refund ¥83.33" in said(answer)
    assert started == []


def test_more_pieces_than_were_handed_over_are_not_refunded(browser_as, order):
    answer = browser_as(Role.OPERATOR).get(f"/console/retail/orders/{order}/refund?units.l1=3")
    assert answer.status_code == 422
    assert "Of this line 2 can be chosen, not 3." in answer.text


def test_a_refund_that_needs_a_person_says_so_before_it_is_asked_for(browser_as, order, sessions):
    with sessions.begin() as session:
        live_rules(session, ASK, decision="transaction.refund_policy", policy="first")
    text = said(browser_as(Role.OPERATOR).get(f"/console/retail/orders/{order}/refund?amount=10"))
    assert "somebody else has to approve it before money goes" in text
    assert "Ask for a refund of ¥10.00" in text
    assert "Policy A large one" in text


def test_a_process_that_says_no_is_told_word_for_word(browser_as, order, started):
    started.answer = Answer(402, json.dumps({"code": "payment.refund_declined", "detail": "The card is closed."}))
    browser = browser_as(Role.OPERATOR)
    path = f"/console/retail/orders/{order}/refund"
    first = posted(browser.get(f"{path}?units.l1=1"))
    answer = browser.submit(path, **first, reason="x")
    assert answer.status_code == 409
    assert "The card is closed." in answer.text
    assert posted(answer)["key"] != first["key"], "the next attempt is another one"


def test_a_form_without_its_key_does_nothing(browser_as, order, started):
    browser = browser_as(Role.OPERATOR)
    path = f"/console/retail/orders/{order}/refund"
    fields = posted(browser.get(f"{path}?units.l1=1")) | {"key": "mine"}
    answer = browser.submit(path, **fields, reason="x")
    assert answer.status_code == 422
    assert "This form was not sent from its page." in answer.text
    assert started == []


def test_cancelling_names_what_is_open_and_what_it_gives_back(browser_as, order, started):
    browser = browser_as(Role.OPERATOR)
    path = f"/console/retail/orders/{order}/acts/cancel"
    page = browser.get(path)
    assert "Cancel 1 piece of order" in said(page)
    assert "and give ¥78.33 back" in said(page)
    browser.submit(path, **posted(page), reason="Out of stock")
    assert started[0]["process"] == "cancel"
    assert started[0]["input"] == {
        "order_id": order,
        "lines": [{"line_id": "l1", "units": 1}],
        "reason": "Out of stock",
    }


def test_handing_over_takes_what_is_open_unless_told_otherwise(browser_as, order, started):
    browser = browser_as(Role.OPERATOR)
    path = f"/console/retail/orders/{order}/acts/hand-over"
    page = browser.get(path)
    assert "the last that are open: the time for returns begins" in said(page)
    browser.submit(path, **posted(page), carrier="SF", tracking="123")
    asked = started[0]["input"]
    assert (asked["lines"], asked["carrier"], asked["tracking"]) == ([{"line_id": "l1", "units": 1}], "SF", "123")


def test_a_return_is_announced_received_and_refunded(browser_as, order, started, sessions):
    browser = browser_as(Role.OPERATOR)
    path = f"/console/retail/orders/{order}/acts/return"
    browser.submit(path, **posted(browser.get(f"{path}?units.l1=2")), reason="Too small")
    assert started[0]["input"]["lines"] == [{"line_id": "l1", "units": 2}]
    with sessions.begin() as session:
        run(session, "transaction.request_return", "r", **started[0]["input"])
        found = returns_of(session, order)[0]
    assert "2 pieces" in said(browser.get(f"/console/retail/orders/{order}"))
    assert found.number in said(browser.get("/console/retail/returns?status=requested"))
    where = f"/console/retail/returns/{found.id}"
    page = browser.get(f"{where}/receive?restock.l1=1&discard.l1=1")
    assert "Receive 2 pieces of return" in said(page)
    assert "1 go on the shelf again, 1 are thrown away" in said(page)
    form = page.text.split(f'action="{where}/receive" novalidate')[-1]
    fields = dict(re.findall(r'<input type="hidden" name="((?:key|restock|discard)[^"]*)" value="([^"]*)"', form))
    browser.submit(f"{where}/receive", **fields)
    assert started[1]["input"]["lines"] == [{"line_id": "l1", "restock": 1, "discard": 1}]
    with sessions.begin() as session:
        run(session, "transaction.receive_return", "v", **started[1]["input"])
    link = re.search(r'href="([^"]+/refund\?[^"]+)"', browser.get(where).text)
    assert link is not None
    assert "Refund 2 pieces of order" in said(browser.get(html.unescape(link.group(1))))


def test_an_open_order_is_changed_as_the_dry_run_shows(browser_as, order, started):
    browser = browser_as(Role.OPERATOR)
    path = f"/console/retail/orders/{order}/acts/change"
    page = browser.get(f"{path}?quantity.l1=2")
    text = said(page)
    assert "from ¥250.00 to ¥166.67" in text
    assert "Comes off −¥83.33" in text
    browser.submit(path, **posted(page), reason="One less")
    asked = started[0]["input"]
    assert asked["change"]["lines"] == [{"line_id": "l1", "quantity": 2}]
    assert re.fullmatch(r"[0-9a-f]{64}", asked["sha256"])


def test_what_is_overdue_stands_on_today_in_the_list_and_is_collected(browser_as, order, started, sessions):
    with sessions.begin() as session:
        for position, days in ((0, -3), (1, 30)):
            session.add(
                DueRow(
                    order_id=order,
                    business="retail",
                    buyer_id="ann",
                    position=position,
                    when="at",
                    status="open",
                    currency="CNY",
                    planned_minor=40_00,
                    amount_minor=40_00,
                    due_at=now() + timedelta(days=days),
                    attempts=1 if days < 0 else 0,
                    created_at=now(),
                )
            )
    browser = browser_as(Role.OPERATOR)
    today = browser.get("/console/retail/today")
    assert "1 due is overdue" in said(today)
    assert 'href="/console/retail/dues?overdue=yes"' in today.text
    text = said(browser.get("/console/retail/dues?overdue=yes"))
    assert "1 due matches" in text
    assert "▲ overdue" in text
    assert "¥40.00" in text
    assert "¥80.00 are owed" in said(browser.get(f"/console/retail/orders/{order}"))
    path = f"/console/retail/orders/{order}/acts/collect"
    page = browser.get(f"{path}?position=0")
    assert "Collect ¥40.00 of order" in said(page)
    browser.submit(path, **posted(page))
    assert started[0]["process"] == "collect"
    assert (started[0]["input"]["positions"], started[0]["input"]["by"]) == ([0], "provider")


def test_an_order_that_is_not_confirmed_is_cancelled_whole(browser_as, people, started, sessions):
    with sessions.begin() as session:
        early = an_order(session).id
    browser = browser_as(Role.OPERATOR)
    path = f"/console/retail/orders/{early}/acts/cancel"
    page = browser.get(path)
    assert "A checkout under way undoes itself" in said(page)
    browser.submit(path, **posted(page), reason="Ordered twice")
    assert started[0]["input"]["lines"] == []
    refund = said(browser.get(f"/console/retail/orders/{early}/refund"))
    assert "Nothing was paid for this order here, so nothing can be given back." in refund


def test_what_cannot_apply_says_why(browser_as, order, sessions):
    browser = browser_as(Role.OPERATOR)
    text = said(browser.get(f"/console/retail/orders/{order}/acts/collect"))
    assert "Nothing of this order is open to be collected." in text
    assert browser.get(f"/console/retail/orders/{order}/acts/fly").status_code == 404
    with sessions() as session:
        assert order_of(session, order).status.value == "confirmed"


def test_a_refund_has_a_page_and_stands_in_its_list(browser_as, order, sessions):
    with sessions.begin() as session:
        request = {"order_id": order, "kind": "return", "lines": [{"line_id": "l1", "units": 1}], "reason": "Broken"}
        opened = run(session, "transaction.open_refund", "o", request=request)
    browser = browser_as(Role.AUDITOR)
    text = said(browser.get("/console/retail/refunds?status=requested&q=Broken"))
    assert f"{opened.number} ◇ waits for approval" in text
    assert "goods came back" in text
    assert "Sum of this page (CNY) ¥83.33 ¥83.33" in text
    assert "1 refund matches" in text
    assert "No refund matches" in said(browser.get("/console/retail/refunds?status=failed"))
    one = said(browser.get(f"/console/retail/refunds/{opened.refund_id}"))
    assert "tea (en) tea 1 90.00 −6.67 83.33 0.00 0 % 83.33" in one
    assert "card (sim_ok) ¥66.66 card (sim_other) ¥16.67" in one
    today = browser_as(Role.OPERATOR).get("/console/retail/today")
    assert "1 refund waits for approval" in said(today)
    assert 'href="/console/retail/refunds?status=requested"' in today.text
