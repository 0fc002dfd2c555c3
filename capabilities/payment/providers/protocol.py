"""What every payment provider speaks. Nothing here knows our tables: a provider is another system.

The key of an order to the provider (a `ProviderCall`) is stored before the call and is the same whenever it is sent
again; a provider acts at most once for a key and can be asked what became of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pydantic import Field

from capabilities.kernel.money import Currency
from capabilities.payment.contract import Contract


class Action(StrEnum):
    """What a provider can be told to do."""

    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


class Outcome(StrEnum):
    """What a provider says of a key; `processing` means: ask again."""

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    PROCESSING = "processing"


class ProviderCall(Contract):
    """An order to a provider. `authorization_key` names what a capture, void or refund is about."""

    key: str
    action: Action
    business: str
    payment_id: str
    method: str
    currency: Currency
    amount_minor: int = Field(gt=0)
    authorization_key: str | None = None


class ProviderReport(Contract):
    """What a provider says. `occurred_at` is the provider's own moment: told twice, it is the same."""

    key: str
    action: Action
    outcome: Outcome
    amount_minor: int = Field(ge=0)
    occurred_at: datetime
    reason: str | None = None
    provider_id: str | None = None


class Provider(Protocol):
    """A payment provider."""

    def send(self, call: ProviderCall) -> Sequence[ProviderReport]:
        """Do it, once for its key however often it is sent. May answer more than once, late, or not at all."""

    def look_up(self, key: str) -> ProviderReport | None:
        """What became of a key; None where the provider never heard of it."""
