"""The money steps of a checkout over a real order: reserved, posted, shared out, and taken back."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session, sessionmaker

from activities.account import SaleRequest, post_sale, reserve_sale, reverse_sale, void_sale
from activities.catalogue import StepContext, find_operation
from activities.payment import AuthorizeRequest, CaptureRequest, FindOutcomeRequest, RefundRequest, VoidRequest
from activities.settlement import FreezeRequest, cancel_freeze, freeze
from capabilities.account.contract import AccountKind, AccountRef
from capabilities.account.queries import balance_of, entries_of, trial_balance
from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, RefusedError, UnavailableError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.settings import settings as installation
from capabilities.payment.extensions import _PROVIDERS
from capabilities.payment.providers import simulator as simulator_module
from capabilities.payment.providers.simulator import NAME, Simulator
from capabilities.payment.queries import payment_of_order
from capabilities.transaction.contract import OfferKind, OpenOrder, OpenOrderLine
from capabilities.transaction.service import hold_stock, open_order
from tests.builders import a_business, an_offer

K = AccountKind


def context(step: str = "step") -> StepContext:
    return StepContext(
        run_id="run_1",
        step=step,
        key=f"run_1/{step}",
        identity=BusinessIdentity("retail"),
        actor="tester",
        correlation_id="cor_1",
    )


def line(
    number: int, sku: str, net: int, tax: int, *, quantity: int = 1, discount: int = 0, includes_tax: bool = True
) -> OpenOrderLine:
    return OpenOrderLine(
        line_id=f"l{number}",
        sku=sku,
        quantity=quantity,
        unit_price_minor=(net + discount) // quantity,
        gross_minor=net + discount,
        discount_minor=discount,
        net_minor=net,
        tax_rate_bps=0,
        tax_minor=tax,
        total_minor=net if includes_tax else net + tax,
    )


def an_order(session: Session, lines: list[OpenOrderLine], *, includes_tax: bool = True, run_id: str = "run_1") -> str:
    """An order of tea (seller one), mugs (seller two) and delivery `post`, opened with stock held."""
    a_business(session)
    an_offer(session, "tea")
    an_offer(session, "mug", seller="s_two")
    an_offer(session, "post", kind=OfferKind.DELIVERY, stock=None)
    goods = [line for line in lines if line.sku != "post"]
    request = OpenOrder(
        run_id=run_id,
        business="retail",
        buyer_id=None,
        currency="CNY",
        prices_include_tax=includes_tax,
        quote_id="q_1",
        goods_gross_minor=sum(line.gross_minor for line in goods),
        discount_minor=sum(line.discount_minor for line in lines),
        delivery_minor=sum(line.gross_minor for line in lines if line.sku == "post"),
        tax_minor=sum(line.tax_minor for line in lines),
        total_minor=sum(line.total_minor for line in lines),
        lines=tuple(lines),
    )
    order = open_order(session, request)
    hold_stock(session, order.id)
    return order.id


BASKET = [line(1, "tea", 113_00, 13_00), line(2, "mug", 56_50, 6_50, discount=10_00), line(3, "post", 10_60, 60)]


def balances(session: Session) -> dict[str, int]:
    """Posted balances that are not zero, by kind and party."""
    (page,) = trial_balance(session, "retail")
    assert page.difference_minor == 0
    return {f"{ref.kind.value} {ref.party}".strip(): b.minor for ref, b in page.balances if b.minor}


def pending(session: Session) -> int:
    clearing = AccountRef(business="retail", kind=K.PROVIDER_CLEARING, currency="CNY")
    return balance_of(session, clearing).debits_pending_minor


def run_sale(session: Session, order_id: str) -> None:
    sale = SaleRequest(order_id=order_id)
    reserve_sale(session, context(), sale)
    freeze(session, context(), FreezeRequest(order_id=order_id))
    post_sale(session, context(), sale)


def test_a_sale_whose_prices_include_tax_is_shared_out_to_the_cent(session):
    run_sale(session, an_order(session, BASKET))

    assert balances(session) == {
        "provider_clearing": 180_10,
        "seller_payable s_one": 95_00,
        "seller_payable s_two": 47_50,
        "commission_revenue": 5_00 + 2_50,
        "tax_payable": 13_00 + 6_50 + 60,
        "delivery_revenue": 10_00,
    }
    assert pending(session) == 0


def test_a_sale_whose_prices_exclude_tax_is_shared_out_to_the_cent(session):
    basket = [line(1, "tea", 100_00, 13_00, includes_tax=False), line(2, "post", 10_00, 60, includes_tax=False)]
    run_sale(session, an_order(session, basket, includes_tax=False))

    assert balances(session) == {
        "provider_clearing": 123_60,
        "seller_payable s_one": 95_00,
        "commission_revenue": 5_00,
        "tax_payable": 13_60,
        "delivery_revenue": 10_00,
    }


@given(
    st.lists(
        st.tuples(st.sampled_from(["tea", "mug", "post"]), st.integers(0, 10_000), st.integers(0, 99)), min_size=1
    ),
    st.booleans(),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_sale_leaves_nothing_in_transit(session, parts, includes_tax):
    lines = [
        line(number, sku, net, net * tax // 100 if includes_tax else tax, includes_tax=includes_tax)
        for number, (sku, net, tax) in enumerate(parts, 1)
    ]
    with session.begin_nested() as savepoint:
        order_id = an_order(session, lines, includes_tax=includes_tax)
        run_sale(session, order_id)
        transit = AccountRef(business="retail", kind=K.SALES_IN_TRANSIT, currency="CNY")
        assert balance_of(session, transit).minor == 0
        assert sum(page.difference_minor for page in trial_balance(session, "retail")) == 0
        savepoint.rollback()


def test_reserving_twice_reserves_once(session):
    order_id = an_order(session, BASKET)
    first, second = (reserve_sale(session, context(), SaleRequest(order_id=order_id)) for _ in range(2))

    assert first == second
    assert (pending(session), balances(session)) == (180_10, {})


def test_posting_twice_posts_once(session):
    order_id = an_order(session, BASKET)
    run_sale(session, order_id)
    before = balances(session)
    run_sale(session, order_id)

    assert balances(session) == before


def test_a_voided_reservation_leaves_nothing_and_is_voided_once(session):
    sale = SaleRequest(order_id=an_order(session, BASKET))
    reserve_sale(session, context(), sale)

    assert [len(void_sale(session, context(), sale).transfer_ids) for _ in range(2)] == [1, 0]
    assert (pending(session), balances(session)) == (0, {})


def test_undo_where_nothing_was_done_does_nothing(session):
    sale = SaleRequest(order_id=an_order(session, BASKET))

    assert void_sale(session, context(), sale).transfer_ids == ()
    assert reverse_sale(session, context(), sale).transfer_ids == ()
    assert cancel_freeze(session, context(), FreezeRequest(order_id=sale.order_id)).cancelled == 0


def test_a_reversed_sale_leaves_zero_everywhere_and_names_what_it_takes_back(session):
    sale = SaleRequest(order_id=an_order(session, BASKET))
    run_sale(session, sale.order_id)
    reversed_count = [len(reverse_sale(session, context(), sale).transfer_ids) for _ in range(2)]
    void_sale(session, context(), sale)

    assert reversed_count == [6, 0]
    assert balances(session) == {}
    assert len({e.transfer_id for e in entries_of(session, sale.order_id)}) == 1 + 6 + 6


def test_nothing_is_posted_without_its_commission(session):
    sale = SaleRequest(order_id=an_order(session, BASKET))
    reserve_sale(session, context(), sale)
    with pytest.raises(ConflictError) as error:
        post_sale(session, context(), sale)
    assert error.value.code == "account.commission_missing"


def test_nothing_is_posted_after_it_was_voided(session):
    sale = SaleRequest(order_id=an_order(session, BASKET))
    reserve_sale(session, context(), sale)
    void_sale(session, context(), sale)
    freeze(session, context(), FreezeRequest(order_id=sale.order_id))
    with pytest.raises(ConflictError) as error:
        post_sale(session, context(), sale)
    assert error.value.code == "account.pending_resolved"


def test_a_sale_that_costs_nothing_moves_nothing(session):
    sale = SaleRequest(order_id=an_order(session, [line(1, "tea", 0, 0, discount=100_00)]))

    assert reserve_sale(session, context(), sale).transfer_id is None
    assert freeze(session, context(), FreezeRequest(order_id=sale.order_id)).commission_minor == 0
    assert post_sale(session, context(), sale).transfer_ids == ()
    assert entries_of(session, sale.order_id) == ()


def test_freezing_tells_lines_and_commission(session):
    order_id = an_order(session, BASKET)

    assert freeze(session, context(), FreezeRequest(order_id=order_id)).model_dump() == {
        "lines": 2,
        "commission_minor": 7_50,
    }


# --- payment ----------------------------------------------------------------------------------------------------


@pytest.fixture
def perform(engine, sessions, monkeypatch):
    """Run an outside operation as a process does: intend, call, record, each with its own commit."""
    monkeypatch.setitem(_PROVIDERS, NAME, Simulator(lambda: sessionmaker(engine)))

    def run(name: str, request, step: str | None = None):
        operation = find_operation(name)
        with sessions.begin() as session:
            intent = operation.outside.intend(session, context(step or name), request)
        answer = operation.outside.call(intent)
        with sessions.begin() as session:
            return operation.outside.record(session, context(step or name), intent, answer)

    return run


@pytest.fixture
def order_id(sessions):
    with sessions.begin() as session:
        return an_order(session, BASKET)


def authorize(perform, order_id, method="sim_ok"):
    return perform("payment.authorize", AuthorizeRequest(order_id=order_id, method=method))


def capture(perform, order_id, payment_id, step=None):
    return perform("payment.capture", CaptureRequest(order_id=order_id, payment_id=payment_id), step)


def payment(sessions, order_id):
    with sessions() as session:
        return payment_of_order(session, order_id)


def test_the_order_total_is_authorized_and_captured(perform, order_id, sessions):
    authorized = authorize(perform, order_id)
    captured = capture(perform, order_id, authorized.payment_id)

    assert (authorized.status, captured.status) == ("authorized", "captured")
    assert payment(sessions, order_id).amounts.charged_minor == 180_10


def test_a_decline_says_why(perform, order_id):
    declined = authorize(perform, order_id, "sim_declined")

    assert (declined.status, declined.reason) == ("declined", "card_declined")
    assert declined.told == "The payment was declined: the bank did not approve it."


def test_a_failed_capture_says_why(perform, order_id):
    authorized = authorize(perform, order_id, "sim_capture_declined")
    failed = capture(perform, order_id, authorized.payment_id)

    assert (failed.status, failed.reason) == ("failed", "card_declined")
    assert failed.told == "The payment was approved, but could not be taken: the bank did not approve it."


def test_capture_secures_the_stock_first_and_takes_nothing_when_it_is_gone(perform, order_id, sessions):
    authorized = authorize(perform, order_id)
    with time_machine.travel(now() + timedelta(hours=2)), pytest.raises(RefusedError) as error:
        capture(perform, order_id, authorized.payment_id)

    assert error.value.code == "transaction.reservation_expired"
    assert payment(sessions, order_id).amounts.charge_pending_minor == 0
    assert payment(sessions, order_id).amounts.authorized_minor == 180_10


def test_an_unknown_outcome_is_found_out(perform, order_id, monkeypatch):
    monkeypatch.setattr(installation(), "provider_limit_s", 0.4)
    monkeypatch.setattr(simulator_module, "LONGEST_SILENCE_S", 1.0)
    unknown = authorize(perform, order_id, "sim_timeout_done")
    found = perform("payment.find_outcome", FindOutcomeRequest(payment_id=unknown.payment_id))

    assert (unknown.status, found.status) == ("unknown", "authorized")


def test_while_the_outcome_is_unknown_finding_out_is_tried_again(perform, order_id, monkeypatch):
    monkeypatch.setattr(installation(), "provider_limit_s", 0.4)
    monkeypatch.setattr(simulator_module, "LONGEST_SILENCE_S", 1.0)
    unknown = authorize(perform, order_id, "sim_timeout")
    monkeypatch.setattr(installation(), "provider_limit_s", 60)  # patience: the machine may be slow just now
    with pytest.raises(UnavailableError) as error:
        perform("payment.find_outcome", FindOutcomeRequest(payment_id=unknown.payment_id))
    assert error.value.code == "payment.outcome_unknown"


def test_undo_gives_back_what_was_taken_once(perform, order_id, sessions):
    authorized = authorize(perform, order_id)
    capture(perform, order_id, authorized.payment_id)
    refund = RefundRequest(order_id=order_id, payment_id=authorized.payment_id)
    refunds = [perform("payment.refund", refund).status for _ in range(2)]
    perform("payment.void", VoidRequest(order_id=order_id))

    assert refunds == ["refunded", "refunded"]
    assert payment(sessions, order_id).amounts.refunded_minor == 180_10


def test_undo_of_a_payment_never_asked_for_does_nothing(perform, order_id):
    assert perform("payment.void", VoidRequest(order_id=order_id)).status == "nothing"
    assert perform("payment.refund", RefundRequest(order_id=order_id)).status == "nothing"


def test_of_many_capture_steps_at_once_one_takes_the_money(perform, order_id, sessions):
    authorized = authorize(perform, order_id)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: capture(perform, order_id, authorized.payment_id, f"step {n}"), range(8)))

    sums = payment(sessions, order_id).amounts
    assert (sums.charged_minor, sums.authorized_minor) == (180_10, 0)
