"""Reads of marketing: quotes and the carts behind them, states of coupons, claims of an order."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from capabilities.kernel.database import kept
from capabilities.kernel.errors import MissingError
from capabilities.marketing.contract import Cart, CouponClaim, CouponState, CouponStatus, Quote
from capabilities.marketing.coupons import CouponCondition
from capabilities.marketing.models import CouponClaimRow, CouponRow, QuoteRow
from capabilities.marketing.pricing import normal_code

QUOTES = "marketing.quotes"
QUOTE_BODY = select(QuoteRow.body).where(QuoteRow.id == bindparam("quote_id"))


def quote_of(session: Session, quote_id: str) -> Quote:
    """The quote as it was given; `MissingError` where there is none."""
    found = find_quote(session, quote_id)
    if found is None:
        raise _unknown(quote_id)
    return found


def find_quote(session: Session, quote_id: str) -> Quote | None:
    """The quote as it was given, None where there is none. It never changes: a transaction reads it once."""
    known: Quote | None = kept(session, QUOTES).get(quote_id)
    if known is None:
        body = session.scalar(QUOTE_BODY, {"quote_id": quote_id})
        if body is None:
            return None
        known = Quote.model_validate(body)
        keep_quote(session, known)
    return known


def keep_quote(session: Session, quote: Quote) -> None:
    """What this transaction has read or written: its later steps take it from here."""
    kept(session, QUOTES)[quote.id] = quote


def cart_of(session: Session, quote_id: str) -> Cart:
    """The cart a quote was computed from; `MissingError` where there is no such quote."""
    cart = session.scalar(select(QuoteRow.cart).where(QuoteRow.id == quote_id))
    if cart is None:
        raise _unknown(quote_id)
    return Cart.model_validate(cart)


def circumstances_of_quote(session: Session, quote_id: str) -> dict[str, Any]:
    """What was known besides cart and releases when the quote was made: `allowances`, and what codes `opens`."""
    return session.scalar(select(QuoteRow.circumstances).where(QuoteRow.id == quote_id)) or {}


def _unknown(quote_id: str) -> MissingError:
    return MissingError("marketing.quote_unknown", f"There is no quote {quote_id}.")


def coupon_states(
    session: Session, business: str, codes: Iterable[str], at: datetime, *, buyer_id: str | None = None
) -> dict[str, CouponState]:
    """What this buyer could do with these codes at a moment, by code in capitals; codes without a coupon are absent."""
    keys = {normal_code(code) for code in codes}
    if not keys:
        return {}
    found = select(CouponRow).where(CouponRow.business == business, CouponRow.code_key.in_(keys))
    return {row.code_key: state_of(row, at, buyer_id=buyer_id) for row in session.scalars(found).all()}


def coupons(session: Session, business: str, at: datetime) -> list[CouponState]:
    """All coupons of a business with their states, by code."""
    found = select(CouponRow).where(CouponRow.business == business).order_by(CouponRow.code_key)
    return [state_of(row, at, buyer_id=row.buyer_id) for row in session.scalars(found)]


_STATES: dict[CouponCondition, str] = {"active": "usable", "used_up": "used_up"}


def state_of(row: CouponRow, at: datetime, *, buyer_id: str | None = None) -> CouponState:
    """Whether the coupon can be used by that buyer at that moment, and if not, why."""
    condition, reason = condition_of(row, at, buyer_id=buyer_id)
    return CouponState.model_validate(
        {
            "code": row.code_key,
            "state": _STATES.get(condition, "inactive"),
            "reason": reason,
            "use_limit": row.use_limit,
            "used": row.used,
            "condition": condition,
            "opens": None if row.opens in (None, row.code_key) else row.opens,
        }
    )


def condition_of(row: CouponRow, at: datetime, *, buyer_id: str | None) -> tuple[CouponCondition, str | None]:
    """The first reason why the coupon cannot be used, with a sentence."""
    why = f" {row.reason}" if row.reason else ""
    found: CouponCondition = "active"
    reason = None
    if row.status == CouponStatus.VOID.value:
        found, reason = "void", f"The coupon {row.code} is not valid any more.{why}"
    elif row.status == CouponStatus.PAUSED.value:
        found, reason = "paused", f"The coupon {row.code} is paused.{why}"
    elif row.valid_from is not None and at < row.valid_from:
        found, reason = "not_yet_valid", f"The coupon {row.code} is valid from {row.valid_from:%Y-%m-%d %H:%M} UTC."
    elif row.valid_until is not None and at >= row.valid_until:
        found, reason = "expired", f"The coupon {row.code} was valid until {row.valid_until:%Y-%m-%d %H:%M} UTC."
    elif row.buyer_id is not None and row.buyer_id != buyer_id:
        found, reason = "wrong_buyer", f"The coupon {row.code} is for somebody else."
    elif row.use_limit is not None and row.used >= row.use_limit:
        found, reason = "used_up", f"All {row.use_limit} uses of the coupon {row.code} are taken."
    return found, reason


def claims_of(session: Session, order_id: str) -> list[CouponClaim]:
    """The coupon uses an order claimed, by code."""
    found = select(CouponClaimRow).where(CouponClaimRow.order_id == order_id).order_by(CouponClaimRow.code)
    return [
        CouponClaim.model_validate(
            {"code": row.code, "order_id": row.order_id, "status": row.status, "expires_at": row.expires_at}
        )
        for row in session.scalars(found.execution_options(populate_existing=True))
    ]
