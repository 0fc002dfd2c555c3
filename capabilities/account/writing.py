"""The statement that writes a linked set. Rows travel as arrays, so that its text is the same for any number of them: it is
compiled and prepared once. Transfers, entries (which follow from them), accounts that are new and balances go in one round
trip. The driver remembers how to read a statement of less than 4,096 letters and 50 values; this one is kept below.
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
    "body_sha256": "varchar",
}
OF_SET = {"linked_id": "varchar", "actor": "varchar", "correlation_id": "varchar", "created_at": "timestamptz"}
"""What all transfers of a set have in common: one value, no array."""
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


def _arrays_of(prefix: str, columns: Mapping[str, str]) -> str:
    return ", ".join(f"CAST(:{prefix}_{name} AS {kind}[])" for name, kind in columns.items())


IF_MADE = "WHERE (SELECT count(*) FROM made) > 0"  # counted, so that all transfers stand before a balance is locked

ADD_ACCOUNTS = f"""
INSERT INTO ledger_account ({", ".join(ACCOUNT_COLUMNS)}) SELECT * FROM unnest({_arrays_of("a", ACCOUNT_COLUMNS)})
"""  # noqa: S608 - all of it stands here
GIVEN_COLUMNS = TRANSFER_COLUMNS | {"held_minor": "bigint"}

WRITE_SET = f"""
WITH given AS (
    SELECT * FROM unnest({_arrays_of("t", GIVEN_COLUMNS)}) AS x ({", ".join(GIVEN_COLUMNS)})
), made AS (
    INSERT INTO ledger_transfer ({", ".join([*TRANSFER_COLUMNS, *OF_SET])})
    SELECT {", ".join(TRANSFER_COLUMNS)}, {", ".join(f"CAST(:{name} AS {kind})" for name, kind in OF_SET.items())}
    FROM given ORDER BY id ON CONFLICT (id) DO NOTHING RETURNING id
), opened AS (
    {ADD_ACCOUNTS} {IF_MADE} ORDER BY 1 ON CONFLICT DO NOTHING
), entered AS (
    INSERT INTO ledger_entry (transfer_id, layer, side, account_id, amount_minor, currency, business, created_at)
    SELECT id, layer, side, CASE side WHEN 'debit' THEN debit_account_id ELSE credit_account_id END, minor, currency,
        business, CAST(:created_at AS timestamptz)
    FROM given CROSS JOIN (VALUES ('debit'), ('credit')) AS sides (side)
    CROSS JOIN LATERAL (VALUES
        ('posted', CASE WHEN phase IN ('single', 'post') THEN amount_minor ELSE 0 END),
        ('pending', CASE phase WHEN 'pending' THEN amount_minor ELSE -held_minor END)) AS layers (layer, minor)
    {IF_MADE} AND minor <> 0
)
INSERT INTO ledger_balance ({", ".join(BALANCE_COLUMNS)}) SELECT {", ".join(BALANCE_COLUMNS)}
FROM unnest({_arrays_of("b", BALANCE_COLUMNS)}) WITH ORDINALITY AS x ({", ".join(BALANCE_COLUMNS)}, place)
{IF_MADE} ORDER BY place
ON CONFLICT (account_id, slot) DO UPDATE SET
    {", ".join(f"{name}_minor = ledger_balance.{name}_minor + excluded.{name}_minor" for name in SUMS)}
RETURNING account_id, lowest_minor
"""  # noqa: S608 - all of it stands here
"""Nothing is written where the set exists. Balances are changed in one order by everybody, accounts with a limit first, so
that writers who meet on two accounts do not wait for each other in a circle; whoever has to read an account before it moves
(`lock_limited`) locks it in the same order.

Where only a part of the set is new, the entries of the other part exist: their key refuses, which breaks the transaction,
so that no half of a set can be committed.
"""

WRITE = text(" ".join(WRITE_SET.split()))
OPEN_ACCOUNTS = text(f"{ADD_ACCOUNTS} ORDER BY 1 ON CONFLICT DO NOTHING")
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
    first = write.transfers[0]
    values = (
        _arrays("t", [*TRANSFER_COLUMNS, "held_minor"], _transfer_values(write))
        | _arrays("a", ACCOUNT_COLUMNS, _account_values(write.named, first.created_at))
        | _arrays("b", BALANCE_COLUMNS, _balance_values(write))
        | {name: getattr(first, name) for name in OF_SET}
    )
    changed = session.execute(WRITE, values).all()
    new = [id_ for id_, lowest in changed if lowest is None and write.accounts[id_].is_limited]
    if new:
        session.execute(LIMIT_NEW, {"ids": new})
    return bool(changed)


def _transfer_values(write: SetToWrite) -> list[dict[str, Any]]:
    """The transfers; `held_minor` is what a resolving one takes back of the pending layer."""
    values = []
    for transfer in write.transfers:
        exchange = transfer.exchange
        pending = (leg.amount_minor for leg in write.legs[transfer.id] if leg.layer == "pending")
        values.append(
            {
                "id": transfer.id,
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
                "body_sha256": write.hashes[transfer.id],
                "held_minor": max(0, -min(pending, default=0)),
            }
        )
    return values


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
