"""Why a payment did not work, in words: providers say codes, buyers read sentences."""

from __future__ import annotations

from collections.abc import Mapping

REASONS: Mapping[str, str] = {
    "account_closed": "the account is closed",
    "another_source_refused": "what it was to be given back with was refused",
    "authentication_required": "the card's owner has to confirm it, which is not possible here",
    "charge_already_refunded": "it has been given back already",
    "card_declined": "the bank did not approve it",
    "expired_card": "the card has expired",
    "generic_decline": "the bank did not approve it",
    "incorrect_cvc": "the card's security code is another one",
    "insufficient_funds": "there is not enough money on the account",
    "lost_card": "the bank did not approve it",
    "more_than_authorized": "more was asked than had been authorized",
    "more_than_captured": "more was asked back than had been taken",
    "never_arrived": "the payment provider never received it",
    "not_authorized": "it had not been authorized",
    "stolen_card": "the bank did not approve it",
    "voided": "the authorization had been withdrawn",
    "voided_before_arrival": "the payment provider received it too late",
}
"""What a code means; each goes on with a sentence that says what did not work."""


def told(what: str, reason: str | None) -> str:
    """A sentence: what did not work, and why as far as anybody said."""
    if reason is None:
        return f"{what}; the payment provider did not say why."
    return f"{what}: {REASONS.get(reason, f'the payment provider says {reason!r}')}."
