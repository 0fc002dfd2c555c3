"""Writes of users: enrol, admit, suspend, count orders. Nothing here commits."""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import InvalidError, MissingError, RefusedError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.user.contract import AdmitBuyer, AdmittedBuyer, Buyer, BuyerStatus, EnrolBuyer
from capabilities.user.extensions import guest_tier
from capabilities.user.models import BuyerRow
from capabilities.user.queries import buyer_of, find_buyer


def enrol_buyer(session: Session, request: EnrolBuyer) -> Buyer:
    """Enter a buyer, or bring name, tier, tags and segments of a known one up to date."""
    known = {
        "name": request.name,
        "email": request.email,
        "tier": request.tier.value,
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
    session.execute(
        insert(BuyerRow)
        .values(**fresh, **known)
        .on_conflict_do_update(index_elements=[BuyerRow.business, BuyerRow.id], set_=known)
    )
    return buyer_of(session, request.business, request.id)


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
    )


def _admit_guest(business: str) -> AdmittedBuyer:
    tier = guest_tier.for_identity(BusinessIdentity(business))()
    if tier is None:
        raise RefusedError(
            "user.guest_refused", "Guests cannot order here.", mend="Name a buyer in buyer_id.", field="buyer_id"
        )
    return AdmittedBuyer(tier=tier, is_guest=True)


def count_order(session: Session, business: str, buyer_id: str) -> int:
    """Count one more confirmed order of the buyer; returns the new count. Called once an order, by its confirmation."""
    count = session.scalar(
        update(BuyerRow)
        .where(BuyerRow.business == business, BuyerRow.id == buyer_id)
        .values(order_count=BuyerRow.order_count + 1)
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
    session.execute(
        update(BuyerRow)
        .where(BuyerRow.business == business, BuyerRow.id == buyer_id)
        .values(status=status.value, status_reason=reason)
        .execution_options(synchronize_session=False)
    )
    return buyer_of(session, business, buyer_id)
