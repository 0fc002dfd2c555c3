"""Money in a real browser on the real product: a batch approved, paid and reconciled; every page for everybody."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from activities.webhooks.models import WebhookDelivery, WebhookEndpoint
from capabilities.account.contract import AccountKind, AccountRef
from capabilities.account.models import TransferRow
from capabilities.account.queries import balance_of
from capabilities.account.queries_reports import accounts_page
from capabilities.kernel.clock import now
from capabilities.payment.acts import acts_of_provider
from capabilities.payment.providers.simulator_statement import fee_of
from capabilities.settlement.contract import DeclareDestination, Mistake, PayoutStatus, ReconFilters
from capabilities.settlement.queries_payout import batches_page, payout_counts, payouts_page
from capabilities.settlement.queries_reconciliation import files_page, recon_counts, rows_page
from capabilities.settlement.service_payouts import declare_destination
from capabilities.transaction.models import OrderRow
from tests.builders import live_rules
from web.access.contract import Role

pytestmark = pytest.mark.browser

MONEY = "/console/retail/money"
CUPS = {"RT-CUP-001": 4}
AT_ONCE = {
    "id": "r",
    "name": "At once",
    "stage": 10,
    "effects": [{"kind": "pay_after", "days": 0, "starts": "confirmed"}],
}


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Processes run behind these pages: a slow machine needs more than a moment."""
    expect.set_options(timeout=30_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture
def shop(product):
    """The product, where sellers' money falls due at once."""
    with product.sessions.begin() as session:
        live_rules(session, AT_ONCE, decision="settlement.maturing")
    return product


def buy(shop, orders: int) -> None:
    """So many orders, confirmed; a slow machine answers before it is through."""
    for _ in range(orders):
        shop.checkout(CUPS)

    def confirmed() -> bool:
        with shop.sessions() as session:
            return len(session.scalars(select(OrderRow.id).where(OrderRow.status == "confirmed")).all()) == orders

    await_that(confirmed, "not every order was confirmed")


def note(page: Page):
    """What became of the last act."""
    return page.locator("#became")


def await_that(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def settle(person, shop, *, reason: str = "the sum is right") -> tuple[object, object, str]:
    """An operator plans, an approver approves; returns both and the address of the batch."""
    operator = person(Role.OPERATOR)
    page = operator.open(f"{MONEY}/batches")
    page.get_by_role("button", name="Plan what is due").click()
    expect(note(page)).to_contain_text("waits for approval")
    page.locator("#batches tbody a").first.click()
    batch = page.url.removeprefix(shop.url).partition("?")[0]
    expect(page.get_by_role("button", name=re.compile("^Approve"))).to_be_disabled()
    approver = person(Role.APPROVER)
    page = approver.page
    page.get_by_role("link", name="1 process asks for your approval").click()
    page.get_by_role("link", name="Look and decide").click()
    page.get_by_role("link", name="Look at it whole").click()
    expect(page).to_have_url(re.compile(f"{batch}$"))
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name=re.compile("^Approve")).click()
    expect(page.locator("h1")).to_contain_text("Payouts")
    return operator, approver, batch


def statement_of(shop, *, wrong_by: int) -> tuple[str, str]:
    """What provider and bank say of our acts; of the newest the provider says `wrong_by` more than we know."""
    with shop.sessions() as session:
        acts = acts_of_provider(session, "retail", "simulator", since=None)
    head = "reference,kind,currency,gross_minor,fee_minor,occurred_at,bank_reference"
    said = [act.amount_minor + (wrong_by if act is acts[-1] else 0) for act in acts]
    lines = [
        f"{act.reference},charge,{act.currency},{amount},{fee_of('charge', act.amount_minor)},{act.occurred_at.isoformat()},p1"
        for act, amount in zip(acts, said, strict=True)
    ]
    net = sum(said) - sum(fee_of("charge", act.amount_minor) for act in acts)
    return "\n".join([head, *lines]), f"reference,amount_minor,currency,date\np1,{net},CNY,{now().isoformat()}\n"


def upload(page: Page, kind: str, content: str) -> None:
    page.locator("#f-kind").select_option(kind)
    page.locator("#f-file").set_input_files({"name": f"{kind}.csv", "mimeType": "text/csv", "buffer": content.encode()})
    page.get_by_role("button", name="Take it in and compare").click()


def test_a_batch_is_planned_approved_by_another_person_paid_and_seen_reconciled(shop, person):
    buy(shop, 2)

    operator, approver, batch = settle(person, shop)
    assert operator.look("money-journey-1-waits") == []
    await_that(lambda: set(counts(shop)) == {PayoutStatus.PAID}, "not all was paid")
    assert approver.look("money-journey-2-approved") == []
    page = operator.open(batch)
    expect(page.locator(".z-head-sub")).to_contain_text("approved by Ada Approver")
    with shop.sessions() as session:
        (found,) = batches_page(session, "retail").batches
        owed = sum(found.totals_minor.values())
    expect(page.locator("tfoot td").last).to_have_text(f"{owed // 100:,}.{owed % 100:02}")
    assert operator.look("money-journey-3-paid") == []

    provider, bank = statement_of(shop, wrong_by=100)
    page = operator.open(f"{MONEY}/reconciliation")
    upload(page, "provider", provider.replace(",charge,", ",charged,", 1))
    expect(page.locator("#money-error")).to_contain_text("there is no kind 'charged'")
    expect(page.locator("#money-error tbody tr")).to_have_count(1)
    expect(page.locator("#money-error tbody td").first).to_have_text("2")
    assert operator.look("money-journey-4-bad-file") == []
    upload(page, "provider", provider)
    expect(note(page)).to_contain_text("done")
    upload(page, "bank", bank)
    expect(note(page)).to_contain_text("done")

    page.get_by_role("link", name="Resolve the next mistake").click()
    expect(page.locator("h1")).to_contain_text("charge: ¥")
    page.get_by_role("button", name="Take it").click()
    expect(page.locator("#work-title + .z-quiet")).to_have_text("taken by Omar Operator")
    expect(page.locator("main")).to_contain_text("debit provider clearing, credit write-offs, ¥1.00")
    page.get_by_label("Accept the difference").check()
    page.get_by_role("button", name="Resolve").click()
    expect(page.locator("#money-error")).to_contain_text("Say why")
    expect(page.get_by_label("Accept the difference")).to_be_checked()
    assert operator.look("money-journey-5-mistake") == []
    page.get_by_label("Why").fill("their rounding")
    page.get_by_role("button", name="Resolve").click()
    expect(page.locator("#done-title")).to_be_visible()
    expect(page.locator("main")).to_contain_text("their rounding")

    page = operator.open(f"{MONEY}/reconciliation")
    expect(page.locator("main")).to_contain_text("No mistake is open.")
    assert operator.look("money-journey-6-reconciled") == []
    with shop.sessions() as session:
        left = recon_counts(session, "retail")
        clearing = AccountRef(business="retail", kind=AccountKind.PROVIDER_CLEARING, currency="CNY")
        assert (left.open, left.parked, balance_of(session, clearing).minor) == (0, 0, 0)
    assert operator.complaints + approver.complaints == []


def counts(shop) -> dict[PayoutStatus, int]:
    with shop.sessions() as session:
        return payout_counts(session, "retail")


def test_a_failed_payout_is_seen_on_today_tried_again_as_the_same_and_a_correction_takes_two(shop, person):
    buy(shop, 1)
    account_of_seller(shop, "once")
    operator, approver, _ = settle(person, shop)
    await_that(lambda: set(counts(shop)) == {PayoutStatus.FAILED}, "no payout failed")
    page = operator.open("/console/retail/today")
    page.get_by_role("link", name="1 payout has failed").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("tbody a").first.click()
    assert operator.look("money-payout-failed") == []
    failed = page.url.rpartition("/")[2]
    page.get_by_role("button", name="Try again, the same payout").click()
    expect(page.locator(".z-head-sub")).to_contain_text("paid")
    with shop.sessions() as session:
        (payout,) = payouts_page(session, filters()).payouts
    assert (payout.id, payout.attempts, payout.status) == (failed, 2, PayoutStatus.PAID)

    page.locator("#moves-title").locator("xpath=../..").locator("tbody tr").last.get_by_role("link").click()
    page.get_by_label("Why it is wrong").fill("paid to the wrong account")
    page.get_by_role("button", name="Ask for the correction").click()
    expect(page.locator("#asked-title")).to_be_visible()
    expect(page.get_by_role("button", name="Approve the correction")).to_be_disabled()
    assert operator.look("money-correction-asked") == []
    theirs = approver.open(page.url.removeprefix(shop.url))
    theirs.get_by_label("Reason").fill("seen at the bank")
    theirs.get_by_role("button", name="Approve the correction").click()
    expect(theirs.locator("#became")).to_contain_text("done")
    page.reload()
    expect(page.locator("main")).to_contain_text("Was corrected by")
    assert operator.complaints + approver.complaints == []


def account_of_seller(shop, script: str) -> None:
    """Where all sellers are paid: an account that scripts the simulated bank."""
    from capabilities.transaction.queries import seller_names

    with shop.sessions.begin() as session:
        for seller in seller_names(session, "retail"):
            account = {"seller_id": seller, "currency": "CNY", "destination": f"{script}:{seller}"}
            declare_destination(session, DeclareDestination(business="retail", **account))


def filters():
    from capabilities.settlement.contract import PayoutFilters

    return PayoutFilters(business="retail")


def pages_of(shop) -> dict[str, str]:
    """Every page about money, with something on it."""
    with shop.sessions() as session:
        account = accounts_page(session, "retail", kind=AccountKind.SELLER_PAYABLE).accounts[0].account.id
        transfer = session.scalars(select(TransferRow.id).where(TransferRow.phase == "single")).first()
        (batch,) = batches_page(session, "retail").batches
        files = files_page(session, "retail").files
        mistake = rows_page(session, ReconFilters(business="retail", mistakes=(Mistake.AMOUNT,))).rows[0].row.id
        delivery = session.scalars(select(WebhookDelivery.id)).first()
    today = now().date().isoformat()
    seller = batch.payouts[0].seller_id
    return {
        "ledger": MONEY,
        "ledger-none": f"{MONEY}?q=nothing+like+this",
        "trial": f"{MONEY}/trial?check=1",
        "account": f"{MONEY}/accounts/{account}",
        "transfer": f"{MONEY}/transfers/{transfer}",
        "calendar": f"{MONEY}/calendar?day={today}",
        "sellers": f"{MONEY}/sellers",
        "seller": f"{MONEY}/sellers/{seller}",
        "rates": f"{MONEY}/rates",
        "batches": f"{MONEY}/batches",
        "batch": f"{MONEY}/batches/{batch.id}",
        "payouts": f"{MONEY}/payouts?status=failed",
        "payout": f"{MONEY}/payouts/{batch.payouts[0].id}",
        "reconciliation": f"{MONEY}/reconciliation",
        "file": f"{MONEY}/reconciliation/files/{files[-1].id}",
        "rows": f"{MONEY}/reconciliation/rows?open=1",
        "row": f"{MONEY}/reconciliation/rows/{mistake}",
        "payments": f"{MONEY}/payments",
        "messages": f"{MONEY}/messages",
        "webhooks": "/console/retail/webhooks",
        "deliveries": "/console/retail/webhooks/deliveries",
        "delivery": f"/console/retail/webhooks/deliveries/{delivery}",
        "today": "/console/retail/today",
    }


def an_endpoint() -> WebhookEndpoint:
    """One that nobody listens at, on this machine, as only the demo allows."""
    return WebhookEndpoint(
        id="whe_1",
        business="retail",
        url="http://127.0.0.1:9/hooks",
        description="Front-end",
        event_types=["*"],
        seed="seed",
        status="enabled",
        read_transaction=0,
        read_sequence=0,
        created_by="ann",
        created_at=now(),
    )


@pytest.fixture
def full(shop, person):
    """A batch that failed, statements with a mistake, holds, an endpoint that does not answer."""
    with shop.sessions.begin() as session:
        session.add(an_endpoint())
    buy(shop, 2)
    account_of_seller(shop, "closed")
    settle(person, shop)
    await_that(lambda: PayoutStatus.FAILED in counts(shop), "no payout failed")
    provider, bank = statement_of(shop, wrong_by=-250_00)
    admin = person(Role.ADMIN)
    page = admin.open(f"{MONEY}/reconciliation")
    for kind, content in (("provider", provider), ("bank", bank)):
        upload(page, kind, content)
        expect(note(page)).to_contain_text("done")
    page = admin.open(f"{MONEY}/calendar")
    page.get_by_text("Keep money back").click()
    page.locator("#f-seller").select_option(index=1)
    page.locator("#f-hold-reason").fill("Papers are missing")
    page.get_by_role("button", name="Keep back").click()
    expect(note(page)).to_contain_text("done")

    def sent() -> bool:
        with shop.sessions() as session:
            return session.scalars(select(WebhookDelivery.id).where(WebhookDelivery.attempts > 0)).first() is not None

    await_that(sent, "nothing was sent to the endpoint")
    return shop, admin


def test_every_page_about_money_is_open_to_everybody(full):
    shop, admin = full
    found = []
    for language, theme in (("en", "light"), ("zh", "dark"), ("en", "dark"), ("zh", "light")):
        admin.open("/console/retail/today")
        admin.prefer(language=language, theme=theme)
        for name, path in pages_of(shop).items():
            page = admin.open(path)
            assert page.locator("h1").count() == 1, name
            found += admin.look(f"money-{name}-{language}-{theme}")
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{name} is wider than its window"
    admin.page.set_viewport_size({"width": 360, "height": 800})
    for name, path in pages_of(shop).items():
        page = admin.open(path)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name} is wider than a narrow window"
    assert not found, "\n".join(found)
    assert admin.complaints == []


def test_an_endpoint_is_added_its_secret_shown_once_rotated_and_paused(shop, person):
    admin = person(Role.ADMIN)
    page = admin.open("/console/retail/webhooks")
    page.get_by_label("Address (https)").fill("ftp://nowhere")
    page.get_by_role("button", name="Add the endpoint").click()
    expect(page.locator("#webhook-error")).to_contain_text("Write an address such as")
    expect(page.get_by_label("Address (https)")).to_have_value("ftp://nowhere")
    page.get_by_label("Address (https)").fill("http://127.0.0.1:9/hooks")
    page.get_by_role("button", name="Add the endpoint").click()
    first = page.locator("#webhook-secret").inner_text()
    assert admin.look("money-webhook-secret") == []
    page = admin.open("/console/retail/webhooks")
    expect(page.locator("#webhook-secret")).to_have_count(0)
    page.get_by_role("button", name="New secret http://127.0.0.1:9").click()
    second = page.locator("#webhook-secret").inner_text()
    assert first != second
    page = admin.open("/console/retail/webhooks")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status").first).to_contain_text("Paused")
    with shop.sessions() as session:
        (kept,) = session.scalars(select(WebhookEndpoint).where(WebhookEndpoint.url.contains("127.0.0.1"))).all()
    assert (kept.secret, kept.previous_secret, kept.status) == (second, first, "disabled")
    assert admin.complaints == []
