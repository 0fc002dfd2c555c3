"""Writes of users: enrol, admit, suspend, restore, count orders. Nothing here commits."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.business import Business
from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, InvalidError, MissingError, RefusedError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.user.contract import AdmitBuyer, AdmittedBuyer, Buyer, BuyerStatus, EnrolBuyer, TierSource
from capabilities.user.extensions import guest_tier
from capabilities.user.models import BuyerRow
from capabilities.user.queries import buyer_of, find_buyer


def enrol_buyer(session: Session, request: EnrolBuyer) -> Buyer:
    """Enter a buyer, or bring name, tier, tags and segments of a known one up to date. An erased one stays erased."""
    known = {
        "name": request.name,
        "email": request.email,
        "birthday": request.birthday,
        "tier": request.tier.value,
        "tier_source": TierSource.ENROLMENT.value,
        "tier_reason": None,
        "tier_until": None,
        "tags": list(request.tags),
        "segments": list(request.segments),
    }
    fresh = {
        "business": request.business,
        "id": request.id,
        "status": BuyerStatus.ACTIVE.value,
        "order_count": 0,
        "joined_at": request.joined_at or now(),
    }
    entered = session.scalar(
        insert(BuyerRow)
        .values(**fresh, **known)
        .on_conflict_do_update(
            index_elements=[BuyerRow.business, BuyerRow.id],
            set_=known,
            where=BuyerRow.status != BuyerStatus.ERASED.value,
        )
        .returning(BuyerRow.id)
        .execution_options(populate_existing=True)
    )
    if entered is None:
        raise _erased(request.id)
    return buyer_of(session, request.business, request.id)


def _erased(buyer_id: str) -> ConflictError:
    return ConflictError(
        "user.erased",
        f"The buyer {buyer_id!r} was erased; nothing can be known under this id again.",
        mend="Enrol the person under a new id.",
        buyer_id=buyer_id,
    )


def admit_buyer(session: Session, request: AdmitBuyer) -> AdmittedBuyer:
    """Let a buyer (or a guest) begin a checkout. Suspended buyers are refused, unknown ones invalid. Writes nothing."""
    if request.buyer_id is None:
        return _admit_guest(request.business)
    buyer = find_buyer(session, request.business, request.buyer_id)
    if buyer is None:
        raise InvalidError(
            "user.unknown",
            f"There is no buyer {request.buyer_id!r} in {request.business}.",
            mend="Enrol the buyer first, or leave buyer_id out to buy as a guest.",
            field="buyer_id",
            buyer_id=request.buyer_id,
        )
    if buyer.status is BuyerStatus.ERASED:
        raise RefusedError(
            "user.erased",
            "This buyer was erased and cannot order.",
            mend="Enrol the person under a new id.",
            buyer_id=buyer.id,
        )
    if buyer.status is BuyerStatus.SUSPENDED:
        raise RefusedError(
            "user.suspended",
            "This buyer is suspended and cannot order.",
            mend="An operator can reinstate the buyer; until then nothing can be ordered for them.",
            buyer_id=buyer.id,
        )
    return AdmittedBuyer(
        buyer_id=buyer.id,
        tier=buyer.tier.value,
        tags=buyer.tags,
        segments=buyer.segments,
        order_number=buyer.order_count + 1,
        first_order_at=buyer.first_order_at,
        lifetime_value_minor=buyer.lifetime_value_minor,
        birthday=None if buyer.birthday is None else buyer.birthday.replace(year=2000),
    )


def _admit_guest(business: str) -> AdmittedBuyer:
    tier = guest_tier.for_identity(BusinessIdentity(business))()
    if tier is None:
        raise RefusedError(
            "user.guest_refused", "Guests cannot order here.", mend="Name a buyer in buyer_id.", field="buyer_id"
        )
    return AdmittedBuyer(tier=tier, is_guest=True)


def count_order(
    session: Session,
    business: str,
    buyer_id: str,
    *,
    total_minor: int = 0,
    currency: str | None = None,
    at: datetime | None = None,
) -> int:
    """Count one more confirmed order of the buyer; returns the new count. Called once an order, by its confirmation.

    In the same statement what it came to, if it is in the money of the business, and when the first and the last were.
    """
    own = select(Business.currency).where(Business.business == business).scalar_subquery()
    moment = at or now()
    count = session.scalar(
        update(BuyerRow)
        .where(BuyerRow.business == business, BuyerRow.id == buyer_id)
        .values(
            order_count=BuyerRow.order_count + 1,
            lifetime_value_minor=BuyerRow.lifetime_value_minor + case((own == currency, total_minor), else_=0),
            first_order_at=func.least(BuyerRow.first_order_at, moment),
            last_order_at=func.greatest(BuyerRow.last_order_at, moment),
        )
        .returning(BuyerRow.order_count)
        .execution_options(synchronize_session=False)
    )
    if count is None:
        raise MissingError("user.unknown", f"There is no buyer {buyer_id!r}.", buyer_id=buyer_id)
    return count


def suspend_buyer(session: Session, business: str, buyer_id: str, reason: str) -> Buyer:
    """Refuse further orders of this buyer; running ones go on."""
    return _set_status(session, business, buyer_id, BuyerStatus.SUSPENDED, reason)


def reinstate_buyer(session: Session, business: str, buyer_id: str) -> Buyer:
    """Let a suspended buyer order again."""
    return _set_status(session, business, buyer_id, BuyerStatus.ACTIVE, None)


def _set_status(session: Session, business: str, buyer_id: str, status: BuyerStatus, reason: str | None) -> Buyer:
    moved = session.scalar(
        update(BuyerRow)
        .where(BuyerRow.business == business, BuyerRow.id == buyer_id, BuyerRow.status != BuyerStatus.ERASED.value)
        .values(status=status.value, status_reason=reason)
        .returning(BuyerRow.id)
        .execution_options(synchronize_session=False)
    )
    buyer = buyer_of(session, business, buyer_id)
    if moved is None:
        raise _erased(buyer_id)
    return buyer
