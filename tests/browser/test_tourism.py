"""Travel in a real browser on the real product: a day chosen, a deposit paid, the balance paid early, a booking cancelled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.fronts import Served, served, visiting
from tests.browser.running import chromium_browser

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def front(database_url: str, temporal_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served("tourism", database_url, temporal_address, tmp_path_factory.mktemp("tourism")) as front:
        yield front


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with chromium_browser() as browser:
        yield browser


def today() -> date:
    return datetime.now(UTC).astimezone(ZoneInfo("Europe/Lisbon")).date()


def go_to_a_free_day(page: Page, front: Served, product: str, in_days: int) -> None:
    """The first day with places from so many days on."""
    for number in range(in_days, in_days + 14):
        page.goto(f"{front.url}/trips/{product}/{today() + timedelta(days=number)}")
        if page.locator("#pay").count():
            return
    raise AssertionError(product)


def await_refund(page: Page) -> None:
    """Look again until the refund is on the page; it goes on after the answer."""
    for _ in range(20):
        if page.locator("[aria-labelledby=refunds] .is-due-paid").count():
            return
        page.wait_for_timeout(500)
        page.reload()
    raise AssertionError("no refund")


def amount(text: str | None) -> int:
    """What a text says of money, in cents."""
    found = re.search(r"€([\d,]+\.\d\d)", text or "")
    assert found, text
    return int(found[1].replace(",", "").replace(".", ""))


def test_a_day_is_chosen_in_the_calendar_and_kept_by_a_deposit(front: Served, chromium: Browser) -> None:
    with visiting(front, chromium, "tourism", locale="en-GB") as visitor:
        page = visitor.open("/")
        visitor.look("home")
        page.get_by_role("link", name="Lake inn at Alqueva").click()
        visitor.look("month")
        page.locator("#month-after").click()
        following = (today().replace(day=1) + timedelta(days=32)).strftime("%B %Y")
        expect(page.locator("#month")).to_have_text(following)
        visitor.look("next-month")
        page.go_back()
        expect(page.locator("#month")).not_to_have_text(following)
        go_to_a_free_day(page, front, "TR-LAKE-INN", 40)
        expect(page.locator("#schedule tbody tr")).to_have_count(2)
        visitor.look("stay")
        total, deposit = amount(page.locator("#total").text_content()), amount(page.locator("#pay").text_content())
        assert abs(deposit - total * 30 / 100) <= 1
        page.locator("#pay").click()
        page.wait_for_url("**/orders/**")
        assert amount(page.locator(".plan-owed").text_content()) == total - deposit
        visitor.look("order")
        page.get_by_role("button", name="Pay all of it").click()
        expect(page.locator("#plan .note")).to_contain_text("Everything is paid.")
        page.get_by_role("link", name="Cancel this booking").click()
        assert amount(page.locator("#total").text_content()) == total
        visitor.look("cancel")
        page.locator("#cancel").click()
        expect(page.get_by_role("status")).to_contain_text("Cancelled.")
        await_refund(page)
        expect(page.locator(".order-head .badge")).to_have_text("Cancelled")


@pytest.mark.parametrize(
    ("in_days", "product", "given_back_percent"),
    [(20, "TR-QUINTA", 100), (8, "TR-LAKE-INN", 50), (1, "TR-QUINTA", 0)],
)
def test_the_ladder_gives_back_by_the_days_before(
    front: Served, chromium: Browser, in_days: int, product: str, given_back_percent: int
) -> None:
    with visiting(front, chromium, f"tourism-ladder-{given_back_percent}", locale="en-GB") as visitor:
        page = visitor.page
        for number in range(in_days, in_days + 6):
            page.goto(f"{front.url}/trips/{product}/{today() + timedelta(days=number)}")
            if page.locator("#pay").count():
                break
        page.locator('input[name=plan][value=""]').check()
        expect(page.locator("#schedule tbody tr")).to_have_count(1)
        total = amount(page.locator("#total").text_content())
        page.locator("#pay").click()
        page.wait_for_url("**/orders/**")
        page.get_by_role("link", name="Cancel this booking").click()
        back = amount(page.locator("#total").text_content())
        assert abs(back - total * given_back_percent / 100) <= 1
        visitor.look("preview")
        page.locator("#cancel").click()
        expect(page.get_by_role("status")).to_contain_text("Cancelled.")
        await_refund(page)
        assert amount(page.locator("[aria-labelledby=refunds] strong").text_content()) == back
        visitor.look("cancelled")


def test_close_to_the_day_all_is_due_at_once_and_groups_ask_first(front: Served, chromium: Browser) -> None:
    with visiting(front, chromium, "tourism-close", locale="en-GB") as visitor:
        page = visitor.page
        go_to_a_free_day(page, front, "TR-LAKE-INN", 3)
        expect(page.locator("#plan-said-1")).to_have_text("Less than 14 days to go: all of it is due now.")
        for number in range(20, 60):
            page.goto(f"{front.url}/trips/TR-RABELO/{today() + timedelta(days=number)}?places=10")
            if "One order may take at most 9" in (page.locator("main").text_content() or ""):
                break
        expect(page.locator("#schedule")).to_contain_text("One order may take at most 9")
        visitor.look("group")
        page.locator("#places").fill("99")
        page.locator("#places").press("Tab")
        expect(page.locator("#schedule")).to_contain_text("there are not so many places left")


@pytest.mark.parametrize(
    ("language", "scheme", "width"), [("zh-CN", "dark", 1280), ("en-GB", "dark", 390), ("zh-CN", "light", 320)]
)
def test_every_page_in_chinese_in_the_dark_and_on_a_phone(
    front: Served, chromium: Browser, language: str, scheme: str, width: int
) -> None:
    name = f"tourism-{language[:2]}-{scheme}-{width}"
    with visiting(front, chromium, name, width=width, locale=language, color_scheme=scheme) as visitor:
        visitor.open("/")
        visitor.look("home")
        visitor.open(f"/trips/TR-RABELO?month={(today().replace(day=1) + timedelta(days=32)):%Y-%m}")
        visitor.look("month")
        page = visitor.page
        go_to_a_free_day(page, front, "TR-LAKE-INN", 45)
        visitor.look("stay")
        page.locator("#pay").click()
        page.wait_for_url("**/orders/**")
        visitor.look("order")
        page.locator("a[href$='/cancel']").click()
        visitor.look("cancel")
        visitor.open("/orders")
        visitor.look("orders")


def test_booking_and_cancelling_work_without_script(front: Served, chromium: Browser) -> None:
    with visiting(front, chromium, "tourism-plain", locale="en-GB", java_script_enabled=False) as visitor:
        page = visitor.open("/trips/TR-LAKE-INN")
        page.locator("#month-after").click()
        page.locator("td.is-free a").last.click()
        page.locator('input[name=plan][value=""]').check()
        page.locator("#update").click()
        expect(page.locator("#schedule tbody tr")).to_have_count(1)
        page.locator("#pay").click()
        page.wait_for_url("**/orders/**")
        page.get_by_role("link", name="Cancel this booking").click()
        page.locator("#cancel").click()
        expect(page.get_by_role("status")).to_contain_text("Cancelled.")
