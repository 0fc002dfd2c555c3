"""Orders at random, discounted, taxed, of several sellers and sources: any partial returns total what was paid, exactly.

Through the pure functions of the refund process: what a refund takes off each line, how it is shared over the sources,
what each seller and the commission give up. `tests/activities/test_refund_sequences.py` does the same against the
database.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pytest

from capabilities.kernel.money import split_minor
from capabilities.payment.sharing import share_back
from capabilities.settlement.commission import commission_of, kept_of
from capabilities.settlement.contract import CommissionRate, Fees
from capabilities.transaction.contract import RefundAdjustment, RefundLine
from capabilities.transaction.refunding import KeptLine, LineAmounts, kept_total, refund_amount, refund_units
from tests.faults.plant import SEED, either

ORDERS = either(5_000, 50_000)
RATES = (0, 600, 900, 1300, 2300)
SELLERS = ("s_one", "s_two", "s_three")
POLICIES: tuple[Literal["keep", "re_evaluate", "claw_back"], ...] = ("keep", "re_evaluate", "claw_back")


@dataclass(frozen=True, slots=True)
class Rule:
    """So much off all goods, where they come to so much before it."""

    id: str
    threshold: int
    rate_bps: int
    amount: int

    def off(self, total: int) -> int:
        if total < self.threshold:
            return 0
        return min(total, self.amount + (2 * total * self.rate_bps + 10_000) // 20_000)


@dataclass(frozen=True, slots=True)
class Ware:
    """A line that is asked for."""

    line_id: str
    kind: str
    seller: str
    tax_bps: int
    price: int
    quantity: int


def amounts_of(
    wares: Sequence[Ware], units: Mapping[str, int], rules: Sequence[Rule], *, inclusive: bool
) -> dict[str, LineAmounts]:
    """What these units cost under the rules: each rule off the goods, spread by what they cost so far; then tax."""
    net = {ware.line_id: ware.price * units[ware.line_id] for ware in wares}
    given: dict[str, list[RefundAdjustment]] = {ware.line_id: [] for ware in wares}
    goods = [ware.line_id for ware in wares if ware.kind == "goods"]
    for rule in rules:
        weights = [net[line_id] for line_id in goods]
        for line_id, part in zip(goods, split_minor(rule.off(sum(weights)), weights or [1]), strict=False):
            net[line_id] -= part
            if part:
                given[line_id].append(RefundAdjustment(rule_id=rule.id, given_minor=part, release_id="rls_1"))
    found = {}
    for ware in wares:
        whole = 10_000 + (ware.tax_bps if inclusive else 0)
        tax = (2 * net[ware.line_id] * ware.tax_bps + whole) // (2 * whole)
        found[ware.line_id] = LineAmounts(
            net_minor=net[ware.line_id],
            tax_minor=tax,
            discount_minor=sum(one.given_minor for one in given[ware.line_id]),
            adjustments=tuple(given[ware.line_id]),
        )
    return found


class Order:
    """An order that was paid, and everything that came back of it."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.inclusive = dice.random() < 0.5
        self.policy = dice.choice(POLICIES)
        self.wares = [
            Ware(
                line_id=f"l{number}",
                kind="goods",
                seller=dice.choice(SELLERS),
                tax_bps=dice.choice(RATES),
                price=dice.choice([1, 7, 99, 333, 1_999, 12_345, dice.randrange(1, 50_000)]),
                quantity=dice.randrange(1, 8),
            )
            for number in range(dice.randrange(1, 6))
        ]
        if dice.random() < 0.7:
            self.wares.append(Ware("d1", "delivery", "", dice.choice(RATES), dice.randrange(1, 3_000), 1))
        self.rules = [
            Rule(
                f"r{n}", dice.choice([0, 5_000, 30_000]), dice.choice([0, 333, 1_050, 9_999]), dice.choice([0, 1, 777])
            )
            for n in range(dice.randrange(0, 4))
        ]
        units = {ware.line_id: ware.quantity for ware in self.wares}
        self.sold = amounts_of(self.wares, units, self.rules, inclusive=self.inclusive)
        self.lines = tuple(self._line(ware) for ware in self.wares)
        self.total = kept_total(self.lines, prices_include_tax=self.inclusive)
        weights = [dice.randrange(1, 100) for _ in range(dice.randrange(1, 5))]
        self.paid = split_minor(self.total, weights)
        self.left = list(self.paid)
        rate = CommissionRate(rate_bps=dice.choice([0, 777, 1_000]), tax_rate_bps=600, withheld_bps=100, reason="test")
        self.frozen = {line.line_id: self._fees(line, rate) for line in self.lines if line.kind == "goods"}
        self.kept_base = {line_id: fees.base_minor for line_id, fees in self.frozen.items()}
        self.by_line, self.by_rate, self.tax, self.by_seller = (
            Counter[str](),
            Counter[int](),
            Counter[int](),
            Counter[str](),
        )
        self.seller_gave = Counter[str]()

    def _line(self, ware: Ware) -> KeptLine:
        sold = self.sold[ware.line_id]
        return KeptLine(
            line_id=ware.line_id,
            sku=ware.line_id,
            kind=ware.kind,
            seller_id=ware.seller,
            tax_rate_bps=ware.tax_bps,
            quantity=ware.quantity,
            sold=sold,
            kept=sold,
        )

    def total_of(self, line: KeptLine) -> int:
        return line.sold.net_minor + (0 if self.inclusive else line.sold.tax_minor)

    def _fees(self, line: KeptLine, rate: CommissionRate) -> Fees:
        base = self.total_of(line) - line.sold.tax_minor
        found = commission_of(rate, base_minor=base, quantity=line.quantity, is_first=True, volume_minor=0)
        return Fees(
            **{name: getattr(found, name) for name in Fees.model_fields if name != "base_minor"}, base_minor=base
        )

    # --- coming back

    def go_back(self) -> int:
        """Return at random until nothing is left; how many refunds it took."""
        refunds = 0
        while any(line.units for line in self.lines):
            if self.dice.random() < 0.1 and self.kept:
                moves = refund_amount(
                    self.lines, self.dice.randrange(1, self.kept + 1), prices_include_tax=self.inclusive
                )
            else:
                moves = self._units_back()
            self._take(moves)
            refunds += 1
        return refunds

    @property
    def kept(self) -> int:
        return kept_total(self.lines, prices_include_tax=self.inclusive)

    def _units_back(self) -> tuple[RefundLine, ...]:
        open_ = [line for line in self.lines if line.units]
        chosen = self.dice.sample(open_, self.dice.randrange(1, len(open_) + 1))
        units = {line.line_id: self.dice.randrange(1, line.units + 1) for line in chosen}
        stays = {line.line_id: line.units - units.get(line.line_id, 0) for line in self.lines}
        repriced = None
        if self.policy != "keep":
            repriced = amounts_of(self.wares, stays, self.rules, inclusive=self.inclusive)
        return refund_units(
            self.lines, units, prices_include_tax=self.inclusive, after_return=self.policy, repriced=repriced
        )

    def _take(self, moves: Sequence[RefundLine]) -> None:
        total = sum(move.total_minor for move in moves)
        assert 0 <= total <= self.kept
        if total:
            shares = share_back(total, self.left)
            assert sum(shares) == total
            self.left = [left - share for left, share in zip(self.left, shares, strict=True)]
            assert min(self.left) >= 0
        by_id = {move.line_id: move for move in moves}
        for move in moves:
            self.by_line[move.line_id] += move.total_minor
            self.by_rate[move.tax_rate_bps] += move.total_minor
            self.tax[move.tax_rate_bps] += move.tax_minor
            self.by_seller[move.seller_id] += move.total_minor
            if move.line_id in self.frozen:
                self._reverse(move)
        self.lines = tuple(
            line if line.line_id not in by_id else _after(line, by_id[line.line_id]) for line in self.lines
        )

    def _reverse(self, move: RefundLine) -> None:
        frozen, before = self.frozen[move.line_id], self.kept_base[move.line_id]
        after = before - (move.total_minor - move.tax_minor)
        self.kept_base[move.line_id] = after
        gone = kept_of(frozen, before) - kept_of(frozen, after)
        self.seller_gave[move.seller_id] += _net(gone)

    def assert_all_is_back(self) -> None:
        """Per line, per tax rate, per seller and per source, what came back is what was paid."""
        assert self.left == [0] * len(self.left)
        assert self.by_line == Counter({line.line_id: self.total_of(line) for line in self.lines})
        for rate in {line.tax_rate_bps for line in self.lines}:
            of_rate = [line for line in self.lines if line.tax_rate_bps == rate]
            assert self.by_rate[rate] == sum(map(self.total_of, of_rate))
            assert self.tax[rate] == sum(line.sold.tax_minor for line in of_rate)
        for seller in {line.seller_id for line in self.lines}:
            mine = [line for line in self.lines if line.seller_id == seller]
            assert self.by_seller[seller] == sum(map(self.total_of, mine))
            assert self.seller_gave[seller] == sum(
                _net(self.frozen[line.line_id]) for line in mine if line.line_id in self.frozen
            )
        assert set(self.kept_base.values()) <= {0}


def _net(fees: Fees) -> int:
    """The seller's part."""
    return fees.base_minor - fees.commission_minor - fees.tax_minor - fees.channel_fee_minor - fees.withheld_minor


def _after(line: KeptLine, move: RefundLine) -> KeptLine:
    gone = Counter({(one.rule_id, one.coupon_code, one.effect_index): one.given_minor for one in move.adjustments})
    known = {(one.rule_id, one.coupon_code, one.effect_index) for one in line.kept.adjustments}
    left = [
        one.model_copy(update={"given_minor": one.given_minor - gone[one.rule_id, one.coupon_code, one.effect_index]})
        for one in line.kept.adjustments
    ]
    left += [
        one.model_copy(update={"given_minor": -one.given_minor})
        for one in move.adjustments
        if (one.rule_id, one.coupon_code, one.effect_index) not in known
    ]
    kept = LineAmounts(
        net_minor=move.kept_net_minor,
        tax_minor=move.kept_tax_minor,
        discount_minor=line.kept.discount_minor - move.discount_minor,
        adjustments=tuple(left),
    )
    return line.model_copy(update={"refunded": line.refunded + move.units, "kept": kept})


@pytest.mark.faults
def test_any_partial_returns_total_exactly_what_was_paid() -> None:
    print(f"seed {SEED} (ZHONGTAI_SEED={SEED} plays it again), {ORDERS:,} orders")
    dice = random.Random(SEED)
    refunds = 0
    for number in range(ORDERS):
        seed = dice.randrange(1 << 60)
        order = Order(random.Random(seed))
        try:
            refunds += order.go_back()
            order.assert_all_is_back()
        except Exception as error:
            raise AssertionError(f"order {number} of seed {seed} ({order.policy}): {error!r}") from error
    assert refunds > ORDERS
    print(f"{refunds:,} refunds")
