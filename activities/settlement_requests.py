"""What the operations of settlement are asked and answer."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from capabilities.settlement.contract import CommissionRate, Credited, Resolution


class Part(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FreezeRequest(Part):
    order_id: str


class FreezeResponse(Part):
    """How many lines were frozen, and the commission on them without its tax."""

    lines: int
    commission_minor: int


class CancelFreezeResponse(Part):
    cancelled: int


class RateRequest(Part):
    """A rate for a seller, a category with everything below it, a currency, any of them, or the whole business."""

    seller_id: str | None = None
    category: str | None = None
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    rate: CommissionRate


class RateResponse(Part):
    rate_id: str


class RefundOfSale(Part):
    refund_id: str


class ReverseResponse(Part):
    """What the refund takes back: lines, commission without its tax, and what the sellers had been promised."""

    lines: int
    commission_minor: int
    seller_minor: int


class MatureRequest(Part):
    """Up to a moment's business; `limit` bounds one step, which is repeated while `more`."""

    limit: int = Field(default=500, ge=1, le=5_000)


class MatureResponse(Part):
    """Earnings made of sales, transfers that fell due, reserves kept; `more` says that another step would find more."""

    booked: int
    started: int
    matured: int
    reserved: int
    more: bool


class PlanRequest(Part):
    """`run_date` None: today in the business's zone. The same run plans once, whatever has fallen due since."""

    run_date: date | None = None


class PlanResponse(Part):
    """`batch_id` None: nothing was due. `carried` sellers stay below their minimum, or below nothing."""

    batch_id: str | None
    payouts: int
    payout_ids: tuple[str, ...]
    amount_minor: int
    currencies: tuple[str, ...]
    carried: int


class BatchRequest(Part):
    batch_id: str


class ApproveBatchRequest(Part):
    """`amount_minor` is what the approver saw: another sum by now is a conflict. `approver` None: who acts."""

    batch_id: str
    amount_minor: int | None = None
    approver: str | None = None


class ApproveBatchResponse(Part):
    batch_id: str
    payout_ids: tuple[str, ...]
    amount_minor: int


class PayoutRequest(Part):
    payout_id: str


class PreparedPayout(Part):
    """A payout about to be sent; `attempt` counts this time in."""

    payout_id: str
    business: str
    seller_id: str
    currency: str
    amount_minor: int
    attempt: int
    status: str


class PayResponse(Part):
    """`unknown`: the bank did not answer in time; paying again looks first. `withdrawn`: not sent, see the reason."""

    payout_id: str
    status: Literal["paid", "failed", "unknown", "withdrawn"]
    attempt: int
    reason: str | None = None


class ClosePayoutResponse(Part):
    """What it came to; `statement_id` names the seller's statement of a paid one."""

    payout_id: str
    status: str
    amount_minor: int
    statement_id: str | None = None


class WithdrawPayoutRequest(Part):
    payout_id: str
    reason: str = Field(min_length=1, max_length=500)


class HoldRequest(Part):
    """Of a seller, or of one order."""

    seller_id: str | None = None
    order_id: str | None = None
    reason: str = Field(min_length=1, max_length=500)


class HoldResponse(Part):
    hold_id: str


class LiftHoldRequest(Part):
    hold_id: str
    reason: str = Field(default="", max_length=500)


class OpenDisputeRequest(Part):
    """`reference` is the provider's name of the dispute; the same one twice is one dispute. None: all of the order."""

    order_id: str
    reference: str
    reason: str = ""
    amount_minor: int | None = None


class DisputeResponse(Part):
    dispute_id: str
    status: Literal["open", "won", "lost"]
    transfers: int


class CloseDisputeRequest(Part):
    """`refund_id`: the chargeback's own refund takes the earning back; without it a lost dispute does so itself."""

    dispute_id: str
    outcome: Literal["won", "lost"]
    refund_id: str | None = None


class DestinationRequest(Part):
    seller_id: str
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    destination: str = Field(min_length=1, max_length=64)
    minimum_minor: int | None = Field(default=None, ge=0)


class StatementRequest(Part):
    """A seller's statement over days in the business's zone, both included."""

    seller_id: str
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    first_day: date
    last_day: date


class StatementResponse(Part):
    statement_id: str
    closing_minor: int


class ImportRequest(Part):
    kind: Literal["provider", "bank"]
    provider: str = "simulator"
    name: str = Field(default="statement.csv", max_length=200)
    content: str = Field(max_length=1_500_000)
    """A run carries its input along, so that a longer statement comes in parts."""


class ImportResponse(Part):
    """`is_new` False: this content was taken in before, and nothing has changed."""

    file_id: str
    rows: int
    is_new: bool


class ReconcileRequest(Part):
    provider: str = "simulator"


class ReconcileResponse(Part):
    """Where all rows of the provider stand now, how many moved by this run, and what it found at the bank, to be booked."""

    business: str
    matched: int
    parked: int
    mistakes: int
    moved: int
    credited: tuple[Credited, ...] = ()


class TakeRequest(Part):
    row_id: str


class NoteRequest(Part):
    row_id: str
    note: str = Field(max_length=2_000)


class ResolveRequest(Part):
    row_id: str
    resolution: Resolution
    reason: str = Field(min_length=3, max_length=500)


class RowResponse(Part):
    """`awaiting` means that a second person has to confirm. `write_off_minor` is what an accepted difference costs us.

    Below 0: more came than was known. 0 where nothing is to be posted.
    """

    row_id: str
    business: str
    currency: str
    state: Literal["open", "awaiting", "resolved"]
    write_off_minor: int
