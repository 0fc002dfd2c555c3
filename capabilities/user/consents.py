"""Writes of users: what a buyer agreed to, word by word. Rows are only added."""

from __future__ import annotations

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError
from capabilities.kernel.outbox import publish
from capabilities.user.contract import BuyerStatus, Consent, GiveConsent
from capabilities.user.models import ConsentRow
from capabilities.user.queries import consents_of
from capabilities.user.tiers import lock_buyer


def record_consent(session: Session, request: GiveConsent) -> tuple[Consent, bool]:
    """Write down what the buyer said, and whether it was news. The same key again changes nothing."""
    row = lock_buyer(session, request.business, request.buyer_id)
    if row.status == BuyerStatus.ERASED.value:
        raise ConflictError(
            "user.erased",
            f"The buyer {request.buyer_id!r} was erased and can agree to nothing.",
            mend="Enrol the person under a new id.",
            buyer_id=request.buyer_id,
        )
    said = request.model_dump(mode="json", exclude={"actor"}) | {"actor": request.actor, "at": now()}
    added = session.scalar(
        insert(ConsentRow)
        .values(**said)
        .on_conflict_do_nothing(index_elements=[ConsentRow.key])
        .returning(ConsentRow.at)
    )
    newest = consents_of(session, request.business, request.buyer_id)[request.purpose]
    if added is not None:
        told = {"buyer_id": row.id, "purpose": request.purpose.value, "is_given": request.is_given}
        publish(session, business=row.business, type="buyer.consent_changed", subject=row.id, data=told)
    return newest, added is not None
