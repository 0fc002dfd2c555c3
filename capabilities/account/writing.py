"""The statement that writes a linked set. Rows travel as arrays, so that its text is the same for any number of them: it is
compiled and prepared once. Transfers, entries, accounts that are new and balances go in one round trip.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from capabilities.account.contract import AccountRef, Transfer
from capabilities.account.models import SLOTS
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
    "exchange_id": "varchar",
    "rate_numerator": "bigint",
    "rate_denominator": "bigint",
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


def _adding(table: str, prefix: str, columns: Mapping[str, str], where: str = "") -> str:
    """Rows in the order in which they are given: what others wait for is locked in it."""
    names = ", ".join(columns)
    arrays = ", ".join(f"CAST(:{prefix}_{name} AS {kind}[])" for name, kind in columns.items())
    given = f"unnest({arrays}) WITH ORDINALITY AS given ({names}, place)"
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM {given} {where} ORDER BY place"  # noqa: S608 - all ours


IF_MADE = "WHERE (SELECT count(*) FROM made) > 0"  # counted, so that all transfers stand before a balance is locked

WRITE_SET = text(f"""
WITH made AS (
    {_adding("ledger_transfer", "t", TRANSFER_COLUMNS)} ON CONFLICT (id) DO NOTHING RETURNING id
), opened AS (
    {_adding("ledger_account", "a", ACCOUNT_COLUMNS, IF_MADE)} ON CONFLICT DO NOTHING
), entered AS (
    {_adding("ledger_entry", "e", ENTRY_COLUMNS, IF_MADE)}
)
{_adding("ledger_balance", "b", BALANCE_COLUMNS, IF_MADE)}
ON CONFLICT (account_id, slot) DO UPDATE SET
    {", ".join(f"{name}_minor = ledger_balance.{name}_minor + excluded.{name}_minor" for name in SUMS)}
RETURNING account_id, lowest_minor
""")
"""Nothing is written where the set exists. Balances are changed in one order by everybody, accounts with a limit first, so
that writers who meet on two accounts do not wait for each other in a circle; whoever has to read an account before it moves
(`lock_limited`) locks it in the same order.

Where only a part of the set is new, the entries of the other part exist: their key refuses, which breaks the transaction,
so that no half of a set can be committed.
"""

OPEN_ACCOUNTS = text(f"{_adding('ledger_account', 'a', ACCOUNT_COLUMNS)} ON CONFLICT DO NOTHING")
OPEN_BALANCES = text("""
INSERT INTO ledger_balance (account_id, slot, business, side, lowest_minor, highest_minor, debits_posted_minor,
    credits_posted_minor, debits_pending_minor, credits_pending_minor)
SELECT id, 0, business, side, lowest_minor, highest_minor, 0, 0, 0, 0 FROM ledger_account
WHERE id = ANY (:ids) ORDER BY id ON CONFLICT DO NOTHING
""")
LOCK_BALANCES = text(
    "SELECT account_id FROM ledger_balance WHERE account_id = ANY (:ids) ORDER BY account_id, slot FOR UPDATE"
)
LIMIT_NEW = text("""
UPDATE ledger_balance b SET lowest_minor = a.lowest_minor, highest_minor = a.highest_minor
FROM ledger_account a WHERE a.id = b.account_id AND a.id = ANY (:ids)
""")
"""The first balance row of an account with a limit takes it over, which also tests what was just added."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of a transfer in one layer; negative where a pending amount is taken back."""

    account_id: str
    side: str
    layer: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Account:
    """What writing needs to know of an account. One with a limit keeps a single row, whoever waits for it."""

    business: str
    side: str
    is_limited: bool


@dataclass(frozen=True, slots=True)
class SetToWrite:
    """A linked set: its transfers with the hashes of their bodies, what they do to accounts, and the accounts named."""

    transfers: Sequence[Transfer]
    hashes: Mapping[str, str]
    legs: Mapping[str, Sequence[Leg]]
    accounts: Mapping[str, Account]
    named: Sequence[AccountRef]

    @property
    def is_limited(self) -> bool:
        return any(account.is_limited for account in self.accounts.values())


def lock_limited(session: Session, refs: Sequence[AccountRef], moment: datetime) -> None:
    """Lock accounts that have limits, opening those that are new, so that what is read of them stays true."""
    session.execute(OPEN_ACCOUNTS, _arrays("a", ACCOUNT_COLUMNS, _account_values(refs, moment)))
    ids = {"ids": [ref.id for ref in refs]}
    session.execute(OPEN_BALANCES, ids)
    session.execute(LOCK_BALANCES, ids)


def write_set(session: Session, write: SetToWrite) -> bool:
    """Whether the set was written; False where it exists already, whole."""
    values = (
        _arrays(
            "t",
            TRANSFER_COLUMNS,
            [_transfer_values(one, write.hashes[one.id]) for one in sorted(write.transfers, key=attrgetter("id"))],
        )
        | _arrays("a", ACCOUNT_COLUMNS, _account_values(write.named, write.transfers[0].created_at))
        | _arrays("e", ENTRY_COLUMNS, _entry_values(write))
        | _arrays("b", BALANCE_COLUMNS, _balance_values(write))
    )
    changed = session.execute(WRITE_SET, values).all()
    new = [id_ for id_, lowest in changed if lowest is None and write.accounts[id_].is_limited]
    if new:
        session.execute(LIMIT_NEW, {"ids": new})
    return bool(changed)


def _transfer_values(transfer: Transfer, body_sha256: str) -> dict[str, Any]:
    exchange = transfer.exchange
    return {
        "id": transfer.id,
        "linked_id": transfer.linked_id,
        "business": transfer.business,
        "phase": transfer.phase.value,
        "debit_account_id": transfer.debit_account_id,
        "credit_account_id": transfer.credit_account_id,
        "currency": transfer.currency,
        "amount_minor": transfer.amount_minor,
        "pending_id": transfer.pending_id,
        "corrects_id": transfer.corrects_id,
        "exchange_id": None if exchange is None else exchange.other_id,
        "rate_numerator": None if exchange is None else exchange.numerator,
        "rate_denominator": None if exchange is None else exchange.denominator,
        "expires_at": transfer.expires_at,
        "subject": transfer.subject,
        "reason": transfer.reason,
        "actor": transfer.actor,
        "correlation_id": transfer.correlation_id,
        "body_sha256": body_sha256,
        "created_at": transfer.created_at,
    }


def _account_values(refs: Sequence[AccountRef], opened_at: datetime) -> list[dict[str, Any]]:
    return [
        {
            "id": ref.id,
            "business": ref.business,
            "kind": ref.kind.value,
            "party": ref.party,
            "currency": ref.currency,
            "side": ref.side.value,
            "lowest_minor": ref.lowest_minor,
            "opened_at": opened_at,
        }
        for ref in sorted(refs, key=attrgetter("id"))
    ]


def _entry_values(write: SetToWrite) -> list[dict[str, Any]]:
    return [
        {
            "transfer_id": transfer.id,
            "layer": leg.layer,
            "side": leg.side,
            "account_id": leg.account_id,
            "amount_minor": leg.amount_minor,
            "currency": transfer.currency,
            "business": transfer.business,
            "created_at": transfer.created_at,
        }
        for transfer in write.transfers
        for leg in write.legs[transfer.id]
    ]


def _balance_values(write: SetToWrite) -> list[dict[str, Any]]:
    """What moved, by account: one without a limit in the slot of the set, one with a limit in its row."""
    sums: dict[str, Counter[str]] = {}
    for legs in write.legs.values():
        for leg in legs:
            sums.setdefault(leg.account_id, Counter())[f"{leg.side}s_{leg.layer}_minor"] += leg.amount_minor
    slot = int.from_bytes(hashlib.sha256(write.transfers[0].linked_id.encode()).digest()[:4]) % SLOTS
    return [
        {
            "account_id": account_id,
            "slot": 0 if write.accounts[account_id].is_limited else slot,
            "business": write.accounts[account_id].business,
            "side": write.accounts[account_id].side,
            **{f"{name}_minor": moved[f"{name}_minor"] for name in SUMS},
        }
        for account_id, moved in sorted(sums.items(), key=lambda one: (not write.accounts[one[0]].is_limited, one[0]))
    ]


def _arrays(prefix: str, columns: Iterable[str], rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {f"{prefix}_{name}": [row[name] for row in rows] for name in columns}
