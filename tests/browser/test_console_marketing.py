"""Campaigns, coupons, prices and stored value in a real browser on the real product: what an operator does there in a week."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select, update

from capabilities.account.queries_stored import gift_cards_page
from capabilities.kernel.clock import now
from capabilities.marketing.models import BudgetRow, CouponRow, LimitClaimRow
from capabilities.marketing.queries_campaigns import campaign_of
from capabilities.marketing.queries_coupons import coupons_page
from web.access.contract import Role

pytestmark = pytest.mark.browser

HERE = "/console/retail/marketing"
CREAM = {"RT-BEA-001": 10}
"""Ten at 36.00 in the beauty days: 12 % off, 43.20 of their budget."""


def done(page: Page) -> None:
    """The note above says that the process did it."""
    expect(page.locator("#became.z-note-ok")).to_be_visible(timeout=60_000)


def test_a_campaign_is_planned_started_and_topped_up_by_a_second_person(product, person):
    editor = person(Role.EDITOR)
    page = editor.open(f"{HERE}/campaigns")
    page.get_by_role("link", name="New campaign").click()
    page.locator("#f-campaign_id").fill("new year")
    page.get_by_role("button", name="Save as a draft").click()
    expect(page.locator("#form-errors")).to_contain_text("Letters, digits, dots and dashes, such as spring-2027.")
    page.locator("#f-campaign_id").fill("new-year")
    page.locator("#f-name_en").fill("New year")
    page.locator("#f-most1").fill("1,000")
    page.get_by_role("button", name="Save as a draft").click()
    done(page)
    expect(page.locator("h1")).to_have_text("New year")
    page.get_by_role("button", name="Start", exact=True).click()
    done(page)
    expect(page.locator(".z-head-sub")).to_contain_text("live")

    page.get_by_text("Ask for more or less").click()
    page.get_by_label("How much more").fill("250.50")
    page.get_by_label("Reason").first.fill("The hall is full")
    page.get_by_role("button", name="Send to a second person").click()
    expect(page.locator("#became")).to_contain_text("waits for approval")
    expect(page.locator(".z-panel-wait")).to_contain_text("Erin Editor asks for ¥250.50: from ¥1,000.00 to ¥1,250.50.")
    assert editor.look("marketing-top-up-waits") == []

    approver = person(Role.APPROVER)
    other = approver.open(f"{HERE}/campaigns/new-year")
    other.get_by_role("link", name="Look and decide").click()
    other.locator("#reason").fill("Agreed")
    other.get_by_role("button", name=re.compile("Approve")).click()
    expect(other.get_by_role("status").first).to_be_visible()
    for _ in range(40):
        page.goto(f"{product.url}{HERE}/campaigns/new-year")
        if "1,250.50" in page.locator("h2").first.inner_text():
            break
        page.wait_for_timeout(250)
    expect(page.get_by_role("group", name="Changes of this budget")).to_contain_text("Ada Approver")
    expect(page.get_by_role("group", name="Changes of this budget")).to_contain_text("+250.50")
    with product.sessions() as session:
        assert campaign_of(session, "retail", "new-year").budgets[0].most == 125_050
    assert editor.complaints + approver.complaints == []


def test_a_lot_is_made_and_one_of_its_codes_is_seen_used_by_a_checkout_then_voided(product, person):
    editor = person(Role.EDITOR)
    page = editor.open(f"{HERE}/new-lot")
    page.locator("#f-lot_id").fill("tea-friends")
    page.locator("#f-opens").fill("TEA20")
    page.locator("#f-pattern").fill("TEA-##")
    expect(page.locator("#verdict")).to_contain_text("Can be guessed")
    page.locator("#f-pattern").fill("TEA-####-????")
    expect(page.locator("#verdict")).to_contain_text("Hard to guess")
    page.locator("#f-codes").fill("40")
    page.get_by_role("button", name="Make the lot").click()
    expect(page.locator("#lot .z-head-sub")).to_contain_text("ready", timeout=60_000)
    expect(page.locator("#lot")).to_contain_text("20 off tea with the code TEA20")
    with product.sessions() as session:
        code = coupons_page(session, "retail", lot_id="tea-friends").coupons[0].code

    answer = product.checkout({"RT-TEA-001": 1}, coupon_codes=[code])
    assert (answer.status_code, answer.json()["status"]) == (201, "confirmed")
    assert answer.json()["discount_minor"] >= 20_00

    page.goto(f"{product.url}{HERE}/coupons")
    page.locator("#find-code").fill(code[:9].lower())
    page.get_by_role("button", name="Find a code").click()
    page.get_by_role("link", name=code).click()
    expect(page.locator(".z-head-sub")).to_contain_text("used up")
    use = page.locator("section", has=page.locator("#uses-title")).get_by_role("link")
    expect(use).to_have_attribute("href", f"/console/retail/orders/{answer.json()['order_id']}")
    page.get_by_role("button", name="Void for good").click()
    expect(page.locator("#form-errors")).to_contain_text("Say why")
    page.locator("#f-reason").fill("Printed in a newspaper")
    page.get_by_role("button", name="Void for good").click()
    done(page)
    expect(page.locator(".z-head-sub")).to_contain_text("Printed in a newspaper")
    assert editor.complaints == []


def test_codes_come_from_a_file_and_prices_from_a_table_and_a_file(product, person):
    editor = person(Role.EDITOR)
    page = editor.open(f"{HERE}/coupons/import")
    file = {
        "name": "codes.csv",
        "mimeType": "text/csv",
        "buffer": b"code,opens,use_limit\nHI-1,TEA20,5\nHI-2,TEA20,x\n",
    }
    page.locator("#f-file").set_input_files([file])
    page.get_by_role("button", name="Show what it does").click()
    expect(page.locator("section", has=page.locator("#preview-title"))).to_contain_text("1 line is bad")
    page.get_by_role("button", name="Add 1 code").click()
    done(page)
    expect(page.locator("section", has=page.locator("#done-title"))).to_contain_text("1 code was added")

    page = editor.open(f"{HERE}/prices/household-packs")
    page.get_by_role("link", name="Change prices").click()
    page.get_by_label("Price 1", exact=True).fill("52.00")
    page.get_by_label("Reason").fill("Harvest")
    page.get_by_role("button", name="Save the prices").click()
    done(page)
    expect(page.locator("#prices tbody tr", has_text="52.00").first).to_be_visible()
    page.get_by_role("link", name="Import", exact=True).click()
    page.locator("#f-text").fill("sku,from_quantity,price\nRT-RIC-001,2,65.50\n")
    page.get_by_role("button", name="Show what it does").click()
    expect(page.locator("tbody")).to_contain_text("65.50")
    page.locator("#f-reason").fill("Harvest")
    page.get_by_role("button", name="Change 1 price").click()
    done(page)
    assert editor.complaints == []


def test_a_gift_card_is_issued_with_its_code_shown_once_then_frozen_and_points_are_granted(product, person):
    operator = person(Role.OPERATOR)
    page = operator.open(f"{HERE}/new-gift-card")
    page.locator("#f-amount").fill("88")
    page.locator("#f-reason").fill("Complaint 17")
    page.get_by_role("button", name="Issue and show its code").click()
    code = page.locator(".z-figure").inner_text()
    assert re.fullmatch(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){3}", code)
    assert operator.look("marketing-gift-card-issued") == []
    paid = product.checkout(
        {"RT-SAU-001": 1},
        payments=[{"method": "gift_card", "reference": code}],
        method="gift_card",
    )
    page.get_by_role("link", name="To the card").click()
    if paid.status_code == 201:
        expect(page.locator("section", has=page.locator("#statement-title")).locator("tbody tr")).to_have_count(2)
    expect(page.locator("h1")).to_contain_text(code[-4:])
    page.locator("#f-reason").fill("Reported lost")
    page.get_by_role("button", name="Freeze the card").click()
    done(page)
    expect(page.locator(".z-head-sub")).to_contain_text("frozen")
    assert code not in page.content()

    page = operator.open(f"{HERE}/points?buyer=b_li_na")
    expect(page.locator(".z-figure")).to_have_text("1,200")
    page.locator("#f-points").fill("300")
    page.locator("#f-reason").fill("A late parcel")
    page.get_by_role("button", name="Grant the points").click()
    done(page)
    expect(page.locator(".z-figure")).to_have_text("1,500")
    assert operator.complaints == []


def burn(product) -> str:
    """Two checkouts draw on the beauty days, as if yesterday; little is left. Returns a used code's text."""
    for buyer in ("b_li_na", "b_sun_yue"):
        assert product.checkout(CREAM, buyer_id=buyer).status_code == 201
    product.checkout({"RT-TEA-001": 1}, coupon_codes=["TEA20"])
    with product.sessions.begin() as session:
        budget = campaign_of(session, "retail", "beauty-days").budgets[0]
        session.execute(update(BudgetRow).where(BudgetRow.id == budget.id).values(most=12_000))
        session.execute(update(LimitClaimRow).values(created_at=now() - timedelta(hours=20)))
        return str(session.scalars(select(CouponRow.code).where(CouponRow.lot_id.is_not(None))).first())


def pages_of(product, code: str) -> dict[str, str]:
    """Every page with something on it."""
    with product.sessions() as session:
        card = gift_cards_page(session, "retail").cards[0].id
    return {
        "today": "/console/retail/today",
        "campaigns": f"{HERE}/campaigns",
        "campaigns-none": f"{HERE}/campaigns?q=nothing",
        "campaign": f"{HERE}/campaigns/beauty-days",
        "campaign-new": f"{HERE}/new-campaign",
        "lots": f"{HERE}/coupons",
        "lot": f"{HERE}/coupons/lots/friends-2026",
        "lot-new": f"{HERE}/new-lot",
        "codes": f"{HERE}/coupons/codes",
        "coupon": f"{HERE}/coupons/code?code={code}",
        "coupon-used": f"{HERE}/coupons/code?code=TEA20",
        "coupon-new": f"{HERE}/new-coupon",
        "coupon-import": f"{HERE}/coupons/import",
        "prices": f"{HERE}/prices",
        "price-list": f"{HERE}/prices/household-packs",
        "price-edit": f"{HERE}/prices/household-packs/edit",
        "price-terms": f"{HERE}/prices/winter-sale/terms",
        "price-new": f"{HERE}/new-price-list",
        "price-import": f"{HERE}/prices/household-packs/import",
        "gift-cards": f"{HERE}/gift-cards",
        "gift-card": f"{HERE}/gift-cards/{card}",
        "gift-card-new": f"{HERE}/new-gift-card",
        "points": f"{HERE}/points?buyer=b_li_na",
    }


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("zh", "dark"), ("en", "dark"), ("zh", "light")])
def test_every_page_is_open_to_everybody(product, person, language, theme):
    code = burn(product)
    admin = person(Role.ADMIN)
    admin.prefer(language=language, theme=theme)
    found = []
    for name, path in pages_of(product, code).items():
        page = admin.open(path)
        assert page.locator("h1").count() == 1, name
        found += admin.look(f"marketing-{name}-{language}-{theme}")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name} is wider than its window"
    assert not found, "\n".join(found)
    assert admin.complaints == []


def test_a_narrow_window_shows_everything_without_scrolling_sideways(product, person):
    code = burn(product)
    admin = person(Role.ADMIN)
    admin.page.set_viewport_size({"width": 360, "height": 800})
    for name, path in pages_of(product, code).items():
        page = admin.open(path)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, name
    admin.open(f"{HERE}/campaigns/beauty-days")
    assert admin.look("marketing-campaign-narrow") == []


def test_everything_is_said_without_script(product, person):
    burn(product)
    editor = person(Role.EDITOR, java_script_enabled=False)
    page = editor.open(f"{HERE}/campaigns/beauty-days")
    page.locator("#f-reason").fill("Stock is gone")
    page.get_by_role("button", name="Pause", exact=True).click()
    done(page)
    expect(page.locator(".z-head-sub")).to_contain_text("paused")
    expect(page.locator("ol.z-list").last).to_contain_text("Stock is gone")
