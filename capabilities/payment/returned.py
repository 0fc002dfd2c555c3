"""Money that comes back after it was known to be gone: a chargeback that is won, a refund that returns."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.payment.contract import PaymentEvent, PaymentEventKind, ProviderEventStatus
from capabilities.payment.models import PaymentEventRow, PaymentRow, ProviderEventRow, RefundShareRow
from capabilities.payment.queries import events_of
from capabilities.payment.service import Origin, event_row, lock_payment, record_events

K = PaymentEventKind


def note_chargeback_won(
    session: Session, order_id: str, reference: str, amount_minor: int, origin: Origin
) -> str | None:
    """Charge a payment again for what a won chargeback gave back, once; None where no payment knows the chargeback."""
    payment_id = session.scalar(
        select(PaymentEventRow.payment_id)
        .join(PaymentRow, PaymentRow.id == PaymentEventRow.payment_id)
        .where(
            PaymentRow.order_id == order_id,
            PaymentEventRow.kind == K.CHARGEBACK.value,
            PaymentEventRow.reference == reference,
        )
        .limit(1)
    )
    if payment_id is None:
        return None
    payment = lock_payment(session, payment_id)
    known = {(event.kind, event.reference) for event in events_of(session, payment_id)}
    if (K.CHARGEBACK_REVERSAL, reference) not in known:
        told = event_row(K.CHARGEBACK_REVERSAL, reference, amount_minor, now())
        record_events(session, payment, [told], origin)
    return payment_id


def won_chargebacks(session: Session, references: list[str]) -> set[tuple[str, str]]:
    """Of these references of chargebacks those that are won by now, each with its order."""
    found = session.execute(
        select(PaymentRow.order_id, PaymentEventRow.reference)
        .join(PaymentRow, PaymentRow.id == PaymentEventRow.payment_id)
        .where(PaymentEventRow.kind == K.CHARGEBACK_REVERSAL.value, PaymentEventRow.reference.in_(references))
    )
    return {(order_id, reference) for order_id, reference in found}


def refund_of_reference(session: Session, reference: str) -> str | None:
    """The refund that a key sent to a provider belongs to; None where it is no refund's."""
    return session.scalars(select(RefundShareRow.refund_id).where(RefundShareRow.reference == reference)).one_or_none()


def returned_of(session: Session, refund_id: str) -> int:
    """What of a refund's shares had been given back and is here again: reversed, or failed after it had succeeded."""
    shares = session.scalars(
        select(RefundShareRow).where(RefundShareRow.refund_id == refund_id).order_by(RefundShareRow.payment_id)
    ).all()
    return sum(
        returned_share(events_of(session, one.payment_id), one.reference, _reversed(session, one)) for one in shares
    )


def _reversed(session: Session, share: RefundShareRow) -> int:
    """What providers said they took back of a share; only their messages say what a reversal is about."""
    told = session.scalars(
        select(ProviderEventRow.effect).where(
            ProviderEventRow.payment_id == share.payment_id,
            ProviderEventRow.status == ProviderEventStatus.APPLIED.value,
            ProviderEventRow.effect["kind"].astext == K.REFUND_REVERSAL.value,
            ProviderEventRow.effect["about"].astext == share.reference,
        )
    ).all()
    known = {str(effect["reference"]): int(effect["amount_minor"]) for effect in told if effect}
    return sum(known.values())


def returned_share(events: Sequence[PaymentEvent], reference: str, reversed_minor: int) -> int:
    """What came back of one share: all of it where it failed after it had succeeded, else what was reversed. Pure."""
    gave = [event for event in events if event.kind is K.REFUND_SUCCESS and event.reference == reference]
    if not gave:
        return 0
    failed = [event for event in events if event.kind is K.REFUND_FAILURE and event.reference == reference]
    if any(event.occurred_at > max(one.occurred_at for one in gave) for event in failed):
        return gave[0].amount_minor
    return min(reversed_minor, gave[0].amount_minor)
