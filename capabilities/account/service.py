"""Writes of the ledger. One way in: `post_transfers`, a linked set that moves as a whole or not at all.

Balances are kept by one upsert over sorted rows, so that writers who meet on an account wait for each other in the same
order. Reading the balances is adding up their slots.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from capabilities.account.checking import check_corrections, check_exchanges
from capabilities.account.contract import AccountRef, Exchange, Origin, Phase, Transfer, TransferRequest
from capabilities.account.models import AccountRow, BalanceRow, TransferRow
from capabilities.account.queries import ref_from, transfer_from
from capabilities.account.writing import Account, Leg, SetToWrite, write_set
from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, InvalidError, MissingError, PlatformError, RefusedError
from capabilities.kernel.idempotency import canonical_sha256
from capabilities.kernel.ids import derived_id

MAX_LINKED = 1_500
"""Transfers of a linked set: far more than an order has sellers, far fewer than a statement has parameters."""


def post_transfers(session: Session, requests: Sequence[TransferRequest], *, origin: Origin) -> tuple[Transfer, ...]:
    """Make a linked set of transfers: all or nothing.

    The same ids with the same bodies give the transfers that exist, and nothing new; another body, or a set of which
    only a part exists, raises `ConflictError`. A balance that would leave its limits, pending counted, raises
    `RefusedError`; a pending transfer that is resolved already, or has run out, `ConflictError`.
    """
    if not 0 < len(requests) <= MAX_LINKED or len({request.id for request in requests}) != len(requests):
        raise InvalidError("account.set_invalid", f"A linked set has 1 to {MAX_LINKED} transfers with different ids.")
    hashes = {request.id: body_sha256(request) for request in requests}
    known = _known(session, requests)
    found = _existing(known, requests, hashes)
    if found is not None:
        return found
    moment = now()
    pending = _pending(known, requests, moment)
    check_corrections(known, requests)
    check_exchanges(requests, pending)
    linked_id = linked_id_of(request.id for request in requests)
    set_of = _SetOf(linked_id, origin, moment, {one.pending_id: one.id for one in requests if one.pending_id})
    transfers = [_transfer(request, pending, set_of) for request in requests]
    named = {ref.id: ref for request in requests for ref in (request.debit, request.credit) if ref is not None}
    write = SetToWrite(
        transfers=transfers,
        hashes=hashes,
        legs={made.id: _legs(made, pending.get(made.pending_id or "")) for made in transfers},
        accounts=_held(session, pending.values(), named) | {id_: _account(ref) for id_, ref in named.items()},
        named=list(named.values()),
    )
    if write.is_limited:
        with session.begin_nested():  # a refusal must leave the caller's transaction usable and nothing moved
            return _written(session, write, requests)
    return _written(session, write, requests)


def expire_pending(session: Session, *, origin: Origin, limit: int = 500) -> int:
    """Let pending transfers that ran out expire, oldest first; returns how many. What was reserved together ends together."""
    resolving = aliased(TransferRow)
    is_resolved = select(resolving.id).where(resolving.pending_id == TransferRow.id).exists()
    overdue = session.scalars(
        select(TransferRow)
        .where(TransferRow.phase == Phase.PENDING.value, TransferRow.expires_at <= now(), ~is_resolved)
        .order_by(TransferRow.expires_at, TransferRow.linked_id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=TransferRow)
    ).all()
    sets = groupby(sorted(overdue, key=attrgetter("linked_id")), key=attrgetter("linked_id"))
    expired = 0
    for _, rows in sets:
        requests = [
            TransferRequest(
                id=derived_id("trf", row.id, "expire"),
                phase=Phase.EXPIRE,
                pending_id=row.id,
                subject=row.subject,
                reason="expired",
            )
            for row in rows
        ]
        post_transfers(session, requests, origin=origin)
        expired += len(requests)
    return expired


def correct(session: Session, transfer_ids: Sequence[str], *, reason: str, origin: Origin) -> tuple[Transfer, ...]:
    """Take posted transfers back, each by a transfer that names it, in one linked set.

    A transfer is corrected once, and both halves of an exchange together; a correction can itself be corrected.
    """
    rows = {row.id: row for row in session.scalars(select(TransferRow).where(TransferRow.id.in_(transfer_ids)))}
    accounts = refs_of(session, {id_ for row in rows.values() for id_ in (row.debit_account_id, row.credit_account_id)})
    requests = []
    for id_ in transfer_ids:
        row = rows.get(id_)
        if row is None or row.phase not in (Phase.SINGLE.value, Phase.POST.value):
            raise MissingError("account.transfer_unknown", f"There is no posted transfer {id_!r} to correct.")
        made = transfer_from(row)
        requests.append(
            TransferRequest(
                id=correction_id(made.id),
                debit=accounts[made.credit_account_id],
                credit=accounts[made.debit_account_id],
                amount_minor=made.amount_minor,
                corrects_id=made.id,
                exchange=None
                if made.exchange is None
                else made.exchange.model_copy(update={"other_id": correction_id(made.exchange.other_id)}),
                subject=made.subject,
                reason=reason,
            )
        )
    return post_transfers(session, requests, origin=origin)


def correction_id(transfer_id: str) -> str:
    """The id of the transfer that takes this one back."""
    return derived_id("trf", transfer_id, "reversed")


def limit_account(
    session: Session, account: AccountRef, *, lowest_minor: int, highest_minor: int | None = None
) -> None:
    """Set the limits of an account of a kind that has them. A balance that does not fit, pending counted, is refused."""
    if account.lowest_minor is None:
        raise InvalidError("account.not_limited", f"Accounts of the kind {account.kind.value} have no limits.")
    if highest_minor is not None and highest_minor < lowest_minor:
        raise InvalidError("account.limits_crossed", "The highest balance is below the lowest one.")
    limits = {"lowest_minor": lowest_minor, "highest_minor": highest_minor}
    opened = update(AccountRow).where(AccountRow.id == account.id).values(**limits).returning(AccountRow.id)
    if session.execute(opened).first() is None:
        raise MissingError("account.unknown", "This account was never used.")
    try:
        with session.begin_nested():
            session.execute(update(BalanceRow).where(BalanceRow.account_id == account.id).values(**limits))
    except IntegrityError as error:
        raise _meaning(error) from error


def linked_id_of(transfer_ids: Iterable[str]) -> str:
    """The id of a linked set: it follows from its members, so that a set with one missing can be told."""
    return derived_id("lnk", *sorted(transfer_ids))


def body_sha256(request: TransferRequest) -> str:
    """The hash of what is asked; what does not cross currencies hashes as it did before exchanges carried a rate."""
    left_out = {"exchange"} if request.exchange is None else set[str]()
    return canonical_sha256(request.model_dump(mode="json", exclude=left_out))


def refs_of(session: Session, account_ids: Iterable[str]) -> dict[str, AccountRef]:
    """Accounts by their ids, as what they are."""
    rows = session.scalars(select(AccountRow).where(AccountRow.id.in_(sorted(account_ids))))
    return {row.id: ref_from(row) for row in rows}


def _known(session: Session, requests: Sequence[TransferRequest]) -> dict[str, TransferRow]:
    """By id: these transfers where they exist, the pending ones they resolve and the ones they correct (locked), and
    what resolved or corrected those.
    """
    pending_ids = [request.pending_id for request in requests if request.pending_id is not None]
    corrected_ids = [request.corrects_id for request in requests if request.corrects_id is not None]
    ids = [request.id for request in requests]
    if not pending_ids and not corrected_ids:
        return {row.id: row for row in session.scalars(select(TransferRow).where(TransferRow.id.in_(ids)))}
    known = [TransferRow.id.in_([*ids, *pending_ids, *corrected_ids])]
    known += [TransferRow.pending_id.in_(pending_ids)] if pending_ids else []
    known += [TransferRow.corrects_id.in_(corrected_ids)] if corrected_ids else []
    found = select(TransferRow).where(or_(*known)).order_by(TransferRow.id).with_for_update()
    return {row.id: row for row in session.scalars(found)}


def _existing(
    known: Mapping[str, TransferRow], requests: Sequence[TransferRequest], hashes: Mapping[str, str]
) -> tuple[Transfer, ...] | None:
    rows = {request.id: known[request.id] for request in requests if request.id in known}
    if not rows:
        return None
    for request in requests:
        row = rows.get(request.id)
        if row is None or row.body_sha256 != hashes[request.id]:
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
    if len(rows) != len(asked):
        raise ConflictError("account.pending_resolved", "A pending transfer is resolved once, also within a set.")
    return rows


def _held(session: Session, pending: Iterable[TransferRow], named: Mapping[str, AccountRef]) -> dict[str, Account]:
    """The accounts of pending transfers that are resolved, where the set does not name them anyway."""
    ids = {id_ for row in pending for id_ in (row.debit_account_id, row.credit_account_id)} - named.keys()
    if not ids:
        return {}
    columns = (AccountRow.id, AccountRow.business, AccountRow.side, AccountRow.lowest_minor)
    found = session.execute(select(*columns).where(AccountRow.id.in_(sorted(ids))))
    return {row.id: Account(row.business, row.side, row.lowest_minor is not None) for row in found}


def _account(ref: AccountRef) -> Account:
    return Account(ref.business, ref.side.value, ref.lowest_minor is not None)


@dataclass(frozen=True, slots=True)
class _SetOf:
    """What the transfers of a set have in common, and which of them resolves which pending one."""

    linked_id: str
    origin: Origin
    moment: datetime
    resolving: Mapping[str, str]

    def exchange_of(self, held: TransferRow) -> Exchange | None:
        """The pair of a resolving transfer: it resolves the other half of what was reserved."""
        if held.exchange_id is None or held.rate_numerator is None or held.rate_denominator is None:
            return None
        other_id = self.resolving[held.exchange_id]
        return Exchange(other_id=other_id, numerator=held.rate_numerator, denominator=held.rate_denominator)


def _transfer(request: TransferRequest, pending: Mapping[str, TransferRow], set_of: _SetOf) -> Transfer:
    held, exchange = pending.get(request.pending_id or ""), request.exchange
    if held is not None:
        posted = request.amount_minor or held.amount_minor
        debit_id, credit_id, business = held.debit_account_id, held.credit_account_id, held.business
        currency, amount = held.currency, posted if request.phase is Phase.POST else 0
        exchange = set_of.exchange_of(held)
    elif request.debit is not None and request.credit is not None:
        debit_id, credit_id, business = request.debit.id, request.credit.id, request.debit.business
        currency, amount = request.debit.currency, request.amount_minor or 0
    else:
        raise MissingError("account.pending_unknown", f"There is no pending transfer {request.pending_id!r}.")
    return Transfer(
        id=request.id,
        business=business,
        linked_id=set_of.linked_id,
        phase=request.phase,
        debit_account_id=debit_id,
        credit_account_id=credit_id,
        currency=currency,
        amount_minor=amount,
        pending_id=request.pending_id,
        corrects_id=request.corrects_id,
        exchange=exchange,
        expires_at=request.expires_at,
        subject=request.subject,
        reason=request.reason,
        actor=set_of.origin.actor,
        correlation_id=set_of.origin.correlation_id,
        created_at=set_of.moment,
    )


def _legs(made: Transfer, held: TransferRow | None) -> list[Leg]:
    def both(layer: str, amount: int) -> list[Leg]:
        return [
            Leg(made.debit_account_id, "debit", layer, amount),
            Leg(made.credit_account_id, "credit", layer, amount),
        ]

    if made.phase is Phase.PENDING:
        return both("pending", made.amount_minor)
    posted = both("posted", made.amount_minor) if made.amount_minor else []
    return posted if held is None else [*posted, *both("pending", -held.amount_minor)]


def _written(session: Session, write: SetToWrite, requests: Sequence[TransferRequest]) -> tuple[Transfer, ...]:
    try:
        if not write_set(session, write):  # another transaction made the same set meanwhile: nothing new
            return _existing(_known(session, requests), requests, write.hashes) or ()
    except IntegrityError as error:
        raise _meaning(error) from error
    return tuple(write.transfers)


def _meaning(error: IntegrityError) -> PlatformError:
    told = str(error.orig)
    if "limit_held" in told or "ceiling_held" in told:
        return RefusedError(
            "account.limit_exceeded",
            "The balance would fall below its limit; nothing was moved."
            if "limit_held" in told
            else "The balance would rise above its limit; nothing was moved.",
            mend="Move less, or top the account up." if "limit_held" in told else "Move less.",
        )
    if "books is closed" in told:
        return ConflictError(
            "account.day_closed",
            "This day of the books is closed; the clock of this machine is behind.",
            mend="Set the clock right, and try again.",
        )
    return ConflictError(
        "account.transfer_raced",
        "Another transaction made, resolved or corrected one of these transfers.",
        mend="Look at what it did; try again with what is left.",
    )
