"""The front-end of instalments against a platform that is played: what it asks, what it keeps, what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from frontends.finance.app import create_instalments
from frontends.finance.texts import TEXTS
from tests.frontends.playing import (
    SETTINGS,
    Answer,
    Json,
    Played,
    Visitor,
    an_offer,
    field,
    require_clean_templates,
    require_texts,
)

FOLDER = Path("frontends/finance")
REFUSED: Answer = (409, {"code": "payment.terms_refused", "detail": "Not for guests."})


def previewed(platform: Played, body: Json) -> Answer:
    """Terms as asked: in that many parts, for known buyers only."""
    terms = body.get("terms")
    if terms and "buyer_id" not in body:
        return REFUSED
    quote = platform.quote(body)
    count = int(terms or 1)
    days = [{"when": "now", "amount_minor": quote["total_minor"] // count, "due_at": None}]
    later = {"when": "at", "amount_minor": quote["total_minor"] // count, "due_at": "2027-01-24T01:00:00Z"}
    return 200, {"terms": "x", "rule_ids": [], "dues": days + [later] * (count - 1), "quote": quote}


def a_due(position: int, status: str, **about: object) -> Json:
    return {
        "position": position,
        "when": "now" if position == 0 else "at",
        "status": status,
        "amount_minor": 300_00,
        "planned_minor": 300_00,
        "due_at": None if position == 0 else f"2030-0{position}-24T01:00:00Z",
        "attempts": 0,
        "reason": None,
    } | about


@pytest.fixture
def platform() -> Played:
    played = Played(
        [
            an_offer("safe", 900_00, currency="CNY", category="hardware/cash", weight_g=100, available_units=9),
            an_offer("advice", 60_00, currency="CNY", category="advisory/credit"),
            an_offer("gone", 5_00, currency="CNY", category="hardware/cash", weight_g=1, available_units=0),
            an_offer("FN-SHIP-DOC", 0, currency="CNY", kind="delivery"),
            an_offer("van", 35_00, currency="CNY", kind="delivery"),
        ]
    )
    played.answers["/terms/preview"] = lambda body: previewed(played, body)
    played.answers["/checkouts"] = (201, {"order_id": "ord_1"})
    order = played.quote({"currency": "CNY", "lines": [{"sku": "safe", "quantity": 1}]})
    about = {"order_id": "ord_1", "number": "FIN-1", "status": "confirmed", "status_reason": None}
    played.answers["/orders/ord_1"] = (200, order | about | {"placed_at": "2026-11-25T14:00:00Z"})
    overdue = a_due(1, "open", due_at="2020-01-24T01:00:00Z", attempts=2, reason="card_declined")
    dues = [a_due(0, "paid"), overdue, a_due(2, "open")]
    played.answers["/orders/ord_1/dues"] = (200, {"order_id": "ord_1", "owed_minor": 600_00, "dues": dues})
    played.answers["/orders/ord_1/collections"] = (201, {"paid_minor": 300_00})
    return played


@pytest.fixture
def browser(platform: Played) -> Iterator[Visitor]:
    visitor = Visitor(create_instalments(SETTINGS, httpx.MockTransport(platform)))
    yield visitor
    visitor.leave()


def bought(browser: Visitor) -> httpx.Response:
    page = browser.get("/products/safe?buyer=b_1&plan=3")
    form = {name: field(page, name) for name in ("attempt", "expected_total_minor")}
    return browser.post("/products/safe", data=form | {"buyer": "b_1", "plan": "3", "delivery": "van"})


def test_the_catalogue_stands_in_categories_and_shows_one_alone(browser: Visitor) -> None:
    page = browser.get("/")
    assert "¥900.00" in page.text
    assert "in 12 parts of about ¥75" in page.text
    assert "safe &lt;b&gt;" in page.text
    assert "FN-SHIP-DOC" not in page.text
    alone = browser.get("/?category=advisory").text
    assert "advice" in alone
    assert "/products/safe" not in alone


def test_every_plan_is_asked_of_the_platform_and_its_dues_are_shown_before_buying(
    browser: Visitor, platform: Played
) -> None:
    page = browser.get("/products/safe?buyer=b_1&plan=3").text
    assert [body.get("terms") for body in platform.bodies("/terms/preview")] == ["3", "6", "12", None]
    assert "¥300.00 now, without interest" in page
    assert "¥75.00 now, without interest" in page
    assert page.count("Sun 24 Jan 2027") == 2
    assert "Buy: ¥300.00 now" in page


def test_a_plan_that_is_refused_says_why_and_cannot_be_bought(browser: Visitor) -> None:
    page = browser.get("/products/safe?plan=6").text
    assert page.count("Not offered: Not for guests.") == 3
    assert 'id="pay"' not in page


def test_who_chose_nothing_begins_with_a_plan_that_is_offered(browser: Visitor) -> None:
    page = browser.get("/products/safe").text
    assert re.search(r'name="plan" value="" checked', page)
    assert "Buy: ¥900.00 now" in page


def test_what_weighs_something_is_sent_by_courier_and_all_else_by_mail(browser: Visitor, platform: Played) -> None:
    browser.get("/products/safe")
    assert {body["delivery_sku"] for body in platform.bodies("/terms/preview")} == {"van"}
    browser.get("/products/advice")
    assert platform.bodies("/terms/preview")[-1]["delivery_sku"] == "FN-SHIP-DOC"


def test_htmx_gets_the_choice_alone(browser: Visitor) -> None:
    part = browser.get("/products/safe?buyer=b_1", headers={"hx-request": "true"}).text
    assert part.strip().startswith('<form id="choice"')
    assert "<html" not in part


def test_buying_sends_the_plan_and_the_total_the_buyer_saw(browser: Visitor, platform: Played) -> None:
    order = bought(browser)
    assert order.url.path == "/orders/ord_1"
    (body,) = platform.bodies("/checkouts")
    assert body == {
        "currency": "CNY",
        "lines": [{"sku": "safe", "quantity": 1}],
        "payment_method": "sim_ok",
        "buyer_id": "b_1",
        "delivery_sku": "van",
        "terms": "3",
        "expected_total_minor": 900_00,
    }


def test_a_lost_answer_keeps_the_attempt_and_a_decline_makes_a_new_one(browser: Visitor, platform: Played) -> None:
    page = browser.get("/products/safe?buyer=b_1&plan=3")
    form = {name: field(page, name) for name in ("attempt", "expected_total_minor")} | {"buyer": "b_1", "plan": "3"}
    platform.is_away = True
    lost = browser.post("/products/safe", data=form)
    assert (lost.status_code, field(lost, "attempt")) == (502, form["attempt"])
    platform.is_away = False
    platform.answers["/checkouts"] = (402, {"code": "payment.declined", "detail": "x"})
    declined = browser.post("/products/safe", data=form)
    assert declined.status_code == 402
    assert "Nothing was charged." in declined.text
    assert field(declined, "attempt") != form["attempt"]
    assert len(set(platform.keys("/checkouts"))) == 1


def test_a_credit_review_is_waited_for_and_goes_on_by_itself(browser: Visitor, platform: Played) -> None:
    platform.answers["/checkouts"] = (202, {"run_id": "run_1"})
    on_hold = platform.answers["/orders/ord_1"][1] | {"status": "on_hold"}  # type: ignore[index]
    process = {"ended_at": None, "order_id": "ord_1", "answer": None}
    platform.answers |= {"/processes/run_1": (200, process), "/orders/ord_1": (200, on_hold)}
    waiting = bought(browser)
    assert waiting.url.path == "/waiting/run_1"
    assert "looks at your credit" in waiting.text
    assert 'http-equiv="refresh"' in waiting.text
    platform.answers["/orders/ord_1"] = (200, on_hold | {"status": "confirmed"})
    assert browser.get("/waiting/run_1").url.path == "/orders/ord_1"


def test_the_order_shows_what_is_paid_open_and_overdue(browser: Visitor) -> None:
    page = bought(browser).text
    assert "¥600.00 still to pay" in page
    for badge in ("is-due-paid", "is-due-overdue", "is-due-open"):
        assert page.count(f"badge {badge}") == 1
    assert page.count("The card was declined; we try again") == 1


def test_one_due_is_paid_early_or_all_of_them(browser: Visitor, platform: Played) -> None:
    page = bought(browser)
    attempt = field(page, "attempt")
    paid = browser.post("/orders/ord_1/pay", data={"attempt": attempt, "position": "1", "method": "sim_late_2000"})
    assert "Paid. Thank you." in paid.text
    browser.post("/orders/ord_1/pay", data={"attempt": attempt, "position": "", "method": "sim_ok"})
    assert platform.bodies("/orders/ord_1/collections") == [
        {"payment_method": "sim_late_2000", "positions": [1]},
        {"payment_method": "sim_ok"},
    ]
    assert len(set(platform.keys("/orders/ord_1/collections"))) == 2


@pytest.mark.parametrize(("status", "says"), [(402, "was declined"), (409, "not open any more"), (202, "not answered")])
def test_what_became_of_an_early_payment_is_said(browser: Visitor, platform: Played, status: int, says: str) -> None:
    page = bought(browser)
    platform.answers["/orders/ord_1/collections"] = (status, {"code": "payment.x"})
    said = browser.post("/orders/ord_1/pay", data={"attempt": field(page, "attempt"), "position": "1"})
    assert says in said.text


def test_orders_of_other_browsers_are_neither_shown_nor_paid(browser: Visitor, platform: Played) -> None:
    assert browser.get("/orders/ord_1").status_code == 404
    assert browser.post("/orders/ord_1/pay", data={"position": "1"}).status_code == 404
    assert platform.bodies("/orders/ord_1/collections") == []


def test_pieces_that_cannot_be_meant_are_one(browser: Visitor, platform: Played) -> None:
    for pieces in ("-1", "1.5", "abc", ""):
        browser.get(f"/products/advice?pieces={pieces}")
    assert {body["lines"][0]["quantity"] for body in platform.bodies("/terms/preview")} == {1}


def test_every_text_exists_in_both_languages_and_none_lies_about() -> None:
    require_texts(FOLDER, TEXTS, ("category.", "plan.", "wait."))
    require_clean_templates(FOLDER)
