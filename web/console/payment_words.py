"""What ways to pay are called; a card's method of a provider shows its own name."""

from __future__ import annotations

from capabilities.payment.contract import SourceKind
from web.console.acts import words
from web.console.texts import N_
from web.console.visit import Visit

METHODS = {
    SourceKind.GIFT_CARD.value: N_("gift card"),
    SourceKind.POINTS.value: N_("points"),
    SourceKind.WALLET.value: N_("wallet"),
}


def method_word(visit: Visit, method: str) -> str:
    """The way to pay in words."""
    known = METHODS.get(method)
    return words(visit, known) if known else words(visit, N_("card (%(method)s)"), method=method)
