"""The statements that write a linked set. Rows travel as arrays, so that a statement's text is the same for any number of
them: it is compiled and prepared once, and a transfer's two entries are always added by one statement.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from capabilities.account.contract import AccountRef, Side
from capabilities.account.models import SLOTS, TransferRow
from capabilities.account.queries import SUMS

TRANSFER_COLUMNS = {
    "id": "varchar",
    "linked_id": "varchar",
    "business": "varchar",
    "phase": "varchar",
    "debit_account_id": "varchar",
    "credit_account_id": "varchar",
    "currency": "varchar",
    "amount_minor": "bigint",
    "pending_id": "varchar",
    "corrects_id": "varchar",
    "expires_at": "timestamptz",
    "subject": "varchar",
    "reason": "varchar",
    "actor": "varchar",
    "correlation_id": "varchar",
    "body_sha256": "varchar",
    "created_at": "timestamptz",
}
ENTRY_COLUMNS = {
    "transfer_id": "varchar",
    "layer": "varchar",
    "side": "varchar",
    "account_id": "varchar",
    "amount_minor": "bigint",
    "currency": "varchar",
    "business": "varchar",
    "created_at": "timestamptz",
}
BALANCE_COLUMNS = {"account_id": "varchar", "slot": "integer", "business": "varchar", "side": "varchar"} | {
    f"{name}_minor": "bigint" for name in SUMS
}
ACCOUNT_COLUMNS = {
    "id": "varchar",
    "business": "varchar",
    "kind": "varchar",
    "party": "varchar",
    "currency": "varchar",
    "side": "varchar",
    "lowest_minor": "bigint",
    "opened_at": "timestamptz",
}


def _adding(table: str, columns: Mapping[str, str], then: str = "") -> TextClause:
    names = ", ".join(columns)
    arrays = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in columns.items())
    return text(f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays}) {then}")  # noqa: S608 - all of it stands here


ADD_ACCOUNTS = _adding("ledger_account", ACCOUNT_COLUMNS, "ORDER BY 1 ON CONFLICT DO NOTHING")
ADD_TRANSFERS = _adding("ledger_transfer", TRANSFER_COLUMNS, "ON CONFLICT (id) DO NOTHING RETURNING id")
ADD_ENTRIES = _adding("ledger_entry", ENTRY_COLUMNS)
ADD_TO_BALANCES = _adding(
    "ledger_balance",
    BALANCE_COLUMNS,
    # in one order for everybody, so that writers who meet on two accounts do not wait for each other in a circle
    "ORDER BY 1, 2 ON CONFLICT (account_id, slot) DO UPDATE SET "
    + ", ".join(f"{name}_minor = ledger_balance.{name}_minor + excluded.{name}_minor" for name in SUMS),
)
OPEN_LIMITED = text("""
INSERT INTO ledger_balance (account_id, slot, business, side, lowest_minor, debits_posted_minor, credits_posted_minor,
    debits_pending_minor, credits_pending_minor)
SELECT id, 0, business, side, lowest_minor, 0, 0, 0, 0 FROM ledger_account
WHERE id = ANY (:ids) AND lowest_minor IS NOT NULL ORDER BY id
ON CONFLICT DO NOTHING
""")
"""Accounts with a limit get their balance row when they are opened: it carries the limit."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of a transfer in one layer; negative where a pending amount is taken back."""

    account_id: str
    side: str
    layer: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Account:
    """What writing needs to know of an account."""

    business: str
    side: Side
    lowest_minor: int | None


def open_accounts(session: Session, refs: Sequence[AccountRef], moment: datetime) -> None:
    """Open accounts that are new; those that somebody opened meanwhile stay."""
    rows = [
        {
            "id": ref.id,
            "business": ref.business,
            "kind": ref.kind.value,
            "party": ref.party,
            "currency": ref.currency,
            "side": ref.side.value,
            "lowest_minor": ref.lowest_minor,
            "opened_at": moment,
        }
        for ref in refs
    ]
    session.execute(ADD_ACCOUNTS, _arrays(ACCOUNT_COLUMNS, rows))
    if any(ref.lowest_minor is not None for ref in refs):
        session.execute(OPEN_LIMITED, {"ids": [ref.id for ref in refs]})


def add_transfers(session: Session, rows: Sequence[TransferRow]) -> bool:
    """Whether the set was added; False where it exists already, whole.

    Where only a part of it is new, the entries of the other part exist: their key refuses, which breaks the transaction,
    so that no half of a set can be committed.
    """
    values = [{name: getattr(row, name) for name in TRANSFER_COLUMNS} for row in rows]
    return session.scalars(ADD_TRANSFERS, _arrays(TRANSFER_COLUMNS, values)).first() is not None


def add_entries(session: Session, rows: Sequence[TransferRow], legs: Mapping[str, Sequence[Leg]]) -> None:
    """Add both sides of every transfer."""
    values = [
        {
            "transfer_id": row.id,
            "layer": leg.layer,
            "side": leg.side,
            "account_id": leg.account_id,
            "amount_minor": leg.amount_minor,
            "currency": row.currency,
            "business": row.business,
            "created_at": row.created_at,
        }
        for row in rows
        for leg in legs[row.id]
    ]
    session.execute(ADD_ENTRIES, _arrays(ENTRY_COLUMNS, values))


def add_to_balances(session: Session, linked_id: str, legs: Iterable[Leg], accounts: Mapping[str, Account]) -> None:
    """Add what moved to the balances: an account without a limit in the slot of the set, one with a limit in its row."""
    sums: dict[str, Counter[str]] = {}
    for leg in legs:
        sums.setdefault(leg.account_id, Counter())[f"{leg.side}s_{leg.layer}_minor"] += leg.amount_minor
    slot = int.from_bytes(hashlib.sha256(linked_id.encode()).digest()[:4]) % SLOTS
    values = [
        {
            "account_id": account_id,
            "slot": 0 if accounts[account_id].lowest_minor is not None else slot,
            "business": accounts[account_id].business,
            "side": accounts[account_id].side.value,
            **{f"{name}_minor": moved[f"{name}_minor"] for name in SUMS},
        }
        for account_id, moved in sums.items()
    ]
    session.execute(ADD_TO_BALANCES, _arrays(BALANCE_COLUMNS, values))


def _arrays(columns: Iterable[str], rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in columns}
