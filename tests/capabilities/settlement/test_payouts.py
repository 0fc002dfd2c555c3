"""Payouts: what is due is paid once, what is not due is not paid, and a broken call to the bank changes nothing of that."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, RefusedError, UnavailableError
from capabilities.kernel.outbox import events_of
from capabilities.settlement.banks.simulator import SimulatedBank
from capabilities.settlement.contract import DeclareDestination, Maturing, PayoutFilters, PayoutStatus, PlaceHold
from capabilities.settlement.models_payout import PayoutRow, SellerTransferRow, SimulatedBankActRow
from capabilities.settlement.queries_payout import (
    balance_of_seller,
    batch_of,
    payout_of,
    payouts_page,
    transfers_of_payout,
)
from capabilities.settlement.service_holds import close_dispute, lift_hold, open_dispute, place_hold
from capabilities.settlement.service_payouts import approve, close, declare_destination, give_up
from tests.capabilities.settlement.sellers import a_refund, a_sale, planned, sent


def balance(session, seller="s_one"):
    return balance_of_seller(session, "retail", seller, "CNY")


def one_payout(session, key="run_1"):
    (payout,) = planned(session, key).batch.payouts
    approve(session, payout.batch_id, approver="approver")
    return payout


def test_what_is_due_is_claimed_and_paid_once(sessions):
    bank = SimulatedBank(lambda: sessions)
    with sessions() as session, session.begin():
        a_sale(session, "o1")
        a_sale(session, "o2", base=50_00)
        payout = one_payout(session)
        assert (payout.amount_minor, payout.transfers) == (135_00, 2)
        assert balance(session).in_payout_minor == 135_00

        sent(session, payout.id, bank)
        closed = close(session, payout.id)
        close(session, payout.id)

        assert closed.status is PayoutStatus.PAID
        assert [transfer.status for transfer in transfers_of_payout(session, payout.id)] == ["paid", "paid"]
        assert (balance(session).paid_minor, balance(session).owed_minor) == (135_00, 0)
        assert planned(session, "run_2").batch is None
        assert [event.type for event in events_of(session, payout.id)] == ["payout.planned", "payout.paid"]
        assert batch_of(session, payout.batch_id).status == "closed"


def test_what_waits_is_not_planned(session):
    a_sale(session, "o1", terms=Maturing(days=3))

    assert planned(session).batch is None
    assert balance(session).waiting_minor == 90_00


def test_the_same_run_plans_once(session):
    a_sale(session, "o1")
    first = planned(session).batch
    a_sale(session, "o2")

    assert planned(session).batch == first
    assert planned(session, "run_2").batch.payouts[0].amount_minor == 90_00


def test_below_the_minimum_money_is_carried_over(session):
    declare_destination(
        session,
        DeclareDestination(business="retail", seller_id="s_one", currency="CNY", destination="x", minimum_minor=100_00),
    )
    a_sale(session, "o1")
    assert (planned(session).batch, planned(session).carried) == (None, 1)

    a_sale(session, "o2")

    assert planned(session, "run_2").batch.payouts[0].amount_minor == 180_00


def test_a_negative_balance_is_carried_and_set_off(sessions):
    bank = SimulatedBank(lambda: sessions)
    with sessions() as session, session.begin():
        a_sale(session, "o1")
        payout = one_payout(session)
        sent(session, payout.id, bank)
        close(session, payout.id)
        a_refund(session, "o1", "r1", 100_00)
        assert (balance(session).due_minor, balance(session).negative_minor) == (-90_00, -90_00)
        assert planned(session, "run_2").batch is None

        a_sale(session, "o2", base=200_00)

        assert planned(session, "run_3").batch.payouts[0].amount_minor == 90_00


def test_who_planned_a_batch_does_not_approve_it(session):
    a_sale(session, "o1")
    batch = planned(session).batch

    with pytest.raises(RefusedError, match="does not approve it"):
        approve(session, batch.id, approver="planner")


def test_a_batch_is_approved_for_the_sum_that_was_seen(session):
    a_sale(session, "o1")
    batch = planned(session).batch

    with pytest.raises(ConflictError, match="comes to 9000 by now"):
        approve(session, batch.id, approver="approver", amount_minor=95_00)


def test_a_failed_payout_is_tried_again_as_the_same_payout(sessions):
    bank = SimulatedBank(lambda: sessions)
    with sessions() as session, session.begin():
        declare_destination(
            session,
            DeclareDestination(business="retail", seller_id="s_one", currency="CNY", destination="once:one"),
        )
        a_sale(session, "o1")
        payout = one_payout(session)

        failed = sent(session, payout.id, bank)
        again = sent(session, payout.id, bank, may_be_sent=True)

        assert (failed.status, failed.reason, failed.attempts) == (PayoutStatus.FAILED, "temporarily_refused", 1)
        assert (again.status, again.reason, again.attempts) == (PayoutStatus.PAID, None, 2)
    with sessions() as session:
        act = session.scalars(select(SimulatedBankActRow)).one()
        assert (act.key, act.acts, act.calls) == (payout.id, 1, 2)


def test_a_closed_account_fails_until_another_is_declared(sessions):
    bank = SimulatedBank(lambda: sessions)
    place = {"business": "retail", "seller_id": "s_one", "currency": "CNY"}
    with sessions() as session, session.begin():
        declare_destination(session, DeclareDestination(**place, destination="closed:one"))
        a_sale(session, "o1")
        payout = one_payout(session)
        assert sent(session, payout.id, bank).reason == "account_closed"
        assert sent(session, payout.id, bank, may_be_sent=True).attempts == 2

        declare_destination(session, DeclareDestination(**place, destination="new"))

        assert sent(session, payout.id, bank, may_be_sent=True).status is PayoutStatus.PAID


def test_a_refused_payout_that_is_given_up_makes_its_money_due_again(sessions):
    bank = SimulatedBank(lambda: sessions)
    with sessions() as session, session.begin():
        declare_destination(
            session,
            DeclareDestination(business="retail", seller_id="s_one", currency="CNY", destination="closed:one"),
        )
        a_sale(session, "o1")
        payout = one_payout(session)
        sent(session, payout.id, bank)

        assert give_up(session, payout.id, reason="wrong account").status is PayoutStatus.WITHDRAWN
        assert balance(session).due_minor == 90_00


def test_a_paid_payout_is_never_given_up(sessions):
    bank = SimulatedBank(lambda: sessions)
    with sessions() as session, session.begin():
        a_sale(session, "o1")
        payout = one_payout(session)
        sent(session, payout.id, bank)

        with pytest.raises(ConflictError, match="it cannot be withdrawn"):
            give_up(session, payout.id, reason="too late")


@pytest.mark.parametrize("script", ["timeout", "timeout_done", "late_700"])
def test_an_answer_that_gets_lost_is_asked_for_before_anything_is_sent_again(sessions, script):
    bank = SimulatedBank(lambda: sessions, silence_s=0.8)
    with sessions() as session, session.begin():
        declare_destination(
            session,
            DeclareDestination(business="retail", seller_id="s_one", currency="CNY", destination=f"{script}:one"),
        )
        a_sale(session, "o1")
        payout = one_payout(session)

    for expected in (PayoutStatus.SENT, PayoutStatus.PAID):
        with sessions() as session, session.begin():
            before = payout_of(session, payout.id)
            if script == "late_700" and before.attempts:
                _until_answered(sessions)
            after = sent(session, payout.id, bank, may_be_sent=before.attempts > 0)
            assert (after.status, after.attempts) == (expected, 1)
    with sessions() as session:
        act = session.scalars(select(SimulatedBankActRow)).one()
        assert (act.acts, act.calls) == (1, 1)


def _until_answered(sessions):
    with sessions() as session:
        answers_at = session.scalars(select(SimulatedBankActRow.answers_at)).one()
    time.sleep(max(0.0, (answers_at - now()).total_seconds()))


def test_a_bank_that_does_not_say_what_became_of_a_payout_gets_nothing_sent(sessions):
    class Mute(SimulatedBank):
        def look_up(self, key):
            raise OSError("no line")

    bank = Mute(lambda: sessions)
    with sessions() as session, session.begin():
        a_sale(session, "o1")
        payout = one_payout(session)

        with pytest.raises(UnavailableError, match="did not say"):
            sent(session, payout.id, bank, may_be_sent=True)
    with sessions() as session:
        assert session.scalars(select(SimulatedBankActRow)).all() == []


def test_killed_between_the_banks_yes_and_our_record_the_seller_is_paid_once(sessions):
    """The answer of the first call is dropped, as a kill does; the step runs again from its intent."""
    bank = SimulatedBank(lambda: sessions)
    with sessions() as session, session.begin():
        a_sale(session, "o1")
        payout = one_payout(session)
    with sessions() as session:
        sent(session, payout.id, bank)
        session.rollback()

    for _ in range(3):
        with sessions() as session, session.begin():
            after = sent(session, payout.id, bank, may_be_sent=True)
            close(session, payout.id)

    assert after.status is PayoutStatus.PAID
    with sessions() as session:
        act = session.scalars(select(SimulatedBankActRow)).one()
        assert (act.acts, act.calls, act.amount_minor) == (1, 1, 90_00)
        assert balance(session).paid_minor == 90_00


def test_a_hold_keeps_money_back_and_withdraws_what_was_not_sent(session):
    a_sale(session, "o1")
    payout = one_payout(session)

    held = place_hold(
        session, PlaceHold(business="retail", seller_id="s_one", reason="papers missing"), key="k", by="op"
    )

    assert payout_of(session, payout.id).status is PayoutStatus.WITHDRAWN
    assert (balance(session).held_minor, balance(session).due_minor) == (90_00, 0)
    assert planned(session, "run_2").batch is None
    lift_hold(session, held.id, reason="papers came", by="op")
    assert planned(session, "run_3").batch.payouts[0].amount_minor == 90_00


def test_a_dispute_holds_its_order_only_and_a_won_one_lets_it_go(session):
    a_sale(session, "o1")
    a_sale(session, "o2", base=50_00)
    about = {"business": "retail", "order_id": "o1", "reason": "fraud", "amount_minor": None}
    dispute = open_dispute(session, reference="d1", **about)
    assert open_dispute(session, reference="d1", **about) == dispute

    assert (balance(session).disputed_minor, balance(session).due_minor) == (90_00, 45_00)
    assert planned(session).batch.payouts[0].amount_minor == 45_00
    close_dispute(session, dispute.id, is_won=True)
    assert planned(session, "run_2").batch.payouts[0].amount_minor == 90_00
    with pytest.raises(ConflictError, match="was won already"):
        close_dispute(session, dispute.id, is_won=False)


def test_a_lost_dispute_takes_the_earning_back(session):
    a_sale(session, "o1")
    about = {"business": "retail", "order_id": "o1", "reason": "fraud", "amount_minor": None}
    dispute = open_dispute(session, reference="d1", **about)

    a_refund(session, "o1", "chargeback", 100_00)
    close_dispute(session, dispute.id, is_won=False)

    assert (planned(session).batch, balance(session).owed_minor) == (None, 0)


def test_a_reserve_is_kept_and_released_later(session, time_machine):
    time_machine.move_to("2026-03-02T10:00:00+08:00", tick=False)
    a_sale(session, "o1", terms=Maturing(days=0, reserve_bps=2000, reserve_days=30))

    assert planned(session).batch.payouts[0].amount_minor == 72_00
    assert (balance(session).reserve_minor, balance(session).owed_minor) == (18_00, 90_00)
    time_machine.move_to("2026-04-01T09:00:00+08:00", tick=False)
    a_sale(session, "o2")
    assert planned(session, "run_2").batch.payouts[0].amount_minor == 108_00


def test_pages_of_payouts_go_on_where_they_stopped(session):
    for number in range(3):
        a_sale(session, f"o{number}", seller=f"s_{number}")
    planned(session)
    filters = PayoutFilters(business="retail", statuses=(PayoutStatus.PLANNED,))

    first = payouts_page(session, filters, limit=2)
    second = payouts_page(session, filters, after=first.next_cursor, limit=2)

    assert {payout.seller_id for payout in (*first.payouts, *second.payouts)} == {"s_0", "s_1", "s_2"}
    assert (len(first.payouts), second.next_cursor) == (2, None)


# --- at the same moment -------------------------------------------------------------------------------------


def at_once(*acts):
    with ThreadPoolExecutor(len(acts)) as pool:
        return [done.result() for done in [pool.submit(act) for act in acts]]


def committed(sessions, act):
    def run():
        with sessions() as session, session.begin():
            return act(session)

    return run


def test_two_runs_at_once_claim_nothing_twice(sessions):
    with sessions() as session, session.begin():
        for number in range(40):
            a_sale(session, f"o{number}", seller=f"s_{number % 5}", base=1_000 + number)
    expected = sum(base - (base + 5) // 10 for base in range(1_000, 1_040))

    at_once(*(committed(sessions, lambda s, k=key: planned(s, f"run_{k}")) for key in range(6)))

    with sessions() as session:
        payouts = session.scalars(select(PayoutRow)).all()
        transfers = session.scalars(select(SellerTransferRow)).all()
    assert sum(payout.amount_minor for payout in payouts) == expected
    assert len({payout.seller_id for payout in payouts}) == len(payouts) == 5
    assert {transfer.status for transfer in transfers} == {"claimed"}


@pytest.mark.parametrize("round_", range(5))
def test_a_refund_against_a_payout_never_pays_more_than_is_left(sessions, round_):
    """Either the refund comes first and the payout pays what is left, or the payout is withdrawn or carried negative."""
    del round_
    with sessions() as session, session.begin():
        a_sale(session, "o1")

    at_once(
        committed(sessions, planned),
        committed(sessions, lambda session: a_refund(session, "o1", "r1", 40_00)),
    )

    with sessions() as session, session.begin():
        unsent = [payout.amount_minor for payout in session.scalars(select(PayoutRow)) if payout.status == "planned"]
        assert unsent in ([], [54_00])
        assert balance(session).owed_minor == 54_00
        planned(session, "run_2")
        live = session.scalars(select(PayoutRow).where(PayoutRow.status == "planned")).all()
        assert [payout.amount_minor for payout in live] == [54_00]


@pytest.mark.parametrize("round_", range(5))
def test_a_dispute_against_a_payout_pays_nothing_of_it(sessions, round_):
    del round_
    with sessions() as session, session.begin():
        a_sale(session, "o1")
    about = {"business": "retail", "order_id": "o1", "reason": "fraud", "amount_minor": None}

    at_once(
        committed(sessions, planned),
        committed(sessions, lambda session: open_dispute(session, reference="d1", **about)),
    )

    with sessions() as session:
        live = session.scalars(select(PayoutRow).where(PayoutRow.status != "withdrawn")).all()
        assert (live, balance(session).disputed_minor) == ([], 90_00)


def test_the_same_refund_twice_at_once_is_taken_back_once(sessions):
    with sessions() as session, session.begin():
        a_sale(session, "o1")

    at_once(*(committed(sessions, lambda session: a_refund(session, "o1", "r1", 40_00)) for _ in range(4)))

    with sessions() as session:
        assert balance(session).due_minor == 54_00
