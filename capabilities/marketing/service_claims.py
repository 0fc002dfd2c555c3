"""An order's claims of both kinds, on coupons and on limits, moved together. Most orders have none: one look tells.

Coupons come before counters wherever both are locked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, exists, select
from sqlalchemy.orm import Session

from capabilities.marketing import service, service_limits
from capabilities.marketing.limits import LimitUse
from capabilities.marketing.models import CouponClaimRow, LimitClaimRow
from capabilities.marketing.queries import quote_of

HAS_CLAIMS = select(
    exists().where(CouponClaimRow.order_id == bindparam("order_id")).label("coupons"),
    exists().where(LimitClaimRow.order_id == bindparam("order_id")).label("limits"),
)


@dataclass(frozen=True, slots=True)
class Claims:
    """How many claims of each kind a call found or moved."""

    coupons: int = 0
    limits: int = 0

    @property
    def all(self) -> int:
        return self.coupons + self.limits


def claim(session: Session, order_id: str, quote_id: str, uses: Sequence[LimitUse]) -> Claims:
    """Claim every coupon the quote applied and what it takes of limits, all or nothing; a second call changes nothing."""
    if not uses:
        return Claims(service.claim_coupons(session, order_id, quote_id))
    with session.begin_nested():
        coupons = service.claim_coupons(session, order_id, quote_id)
        business = quote_of(session, quote_id).business
        return Claims(coupons, service_limits.claim_limits(session, order_id, quote_id, business, uses))


def secure_claims(session: Session, order_id: str) -> Claims:
    """Take expiry off everything claimed, in the transaction that writes the capture intent; what ran out refuses."""
    found = _look(session, order_id)
    return Claims(
        service.secure_coupons(session, order_id) if found.coupons else 0,
        service_limits.secure_limits(session, order_id) if found.limits else 0,
    )


def redeem_claims(session: Session, order_id: str) -> Claims:
    """Everything claimed is used for good."""
    found = _look(session, order_id)
    return Claims(
        service.redeem_coupons(session, order_id) if found.coupons else 0,
        service_limits.redeem_limits(session, order_id) if found.limits else 0,
    )


def release_claims(session: Session, order_id: str) -> Claims:
    """Give back everything claimed and not redeemed, once."""
    found = _look(session, order_id)
    return Claims(
        service.release_coupons(session, order_id) if found.coupons else 0,
        service_limits.release_limits(session, order_id) if found.limits else 0,
    )


def extend_claims(session: Session, order_id: str, expires_at: datetime) -> Claims:
    """Move the end of claims that have not run out (an order waits for a person)."""
    found = _look(session, order_id)
    return Claims(
        service.extend_claims(session, order_id, expires_at) if found.coupons else 0,
        service_limits.extend_limits(session, order_id, expires_at) if found.limits else 0,
    )


def _look(session: Session, order_id: str) -> Claims:
    row = session.execute(HAS_CLAIMS, {"order_id": order_id}).one()
    return Claims(int(row.coupons), int(row.limits))
