"""The front-end of parcels against a platform that is played: what it asks, what it keeps, what it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from frontends.logistics.app import create_parcels
from frontends.logistics.parcel import COUNTRIES, Parcel, parcel_of
from frontends.logistics.texts import TEXTS
from tests.frontends.playing import (
    SETTINGS,
    Answer,
    Json,
    Played,
    Visitor,
    a_line,
    an_offer,
    field,
    require_clean_templates,
    require_texts,
)

FOLDER = Path("frontends/logistics")
ADDRESSES = {
    "sender": "Weinhof",
    "sender_street": "Uferweg 3",
    "sender_city": "97070 Würzburg",
    "recipient": "Hanne",
    "recipient_street": "Strandallee 8",
    "recipient_city": "Westerland",
}


def a_service(sku: str, price: int, *tags: str) -> Json:
    return an_offer(sku, price, category="parcels/standard", tags=list(tags))


def previewed(platform: Played, body: Json) -> Answer:
    """Priced with a surcharge; cash only in Germany."""
    if body.get("terms") == "cash" and body["country"] != "DE":
        return 409, {"code": "payment.terms_refused", "detail": "Cash only in Germany."}
    quote = platform.quote(body)
    fees = [("r_fuel", "Fuel"), ("r_other", "Night flight")]
    lines = [a_line(9, "fee", 1, 50, kind="fee", fee_rule_id=rule) for rule, _ in fees]
    outcomes = [{"rule_id": rule, "rule_name": name} for rule, name in fees]
    quote |= {"lines": quote["lines"] + lines, "outcomes": outcomes, "total_minor": quote["total_minor"] + 1_00}
    when = "on_delivery" if body.get("terms") else "now"
    return 200, {"dues": [{"when": when, "amount_minor": quote["total_minor"], "due_at": None}], "quote": quote}


@pytest.fixture
def platform() -> Played:
    played = Played(
        [
            a_service("LG-PAR-DE-STD", 690, "days-2"),
            a_service("LG-PAR-DE-EXP", 1490, "days-1"),
            a_service("LG-PAR-ISL-STD", 690, "days-4", "remote"),
            a_service("LG-PAR-EU-STD", 1390, "days-4"),
            an_offer("LG-BOX-001", 78),
            an_offer("van", 19_00, kind="delivery"),
        ]
    )
    played.answers["/terms/preview"] = lambda body: previewed(played, body)
    played.answers["/checkouts"] = (201, {"order_id": "ord_1"})
    priced = played.quote({"currency": "EUR", "lines": [{"sku": "LG-PAR-ISL-STD", "quantity": 12}]})
    about = {"order_id": "ord_1", "number": "LOG-1", "status": "confirmed", "status_reason": None}
    attributes = ADDRESSES | {
        "recipient_postcode": "25980",
        "recipient_country": "DE",
        "weight_kg": "12",
        "size": "40 × 30 × 20 cm",
    }
    units = {"open_units": [{"line_id": "l1", "units": 12}], "fulfilments": [], "attributes": attributes}
    played.answers["/orders/ord_1"] = (200, priced | about | units | {"placed_at": "2026-11-25T23:30:00Z"})
    played.answers["/orders/ord_1/explanation"] = (200, {"quote": priced})
    due = {"position": 0, "when": "on_delivery", "status": "open", "amount_minor": 82_80, "due_at": None}
    played.answers["/orders/ord_1/dues"] = (200, {"order_id": "ord_1", "owed_minor": 82_80, "dues": [due]})
    played.answers["/orders/ord_1/fulfilments"] = (201, {"status": "fulfilled"})
    played.answers["/orders/ord_1/cash"] = (201, {"paid_minor": 82_80})
    return played


@pytest.fixture
def browser(platform: Played) -> Iterator[Visitor]:
    visitor = Visitor(create_parcels(SETTINGS, httpx.MockTransport(platform)))
    yield visitor
    visitor.leave()


def booked(browser: Visitor, **told: str) -> httpx.Response:
    path = "/book/LG-PAR-ISL-STD"
    page = browser.get(f"{path}?country=DE&postcode=25980&weight=12")
    form = {name: field(page, name) for name in ("attempt", "expected_total_minor")}
    return browser.post(path, data=form | ADDRESSES | {"postcode": "25980", "weight": "12", "method": "cash"} | told)


@pytest.mark.parametrize(
    ("weight", "sides", "kilograms", "is_by_size"),
    [
        ("3", "10", 3, False),
        ("3.1", "10", 4, False),
        ("0,2", "10", 1, False),
        ("3", "30", 6, True),
        ("5.4", "30", 6, False),
        ("31", "10", 31, False),
    ],
)
def test_started_kilograms_are_charged_of_the_weight_or_of_the_size(
    weight: str, sides: str, kilograms: int, is_by_size: bool
) -> None:
    parcel = parcel_of({"weight": weight, "length": sides, "width": sides, "height": sides})
    assert (parcel.kilograms, parcel.is_by_size) == (kilograms, is_by_size)


@pytest.mark.parametrize(
    ("country", "postcode", "zone"),
    [
        ("DE", "10115", "DE"),
        ("DE", "25980", "ISL"),
        ("NL", "1012 AB", "EU"),
        ("FR", "25980", "EU"),
        ("CN", "100000", "CN"),
    ],
)
def test_where_to_makes_the_zone(country: str, postcode: str, zone: str) -> None:
    assert Parcel(country=country, postcode=postcode).zone == zone


@pytest.mark.parametrize(
    ("told", "problems"),
    [
        ({}, ()),
        ({"weight": "0"}, ("weight",)),
        ({"weight": "many"}, ("weight",)),
        ({"weight": "NaN", "length": "201"}, ("weight", "length")),
        ({"postcode": "1011"}, ("postcode",)),
        ({"country": "NL", "postcode": "1011"}, ()),
        ({"postcode": "<script>"}, ("postcode",)),
    ],
)
def test_what_cannot_be_meant_is_named(told: dict[str, str], problems: tuple[str, ...]) -> None:
    assert parcel_of(told).problems == problems


def test_a_country_nobody_goes_to_is_the_usual_one() -> None:
    assert parcel_of({"country": "XX"}).country == "DE"


def test_every_service_that_goes_there_is_priced(browser: Visitor, platform: Played) -> None:
    page = browser.get("/?country=DE&postcode=10115&weight=2&length=10&width=10&height=10").text
    asked = platform.bodies("/terms/preview")
    assert [body["lines"] for body in asked] == [
        [{"sku": "LG-PAR-DE-STD", "quantity": 2}],
        [{"sku": "LG-PAR-DE-EXP", "quantity": 2}],
    ]
    assert "€14.80" in page
    assert "€30.80" in page
    assert "tomorrow" in page
    assert "Charged: 2 kg" in page


def test_htmx_gets_the_prices_alone_and_problems_ask_nobody(browser: Visitor, platform: Played) -> None:
    part = browser.get("/?country=NL&postcode=1012&weight=2", headers={"hx-request": "true"}).text
    assert part.strip().startswith('<section id="prices"')
    assert len(platform.bodies("/terms/preview")) == 1
    wrong = browser.get("/?weight=heavy").text
    assert "A weight between 0 and 1,000 kg." in wrong
    assert len(platform.bodies("/terms/preview")) == 1


def test_a_service_that_refuses_the_parcel_says_why(browser: Visitor, platform: Played) -> None:
    platform.answers["/terms/preview"] = (409, {"code": "x", "detail": "At most 31 of it."})
    assert "Not for this parcel: At most 31 of it." in browser.get("/?weight=40").text


def test_surcharges_are_named_in_the_visitors_language(browser: Visitor) -> None:
    path = "/book/LG-PAR-DE-STD?weight=2"
    english = browser.get(path).text
    assert "Fuel, 8.5 %" in english
    assert "Night flight" in english
    assert "燃油附加费" in browser.get(path, headers={"accept-language": "zh"}).text


def test_cash_is_asked_for_as_terms_and_as_method(browser: Visitor, platform: Played) -> None:
    form = {"country": "DE", "postcode": "10115", "weight": "2", "method": "cash", "sender": "Weinhof"}
    part = browser.post("/book/LG-PAR-DE-STD/price", data=form, headers={"hx-request": "true"})
    assert "at the door" in part.text
    assert "<html" not in part.text
    body = platform.bodies("/terms/preview")[-1]
    assert (body["terms"], body["payment_method"], body["country"]) == ("cash", "cash", "DE")
    whole = browser.post("/book/LG-PAR-EU-STD/price", data=form | {"country": "NL", "postcode": "1012"}).text
    assert "Cash only in Germany." in whole
    assert 'value="Weinhof"' in whole
    assert 'id="pay"' not in whole


def test_a_booking_needs_both_addresses_and_keeps_what_was_typed(browser: Visitor, platform: Played) -> None:
    page = booked(browser, recipient="", sender_city=" ")
    assert page.status_code == 422
    assert page.text.count("Please fill this in.") == 2
    assert 'value="Strandallee 8"' in page.text
    assert platform.bodies("/checkouts") == []


def test_a_booking_carries_the_parcel_as_attributes(browser: Visitor, platform: Played) -> None:
    page = booked(browser, sender="  Wein\x00hof  ")
    assert page.url.path == "/orders/ord_1"
    (body,) = platform.bodies("/checkouts")
    assert body["attributes"] == ADDRESSES | {
        "recipient_postcode": "25980",
        "recipient_country": "DE",
        "weight_kg": "12",
        "size": "40 × 30 × 20 cm",
    }
    assert (body["lines"], body["terms"]) == ([{"sku": "LG-PAR-ISL-STD", "quantity": 12}], "cash")
    assert body["expected_total_minor"] == 83_80


def test_only_parcels_are_booked_here(browser: Visitor) -> None:
    assert browser.get("/book/LG-BOX-001").status_code == 404
    assert browser.get("/book/nothing").status_code == 404


def test_a_refused_booking_keeps_the_form(browser: Visitor, platform: Played) -> None:
    platform.answers["/checkouts"] = (409, {"code": "transaction.quantity_over_limit", "detail": "x", "most": 31})
    page = booked(browser)
    assert page.status_code == 409
    assert "One order may take at most 31 of it." in page.text
    assert 'value="Hanne"' in page.text


def test_the_parcel_is_tracked_in_the_time_where_it_is(browser: Visitor, platform: Played) -> None:
    page = booked(browser).text
    assert "On its way" in page
    assert "Cash to be paid: €82.80" in page
    assert "26 Nov 2026, 00:30" in page
    done = {
        "open_units": [],
        "fulfilments": [{"carrier": "C", "tracking": "T-1", "fulfilled_at": "2026-11-26T10:00:00Z"}],
    }
    platform.answers["/orders/ord_1"] = (200, platform.answers["/orders/ord_1"][1] | done)  # type: ignore[index]
    page = browser.get("/orders/ord_1").text
    assert "Handed over" in page
    assert "Number T-1" in page


def test_the_courier_hands_over_and_takes_cash_once(browser: Visitor, platform: Played) -> None:
    assert "Nothing to bring." in browser.get("/courier").text
    booked(browser)
    page = browser.get("/courier")
    assert "Hanne" in page.text
    assert "Take €82.80 in cash" in page.text
    form = {"attempt": field(page, "attempt"), "tracking": "T-1"}
    for _ in range(2):
        assert "Handed over." in browser.post("/courier/ord_1/hand-over", data=form).text
    told = platform.bodies("/orders/ord_1/fulfilments")
    assert told == [{"carrier": "Zhongtai Parcels", "tracking": "T-1"}] * 2
    assert len(set(platform.keys("/orders/ord_1/fulfilments"))) == 1
    assert "The cash is in the books." in browser.post("/courier/ord_1/cash", data=form).text
    platform.answers["/orders/ord_1/cash"] = (409, {"code": "payment.due_not_open"})
    assert "not possible any more" in browser.post("/courier/ord_1/cash", data=form).text


def test_parcels_of_other_browsers_are_neither_shown_nor_touched(browser: Visitor, platform: Played) -> None:
    assert browser.get("/orders/ord_1").status_code == 404
    assert browser.post("/courier/ord_1/cash").status_code == 404
    assert browser.post("/courier/ord_1/hand-over").status_code == 404
    assert platform.bodies("/orders/ord_1/cash") == []


def test_every_text_exists_in_both_languages_and_none_lies_about() -> None:
    require_texts(FOLDER, TEXTS, ("country.", "wrong.", "fee.", "courier.", "method.", "wait."))
    require_clean_templates(FOLDER)
    assert {f"country.{code}" for code in COUNTRIES} == {key for key in TEXTS if key.startswith("country.")}
