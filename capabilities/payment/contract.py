"""What others see of payment: a payment with its events, and the amounts those events add up to.

An order has one payment for each source it is paid from, in a recorded order (`position`).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from capabilities.kernel.money import Currency
from capabilities.payment.routing import ROUTING  # noqa: F401 - whoever knows the contract knows the decision
from capabilities.payment.terms import TERMS  # noqa: F401 - as above

MAX_SOURCES = 8

MOST_POSITION = 30_000
"""Sources of the checkout come first; what is collected later takes the places behind them."""


class Contract(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PaymentEventKind(StrEnum):
    """What can be known of a payment. Requests are ours; the rest is what the provider says, whenever it arrives."""

    AUTHORIZATION_REQUEST = "authorization_request"
    AUTHORIZATION_SUCCESS = "authorization_success"
    AUTHORIZATION_FAILURE = "authorization_failure"
    AUTHORIZATION_ADJUSTMENT = "authorization_adjustment"
    CHARGE_REQUEST = "charge_request"
    CHARGE_SUCCESS = "charge_success"
    CHARGE_FAILURE = "charge_failure"
    CHARGEBACK = "chargeback"
    CHARGEBACK_REVERSAL = "chargeback_reversal"
    REFUND_REQUEST = "refund_request"
    REFUND_SUCCESS = "refund_success"
    REFUND_FAILURE = "refund_failure"
    REFUND_REVERSAL = "refund_reversal"
    CANCEL_REQUEST = "cancel_request"
    CANCEL_SUCCESS = "cancel_success"
    CANCEL_FAILURE = "cancel_failure"


class PaymentEvent(Contract):
    """One event. `reference` groups request, success and failure of one act; an event that is not counted is ignored."""

    kind: PaymentEventKind
    reference: str
    amount_minor: int = Field(ge=0)
    occurred_at: datetime
    is_counted: bool = True
    reason: str | None = None
    provider_id: str | None = None


class PaymentAmounts(Contract):
    """What the events add up to. `charged_minor` may be negative: a refund can be known before its charge."""

    authorized_minor: int = 0
    charged_minor: int = 0
    refunded_minor: int = 0
    cancelled_minor: int = 0
    authorize_pending_minor: int = 0
    charge_pending_minor: int = 0
    refund_pending_minor: int = 0
    cancel_pending_minor: int = 0


class PaymentStatus(StrEnum):
    """A word for the amounts, computed whenever asked."""

    NOTHING_DUE = "nothing_due"
    PENDING = "pending"
    DECLINED = "declined"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    PARTLY_REFUNDED = "partly_refunded"
    REFUNDED = "refunded"
    VOIDED = "voided"


class SourceKind(StrEnum):
    """Where money comes from: a card is a provider's; the others are stored value, which our own ledger holds."""

    CARD = "card"
    GIFT_CARD = "gift_card"
    POINTS = "points"
    WALLET = "wallet"

    @property
    def is_stored(self) -> bool:
        return self is not SourceKind.CARD


def kind_of_method(method: str) -> SourceKind:
    """The kind of source a payment method is: the three stored values have methods of their own names."""
    return SourceKind(method) if method in {kind.value for kind in SourceKind if kind.is_stored} else SourceKind.CARD


class Payment(Contract):
    """A payment as others see it, its events in the order in which they happened.

    `reference` names a stored value (the gift card's code). `routed_by` is the rule release that chose the provider.
    """

    id: str
    business: str
    order_id: str
    provider: str
    method: str
    currency: Currency
    amount_minor: int
    status: PaymentStatus
    status_reason: str | None
    amounts: PaymentAmounts
    events: tuple[PaymentEvent, ...]
    created_at: datetime
    position: int = 0
    kind: SourceKind = SourceKind.CARD
    reference: str | None = None
    routed_by: str | None = None

    @property
    def left_minor(self) -> int:
        """What can still be given back to this source: taken, not charged back, not given back or about to be."""
        return max(0, self.amounts.charged_minor)


class PreparePayment(Contract):
    """Ask for the payment of an order; the same order and position give the same payment."""

    business: str
    order_id: str
    method: str
    currency: Currency
    amount_minor: int = Field(ge=0)
    position: int = Field(default=0, ge=0, le=MOST_POSITION)
    reference: str | None = None
    provider: str | None = None
    """The provider rules have chosen; None: the one that takes the method."""
    routed_by: str | None = None


class AskedSource(Contract):
    """A source as asked for; at most one of several may leave its amount open, and pays the rest."""

    method: str = Field(min_length=1, max_length=64)
    amount_minor: int | None = Field(default=None, gt=0)
    reference: str | None = Field(default=None, max_length=80)


class SourceShare(Contract):
    """What one source pays, or is given back; `status` only of what is given back."""

    payment_id: str
    position: int
    kind: SourceKind
    method: str
    provider: str
    reference: str | None
    currency: Currency
    amount_minor: int
    status: Literal["succeeded", "unknown", "failed"] | None = None
    reason: str | None = None


class RefundOfShares(Contract):
    """A refund as the sources saw it. `incomplete`: some of it was given back, and some was refused by its provider."""

    refund_id: str
    order_id: str
    status: Literal["succeeded", "unknown", "failed", "incomplete"]
    amount_minor: int
    given_minor: int
    shares: tuple[SourceShare, ...]
    reason: str | None = None


class PaymentFilters(Contract):
    """What a list of payments is narrowed to; `created_until` is exclusive, `text` looks in ids and references."""

    business: str
    provider: str | None = None
    method: str | None = None
    kinds: tuple[SourceKind, ...] = ()
    order_id: str | None = None
    created_from: datetime | None = None
    created_until: datetime | None = None
    has_event: PaymentEventKind | None = None
    text: str | None = Field(default=None, max_length=200)


class PaymentPage(Contract):
    """One page of payments, newest first; `next_cursor` is None on the last."""

    payments: tuple[Payment, ...]
    next_cursor: str | None


class TimelineEntry(Contract):
    """An event of a payment as people read it: what, when it happened, when we heard of it, and from whom."""

    payment_id: str
    position: int
    method: str
    kind: PaymentEventKind
    reference: str
    amount_minor: int
    currency: Currency
    occurred_at: datetime
    recorded_at: datetime
    is_counted: bool
    reason: str | None
    provider_id: str | None
    actor: str
    correlation_id: str


class ProviderEventStatus(StrEnum):
    """What became of a message: kept until its payment appears, applied, or of no meaning here."""

    WAITING = "waiting"
    APPLIED = "applied"
    IGNORED = "ignored"


class ProviderEvent(Contract):
    """A message of a provider as the log shows it; `deliveries` counts how often it came."""

    id: str
    business: str
    provider: str
    message_id: str
    type: str
    status: ProviderEventStatus
    payment_id: str | None
    order_id: str | None
    amount_minor: int | None
    currency: str | None
    reason: str | None
    deliveries: int
    occurred_at: datetime
    received_at: datetime
    applied_at: datetime | None


class ProviderEventPage(Contract):
    """One page of messages, newest first; `next_cursor` is None on the last."""

    events: tuple[ProviderEvent, ...]
    next_cursor: str | None


class ProviderStatementLine(Contract):
    """A line of a provider's statement; its fields, in this order, are the columns of the CSV file.

    Amounts are minor units, seen from us: a charge is positive, a refund or chargeback negative; net = gross − fee.
    `reference` is the key we gave the provider (the `reference` of the payment's event; of a chargeback the provider's
    own). `bank_reference` stands on the bank credit that pays the day out: its amount is the sum of the lines' nets.
    """

    provider: str
    business: str
    line_id: str
    kind: Literal["charge", "refund", "refund_reversal", "chargeback", "chargeback_reversal"]
    payment_id: str
    reference: str
    provider_id: str
    currency: Currency
    gross_minor: int
    fee_minor: int
    net_minor: int
    occurred_at: datetime
    settled_on: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    bank_reference: str


STATEMENT_COLUMNS: tuple[str, ...] = tuple(ProviderStatementLine.model_fields)
