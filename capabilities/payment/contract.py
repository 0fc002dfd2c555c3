"""What others see of payment: a payment with its events, and the amounts those events add up to."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from capabilities.kernel.money import Currency


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


class Payment(Contract):
    """A payment as others see it, its events in the order in which they happened."""

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


class PreparePayment(Contract):
    """Ask for the payment of an order; the same order gives the same payment."""

    business: str
    order_id: str
    method: str
    currency: Currency
    amount_minor: int = Field(ge=0)
