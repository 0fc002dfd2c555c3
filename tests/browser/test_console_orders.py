"""What is done to orders and customers, in a real browser on the real product: refund, cancel, approve, suspend, erase, mend."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import text

from activities.journal import service as journal
from activities.journal.approvals import approvals_page, ask
from activities.journal.models import ProcessRun, RunStatus
from capabilities.kernel.clock import now
from capabilities.kernel.identity import BusinessIdentity
from capabilities.transaction.contract import RefundStatus
from capabilities.transaction.queries import order_of, refunds_of
from capabilities.transaction.story_queries import standing_of
from capabilities.transaction.unit_queries import returns_of
from capabilities.user.models import BuyerRow
from tests.activities.selling import an_order, points, refund, sell
from tests.activities.selling import run as step
from web.access.contract import Role
from workflows.library import definition_for
from workflows.worker import load_operations

load_operations()
pytestmark = pytest.mark.browser

CUP = "RT-CUP-001"
"""59.00 each."""


def bought(product, quantity: int, **more) -> str:
    answer = product.checkout({CUP: quantity}, **more)
    assert answer.status_code == 201, answer.text
    return answer.json()["order_id"]


def open_order(person, order: str) -> Page:
    return person.open(f"/console/retail/orders/{order}")


def act(page: Page, name: str):
    """Open an act from the row of the order; its dialog."""
    page.locator(".z-order-acts").get_by_role("link", name=name, exact=True).click()
    dialog = page.locator("dialog[open]")
    expect(dialog.get_by_role("heading", level=1)).to_be_visible()
    return dialog


def hand_over(page: Page) -> None:
    dialog = act(page, "Hand over")
    dialog.locator("#p-carrier").fill("SF Express")
    dialog.get_by_role("button", name="Hand over").click()
    expect(page.locator("#became")).to_contain_text("Hand-over: done", timeout=20_000)


def test_one_of_three_units_is_refunded_end_to_end(product, person):
    order = bought(product, 3)
    operator = person(Role.OPERATOR)
    page = open_order(operator, order)
    hand_over(page)
    expect(page.locator("#pieces-l1")).to_contain_text("3")

    page.locator("#pieces-l1").get_by_role("link", name="Return a piece").click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("Refund 1 piece of order")
    expect(dialog.get_by_role("button", name="Refund ¥59.00")).to_be_visible()
    assert operator.look("refund-1-dialog") == []
    dialog.locator('[name="units.l1"]').first.fill("2")
    dialog.locator('[name="units.l1"]').first.press("Enter")
    expect(dialog.get_by_role("button", name="Refund ¥118.00")).to_be_visible()
    dialog.locator('[name="units.l1"]').first.fill("1")
    dialog.locator('[name="units.l1"]').first.press("Tab")
    expect(dialog.get_by_role("button", name="Refund ¥59.00")).to_be_visible()
    dialog.get_by_label("Reason").fill("A cup was broken")
    dialog.get_by_role("button", name="Refund ¥59.00").click()
    expect(page.locator("#became")).to_contain_text("refunded", timeout=20_000)
    expect(page.locator(".z-head-money")).to_contain_text("¥59.00 taken back, ¥118.00 kept")
    expect(page.locator(".z-head-sub")).to_contain_text("partly refunded")
    story = page.locator("section", has=page.locator("#story-title"))
    expect(story).to_contain_text("A cup was broken")
    expect(story).to_contain_text("SF Express")
    assert operator.look("refund-2-order") == []
    with product.sessions() as session:
        (refund,) = refunds_of(session, order)
    assert (refund.status, refund.due_minor) == (RefundStatus.SUCCEEDED, 59_00)

    page.get_by_role("link", name=refund.number).first.click()
    expect(page.locator("h1")).to_have_text(f"Refund {refund.number}")
    expect(page.locator(".z-figure")).to_have_text("¥59.00")
    assert operator.look("refund-3-page") == []
    assert operator.complaints == []


def test_a_piece_is_cancelled_and_its_money_given_back(product, person):
    order = bought(product, 2)
    operator = person(Role.OPERATOR)
    page = open_order(operator, order)
    page.locator("#pieces-l1").get_by_role("link", name="Cancel a piece").click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("and give ¥59.00 back")
    dialog.get_by_label("Reason").fill("Out of stock")
    dialog.get_by_role("button", name="Cancel 1 piece").click()
    expect(page.locator("#became")).to_contain_text("cancelled, the money given back", timeout=30_000)
    expect(page.locator(".z-head-money")).to_contain_text("¥59.00 taken back, ¥59.00 kept")
    with product.sessions() as session:
        standing = standing_of(session, order)
        assert (standing.units[0].cancelled, standing.units[0].refunded) == (1, 1)
    assert operator.complaints == []


def test_a_large_refund_is_approved_by_a_second_person(product, person):
    order = bought(product, 10)
    operator = person(Role.OPERATOR)
    page = open_order(operator, order)
    hand_over(page)
    dialog = act(page, "Refund")
    expect(dialog).to_contain_text("what it gives back is shown here")
    dialog.locator('[name="units.l1"]').first.fill("10")
    dialog.locator('[name="units.l1"]').first.press("Tab")
    expect(dialog).to_contain_text("somebody else has to approve it before money goes")
    dialog.get_by_label("Reason").fill("The whole set is faulty")
    dialog.get_by_role("button", name="Ask for a refund of ¥531.00").click()
    expect(page.locator("#became")).to_contain_text("waits for approval", timeout=20_000)
    expect(page.locator("#became")).to_contain_text("Ada Approver")
    assert operator.look("approve-1-waits") == []

    approver = person(Role.APPROVER)
    decided = approver.page
    decided.get_by_role("link", name="1 process asks for your approval").click()
    assert approver.look("approve-2-list") == []
    decided.get_by_role("link", name="Look and decide").click()
    expect(decided.locator("dl")).to_contain_text("The whole set is faulty")
    decided.get_by_role("button", name="Approve ¥531.00").click()
    expect(decided.locator("#approval-error")).to_contain_text("Say why")
    assert approver.look("approve-3-question") == []
    decided.locator("#reason").fill("Seen the pictures")
    decided.get_by_role("button", name="Approve ¥531.00").click()
    expect(decided.locator("h1")).to_contain_text("Refund")
    expect(decided.locator("#became")).to_contain_text("refunded", timeout=20_000)

    page.reload()
    expect(page.locator("#became")).to_contain_text("refunded", timeout=20_000)
    with product.sessions() as session:
        (refund,) = refunds_of(session, order)
        (asked,) = approvals_page(session, "retail").approvals
    assert (refund.status, refund.due_minor) == (RefundStatus.SUCCEEDED, 531_00)
    assert asked.decision == "approve"
    assert asked.decided_by != asked.asked_by
    assert operator.complaints + approver.complaints == []


def test_nobody_approves_what_they_asked_for(product, person):
    order = bought(product, 10)
    admin = person(Role.ADMIN)
    page = open_order(admin, order)
    hand_over(page)
    page = admin.open(f"/console/retail/orders/{order}/refund?units.l1=10")
    page.get_by_label("Reason").fill("All of it")
    page.get_by_role("button", name="Ask for a refund").click()
    expect(page.locator("#became")).to_contain_text("waits for approval", timeout=20_000)
    admin.open("/console/retail/approvals")
    page.locator("#others-title").wait_for()
    page.locator(".z-list a.z-strong").first.click()
    expect(page.get_by_role("button", name="Approve")).to_be_disabled()
    expect(page.locator(".z-why")).to_contain_text("You asked for this yourself; somebody else decides.")
    expect(page.locator(".z-why")).to_contain_text("Ada Approver")
    assert admin.look("approve-4-own") == []


def test_a_return_is_announced_received_and_refunded(product, person):
    order = bought(product, 3)
    operator = person(Role.OPERATOR)
    page = open_order(operator, order)
    hand_over(page)
    dialog = act(page, "Announce a return")
    dialog.locator('[name="units.l1"]').first.fill("2")
    dialog.locator('[name="units.l1"]').first.press("Tab")
    expect(dialog).to_contain_text("Announce that 2 pieces")
    dialog.get_by_label("Reason").fill("Too small")
    dialog.get_by_role("button", name="Announce the return of 2 pieces").click()
    expect(page.locator("#became")).to_contain_text("Return", timeout=20_000)
    operator.open("/console/retail/today")
    page.get_by_role("link", name="1 return is to be received").click()
    page.locator("tbody a.z-strong").first.click()
    dialog = act(page, "Receive")
    dialog.locator('[name="restock.l1"]').first.fill("1")
    dialog.locator('[name="discard.l1"]').first.fill("1")
    dialog.locator('[name="discard.l1"]').first.press("Tab")
    expect(dialog).to_contain_text("1 go on the shelf again, 1 are thrown away")
    dialog.get_by_role("button", name="Receive 2 pieces").click()
    expect(page.locator("h1")).to_contain_text("Return")
    expect(page.locator(".z-head-sub")).to_contain_text("received, not settled")
    dialog = act(page, "Refund what came back")
    dialog.get_by_label("Reason").fill("Came back")
    dialog.get_by_role("button", name="Refund ¥118.00").click()
    expect(page.locator("#became")).to_contain_text("refunded", timeout=20_000)
    with product.sessions() as session:
        (back,) = returns_of(session, order)
    assert back.refund_id is not None
    assert [(line.received, line.restocked) for line in back.lines] == [(2, 1)]
    assert operator.complaints == []


def test_an_open_order_is_changed_after_its_dry_run(product, person):
    order = bought(product, 3)
    operator = person(Role.OPERATOR)
    page = open_order(operator, order)
    dialog = act(page, "Change")
    dialog.locator('[name="quantity.l1"]').first.fill("2")
    dialog.locator('[name="quantity.l1"]').first.press("Tab")
    expect(dialog).to_contain_text("from ¥177.00 to ¥118.00")
    assert operator.look("change-dialog") == []
    dialog.get_by_label("Reason").fill("One less")
    dialog.get_by_role("button", name="Change the order to ¥118.00").click()
    expect(page.locator("#became")).to_contain_text("Change of an order", timeout=20_000)
    page.wait_for_timeout(0)
    with product.sessions() as session:
        until(lambda: standing_of(session, order).refunded_minor == 59_00, session)
        assert order_of(session, order).status.value == "confirmed"


def until(true, session) -> None:
    deadline = time.monotonic() + 20
    while not true():
        session.rollback()
        session.expire_all()
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.1)


def test_a_customer_is_suspended_restored_and_erased(product, person):
    operator = person(Role.OPERATOR)
    page = operator.open("/console/retail/customers?q=wang")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("tbody a.z-strong").click()
    expect(page.locator("h1")).to_have_text("Wang Wei 王伟")
    dialog = act(page, "Suspend")
    dialog.get_by_role("button", name="Suspend").click()
    expect(page.locator("#act-error")).to_contain_text("Say why")
    page.get_by_label("Reason").fill("Three chargebacks")
    page.get_by_role("button", name="Suspend").click()
    expect(page.locator(".z-head-sub")).to_contain_text("suspended", timeout=20_000)
    assert product.checkout({CUP: 1}, buyer_id="b_wang_wei").status_code == 409
    assert operator.look("customer-1-suspended") == []
    dialog = act(page, "Restore")
    dialog.get_by_label("Reason").fill("Paid at last")
    dialog.get_by_role("button", name="Restore").click()
    expect(page.locator(".z-head-sub")).to_contain_text("active", timeout=20_000)

    dialog = act(page, "Set the tier")
    dialog.locator("#f-tier").select_option("gold")
    expect(dialog).to_contain_text("to Gold (the rules say Silver)")
    dialog.get_by_label("Reason").fill("A good neighbour")
    dialog.get_by_role("button", name="Set the tier").click()
    expect(page.locator(".z-head-sub")).to_contain_text("Gold", timeout=20_000)
    expect(page.locator("section", has=page.locator("#tiers-title"))).to_contain_text("A good neighbour")

    dialog = act(page, "Record a consent")
    dialog.locator("#p-text_version").fill("privacy-2026-11")
    dialog.get_by_role("button", name="Record it").click()
    consents = page.locator("section", has=page.locator("#consent-title"))
    expect(consents).to_contain_text("privacy-2026-11", timeout=20_000)

    order = bought(product, 1, buyer_id="b_wang_wei")
    operator.open("/console/retail/customers/b_wang_wei/acts/erase")
    expect(page.locator("#act-error")).to_contain_text("Something of this customer is still open")
    open_order(operator, order)
    hand_over(page)
    with page.expect_download() as download:
        operator.open("/console/retail/customers/b_wang_wei")
        page.get_by_role("link", name="Export the data").click()
    document = json.loads(download.value.path().read_text())
    assert document["buyer"]["email"] == "wang.wei@example.com"

    dialog = act(page, "Erase the data")
    expect(dialog).to_contain_text("This cannot be undone.")
    expect(dialog).to_contain_text("words of consent, as the proof of what was agreed to")
    assert operator.look("customer-2-erase") == []
    dialog.get_by_label("Reason").fill("Asked for by letter")
    dialog.get_by_role("button", name="Ask to erase the data").click()
    expect(page.locator("#became")).to_contain_text("waits for approval", timeout=20_000)
    approver = person(Role.APPROVER)
    approver.page.get_by_role("link", name="1 process asks for your approval").click()
    approver.page.get_by_role("link", name="Look and decide").click()
    approver.page.locator("#reason").fill("The letter is here")
    approver.page.get_by_role("button", name="Approve", exact=True).click()
    expect(approver.page.locator("#became")).to_contain_text("erased", timeout=20_000)
    page.reload()
    expect(page.locator("h1")).to_have_text("b_wang_wei")
    expect(page.locator(".z-head-sub")).to_contain_text("erased")
    assert operator.look("customer-3-erased") == []
    with product.sessions() as session:
        row = session.get(BuyerRow, ("retail", "b_wang_wei"))
        assert (row.name, row.email) == ("", None)
    assert operator.complaints + approver.complaints == []


# --- runs that park, mended by hand -----------------------------------------------------------------------------


@contextmanager
def broken(product, table: str, when: str = "TRUE") -> Iterator[None]:
    """Writing to the table fails as long as this lasts, with an error nobody foresaw."""
    with product.sessions.begin() as session:
        session.execute(
            text(
                "CREATE FUNCTION out_of_paper() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'the printer is out of paper'; END $$"
            )
        )
        session.execute(
            text(
                f"CREATE TRIGGER out_of_paper BEFORE INSERT OR UPDATE ON {table} "
                f"FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION out_of_paper()"
            )
        )
    try:
        yield
    finally:
        with product.sessions.begin() as session:
            session.execute(text("DROP FUNCTION IF EXISTS out_of_paper() CASCADE"))


def parked_hand_over(operator, order: str) -> Page:
    """A hand-over that parks; its run is shown."""
    page = open_order(operator, order)
    dialog = act(page, "Hand over")
    dialog.locator("#p-carrier").fill("Broken Carrier")
    dialog.get_by_role("button", name="Hand over").click()
    expect(page.locator("#became")).to_contain_text("is stuck; a person has to mend it", timeout=40_000)
    page.locator("#became").get_by_role("link", name="Look at its process").click()
    expect(page.locator("#stuck-title")).to_have_text("Stuck at “fulfil”")
    return page


def test_a_stuck_run_is_retried_after_its_cause_is_mended(product, person):
    order = bought(product, 1)
    operator = person(Role.OPERATOR)
    with broken(product, "fulfilment"):
        page = parked_hand_over(operator, order)
        expect(page.locator(".z-panel-bad")).to_contain_text("the printer is out of paper")
        assert operator.look("mend-1-stuck") == []
        page.get_by_role("button", name="Retry", exact=True).click()
        expect(page.locator("#repair-error")).to_contain_text("Say why: repairs are audited.")
        page.locator("#reason").fill("try it")
        page.get_by_role("button", name="Retry", exact=True).click()
        expect(page.get_by_role("status").first).to_contain_text("Asked to try again.")
        expect(page.locator("#stuck-title")).to_be_visible(timeout=20_000)
        assert operator.open("/console/retail/today").get_by_text("1 process is stuck at “fulfil”").count() == 1
    page.get_by_role("link", name="1 process is stuck at “fulfil”").click()
    page.locator("tbody a.z-strong").first.click()
    page.locator("#reason").fill("paper is in")
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page.locator(".z-head-sub")).to_contain_text("waiting", timeout=20_000)
    expect(page.locator("#step-fulfil")).to_contain_text("done")
    expect(page.locator("#steps-title").locator("xpath=ancestor::section")).to_contain_text("paper is in")
    assert operator.look("mend-2-goes-on") == []
    with product.sessions() as session:
        assert order_of(session, order).status.value == "fulfilled"
    assert operator.complaints == []


def test_a_stuck_run_goes_on_with_a_changed_input(product, person):
    order = bought(product, 2)
    operator = person(Role.OPERATOR)
    with broken(product, "fulfilment", "NEW.carrier = 'Broken Carrier'"):
        page = parked_hand_over(operator, order)
        page.get_by_text("Retry with another input, or skip with a result").click()
        asked = json.loads(page.locator("#change").input_value())
        page.locator("#change").fill(json.dumps(asked | {"carrier": "SF Express"}))
        page.locator("#reason").fill("their van broke down")
        page.get_by_role("button", name="Retry with this input").click()
        expect(page.locator(".z-head-sub")).to_contain_text("waiting", timeout=20_000)
        expect(page.locator("#run")).to_contain_text("input changed by a person")
    open_order(operator, order)
    expect(page.locator("section", has=page.locator("#left-title"))).to_contain_text("SF Express")


def test_a_stuck_step_is_skipped_with_a_result(product, person):
    order = bought(product, 1)
    operator = person(Role.OPERATOR)
    with broken(product, "fulfilment"):
        page = parked_hand_over(operator, order)
        page.get_by_text("Retry with another input, or skip with a result").click()
        made = {
            "id": "ful_by_hand",
            "order_id": order,
            "business": "retail",
            "carrier": None,
            "tracking": None,
            "lines": [],
            "fulfilled_at": "2026-11-25T10:00:00Z",
            "actor": "by hand",
        }
        result = {"order_id": order, "status": "confirmed", "fulfilment": made}
        page.locator("#change").fill(json.dumps(result))
        page.locator("#reason").fill("written down on paper")
        page.get_by_role("button", name="Skip with this result").click()
        expect(page.locator(".z-head-sub")).to_contain_text("outcome: handed over", timeout=20_000)
    expect(page.locator("#run")).to_contain_text("skipped by a person")
    expect(page.locator("#run")).to_contain_text("written down on paper")


def test_a_stuck_refund_is_stopped_and_leaves_nothing(product, person):
    order = bought(product, 2)
    operator = person(Role.OPERATOR)
    page = open_order(operator, order)
    hand_over(page)
    with broken(product, "refund", "NEW.status = 'approved'"):
        operator.open(f"/console/retail/orders/{order}/refund?units.l1=1")
        page.get_by_label("Reason").fill("Broken")
        page.get_by_role("button", name="Refund ¥59.00").click()
        expect(page.locator("#became")).to_contain_text("is stuck", timeout=40_000)
        operator.open("/console/retail/today")
        page.get_by_role("link", name="1 refund is stuck at “approve”").click()
        expect(page.locator("tbody tr")).to_have_count(1)
        page.locator("tbody a.z-strong").first.click()
        page.get_by_text("Undo and stop", exact=True).first.click()
        expect(page.locator(".z-panel-bad")).to_contain_text("Nothing is left to undo")
        assert operator.look("mend-3-undo") == []
        page.locator("#reason").fill("the buyer keeps it")
        page.get_by_role("button", name="Stop the process").click()
        expect(page.locator(".z-head-sub")).to_contain_text("ended", timeout=20_000)
    with product.sessions() as session:
        assert refunds_of(session, order) == (), "all its steps were one transaction, which never was"
        assert standing_of(session, order).kept_minor == 118_00


# --- every page --------------------------------------------------------------------------------------------------


def sold_with_all_that_follows(product) -> str:
    """An order of Sun Yue paid by points and card: handed over in part, refunds given back and asked for, a return."""
    with product.sessions.begin() as session:
        points(session, 200_000, "b_sun_yue")
        order = an_order(session, 12, buyer="b_sun_yue", off=80_00, tax=0)
        sell(session, order, [("points", 100_00), ("sim_ok", 900_00)])
        lines = [{"line_id": "l1", "units": 9}]
        step(session, "transaction.fulfil", order_id=order.id, lines=lines, carrier="SF Express", tracking="SF100200")
        given = refund(session, order, "one", kind="return", lines=[{"line_id": "l1", "units": 1}], reason="Faulty")
        step(session, "account.post_refund", refund_id=given)
        step(session, "transaction.complete_refund", refund_id=given)
        asked = {
            "order_id": order.id,
            "kind": "return",
            "lines": [{"line_id": "l1", "units": 6}],
            "reason": "All faulty",
        }
        opened = step(session, "transaction.open_refund", request=asked)
        lines = [{"line_id": "l1", "units": 2}]
        step(session, "transaction.request_return", order_id=order.id, lines=lines, reason="Too small")
        ask_about(session, order, opened)
    return order.id


def ask_about(session, order, opened) -> None:
    """A refund's run that waits for an approver, as its worker writes it down."""
    definition = definition_for("refund", BusinessIdentity("retail"))
    journal.save_definition(
        session, sha256=definition.sha256, body=definition.body, business="retail", process="refund"
    )
    journal.open_run(
        session,
        id="run_refund",
        business="retail",
        scenario=None,
        process="refund",
        definition_sha256=definition.sha256,
        workflow_id="retail/refund/one",
        input={"request": {"order_id": order.id}},
        actor="api:shop",
        correlation_id="run_refund",
        status=RunStatus.WAITING,
    )
    session.get(ProcessRun, "run_refund").subject = order.id
    shows = {
        "order_id": order.id,
        "order_number": order.number,
        "refund_id": opened.refund_id,
        "number": opened.number,
        "kind": "return",
        "currency": "CNY",
        "total_minor": opened.total_minor,
        "due_minor": opened.due_minor,
        "reason": "All faulty",
        "policy": "Above 500 a person decides.",
    }
    about = {"business": "retail", "run_id": "run_refund", "path": "approval", "iteration": 0}
    ask(session, **about, role="approver", shows=shows, asked_by="api:shop", until=now() + timedelta(days=14))


def pages_of(product, order: str) -> dict[str, str]:
    with product.sessions() as session:
        refund = refunds_of(session, order)[0].id
        back = returns_of(session, order)[0].id
        question = approvals_page(session, "retail").approvals[0].id
    base = f"/console/retail/orders/{order}"
    buyer = "/console/retail/customers/b_li_na"
    return {
        "order": base,
        "act-refund": f"{base}/refund?units.l1=1",
        "act-refund-empty": f"{base}/refund",
        "act-cancel": f"{base}/acts/cancel",
        "act-hand-over": f"{base}/acts/hand-over",
        "act-return": f"{base}/acts/return?units.l1=1",
        "act-change": f"{base}/acts/change?quantity.l1=10&sku=RT-TEA-001&sku_quantity=2",
        "act-exchange": f"{base}/acts/exchange?units.l1=1&sku=RT-TEA-001&sku_quantity=1",
        "act-blocked": f"{base}/acts/collect",
        "refunds": "/console/retail/refunds",
        "refunds-none": "/console/retail/refunds?q=nothing+like+it&kind=goodwill",
        "refund": f"/console/retail/refunds/{refund}",
        "returns": "/console/retail/returns",
        "return": f"/console/retail/returns/{back}",
        "act-receive": f"/console/retail/returns/{back}/receive",
        "dues": "/console/retail/dues",
        "approvals": "/console/retail/approvals",
        "approval": f"/console/retail/approvals/{question}",
        "customers": "/console/retail/customers",
        "customers-none": "/console/retail/customers?q=nobody&tier=vip",
        "customer": buyer,
        "act-tier": f"{buyer}/acts/tier",
        "act-consent": f"{buyer}/acts/consent",
        "act-erase": f"{buyer}/acts/erase",
        "became": "/console/retail/acts/run_refund",
        "today": "/console/retail/today",
    }


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("zh", "dark"), ("en", "dark"), ("zh", "light")])
def test_every_page_about_orders_and_customers_is_open_to_everybody(product, person, language, theme):
    order = sold_with_all_that_follows(product)
    admin = person(Role.ADMIN)
    admin.prefer(language=language, theme=theme)
    found = []
    for name, path in pages_of(product, order).items():
        page = admin.open(path)
        assert page.locator("h1").count() == 1, name
        found += admin.look(f"orders-{name}-{language}-{theme}")
        found += sticking_out(page, name)
        admin.page.set_viewport_size({"width": 360, "height": 800})
        found += sticking_out(page, f"{name}, narrow")
        admin.page.set_viewport_size({"width": 1360, "height": 900})
    assert not found, "\n".join(found)
    assert admin.complaints == []


WIDEST = """() => {
  const root = document.documentElement;
  if (root.scrollWidth <= root.clientWidth) return [];
  const wide = [...document.querySelectorAll("main *")]
    .filter((one) => one.getBoundingClientRect().right > root.clientWidth + 1 && !one.closest(".z-scroll"));
  return [`${root.scrollWidth} px`, ...wide.slice(-2).map((one) => one.outerHTML.slice(0, 160))];
}"""


def sticking_out(page: Page, name: str) -> list[str]:
    """What is wider than the window, where the page scrolls sideways for it."""
    return [f"{name} is wider than its window: {one}" for one in page.evaluate(WIDEST)]


def test_who_may_only_see_is_told_who_can(product, person):
    order = bought(product, 1, buyer_id="b_li_na")
    auditor = person(Role.AUDITOR)
    page = open_order(auditor, order)
    expect(page.locator(".z-order-acts button").first).to_be_disabled()
    expect(page.locator("p.z-order-acts")).to_contain_text("Who can: Adam Admin, Omar Operator")
    assert auditor.look("orders-only-seen") == []
    auditor.open("/console/retail/customers/b_li_na")
    expect(page.locator("h1")).to_have_text("b_li_na")
    expect(page.locator("main")).not_to_contain_text("li.na@example.com")
    assert auditor.look("customer-only-seen") == []
    editor = person(Role.EDITOR)
    editor.open("/console/retail/customers")
    expect(editor.page.locator("h1")).to_have_text("Not yours to do")
    assert editor.look("customers-forbidden") == []
