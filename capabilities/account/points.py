"""Points and cashback: granted, taken back, expired. What is taken back after it was spent is a debt, which later grants
settle first; so a buyer's points and wallet never fall below nothing.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from capabilities.account.contract import POINTS_CURRENCY, AccountRef, Origin, Transfer, TransferRequest
from capabilities.account.extensions import points_life_days
from capabilities.account.models import TransferRow
from capabilities.account.postings import Cause
from capabilities.account.queries import balance_of, transfer_from
from capabilities.account.queries_stored import debt_of, points_older_than, value_of_points
from capabilities.account.service import post_transfers
from capabilities.account.stored import (
    GrantCashback,
    GrantPoints,
    PointValue,
    TakeBackCashback,
    TakeBackPoints,
    points_of,
    wallet_of,
)
from capabilities.account.writing import lock_limited
from capabilities.kernel.clock import now
from capabilities.kernel.identity import BusinessIdentity


def grant_points(session: Session, request: GrantPoints, *, origin: Origin) -> tuple[Transfer, ...]:
    """Give a buyer points; what they owe is settled first. The same key grants once."""
    cause = Cause(request.business, request.currency, request.subject, ("points", request.business, request.key))
    done = _done(session, cause, "points.earned", "points.settles")
    if done:
        return done
    debt, held = (
        debt_of(request.business, request.buyer_id, POINTS_CURRENCY),
        points_of(request.business, request.buyer_id),
    )
    owed = _locked_balance(session, debt, held)
    settled = min(owed, request.points)
    return _moved(
        session, cause, request, ("points.settles", settled), ("points.earned", request.points - settled), origin
    )


def take_back_points(session: Session, request: TakeBackPoints, *, origin: Origin) -> tuple[Transfer, ...]:
    """Take points back; what the buyer no longer has becomes a debt. The same key takes once."""
    cause = Cause(request.business, request.currency, request.subject, ("points back", request.business, request.key))
    done = _done(session, cause, "points.taken_back", "points.owed")
    if done:
        return done
    debt, held = (
        debt_of(request.business, request.buyer_id, POINTS_CURRENCY),
        points_of(request.business, request.buyer_id),
    )
    there = max(0, _locked_balance(session, held, debt))
    taken = min(there, request.points)
    return _moved(
        session, cause, request, ("points.taken_back", taken), ("points.owed", request.points - taken), origin
    )


def grant_cashback(session: Session, request: GrantCashback, *, origin: Origin) -> tuple[Transfer, ...]:
    """Put money into a buyer's wallet; what they owe is settled first. The same key grants once."""
    cause = Cause(request.business, request.currency, request.subject, ("cashback", request.business, request.key))
    done = _done(session, cause, "wallet.cashback", "wallet.settles")
    if done:
        return done
    of = (request.business, request.buyer_id, request.currency)
    owed = _locked_balance(session, debt_of(*of), wallet_of(*of))
    settled = min(owed, request.amount_minor)
    parts = (("wallet.settles", settled), ("wallet.cashback", request.amount_minor - settled))
    requests = [cause.transfer(code, amount, credit=request.buyer_id) for code, amount in parts if amount]
    return post_transfers(session, requests, origin=origin)


def take_back_cashback(session: Session, request: TakeBackCashback, *, origin: Origin) -> tuple[Transfer, ...]:
    """Take cashback back; what the buyer no longer has becomes a debt. The same key takes once."""
    cause = Cause(request.business, request.currency, request.subject, ("cashback back", request.business, request.key))
    done = _done(session, cause, "wallet.taken_back", "wallet.owed")
    if done:
        return done
    of = (request.business, request.buyer_id, request.currency)
    there = max(0, _locked_balance(session, wallet_of(*of), debt_of(*of)))
    taken = min(there, request.amount_minor)
    parts = (("wallet.taken_back", taken), ("wallet.owed", request.amount_minor - taken))
    requests = [cause.transfer(code, amount, debit=request.buyer_id) for code, amount in parts if amount]
    return post_transfers(session, requests, origin=origin)


def expire_points(session: Session, identity: BusinessIdentity, currency: str, *, origin: Origin) -> int:
    """Expire points older than the line of business keeps them, the oldest first; how many points.

    Each buyer's are counted again under the lock of their account: somebody may have spent or expired them meanwhile.
    """
    days = points_life_days.for_identity(identity)()
    if days is None:
        return 0
    moment, expired = now(), 0
    value = value_of_points(identity, currency)
    cutoff = moment - timedelta(days=days)
    for buyer_id in points_older_than(session, identity.business, cutoff):
        debt = debt_of(identity.business, buyer_id, POINTS_CURRENCY)
        there = max(0, _locked_balance(session, points_of(identity.business, buyer_id), debt))
        old = points_older_than(session, identity.business, cutoff, buyer_id=buyer_id)
        taken = min(old.get(buyer_id, 0), there)
        if taken:
            cause = Cause(identity.business, currency, buyer_id, ("points expired", buyer_id, moment.isoformat()))
            post_transfers(session, _pair(cause, "points.expired", taken, value, buyer_id), origin=origin)
            expired += taken
    return expired


def _moved(
    session: Session,
    cause: Cause,
    request: GrantPoints,
    first: tuple[str, int],
    second: tuple[str, int],
    origin: Origin,
) -> tuple[Transfer, ...]:
    value = value_of_points(BusinessIdentity(request.business, request.scenario), request.currency)
    requests: list[TransferRequest] = []
    for code, points in (first, second):
        if points:
            requests += _pair(cause, code, points, value, request.buyer_id)
    return post_transfers(session, requests, origin=origin)


def _pair(cause: Cause, code: str, points: int, value: PointValue, buyer_id: str) -> list[TransferRequest]:
    """Points move by an exchange: in their own currency, and what they are worth in money."""
    return cause.pair(
        (code, f"{code}_value"),
        (points, value.worth_of(points)),
        (POINTS_CURRENCY, value.currency),
        (value.numerator, value.denominator),
        parties=(buyer_id, ""),
    )


def _done(session: Session, cause: Cause, *codes: str) -> tuple[Transfer, ...]:
    """What this key has moved already: amounts are worked out from balances, so they are not worked out again."""
    ids = [cause.id_of(part) for code in codes for part in (code, f"{code}_value")]
    rows = session.scalars(select(TransferRow).where(TransferRow.id.in_(ids)))
    return tuple(transfer_from(row) for row in sorted(rows, key=lambda row: ids.index(row.id)))


def _locked_balance(session: Session, account: AccountRef, beside: AccountRef) -> int:
    """What can be taken from an account, read under its lock and that of the account that goes with it."""
    lock_limited(session, [account, beside], now())
    return balance_of(session, account).available_minor
