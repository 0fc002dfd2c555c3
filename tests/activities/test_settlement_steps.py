"""Operations of settlement: fees by rules, terms by rules, a payout through its steps, statements compared with our acts."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from activities.catalogue import StepContext, find_operation
from capabilities.kernel.clock import now
from capabilities.kernel.identity import BusinessIdentity
from capabilities.payment.contract import PaymentEventKind, ProviderStatementLine
from capabilities.payment.extensions import provider_fee
from capabilities.payment.models import PaymentEventRow, PaymentRow
from capabilities.payment.statements import statement_csv
from capabilities.settlement.banks.simulator import SimulatedBank
from capabilities.settlement.contract import CommissionRate, DeclareRate, ReconFilters, Side
from capabilities.settlement.extensions import register_bank
from capabilities.settlement.models_payout import SimulatedBankActRow
from capabilities.settlement.queries import commissions_of
from capabilities.settlement.queries_payout import balance_of_seller, transfers_of_order
from capabilities.settlement.queries_reconciliation import rows_page
from capabilities.settlement.service import declare_rate
from capabilities.transaction.contract import ConfirmOrder
from capabilities.transaction.service import confirm_order, open_order
from tests.builders import a_business, an_offer, an_open_order, live_rules
from workflows.worker import load_operations

load_operations()


def step(session: Session, name: str, /, *, key: str = "k", actor: str = "user:ann", **request: Any) -> Any:
    operation = find_operation(name)
    context = StepContext("run_1", name, f"{key}/{name}", BusinessIdentity("retail"), actor, "cor_1")
    asked = operation.request.model_validate(request)
    if operation.outside is None:
        return operation.run(session, context, asked)
    intent = operation.outside.intend(session, context, asked)
    session.commit()
    answer = operation.outside.call(intent)
    return operation.outside.record(session, context, intent, answer)


def a_sold_order(session: Session, *pieces: tuple[str, int], run_id: str = "run_1", price: int = 100_00) -> str:
    a_business(session)
    an_offer(session, "tea", seller="s_one")
    an_offer(session, "mug", seller="s_two", category="home/kitchen")
    order = open_order(session, an_open_order(pieces or (("tea", 2), ("mug", 1)), run_id=run_id, price=price))
    confirm_order(session, ConfirmOrder(order_id=order.id))
    return order.id


def a_rule(id_: str, when: dict[str, Any], *effects: dict[str, Any]) -> dict[str, Any]:
    grain = "line" if effects[0]["kind"].startswith("commission") else "order"
    return {"id": id_, "name": f"Rule {id_}", "grain": grain, "stage": 10, "when": when, "effects": list(effects)}


FOOD = {"field": "line.category", "op": "within", "value": ["food"]}


def test_rules_make_up_a_fee_and_the_line_keeps_snapshot_release_and_reason(session: Session) -> None:
    order_id = a_sold_order(session)
    declare_rate(session, DeclareRate(business="retail", rate=CommissionRate(rate_bps=700, reason="table")))
    release_id = live_rules(
        session,
        a_rule(
            "r_food",
            FOOD,
            {"kind": "commission_percent", "rate_bps": 1000},
            {"kind": "commission_cap", "amount_minor": 15_00},
            {"kind": "commission_tax", "rate_bps": 600},
            {"kind": "channel_fee", "rate_bps": 100, "amount_minor": 30},
        ),
        decision="settlement.commission",
    )

    frozen = step(session, "settlement.freeze", order_id=order_id)

    food, other = commissions_of(session, order_id)
    assert (food.commission_minor, food.tax_minor, food.channel_fee_minor) == (15_00, 90, 2_30)
    assert (food.bounded_by, food.release_id, food.rate.reason) == ("highest", release_id, "Rule r_food")
    assert (other.commission_minor, other.release_id, other.rate.reason) == (7_00, None, "table")
    assert frozen.commission_minor == 22_00
    live_rules(session, decision="settlement.commission")
    assert step(session, "settlement.freeze", order_id=order_id) == frozen


def test_tiers_by_the_sellers_month_go_on_where_the_last_sale_ended(session: Session) -> None:
    tiers = [{"above_minor": 0, "rate_bps": 1000}, {"above_minor": 150_00, "rate_bps": 500}]
    graduated = {"kind": "commission_tiers", "tiers": tiers, "by": "volume"}
    live_rules(session, a_rule("r_month", {"all": []}, graduated), decision="settlement.commission")

    taken = []
    for number in range(3):
        order_id = a_sold_order(session, ("tea", 1), run_id=f"run_{number}")
        step(session, "settlement.freeze", order_id=order_id)
        taken += [line.commission_minor for line in commissions_of(session, order_id)]

    assert taken == [10_00, 5_00 + 2_50, 5_00]


def test_a_rule_may_ask_what_the_seller_sold_this_month(session: Session) -> None:
    busy = {"field": "seller.volume_minor", "op": "gte", "value": 100_00}
    live_rules(
        session,
        a_rule("r_busy", busy, {"kind": "commission_percent", "rate_bps": 100}),
        decision="settlement.commission",
    )

    taken = []
    for number in range(2):
        order_id = a_sold_order(session, ("tea", 1), run_id=f"run_{number}")
        step(session, "settlement.freeze", order_id=order_id)
        taken += [line.commission_minor for line in commissions_of(session, order_id)]

    assert taken == [5_00, 1_00]  # the platform's standard, then the rule


def test_terms_by_rules_say_from_when_a_seller_waits_and_what_is_kept(session: Session) -> None:
    live_rules(
        session,
        a_rule(
            "r_one",
            {"field": "seller.id", "op": "eq", "value": "s_one"},
            {"kind": "pay_after", "days": 0, "starts": "confirmed"},
            {"kind": "keep_reserve", "rate_bps": 1000, "days": 30},
        ),
        a_rule(
            "r_two",
            {"field": "seller.id", "op": "eq", "value": "s_two"},
            {"kind": "pay_after", "days": 0, "starts": "fulfilled"},
        ),
        decision="settlement.maturing",
    )
    order_id = a_sold_order(session)
    step(session, "settlement.freeze", order_id=order_id)

    first = step(session, "settlement.mature")

    assert first.model_dump() == {"booked": 2, "started": 1, "matured": 1, "reserved": 1, "more": False}
    one = balance_of_seller(session, "retail", "s_one", "CNY")
    assert (one.due_minor, one.reserve_minor) == (171_00, 19_00)
    assert balance_of_seller(session, "retail", "s_two", "CNY").waiting_minor == 95_00
    step(session, "transaction.fulfil", order_id=order_id)
    assert step(session, "settlement.mature", key="again").matured == 1
    assert balance_of_seller(session, "retail", "s_two", "CNY").due_minor == 95_00


@pytest.fixture
def at_the_bank(sessions: sessionmaker[Session]) -> Any:
    register_bank("simulator", SimulatedBank(lambda: sessions, silence_s=0.1))
    yield sessions
    register_bank("simulator", SimulatedBank())


@pytest.mark.parametrize(
    ("account", "statuses", "acts"),
    [
        ("ok:one", ["paid"], 1),
        ("once:one", ["failed", "paid"], 1),
        ("closed:one", ["failed", "failed"], 0),
        ("timeout:one", ["unknown", "paid"], 1),
        ("timeout_done:one", ["unknown", "paid"], 1),
    ],
)
def test_a_payout_goes_through_its_steps(
    at_the_bank: sessionmaker[Session], account: str, statuses: list[str], acts: int
) -> None:
    with at_the_bank() as session:
        live_rules(session, a_rule("r", {"all": []}, {"kind": "pay_after", "days": 0}), decision="settlement.maturing")
        order_id = a_sold_order(session, ("tea", 1))
        step(session, "settlement.declare_destination", seller_id="s_one", currency="CNY", destination=account)
        step(session, "settlement.freeze", order_id=order_id)
        step(session, "account.reserve_sale", order_id=order_id)
        step(session, "account.post_sale", order_id=order_id)
        step(session, "settlement.mature")
        plan = step(session, "settlement.plan_payouts", run_date=date(2026, 3, 2))
        assert (plan.amount_minor, plan.currencies, plan.payouts) == (95_00, ("CNY",), 1)
        (payout_id,) = plan.payout_ids
        step(session, "settlement.approve_batch", batch_id=plan.batch_id, amount_minor=95_00, actor="user:bob")

        for expected in statuses:
            look = step(session, "settlement.prepare_payout", payout_id=payout_id)
            about = look.model_dump(exclude={"status"})
            if look.status != "sent":
                step(session, "account.post_payout", **about, outcome="sent")
            paid = step(session, "settlement.pay", payout_id=payout_id)
            assert (paid.status, paid.attempt) == (expected, look.attempt)
            if expected != "unknown":
                step(session, "account.post_payout", **about, outcome=expected)
            closed = step(session, "settlement.close_payout", payout_id=payout_id)
        session.commit()

        assert closed.status == ("paid" if acts else "failed")
        assert (closed.statement_id is not None) == bool(acts)
        assert [transfer.status for transfer in transfers_of_order(session, order_id)] == [
            "paid" if acts else "claimed"
        ]
        assert sum(session.scalars(select(SimulatedBankActRow.acts))) == acts


def an_act(session: Session, reference: str, kind: PaymentEventKind, amount: int, *, payment: str = "pay_1") -> None:
    if session.get(PaymentRow, payment) is None:
        asked = {
            "business": "retail",
            "order_id": payment,
            "provider": "simulator",
            "method": "sim_ok",
            "currency": "CNY",
        }
        session.add(PaymentRow(id=payment, amount_minor=amount, created_at=now(), **asked))
    session.add(
        PaymentEventRow(
            business="retail",
            payment_id=payment,
            kind=kind.value,
            reference=reference,
            amount_minor=amount,
            occurred_at=now(),
            recorded_at=now(),
            is_counted=True,
            actor="api",
            correlation_id="cor_1",
        )
    )
    session.flush()


@pytest.mark.parametrize(("fee", "mistake"), [(60, None), (61, "fee")])
def test_a_fee_that_is_not_the_providers_schedule_is_a_mistake(session: Session, fee: int, mistake: str | None) -> None:
    a_business(session)
    for kind in (PaymentEventKind.CHARGE_REQUEST, PaymentEventKind.CHARGE_SUCCESS):
        an_act(session, "cap_1", kind, 100_00)
    head = "reference,kind,currency,gross_minor,fee_minor,occurred_at,bank_reference"
    content = f"{head}\ncap_1,charge,CNY,10000,{fee},{now().isoformat()},p1"
    step(session, "settlement.import_statement", kind="provider", content=content)
    step(session, "settlement.reconcile")
    (charge,) = rows_page(session, ReconFilters(business="retail", sides=(Side.PLATFORM,))).rows
    assert (charge.row.fee_minor, charge.mistake, charge.difference_minor) == (60, mistake, 60 - fee)


def test_where_a_providers_schedule_is_not_known_its_statement_is_believed() -> None:
    expected = provider_fee.for_identity(BusinessIdentity("retail"))
    assert expected("simulator", "charge", 100_00, "CNY") == 60
    assert expected("simulator", "chargeback", 100_00, "CNY") == 15_00
    assert expected("stripe", "charge", 100_00, "CNY") is None


def test_our_acts_are_compared_with_the_statement_and_an_accepted_difference_is_a_loss(session: Session) -> None:
    a_business(session)
    for kind in (PaymentEventKind.CHARGE_REQUEST, PaymentEventKind.CHARGE_SUCCESS):
        an_act(session, "cap_1", kind, 100_00)
    an_act(session, "ref_1", PaymentEventKind.REFUND_REQUEST, 30_00)
    an_act(session, "ref_1", PaymentEventKind.REFUND_SUCCESS, 30_00)
    an_act(session, "cap_2", PaymentEventKind.CHARGE_REQUEST, 5_00, payment="pay_2")
    at = now().isoformat()
    content = "\n".join(
        [
            "reference,kind,currency,gross_minor,fee_minor,occurred_at,bank_reference",
            f"cap_1,charge,CNY,9900,50,{at},p1",
            f"ref_1,refund,CNY,-3000,0,{at},p1",
        ]
    )
    file = step(session, "settlement.import_statement", kind="provider", content=content)
    assert step(session, "settlement.import_statement", kind="provider", content=content).is_new is False

    found = step(session, "settlement.reconcile")

    # the refund is matched, the charge is not, our open charge and the provider's payout wait
    assert found.model_dump(exclude={"business"}) == {
        "matched": 2,
        "parked": 2,
        "mistakes": 2,
        "moved": 4,
        "credited": (),
    }
    assert step(session, "settlement.reconcile", key="again").moved == 0
    (charge,) = rows_page(session, ReconFilters(business="retail", sides=(Side.PLATFORM,), is_open=True)).rows
    assert (charge.mistake, charge.difference_minor, file.rows) == ("amount", -1_00, 2)
    step(session, "settlement.take_mistake", row_id=charge.row.id)
    step(session, "settlement.note_mistake", row_id=charge.row.id, note="a rounding of theirs")
    done = step(
        session, "settlement.resolve_mistake", row_id=charge.row.id, resolution="accept_difference", reason="small"
    )
    assert (done.state, done.write_off_minor) == ("resolved", 1_00)


def test_holds_and_disputes_are_steps_that_may_run_twice(session: Session) -> None:
    order_id = a_sold_order(session, ("tea", 1))
    step(session, "settlement.freeze", order_id=order_id)
    step(session, "settlement.mature")

    held = step(session, "settlement.place_hold", seller_id="s_one", reason="papers")
    assert step(session, "settlement.place_hold", seller_id="s_one", reason="papers") == held
    assert balance_of_seller(session, "retail", "s_one", "CNY").held_minor == 95_00
    step(session, "settlement.lift_hold", hold_id=held.hold_id, reason="came")
    dispute = step(session, "settlement.open_dispute", order_id=order_id, reference="d1")
    assert step(session, "settlement.open_dispute", order_id=order_id, reference="d1") == dispute
    assert balance_of_seller(session, "retail", "s_one", "CNY").disputed_minor == 95_00
    for _ in range(2):
        won = step(session, "settlement.close_dispute", dispute_id=dispute.dispute_id, outcome="won")
        assert won.status == "won"
    assert balance_of_seller(session, "retail", "s_one", "CNY").waiting_minor == 95_00


def test_a_closed_day_and_a_statement_are_one_step_each(session: Session) -> None:
    order_id = a_sold_order(session, ("tea", 1))
    step(session, "settlement.freeze", order_id=order_id)
    today = now().date()

    assert step(session, "settlement.close_day", day=today, name="stocktaking").day == today
    issued = step(
        session,
        "settlement.issue_statement",
        seller_id="s_one",
        currency="CNY",
        first_day=today - timedelta(days=1),
        last_day=today + timedelta(days=1),
    )
    assert issued.closing_minor == 95_00


def test_a_declared_rate_holds_for_what_is_sold_from_then_on(session: Session) -> None:
    order_id = a_sold_order(session, ("tea", 1))
    rate = {"per_unit_minor": 2_50, "reason": "agreed"}

    declared = step(session, "settlement.declare_rate", seller_id="s_one", rate=rate)

    assert step(session, "settlement.declare_rate", seller_id="s_one", rate=rate) == declared
    assert step(session, "settlement.freeze", order_id=order_id).commission_minor == 2_50


def test_the_simulated_providers_statement_is_read_as_it_comes(session: Session) -> None:
    a_business(session)
    for kind in (PaymentEventKind.CHARGE_REQUEST, PaymentEventKind.CHARGE_SUCCESS):
        an_act(session, "cap_1", kind, 100_00)
    line = ProviderStatementLine(
        provider="simulator",
        business="retail",
        line_id="ssl_1",
        kind="charge",
        payment_id="pay_1",
        reference="cap_1",
        provider_id="sim_1",
        currency="CNY",
        gross_minor=100_00,
        fee_minor=60,
        net_minor=99_40,
        occurred_at=now(),
        settled_on="2026-03-02",
        bank_reference="SIM 2026-03-02",
    )
    bank = f"reference,amount,currency,date\nSIM 2026-03-02,99.40,CNY,{now().date().isoformat()}\n"

    step(session, "settlement.import_statement", kind="provider", content=statement_csv([line]))
    step(session, "settlement.import_statement", kind="bank", content=bank)
    found = step(session, "settlement.reconcile")

    assert (found.matched, found.parked, found.mistakes) == (4, 0, 0)
    (credited,) = found.credited
    assert (credited.credited_minor, credited.fees_minor) == (99_40, 60)
