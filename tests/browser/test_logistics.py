"""Parcels in a real browser on the real product: priced while one types, booked, handed over, cash taken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.fronts import Served, served, visiting
from tests.browser.running import chromium_browser

pytestmark = pytest.mark.browser

ADDRESSES = {
    "sender": "Weinhof am Main",
    "sender_street": "Uferweg 3",
    "sender_city": "97070 Würzburg",
    "recipient": "Hanne Petersen",
    "recipient_street": "Strandallee 8",
    "recipient_city": "Westerland",
}


@pytest.fixture(scope="module")
def front(database_url: str, temporal_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served("logistics", database_url, temporal_address, tmp_path_factory.mktemp("logistics")) as front:
        yield front


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with chromium_browser() as browser:
        yield browser


def fill_in(page: Page) -> None:
    for field, value in ADDRESSES.items():
        page.locator(f"#{field}").fill(value)


def test_a_parcel_to_an_island_is_paid_at_the_door(front: Served, chromium: Browser) -> None:
    with visiting(front, chromium, "logistics", locale="en-GB") as visitor:
        page = visitor.open("/")
        expect(page.locator("#charged")).to_have_text("Charged by size: 5 kg")
        page.locator("#weight").fill("12")
        expect(page.locator("#charged")).to_have_text("Charged: 12 kg")
        expect(page.locator("#service-1 .price")).to_contain_text("€18.21")
        visitor.look("prices")
        page.locator("#postcode").fill("25980")
        expect(page.locator("#services li")).to_have_count(1)
        expect(page.locator("#service-1")).to_contain_text("in 4 working days")
        page.locator("#service-1 .button").click()
        expect(page.locator("#summary")).to_contain_text("Islands, by ferry")
        visitor.look("book")
        page.locator('input[value="cash"]').check()
        expect(page.locator("#total")).to_have_text("€30.59")
        expect(page.locator("#summary")).to_contain_text("Cash on delivery")
        page.locator("#pay").click()
        expect(page.locator("#sender-wrong")).to_have_text("Please fill this in.")
        visitor.look("missing")
        fill_in(page)
        page.get_by_role("button", name="Book: €30.59 at the door").click()
        page.wait_for_url("**/orders/**")
        expect(page.locator(".steps")).to_contain_text("Cash to be paid: €30.59")
        visitor.look("track")
        page.get_by_role("navigation").get_by_role("link", name="Courier").click()
        visitor.look("courier")
        page.get_by_role("button", name="Hand over").click()
        expect(page.get_by_role("status")).to_have_text("Handed over.")
        page.get_by_role("button", name="Take €30.59 in cash").click()
        expect(page.get_by_role("status")).to_have_text("The cash is in the books.")
        expect(page.locator(".stop-acts")).to_have_text("Done")
        page.locator(".stop h2 a").click()
        expect(page.locator(".steps")).to_contain_text("Cash taken")
        expect(page.locator(".steps")).to_contain_text("Number ZP-LOG-")
        visitor.look("done")


def test_what_is_too_heavy_or_too_far_for_cash_says_so(front: Served, chromium: Browser) -> None:
    with visiting(front, chromium, "logistics-refused", locale="en-GB") as visitor:
        page = visitor.open("/?weight=32")
        expect(page.locator("#service-1")).to_contain_text("One order may take at most 31")
        visitor.look("heavy")
        page = visitor.open("/book/LG-PAR-EU-STD?country=FR&postcode=75001&weight=2&method=cash")
        expect(page.locator("#refusal")).to_contain_text("Cash is taken in Germany, Austria and the Netherlands only.")
        visitor.look("cash")
        page = visitor.open("/?weight=none")
        expect(page.locator("#wrongs")).to_contain_text("A weight between 0 and 1,000 kg.")
        visitor.look("wrong")


@pytest.mark.parametrize(
    ("language", "scheme", "width"), [("zh-CN", "dark", 1280), ("en-GB", "dark", 390), ("zh-CN", "light", 320)]
)
def test_every_page_in_chinese_in_the_dark_and_on_a_phone(
    front: Served, chromium: Browser, language: str, scheme: str, width: int
) -> None:
    name = f"logistics-{language[:2]}-{scheme}-{width}"
    with visiting(front, chromium, name, width=width, locale=language, color_scheme=scheme) as visitor:
        visitor.open("/?country=CN&postcode=100000&weight=2")
        visitor.look("prices")
        page = visitor.open("/book/LG-PAR-DE-EXP?country=DE&postcode=10115&weight=2")
        visitor.look("book")
        fill_in(page)
        page.locator("#pay").click()
        page.wait_for_url("**/orders/**")
        visitor.look("track")
        visitor.open("/courier")
        visitor.look("courier")
        visitor.open("/orders")
        visitor.look("orders")


def test_booking_works_without_script(front: Served, chromium: Browser) -> None:
    with visiting(front, chromium, "logistics-plain", locale="en-GB", java_script_enabled=False) as visitor:
        page = visitor.open("/")
        page.locator("#weight").fill("7")
        page.locator("#show").click()
        expect(page.locator("#charged")).to_have_text("Charged: 7 kg")
        expect(page.locator("#service-1 .price")).to_contain_text("€14.59")
        page.locator("#service-1 .button").click()
        fill_in(page)
        page.locator('input[value="cash"]').check()
        page.locator("#update").click()
        expect(page.locator("#recipient")).to_have_value("Hanne Petersen")
        expect(page.locator("#total")).to_have_text("€18.76")
        page.locator("#pay").click()
        page.wait_for_url("**/orders/**")
        page.get_by_role("link", name="Courier").first.click()
        page.get_by_role("button", name="Take €18.76 in cash").click()
        expect(page.get_by_role("status")).to_have_text("The cash is in the books.")
