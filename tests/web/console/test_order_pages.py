"""Orders and processes as pages: filters in the address, one order as one story, a stuck run that can be mended."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest

from activities.catalogue import StepContext
from activities.journal import service as journal
from activities.journal.models import ProcessRun, RunStatus
from activities.journal.service import StepRow
from activities.pricing import PriceRequest, price
from activities.transaction import HoldForReview, OpenRequest, open_order, put_on_hold
from capabilities.kernel.clock import now
from capabilities.kernel.errors import UnavailableError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.transaction.contract import CheckoutLine, CheckoutRequest
from capabilities.user.contract import AdmittedBuyer
from web.access.audit import entries_page
from web.access.contract import Role
from workflows.library import definition_for


def said(answer) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def an_order(session, *, key: str, quantity: int = 2, on_hold: bool = False) -> str:
    context = StepContext(
        run_id=f"run_{key}",
        step="price",
        key=key,
        identity=BusinessIdentity("retail"),
        actor="api:test",
        correlation_id=key,
    )
    checkout = CheckoutRequest(business="retail", currency="CNY", lines=(CheckoutLine(sku="tea", quantity=quantity),))
    buyer = AdmittedBuyer(buyer_id=None, tier="standard", tags=(), segments=(), order_number=1, is_guest=True)
    priced = price(session, context, PriceRequest(checkout=checkout, buyer=buyer))
    opened = open_order(session, context, OpenRequest(checkout=checkout, buyer=buyer, quote_id=priced.quote_id))
    if on_hold:
        put_on_hold(session, context, HoldForReview(order_id=opened.order_id, reason="A large order"))
    return opened.order_id


@pytest.fixture
def orders(rule_set, sessions) -> list[str]:
    """Three orders of retail: two placed, one in review."""
    with sessions.begin() as session:
        return [
            an_order(session, key="a", quantity=2),
            an_order(session, key="b", quantity=1),
            an_order(session, key="c", quantity=9, on_hold=True),
        ]


@pytest.fixture
def stuck(orders, sessions) -> str:
    """A checkout that is parked at its capture."""
    definition = definition_for("checkout", BusinessIdentity("retail"))
    moment = now() - timedelta(minutes=5)
    with sessions.begin() as session:
        journal.save_definition(
            session, sha256=definition.sha256, body=definition.body, business="retail", process="checkout"
        )
        session.add(
            ProcessRun(
                id="run_stuck",
                business="retail",
                process="checkout",
                definition_sha256=definition.sha256,
                workflow_id="retail/checkout/x",
                status=RunStatus.STUCK,
                step="capture",
                subject=orders[0],
                error={"code": "payment.unreachable", "message": "The provider does not answer.", "mend": None},
                input={"business": "retail"},
                turn=1,
                actor="api:test",
                correlation_id="x",
                started_at=moment,
                updated_at=moment,
            )
        )
        session.flush()
        rows = [
            StepRow(
                "hold",
                "call",
                "done",
                operation="transaction.hold_stock",
                request={"order_id": orders[0]},
                response={"held": 1},
                undo={"call": "transaction.release_stock", "with": {"order_id": orders[0]}},
                started_at=moment.isoformat(),
                ended_at=moment.isoformat(),
            ),
            StepRow(
                "capture",
                "call",
                "failed",
                attempt=3,
                operation="payment.capture",
                request={"order_id": orders[0], "payment_id": "pay_1"},
                error={"message": "The provider does not answer."},
                undo={"call": "payment.refund", "with": {"order_id": orders[0]}},
                started_at=moment.isoformat(),
                ended_at=moment.isoformat(),
            ),
        ]
        journal.write_steps(session, business="retail", run_id="run_stuck", rows=rows)
    return "run_stuck"


class GateThatIsShut:
    """Temporal away: the page must say so and lose nothing."""

    async def client(self):
        raise UnavailableError("temporal.unreachable", "The process did not answer in time.")


def test_orders_are_listed_newest_first_with_what_they_cost(browser_as, orders):
    text = said(browser_as(Role.OPERATOR).get("/console/retail/orders"))
    assert "3 orders shown" in text
    assert "230.40" in text, "256.00 less 10 %"
    assert "128.00" in text


def test_filters_stand_in_the_address_and_as_chips(browser_as, orders):
    browser = browser_as(Role.OPERATOR)
    page = browser.get("/console/retail/orders?status=on_hold&q=tea")
    text = said(page)
    assert "1 order shown" in text
    assert "Filtered by text tea" in text
    assert 'href="/console/retail/orders?status=on_hold"' in page.text
    assert "No order matches" in said(browser.get("/console/retail/orders?q=nothing"))
    assert browser.get("/console/retail/orders?from=yesterday").status_code == 422
    assert browser.get("/console/retail/orders?cursor=broken").status_code == 422


def test_an_order_says_why_and_why_not(browser_as, orders):
    text = said(browser_as(Role.AUDITOR).get(f"/console/retail/orders/{orders[1]}"))
    assert "No rule gave anything: these are the offers' own prices." in text
    assert "order subtotal was ¥128.00; this rule asks that it is at least ¥200.00" in text
    assert "¥72.00 more" in text
    assert "No money was asked for." in text


def test_an_order_names_rule_release_and_effect(browser_as, orders):
    page = browser_as(Role.EDITOR).get(f"/console/retail/orders/{orders[0]}")
    text = said(page)
    assert "10 % off from 200 · take 10 % off goods, across all of them together" in text
    assert "−25.60" in text
    assert "Release 1" in text
    assert "Ledger entries" not in text, "an editor does not see the books"


def test_an_unknown_order_is_a_page_that_says_so(browser_as, orders):
    answer = browser_as(Role.EDITOR).get("/console/retail/orders/ord_unknown")
    assert answer.status_code == 404
    assert "This is not here" in answer.text
    assert browser_as(Role.EDITOR).get("/console/retail/nothing/there").status_code == 404


def test_an_order_in_review_shows_its_buttons_only_to_those_who_may(browser_as, orders):
    path = f"/console/retail/orders/{orders[2]}"
    may = browser_as(Role.OPERATOR).get(path)
    assert 'value="release"' in may.text
    may_not = browser_as(Role.EDITOR).get(path)
    assert 'value="release"' not in may_not.text
    assert "Who can: Admin Person, Operator Person." in said(may_not)


def test_a_rejection_wants_a_reason(browser_as, orders):
    answer = browser_as(Role.OPERATOR).submit(
        f"/console/retail/orders/{orders[2]}/review", decision="reject", reason=""
    )
    assert answer.status_code == 422
    assert "Say why the order is rejected" in answer.text


def test_today_tells_what_waits_and_what_is_stuck(browser_as, orders, stuck):
    text = said(browser_as(Role.OPERATOR).get("/console/retail/today"))
    assert "1 process is stuck at “capture”" in text
    assert "The provider does not answer." in text
    assert "1 order waits for a decision" in text


def test_runs_are_counted_by_state_and_grouped_by_the_same_error(browser_as, stuck):
    browser = browser_as(Role.OPERATOR)
    text = said(browser.get("/console/retail/processes"))
    assert "stuck 1" in text
    assert "1 run at “capture”" in text
    assert "No run is in this state" in said(browser.get("/console/retail/processes?status=undoing"))


def test_a_stuck_run_says_the_error_first_and_what_undoing_would_do(browser_as, stuck):
    page = browser_as(Role.OPERATOR).get(f"/console/retail/processes/{stuck}")
    text = said(page)
    assert "Stuck at “capture”" in text
    assert "attempt 3" in text
    assert text.index("Give the payment back") < text.index("Release the stock")
    assert "Undo 2 steps and stop" in text
    assert 'class="z-node z-node-failed z-node-current"' in page.text
    assert "hx-trigger" not in page.text.split('id="run"')[1].split(">")[0], "nothing moves: nothing is asked again"


def test_after_a_repair_the_page_says_what_was_asked_not_that_it_worked(browser_as, stuck):
    text = said(browser_as(Role.OPERATOR).get(f"/console/retail/processes/{stuck}?done=retry"))
    assert "Asked to try again. The page shows whether it succeeded or is stuck again." in text


def test_the_same_form_sent_twice_is_one_repair(browser_as, stuck):
    page = browser_as(Role.OPERATOR).get(f"/console/retail/processes/{stuck}")
    assert re.search(r'name="repair_id" value="rep_[0-9A-Z]{26}"', page.text)


def test_an_auditor_sees_the_run_and_who_could_mend_it(browser_as, stuck):
    page = browser_as(Role.AUDITOR).get(f"/console/retail/processes/{stuck}")
    assert "Mending a process needs an operator. Who can: Admin Person, Operator Person." in said(page)
    assert 'value="retry"' not in page.text


def test_a_repair_wants_a_reason_and_readable_json(browser_as, stuck):
    browser = browser_as(Role.OPERATOR)
    path = f"/console/retail/processes/{stuck}/repair"
    assert browser.submit(path, kind="retry", step="capture", reason="").status_code == 422
    answer = browser.submit(path, kind="skip", step="capture", reason="paid by hand", change="{not json")
    assert answer.status_code == 422
    assert "{not json" in answer.text
    assert 'value="paid by hand"' in answer.text


def test_a_repair_that_does_not_reach_the_process_says_so_and_stands_in_the_audit(
    browser_as, stuck, console_app, sessions
):
    console_app.state.temporal = GateThatIsShut()
    answer = browser_as(Role.OPERATOR).submit(
        f"/console/retail/processes/{stuck}/repair", kind="retry", step="capture", reason="provider is back"
    )
    assert answer.status_code == 503
    assert "The process did not answer in time." in answer.text
    assert 'value="provider is back"' in answer.text
    with sessions() as session:
        newest = entries_page(session, "retail", limit=1)[0]
    assert (newest.action, newest.subject) == ("processes.retry", stuck)
    assert newest.detail == {"step": "capture", "reason": "provider is back"}


def test_a_moving_run_asks_again_by_its_own_markup_and_is_not_sent_twice(browser_as, stuck, sessions):
    with sessions.begin() as session:
        session.get(ProcessRun, stuck).status = RunStatus.RUNNING
    browser = browser_as(Role.OPERATOR)
    first = browser.get(f"/console/retail/processes/{stuck}", headers={"HX-Request": "true"})
    assert 'hx-trigger="every 2s"' in first.text
    tag = first.headers["hx-ptag"]
    again = browser.get(f"/console/retail/processes/{stuck}", headers={"HX-Request": "true", "HX-PTag": tag})
    assert again.status_code == 304


def test_the_audit_page_verifies_the_chain(browser_as, orders):
    assert "The chain is whole." in browser_as(Role.AUDITOR).get("/console/retail/audit").text


def test_the_money_page_says_when_nothing_was_posted(browser_as, orders):
    assert "Nothing posted yet" in browser_as(Role.AUDITOR).get("/console/retail/money").text


def test_the_catalogue_shows_who_does_what_their_own_way(browser_as, orders):
    text = said(browser_as(Role.EDITOR).get("/console/retail/catalogue"))
    assert "marketing.price" in text
    assert "Order risk" in text
    assert "its own way" in text or "as everybody" in text
