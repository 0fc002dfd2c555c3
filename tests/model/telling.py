"""Telling the model what happened, and comparing what it made of it with the database."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.model.looking import (
    books,
    counted,
    happened,
    order_as_sold,
    refund_as_given,
    share_of,
    shares_given,
)
from tests.model.model import Model, Sale, priced
from tests.model.world import BUSINESSES, CARD, WALLET

OPENING = {"gift_card": CARD, "gift_card_promotion": CARD, "buyer_wallet": WALLET, "marketing_expense": WALLET}
"""What stands in the books of every business before the first checkout."""


class Told:
    """The model, and what it has been told so far."""

    def __init__(self) -> None:
        self.model = Model()
        self.known: set[tuple[str, str]] = set()
        self.quoted: dict[str, tuple[bool, int]] = {}
        """By order: whether the coupon was there to be used, and what was left of the budget, when it was priced."""
        for business in BUSINESSES:
            for kind, amount in OPENING.items():
                self.model.book(business, kind, amount)

    def listen(self, session: Session) -> None:
        """Tell the model what is new."""
        for what, id_ in happened(session):
            if (what, id_) not in self.known:
                self.known.add((what, id_))
                getattr(self, f"_{what}")(session, id_)

    # --- news

    def _order(self, session: Session, order_id: str) -> None:
        business, found, sources, owed = order_as_sold(session, order_id)
        cart = {sku: line.quantity for sku, line in found.values()}
        with_coupon, budget_left = self.quoted[order_id]
        expected = priced(business, cart, with_coupon=with_coupon, budget_left=budget_left)
        lines = {line_id: expected[sku] for line_id, (sku, _) in found.items()}
        for line_id, (sku, line) in found.items():
            mine = lines[line_id]
            assert (line.net, line.tax, line.total) == (mine.net, mine.tax, mine.total), (order_id, sku, line, mine)
        paid = sum(source.taken for source in sources)
        sale = Sale(business, lines, sources, owed)
        assert paid + owed == sale.total, (order_id, sources, owed, sale.total)
        self.model.sell(order_id, sale)

    def _shared(self, session: Session, refund_id: str) -> None:
        row, _ = refund_as_given(session, refund_id)
        expected = self.model.share(row.order_id, refund_id, row.due_minor)
        given = shares_given(session, refund_id)
        # a payment that is being collected has a place already, and nothing to give back
        assert given == expected + [0] * (len(given) - len(expected)), (
            refund_id,
            given,
            expected,
            self.model.sales[row.order_id],
        )

    def _declined(self, session: Session, reference: str) -> None:
        row = share_of(session, reference)
        self.model.ask(row.order_id, row.refund_id, row.place, -row.amount_minor)

    def _asked(self, session: Session, reference: str) -> None:
        row = share_of(session, reference)
        self.model.ask(row.order_id, row.refund_id, row.place, row.amount_minor)

    def _opened(self, session: Session, refund_id: str) -> None:
        """Predicted to the cent where it follows from the units; else never more than is kept, and all of it in the end."""
        row, taken = refund_as_given(session, refund_id)
        sale = self.model.sales[row.order_id]
        whole = all(one.units for one in taken.values())
        if sale.is_plain and whole and BUSINESSES[sale.business].after_return == "keep":
            expected = self.model.expected(row.order_id, {line_id: one.units for line_id, one in taken.items()})
            assert taken == expected, (row, taken, expected)
        else:
            sale.is_plain = False
        assert sum(one.total for one in taken.values()) == row.total_minor == row.due_minor + row.unpaid_minor
        assert 0 <= row.total_minor <= sale.kept, row
        self.model.reserve(row.order_id, taken)
        if row.kind == "chargeback":
            sale.borne += row.total_minor

    def _failed(self, session: Session, refund_id: str) -> None:
        row, taken = refund_as_given(session, refund_id)
        self.model.unshare(row.order_id, refund_id)
        self.model.reserve(row.order_id, taken, sign=-1)
        self.model.sales[row.order_id].is_plain = False

    def _refund(self, session: Session, refund_id: str) -> None:
        row, taken = refund_as_given(session, refund_id)
        self.model.give_back(row.order_id, refund_id, taken, row.unpaid_minor, is_chargeback=row.kind == "chargeback")

    def _dispute(self, session: Session, dispute_id: str) -> None:
        row = _dispute_row(session, dispute_id)
        self.model.charge_back(row.order_id, row.amount_minor)

    def _won(self, session: Session, dispute_id: str) -> None:
        row = _dispute_row(session, dispute_id)
        self.model.charge_back(row.order_id, -row.amount_minor)
        card = next(source for source in self.model.sales[row.order_id].sources if source.is_card)
        card.charged_back -= row.amount_minor

    def _lost(self, session: Session, dispute_id: str) -> None:
        """What the bank keeps is borne by the order's shares, by the refund told before; only the rest is written off."""
        row = _dispute_row(session, dispute_id)
        self.model.lose(row.order_id, row.amount_minor)

    def _payout(self, session: Session, payout_id: str) -> None:
        row = session.execute(
            text("SELECT business, seller_id, amount_minor FROM payout WHERE id = :id"), {"id": payout_id}
        ).one()
        self.model.pay_out(row.business, row.seller_id, row.amount_minor)

    def _due(self, session: Session, place: str) -> None:
        order_id, position = place.split("/")
        row = session.execute(
            text("""
            SELECT d.amount_minor, coalesce(p.method, 'courier') AS method, d.claim FROM payment_due d
            LEFT JOIN payment p ON p.id = d.payment_id WHERE d.order_id = :id AND d.position = :position
            """),
            {"id": order_id, "position": int(position)},
        ).one()
        self.model.collect(order_id, row.amount_minor, row.method, row.claim)

    # --- comparing

    def compare(self, session: Session, *, at_rest: bool) -> None:
        """The database says what the model says."""
        stands, mine = books(session), self.model.books
        off = {
            place: (stands[place], mine[place]) for place in stands.keys() | mine.keys() if stands[place] != mine[place]
        }
        assert not off, f"books (database, model): {off}"
        found = counted(session)
        restocked = {
            (business, sku): count for (what, business, sku), (count, _) in found.items() if what == "restocked"
        }
        for (what, business, sku), (count, more) in found.items():
            place = (business, sku)
            match what:
                case "stock":
                    assert count == self.model.on_hand(business, sku, restocked.get(place, 0)), (place, count)
                    assert 0 <= more <= count, (place, count, more)
                    assert not (at_rest and more), (place, more)
                case "coupon":
                    assert count >= self.model.uses[business], (place, count)
                    assert not at_rest or count == self.model.uses[business], (place, count, self.model.uses[business])
                case "budget":
                    assert count >= self.model.budget[business], (place, count)
                    assert not at_rest or count == self.model.budget[business], (place, count)

    def all_is_back(self) -> int:
        """How many orders were given back whole: every line, rate, seller and source exactly what was paid."""
        whole = 0
        for order_id, sale in self.model.sales.items():
            if any(line.units_back < line.quantity for line in sale.lines.values()):
                continue
            whole += 1
            by_rate: Counter[str] = Counter()
            for line in sale.lines.values():
                assert (line.net_back, line.tax_back, line.total_back) == (line.net, line.tax, line.total), order_id
                by_rate[line.seller] += line.total - line.total_back
            assert not any(by_rate.values()), order_id
            assert sale.kept == sale.owed == 0, order_id
            assert all(source.left == 0 for source in sale.sources), (order_id, sale.sources)
        return whole


def _dispute_row(session: Session, dispute_id: str) -> Any:
    return session.execute(
        text("SELECT order_id, amount_minor FROM settlement_dispute WHERE id = :id"), {"id": dispute_id}
    ).one()
