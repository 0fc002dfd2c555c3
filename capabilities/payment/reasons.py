"""Why a payment did not work, in words: providers say codes, buyers read sentences."""

from __future__ import annotations

from collections.abc import Mapping

REASONS: Mapping[str, str] = {
    "account_closed": "the account is closed",
    "card_declined": "the bank did not approve it",
    "more_than_authorized": "more was asked than had been authorized",
    "never_arrived": "the payment provider never received it",
    "not_authorized": "it had not been authorized",
    "voided": "the authorization had been withdrawn",
    "voided_before_arrival": "the payment provider received it too late",
}
"""What a code means; each goes on with a sentence that says what did not work."""


def told(what: str, reason: str | None) -> str:
    """A sentence: what did not work, and why as far as anybody said."""
    if reason is None:
        return f"{what}; the payment provider did not say why."
    return f"{what}: {REASONS.get(reason, f'the payment provider says {reason!r}')}."
