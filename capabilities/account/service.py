"""Writes of the ledger. One way in: `post_transfers`, a linked set that moves as a whole or not at all.

Balances are kept by one upsert over sorted rows, so that writers who meet on an account wait for each other in the same
order. Reading the balances is adding up their slots.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from capabilities.account.contract import Origin, Phase, Side, Transfer, TransferRequest
from capabilities.account.models import AccountRow, TransferRow
from capabilities.account.queries import transfer_from
from capabilities.account.writing import Account, Leg, add_entries, add_to_balances, add_transfers, open_accounts
from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, InvalidError, MissingError, PlatformError, RefusedError
from capabilities.kernel.idempotency import canonical_sha256
from capabilities.kernel.ids import derived_id

MAX_LINKED = 1_500
"""Transfers of a linked set: far more than an order has sellers, far fewer than a statement has parameters."""


def post_transfers(session: Session, requests: Sequence[TransferRequest], *, origin: Origin) -> tuple[Transfer, ...]:
    """Make a linked set of transfers: all or nothing.

    The same ids with the same bodies give the transfers that exist, and nothing new; another body, or a set of which
    only a part exists, raises `ConflictError`. A balance that would fall below its limit, pending counted, raises
    `RefusedError`; a pending transfer that is resolved already, or has run out, `ConflictError`.
    """
    if not 0 < len(requests) <= MAX_LINKED or len({request.id for request in requests}) != len(requests):
        raise InvalidError("account.set_invalid", f"A linked set has 1 to {MAX_LINKED} transfers with different ids.")
    known = _known(session, requests)
    found = _existing(known, requests)
    if found is not None:
        return found
    moment = now()
    pending = _pending(known, requests, moment)
    linked_id = linked_id_of(request.id for request in requests)
    rows = [_row(request, pending, linked_id, origin, moment) for request in requests]
    write = _Write(
        rows=rows,
        legs={row.id: _legs(row, pending.get(row.pending_id or "")) for row in rows},
        accounts=_accounts(session, requests, pending.values(), moment),
        linked_id=linked_id,
    )
    if any(account.lowest_minor is not None for account in write.accounts.values()):
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
class _Write:
    rows: list[TransferRow]
    legs: dict[str, list[Leg]]
    accounts: dict[str, Account]
    linked_id: str


def _known(session: Session, requests: Sequence[TransferRequest]) -> dict[str, TransferRow]:
    """By id: these transfers where they exist, the pending ones they resolve (locked), and what resolved those."""
    pending_ids = [request.pending_id for request in requests if request.pending_id is not None]
    ids = [request.id for request in requests]
    found = select(TransferRow).where(TransferRow.id.in_(ids))
    if pending_ids:
        known = or_(TransferRow.id.in_([*ids, *pending_ids]), TransferRow.pending_id.in_(pending_ids))
        found = select(TransferRow).where(known).order_by(TransferRow.id).with_for_update()
    return {row.id: row for row in session.scalars(found)}


def _existing(known: Mapping[str, TransferRow], requests: Sequence[TransferRequest]) -> tuple[Transfer, ...] | None:
    rows = {request.id: known[request.id] for request in requests if request.id in known}
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


def _pending(
    known: Mapping[str, TransferRow], requests: Sequence[TransferRequest], moment: datetime
) -> dict[str, TransferRow]:
    """The pending transfers that are to be resolved; each may be resolved once."""
    asked = [request.pending_id for request in requests if request.pending_id is not None]
    rows = {id_: known[id_] for id_ in asked if id_ in known}
    resolved = {row.pending_id for row in known.values()}
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


def _accounts(
    session: Session, requests: Sequence[TransferRequest], pending: Iterable[TransferRow], moment: datetime
) -> dict[str, Account]:
    """Every account that is touched; those that are named and new are opened."""
    named = {ref.id: ref for request in requests for ref in (request.debit, request.credit) if ref is not None}
    held = {id_ for row in pending for id_ in (row.debit_account_id, row.credit_account_id)}
    columns = (AccountRow.id, AccountRow.business, AccountRow.side, AccountRow.lowest_minor)
    found = session.execute(select(*columns).where(AccountRow.id.in_(sorted(named.keys() | held))))
    accounts = {row.id: Account(row.business, Side(row.side), row.lowest_minor) for row in found}
    new = [ref for id_, ref in sorted(named.items()) if id_ not in accounts]
    if new:
        open_accounts(session, new, moment)
    return accounts | {ref.id: Account(ref.business, ref.side, ref.lowest_minor) for ref in new}


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


def _legs(row: TransferRow, held: TransferRow | None) -> list[Leg]:
    def both(layer: str, amount: int) -> list[Leg]:
        return [
            Leg(row.debit_account_id, "debit", layer, amount),
            Leg(row.credit_account_id, "credit", layer, amount),
        ]

    if row.phase == Phase.PENDING.value:
        return both("pending", row.amount_minor)
    posted = both("posted", row.amount_minor) if row.amount_minor else []
    return posted if held is None else [*posted, *both("pending", -held.amount_minor)]


def _written(session: Session, write: _Write, requests: Sequence[TransferRequest]) -> tuple[Transfer, ...]:
    try:
        if not add_transfers(session, write.rows):  # another transaction made the same set meanwhile: nothing new
            return _existing(_known(session, requests), requests) or ()
        add_entries(session, write.rows, write.legs)
        moved = (leg for legs in write.legs.values() for leg in legs)
        add_to_balances(session, write.linked_id, moved, write.accounts)
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


def _sha256(request: TransferRequest) -> str:
    return canonical_sha256(request.model_dump(mode="json"))
