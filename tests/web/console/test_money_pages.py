"""Money as pages: the ledger, sellers' money, payouts, reconciliation, each figure exactly that of the books."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any, get_args

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from capabilities.account.contract import AccountKind, AccountRef
from capabilities.account.models import TransferRow
from capabilities.account.queries import balance_of, trial_balance
from capabilities.account.queries_reports import statement_page
from capabilities.kernel.clock import now
from capabilities.payment.extensions import _PROVIDERS
from capabilities.payment.providers.simulator import NAME, Simulator
from capabilities.settlement.contract import PlaceHold, ReconFilters, Resolution
from capabilities.settlement.queries_payout import batches_page
from capabilities.settlement.queries_reconciliation import files_page, recon_counts, rows_page
from capabilities.settlement.queries_statement import lines_of_batch, statements_page
from capabilities.settlement.service_holds import place_hold
from tests.verify.conftest import Shop, _stock_up
from tests.verify.settled import settle
from web.access.audit import entries_page
from web.access.contract import Role
from web.console.badges import badge_of
from web.console.formats import sums
from web.console.mistakes import RESOLUTIONS
from web.console.payout_batches import Parts
from workflows.worker import load_operations

Sessions = sessionmaker[Session]
BASE = "/console/retail/money"
OFF = """UPDATE ledger_balance SET debits_posted_minor = debits_posted_minor + 7
WHERE account_id = (SELECT id FROM ledger_account WHERE kind = 'bank')
AND slot = (SELECT min(slot) FROM ledger_balance AS one WHERE one.account_id = ledger_balance.account_id)"""
HOLD = PlaceHold(business="retail", seller_id="s_one", reason="Papers are missing")


def said(answer: Any) -> str:
    """What the page's main part says, without markup."""
    main = answer.text.partition('<main class="z-main"')[2]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", main)))


@pytest.fixture
def books(console_app: Any, people: Any, sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    """One order of two sellers, paid out, a piece given back afterwards, statements reconciled but for a duplicate."""
    load_operations()
    with sessions.begin() as session:
        own = sessionmaker(session.connection(), join_transaction_mode="create_savepoint")
        monkeypatch.setitem(_PROVIDERS, NAME, Simulator(lambda: own))
        _stock_up(session)
        Shop(session).sell("paid")
        settle(session)
    return sessions


def word(mistake: str) -> str:
    """A kind of mistake as its badge says it."""
    return f"■ {badge_of('mistake', mistake).word}"


def only_batch(sessions: Sessions) -> Any:
    with sessions() as session:
        return batches_page(session, "retail").batches[0]


def rows_of(answer: Any, table: int = 0) -> list[list[str]]:
    """The cells of the rows of a table's body."""
    found = re.findall(r"<tbody>(.*?)</tbody>", answer.text, re.DOTALL)[table]
    return [
        [re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", cell))).strip() for cell in cells]
        for row in re.findall(r"<tr.*?</tr>", found, re.DOTALL)
        if (cells := re.findall(r"<t[dh].*?</t[dh]>", row, re.DOTALL))
    ]


def test_the_ledger_lists_every_account_with_the_balance_of_the_books(books, browser_as):
    answer = browser_as(Role.AUDITOR).get(BASE)
    shown = {(row[0], row[1]): (row[3], row[4], row[7]) for row in rows_of(answer)}
    assert shown == {
        ("bank", "the business"): ("0.00", "210.60", "−210.60"),
        ("commission revenue", "the business"): ("4.42", "11.08", "6.66"),
        ("delivery revenue", "the business"): ("0.00", "8.85", "8.85"),
        ("provider clearing", "the business"): ("260.50", "100.00", "160.50"),
        ("sales in transit", "the business"): ("360.50", "360.50", "0.00"),
        ("seller payable", "s_one"): ("252.21", "168.14", "−84.07"),
        ("seller payable", "s_two"): ("42.46", "42.46", "0.00"),
        ("tax payable", "the business"): ("11.51", "29.97", "18.46"),
    }
    assert "In balance: debits and credits are equal." in said(answer)


def test_accounts_are_narrowed_by_the_address_and_each_filter_can_be_taken_off(books, browser_as):
    browser = browser_as(Role.OPERATOR)
    answer = browser.get(f"{BASE}?kind=seller_payable&q=s_two")
    assert [row[:2] for row in rows_of(answer)] == [["seller payable", "s_two"]]
    assert f'href="{BASE}?q=s_two"' in answer.text
    assert f'href="{BASE}?kind=seller_payable"' in answer.text
    nothing = browser.get(f"{BASE}?q=nobody")
    assert "Nothing matches" in said(nothing)
    assert "<h1" not in browser.get(f"{BASE}?q=s_two", headers={"HX-Request": "true"}).text


def test_the_trial_balance_of_now_adds_up_and_of_yesterday_is_empty(books, browser_as):
    browser = browser_as(Role.AUDITOR)
    answer = browser.get(f"{BASE}/trial?check=1")
    with books() as session:
        (trial,) = trial_balance(session, "retail")
    assert trial.debits_minor == trial.credits_minor == 931_60
    assert "Total 931.60 931.60" in said(answer)
    assert "Every stored balance is the sum of its entries." in said(answer)
    yesterday = (now() - timedelta(days=2)).date().isoformat()
    assert "Nothing posted until then" in said(browser.get(f"{BASE}/trial?at={yesterday}"))
    wrong = browser.get(f"{BASE}/trial?at=soon")
    assert (wrong.status_code, "Write a day such as 2026-11-27." in said(wrong)) == (422, True)


PAGES = (
    "",
    "/trial",
    "/calendar",
    "/sellers",
    "/rates",
    "/batches",
    "/payouts",
    "/reconciliation",
    "/payments",
    "/messages",
)


def test_a_ledger_out_of_balance_is_a_banner_on_every_page_about_money(books, browser_as):
    browser = browser_as(Role.AUDITOR)
    for path in PAGES:
        assert "Do not pay anybody" not in said(browser.get(BASE + path)), path
    with books.begin() as session:
        session.execute(text(OFF))
    for path in PAGES:
        assert "differ by ¥0.07. Do not pay anybody" in said(browser.get(BASE + path)), path
    today = browser.get("/console/retail/today")
    assert "The ledger is out of balance in CNY" in said(today)
    assert f"{BASE}/trial?check=1" in today.text
    checked = browser.get(f"{BASE}/trial?check=1")
    assert [row[1:] for row in rows_of(checked)] == [
        ["CNY", "−210.53", "−210.60"],
        ["CNY", "0.07", "0.00"],
    ]


def test_a_statement_opens_lists_and_closes_and_its_file_says_the_same(books, browser_as):
    account = AccountRef(business="retail", kind=AccountKind.SELLER_PAYABLE, party="s_one", currency="CNY")
    browser = browser_as(Role.AUDITOR)
    answer = browser.get(f"{BASE}/accounts/{account.id}")
    with books() as session:
        page = statement_page(session, account.id)
        assert page.closing_minor == balance_of(session, account).minor == -84_07
    rows = rows_of(answer)
    assert [row[-1] for row in rows] == ["0.00", "168.14", "0.00", "−84.07"]
    assert "252.21 168.14 −84.07" in said(answer)
    file = browser.get(f"{BASE}/accounts/{account.id}/statement.csv?all=1")
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    lines = file.text.strip().split("\r\n")
    assert len(lines) == 2 + len(page.entries) + 1
    assert lines[-1].endswith("-84.07,CNY")
    later = (now() + timedelta(days=5)).date().isoformat()
    assert "No entry in this time." in said(browser.get(f"{BASE}/accounts/{account.id}?from={later}&until={later}"))


def test_a_transfer_shows_both_sides_its_phase_its_cause_and_what_resolved_it(books, browser_as):
    batch = only_batch(books)
    with books() as session:
        sent, posted = session.scalars(
            select(TransferRow).where(TransferRow.subject == batch.payouts[0].id).order_by(TransferRow.created_at)
        ).all()
    browser = browser_as(Role.AUDITOR)
    answer = browser.get(f"{BASE}/transfers/{sent.id}")
    assert rows_of(answer) == [["seller payable · s_one", "168.14", ""], ["bank", "", "168.14"]]
    assert "◐ reserved" in said(answer)
    assert f"{BASE}/payouts/{batch.payouts[0].id}" in answer.text
    assert f"{BASE}/transfers/{posted.id}" in answer.text
    assert "Ask for the correction" not in said(answer), "a reservation is voided, not corrected"
    resolved = browser.get(f"{BASE}/transfers/{posted.id}")
    assert "Resolves the reservation" in said(resolved)
    assert "Correcting the ledger needs an operator. Who can: Admin Person, Operator Person." in said(resolved)
    assert browser.get(f"{BASE}/transfers/unknown").status_code == 404


def test_a_batch_shows_what_each_seller_gets_and_every_row_adds_up(books, browser_as):
    batch = only_batch(books)
    answer = browser_as(Role.APPROVER).get(f"{BASE}/batches/{batch.id}")
    assert rows_of(answer) == [
        ["s_one", "● paid", "CNY", "176.99", "−8.85", "0.00", "0.00", "0.00", "0.00", "168.14"],
        ["s_two", "● paid", "CNY", "44.69", "−2.23", "0.00", "0.00", "0.00", "0.00", "42.46"],
    ]
    assert "Total CNY 221.68 −11.08 0.00 0.00 0.00 0.00 210.60" in said(answer)
    with books() as session:
        for lines in lines_of_batch(session, batch.id).values():
            parts = Parts.of(lines)
            taken = parts.commission_minor + parts.tax_minor + parts.fees_minor + parts.withheld_minor
            assert parts.gross_minor - taken + parts.other_minor == parts.net_minor


def test_payouts_are_counted_by_state_and_one_shows_how_it_adds_up(books, browser_as):
    browser = browser_as(Role.AUDITOR)
    answer = browser.get(f"{BASE}/payouts")
    assert "● paid 2 ■ failed 0" in said(answer)
    assert "Nothing matches" in said(browser.get(f"{BASE}/payouts?status=failed"))
    assert [row[1] for row in rows_of(browser.get(f"{BASE}/payouts?seller=s_two"))] == ["s_two"]
    first = only_batch(books).payouts[0]
    page = browser.get(f"{BASE}/payouts/{first.id}")
    assert "Payout to s_one, ¥168.14" in said(page)
    assert "Try again" not in said(page), "what is paid is not paid again"
    assert browser.get(f"{BASE}/payouts/unknown").status_code == 404


def test_sellers_money_stands_in_parts_and_what_is_negative_is_carried(books, browser_as):
    browser = browser_as(Role.AUDITOR)
    assert rows_of(browser.get(f"{BASE}/sellers")) == [
        ["s_one ▲ negative, carried", "CNY", "0.00", "0.00", "0.00", "−84.07", "0.00", "0.00", "−84.07", "168.14"],
        ["s_two", "CNY", *["0.00"] * 7, "42.46"],
    ]
    page = browser.get(f"{BASE}/sellers/s_one")
    assert "−¥84.07 is carried into the next payout." in said(page)
    assert [row[0] for row in rows_of(page, 1)] == ["↺ taken back by a refund", "● earned"]
    assert [row[0] for row in rows_of(browser.get(f"{BASE}/sellers/s_one?status=paid"), 1)] == ["● earned"]
    assert browser.get(f"{BASE}/sellers/nobody").status_code == 404


@pytest.mark.parametrize(("form", "begins"), [("csv", b"\xef\xbb\xbf"), ("xlsx", b"PK")])
def test_a_sellers_statement_is_a_file_that_is_the_same_whenever_it_is_asked_for(books, browser_as, form, begins):
    with books() as session:
        issued, _ = statements_page(session, "retail", seller_id="s_one")
    browser = browser_as(Role.AUDITOR)
    page = browser.get(f"{BASE}/sellers/s_one")
    path = f"{BASE}/statements/{issued[0].id}.{form}"
    assert path in page.text
    first, second = browser.get(path).content, browser.get(path).content
    assert first == second
    assert first.startswith(begins)


def test_the_calendar_shows_each_day_what_is_due_and_what_keeps_money_back(books, browser_as):
    with books.begin() as session:
        place_hold(session, HOLD, key="k", by="ann")
    browser = browser_as(Role.OPERATOR)
    answer = browser.get(f"{BASE}/calendar")
    (row,) = rows_of(answer, 1)
    assert row[1:] == ["s_one", "CNY", "1", "−84.07", "0.00"], "what was taken back is not kept back"
    assert f"{BASE}/calendar?day={row[0]}" in answer.text
    assert "“Papers are missing”" in said(answer)
    assert "Lift the hold" in said(answer)
    next_year = browser.get(f"{BASE}/calendar?month=2027-02")
    assert "February 2027" in said(next_year)
    assert "Nothing falls due then." in said(next_year)
    assert browser.get(f"{BASE}/calendar?month=whenever").status_code == 200


def test_a_file_is_a_partition_and_every_count_leads_to_exactly_its_rows(books, browser_as):
    browser = browser_as(Role.AUDITOR)
    with books() as session:
        file = next(one for one in files_page(session, "retail").files if one.kind == "provider")
        counts = recon_counts(session, "retail", file_id=file.id)
    assert file.rows == counts.matched + counts.parked + sum(counts.mistakes.values()) == 3
    answer = browser.get(f"{BASE}/reconciliation/files/{file.id}")
    mistakes = {word(kind): str(count) for kind, count in counts.mistakes.items()}
    parts = {"● matched": str(counts.matched), "◇ parked": str(counts.parked), **mistakes}
    assert {row[0]: row[2] for row in rows_of(answer)} == parts
    links = re.findall(rf'href="({re.escape(BASE)}/reconciliation/rows\?[^"]+)">(\d+)<', answer.text)
    for href, number in links:
        listed = browser.get(html.unescape(href))
        assert (len(rows_of(listed)) if "<tbody>" in listed.text else 0) == int(number), href
    assert len(links) == len(parts) + 1


def test_today_counts_open_mistakes_and_failed_payouts_and_leads_to_exactly_them(books, browser_as):
    with books.begin() as session:
        session.execute(
            text("UPDATE payout SET status = 'failed', reason = 'account_closed' WHERE seller_id = 's_two'")
        )
    browser = browser_as(Role.AUDITOR)
    today = browser.get("/console/retail/today")
    with books() as session:
        counts = recon_counts(session, "retail")
    noun = "mistake of reconciliation is" if counts.open == 1 else "mistakes of reconciliation are"
    assert f"{counts.open} {noun} open, {sums(counts.open_minor)}" in said(today)
    assert "1 payout has failed" in said(today)
    mistakes = browser.get(f"{BASE}/reconciliation/rows?open=1")
    assert len(rows_of(mistakes)) == counts.open > 0
    assert len(rows_of(browser.get(f"{BASE}/payouts?status=failed"))) == 1
    assert "payout has failed" not in said(browser_as(Role.EDITOR).get("/console/retail/today"))


def test_a_mistake_shows_what_each_side_says_and_what_accepting_it_takes(books, browser_as):
    with books() as session:
        mistake = rows_page(session, ReconFilters(business="retail", is_open=True)).rows[0].row
    browser = browser_as(Role.OPERATOR)
    answer = browser.get(f"{BASE}/reconciliation/next", follow_redirects=True)
    assert answer.url.path == f"{BASE}/reconciliation/rows/{mistake.id}"
    assert [row[0] for row in rows_of(answer)] == [
        "our order",
        "payment provider",
        "payment provider",
        "provider's payout",
        "bank",
    ]
    assert "Above ¥100.00, accepting, ignoring or matching by hand takes a second person." in said(answer)
    auditor = browser_as(Role.AUDITOR).get(answer.url.path)
    assert "Reconciling needs an operator. Who can: Admin Person, Operator Person." in said(auditor)


def test_a_form_that_is_refused_comes_back_with_its_reason_and_what_was_typed(books, browser_as):
    browser = browser_as(Role.OPERATOR)
    with books() as session:
        mistake = rows_page(session, ReconFilters(business="retail", is_open=True)).rows[0].row.id
    refused = browser.submit(f"{BASE}/reconciliation/rows/{mistake}/resolve", resolution="ignore", reason="no")
    assert refused.status_code == 422
    assert "Not done; nothing was changed. Say why: the audit and the next person read it." in said(refused)
    assert re.search(r'value="ignore"\s+checked', refused.text)
    without_key = browser.submit(f"{BASE}/reconciliation/rows/{mistake}/take")
    assert (without_key.status_code, "This form was not sent from its page." in said(without_key)) == (422, True)
    payout = only_batch(books).payouts[0].id
    assert "Say why it is withdrawn." in said(browser.submit(f"{BASE}/payouts/{payout}/withdraw"))
    with books() as session:
        assert [one.action for one in entries_page(session, "retail", limit=9) if one.action.startswith("acts.")] == []


def test_a_rate_is_refused_field_by_field_and_shown_once_declared(books, browser_as):
    browser = browser_as(Role.ADMIN)
    for field, value, why in (
        ("rate", "a tenth", "Write a percentage such as 10 or 12.5."),
        ("highest", "much", "Write an amount such as 1,234.50."),
        ("reason", "", "Say where the rate comes from."),
    ):
        sent = {"rate": "8", "highest": "50", "reason": "contract", "category": "tea", field: value}
        refused = browser.submit(f"{BASE}/rates", **sent)
        assert (refused.status_code, why in said(refused)) == (422, True)
        assert 'value="tea"' in refused.text
    assert "Commission rates are declared by an admin." in said(browser_as(Role.OPERATOR).get(f"{BASE}/rates"))


def test_the_resolutions_of_the_page_are_those_of_the_contract():
    assert set(RESOLUTIONS) == set(get_args(Resolution))


def test_editors_see_nothing_of_money_and_its_navigation_is_not_there(books, browser_as):
    editor = browser_as(Role.EDITOR)
    assert editor.get(BASE).status_code == 403
    assert f'href="{BASE}"' not in editor.get("/console/retail/today").text
    assert f'href="{BASE}"' in browser_as(Role.APPROVER).get("/console/retail/today").text
