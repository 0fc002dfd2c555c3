"""What others see of an order after it was sold: its units, fulfilments, returns, refunds and the sellers' parts of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from capabilities.kernel.money import Currency


class Contract(BaseModel):
    """Frozen and closed: an unknown field is an error, not a surprise."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- units and fulfilment ---------------------------------------------------------------------------------------


class LineUnits(Contract):
    """Where the units of a line stand: quantity = open + fulfilled + cancelled; returned ≤ fulfilled; refunded ≤ quantity."""

    line_id: str
    sku: str
    seller_id: str
    quantity: int
    fulfilled: int = 0
    cancelled: int = 0
    returned: int = 0
    refunded: int = 0
    restocked: int = 0
    """Of those cancelled or returned, how many went back on the shelf."""

    @property
    def open(self) -> int:
        """Neither fulfilled nor cancelled."""
        return self.quantity - self.fulfilled - self.cancelled

    @property
    def kept(self) -> int:
        """Not refunded: what the buyer pays for."""
        return self.quantity - self.refunded


class FulfilmentStatus(StrEnum):
    """Computed from the units of an order, or of one seller's part of it."""

    NOTHING = "nothing_to_fulfil"
    UNFULFILLED = "unfulfilled"
    PARTLY = "partly_fulfilled"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"


class ReturnState(StrEnum):
    """What came back of an order, computed from its units."""

    NONE = "none"
    PARTLY = "partly_returned"
    RETURNED = "returned"


class RefundState(StrEnum):
    """What was given back of an order's total, computed from its refunds that are not refused, failed or reversed."""

    NONE = "none"
    PARTLY = "partly_refunded"
    REFUNDED = "refunded"


class UnitsOfLine(Contract):
    """Some units of a line, as a request names them."""

    line_id: str = Field(min_length=1, max_length=64)
    units: int = Field(gt=0)


class FulfilRequest(Contract):
    """Hand over units; no lines: all that are open. `key` is the same whenever the same hand-over is told again."""

    order_id: str
    key: str = Field(min_length=1, max_length=200)
    lines: tuple[UnitsOfLine, ...] = ()
    seller_id: str | None = None
    carrier: str | None = Field(default=None, max_length=80)
    tracking: str | None = Field(default=None, max_length=120)
    actor: str = ""


class Fulfilment(Contract):
    """Units that were handed over together."""

    id: str
    order_id: str
    business: str
    carrier: str | None
    tracking: str | None
    lines: tuple[UnitsOfLine, ...]
    fulfilled_at: datetime
    actor: str


# --- returns ----------------------------------------------------------------------------------------------------


class ReturnStatus(StrEnum):
    """Asked for, then received (each unit restocked or discarded), then closed; or refused."""

    REQUESTED = "requested"
    RECEIVED = "received"
    CLOSED = "closed"
    REFUSED = "refused"


class Disposition(StrEnum):
    """What becomes of a unit that came back."""

    RESTOCK = "restock"
    DISCARD = "discard"


class ReturnLine(Contract):
    """Units of a line that come back; `restocked` of them went on the shelf again, the rest were discarded."""

    line_id: str
    sku: str
    units: int
    received: int = 0
    restocked: int = 0


class Return(Contract):
    """Goods that come back; `refund_id` is the refund that pays for them, once there is one."""

    id: str
    order_id: str
    business: str
    number: str
    status: ReturnStatus
    reason: str
    status_reason: str | None
    lines: tuple[ReturnLine, ...]
    refund_id: str | None
    exchange_order_id: str | None
    requested_at: datetime
    received_at: datetime | None
    closed_at: datetime | None


class ReturnPage(Contract):
    """One page of returns, newest first."""

    returns: tuple[Return, ...]
    next_cursor: str | None


# --- refunds ----------------------------------------------------------------------------------------------------


class RefundKind(StrEnum):
    """Why money goes back: goods came back, were never sent, out of goodwill, or the bank took it."""

    RETURN = "return"
    CANCELLATION = "cancellation"
    GOODWILL = "goodwill"
    CHARGEBACK = "chargeback"


class RefundStatus(StrEnum):
    """`refund_states.ALLOWED` says what may follow what."""

    REQUESTED = "requested"
    APPROVED = "approved"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    FAILED = "failed"
    REVERSED = "reversed"


AfterReturn = Literal["keep", "re_evaluate", "claw_back"]


class RefundRequest(Contract):
    """What is to be given back: units of lines, the delivery, the fees, or an amount; an amount stands alone.

    `return_id` names the return that is paid for. `destination` `wallet` credits the buyer instead of the sources.
    `pricing` `today` prices what is kept by the rules that are live now, instead of by what the order's own declare.
    """

    order_id: str
    kind: RefundKind = RefundKind.RETURN
    lines: tuple[UnitsOfLine, ...] = ()
    delivery: bool = False
    fees: bool = False
    amount_minor: int | None = Field(default=None, gt=0)
    reason: str = Field(default="", max_length=500)
    return_id: str | None = None
    destination: Literal["sources", "wallet"] = "sources"
    pricing: Literal["order", "today"] = "order"


class RefundAdjustment(Contract):
    """The part of one rule's discount that is taken back with a refund line; negative where a kept line gained by it."""

    rule_id: str
    release_id: str
    coupon_code: str | None = None
    effect_index: int = 0
    given_minor: int


class RefundLine(Contract):
    """What a refund takes off one line: kept before − kept after of each component.

    gross − discount = net; total = net, plus tax where prices exclude it. Under `re_evaluate` and `claw_back` a line that
    is kept may cost more afterwards: its amounts are negative, those of the whole refund never are.
    """

    line_id: str
    sku: str
    kind: str
    seller_id: str
    tax_rate_bps: int
    quantity: int
    units_before: int
    """Units of the line that were refunded before; units of this refund follow them."""
    units: int
    gross_minor: int
    discount_minor: int
    net_minor: int
    tax_minor: int
    total_minor: int
    kept_net_minor: int
    """What the line still brings after this refund."""
    kept_tax_minor: int
    adjustments: tuple[RefundAdjustment, ...] = ()


class SourceShare(Contract):
    """What goes back to one payment of the order, in the recorded order of its sources."""

    payment_id: str
    method: str
    amount_minor: int


class RefundPreview(Contract):
    """What a refund would give back; the refund opened from it gives exactly this.

    total = Σ lines. due = total − fee − unpaid goes back to the buyer. `unpaid_minor` was never paid (a later
    instalment, cash on delivery): it is taken off what the buyer owes. `sha256` covers request and amounts.
    """

    order_id: str
    number: str
    kind: RefundKind
    currency: Currency
    after_return: AfterReturn
    total_minor: int
    fee_minor: int = 0
    unpaid_minor: int = 0
    due_minor: int
    lines: tuple[RefundLine, ...]
    sources: tuple[SourceShare, ...] = ()
    refundable_minor: int
    """What could still be given back of the order, this refund included."""
    sha256: str = ""


class Refund(Contract):
    """A refund as others see it; `due_minor` is what the buyer gets, the fee is kept, `unpaid_minor` was owed."""

    id: str
    business: str
    order_id: str
    number: str
    kind: RefundKind
    status: RefundStatus
    status_reason: str | None
    reason: str
    currency: Currency
    prices_include_tax: bool
    after_return: AfterReturn
    total_minor: int
    tax_minor: int
    fee_minor: int
    unpaid_minor: int
    due_minor: int
    destination: Literal["sources", "wallet"]
    delivery: bool
    fees: bool
    return_id: str | None
    lines: tuple[RefundLine, ...]
    sources: tuple[SourceShare, ...]
    """Planned when opened; what really went where, once it succeeded."""
    requested_by: str
    decided_by: str | None
    requested_at: datetime
    decided_at: datetime | None
    completed_at: datetime | None


class RefundSummary(Contract):
    """A refund as a list shows it."""

    id: str
    business: str
    order_id: str
    number: str
    order_number: str
    kind: RefundKind
    status: RefundStatus
    reason: str
    currency: Currency
    total_minor: int
    fee_minor: int
    due_minor: int
    requested_at: datetime


class RefundPage(Contract):
    """One page of refunds, newest first."""

    refunds: tuple[RefundSummary, ...]
    next_cursor: str | None


class RefundFilters(Contract):
    """What a list of refunds is narrowed to; `requested_until` is exclusive; `text` looks in numbers and reasons."""

    business: str
    statuses: tuple[RefundStatus, ...] = ()
    kinds: tuple[RefundKind, ...] = ()
    order_id: str | None = None
    requested_from: datetime | None = None
    requested_until: datetime | None = None
    text: str | None = Field(default=None, max_length=200)


# --- one checkout over sellers ----------------------------------------------------------------------------------


class SellerOrder(Contract):
    """One seller's part of an order. The parts of an order add up to it exactly, amount by amount and source by source."""

    id: str
    order_id: str
    business: str
    seller_id: str
    number: str
    currency: Currency
    goods_gross_minor: int
    discount_minor: int
    delivery_minor: int
    fee_minor: int
    tax_minor: int
    total_minor: int
    sources: tuple[SourceShare, ...] = ()
    fulfilment: FulfilmentStatus


# --- how an open order ends --------------------------------------------------------------------------------------


class ConfirmOrder(Contract):
    """Confirm an order whose payment is captured; `payment_id` is None where nothing had to be paid."""

    order_id: str
    payment_id: str | None = None


class CloseOrder(Contract):
    """End an order that will not be confirmed. A cancellation says so; otherwise it is refused, or expired with its holds."""

    order_id: str
    reason: str | None = None
    is_cancelled: bool = False
