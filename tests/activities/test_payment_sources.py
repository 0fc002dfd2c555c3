"""Several sources through the operations of a process: stored value and cards, routed by rules, taken and given back."""

from __future__ import annotations

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import sessionmaker

from activities.account import SaleRequest, reserve_sale
from activities.catalogue import StepContext, find_operation
from activities.payment_requests import (
    AuthorizeRequest,
    CaptureRequest,
    RefundSharesRequest,
    StoredRequest,
    VoidRequest,
)
from activities.payment_sources import post_stored, release_stored, reserve_stored
from capabilities.account.contract import AccountKind, AccountRef, TransferRequest
from capabilities.account.contract import Origin as LedgerOrigin
from capabilities.account.queries import balance_of
from capabilities.account.service import post_transfers
from capabilities.kernel.errors import InvalidError, PlatformError, RefusedError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.payment.contract import PaymentFilters, SourceKind
from capabilities.payment.extensions import _PROVIDERS
from capabilities.payment.providers.simulator import NAME, Simulator
from capabilities.payment.queries import payments_of_order, payments_page
from capabilities.transaction.contract import CheckoutRequest, PaymentSource
from capabilities.transaction.service import hold_stock, open_order
from tests.builders import a_business, an_offer, an_open_order, live_rules
from workflows.worker import load_operations

WALLET = AccountRef(business="retail", kind=AccountKind.BUYER_WALLET, party="ann", currency="CNY")
BANK = AccountRef(business="retail", kind=AccountKind.BANK, currency="CNY")
SOURCES = (PaymentSource(method="wallet", amount_minor=30_00), PaymentSource(method="sim_ok"))


def context(step="step"):
    return StepContext(
        run_id="run_1",
        step=step,
        key=f"run_1/{step}",
        identity=BusinessIdentity("retail"),
        actor="tester",
        correlation_id="cor_1",
    )


@pytest.fixture
def order_id(sessions, engine, monkeypatch):
    """An order of 100.00 by Ann, who has 50.00 in her wallet."""
    monkeypatch.setitem(_PROVIDERS, NAME, Simulator(lambda: sessionmaker(engine)))
    with sessions.begin() as session:
        a_business(session)
        an_offer(session, "tea")
        order = open_order(session, an_open_order(buyer_id="ann"))
        hold_stock(session, order.id)
        money = TransferRequest(id="top", debit=BANK, credit=WALLET, amount_minor=50_00, subject="ann", reason="top up")
        post_transfers(session, [money], origin=LedgerOrigin(actor="tester", correlation_id="cor_1"))
    return order.id


@pytest.fixture
def perform(sessions):
    load_operations()

    def run(name, request, step=None):
        operation = find_operation(name)
        with sessions.begin() as session:
            intent = operation.outside.intend(session, context(step or name), request)
        answer = operation.outside.call(intent)
        with sessions.begin() as session:
            return operation.outside.record(session, context(step or name), intent, answer)

    return run


def reserve(sessions, order_id, sources=SOURCES):
    with sessions.begin() as session:
        stored = reserve_stored(session, context(), StoredRequest(order_id=order_id, sources=sources))
        reserve_sale(session, context(), SaleRequest(order_id=order_id, stored_minor=stored.stored_minor))
        return stored


def wallet(sessions):
    with sessions() as session:
        balance = balance_of(session, WALLET)
        return balance.minor, balance.debits_pending_minor


def payments(sessions, order_id):
    with sessions() as session:
        return payments_of_order(session, order_id)


def test_a_wallet_and_a_card_pay_an_order_together(sessions, order_id, perform):
    stored = reserve(sessions, order_id)
    assert (stored.stored_minor, stored.card_minor) == (30_00, 70_00)
    assert wallet(sessions) == (50_00, 30_00)

    authorized = perform("payment.authorize", AuthorizeRequest(order_id=order_id, method="sim_ok", sources=SOURCES))
    captured = perform("payment.capture", CaptureRequest(order_id=order_id, payment_id=authorized.payment_id))
    with sessions.begin() as session:
        post_stored(session, context(), StoredRequest(order_id=order_id, sources=SOURCES))

    assert (authorized.status, captured.status) == ("authorized", "captured")
    assert wallet(sessions) == (20_00, 0)
    assert [(p.kind, p.amounts.charged_minor) for p in payments(sessions, order_id)] == [
        (SourceKind.WALLET, 30_00),
        (SourceKind.CARD, 70_00),
    ]
    refund = perform(
        "payment.refund_shares", RefundSharesRequest(refund_id="rfd_1", order_id=order_id, amount_minor=10_00)
    )
    assert (refund.status, [share.amount_minor for share in refund.shares]) == ("succeeded", [3_00, 7_00])


def test_reserving_twice_reserves_once(sessions, order_id):
    assert reserve(sessions, order_id) == reserve(sessions, order_id)
    assert wallet(sessions) == (50_00, 30_00)
    assert [len(payment.events) for payment in payments(sessions, order_id)] == [2]


def test_a_declined_card_lets_the_wallet_go(sessions, order_id, perform):
    sources = (SOURCES[0], PaymentSource(method="sim_declined"))
    reserve(sessions, order_id, sources)
    declined = perform("payment.authorize", AuthorizeRequest(order_id=order_id, method="", sources=sources))
    perform("payment.void", VoidRequest(order_id=order_id))
    for _ in range(2):
        with sessions.begin() as session:
            release_stored(session, context(), StoredRequest(order_id=order_id, sources=sources))

    assert (declined.status, declined.reason) == ("declined", "card_declined")
    assert wallet(sessions) == (50_00, 0)
    assert [payment.status for payment in payments(sessions, order_id)] == ["voided", "declined"]


def test_more_than_there_is_in_the_wallet_is_refused_and_nothing_is_left(sessions, order_id):
    with pytest.raises(PlatformError):
        reserve(sessions, order_id, (PaymentSource(method="wallet", amount_minor=60_00), SOURCES[1]))
    assert (wallet(sessions), payments(sessions, order_id)) == ((50_00, 0), ())


def test_an_order_that_stored_value_pays_whole_asks_no_provider(sessions, order_id, perform):
    with sessions.begin() as session:
        money = TransferRequest(
            id="more", debit=BANK, credit=WALLET, amount_minor=50_00, subject="ann", reason="top up"
        )
        post_transfers(session, [money], origin=LedgerOrigin(actor="tester", correlation_id="cor_1"))
    sources = (PaymentSource(method="wallet"),)
    reserve(sessions, order_id, sources)
    authorized = perform("payment.authorize", AuthorizeRequest(order_id=order_id, method="", sources=sources))
    captured = perform("payment.capture", CaptureRequest(order_id=order_id, payment_id=authorized.payment_id))

    assert (authorized.status, captured.status) == ("authorized", "captured")
    with sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM simulated_provider_act")) == 0


def test_sources_that_do_not_add_up_to_the_total_are_invalid(sessions, order_id):
    with pytest.raises(InvalidError) as error:
        reserve(sessions, order_id, (SOURCES[0], PaymentSource(method="sim_ok", amount_minor=69_99)))
    assert error.value.code == "payment.sources_do_not_add_up"


def test_without_sources_the_database_is_not_asked(sessions, engine):
    asked = []
    event.listen(engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    with sessions.begin() as session:
        for operation in (reserve_stored, post_stored, release_stored):
            assert operation(session, context(), StoredRequest(order_id="ord_1")).shares == ()
    assert asked == []


@pytest.mark.parametrize(
    ("sources", "buyer"),
    [
        ([{"method": "sim_ok"}, {"method": "sim_ok"}], "ann"),
        ([{"method": "gift_card", "amount_minor": 5}], "ann"),
        ([{"method": "sim_ok", "reference": "x"}], "ann"),
        ([{"method": "points", "amount_minor": 5}, {"method": "points"}], "ann"),
        ([{"method": "wallet"}], None),
        ([{"method": "gift_card", "reference": "a", "amount_minor": 1}] * 2, "ann"),
        ([{"method": "sim_ok", "amount_minor": 1}] * 9, "ann"),
        ([{"method": "sim_ok", "amount_minor": 0}], "ann"),
    ],
)
def test_sources_that_cannot_be_meant_are_refused_at_the_door(sources, buyer):
    with pytest.raises(ValueError, match=r"payments|source|gift|Points|rest|buyer"):
        CheckoutRequest(
            business="retail",
            currency="CNY",
            buyer_id=buyer,
            lines=({"sku": "tea", "quantity": 1},),
            payments=sources,
        )


# --- routing ----------------------------------------------------------------------------------------------------


def rule(effect, **facts):
    tests = [{"field": f"payment.{name}", "op": "eq", "value": value} for name, value in facts.items()]
    return {"id": "r_one", "name": "One", "stage": 10, "grain": "payment", "when": {"all": tests}, "effects": [effect]}


def test_a_rule_sends_a_payment_to_a_provider_and_the_payment_says_which_release(
    sessions, order_id, perform, monkeypatch
):
    monkeypatch.setitem(_PROVIDERS, "other", _PROVIDERS[NAME])
    with sessions.begin() as session:
        release = live_rules(
            session, rule({"kind": "use_provider", "provider": "other"}, method="sim_ok"), decision="payment.routing"
        )
    perform("payment.authorize", AuthorizeRequest(order_id=order_id, method="sim_ok"))

    (payment,) = payments(sessions, order_id)
    assert (payment.provider, payment.routed_by) == ("other", release)


def test_where_no_rule_holds_the_method_decides(sessions, order_id, perform):
    with sessions.begin() as session:
        live_rules(
            session, rule({"kind": "use_provider", "provider": "none"}, country="FR"), decision="payment.routing"
        )
    perform("payment.authorize", AuthorizeRequest(order_id=order_id, method="sim_ok"))
    assert payments(sessions, order_id)[0].provider == NAME


def test_a_rule_refuses_a_payment_with_its_reason(sessions, order_id, perform):
    with sessions.begin() as session:
        live_rules(
            session,
            rule({"kind": "refuse_payment", "reason": "No card above 50.00"}, method="sim_ok"),
            decision="payment.routing",
        )
    with pytest.raises(RefusedError) as error:
        perform("payment.authorize", AuthorizeRequest(order_id=order_id, method="sim_ok"))

    assert error.value.code == "payment.method_refused"
    assert "No card above 50.00" in str(error.value)
    assert payments(sessions, order_id) == ()


def test_payments_are_listed_by_what_is_asked_for(sessions, order_id, perform):
    reserve(sessions, order_id)
    perform("payment.authorize", AuthorizeRequest(order_id=order_id, method="", sources=SOURCES))

    def listed(after=None, **filters):
        with sessions() as session:
            return payments_page(session, PaymentFilters(business="retail", **filters), after=after, limit=1)

    first = listed()
    second = listed(after=first.next_cursor)
    assert {first.payments[0].method, second.payments[0].method} == {"wallet", "sim_ok"}
    assert second.next_cursor is None
    assert [p.method for p in listed(kinds=(SourceKind.CARD,)).payments] == ["sim_ok"]
    assert [p.method for p in listed(kinds=(SourceKind.WALLET,)).payments] == ["wallet"]
    assert [p.method for p in listed(provider=NAME).payments] == ["sim_ok"]
    assert listed(method="sim_declined").payments == ()
    reference = payments(sessions, order_id)[1].events[0].reference
    assert [p.method for p in listed(text=reference).payments] == ["sim_ok"]
