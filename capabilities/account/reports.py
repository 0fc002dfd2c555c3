"""What pages of the ledger show: accounts, statements, a transfer with both sides, the money of an order."""

from __future__ import annotations

from datetime import datetime

from capabilities.account.contract import AccountKind, AccountRef, Balance, Contract, Phase, Transfer
from capabilities.kernel.money import Currency


class AccountSeen(Contract):
    """An account with its balance and limits."""

    account: AccountRef
    balance: Balance
    lowest_minor: int | None
    highest_minor: int | None
    opened_at: datetime


class AccountPage(Contract):
    """One page of accounts by kind, party and currency; `next_cursor` is None on the last."""

    accounts: tuple[AccountSeen, ...]
    next_cursor: str | None


class StatementEntry(Contract):
    """A line of a statement: one posted side of a transfer, and the balance after it on the account's own side."""

    transfer_id: str
    created_at: datetime
    subject: str
    reason: str
    side: str
    amount_minor: int
    balance_minor: int
    other_account_id: str
    other_kind: AccountKind
    other_party: str
    corrects_id: str | None


class StatementPage(Contract):
    """A part of an account's statement. The whole of it: opening + its entries = closing.

    `opening_minor` and `closing_minor` are of the period; `carried_minor` is what this page begins with.
    """

    account: AccountRef
    starts_at: datetime | None
    ends_at: datetime
    opening_minor: int
    debits_minor: int
    credits_minor: int
    closing_minor: int
    carried_minor: int
    entries: tuple[StatementEntry, ...]
    next_cursor: str | None


class TransferSeen(Contract):
    """A transfer with both its accounts, what became of it, and what else moved with it."""

    transfer: Transfer
    debit: AccountRef
    credit: AccountRef
    resolved_by: str | None
    corrected_by: str | None
    linked: tuple[str, ...]


class MoneyMove(Contract):
    """One transfer of a timeline: what moved, between which accounts, in which phase.

    A reservation that was posted, voided or corrected names by what.
    """

    transfer_id: str
    linked_id: str
    phase: Phase
    debit: AccountRef
    credit: AccountRef
    amount_minor: int
    currency: Currency
    reason: str
    subject: str
    pending_id: str | None
    corrects_id: str | None
    resolved_by: str | None
    corrected_by: str | None
    actor: str
    created_at: datetime


class OutOfBalance(Contract):
    """An account whose stored sums are not those of its entries, or a currency whose sides differ."""

    account_id: str | None
    currency: str
    stored_minor: int
    rebuilt_minor: int
