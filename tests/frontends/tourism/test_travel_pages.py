"""The front-end of stays and day trips against a platform that is played: what it asks, what it keeps, what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest

from frontends.tourism.app import create_travel
from frontends.tourism.calendar import trips_of, weeks_of
from frontends.tourism.texts import TEXTS
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

FOLDER = Path("frontends/tourism")
TODAY = date(2027, 1, 30)


def a_night(day: date, left: int) -> Json:
    return an_offer(
        f"INN.{day.isoformat()}",
        124_00 if day.weekday() < 4 else 149_00,
        name_en=f"Lake inn, {day.day} {day:%B %Y}",
        name_zh=f"湖畔客栈，{day}",
        tags=["dated", "nights"],
        available_units=left,
    )


def previewed(platform: Played, body: Json) -> Answer:
    quote = platform.quote(body)
    total = quote["total_minor"]
    now, later = {"when": "now", "due_at": None}, {"when": "at", "due_at": "2027-02-01T09:00:00Z"}
    if body.get("terms") != "deposit":
        return 200, {"dues": [now | {"amount_minor": total}], "quote": quote}
    deposit = total * 3 // 10
    return 200, {"dues": [now | {"amount_minor": deposit}, later | {"amount_minor": total - deposit}], "quote": quote}


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frontends.tourism.calendar.today", lambda: TODAY)


@pytest.fixture
def platform() -> Played:
    first = TODAY - timedelta(days=2)
    nights = [a_night(first + timedelta(days=number), left=(number * 3) % 8) for number in range(40)]
    walk = an_offer("WALK.2027-02-03", 39_00, name_en="Walk, 3 February", name_zh="徒步，2月3日", available_units=20)
    played = Played([*nights, walk, an_offer("MUG", 5_00), an_offer("TR-SHIP-APP", 0, kind="delivery")])
    played.answers["/terms/preview"] = lambda body: previewed(played, body)
    played.answers["/checkouts"] = (201, {"order_id": "ord_1"})
    order = played.quote({"currency": "EUR", "lines": [{"sku": "INN.2027-02-15", "quantity": 2}]})
    about = {"order_id": "ord_1", "number": "TOU-1", "status": "confirmed", "status_reason": None}
    units = {"open_units": [{"line_id": "l1", "units": 2}], "begins_on": "2027-02-15"}
    played.answers["/orders/ord_1"] = (200, order | about | units | {"placed_at": "2027-01-30T14:00:00Z"})
    due = {"position": 1, "when": "at", "status": "open", "amount_minor": 173_60, "planned_minor": 173_60}
    due |= {"due_at": "2030-02-01T09:00:00Z", "attempts": 0, "reason": None}
    played.answers["/orders/ord_1/dues"] = (200, {"order_id": "ord_1", "owed_minor": 173_60, "dues": [due]})
    played.answers["/orders/ord_1/refunds"] = (200, {"refunds": []})
    played.answers["/orders/ord_1/collections"] = (201, {})
    played.answers["/orders/ord_1/cancellations"] = (202, {"status": "confirmed"})
    preview = {"total_minor": 248_00, "fee_minor": 37_20, "unpaid_minor": 173_60, "due_minor": 37_20}
    offer = {"policy": "auto", "policy_reason": "Half is kept.", "preview": preview}
    played.answers["/orders/ord_1/refunds/preview"] = (200, offer)
    return played


@pytest.fixture
def browser(platform: Played) -> Iterator[Visitor]:
    visitor = Visitor(create_travel(SETTINGS, httpx.MockTransport(platform)))
    yield visitor
    visitor.leave()


def booked(browser: Visitor) -> httpx.Response:
    path = "/trips/INN/2027-02-02"
    page = browser.get(f"{path}?places=2&nights=2")
    form = {name: field(page, name) for name in ("attempt", "expected_total_minor")}
    return browser.post(path, data=form | {"places": "2", "nights": "2", "plan": "deposit", "buyer": "b_1"})


def test_what_has_dates_is_offered_once_with_its_lowest_price(browser: Visitor) -> None:
    page = browser.get("/").text
    assert page.count("Lake inn") == 1
    assert "from €124.00 a night and person" in page
    assert "from €39.00 a person" in page
    assert "MUG" not in page


def test_days_that_are_over_are_not_offered(platform: Played) -> None:
    trip = trips_of(platform.offers)["INN"]
    assert min(trip.days) == TODAY
    assert trip.months == ["2027-01", "2027-02", "2027-03"]


def test_a_month_has_whole_weeks_from_monday_on(platform: Played) -> None:
    weeks = weeks_of("2027-02", trips_of(platform.offers)["INN"])
    assert [len(week) for week in weeks] == [7] * 4
    assert (weeks[0][0]["day"], weeks[0][0]["is_shown"]) == (date(2027, 2, 1), True)
    january = weeks_of("2027-01", trips_of(platform.offers)["INN"])
    assert [cell["is_shown"] for cell in january[0]] == [False, False, False, False, True, True, True]


def test_the_calendar_shows_price_and_places_and_marks_what_is_sold_out(browser: Visitor) -> None:
    page = browser.get("/trips/INN?month=2027-02").text
    assert "February 2027" in page
    assert 'href="/trips/INN/2027-02-02"' in page
    assert "€124" in page
    assert page.count('<td class="is-full">') == 3
    assert page.count("Sold out") == 3
    assert page.count('<th scope="col"') == 7
    other = browser.get("/trips/INN?month=1999-01").text
    assert "January 2027" in other
    assert page.count("Not offered") == 0
    assert other.count("Not offered") == 29


def test_htmx_gets_the_month_alone(browser: Visitor) -> None:
    part = browser.get("/trips/INN?month=2027-02", headers={"hx-request": "true"}).text
    assert part.strip().startswith('<section id="calendar"')
    assert browser.get("/trips/nothing").status_code == 404


def test_each_night_is_a_line_and_the_dues_are_shown_before_booking(browser: Visitor, platform: Played) -> None:
    page = browser.get("/trips/INN/2027-02-02?places=2&nights=2").text
    asked = platform.bodies("/terms/preview")
    assert [body.get("terms") for body in asked] == ["deposit", None]
    assert asked[0]["lines"] == [
        {"sku": "INN.2027-02-02", "quantity": 2},
        {"sku": "INN.2027-02-03", "quantity": 2},
    ]
    assert "Book: €148.80 now" in page
    assert "Mon 1 Feb 2027" in page
    assert "Tue 2 Feb 2027: 2 × €124.00" in page


def test_a_day_with_too_few_places_says_so_and_asks_nobody(browser: Visitor, platform: Played) -> None:
    page = browser.get("/trips/INN/2027-02-02?places=8").text
    assert "On Tue 2 Feb 2027 there are not so many places left." in page
    assert 'id="pay"' not in page
    assert platform.bodies("/terms/preview") == []


@pytest.mark.parametrize("day", ["2027-01-29", "2028-02-02", "tomorrow", "2027-02-31"])
def test_days_that_are_not_offered_are_no_page(browser: Visitor, platform: Played, day: str) -> None:
    assert browser.get(f"/trips/INN/{day}").status_code == 404
    assert browser.post(f"/trips/INN/{day}", data={"places": "1"}).status_code == 404
    assert platform.bodies("/checkouts") == []


def test_booking_sends_what_was_shown(browser: Visitor, platform: Played) -> None:
    assert booked(browser).url.path == "/orders/ord_1"
    (body,) = platform.bodies("/checkouts")
    assert (body["terms"], body["buyer_id"], body["expected_total_minor"]) == ("deposit", "b_1", 496_00)
    assert [line["sku"] for line in body["lines"]] == ["INN.2027-02-02", "INN.2027-02-03"]


def test_a_group_is_told_how_many_one_booking_may_take(browser: Visitor, platform: Played) -> None:
    refusal = {"code": "transaction.quantity_over_limit", "detail": "At most 9.", "most": 9}
    platform.answers["/checkouts"] = (409, refusal)
    assert "One order may take at most 9 of it." in booked(browser).text
    platform.answers["/terms/preview"] = (409, refusal)
    assert "At most 9." in browser.get("/trips/WALK/2027-02-03?places=12").text


def test_the_balance_is_paid_early(browser: Visitor, platform: Played) -> None:
    page = booked(browser)
    assert "€173.60 still to pay" in page.text
    assert "Begins Mon 15 Feb 2027" in page.text
    browser.post("/orders/ord_1/pay", data={"attempt": field(page, "attempt"), "position": ""})
    assert platform.bodies("/orders/ord_1/collections") == [{"payment_method": "sim_ok"}]


def test_what_cancelling_gives_back_is_shown_before_it_is_done(browser: Visitor, platform: Played) -> None:
    booked(browser)
    page = browser.get("/orders/ord_1/cancel")
    assert platform.bodies("/orders/ord_1/refunds/preview") == [
        {
            "kind": "cancellation",
            "lines": [{"line_id": "l1", "units": 2}],
            "delivery": True,
            "fees": True,
            "reason": "The traveller cancelled.",
        }
    ]
    assert "Cancel and get €37.20 back" in page.text
    assert "−€173.60" in page.text
    assert platform.bodies("/orders/ord_1/cancellations") == []
    done = browser.post("/orders/ord_1/cancel", data={"attempt": field(page, "attempt")})
    assert "Cancelled. What you get back is on its way." in done.text
    assert platform.bodies("/orders/ord_1/cancellations") == [{"reason": "The traveller cancelled."}]


def test_a_refusing_policy_says_that_nothing_comes_back(browser: Visitor, platform: Played) -> None:
    booked(browser)
    offer = platform.answers["/orders/ord_1/refunds/preview"][1] | {"policy": "refuse", "policy_reason": "Too late."}  # type: ignore[index]
    platform.answers["/orders/ord_1/refunds/preview"] = (200, offer)
    page = browser.get("/orders/ord_1/cancel").text
    assert "Nothing would be given back: Too late." in page
    assert "Cancel and get €0.00 back" in page


def test_what_was_given_back_is_shown_with_what_was_kept(browser: Visitor, platform: Played) -> None:
    booked(browser)
    refund = {"status": "succeeded", "total_minor": 248_00, "fee_minor": 37_20, "due_minor": 37_20}
    platform.answers["/orders/ord_1/refunds"] = (200, {"refunds": [refund]})
    page = re.sub(r"<[^>]+>", "", browser.get("/orders/ord_1").text)
    for words in ("€37.20 back", "€37.20 kept", "€173.60 need not be paid any more"):
        assert words in page


def test_bookings_of_other_browsers_are_neither_shown_nor_cancelled(browser: Visitor, platform: Played) -> None:
    for path in ("/orders/ord_1", "/orders/ord_1/cancel"):
        assert browser.get(path).status_code == 404
    assert browser.post("/orders/ord_1/cancel").status_code == 404
    assert platform.bodies("/orders/ord_1/cancellations") == []


def test_every_text_exists_in_both_languages_and_none_lies_about() -> None:
    require_texts(FOLDER, TEXTS, ("weekday.", "plan.", "refund.", "wait."))
    require_clean_templates(FOLDER)
