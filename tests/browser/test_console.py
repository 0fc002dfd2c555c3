"""The console in a real browser on the real product: the journey of a change, an order in review, every page for everybody."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from activities.journal.models import ProcessRun
from capabilities.transaction.models import OrderRow
from rules.queries import rule_sets
from web.access.contract import Role

pytestmark = pytest.mark.browser

CUPS = {"RT-CUP-001": 4}
"""Four cups at 59.00: 236.00, so "10 % off from 200" takes 23.60 and 15 % takes 35.40."""


def retail_rules(product) -> str:
    with product.sessions() as session:
        return next(one.id for one in rule_sets(session, "retail") if one.decision == "marketing.promotions")


def await_order(product, quantity: int) -> None:
    """Until an order with so many is there: its pricing has committed."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with product.sessions() as session:
            if len(session.scalars(select(OrderRow.id)).all()) >= quantity:
                return
        time.sleep(0.05)
    raise AssertionError("no order was opened")


def test_a_change_is_written_approved_live_explained_and_rolled_back(product, person):
    path = f"/console/retail/rules/{retail_rules(product)}"
    assert product.checkout(CUPS).json()["total_minor"] == 212_40

    editor = person(Role.EDITOR)
    page = editor.open(path)
    rule = page.locator("#r-r_ten_from_200")
    rule.locator(".z-bracket-effect").click()
    page.locator("#f-rate_bps").fill("fifteen")
    page.keyboard.press("Enter")
    expect(rule.locator(".z-field-error")).to_have_text("Write a percentage such as 10 or 12.5.")
    page.locator("#f-rate_bps").fill("15")
    page.keyboard.press("Enter")
    expect(rule.locator(".z-bracket-effect")).to_contain_text("take 15 % off goods")
    expect(page.locator(".z-head-sub")).to_contain_text("live")
    page.get_by_role("link", name="Review", exact=False).first.click()
    page.locator("#reason").fill("Autumn sale")
    page.get_by_role("button", name="Submit for approval").click()
    expect(page.get_by_role("status").first).to_contain_text("Submitted.")
    expect(page.get_by_role("button", name="Approve and publish")).to_be_disabled()
    assert editor.look("journey-1-submitted") == []

    late = product.checkout_meanwhile(CUPS, method="sim_late_3000")
    await_order(product, 2)

    approver = person(Role.APPROVER)
    page = approver.page
    page.get_by_role("link", name="1 change waits for your approval").click()
    page.get_by_role("link", name="Look and decide").click()
    expect(page.locator("ins.z-new")).to_contain_text("take 15 % off goods")
    assert approver.look("journey-2-review") == []
    page.get_by_role("button", name="Approve and publish").click()
    expect(page.get_by_role("status").first).to_contain_text("Approved and live")

    answer = product.checkout(CUPS).json()
    assert (answer["status"], answer["total_minor"]) == ("confirmed", 200_60)
    late.join(30)
    assert product.answers[0].json()["total_minor"] == 212_40, "priced before the publish: the old rule decides"

    page = approver.open(f"/console/retail/orders/{answer['order_id']}")
    why = page.locator("section", has=page.locator("#why-title"))
    expect(why).to_contain_text("10 % off from 200")
    expect(why).to_contain_text("When order subtotal is at least ¥200.00, then take 15 % off goods")
    expect(why).to_contain_text("−¥35.40")
    expect(page.locator("section", has=page.locator("#decided-title"))).to_contain_text("Release 2")
    expect(page.locator("section", has=page.locator("#why-not-title"))).to_contain_text(
        "order subtotal was ¥236.00; this rule asks that it is at least ¥600.00"
    )
    expect(page.locator("section", has=page.locator("#why-not-title"))).to_contain_text("¥364.00 more")
    assert approver.look("journey-3-why") == []

    approver.open(f"{path}/releases")
    page.get_by_role("link", name="Roll back to this").first.click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("to release 1?")
    expect(dialog.locator("ins.z-new")).to_contain_text("take 10 % off goods")
    assert approver.look("journey-4-roll-back") == []
    dialog.get_by_role("button", name="Roll back to release 1").click()
    expect(page.get_by_role("status").first).to_contain_text("Rolled back")
    assert product.checkout(CUPS).json()["total_minor"] == 212_40
    assert editor.complaints + approver.complaints == []


def test_an_order_in_review_is_released_by_an_operator_and_its_process_is_seen_going_on(product, person):
    answer = product.checkout({"RT-CUP-001": 100})
    assert (answer.status_code, answer.json()["status"]) == (202, "in_review")
    order = answer.json()["order_id"]

    operator = person(Role.OPERATOR)
    page = operator.page
    page.get_by_role("link", name="1 order waits for a decision").click()
    page.locator(".z-table tbody a").first.click()
    expect(page.locator("#review-title")).to_be_visible()
    page.get_by_role("button", name="Reject the order").click()
    expect(page.locator("#order-error")).to_contain_text("Say why the order is rejected")
    assert operator.look("review-1-waits") == []

    watcher = person(Role.AUDITOR)
    watched = watcher.open(f"/console/retail/processes/{answer.json()['run_id']}")
    expect(watched.locator(".z-head-sub")).to_contain_text("waiting")
    assert watcher.look("review-2-process-waits") == []

    page.get_by_role("button", name="Release the order").click()
    expect(page.get_by_role("status").first).to_contain_text("Released")
    expect(watched.locator(".z-head-sub")).to_contain_text("ended", timeout=15_000)
    expect(watched.locator("#run")).not_to_have_attribute("hx-trigger", "every 2s")
    expect(watched.locator("#step-confirm")).to_contain_text("Confirm the order")
    page.reload()
    expect(page.locator(".z-head-sub")).to_contain_text("confirmed")
    with product.sessions() as session:
        assert session.get(OrderRow, order).status == "confirmed"
    assert operator.complaints + watcher.complaints == []


def test_a_rule_is_written_without_script_by_plain_forms(product, person):
    editor = person(Role.EDITOR, java_script_enabled=False)
    page = editor.open(f"/console/retail/rules/{retail_rules(product)}")
    page.locator("[id^=new-rule-name]").fill("VIP weekend, 10 % off")
    page.get_by_role("button", name="Add rule").click()
    rule = page.locator(".z-rule").last
    expect(rule).to_contain_text("incomplete, not in force")
    rule.get_by_role("link", name="condition").click()
    page.locator("#f-find").fill("vip")
    page.locator(".z-find button").click()
    page.locator("#w-buyer-tier").click()
    page.locator(".z-boxes input[value=vip]").check()
    page.locator(".z-inline .btn-primary").click()
    expect(page.locator(".z-rule").last).to_contain_text("buyer tier is one of VIP")
    page.locator(".z-rule").last.get_by_role("link", name="effect").click()
    page.locator("#k-percent_off").click()
    page.locator("#f-rate_bps").fill("10")
    page.locator(".z-inline .btn-primary").click()
    expect(page.locator(".z-rule").last).to_contain_text("take 10 % off goods")
    expect(page.locator(".z-rule").last).not_to_contain_text("incomplete")


def pages_of(product) -> dict[str, str]:
    """Every page with something on it."""
    rules = f"/console/retail/rules/{retail_rules(product)}"
    with product.sessions() as session:
        order = session.scalars(select(OrderRow.id).order_by(OrderRow.placed_at)).first()
        run = session.scalars(select(ProcessRun.id).where(ProcessRun.subject == order)).first()
    return {
        "today": "/console/retail/today",
        "rules": "/console/retail/rules",
        "editor": rules,
        "editor-condition": f"{rules}?open=r_ten_from_200&place=test:0",
        "editor-words": f"{rules}?open=r_ten_from_200&place=add:",
        "editor-effect": f"{rules}?open=r_ten_from_200&place=effect:0",
        "editor-window": f"{rules}?open=r_ten_from_200&place=window",
        "editor-manner": f"{rules}?open=r_ten_from_200&place=manner",
        "try": f"{rules}/try?sku1=RT-CUP-001&quantity1=4&order_number=2",
        "review": f"{rules}/review",
        "releases": f"{rules}/releases",
        "orders": "/console/retail/orders",
        "orders-none": "/console/retail/orders?q=nothing+like+this",
        "order": f"/console/retail/orders/{order}",
        "processes": "/console/retail/processes",
        "run": f"/console/retail/processes/{run}",
        "money": "/console/retail/money",
        "approvals": "/console/retail/approvals",
        "catalogue": "/console/retail/catalogue",
        "people": "/console/retail/people",
        "audit": "/console/retail/audit",
        "missing": "/console/retail/orders/unknown",
    }


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("zh", "dark"), ("en", "dark"), ("zh", "light")])
def test_every_page_is_open_to_everybody(product, person, language, theme):
    product.checkout(CUPS)
    product.checkout({"RT-TEA-001": 3}, method="sim_declined")
    admin = person(Role.ADMIN)
    admin.prefer(language=language, theme=theme)
    found = []
    brackets = (language, theme) in {("en", "light"), ("zh", "dark")}  # the open brackets share what they are made of
    for name, path in pages_of(product).items():
        if name.startswith("editor-") and not brackets:
            continue
        page = admin.open(path)
        assert page.locator("h1").count() == 1, name
        found += admin.look(f"{name}-{language}-{theme}")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name} is wider than its window"
    assert not found, "\n".join(found)
    assert admin.complaints == []


def test_the_door_and_a_forbidden_page_are_open_to_everybody(product, person, console_browser):
    editor = person(Role.EDITOR)
    editor.open("/console/retail/audit")
    assert editor.look("forbidden") == []
    editor.page.get_by_text("Erin Editor").first.click()
    editor.page.get_by_role("button", name="Sign out").click()
    editor.page.wait_for_url("**/sign-in")
    assert editor.look("door") == []


def test_a_narrow_window_shows_everything_without_scrolling_sideways(product, person):
    product.checkout(CUPS)
    admin = person(Role.ADMIN)
    admin.page.set_viewport_size({"width": 360, "height": 800})
    for name, path in pages_of(product).items():
        page = admin.open(path)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, name
    admin.open("/console/retail/today")
    assert admin.look("today-narrow") == []


def test_keys_lead_to_pages_and_the_search(product, person):
    page = person(Role.ADMIN).page
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.wait_for_url("**/orders")
    page.keyboard.press("/")
    expect(page.locator("#z-search")).to_be_focused()
    page.keyboard.type("g")
    expect(page.locator("#z-search")).to_have_value("g")
