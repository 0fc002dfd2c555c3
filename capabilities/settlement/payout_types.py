"""What a seller has to get and gets: seller transfers, holds, disputes, balances, payouts and their batches, statements."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from capabilities.kernel.money import Currency
from capabilities.settlement.shape import Contract


class TransferKind(StrEnum):
    """Why a seller's balance moves. A reserve is kept and released by a pair that adds up to zero."""

    EARNING = "earning"
    REVERSAL = "reversal"
    REINSTATEMENT = "reinstatement"
    RESERVE = "reserve"
    RESERVE_RELEASE = "reserve_release"
    ADJUSTMENT = "adjustment"


class TransferStatus(StrEnum):
    """Waiting until it is due; due; in a payout; paid. What is negative is carried as due until a payout takes it."""

    WAITING = "waiting"
    DUE = "due"
    CLAIMED = "claimed"
    PAID = "paid"


class SellerTransfer(Contract):
    """One movement of what a seller has to get; `amount_minor` is negative where it is taken back."""

    id: str
    business: str
    kind: TransferKind
    seller_id: str
    currency: Currency
    amount_minor: int
    order_id: str | None
    line_id: str | None
    refund_id: str | None
    status: TransferStatus
    available_at: datetime | None
    """When it falls due; None while what starts its time (such as the delivery) has not happened."""
    hold_id: str | None
    dispute_id: str | None
    payout_id: str | None
    reason: str
    booked_at: datetime


class Maturing(Contract):
    """How long a business waits before it pays: from which moment, how many business days, in its own zone."""

    starts: Literal["confirmed", "fulfilled", "completed"] = "confirmed"
    days: int = Field(default=7, ge=0, le=365)
    reserve_bps: int = Field(default=0, ge=0, le=10_000)
    reserve_days: int = Field(default=90, ge=1, le=730)
    minimum_minor: int = Field(default=0, ge=0)


class PlaceHold(Contract):
    """Keep back what a seller, or one order of it, has to get, until the hold is lifted."""

    business: str
    seller_id: str | None = None
    order_id: str | None = None
    reason: str = Field(min_length=1, max_length=500)


class Hold(Contract):
    """A hold, with who placed and who lifted it."""

    id: str
    business: str
    seller_id: str | None
    order_id: str | None
    reason: str
    placed_by: str
    placed_at: datetime
    lifted_by: str | None
    lifted_at: datetime | None


class Dispute(Contract):
    """A buyer's bank asks an order's money back; until it is decided nobody is paid from it."""

    id: str
    business: str
    order_id: str
    reference: str
    reason: str
    amount_minor: int | None
    status: Literal["open", "won", "lost"]
    opened_at: datetime
    closed_at: datetime | None


class SellerBalance(Contract):
    """Where a seller's money stands in one currency. All parts add up to `owed_minor`, what the ledger owes the seller."""

    business: str
    seller_id: str
    currency: Currency
    waiting_minor: int = 0
    held_minor: int = 0
    disputed_minor: int = 0
    due_minor: int = 0
    in_payout_minor: int = 0
    reserve_minor: int = 0
    paid_minor: int = 0

    @property
    def owed_minor(self) -> int:
        parts = (self.waiting_minor, self.held_minor, self.disputed_minor, self.due_minor, self.in_payout_minor)
        return sum(parts) + self.reserve_minor

    @property
    def negative_minor(self) -> int:
        """How far below nothing the seller stands with what is due: carried into the next payout."""
        return min(self.due_minor, 0)


class PayoutStatus(StrEnum):
    """`withdrawn` ends a payout that was never sent, or that the bank has refused; its transfers are due again."""

    PLANNED = "planned"
    APPROVED = "approved"
    SENT = "sent"
    PAID = "paid"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


class Payout(Contract):
    """Money sent to one seller in one currency; its id is the key under which the bank knows it, however often it is tried."""

    id: str
    business: str
    batch_id: str
    seller_id: str
    currency: Currency
    destination: str
    amount_minor: int
    earned_minor: int
    taken_back_minor: int
    transfers: int
    status: PayoutStatus
    reason: str | None
    attempts: int
    bank_reference: str | None
    planned_at: datetime
    sent_at: datetime | None
    closed_at: datetime | None


class Batch(Contract):
    """The payouts that one run planned, with the sums a second person approves."""

    id: str
    business: str
    run_date: date
    status: Literal["planned", "approved", "closed"]
    planned_by: str
    planned_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    payouts: tuple[Payout, ...]

    @property
    def totals_minor(self) -> dict[str, int]:
        """The sum of what is to be paid, by currency; withdrawn payouts do not count."""
        sums: dict[str, int] = {}
        for payout in self.payouts:
            if payout.status is not PayoutStatus.WITHDRAWN:
                sums[payout.currency] = sums.get(payout.currency, 0) + payout.amount_minor
        return sums


class PayoutFilters(Contract):
    """What a list of payouts is narrowed to."""

    business: str
    seller_id: str | None = None
    statuses: tuple[PayoutStatus, ...] = ()
    batch_id: str | None = None


class PayoutPage(Contract):
    """One page of payouts, newest first; `next_cursor` is None on the last."""

    payouts: tuple[Payout, ...]
    next_cursor: str | None


class BatchPage(Contract):
    """One page of batches, newest first."""

    batches: tuple[Batch, ...]
    next_cursor: str | None


class TransferFilters(Contract):
    """What a list of a seller's transfers is narrowed to."""

    business: str
    seller_id: str | None = None
    currency: Currency | None = None
    statuses: tuple[TransferStatus, ...] = ()
    order_id: str | None = None
    payout_id: str | None = None


class TransferPage(Contract):
    """One page of seller transfers, newest first."""

    transfers: tuple[SellerTransfer, ...]
    next_cursor: str | None


class DueDay(Contract):
    """What falls due on one day in the business's zone; `day` None: nobody knows yet when."""

    day: date | None
    currency: Currency
    transfers: int
    sellers: int
    amount_minor: int


class SellerDue(Contract):
    """What falls due for one seller on one day; `kept_back_minor` of it is held or in dispute."""

    day: date
    seller_id: str
    currency: Currency
    transfers: int
    amount_minor: int
    kept_back_minor: int


class Destination(Contract):
    """Where a seller is paid in a currency, and from which sum on; `minimum_minor` None: the business's own."""

    currency: Currency
    destination: str
    minimum_minor: int | None


class DeclareDestination(Contract):
    """Where a seller is paid in a currency, and from which sum on; the same place again changes it."""

    business: str
    seller_id: str
    currency: Currency
    destination: str = Field(min_length=1, max_length=64)
    minimum_minor: int | None = Field(default=None, ge=0)


class StatementLine(Contract):
    """A line of a seller's statement: a transfer, or a payout."""

    booked_at: datetime
    kind: str
    order_id: str | None
    line_id: str | None
    reference: str
    base_minor: int
    commission_minor: int
    tax_minor: int
    channel_fee_minor: int
    withheld_minor: int
    amount_minor: int


class SellerStatement(Contract):
    """A seller's account over a stretch of time, or what one payout is made of: opening + lines = closing."""

    id: str
    business: str
    seller_id: str
    currency: Currency
    payout_id: str | None
    starts_at: datetime | None
    ends_at: datetime
    opening_minor: int
    lines: tuple[StatementLine, ...]
    closing_minor: int


class IssuedStatement(Contract):
    """A statement in a list: for whom and when, with the hash of what it says."""

    id: str
    business: str
    seller_id: str
    currency: Currency
    payout_id: str | None
    starts_at: datetime | None
    ends_at: datetime
    closing_minor: int
    content_sha256: str
    issued_at: datetime
