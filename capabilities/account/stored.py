"""What others see of stored value: gift cards, points, wallets. What they are worth stands only in the ledger.

A gift card is asked for by its *reference*: a fingerprint of its code, which says nothing about the code. The edge makes
it before anything is written down, so that no code ever stands in a request, a journal or a log.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from capabilities.account.contract import POINTS_CURRENCY, AccountKind, AccountRef, Contract, Exchange, Text
from capabilities.kernel.errors import InvalidError
from capabilities.kernel.money import MAX_MINOR, Currency

REFERENCE = re.compile(r"gcr_[0-9a-f]{48}")
CODE_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH = 16
"""Eighty random bits: nobody guesses one, and a hash of one cannot be turned back."""

_ALIKE = str.maketrans("OIL", "011")


def card_reference(code: str) -> str:
    """The reference of a gift card's code, however it is typed; a reference stays what it is."""
    if REFERENCE.fullmatch(code):
        return code
    plain = re.sub(r"[\s-]", "", code).upper().translate(_ALIKE)
    return f"gcr_{hashlib.sha256(f'gift card {plain}'.encode()).hexdigest()[:48]}"


def shown_code(plain: str) -> str:
    """A code in groups of four, as it is printed on a card."""
    return "-".join(plain[at : at + 4] for at in range(0, len(plain), 4))


class StoredMethod(StrEnum):
    """Payment methods that spend stored value; every other method is a provider's."""

    GIFT_CARD = "gift_card"
    POINTS = "points"
    WALLET = "wallet"


STORED_METHODS = frozenset(method.value for method in StoredMethod)


class GiftCardState(StrEnum):
    """A frozen card keeps its money and cannot be spent; an expired one is empty for good."""

    ACTIVE = "active"
    FROZEN = "frozen"
    EXPIRED = "expired"


class Funding(StrEnum):
    """Where the money on a gift card or in a wallet comes from."""

    GIVEN = "given"
    PROVIDER = "provider"
    BANK = "bank"


class GiftCard(Contract):
    """A gift card as others see it; never its code. `available_minor` leaves out what a checkout has reserved."""

    id: str
    business: str
    last4: str
    currency: Currency
    initial_minor: int
    balance_minor: int
    available_minor: int
    state: GiftCardState
    state_reason: str | None
    funding: Funding
    buyer_id: str | None
    subject: str
    issued_at: datetime
    expires_at: datetime | None


class GiftCardPage(Contract):
    """One page of gift cards, newest first; `next_cursor` is None on the last."""

    cards: tuple[GiftCard, ...]
    next_cursor: str | None


class IssueGiftCard(Contract):
    """Issue a card. `key` makes it idempotent; `reference` and `last4` are of its code, which stays with the caller.

    `expires_at` None: the extension point `account.gift_card_life` says how long it lives.
    """

    key: Text
    business: Text
    reference: str = Field(pattern=REFERENCE.pattern)
    last4: str = Field(pattern=r"^[0-9A-Z]{4}$")
    currency: Currency
    amount_minor: int = Field(gt=0, le=MAX_MINOR)
    funding: Funding = Funding.GIVEN
    buyer_id: str | None = None
    subject: Text
    expires_at: datetime | None = None


class TopUpGiftCard(Contract):
    """Put more money on a card that is active."""

    key: Text
    card_id: Text
    amount_minor: int = Field(gt=0, le=MAX_MINOR)
    funding: Funding = Funding.GIVEN


class PointValue(Contract):
    """What points are worth: one point is `numerator / denominator` minor units of `currency`."""

    currency: Currency
    numerator: int = Field(gt=0)
    denominator: int = Field(gt=0)

    def worth_of(self, points: int) -> int:
        """What so many points cost whoever grants them: half up, and at least one minor unit."""
        return max(1, (2 * points * self.numerator + self.denominator) // (2 * self.denominator))

    def points_for(self, amount_minor: int) -> int:
        """How many points pay an amount: never fewer than it takes."""
        return -(-amount_minor * self.denominator // self.numerator)

    def spendable_minor(self, points: int) -> int:
        """The largest amount so many points pay."""
        return points * self.numerator // self.denominator

    def exchange(self, other_id: str) -> Exchange:
        """The rate as the points' half of a pair carries it."""
        return Exchange(other_id=other_id, numerator=self.numerator, denominator=self.denominator)


class GrantPoints(Contract):
    """Give a buyer points. What they owe is settled first. `key` makes it idempotent."""

    key: Text
    business: Text
    scenario: str | None = None
    buyer_id: Text
    points: int = Field(gt=0, le=MAX_MINOR)
    currency: Currency
    subject: Text


class TakeBackPoints(GrantPoints):
    """Take back points that were granted for `subject`. What the buyer has spent meanwhile becomes a recorded debt."""


class GrantCashback(Contract):
    """Put money into a buyer's wallet. What they owe is settled first. `key` makes it idempotent."""

    key: Text
    business: Text
    buyer_id: Text
    amount_minor: int = Field(gt=0, le=MAX_MINOR)
    currency: Currency
    subject: Text


class TakeBackCashback(GrantCashback):
    """Take back cashback that was granted for `subject`. What is spent already becomes a recorded debt."""


class StoredSource(Contract):
    """One source of a payment that spends stored value. `reference` is the gift card's; points and wallets are the buyer's."""

    payment_id: Text
    method: StoredMethod
    amount_minor: int = Field(gt=0, le=MAX_MINOR)
    reference: str | None = None


class GivenBack(Contract):
    """How much of a source goes back to where it came from."""

    payment_id: Text
    amount_minor: int = Field(gt=0, le=MAX_MINOR)


class StoredBalance(Contract):
    """What a buyer may spend in a business and currency: wallet, points and what those are worth, and what is owed."""

    wallet_minor: int
    points: int
    points_worth_minor: int
    debt_minor: int
    debt_points: int


def wallet_of(business: str, buyer_id: str, currency: str) -> AccountRef:
    """A buyer's wallet."""
    return AccountRef(business=business, kind=AccountKind.BUYER_WALLET, party=buyer_id, currency=currency)


def points_of(business: str, buyer_id: str) -> AccountRef:
    """A buyer's points."""
    return AccountRef(business=business, kind=AccountKind.POINTS, party=buyer_id, currency=POINTS_CURRENCY)


def card_account(business: str, card_id: str, currency: str) -> AccountRef:
    """The account that holds a gift card's money."""
    return AccountRef(business=business, kind=AccountKind.GIFT_CARD, party=card_id, currency=currency)


def plain_code(letters: str) -> str:
    """Check a code's letters and length; raises `InvalidError`."""
    if len(letters) != CODE_LENGTH or any(letter not in CODE_LETTERS for letter in letters):
        raise InvalidError("account.code_invalid", f"A gift card's code has {CODE_LENGTH} letters and digits.")
    return letters
