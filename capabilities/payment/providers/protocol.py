"""What every payment provider speaks. Nothing here knows our tables: a provider is another system.

The key of an order to the provider (a `ProviderCall`) is stored before the call and is the same whenever it is sent
again; a provider acts at most once for a key and can be asked what became of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pydantic import Field

from capabilities.kernel.money import Currency
from capabilities.payment.contract import Contract, PaymentEventKind


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
    """An order to a provider. `authorization_key` names what a capture, void or refund is about, `authorization_id` is
    the provider's own name of it, once it has told one.
    """

    key: str
    action: Action
    business: str
    payment_id: str
    method: str
    currency: Currency
    amount_minor: int = Field(gt=0)
    authorization_key: str | None = None
    authorization_id: str | None = None


class ProviderReport(Contract):
    """What a provider says. `occurred_at` is the provider's own moment: told twice, it is the same."""

    key: str
    action: Action
    outcome: Outcome
    amount_minor: int = Field(ge=0)
    occurred_at: datetime
    reason: str | None = None
    provider_id: str | None = None


class ProviderEffect(Contract):
    """What a message says of a payment. `reference` is our key where the provider knows it, else its own id of the act.

    `kind` is None for what moves no money but has to be told, such as the end of a dispute (`told` says what).
    """

    kind: PaymentEventKind | None
    reference: str
    amount_minor: int = Field(ge=0)
    currency: Currency
    occurred_at: datetime
    reason: str | None = None
    provider_id: str | None = None
    told: str | None = None
    about: str | None = None
    """The act that is taken back: a reversal names its refund."""


class ProviderMessage(Contract):
    """A message of a provider. `payment_ref` names the payment: our id of it, or the provider's. No effect: of no meaning here."""

    provider: str
    message_id: str = Field(min_length=1, max_length=255)
    type: str = Field(max_length=200)
    occurred_at: datetime
    body_sha256: str
    business: str | None = None
    payment_ref: str | None = None
    effect: ProviderEffect | None = None


class Provider(Protocol):
    """A payment provider."""

    def send(self, call: ProviderCall) -> Sequence[ProviderReport]:
        """Do it, once for its key however often it is sent. May answer more than once, late, or not at all."""

    def look_up(self, call: ProviderCall) -> ProviderReport | None:
        """What became of the call's key; None where the provider never heard of it."""

    def read_message(self, headers: Mapping[str, str], body: bytes) -> ProviderMessage:
        """A message it sent us, its signature checked: `RefusedError` `payment.signature_invalid` where it is not its own."""
