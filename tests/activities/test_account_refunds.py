"""Refunds and chargebacks in the ledger: everybody's share comes back to the cent, in any order of partial refunds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from activities.account_refunds import taken_shares
from capabilities.account.contract import AccountKind as K
from capabilities.account.queries import transfers_of
from capabilities.kernel.errors import ConflictError, RefusedError
from capabilities.settlement.queries import reversals_of
from capabilities.transaction.queries import refund_of
from tests.activities.selling import a_card, an_order, balances, points, refund, run, sell, told, wallet


def units(count: int) -> dict[str, Any]:
    return {"lines": [{"line_id": "l1", "units": count}]}


def test_a_refund_takes_every_share_back_and_is_posted_once(session: Session) -> None:
    order = an_order(session, tax=27_00)
    sell(session, order, (("sim_ok", 270_00),))
    before = balances(session)
    asked = refund(session, order, "r", **units(1))
    first = run(session, "account.post_refund", refund_id=asked)
    assert run(session, "account.post_refund", "again", refund_id=asked) == first

    assert before == {
        "provider_clearing": 270_00,
        "seller_payable s_one": 230_85,
        "commission_revenue": 12_15,
        "tax_payable": 27_00,
    }
    assert balances(session) == {
        "provider_clearing": 180_00,
        "seller_payable s_one": 153_90,
        "commission_revenue": 8_10,
        "tax_payable": 18_00,
    }
    assert len({one.linked_id for one in transfers_of(session, order.id) if one.id in first.transfer_ids}) == 1


def test_a_refund_fee_is_kept(session: Session) -> None:
    order = an_order(session)
    sell(session, order, (("sim_ok", 270_00),))
    asked = refund(session, order, "r", effects=[{"kind": "auto", "fee_bps": 1000, "fee_minor": 1_00}], **units(3))
    run(session, "account.post_refund", refund_id=asked)
    assert balances(session) == {"provider_clearing": 28_00, "refund_fee_revenue": 28_00}


def test_a_refund_into_the_wallet_leaves_the_provider_alone(session: Session) -> None:
    order = an_order(session)
    sell(session, order, (("sim_ok", 270_00),))
    asked = refund(session, order, "r", destination="wallet", **units(3))
    run(session, "account.post_refund", refund_id=asked)
    assert balances(session) == {"provider_clearing": 270_00, "buyer_wallet ann": 270_00}


def test_what_the_sources_have_not_given_back_is_not_posted(session: Session) -> None:
    order = an_order(session)
    sell(session, order, (("sim_ok", 270_00),))
    asked = refund(session, order, "r", **units(1))
    told(session, f"pay_{order.id}_0", "refund_failure", "x", 90_00)  # about something else: changes nothing
    reversal = reversals_of(session, asked)
    shares = taken_shares(refund_of(session, asked), reversal)
    assert (shares[K.SELLER_PAYABLE, "s_one"], shares[K.COMMISSION_REVENUE, ""]) == (85_50, 4_50)
    with pytest.raises(ConflictError) as error:
        taken_shares(refund_of(session, asked), ())
    assert error.value.code == "account.reversal_missing"


def test_a_refund_that_came_to_nothing_is_taken_back_once(session: Session) -> None:
    order = an_order(session)
    sell(session, order, (("sim_ok", 270_00),))
    before = balances(session)
    asked = refund(session, order, "r", **units(2))
    run(session, "account.post_refund", refund_id=asked)
    reversed_ = run(session, "account.reverse_refund", refund_id=asked)
    assert len(reversed_.transfer_ids) == 3
    assert run(session, "account.reverse_refund", "again", refund_id=asked).transfer_ids == ()
    assert balances(session) == before


def test_a_refund_of_what_was_still_owed_lowers_the_receivable(session: Session) -> None:
    order = an_order(session)
    sell(session, order, (("sim_ok", 100_00),), later=170_00)
    assert balances(session)[f"buyer_receivable {order.id}"] == 170_00
    run(session, "account.post_instalment", order_id=order.id, due=1, amount_minor=85_00)
    run(session, "account.post_instalment", "again", order_id=order.id, due=1, amount_minor=85_00)
    assert balances(session)[f"buyer_receivable {order.id}"] == 85_00
    assert balances(session)["provider_clearing"] == 185_00
    with pytest.raises(RefusedError) as error:
        run(session, "account.post_instalment", order_id=order.id, due=2, amount_minor=85_01)
    assert error.value.code == "account.limit_exceeded"
    run(session, "account.post_instalment", order_id=order.id, due=2, amount_minor=80_00, by="courier")
    run(session, "account.post_instalment", order_id=order.id, due=3, amount_minor=5_00, by="written_off")
    found = balances(session)
    assert (found["courier_clearing"], found["write_offs"], f"buyer_receivable {order.id}" in found) == (
        80_00,
        5_00,
        False,
    )


def test_a_collected_part_that_was_not_is_taken_back_once(session: Session) -> None:
    order = an_order(session)
    sell(session, order, (("sim_ok", 100_00),), later=170_00)
    asked = {"order_id": order.id, "due": 1, "amount_minor": 85_00}
    assert run(session, "account.reverse_instalment", **asked).transfer_ids == ()
    run(session, "account.post_instalment", **asked)
    for _ in range(2):
        assert len(run(session, "account.reverse_instalment", **asked).transfer_ids) == 1
    assert balances(session)[f"buyer_receivable {order.id}"] == 170_00


def test_a_chargeback_that_is_won_leaves_only_its_fee(session: Session) -> None:
    order = an_order(session)
    sell(session, order, (("sim_ok", 270_00),))
    about = {"chargeback_id": "cb_1", "order_id": order.id, "amount_minor": 270_00, "fee_minor": 15_00}
    for _ in range(2):
        run(session, "account.post_chargeback", **about, outcome="opened")
    assert balances(session)["chargebacks"] == 270_00
    assert balances(session)["provider_clearing"] == -15_00
    run(session, "account.post_chargeback", **about, outcome="won")
    found = balances(session)
    assert ("chargebacks" in found, found["provider_clearing"], found["provider_fees"]) == (False, 255_00, 15_00)


def test_a_lost_chargeback_is_borne_as_its_refund_says_or_by_us(session: Session) -> None:
    order, other = an_order(session), an_order(session, run_id="run_2")
    for one in (order, other):
        sell(session, one, (("sim_ok", 270_00),))
        about = {"chargeback_id": f"cb {one.id}", "order_id": one.id, "amount_minor": 270_00}
        run(session, "account.post_chargeback", one.id, **about, outcome="opened")
    asked = refund(session, order, "r", kind="chargeback", amount_minor=270_00)
    lost = {"amount_minor": 270_00, "outcome": "lost"}
    run(session, "account.post_chargeback", chargeback_id="cb 1", order_id=order.id, refund_id=asked, **lost)
    assert balances(session) == {
        "seller_payable s_one": 256_50,
        "commission_revenue": 13_50,
        "chargebacks": 270_00,
    }
    run(session, "account.post_chargeback", "o", chargeback_id=f"cb {other.id}", order_id=other.id, **lost)
    assert balances(session) == {"seller_payable s_one": 256_50, "commission_revenue": 13_50, "write_offs": 270_00}


@given(
    pieces=st.integers(1, 6),
    price=st.integers(1, 3_000),
    percent=st.tuples(st.integers(0, 90), st.integers(0, 25)),
    weights=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    order_of_sources=st.permutations(["sim_ok", "gift_card", "points", "wallet"]),
    cuts=st.lists(st.integers(1, 3), min_size=1, max_size=6),
)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_sequence_of_refunds_gives_everything_back_to_where_it_came_from(
    session: Session,
    pieces: int,
    price: int,
    percent: tuple[int, int],
    weights: list[int],
    order_of_sources: list[str],
    cuts: list[int],
) -> None:
    with session.begin_nested() as savepoint:
        gross = pieces * price
        off = gross * percent[0] // 100
        total = gross - off
        methods = order_of_sources[: len(weights)]
        shares = [total * weight // sum(weights) for weight in weights]
        shares[0] += total - sum(shares)
        paid = [(method, share) for method, share in zip(methods, shares, strict=True) if share]
        a_card(session, 20_000)
        points(session, 20_000)
        wallet(session, 20_000)
        before = balances(session), balances(session, "PTS")
        order = an_order(session, pieces=pieces, price=price, off=off, tax=total * percent[1] // (100 + percent[1]))
        sell(session, order, paid)
        left, number = pieces, 0
        while left:
            count = min(left, cuts[number % len(cuts)])
            asked = refund(session, order, f"r{number}", **units(count))
            run(session, "account.post_refund", f"r{number}", refund_id=asked)
            left, number = left - count, number + 1
        assert (balances(session), balances(session, "PTS")) == before
        savepoint.rollback()


def test_payouts_are_set_aside_booked_once_or_set_free(session: Session) -> None:
    order = an_order(session)
    sell(session, order, (("sim_ok", 270_00),))
    run(
        session,
        "account.post_statement",
        business="retail",
        statement_id="st",
        currency="CNY",
        fees_minor=2_70,
        credited_minor=267_30,
    )
    about = {"business": "retail", "payout_id": "po_1", "seller_id": "s_one", "currency": "CNY", "amount_minor": 200_00}
    for outcome in ("sent", "sent", "failed", "failed"):
        run(session, "account.post_payout", **about, outcome=outcome)
    assert balances(session)["bank"] == 267_30
    for outcome in ("sent", "paid", "paid"):
        run(session, "account.post_payout", **about, attempt=2, outcome=outcome)
    with pytest.raises(ConflictError):
        run(session, "account.post_payout", **about, attempt=2, outcome="failed")
    assert (balances(session)["bank"], balances(session)["seller_payable s_one"]) == (67_30, 56_50)
    run(session, "account.post_payout", **about, attempt=2, outcome="returned")
    assert (balances(session)["bank"], balances(session)["seller_payable s_one"]) == (267_30, 256_50)


def test_reserves_statements_and_corrections_by_hand(session: Session) -> None:
    order = an_order(session)
    sell(session, order, (("sim_ok", 270_00),))
    about = {"business": "retail", "reserve_id": "rs", "seller_id": "s_one", "currency": "CNY"}
    run(session, "account.post_reserve", **about, amount_minor=25_00, outcome="held")
    with pytest.raises(RefusedError):
        run(session, "account.post_reserve", **about, amount_minor=25_01, outcome="released")
    run(session, "account.post_reserve", **about, amount_minor=5_00, outcome="released")
    found = balances(session)
    assert (found["seller_reserve s_one"], found["seller_payable s_one"]) == (20_00, 236_50)

    of = {"business": "retail", "currency": "CNY"}
    made = run(session, "account.post_statement", **of, statement_id="a", difference_minor=30)
    run(session, "account.post_statement", **of, statement_id="b", difference_minor=-10)
    assert run(session, "account.post_statement", **of, statement_id="c").transfer_ids == ()
    run(session, "account.post_statement", **of, statement_id="d", credited_minor=-40)
    assert (balances(session)["bank"], balances(session)["provider_clearing"]) == (-40, 269_80 + 40)
    run(session, "account.post_statement", **of, statement_id="e", credited_minor=40)
    assert (balances(session)["write_offs"], balances(session)["provider_clearing"]) == (20, 269_80)
    run(session, "account.correct", transfer_ids=made.transfer_ids, reason="it came after all")
    assert balances(session)["write_offs"] == -10
    (reason,) = [one.reason for one in transfers_of(session, "a") if one.corrects_id]
    assert reason == "corrected?of=&because=it+came+after+all"
