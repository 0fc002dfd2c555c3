"""Instalments in a real browser on the real product: a plan chosen with its dues in sight, credit reviewed, paid early."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.fronts import Served, release_review, served, visiting
from tests.browser.running import chromium_browser

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def front(database_url: str, temporal_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served("finance", database_url, temporal_address, tmp_path_factory.mktemp("finance")) as front:
        yield front


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with chromium_browser() as browser:
        yield browser


def buy_in_parts(page: Page, plan: str, buyer: str) -> None:
    page.locator("#buyer").select_option(buyer)
    expect(page.locator(f'input[name=plan][value="{plan}"]')).to_be_visible()
    page.locator(f'input[name=plan][value="{plan}"]').check()
    expect(page.locator("#schedule tbody tr")).to_have_count(int(plan))
    page.locator("#pay").click()


def test_a_thing_is_bought_in_twelve_parts_and_paid_back_early(front: Served, chromium: Browser) -> None:
    with visiting(front, chromium, "finance", locale="en-GB") as visitor:
        page = visitor.open("/")
        visitor.look("home")
        page.get_by_role("link", name="Card terminal with printer").click()
        expect(page.locator("#plan-said-1")).to_contain_text("Instalments need a customer account")
        expect(page.locator("#pay")).to_have_text("Buy: ¥734.00 now")
        visitor.look("guest")
        page.locator("#buyer").select_option("b_he_lin")
        expect(page.locator("#plan-said-3")).to_have_text("¥61.17 now, without interest")
        page.locator('input[name=plan][value="12"]').check()
        expect(page.locator("#schedule tbody tr")).to_have_count(12)
        visitor.look("plan")
        page.locator("#pay").click()
        page.wait_for_url("**/orders/**")
        expect(page.locator(".plan-owed")).to_have_text("¥672.83 still to pay")
        visitor.look("order")
        page.locator("#pay-method").select_option("sim_declined")
        page.get_by_role("button", name="Pay the next: ¥61.17").click()
        expect(page.get_by_role("status")).to_contain_text("The card was declined; nothing was charged.")
        visitor.look("declined")
        page.get_by_role("button", name="Pay the next: ¥61.17").click()
        expect(page.locator(".plan-owed")).to_have_text("¥611.66 still to pay")
        page.get_by_role("button", name="Pay all of it: ¥611.66").click()
        expect(page.locator("#plan .note")).to_contain_text("Everything is paid.")
        expect(page.locator(".is-due-paid")).to_have_count(12)
        visitor.look("paid")


def test_a_large_order_waits_for_a_person_and_goes_on_by_itself(front: Served, chromium: Browser) -> None:
    with visiting(front, chromium, "finance-review", locale="en-GB") as visitor:
        page = visitor.open("/products/FN-POS-005")
        buy_in_parts(page, "6", "b_lanmu")
        page.wait_for_url("**/waiting/**")
        expect(page.locator("#waiting-text")).to_contain_text("looks at your credit")
        visitor.look("waits")
        release_review(front, chromium, "finance")
        page.wait_for_url("**/orders/**", timeout=20_000)
        expect(page.locator(".order-thanks")).to_be_visible()
        expect(page.locator(".is-due-open")).to_have_count(5)


def test_a_limit_refuses_more_than_the_tier_may_owe(front: Served, chromium: Browser) -> None:
    with visiting(front, chromium, "finance-limit", locale="en-GB") as visitor:
        page = visitor.open("/products/FN-GLD-002?buyer=b_qinghe&plan=3")
        expect(page.locator("#schedule")).to_contain_text("Your credit limit is ¥10,000.")
        expect(page.locator("#pay")).to_have_count(0)
        visitor.look("refused")


@pytest.mark.parametrize(
    ("language", "scheme", "width"), [("zh-CN", "dark", 1280), ("en-GB", "dark", 390), ("zh-CN", "light", 320)]
)
def test_every_page_in_chinese_in_the_dark_and_on_a_phone(
    front: Served, chromium: Browser, language: str, scheme: str, width: int
) -> None:
    name = f"finance-{language[:2]}-{scheme}-{width}"
    with visiting(front, chromium, name, width=width, locale=language, color_scheme=scheme) as visitor:
        visitor.open("/")
        visitor.look("home")
        visitor.open("/?category=hardware")
        visitor.look("category")
        page = visitor.open("/products/FN-CRE-002")
        buy_in_parts(page, "3", "b_tang_bo")
        page.wait_for_url("**/orders/**")
        visitor.look("order")
        visitor.open("/orders")
        visitor.look("orders")
        visitor.open("/products/FN-POS-002?buyer=b_he_lin&plan=12")
        visitor.look("product")
        visitor.open("/nothing")
        visitor.look("missing")


def test_buying_works_without_script(front: Served, chromium: Browser) -> None:
    with visiting(front, chromium, "finance-plain", locale="en-GB", java_script_enabled=False) as visitor:
        page = visitor.open("/products/FN-EDU-001")
        page.locator("#buyer").select_option("b_he_lin")
        page.locator('input[name=plan][value="3"]').check()
        page.locator("#update").click()
        expect(page.locator("#schedule tbody tr")).to_have_count(3)
        page.locator("#pay").click()
        page.wait_for_url("**/orders/**")
        page.get_by_role("button", name="Pay all of it").click()
        expect(page.locator("#plan .note")).to_contain_text("Everything is paid.")
        page.get_by_role("button", name="中文").click()
        expect(page.locator("#plan-title")).to_have_text("付款计划")
