"""What a commission comes to, by the numbers of public test suites; frozen once, whatever rates become later."""

from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select

from capabilities.kernel.errors import ConflictError, InvalidError
from capabilities.settlement.commission import commission_of
from capabilities.settlement.contract import CommissionRate, DeclareRate, FeeTier, FreezeCommission, SoldLine
from capabilities.settlement.queries import commissions_of, rates_at, rates_revision
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


GRADUATED = (
    FeeTier(above_minor=0, rate_bps=1000, flat_minor=2),
    FeeTier(above_minor=100_00, rate_bps=500, flat_minor=3),
    FeeTier(above_minor=200_00, rate_bps=100),
)


@pytest.mark.parametrize(
    ("base", "volume", "by", "expected"),
    [
        (50_00, 0, "amount", 5_02),
        (100_00, 0, "amount", 10_02),
        (100_01, 0, "amount", 10_05),  # 10.00 + 2 + a part of the second tier, which rounds to nothing, + 3
        (300_00, 0, "amount", 16_05),
        (300_00, 500_00, "amount", 16_05),
        (50_00, 100_00, "volume", 2_53),
        (50_00, 80_00, "volume", 3_53),  # 20.00 at 10 %, 30.00 at 5 %, and the second tier is entered
        (50_00, 120_00, "volume", 2_50),
        (50_00, 500_00, "volume", 50),
        (0, 0, "amount", 0),
    ],
)
def test_graduated_tiers_take_their_share_of_what_lies_in_each(base, volume, by, expected):
    tiered = rate(tiers=GRADUATED, tiers_by=by)

    assert commission_of(tiered, base_minor=base, quantity=1, volume_minor=volume).commission_minor == expected


def test_the_parts_of_a_graduated_fee_are_rounded_together():
    halves = rate(tiers=(FeeTier(above_minor=0, rate_bps=50), FeeTier(above_minor=50, rate_bps=25)))

    # a quarter of a minor unit of either tier: nothing each, a half together
    assert commission_of(halves, base_minor=150, quantity=1).commission_minor == 1


def test_what_is_taken_once_an_order_is_taken_on_its_first_line_only():
    per_order = rate(per_order_minor=1_00, channel_flat_minor=30)

    first = commission_of(per_order, base_minor=50_00, quantity=3)
    second = commission_of(per_order, base_minor=50_00, quantity=3, is_first=False)

    assert (first.commission_minor, first.channel_fee_minor) == (1_00, 30)
    assert (second.commission_minor, second.channel_fee_minor) == (0, 0)


def test_channel_fee_and_withheld_tax_come_off_what_the_commission_leaves():
    """100.00 − 10.00 commission − 0.60 tax on it − 1.50 channel − 10 % withheld of 87.90 = 79.11."""
    taken = commission_of(
        rate(1000, tax_rate_bps=600, channel_rate_bps=150, withheld_bps=1000), base_minor=100_00, quantity=1
    )

    assert (taken.commission_minor, taken.tax_minor, taken.channel_fee_minor, taken.withheld_minor) == (
        10_00,
        60,
        1_50,
        8_79,
    )


@given(
    st.integers(0, 100_000),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
    st.integers(0, 500),
    st.integers(0, 10_000),
)
def test_a_seller_never_pays_to_sell(base, bps, channel_bps, flat, withheld_bps):
    greedy = rate(
        bps, tax_rate_bps=600, channel_rate_bps=channel_bps, channel_flat_minor=flat, withheld_bps=withheld_bps
    )

    taken = commission_of(greedy, base_minor=base, quantity=1)

    parts = (taken.commission_minor, taken.tax_minor, taken.channel_fee_minor, taken.withheld_minor)
    assert min(parts) >= 0
    assert sum(parts) <= base


def test_tiers_begin_at_rising_amounts():
    with pytest.raises(InvalidError, match="rising amounts"):
        rate(tiers=(FeeTier(above_minor=5), FeeTier(above_minor=5)))


def test_a_rate_of_one_currency_does_not_speak_for_another(session):
    declare_rate(session, DeclareRate(business="retail", rate=rate(700)))
    declare_rate(session, DeclareRate(business="retail", currency="EUR", rate=rate(per_unit_minor=2_50)))

    for currency, expected in (("EUR", 2_50), ("CNY", 7_00)):
        line = SoldLine(line_id="l1", seller_id="s", category="food", quantity=1, base_minor=100_00, currency=currency)
        sale = FreezeCommission(business="retail", order_id=f"o_{currency}", currency=currency, lines=(line,))
        assert freeze_commission(session, sale)[0].commission_minor == expected


def test_a_changed_rate_is_another_revision_and_an_unchanged_table_is_read_once(session, engine):
    declare_rate(session, DeclareRate(business="retail", rate=rate(700)))
    before = session.scalar(select(rates_revision("retail")))
    assert rates_at(session, "retail", before)[0].rate.rate_bps == 700

    with counted(engine) as statements:
        assert rates_at(session, "retail", before)[0].rate.rate_bps == 700
    assert statements == []
    declare_rate(session, DeclareRate(business="retail", rate=rate(800)))
    after = session.scalar(select(rates_revision("retail")))
    assert after != before
    assert rates_at(session, "retail", after)[0].rate.rate_bps == 800


@contextmanager
def counted(engine):
    statements: list[str] = []

    def note(*about):
        statements.append(about[2])

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)
