"""What others see of coupons in numbers: lots of codes, codes of one buyer, imports, and why a code cannot be used."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from capabilities.marketing.limits import Contract

CouponCondition = Literal["active", "paused", "used_up", "expired", "not_yet_valid", "wrong_buyer", "void"]
AfterRefund = Literal["keep", "restore", "restore_within"]
"""What becomes of a use when all that was bought with it is given back."""

MAX_CODES = 1_000_000


class CreateLot(Contract):
    """A lot of codes. `opens` is what a rule asks for; a rule with that coupon takes every code of the lot.

    `pattern` says how a code looks: `#` is a digit, `?` a letter, `*` either, without those that look alike; anything
    else stands for itself, as in `SUMMER-####-????`. With `buyer_ids` every buyer gets one code that only he can use.
    """

    business: str
    lot_id: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    opens: str = Field(min_length=1, max_length=64)
    pattern: str = Field(min_length=1, max_length=64)
    codes: int = Field(ge=1, le=MAX_CODES)
    use_limit: int | None = Field(default=1, ge=1)
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    after_refund: AfterRefund = "keep"
    after_refund_days: int | None = Field(default=None, ge=1, le=3650)
    buyer_ids: tuple[str, ...] = ()


class CouponLot(Contract):
    """A lot, and how far it is made and used."""

    id: str
    business: str
    opens: str
    pattern: str
    bits: float
    """How hard a code is to guess: the bits of the space its codes are drawn from."""
    wanted: int
    made: int
    used: int
    status: Literal["making", "ready", "void"]
    created_by: str
    created_at: datetime

    @property
    def used_bps(self) -> int:
        return 0 if not self.made else self.used * 10_000 // self.made


class LotPage(Contract):
    lots: tuple[CouponLot, ...]
    cursor: str | None


class CouponLine(Contract):
    """A coupon in a list."""

    code: str
    opens: str
    lot_id: str | None
    buyer_id: str | None
    condition: CouponCondition
    reason: str | None
    use_limit: int | None
    used: int
    valid_from: datetime | None
    valid_until: datetime | None
    after_refund: AfterRefund = "keep"
    after_refund_days: int | None = None
    created_at: datetime


class CouponPage(Contract):
    coupons: tuple[CouponLine, ...]
    cursor: str | None


class CouponUseLine(Contract):
    """One use of a coupon."""

    code: str
    order_id: str
    status: str
    at: datetime


class ChangeCoupons(Contract):
    """Pause, resume or void a code, or all codes of a lot."""

    business: str
    act: Literal["pause", "resume", "void"]
    code: str | None = None
    lot_id: str | None = None
    reason: str = Field(default="", max_length=500)


class CouponFile(Contract):
    """A file of coupons, as text."""

    business: str
    file: str = Field(max_length=20_000_000)


class BadRow(Contract):
    """A row of a file that cannot be taken, by its line (the head is line 1)."""

    line: int
    message: str


class ImportedCoupons(Contract):
    """What became of a file: every row was added, was there already with the same content, or is bad."""

    added: int
    already: int
    bad: tuple[BadRow, ...]
