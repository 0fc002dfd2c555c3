"""Writes of the ledger. One way in: `post_transfers`, a linked set that moves as a whole or not at all.

Balances are kept by one upsert over sorted rows, so that writers who meet on an account wait for each other in the same
order. Reading the balances is adding up their slots.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from capabilities.account.contract import AccountRef, Origin, Phase, Side, Transfer, TransferRequest
from capabilities.account.models import SLOTS, AccountRow, BalanceRow, EntryRow, TransferRow
from capabilities.account.queries import SUMS, transfer_from
from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, InvalidError, MissingError, PlatformError, RefusedError
from capabilities.kernel.idempotency import canonical_sha256
from capabilities.kernel.ids import derived_id

MAX_LINKED = 1_500
"""Transfers of a linked set: far more than an order has sellers, far fewer than a statement has parameters."""


@dataclass(frozen=True, slots=True)
class _Leg:
    """One side of a transfer in one layer; negative where a pending amount is taken back."""

    account_id: str
    side: str
    layer: str
    amount_minor: int


def post_transfers(session: Session, requests: Sequence[TransferRequest], *, origin: Origin) -> tuple[Transfer, ...]:
    """Make a linked set of transfers: all or nothing.

    The same ids with the same bodies give the transfers that exist, and nothing new; another body, or a set of which
    only a part exists, raises `ConflictError`. A balance that would fall below its limit, pending counted, raises
    `RefusedError`; a pending transfer that is resolved already, or has run out, `ConflictError`.
    """
    if not 0 < len(requests) <= MAX_LINKED or len({request.id for request in requests}) != len(requests):
        raise InvalidError("account.set_invalid", f"A linked set has 1 to {MAX_LINKED} transfers with different ids.")
    found = _existing(session, requests)
    if found is not None:
        return found
    moment = now()
    pending = _pending(session, requests, moment)
    accounts = _accounts(session, requests)
    linked_id = linked_id_of(request.id for request in requests)
    rows = [_row(request, pending, linked_id, origin, moment) for request in requests]
    legs = {row.id: _legs(row, pending.get(row.pending_id or "")) for row in rows}
    touched = {leg.account_id for held in legs.values() for leg in held}
    limits = _limits(session, touched, accounts)
    write = _Write(rows, legs, accounts, limits, linked_id, moment)
    if any(account.lowest_minor is not None for account in limits.values()):
        with session.begin_nested():  # a refusal must leave the caller's transaction usable and nothing moved
            return _written(session, write, requests)
    return _written(session, write, requests)


def expire_pending(session: Session, *, origin: Origin, limit: int = 500) -> int:
    """Let pending transfers that ran out expire, oldest first; returns how many."""
    resolving = aliased(TransferRow)
    is_resolved = select(resolving.id).where(resolving.pending_id == TransferRow.id).exists()
    overdue = session.scalars(
        select(TransferRow)
        .where(TransferRow.phase == Phase.PENDING.value, TransferRow.expires_at <= now(), ~is_resolved)
        .order_by(TransferRow.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=TransferRow)
    ).all()
    if overdue:
        post_transfers(
            session,
            [
                TransferRequest(
                    id=derived_id("trf", row.id, "expire"),
                    phase=Phase.EXPIRE,
                    pending_id=row.id,
                    subject=row.subject,
                    reason="expired",
                )
                for row in overdue
            ],
            origin=origin,
        )
    return len(overdue)


def linked_id_of(transfer_ids: Iterable[str]) -> str:
    """The id of a linked set: it follows from its members, so that a set with one missing can be told."""
    return derived_id("lnk", *sorted(transfer_ids))


@dataclass(frozen=True, slots=True)
class _Limited:
    business: str
    side: Side
    lowest_minor: int | None


@dataclass(frozen=True, slots=True)
class _Write:
    rows: list[TransferRow]
    legs: dict[str, list[_Leg]]
    accounts: dict[str, AccountRef]
    limits: dict[str, _Limited]
    linked_id: str
    moment: datetime


def _existing(session: Session, requests: Sequence[TransferRequest]) -> tuple[Transfer, ...] | None:
    rows = {
        row.id: row
        for row in session.scalars(select(TransferRow).where(TransferRow.id.in_([request.id for request in requests])))
    }
    if not rows:
        return None
    for request in requests:
        row = rows.get(request.id)
        if row is None or row.body_sha256 != _sha256(request):
            raise ConflictError(
                "account.transfer_reused",
                f"The transfer {request.id} "
                + ("is missing from a set that exists." if row is None else "exists with another body."),
                mend="Use a new id for a new transfer.",
            )
    return tuple(transfer_from(rows[request.id]) for request in requests)


def _pending(session: Session, requests: Sequence[TransferRequest], moment: datetime) -> dict[str, TransferRow]:
    """The pending transfers that are to be resolved, locked by id; each may be resolved once."""
    ids = sorted({request.pending_id for request in requests if request.pending_id is not None})
    if not ids:
        return {}
    rows = {
        row.id: row
        for row in session.scalars(
            select(TransferRow).where(TransferRow.id.in_(ids)).order_by(TransferRow.id).with_for_update()
        )
    }
    resolved = set(session.scalars(select(TransferRow.pending_id).where(TransferRow.pending_id.in_(ids))))
    for request in requests:
        if request.pending_id is None:
            continue
        row = rows.get(request.pending_id)
        if row is None or row.phase != Phase.PENDING.value:
            raise MissingError("account.pending_unknown", f"There is no pending transfer {request.pending_id!r}.")
        if row.id in resolved:
            raise ConflictError("account.pending_resolved", f"The pending transfer {row.id} is resolved already.")
        has_run_out = row.expires_at is not None and row.expires_at <= moment
        if request.phase is Phase.POST and has_run_out:
            raise ConflictError("account.pending_expired", f"The pending transfer {row.id} has run out.")
        if request.phase is Phase.EXPIRE and not has_run_out:
            raise ConflictError("account.pending_not_expired", f"The pending transfer {row.id} has not run out.")
        if (request.amount_minor or 0) > row.amount_minor:
            raise RefusedError("account.posted_too_much", "More than the pending amount cannot be posted.")
    return rows


def _accounts(session: Session, requests: Sequence[TransferRequest]) -> dict[str, AccountRef]:
    """The accounts that are named, opened where they are new."""
    named = {ref.id: ref for request in requests for ref in (request.debit, request.credit) if ref is not None}
    known = set(session.scalars(select(AccountRow.id).where(AccountRow.id.in_(sorted(named)))))
    new = [named[id_] for id_ in sorted(named.keys() - known)]
    if new:
        session.execute(
            insert(AccountRow)
            .values(
                [
                    {
                        "id": ref.id,
                        "business": ref.business,
                        "kind": ref.kind.value,
                        "party": ref.party,
                        "currency": ref.currency,
                        "side": ref.side.value,
                        "lowest_minor": ref.lowest_minor,
                        "opened_at": now(),
                    }
                    for ref in new
                ]
            )
            .on_conflict_do_nothing()
        )
        _open_limited(session, new)
    return named


def _open_limited(session: Session, refs: Sequence[AccountRef]) -> None:
    """Accounts with a limit get their balance row at once: it carries the limit."""
    limited = [ref for ref in refs if ref.lowest_minor is not None]
    if limited:
        zero = dict.fromkeys((f"{name}_minor" for name in SUMS), 0)
        session.execute(
            insert(BalanceRow)
            .values(
                [
                    {
                        "account_id": ref.id,
                        "slot": 0,
                        "business": ref.business,
                        "side": ref.side.value,
                        "lowest_minor": ref.lowest_minor,
                        **zero,
                    }
                    for ref in limited
                ]
            )
            .on_conflict_do_nothing()
        )


def _limits(session: Session, touched: set[str], named: dict[str, AccountRef]) -> dict[str, _Limited]:
    """Side and limit of every account touched; those of resolved transfers are read."""
    limits = {id_: _Limited(ref.business, ref.side, ref.lowest_minor) for id_, ref in named.items()}
    rest = sorted(touched - limits.keys())
    if rest:
        for row in session.scalars(select(AccountRow).where(AccountRow.id.in_(rest))):
            limits[row.id] = _Limited(row.business, Side(row.side), row.lowest_minor)
    return limits


def _row(
    request: TransferRequest, pending: dict[str, TransferRow], linked_id: str, origin: Origin, moment: datetime
) -> TransferRow:
    held = pending.get(request.pending_id or "")
    if held is not None:
        posted = request.amount_minor or held.amount_minor
        debit_id, credit_id, business, currency = (
            held.debit_account_id,
            held.credit_account_id,
            held.business,
            held.currency,
        )
        amount = posted if request.phase is Phase.POST else 0
    elif request.debit is not None and request.credit is not None:
        debit_id, credit_id = request.debit.id, request.credit.id
        business, currency = request.debit.business, request.debit.currency
        amount = request.amount_minor or 0
    else:
        raise MissingError("account.pending_unknown", f"There is no pending transfer {request.pending_id!r}.")
    return TransferRow(
        id=request.id,
        business=business,
        linked_id=linked_id,
        phase=request.phase.value,
        debit_account_id=debit_id,
        credit_account_id=credit_id,
        currency=currency,
        amount_minor=amount,
        pending_id=request.pending_id,
        corrects_id=request.corrects_id,
        expires_at=request.expires_at,
        subject=request.subject,
        reason=request.reason,
        actor=origin.actor,
        correlation_id=origin.correlation_id,
        body_sha256=_sha256(request),
        created_at=moment,
    )


def _legs(row: TransferRow, held: TransferRow | None) -> list[_Leg]:
    def both(layer: str, amount: int) -> list[_Leg]:
        return [
            _Leg(row.debit_account_id, "debit", layer, amount),
            _Leg(row.credit_account_id, "credit", layer, amount),
        ]

    if row.phase == Phase.PENDING.value:
        return both("pending", row.amount_minor)
    posted = both("posted", row.amount_minor) if row.amount_minor else []
    return posted if held is None else [*posted, *both("pending", -held.amount_minor)]


def _written(session: Session, write: _Write, requests: Sequence[TransferRequest]) -> tuple[Transfer, ...]:
    values = [{name: getattr(row, name) for name in TransferRow.__table__.columns.keys()} for row in write.rows]  # noqa: SIM118 - a column collection, not a mapping
    try:
        added = set(
            session.scalars(
                insert(TransferRow)
                .values(values)
                .on_conflict_do_nothing(index_elements=[TransferRow.id])
                .returning(TransferRow.id)
            )
        )
        if not added:  # another transaction made the same set meanwhile: nothing new
            return _existing(session, requests) or ()
        missed = [row for row in values if row["id"] not in added]
        if missed:  # only a part is new: break the transaction, so that no half of a set can be committed
            session.execute(insert(TransferRow).values(missed))
        session.execute(insert(EntryRow).values(_entries(write)))
        session.execute(_balances(write))
    except IntegrityError as error:
        raise _meaning(error) from error
    return tuple(transfer_from(row) for row in write.rows)


def _meaning(error: IntegrityError) -> PlatformError:
    if "limit_held" in str(error.orig):
        return RefusedError(
            "account.limit_exceeded",
            "The balance would fall below its limit; nothing was moved.",
            mend="Move less, or top the account up.",
        )
    return ConflictError(
        "account.transfer_raced",
        "Another transaction made, resolved or corrected one of these transfers.",
        mend="Look at what it did; try again with what is left.",
    )


def _entries(write: _Write) -> list[dict[str, Any]]:
    return [
        {
            "transfer_id": row.id,
            "layer": leg.layer,
            "side": leg.side,
            "account_id": leg.account_id,
            "amount_minor": leg.amount_minor,
            "currency": row.currency,
            "created_at": write.moment,
            "business": row.business,
        }
        for row in write.rows
        for leg in write.legs[row.id]
    ]


def _balances(write: _Write) -> Insert:
    """One upsert that adds what moved, rows sorted. A limit stands in the stored row, which holds it on the update."""
    sums: dict[str, Counter[str]] = {}
    for leg in (leg for legs in write.legs.values() for leg in legs):
        sums.setdefault(leg.account_id, Counter())[f"{leg.side}s_{leg.layer}_minor"] += leg.amount_minor
    slot = int.from_bytes(hashlib.sha256(write.linked_id.encode()).digest()[:4]) % SLOTS
    columns = tuple(f"{name}_minor" for name in SUMS)
    upsert = insert(BalanceRow).values(
        [
            {
                "account_id": account_id,
                "slot": 0 if write.limits[account_id].lowest_minor is not None else slot,
                "business": write.limits[account_id].business,
                "side": write.limits[account_id].side.value,
                "lowest_minor": None,
                **{column: moved[column] for column in columns},
            }
            for account_id, moved in sorted(sums.items())
        ]
    )
    return upsert.on_conflict_do_update(
        index_elements=[BalanceRow.account_id, BalanceRow.slot],
        set_={column: getattr(BalanceRow, column) + upsert.excluded[column] for column in columns},
    )


def _sha256(request: TransferRequest) -> str:
    return canonical_sha256(request.model_dump(mode="json"))
