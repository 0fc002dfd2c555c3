"""The shop in a real browser on the real product: web, worker, Temporal, PostgreSQL, each a process of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.orm import Session

from capabilities.kernel.database import make_engine
from tests.browser.running import SHOTS, await_page, chromium_browser, running, web_command
from tests.conftest import free_port
from web.api.keys import issue_key
from zhongtai.demo import load_demo
from zhongtai.migrate import migrate

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def shop_database(database_url: str) -> Iterator[str]:
    """A database of the shop's own with the demo's data, so that one product serves all tests of this file."""
    name = f"shop_{os.getpid()}"
    admin = create_engine(database_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = make_url(database_url).set(database=name).render_as_string(hide_password=False)
    migrate(url)
    yield url
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(scope="module")
def shop(shop_database: str, temporal_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a shop over a product with the demo's data."""
    engine = make_engine(shop_database)
    with Session(engine) as session, session.begin():
        load_demo(session)
        key = issue_key(session, "retail", "shop")
    engine.dispose()
    folder = tmp_path_factory.mktemp("shop")
    web_port, shop_port = free_port(), free_port()
    environment = os.environ | {
        "DATABASE_URL": shop_database,
        "TEMPORAL_ADDRESS": temporal_address,
        "ZHONGTAI_TASK_QUEUE": f"shop-{web_port}",
        "ZHONGTAI_API_URL": f"http://127.0.0.1:{web_port}",
        "ZHONGTAI_API_KEY": key,
        "ZHONGTAI_SHOP_PORT": str(shop_port),
        "ZHONGTAI_PROVIDER_LIMIT_S": "2.5",
    }
    commands = {
        "web": web_command(web_port),
        "worker": ["-m", "workflows.worker"],
        "shop": ["-m", "frontends", "retail"],
    }
    with running(commands, environment, folder):
        await_page(f"http://127.0.0.1:{web_port}/readyz")
        await_page(f"http://127.0.0.1:{shop_port}/")
        yield f"http://127.0.0.1:{shop_port}"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with chromium_browser() as browser:
        yield browser


def visit(chromium: Browser, **how: Any) -> tuple[BrowserContext, Page, list[str]]:
    """A new visitor; what the page complains of (policy, script errors) is collected."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, **how)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if "Security Policy" in said.text else None)
    return context, page, complaints


def look(page: Page, name: str) -> None:
    """Take the picture, and require that nothing on it is closed to anybody."""
    page.evaluate("for (const image of document.images) image.loading = 'eager'")
    page.wait_for_load_state("networkidle")
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"shop-{name}.png", full_page=True)
    found = Axe().run(page)["violations"]
    told = [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found]
    assert told == [], json.dumps(told, indent=1)


def fill_cart(page: Page, shop: str) -> None:
    for sku in ("RT-TEA-001", "RT-CUP-001"):
        page.goto(f"{shop}/products/{sku}")
        page.locator(".product-add .button.is-main").click()
        expect(page.locator(".toast")).to_be_visible()
    page.goto(f"{shop}/cart")


def test_a_visitor_buys_and_reads_why(shop: str, chromium: Browser) -> None:
    context, page, complaints = visit(chromium, locale="en-GB")
    page.goto(shop)
    look(page, "home")
    page.goto(f"{shop}/?category=food")
    page.locator("#q").fill("longjing")
    expect(page.locator("#shelf .card")).to_have_count(1)
    assert "q=longjing" in page.url
    look(page, "search")
    page.locator(".card-name a").click()
    look(page, "product")
    fill_cart(page, shop)
    expect(page.locator(".cart-link-count")).to_have_text("2")
    expect(page.locator("#total")).to_have_text("¥167.80")
    page.locator('[aria-controls="pieces-RT-TEA-001"][data-step="1"]').click()
    expect(page.locator("#pay")).to_have_text("Pay ¥248.94")
    expect(page.locator("#sums")).to_contain_text("10 % off from 200")
    page.locator("#buyer").select_option("b_sun_yue")
    expect(page.locator("#sums")).to_contain_text("VIP")
    page.locator("#buyer").select_option("")
    page.locator("#coupons").fill("NOPE")
    page.locator("#coupons").press("Tab")
    expect(page.locator("#coupon-said")).to_contain_text("There is no coupon NOPE.")
    look(page, "cart")
    page.locator("#coupons").fill("")
    page.locator("#coupons").press("Tab")
    expect(page.locator("#coupon-said p")).to_have_count(0)
    page.locator("#pay").click()
    page.wait_for_url("**/orders/**")
    expect(page.locator("h1")).to_contain_text("RET-")
    expect(page.locator(".receipt")).to_contain_text("Tea week, 15 % off tea")
    expect(page.locator(".order-paid")).to_contain_text("¥248.94")
    look(page, "order")
    page.goto(f"{shop}/orders")
    expect(page.locator(".order-list li")).to_have_count(1)
    look(page, "orders")
    assert complaints == []
    context.close()


def test_declined_late_and_silent_banks(shop: str, chromium: Browser) -> None:
    context, page, complaints = visit(chromium, locale="en-GB")
    fill_cart(page, shop)
    page.locator('input[value="sim_declined"]').check()
    expect(page.locator("#sums")).to_contain_text("¥167.80")
    page.locator("#pay").click()
    expect(page.locator("#cart-notice")).to_contain_text("Nothing was charged.")
    look(page, "declined")
    page.locator('input[value="sim_late_2000"]').check()
    page.wait_for_load_state("networkidle")
    page.locator("#pay").click()
    page.wait_for_url("**/orders/**")
    expect(page.locator(".order-paid")).to_contain_text("¥167.80")
    page.get_by_role("button", name="Into the cart again").click()
    page.locator('input[value="sim_timeout"]').check()
    page.wait_for_load_state("networkidle")
    page.locator("#pay").click()
    page.wait_for_url("**/waiting/**")
    look(page, "waiting")
    page.wait_for_url("**/orders/**", timeout=40_000)
    expect(page.locator(".badge")).to_have_text("Refused")
    expect(page.locator(".receipt")).to_contain_text("Nothing was charged.")
    assert complaints == []
    context.close()


@pytest.mark.parametrize(
    ("language", "scheme", "width"), [("zh-CN", "dark", 1280), ("en-GB", "dark", 390), ("zh-CN", "light", 320)]
)
def test_every_page_in_chinese_in_the_dark_and_on_a_phone(
    shop: str, chromium: Browser, language: str, scheme: str, width: int
) -> None:
    context, page, complaints = visit(chromium, locale=language, color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 840})
    name = f"{language[:2]}-{scheme}-{width}"
    for path, called in (
        ("/", "home"),
        ("/?category=home", "shelf"),
        ("/?q=zzz", "none"),
        ("/products/RT-TEA-001", "product"),
    ):
        page.goto(shop + path)
        look(page, f"{name}-{called}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, called
    fill_cart(page, shop)
    look(page, f"{name}-cart")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("#pay").click()
    page.wait_for_url("**/orders/**")
    look(page, f"{name}-order")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []
    context.close()


def test_buying_works_without_script(shop: str, chromium: Browser) -> None:
    context, page, _ = visit(chromium, locale="en-GB", java_script_enabled=False)
    page.goto(f"{shop}/products/RT-TEA-001")
    page.locator("#quantity").fill("2")
    page.locator(".product-add .button.is-main").click()
    assert page.url.endswith("/products/RT-TEA-001?added=1")
    page.get_by_role("link", name="View cart").click()
    page.locator("#pieces-RT-TEA-001").fill("1")
    page.locator("#update").click()
    expect(page.locator("#total")).to_have_text("¥108.80")
    page.locator("#pay").click()
    page.wait_for_url("**/orders/**")
    expect(page.locator(".order-paid")).to_contain_text("¥108.80")
    page.get_by_role("button", name="中文").click()
    expect(page.locator(".order-paid")).to_contain_text("已支付")
    context.close()
