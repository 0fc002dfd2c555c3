"""What a refund takes off each line: numbers of the field, and that any sequence of returns totals what was paid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capabilities.kernel.errors import InvalidError, RefusedError
from capabilities.kernel.money import share_minor, split_minor
from capabilities.transaction.after_sale import AfterReturn, RefundAdjustment, RefundLine
from capabilities.transaction.refunding import KeptLine, LineAmounts, kept_total, refund_amount, refund_units


def gave(amount: int, rule: str = "r1") -> tuple[RefundAdjustment, ...]:
    return (RefundAdjustment(rule_id=rule, release_id="rel_1", given_minor=amount),) if amount else ()


def a_line(
    line_id: str,
    quantity: int,
    net: int,
    *,
    tax: int = 0,
    given: int = 0,
    rate: int = 0,
    seller: str = "s_one",
    kind: str = "goods",
) -> KeptLine:
    amounts = LineAmounts(net_minor=net, tax_minor=tax, discount_minor=given, adjustments=gave(given))
    return KeptLine(
        line_id=line_id,
        sku=line_id,
        kind=kind,
        seller_id=seller,
        tax_rate_bps=rate,
        quantity=quantity,
        sold=amounts,
        kept=amounts,
    )


def less(lines: Sequence[KeptLine], refund: Sequence[RefundLine]) -> list[KeptLine]:
    """The lines after a refund, as the books keep them: differences are subtracted."""
    by_line = {line.line_id: line for line in refund}
    after = []
    for line in lines:
        gone = by_line.get(line.line_id)
        if gone is None:
            after.append(line)
            continue
        taken = {found.rule_id: found.given_minor for found in gone.adjustments}
        kept = LineAmounts(
            net_minor=line.kept.net_minor - gone.net_minor,
            tax_minor=line.kept.tax_minor - gone.tax_minor,
            discount_minor=line.kept.discount_minor - gone.discount_minor,
            adjustments=tuple(
                found.model_copy(update={"given_minor": found.given_minor - taken.get(found.rule_id, 0)})
                for found in line.kept.adjustments
            ),
        )
        assert (kept.net_minor, kept.tax_minor) == (gone.kept_net_minor, gone.kept_tax_minor)
        after.append(line.model_copy(update={"refunded": line.refunded + gone.units, "kept": kept}))
    return after


def total(refund: Sequence[RefundLine]) -> int:
    return sum(line.total_minor for line in refund)


# --- numbers ----------------------------------------------------------------------------------------------------


def test_all_of_it_gives_all_back_and_more_or_nothing_is_refused() -> None:
    lines = [a_line("l1", 3, 45_75)]
    assert total(refund_amount(lines, 45_75, prices_include_tax=True)) == 45_75
    with pytest.raises(RefusedError) as caught:
        refund_amount(lines, 55_75, prices_include_tax=True)
    assert caught.value.code == "transaction.refund_exceeded"
    assert caught.value.details == {"asked_minor": 55_75, "left_minor": 45_75}
    with pytest.raises(InvalidError, match="more than nothing"):
        refund_amount(lines, 0, prices_include_tax=True)


def test_one_of_two_after_a_tenth_off_gives_its_half() -> None:
    lines = [a_line("l1", 2, 90_00, given=10_00)]
    (line,) = refund_units(lines, {"l1": 1}, prices_include_tax=True)
    assert (line.gross_minor, line.discount_minor, line.net_minor, line.total_minor) == (50_00, 5_00, 45_00, 45_00)


def test_the_dearer_of_two_lines_gives_its_own_discounted_price() -> None:
    lines = [a_line("l1", 1, 5_40, given=60), a_line("l2", 1, 3_60, given=40)]
    assert total(refund_units(lines, {"l1": 1}, prices_include_tax=True)) == 5_40


@pytest.mark.parametrize(("policy", "expected"), [("keep", 225_00), ("claw_back", 220_00), ("re_evaluate", 220_00)])
def test_five_of_six_below_the_threshold_of_300(policy: AfterReturn, expected: int) -> None:
    lines = [a_line("l1", 6, 270_00, given=30_00)]
    alone = {"l1": LineAmounts(net_minor=50_00)}
    (line,) = refund_units(lines, {"l1": 5}, prices_include_tax=True, after_return=policy, repriced=alone)
    assert (line.total_minor, line.kept_net_minor) == (expected, 270_00 - expected)
    assert sum(found.given_minor for found in line.adjustments) == line.discount_minor


def test_what_is_clawed_back_brings_its_tax() -> None:
    lines = [a_line("l1", 2, 180_00, given=20_00, tax=18_00, rate=1000)]
    alone = {"l1": LineAmounts(net_minor=100_00, tax_minor=10_00)}
    for policy in ("claw_back", "re_evaluate"):
        (line,) = refund_units(lines, {"l1": 1}, prices_include_tax=False, after_return=policy, repriced=alone)
        assert (line.net_minor, line.tax_minor, line.total_minor) == (80_00, 8_00, 88_00)


def test_a_discount_that_still_holds_is_not_clawed_back() -> None:
    lines = [a_line("l1", 2, 180_00, given=20_00)]
    alone = {"l1": LineAmounts(net_minor=95_00, discount_minor=5_00, adjustments=gave(5_00))}
    clawed = refund_units(lines, {"l1": 1}, prices_include_tax=True, after_return="claw_back", repriced=alone)
    priced = refund_units(lines, {"l1": 1}, prices_include_tax=True, after_return="re_evaluate", repriced=alone)
    assert (total(clawed), total(priced)) == (90_00, 85_00)


def test_nobody_pays_to_return_and_all_of_it_still_comes_back() -> None:
    """A cheap unit whose return loses a great discount gives nothing back; the rest then gives all that was paid."""
    lines = [a_line("l1", 1, 5_00, given=5_00), a_line("l2", 1, 50_00, given=50_00, seller="s_two")]
    alone = {"l2": LineAmounts(net_minor=100_00)}
    first = refund_units(lines, {"l1": 1}, prices_include_tax=True, after_return="re_evaluate", repriced=alone)
    assert [(line.line_id, line.total_minor) for line in first] == [("l1", 5_00), ("l2", -5_00)]
    second = refund_units(less(lines, first), {"l2": 1}, prices_include_tax=True, after_return="re_evaluate")
    assert total(second) == 55_00


def test_units_that_are_back_already_or_of_another_order_are_refused() -> None:
    lines = [a_line("l1", 2, 90_00)]
    rest = less(lines, refund_units(lines, {"l1": 1}, prices_include_tax=True))
    with pytest.raises(RefusedError) as caught:
        refund_units(rest, {"l1": 2}, prices_include_tax=True)
    assert (caught.value.code, caught.value.details["left"]) == ("transaction.units_refunded", 1)
    with pytest.raises(InvalidError) as unknown:
        refund_units(rest, {"l9": 1}, prices_include_tax=True)
    assert unknown.value.code == "transaction.line_unknown"


# --- any order, any sequence ------------------------------------------------------------------------------------


@st.composite
def orders(draw: st.DrawFn) -> tuple[list[KeptLine], bool]:
    """A discounted order: several lines, rates and sellers, a delivery and a fee."""
    inclusive = draw(st.booleans())
    count = draw(st.integers(1, 4))
    gross = [draw(st.integers(0, 20_000)) for _ in range(count)]
    off = split_minor(draw(st.integers(0, sum(gross))), [amount or 1 for amount in gross])
    lines = []
    for place, amount in enumerate(gross):
        given = min(off[place], amount)
        rate = draw(st.sampled_from([0, 600, 1300, 2300]))
        net = amount - given
        tax = (2 * net * rate + (whole := 10_000 + rate * inclusive)) // (2 * whole)
        lines.append(
            a_line(
                f"l{place}",
                draw(st.integers(1, 7)),
                net,
                tax=tax,
                given=given,
                rate=rate,
                seller=draw(st.sampled_from(["s_one", "s_two"])),
                kind=draw(st.sampled_from(["goods", "goods", "goods", "delivery", "fee"])),
            )
        )
    return lines, inclusive


@settings(max_examples=400)
@given(data=st.data(), order=orders(), policy=st.sampled_from(["keep", "re_evaluate", "claw_back"]))
def test_any_sequence_of_returns_totals_exactly_what_was_paid(
    data: st.DataObject, order: tuple[list[KeptLine], bool], policy: AfterReturn
) -> None:
    lines, inclusive = order
    paid = kept_total(lines, prices_include_tax=inclusive)
    by_line: Counter[str] = Counter()
    by_rate: Counter[int] = Counter()
    by_seller: Counter[str] = Counter()
    given: Counter[str] = Counter()
    left = lines
    while any(line.units for line in left):
        if data.draw(st.integers(0, 4)) == 0 and kept_total(left, prices_include_tax=inclusive):
            amount = data.draw(st.integers(1, kept_total(left, prices_include_tax=inclusive)))
            refund = refund_amount(left, amount, prices_include_tax=inclusive)
            assert total(refund) == amount
        else:
            open_lines = [line for line in left if line.units]
            chosen = data.draw(st.lists(st.sampled_from(open_lines), min_size=1, unique_by=lambda line: line.line_id))
            units = {line.line_id: data.draw(st.integers(1, line.units)) for line in chosen}
            alone = {
                line.line_id: LineAmounts(
                    net_minor=data.draw(st.integers(0, 20_000)),
                    tax_minor=data.draw(st.integers(0, 2_000)),
                    adjustments=gave(data.draw(st.integers(0, 100))),
                )
                for line in left
            }
            refund = refund_units(left, units, prices_include_tax=inclusive, after_return=policy, repriced=alone)
        assert total(refund) >= 0
        for line in refund:
            assert line.gross_minor - line.discount_minor == line.net_minor
            assert line.total_minor == line.net_minor + (0 if inclusive else line.tax_minor)
            by_line[line.line_id] += line.total_minor
            by_rate[line.tax_rate_bps] += line.tax_minor
            by_seller[line.seller_id] += line.total_minor
            given[line.line_id] += sum(found.given_minor for found in line.adjustments)
        left = less(left, refund)
        assert all(line.kept.net_minor >= 0 and line.kept.tax_minor >= 0 for line in left)
        assert kept_total(left, prices_include_tax=inclusive) + by_line.total() == paid
    assert by_line.total() == paid
    for line in lines:
        assert by_line[line.line_id] == line.sold.net_minor + (0 if inclusive else line.sold.tax_minor)
    for rate in {line.tax_rate_bps for line in lines}:
        assert by_rate[rate] == sum(line.sold.tax_minor for line in lines if line.tax_rate_bps == rate)
    for seller in {line.seller_id for line in lines}:
        mine = [line for line in lines if line.seller_id == seller]
        assert by_seller[seller] == kept_total(mine, prices_include_tax=inclusive)
    if policy == "keep":
        assert given == Counter({line.line_id: line.sold.discount_minor for line in lines})


@settings(max_examples=200)
@given(amount=st.integers(0, 100_000), cuts=st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_each_unit_gives_the_difference_of_cumulative_shares(amount: int, cuts: list[int]) -> None:
    quantity, back = sum(cuts), 0
    left = [a_line("l1", quantity, amount)]
    for units in cuts:
        (line,) = refund_units(left, {"l1": units}, prices_include_tax=True)
        expected = share_minor(amount, quantity, back + units) - share_minor(amount, quantity, back)
        assert line.total_minor == expected
        back += units
        left = less(left, [line])
