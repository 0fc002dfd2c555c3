"""What refunds take back of commission and earning: cumulative, to the cent, once a refund, and given again exactly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities.kernel.errors import ConflictError
from capabilities.settlement.commission import kept_of
from capabilities.settlement.contract import CommissionRate, Fees
from capabilities.settlement.queries import reversals_of, reversals_of_order
from capabilities.settlement.queries_payout import balance_of_seller, transfers_of_order
from capabilities.settlement.service_transfers import reinstate
from tests.capabilities.settlement.sellers import a_refund, a_sale


def test_kept_commission_is_its_share_of_what_is_kept_half_up():
    frozen = Fees(base_minor=100_00, commission_minor=10_01, tax_minor=61)

    kept = [kept_of(frozen, base) for base in (100_00, 50_00, 33_33, 0)]

    assert [(fees.commission_minor, fees.tax_minor) for fees in kept] == [(10_01, 61), (5_01, 30), (3_34, 20), (0, 0)]
    assert kept_of(Fees(base_minor=0, commission_minor=0), 5).seller_net_minor == 5


BASE = st.integers(1, 1_000_000)


@given(BASE, st.lists(st.integers(0, 10_000), min_size=4, max_size=4), st.lists(st.integers(0, 1_000), max_size=8))
def test_any_sequence_of_refunds_takes_back_exactly_what_was_given(base, parts, refunds):
    total = max(1, sum(parts))
    shares = [base * part // (2 * total) for part in parts]
    frozen = Fees(
        base_minor=base,
        commission_minor=shares[0],
        tax_minor=shares[1],
        channel_fee_minor=shares[2],
        withheld_minor=shares[3],
    )
    kept, sums = frozen, Fees(base_minor=0, commission_minor=0)
    for refund in [*refunds, base]:
        after = kept_of(frozen, max(0, kept.base_minor - refund))
        taken = kept - after
        assert taken.seller_net_minor >= 0
        assert taken.commission_minor >= 0
        assert taken.base_minor == taken.seller_net_minor + taken.taken_minor
        sums = Fees(**{name: value + getattr(taken, name) for name, value in sums.model_dump().items()})
        kept = after

    assert (sums, kept) == (frozen, Fees(base_minor=0, commission_minor=0))


def test_refunds_are_taken_back_one_after_the_other_and_each_once(session):
    a_sale(session, "o1", base=99_99, rate=CommissionRate(rate_bps=1000, tax_rate_bps=600, reason="test"))

    for refund, given_back in (("r1", 33_33), ("r1", 33_33), ("r2", 33_33), ("r3", 33_33)):
        a_refund(session, "o1", refund, given_back)

    found = reversals_of_order(session, "o1")
    assert [(one.refund_id, one.fees.commission_minor, one.fees.tax_minor) for one in found] == [
        ("r1", 3_33, 20),
        ("r2", 3_34, 20),
        ("r3", 3_33, 20),
    ]
    assert balance_of_seller(session, "retail", "s_one", "CNY").owed_minor == 0


def test_more_than_the_line_brought_is_refused(session):
    a_sale(session, "o1")
    a_refund(session, "o1", "r1", 60_00)

    with pytest.raises(ConflictError, match="brings 4000; 4001 cannot be taken back"):
        a_refund(session, "o1", "r2", 40_01)


def test_a_kept_line_that_costs_more_afterwards_gives_its_seller_more(session):
    a_sale(session, "o1", base=90_00)

    a_refund(session, "o1", "r1", -10_00)

    (reversal,) = reversals_of(session, "r1")
    assert (reversal.fees.commission_minor, reversal.seller_net_minor) == (-1_00, -9_00)
    assert balance_of_seller(session, "retail", "s_one", "CNY").due_minor == 90_00


def test_a_refund_that_came_to_nothing_is_given_again_exactly_and_once(session):
    a_sale(session, "o1", base=99_99)
    a_refund(session, "o1", "r1", 33_33)
    a_refund(session, "o1", "r2", 33_33)

    assert [one.is_reinstated for one in reinstate(session, "r1")] == [True]
    assert reinstate(session, "r1") == ()

    kinds = [(transfer.kind, transfer.amount_minor) for transfer in transfers_of_order(session, "o1")]
    assert kinds == [("earning", 89_99), ("reversal", -30_00), ("reversal", -29_99), ("reinstatement", 30_00)]
    a_refund(session, "o1", "r3", 66_66)
    assert balance_of_seller(session, "retail", "s_one", "CNY").owed_minor == 0


def test_a_refund_of_an_order_without_commission_takes_nothing(session):
    a_refund(session, "unknown", "r1", 10)

    assert reversals_of(session, "r1") == ()
