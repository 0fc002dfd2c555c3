"""The model: what the platform should come to, in whole minor units, with nothing of the platform in it.

That something happened (an order confirmed, a refund given, a payout paid) is told to the model; what it moves, it works
out by itself: per line, tax rate, seller and source, in stock, coupon, budget and ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.model.world import (
    BUSINESSES,
    FEE_BPS,
    FEE_TAX_BPS,
    FROM,
    GOODS,
    OFF,
    OFFERS,
    PERCENT_BPS,
    STOCK,
)

WHOLE = 10_000


def half_up(numerator: int, denominator: int) -> int:
    """A quotient, rounded half up."""
    return (2 * numerator + denominator) // (2 * denominator)


def spread(total: int, weights: Sequence[int]) -> list[int]:
    """Shares by largest remainder; ties to the first."""
    whole = sum(weights)
    if whole == 0:
        return [0 for _ in weights]
    shares = [total * weight // whole for weight in weights]
    rests = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for place in rests[: total - sum(shares)]:
        shares[place] += 1
    return shares


@dataclass(slots=True)
class Line:
    """A line as it was sold, and what of it was given back."""

    sku: str
    quantity: int
    net: int
    tax: int
    total: int
    given: Counter[str] = field(default_factory=Counter)
    units_back: int = 0
    net_back: int = 0
    tax_back: int = 0
    total_back: int = 0
    given_back: int = 0
    """Of the budgeted discount."""
    base_gone: int = 0
    """What refunds that stand in the books took off the base."""

    @property
    def seller(self) -> str:
        return OFFERS[self.sku].seller

    @property
    def base(self) -> int:
        return self.total - self.tax


@dataclass(slots=True)
class Source:
    """A payment: what it took, and what it has given back."""

    method: str
    taken: int
    back: int = 0
    charged_back: int = 0
    claim: str = ""

    @property
    def left(self) -> int:
        return self.taken - self.back - self.charged_back

    @property
    def is_card(self) -> bool:
        return self.method.startswith("sim_")


@dataclass(slots=True)
class Sale:
    """A confirmed order."""

    business: str
    lines: dict[str, Line]
    sources: list[Source]
    owed: int = 0
    is_plain: bool = True
    """Only whole units were given back so far, with their discounts kept: every amount follows from the units."""
    borne: int = 0
    """What its shares bear of the dispute that is being decided."""

    @property
    def total(self) -> int:
        return sum(line.total for line in self.lines.values())

    @property
    def kept(self) -> int:
        return self.total - sum(line.total_back for line in self.lines.values())


@dataclass(frozen=True, slots=True)
class Taken:
    """What a refund took off a line."""

    units: int
    net: int
    tax: int
    total: int
    given: int


def priced(business: str, cart: Mapping[str, int], *, with_coupon: bool, budget_left: int) -> dict[str, Line]:
    """A cart priced: the tenth off the goods first, then something off where what is left of the goods is enough."""
    way = BUSINESSES[business]
    goods = [sku for sku in cart if sku in GOODS]
    net = {sku: OFFERS[sku].price * quantity for sku, quantity in cart.items()}
    given = {sku: Counter[str]() for sku in cart}
    for rule in ("r_tenth", "r_off"):
        running = sum(net[sku] for sku in goods)
        if rule == "r_tenth":
            left = half_up(running * PERCENT_BPS, WHOLE) if with_coupon else 0
        else:  # what the stage before took off counts
            left = min(OFF, budget_left) if running >= FROM else 0
        for sku, share in zip(goods, spread(left, [net[sku] for sku in goods]), strict=True):
            net[sku] -= share
            given[sku][rule] += share
    lines = {}
    for sku, quantity in cart.items():
        rate = OFFERS[sku].tax_bps
        tax = half_up(net[sku] * rate, WHOLE + (rate if way.inclusive else 0))
        lines[sku] = Line(sku, quantity, net[sku], tax, net[sku] + (0 if way.inclusive else tax), given[sku])
    return lines


def fee_of(base: int) -> tuple[int, int]:
    """Commission on a base, and the tax on it."""
    fee = half_up(base * FEE_BPS, WHOLE)
    return fee, half_up(fee * FEE_TAX_BPS, WHOLE)


def kept_fee(base: int, kept: int) -> tuple[int, int]:
    """Commission and its tax where only a part of the base is kept: of both together a share, rounded half up."""
    if not base:
        return 0, 0
    fee, tax = fee_of(base)
    left = half_up(fee * kept, base)
    return left, half_up((fee + tax) * kept, base) - left


Place = tuple[str, str, str]
"""Business, kind of account, party."""


class Model:
    """Everything that was sold, and the books of it."""

    def __init__(self) -> None:
        self.sales: dict[str, Sale] = {}
        self.books: Counter[Place] = Counter()
        self.budget: Counter[str] = Counter()
        self.uses: Counter[str] = Counter()
        self.sold: Counter[tuple[str, str]] = Counter()
        self.shares: dict[str, list[int]] = {}

    def book(self, business: str, kind: str, amount: int, party: str = "") -> None:
        self.books[business, kind, party] += amount

    # --- a sale

    def sell(self, order_id: str, sale: Sale) -> None:
        """The order is confirmed."""
        self.sales[order_id] = sale
        for source in sale.sources:
            self._source(sale, source.method, source.taken, order_id)
        if sale.owed:
            self.book(sale.business, "buyer_receivable", sale.owed, order_id)
        for line in sale.lines.values():
            self._share_out(sale, line, line.base, line.tax, fee_of(line.base))
            self.budget[sale.business] += line.given["r_off"]
            if line.sku in GOODS:
                self.sold[sale.business, line.sku] += line.quantity
        if any(line.given["r_tenth"] for line in sale.lines.values()):
            self.uses[sale.business] += 1

    def _source(self, sale: Sale, method: str, amount: int, order_id: str) -> None:
        match method:
            case "gift_card":
                self.book(sale.business, "gift_card", -amount)
            case "wallet":
                self.book(sale.business, "buyer_wallet", -amount)
            case "courier":
                self.book(sale.business, "courier_clearing", amount)
            case _:
                self.book(sale.business, "provider_clearing", amount)

    def _share_out(self, sale: Sale, line: Line, base: int, tax: int, fees: tuple[int, int]) -> None:
        """The line's base and tax to whom they belong; negative amounts take back."""
        fee, fee_tax = fees
        if line.sku in GOODS:
            self.book(sale.business, "seller_payable", base - fee - fee_tax, line.seller)
            self.book(sale.business, "commission_revenue", fee)
            self.book(sale.business, "tax_payable", tax + fee_tax)
        else:
            self.book(sale.business, "delivery_revenue", base)
            self.book(sale.business, "tax_payable", tax)

    # --- after it

    def expected(self, order_id: str, units: Mapping[str, int]) -> dict[str, Taken]:
        """What these units bring back where discounts are kept: cumulative shares, rounded half up."""
        sale = self.sales[order_id]
        found = {}
        for line_id, asked in units.items():
            line = sale.lines[line_id]
            after = line.units_back + asked

            def moved(amount: int, back: int, line: Line = line, after: int = after) -> int:
                return half_up(amount * after, line.quantity) - back

            net, tax = moved(line.net, line.net_back), moved(line.tax, line.tax_back)
            total = net + (0 if BUSINESSES[sale.business].inclusive else tax)
            found[line_id] = Taken(asked, net, tax, total, moved(line.given["r_off"], line.given_back))
        return found

    def share(self, order_id: str, refund_id: str, due: int) -> list[int]:
        """The sources are asked to give back: their shares, in their order, by what is left of each."""
        sale = self.sales[order_id]
        shares = spread(due, [source.left for source in sale.sources])
        for source, share in zip(sale.sources, shares, strict=True):
            source.back += share
        self.shares[refund_id] = shares
        return shares

    def ask(self, order_id: str, refund_id: str, place: int, amount: int) -> None:
        """A source is asked once more; a negative amount: it refused."""
        self.sales[order_id].sources[place].back += amount
        self.shares[refund_id][place] += amount

    def unshare(self, order_id: str, refund_id: str) -> None:
        """Nothing of it was given back after all."""
        sale = self.sales[order_id]
        for source, share in zip(sale.sources, self.shares.pop(refund_id, []), strict=False):
            source.back -= share

    def give_back(
        self, order_id: str, refund_id: str, taken: Mapping[str, Taken], unpaid: int, *, is_chargeback: bool
    ) -> None:
        """A refund stands in all books."""
        sale = self.sales[order_id]
        total = sum(one.total for one in taken.values())
        assert 0 <= unpaid <= min(total, sale.owed), (refund_id, unpaid, sale.owed)
        sale.owed -= unpaid
        self.book(sale.business, "buyer_receivable", -unpaid, order_id)
        if is_chargeback:
            self.book(sale.business, "chargebacks", -(total - unpaid))
        elif total > unpaid:
            shares = self.shares[refund_id]
            assert sum(shares) == total - unpaid, (refund_id, shares)
            for source, share in zip(sale.sources, shares, strict=False):
                self._source(sale, source.method, -share, order_id)
        for line_id, one in taken.items():
            self._take_off(sale, sale.lines[line_id], one)

    def reserve(self, order_id: str, taken: Mapping[str, Taken], *, sign: int = 1) -> None:
        """A refund is opened: nobody else can be given these units and amounts. Negative: it came to nothing."""
        for line_id, one in taken.items():
            line = self.sales[order_id].lines[line_id]
            line.units_back += sign * one.units
            line.net_back += sign * one.net
            line.tax_back += sign * one.tax
            line.total_back += sign * one.total
            line.given_back += sign * one.given

    def charge_back(self, order_id: str, amount: int) -> None:
        """The buyer's bank took so much of the card; a negative amount: gave it back."""
        sale = self.sales[order_id]
        self.book(sale.business, "provider_clearing", -amount)
        self.book(sale.business, "chargebacks", amount)

    def lose(self, order_id: str, amount: int) -> None:
        """The bank keeps it. Nothing is written off while the order keeps anything that could bear it."""
        sale = self.sales[order_id]
        rest = amount - sale.borne
        sale.borne = 0
        assert rest == 0 or (rest > 0 and sale.kept == 0), (order_id, amount, rest, sale.kept)
        self.book(sale.business, "write_offs", rest)
        self.book(sale.business, "chargebacks", -rest)

    def pay_out(self, business: str, seller: str, amount: int) -> None:
        """The bank paid a seller."""
        assert amount > 0
        self.book(business, "seller_payable", -amount, seller)
        self.book(business, "bank", -amount)

    def _take_off(self, sale: Sale, line: Line, one: Taken) -> None:
        before = kept_fee(line.base, line.base - line.base_gone)
        line.base_gone += one.total - one.tax
        after = kept_fee(line.base, line.base - line.base_gone)
        fees = (after[0] - before[0], after[1] - before[1])
        self._share_out(sale, line, -(one.total - one.tax), -one.tax, fees)
        self.budget[sale.business] -= one.given

    def collect(self, order_id: str, amount: int, by: str, claim: str) -> None:
        """A due was paid: by one more source, or in cash."""
        sale = self.sales[order_id]
        sale.owed -= amount
        self.book(sale.business, "buyer_receivable", -amount, order_id)
        known = next((source for source in sale.sources if source.claim == claim), None)
        if known is None:
            sale.sources.append(Source(by, amount, claim=claim))
        else:  # dues that were collected together are one payment
            known.taken += amount
        self._source(sale, by, amount, order_id)

    def on_hand(self, business: str, sku: str, restocked: int) -> int:
        """Pieces on the shelf."""
        return STOCK - self.sold[business, sku] + restocked
