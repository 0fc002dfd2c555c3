"""What is compared with what: our acts, the provider's statement and the bank's; and what a person makes of mistakes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from capabilities.kernel.money import Currency
from capabilities.settlement.shape import Contract


class Side(StrEnum):
    """Who says so: we ourselves, the provider (each act, and what it paid out), the bank."""

    PLATFORM = "platform"
    PROVIDER = "provider"
    PROVIDER_PAYOUT = "provider_payout"
    BANK = "bank"


class Standing(StrEnum):
    """Where a row has ended up: exactly one of these."""

    MATCHED = "matched"
    PARKED = "parked"
    MISTAKE = "mistake"


class Mistake(StrEnum):
    """What is wrong, from the platform's point of view. `missing_here`: the other side knows what we do not."""

    MISSING_AT_PROVIDER = "missing_at_provider"
    MISSING_HERE = "missing_here"
    AMOUNT = "amount"
    FEE = "fee"
    STATUS = "status"
    DUPLICATE = "duplicate"
    CURRENCY = "currency"


class ReconRow(Contract):
    """One row of any side. Rows with the same `key` speak of the same thing."""

    id: str
    side: Side
    key: str
    kind: str
    amount_minor: int
    fee_minor: int | None = None
    currency: Currency
    status: str = "succeeded"
    payout_reference: str | None = None
    occurred_at: datetime
    order_id: str | None = None


class Verdict(Contract):
    """What became of a row. `partner_id` is the row it was compared with."""

    row_id: str
    standing: Standing
    mistake: Mistake | None = None
    partner_id: str | None = None
    difference_minor: int = 0


class Credited(Contract):
    """A payout of the provider that is at the bank: what came (below 0: what it took), and what it kept as fees."""

    statement_id: str
    currency: Currency
    fees_minor: int = Field(ge=0)
    credited_minor: int


class Reconciled(Contract):
    """What a run changed: rows that stand elsewhere now, and payouts it found at the bank, which the ledger is to book."""

    moved: int
    credited: tuple[Credited, ...] = ()


class ReadProblem(Contract):
    """Why a line of a file cannot be read."""

    line: int
    message: str


class ImportFile(Contract):
    """Take in a statement: the provider's or the bank's, as it was sent. The same content is taken in once."""

    business: str
    kind: Literal["provider", "bank"]
    provider: str
    name: str = Field(max_length=200)
    content: str = Field(max_length=20_000_000)


class ReconFile(Contract):
    """A file that was taken in, and where its rows stand."""

    id: str
    business: str
    kind: Literal["provider", "bank"]
    provider: str
    name: str
    content_sha256: str
    rows: int
    covers_until: datetime
    imported_by: str
    imported_at: datetime
    matched: int = 0
    parked: int = 0
    mistakes: int = 0


class ReconFilePage(Contract):
    """One page of files, newest first."""

    files: tuple[ReconFile, ...]
    next_cursor: str | None


class StandingRow(Contract):
    """A row with where it stands and what people did about it."""

    row: ReconRow
    business: str
    provider: str
    file_id: str | None
    line: int | None
    standing: Standing
    mistake: Mistake | None
    partner_id: str | None
    difference_minor: int
    taken_by: str | None
    note: str | None
    resolution: str | None
    resolved_reason: str | None
    proposed_by: str | None
    resolved_by: str | None
    resolved_at: datetime | None


class ReconFilters(Contract):
    """What a list of rows is narrowed to; `is_open` keeps mistakes nobody has resolved, of a pair of rows one."""

    business: str
    provider: str | None = None
    file_id: str | None = None
    sides: tuple[Side, ...] = ()
    standings: tuple[Standing, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    is_open: bool | None = None
    taken_by: str | None = None


class ReconRowPage(Contract):
    """One page of rows."""

    rows: tuple[StandingRow, ...]
    next_cursor: str | None


class ReconCounts(Contract):
    """How many rows stand where, mistakes by kind, and how many of those nobody has resolved, with their money."""

    matched: int
    parked: int
    mistakes: dict[str, int]
    open: int
    open_minor: dict[str, int]


Resolution = Literal["accept_difference", "ignore", "matched_by_hand", "provider_mends", "refund_made"]


class ResolveMistake(Contract):
    """Close a mistake: how, and why. Ignoring or accepting much money needs a second person."""

    row_id: str
    resolution: Resolution
    reason: str = Field(min_length=3, max_length=500)
