"""Which of several prices holds, and what the lowest was before: pure functions over lists and spans of time.

The order in which lists go before one another stands in `price_contract`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from capabilities.marketing.price_contract import ListedPrice, PriceEntry, PriceListTerms, PriceQuestion

LOOK_BACK = timedelta(days=30)
Rank = tuple[int, int, int, int, str]


def fits(terms: PriceListTerms, question: PriceQuestion) -> bool:
    """Whether the list is in force at that moment for who asks."""
    begun = terms.valid_from is None or terms.valid_from <= question.at
    over = terms.valid_until is not None and terms.valid_until <= question.at
    return terms.is_active and begun and not over and is_meant(terms, question)


def is_meant(terms: PriceListTerms, question: PriceQuestion) -> bool:
    """Whether the list is for this currency, channel and group, whenever it is in force."""
    return (
        terms.currency == question.currency
        and terms.channel in (None, question.channel)
        and terms.tier in (None, question.tier)
        and (terms.segment is None or terms.segment in question.segments)
    )


def rank_of(terms: PriceListTerms, unit_price_minor: int) -> Rank:
    """What a price is judged by: the lowest rank goes first."""
    is_for_group = terms.tier is not None or terms.segment is not None
    return (-is_for_group, -(terms.channel is not None), -terms.priority, unit_price_minor, terms.code)


def resolve(
    lists: Mapping[str, PriceListTerms], entries: Iterable[tuple[str, PriceEntry]], question: PriceQuestion
) -> dict[str, ListedPrice]:
    """The price of each sku that a fitting list prices; `entries` are prices with the id of their list, in any order."""
    reached: dict[tuple[str, str], PriceEntry] = {}
    for list_id, entry in entries:
        quantity = question.quantities.get(entry.sku, 0)
        if entry.from_quantity > quantity or list_id not in lists or not fits(lists[list_id], question):
            continue
        known = reached.get((list_id, entry.sku))
        if known is None or entry.from_quantity > known.from_quantity:
            reached[list_id, entry.sku] = entry
    best: dict[str, tuple[Rank, str, PriceEntry]] = {}
    for (list_id, sku), entry in reached.items():
        rank = rank_of(lists[list_id], entry.unit_price_minor)
        if sku not in best or rank < best[sku][0]:
            best[sku] = (rank, list_id, entry)
    return {sku: _listed(lists[list_id], entry) for sku, (_, list_id, entry) in best.items()}


def _listed(terms: PriceListTerms, entry: PriceEntry) -> ListedPrice:
    return ListedPrice(
        sku=entry.sku,
        list_code=terms.code,
        currency=terms.currency,
        from_quantity=entry.from_quantity,
        unit_price_minor=entry.unit_price_minor,
        floor_price_minor=entry.floor_price_minor,
        was_price_minor=entry.was_price_minor,
    )


# --- prices in time ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """A price that one source gave from a moment until (without) another. Sources are ranked as prices are."""

    begins: datetime
    ends: datetime | None
    unit_price_minor: int
    rank: Rank = (0, 0, 0, 0, "")

    def holds_at(self, at: datetime) -> bool:
        return self.begins <= at and (self.ends is None or at < self.ends)


OWN_PRICE: Rank = (1, 0, 0, 0, "")
"""The rank of the offer's own price: after every list."""


def effective(spans: Sequence[Span]) -> list[Span]:
    """The price that held, span by span: at each moment that of the best source; equal neighbours are one span."""
    moments = sorted({span.begins for span in spans} | {span.ends for span in spans if span.ends is not None})
    held: list[Span] = []
    for position, begins in enumerate(moments):
        ends = moments[position + 1] if position + 1 < len(moments) else None
        living = [span for span in spans if span.holds_at(begins)]
        if not living:
            continue
        price = min(living, key=lambda span: span.rank).unit_price_minor
        if held and held[-1].ends == begins and held[-1].unit_price_minor == price:
            held[-1] = Span(held[-1].begins, ends, price)
        else:
            held.append(Span(begins, ends, price))
    return held


def lowest_before(spans: Sequence[Span], at: datetime, look_back: timedelta = LOOK_BACK) -> int | None:
    """The lowest price that held in the 30 days before the price of now began; that price itself where there was none.

    This is what a reduction has to be compared with (Directive 98/6/EC, article 6a). None where nothing holds now.
    """
    held = effective(spans)
    present = next((span for span in held if span.holds_at(at)), None)
    if present is None:
        return None
    opens = present.begins - look_back
    before = [
        span.unit_price_minor
        for span in held
        if span.begins < present.begins and (span.ends is None or span.ends > opens)
    ]
    return min(before, default=present.unit_price_minor)
