"""Writes of marketing: quotes are kept, coupons created, their uses claimed, secured, redeemed or given back.

A use is counted in the coupon's row by a conditional update, so that N stays N under any concurrency. Coupons are locked
in the order of their codes. Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.database import table_of
from capabilities.kernel.errors import ConflictError, RefusedError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.ids import derived_id, new_id
from capabilities.marketing.contract import Cart, CouponState, CouponStatus, CreateCoupon, Quote
from capabilities.marketing.extensions import claim_minutes
from capabilities.marketing.models import CouponClaimRow, CouponRow, QuoteRow
from capabilities.marketing.pricing import normal_code
from capabilities.marketing.queries import keep_quote, quote_of, state_of

HELD, SECURED, REDEEMED, RELEASED, EXPIRED = "held", "secured", "redeemed", "released", "expired"
INSERT_QUOTE = insert(table_of(QuoteRow)).on_conflict_do_nothing().returning(table_of(QuoteRow).c.id)


def save_quote(session: Session, quote: Quote, cart: Cart, circumstances: Mapping[str, Any] | None = None) -> Quote:
    """Keep a quote with the cart it was computed from, and what else was known; a second call changes nothing."""
    row = {
        "id": quote.id,
        "business": quote.business,
        "buyer_id": cart.buyer.id,
        "currency": quote.currency,
        "total_minor": quote.total_minor,
        "cart": cart.model_dump(mode="json"),
        "body": quote.model_dump(mode="json"),
        "release_ids": list(quote.release_ids),
        "algorithm": quote.algorithm,
        "content_sha256": quote.content_sha256,
        "circumstances": dict(circumstances or {}),
        "created_at": quote.created_at,
        "expires_at": quote.expires_at,
    }
    if session.execute(INSERT_QUOTE, row).first() is not None:
        keep_quote(session, quote)
    return quote


# --- coupons ----------------------------------------------------------------------------------------------------


def create_coupon(session: Session, request: CreateCoupon) -> CouponState:
    """Create a coupon; a code that exists in the business, in whatever case, raises `ConflictError`."""
    row = {
        "id": new_id("cpn"),
        "business": request.business,
        "code": request.code.strip(),
        "code_key": normal_code(request.code),
        "use_limit": request.use_limit,
        "used": 0,
        "status": request.status.value,
        "valid_from": request.valid_from,
        "valid_until": request.valid_until,
        "opens": normal_code(request.opens or request.code),
        "lot_id": request.lot_id,
        "buyer_id": request.buyer_id,
        "after_refund": request.after_refund,
        "after_refund_days": request.after_refund_days,
        "created_at": now(),
    }
    added = session.scalars(insert(CouponRow).values(row).on_conflict_do_nothing().returning(CouponRow)).one_or_none()
    if added is None:
        raise ConflictError(
            "marketing.coupon_exists", f"There is a coupon {request.code} in {request.business} already.", field="code"
        )
    return state_of(added, now(), buyer_id=added.buyer_id)


def set_coupon_status(session: Session, business: str, code: str, status: CouponStatus) -> None:
    """Pause a coupon or let it go on. Uses that are claimed already keep their claim."""
    changed = session.scalars(
        update(CouponRow)
        .where(CouponRow.business == business, CouponRow.code_key == normal_code(code))
        .values(status=status.value)
        .returning(CouponRow.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if changed is None:
        raise RefusedError("marketing.coupon_unknown", f"There is no coupon {code} in {business}.", coupon=code)


# --- claims -----------------------------------------------------------------------------------------------------


def claim_coupons(session: Session, order_id: str, quote_id: str) -> int:
    """Claim a use of every coupon the quote applied, all or none; returns how many uses the order has claimed.

    A coupon used up, paused or over since the quote raises `ConflictError` with the reason, and nothing is claimed. A
    second call for the same order changes nothing; codes that are no coupon (only named by a rule) need no claim.
    """
    quote = quote_of(session, quote_id)
    codes = sorted({normal_code(use.code) for use in quote.coupons if use.state == "applied"})
    if not codes:
        return 0
    minutes = claim_minutes.for_identity(BusinessIdentity(quote.business))()
    expires_at = now() + timedelta(minutes=minutes)
    with session.begin_nested():
        return sum(_claim(session, quote, order_id, code, expires_at) for code in codes)


def _claim(session: Session, quote: Quote, order_id: str, code: str, expires_at: datetime) -> int:
    coupon_id = session.scalar(
        select(CouponRow.id).where(CouponRow.business == quote.business, CouponRow.code_key == code)
    )
    if coupon_id is None:
        return 0
    claim = {
        "id": derived_id("clm", order_id, coupon_id),
        "business": quote.business,
        "coupon_id": coupon_id,
        "code": code,
        "order_id": order_id,
        "quote_id": quote.id,
        "status": HELD,
        "expires_at": expires_at,
        "created_at": now(),
        "changed_at": now(),
    }
    is_new = session.scalar(insert(CouponClaimRow).values(claim).on_conflict_do_nothing().returning(CouponClaimRow.id))
    if is_new is None:
        _require_counted(session, order_id, coupon_id, code)
        return 1
    if not _count_use(session, coupon_id) and not (
        _expire(session, coupon_id=coupon_id, wait=True) and _count_use(session, coupon_id)
    ):
        raise _refusal(session, coupon_id)
    return 1


def _count_use(session: Session, coupon_id: str) -> bool:
    """Count one more use where the coupon still allows it."""
    moment = now()
    counted = session.scalar(
        update(CouponRow)
        .where(
            CouponRow.id == coupon_id,
            CouponRow.status == CouponStatus.ACTIVE.value,
            or_(CouponRow.use_limit.is_(None), CouponRow.used < CouponRow.use_limit),
            or_(CouponRow.valid_from.is_(None), CouponRow.valid_from <= moment),
            or_(CouponRow.valid_until.is_(None), CouponRow.valid_until > moment),
        )
        .values(used=CouponRow.used + 1)
        .returning(CouponRow.id)
        .execution_options(synchronize_session=False)
    )
    return counted is not None


def _refusal(session: Session, coupon_id: str) -> ConflictError:
    row = session.get_one(CouponRow, coupon_id, populate_existing=True)
    state = state_of(row, now(), buyer_id=row.buyer_id)
    is_used_up = state.state in ("used_up", "usable")
    return ConflictError(
        "marketing.coupon_used_up" if is_used_up else "marketing.coupon_inactive",
        state.reason or f"All uses of the coupon {row.code} are taken.",
        mend="Check out without the coupon, or with another one.",
        coupon=row.code,
        reason="used_up" if is_used_up else "inactive",
    )


def _require_counted(session: Session, order_id: str, coupon_id: str, code: str) -> None:
    status = session.scalar(
        select(CouponClaimRow.status).where(CouponClaimRow.order_id == order_id, CouponClaimRow.coupon_id == coupon_id)
    )
    if status not in (HELD, SECURED, REDEEMED):
        raise ConflictError(
            "marketing.claim_ended",
            f"The use of {code} this order had claimed was given back.",
            mend="Begin a new checkout.",
            coupon=code,
        )


def extend_claims(session: Session, order_id: str, expires_at: datetime) -> int:
    """Move the end of claims that have not run out (an order waits for a person); returns how many."""
    return _move(session, order_id, _good_hold(), to=HELD, expires_at=expires_at)


def secure_coupons(session: Session, order_id: str) -> int:
    """Take expiry off the order's claims, in the transaction that writes the capture intent; returns how many are secure.

    A claim that ran out raises `RefusedError`; a second call changes nothing.
    """
    return _end(session, order_id, _good_hold(), to=SECURED, good=(SECURED, REDEEMED))


def redeem_coupons(session: Session, order_id: str) -> int:
    """The order's uses are final; returns how many are redeemed. A second call changes nothing.

    Claims that are still good may be redeemed without being secured: an order that costs nothing has no capture.
    """
    return _end(session, order_id, or_(CouponClaimRow.status == SECURED, _good_hold()), to=REDEEMED, good=(REDEEMED,))


def release_coupons(session: Session, order_id: str) -> int:
    """Give back the uses the order has not redeemed, once; returns how many.

    An undo holds locks on stock by now, which a buyer who has just claimed this coupon may be waiting for. So a coupon
    somebody else is claiming is not waited for: the use lapses at once, and is counted back by whoever comes next.
    """
    wanted = select(CouponClaimRow.id, CouponClaimRow.coupon_id).where(
        CouponClaimRow.order_id == order_id, CouponClaimRow.status.in_((HELD, SECURED)), ~_has_lapsed()
    )
    claims = [(row.id, row.coupon_id) for row in session.execute(wanted)]
    given_back = _give_back(session, claims, (HELD, SECURED), RELEASED, wait=False)
    return given_back + _move(
        session, order_id, CouponClaimRow.status.in_((HELD, SECURED)) & ~_has_lapsed(), to=HELD, expires_at=now()
    )


def expire_claims(session: Session, limit: int = 500) -> int:
    """Give back held uses that ran out, oldest first, at most `limit`; returns how many. Coupons in use are left for later."""
    return _expire(session, limit=limit, wait=False)


def _expire(session: Session, *, coupon_id: str | None = None, limit: int = 1_000, wait: bool) -> int:
    overdue = select(CouponClaimRow.id, CouponClaimRow.coupon_id).where(_has_lapsed())
    if coupon_id is not None:
        overdue = overdue.where(CouponClaimRow.coupon_id == coupon_id)
    claims = [
        (row.id, row.coupon_id) for row in session.execute(overdue.order_by(CouponClaimRow.expires_at).limit(limit))
    ]
    return _give_back(session, claims, (HELD,), EXPIRED, wait=wait)


def _give_back(
    session: Session, claims: Sequence[tuple[str, str]], from_statuses: Sequence[str], to: str, *, wait: bool
) -> int:
    """End claims (id, coupon) and count their uses back, only those whose status this transaction changed.

    The coupon is locked before its claims: nobody who waits for a coupon holds a claim of another order.
    """
    by_coupon: dict[str, list[str]] = {}
    for claim_id, coupon_id in claims:
        by_coupon.setdefault(coupon_id, []).append(claim_id)
    coupons = select(CouponRow.id).where(CouponRow.id.in_(by_coupon)).order_by(CouponRow.business, CouponRow.code_key)
    ended = 0
    for coupon_id in session.scalars(coupons.with_for_update(skip_locked=not wait)).all():
        changed = session.scalars(
            update(CouponClaimRow)
            .where(CouponClaimRow.id.in_(by_coupon[coupon_id]), CouponClaimRow.status.in_(from_statuses))
            .values(status=to, changed_at=now())
            .returning(CouponClaimRow.id)
            .execution_options(synchronize_session=False)
        ).all()
        session.execute(
            update(CouponRow)
            .where(CouponRow.id == coupon_id)
            .values(used=CouponRow.used - len(changed))
            .execution_options(synchronize_session=False)
        )
        ended += len(changed)
    return ended


def _has_lapsed() -> ColumnElement[bool]:
    return and_(CouponClaimRow.status == HELD, CouponClaimRow.expires_at <= now())


def _good_hold() -> ColumnElement[bool]:
    return and_(CouponClaimRow.status == HELD, CouponClaimRow.expires_at > now())


def _move(
    session: Session, order_id: str, condition: ColumnElement[bool], *, to: str, expires_at: datetime | None = None
) -> int:
    values = {"status": to, "changed_at": now()} | ({} if expires_at is None else {"expires_at": expires_at})
    moved = session.scalars(
        update(CouponClaimRow)
        .where(CouponClaimRow.order_id == order_id, condition)
        .values(**values)
        .returning(CouponClaimRow.id)
        .execution_options(synchronize_session=False)
    )
    return len(moved.all())


def _end(session: Session, order_id: str, condition: ColumnElement[bool], *, to: str, good: Sequence[str]) -> int:
    """Move the claims, and see that all of them are where they should be."""
    _move(session, order_id, condition, to=to)
    return _require_all(session, order_id, good)


def _require_all(session: Session, order_id: str, statuses: Sequence[str]) -> int:
    found = session.execute(
        select(CouponClaimRow.code, CouponClaimRow.status).where(CouponClaimRow.order_id == order_id)
    ).all()
    lost = [row.code for row in found if row.status not in statuses]
    if lost:
        raise RefusedError(
            "marketing.claim_expired",
            f"The use of {', '.join(sorted(lost))} was not paid for in time and has been given back.",
            mend="Begin a new checkout.",
            coupons=sorted(lost),
        )
    return len(found)
