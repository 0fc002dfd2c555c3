"""What a commission comes to, by the numbers of public test suites; frozen once, whatever rates become later."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities.kernel.errors import ConflictError
from capabilities.settlement.commission import commission_of
from capabilities.settlement.contract import CommissionRate, DeclareRate, FreezeCommission, SoldLine
from capabilities.settlement.queries import commissions_of
from capabilities.settlement.service import cancel_freeze, declare_rate, freeze_commission


def rate(bps: int = 0, **more) -> CommissionRate:
    return CommissionRate(rate_bps=bps, reason="test", **more)


@pytest.mark.parametrize(
    ("given_rate", "base", "quantity", "expected"),
    [
        (rate(1000), 100_00, 1, (10_00, None)),
        (rate(1000), 300_00, 3, (30_00, None)),
        (rate(per_unit_minor=2_50), 300_00, 3, (7_50, None)),
        (rate(per_unit_minor=2_50, highest_minor=12_00), 1_000_00, 10, (12_00, "highest")),
        (rate(1000), 80_00, 1, (8_00, None)),
        (rate(1000), 60_00, 1, (6_00, None)),
        (rate(1000), 0, 1, (0, None)),
        (rate(100, lowest_minor=5_00), 100_00, 1, (5_00, "lowest")),
        (rate(5000, highest_minor=20_00), 100_00, 1, (20_00, "highest")),
        (rate(1000, highest_minor=10_00), 10_00, 1, (1_00, None)),
        (rate(1000, highest_minor=10_00), 500_00, 1, (10_00, "highest")),
        (rate(lowest_minor=5_00), 3_00, 1, (3_00, "base")),
        (rate(1000, lowest_minor=5_00), 0, 1, (0, "base")),
        (rate(1), 50_00, 1, (1, None)),
        (rate(1), 49_99, 1, (0, None)),
    ],
)
def test_commission_is_share_and_flat_part_within_bounds(given_rate, base, quantity, expected):
    commission = commission_of(given_rate, base_minor=base, quantity=quantity)

    assert (commission.commission_minor, commission.bounded_by) == expected
    assert commission.tax_minor == 0


def test_tax_on_the_commission_comes_on_top_of_it():
    commission = commission_of(rate(1000, tax_rate_bps=600), base_minor=100_00, quantity=1)

    assert (commission.commission_minor, commission.tax_minor) == (10_00, 60)


@given(
    st.builds(
        rate,
        st.integers(0, 10_000),
        per_unit_minor=st.integers(0, 500),
        lowest_minor=st.integers(0, 1_000),
        highest_minor=st.none() | st.integers(1_000, 5_000),
        tax_rate_bps=st.integers(0, 10_000),
    ),
    st.integers(0, 100_000),
    st.integers(1, 100),
)
def test_a_sale_never_costs_its_seller_more_than_it_brought(given_rate, base, quantity):
    commission = commission_of(given_rate, base_minor=base, quantity=quantity)

    assert commission.commission_minor >= 0
    assert commission.tax_minor >= 0
    assert commission.commission_minor + commission.tax_minor <= base


def sold(line_id: str = "l1", *, seller: str = "s_one", category: str = "food/tea", base: int = 100_00) -> SoldLine:
    return SoldLine(line_id=line_id, seller_id=seller, category=category, quantity=1, base_minor=base)


def sale(*lines: SoldLine, order_id: str = "ord_1", business: str = "retail") -> FreezeCommission:
    return FreezeCommission(business=business, order_id=order_id, currency="CNY", lines=lines)


def frozen(session, *lines: SoldLine, **more) -> list[tuple[str, int, str]]:
    return [
        (line.line_id, line.commission_minor, line.rate.reason)
        for line in freeze_commission(session, sale(*lines, **more))
    ]


def declare(session, bps: int, reason: str, *, seller: str | None = None, category: str | None = None):
    new_rate = CommissionRate(rate_bps=bps, reason=reason)
    declare_rate(session, DeclareRate(business="retail", seller_id=seller, category=category, rate=new_rate))


def test_without_any_rate_the_platform_standard_holds(session):
    assert frozen(session, sold()) == [("l1", 5_00, "platform standard")]


def test_the_most_specific_rate_holds(session):
    declare(session, 1000, "house")
    declare(session, 900, "food", category="food")
    declare(session, 800, "tea", category="food/tea")
    declare(session, 700, "seller two", seller="s_two")
    declare(session, 600, "tea of seller two", seller="s_two", category="food/tea")

    lines = [
        sold("l1", category="toys"),
        sold("l2", category="food/coffee"),
        sold("l3", category="food/tea/green"),
        sold("l4", category="food/teapots"),
        sold("l5", seller="s_two", category="toys"),
        sold("l6", seller="s_two"),
    ]
    assert frozen(session, *lines) == [
        ("l1", 10_00, "house"),
        ("l2", 9_00, "food"),
        ("l3", 8_00, "tea"),
        ("l4", 9_00, "food"),
        ("l5", 7_00, "seller two"),
        ("l6", 6_00, "tea of seller two"),
    ]


def test_rates_of_one_business_never_touch_another(session):
    declare(session, 1000, "house")

    assert frozen(session, sold(), business="travel") == [("l1", 5_00, "platform standard")]


def test_what_is_frozen_stays_whatever_the_rates_become(session):
    declare(session, 1000, "house")
    first = freeze_commission(session, sale(sold()))
    declare(session, 2000, "dearer")

    assert freeze_commission(session, sale(sold())) == first
    assert frozen(session, sold(), order_id="ord_2") == [("l1", 20_00, "dearer")]


def test_the_line_keeps_its_rate_and_base(session):
    declare(session, 1000, "house")
    (line,) = freeze_commission(session, sale(sold(base=80_00)))

    assert (line.rate, line.base_minor, line.seller_net_minor) == (
        rate(1000).model_copy(update={"reason": "house"}),
        80_00,
        72_00,
    )
    assert commissions_of(session, "ord_1") == (line,)


def test_other_lines_for_the_same_order_conflict(session):
    freeze_commission(session, sale(sold()))
    for lines in ([sold(base=99_00)], [sold(), sold("l2")]):
        with pytest.raises(ConflictError) as error:
            freeze_commission(session, sale(*lines))
        assert error.value.code == "settlement.lines_changed"


def test_cancelling_is_done_once_and_for_good(session):
    freeze_commission(session, sale(sold(), sold("l2")))

    assert [cancel_freeze(session, "ord_1") for _ in range(2)] == [2, 0]
    assert {line.status for line in commissions_of(session, "ord_1")} == {"cancelled"}
    with pytest.raises(ConflictError) as error:
        freeze_commission(session, sale(sold(), sold("l2")))
    assert error.value.code == "settlement.freeze_cancelled"


def test_nothing_frozen_nothing_cancelled(session):
    assert cancel_freeze(session, "ord_none") == 0


def test_a_sale_without_goods_freezes_nothing(session):
    assert freeze_commission(session, sale()) == ()
