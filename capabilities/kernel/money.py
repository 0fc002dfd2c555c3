"""Money: integer minor units of one currency. No float, no division; proportions only by `split`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import StringConstraints

from capabilities.kernel.errors import InvalidError

MINOR_UNIT_DIGITS = {
    "JPY": 0,
    "KRW": 0,
    "VND": 0,
    "CLP": 0,
    "ISK": 0,
    "BHD": 3,
    "KWD": 3,
    "OMR": 3,
    "JOD": 3,
    "TND": 3,
    "PTS": 0,
}
"""ISO 4217 exponents that are not 2; points count as a currency of their own."""

MAX_MINOR = 10**15
"""Limit on any amount: ten trillion in a currency of two decimals, far inside a signed 64-bit column."""

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


def minor_unit_digits(currency: str) -> int:
    """Digits after the decimal point of an ISO 4217 currency code; 2 unless the standard says otherwise."""
    return MINOR_UNIT_DIGITS.get(currency, 2)


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount in integer minor units. Adding or comparing two currencies raises `InvalidError`."""

    minor: int
    currency: Currency

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise InvalidError("money.not_integer", f"An amount is a whole number of minor units, not {self.minor!r}.")
        if not re.fullmatch(r"[A-Z]{3}", self.currency):
            raise InvalidError("money.currency_unknown", f"{self.currency!r} is not an ISO 4217 currency code.")

    @classmethod
    def zero(cls, currency: str) -> Money:
        return cls(0, currency)

    @classmethod
    def of(cls, text: str, currency: str) -> Money:
        """Parse a decimal such as "1,234.50" exactly; more digits than the currency has raises `InvalidError`."""
        try:
            value = Decimal(text.replace(",", "").strip())
            scaled = value.scaleb(minor_unit_digits(currency))
            whole = scaled.to_integral_value()
        except InvalidOperation:
            raise InvalidError(
                "money.unreadable", f"{text!r} is not an amount.", mend="Write a number such as 1,234.50."
            ) from None
        if whole != scaled:
            raise InvalidError("money.too_precise", f"{text!r} has more decimals than {currency} knows.")
        return cls(int(whole), currency)

    def _same(self, other: Money) -> int:
        if self.currency != other.currency:
            raise InvalidError("money.currency_mismatch", f"{self.currency} and {other.currency} cannot be combined.")
        return other.minor

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __mul__(self, count: int) -> Money:
        if type(count) is not int:
            raise InvalidError(
                "money.not_integer", "Money is multiplied by whole counts only; use split for proportions."
            )
        return Money(self.minor * count, self.currency)

    __rmul__ = __mul__

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.minor > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.minor >= self._same(other)

    def __bool__(self) -> bool:
        return self.minor != 0

    def split(self, weights: Sequence[int]) -> list[Money]:
        """Parts in proportion to `weights` that add up to the whole exactly; see `split_minor`."""
        return [Money(part, self.currency) for part in split_minor(self.minor, weights)]

    def decimal(self) -> str:
        """The amount as a plain decimal text, "-12.34", with the currency's own number of decimals."""
        digits = minor_unit_digits(self.currency)
        sign, whole = ("-" if self.minor < 0 else ""), str(abs(self.minor)).rjust(digits + 1, "0")
        return f"{sign}{whole[:-digits]}.{whole[-digits:]}" if digits else f"{sign}{whole}"

    def __str__(self) -> str:
        return f"{self.currency} {self.decimal()}"


def split_minor(total: int, weights: Sequence[int]) -> list[int]:
    """Split `total` in proportion to non-negative integer `weights`, exactly.

    Largest remainder (Hamilton's method), ties to the earlier part; all weights zero: equal parts; the parts of a
    negative total mirror those of the positive one. Raises `InvalidError` for no weights or a negative one.
    """
    if not weights:
        raise InvalidError("money.split_nothing", "An amount cannot be split over no parts.")
    if min(weights) < 0:
        raise InvalidError("money.split_negative", "Weights must not be negative.")
    if total < 0:
        return [-part for part in split_minor(-total, weights)]
    whole = sum(weights)
    shares = list(weights) if whole else [1] * len(weights)
    whole = whole or len(weights)
    parts = [total * share // whole for share in shares]
    remainders = [total * share % whole for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda i: (-remainders[i], i))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts


def share_minor(amount: int, quantity: int, units: int) -> int:
    """What the first `units` of `quantity` equal units are worth of a non-negative amount: round half up(amount × units / quantity).

    Units i+1…j are worth `share(j) − share(i)`: any sequence of parts adds up to the amount exactly.
    """
    if quantity < 1 or not 0 <= units <= quantity:
        raise InvalidError("money.share_impossible", f"{units} of {quantity} units cannot be shared.")
    return (2 * amount * units + quantity) // (2 * quantity)
