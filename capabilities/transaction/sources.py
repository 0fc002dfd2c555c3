"""What an order is paid from: one source, or several in a recorded order."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from capabilities.transaction.after_sale import Contract

MAX_SOURCES = 8
OF_BUYER = ("points", "wallet")
"""Methods that spend what a known buyer has: each at most once."""
GIFT_CARD = "gift_card"


class PaymentSource(Contract):
    """One of the ways an order is paid. Without an amount: the rest. `reference` names the gift card, by its code's fingerprint."""

    method: str = Field(min_length=1, max_length=64)
    amount_minor: int | None = Field(default=None, gt=0)
    reference: str | None = Field(default=None, max_length=80)


def check_sources(sources: Sequence[PaymentSource], *, buyer_id: str | None) -> None:
    """`ValueError` where the sources cannot be meant together, whatever the total turns out to be."""
    if sum(source.amount_minor is None for source in sources) > 1:
        raise ValueError("Only one source can pay the rest; give the others an amount.")
    cards = [source.reference for source in sources if source.method == GIFT_CARD]
    if None in cards:
        raise ValueError("A gift card is named by its code.")
    if len(set(cards)) < len(cards):
        raise ValueError("A gift card is named once.")
    if any(source.reference is not None for source in sources if source.method != GIFT_CARD):
        raise ValueError("Only a gift card has a reference.")
    spent = [source.method for source in sources if source.method in OF_BUYER]
    if len(set(spent)) < len(spent):
        raise ValueError("Points and the wallet are each named once.")
    if spent and buyer_id is None:
        raise ValueError("Points and wallets belong to a buyer: say who buys.")
