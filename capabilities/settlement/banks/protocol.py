"""What every bank must be able to do: pay under a key, and say later what became of a key."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from capabilities.kernel.money import Currency


class Contract(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BankOutcome(StrEnum):
    """`processing`: the bank has the order and will answer later."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PROCESSING = "processing"


class BankOrder(Contract):
    """Pay an amount to an account. The same key and attempt twice is one order; a new attempt follows a failed one."""

    key: str
    attempt: int = Field(ge=1)
    business: str
    destination: str
    amount_minor: int = Field(gt=0)
    currency: Currency
    reference: str


class BankReport(Contract):
    """What the bank says of a key, and of which attempt."""

    key: str
    attempt: int
    outcome: BankOutcome
    reason: str | None = None
    bank_reference: str | None = None
    occurred_at: datetime


class Bank(Protocol):
    """A bank. Both calls may raise `OSError` or take too long; then nothing is known."""

    def pay(self, order: BankOrder) -> BankReport | None:
        """Do it, or find that it was done: a key that was paid is not paid again."""

    def look_up(self, key: str) -> BankReport | None:
        """What became of a key; None for one that never arrived."""
