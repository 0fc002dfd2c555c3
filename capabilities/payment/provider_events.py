"""Messages of providers: each kept once by its id before it has any effect, and applied once, when its payment is there.

The payment's events are facts with a reference and a moment of their own, so duplicates, late ones and any order of
arrival add up to the same; a message id that is there already changes nothing at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.cursor import read_cursor, read_moment, write_cursor
from capabilities.kernel.database import rows_changed
from capabilities.kernel.identity import PLATFORM
from capabilities.kernel.ids import derived_id
from capabilities.kernel.outbox import publish
from capabilities.payment.contract import (
    Payment,
    PaymentEventKind,
    ProviderEvent,
    ProviderEventPage,
    ProviderEventStatus,
)
from capabilities.payment.models import PaymentEventRow, PaymentRow, ProviderEventRow, RefundShareRow
from capabilities.payment.providers.protocol import ProviderEffect, ProviderMessage
from capabilities.payment.queries import MAX_PAGE, events_of, payment_of
from capabilities.payment.service import Origin, event_row, lock_payment, record_events

K = PaymentEventKind

TOLD = {
    K.AUTHORIZATION_SUCCESS: "payment.authorized",
    K.AUTHORIZATION_FAILURE: "payment.declined",
    K.AUTHORIZATION_ADJUSTMENT: "payment.adjusted",
    K.CHARGE_SUCCESS: "payment.captured",
    K.CHARGE_FAILURE: "payment.capture_failed",
    K.CHARGEBACK: "payment.charged_back",
    K.CHARGEBACK_REVERSAL: "payment.chargeback_won",
    K.REFUND_SUCCESS: "payment.refunded",
    K.REFUND_FAILURE: "payment.refund_failed",
    K.REFUND_REVERSAL: "payment.refund_reversed",
    K.CANCEL_SUCCESS: "payment.voided",
    K.CANCEL_FAILURE: "payment.void_failed",
}
"""The outbox event that tells what a provider said by itself; its subject is the order."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a message. `effect` and `payment` are there where it was applied just now, and told something new."""

    id: str
    status: ProviderEventStatus
    is_new: bool
    payment: Payment | None = None
    effect: ProviderEffect | None = None


def keep_message(session: Session, message: ProviderMessage) -> Kept:
    """Keep a message and apply it, in one transaction. A message id seen before changes nothing but its count."""
    event_id = derived_id("pev", message.provider, message.message_id)
    status = ProviderEventStatus.IGNORED if message.effect is None else ProviderEventStatus.WAITING
    made = insert(ProviderEventRow).values(
        id=event_id,
        business=(message.business or PLATFORM)[:40],
        provider=message.provider,
        message_id=message.message_id,
        type=message.type,
        status=status.value,
        payment_id=None,
        payment_ref=message.payment_ref,
        effect=None if message.effect is None else message.effect.model_dump(mode="json"),
        body_sha256=message.body_sha256,
        reason=None,
        deliveries=1,
        occurred_at=message.occurred_at,
        received_at=now(),
        applied_at=None,
    )
    # two deliveries at once meet at the id: the second waits for the first, and then finds it
    new = session.scalars(made.on_conflict_do_nothing().returning(ProviderEventRow)).one_or_none()
    if new is None:
        return _again(session, event_id)
    if message.effect is None:
        return Kept(event_id, status, is_new=True)
    return apply_message(session, new, message.effect)


def apply_message(session: Session, row: ProviderEventRow, effect: ProviderEffect) -> Kept:
    """Apply a message that waits, where its payment is there; `row` is the caller's alone (just made, or locked)."""
    payment_id = _payment_meant(session, row)
    if payment_id is None:
        return Kept(row.id, ProviderEventStatus.WAITING, is_new=True)
    payment = lock_payment(session, payment_id)
    reason = _mismatch(payment, effect)
    is_news = not any(
        (event.kind, event.reference) == (effect.kind, effect.reference) for event in events_of(session, payment_id)
    )
    if reason is None and effect.kind is not None:
        told = event_row(effect.kind, effect.reference, effect.amount_minor, effect.occurred_at)
        told |= {"reason": effect.reason, "provider_id": effect.provider_id}
        record_events(session, payment, [told], Origin(actor=f"provider:{row.provider}", correlation_id=row.id))
    status = ProviderEventStatus.IGNORED if reason else ProviderEventStatus.APPLIED
    changed = session.execute(
        update(ProviderEventRow)
        .where(ProviderEventRow.id == row.id, ProviderEventRow.status == ProviderEventStatus.WAITING.value)
        .values(
            status=status.value,
            reason=reason,
            business=payment.business,
            payment_id=payment.id,
            applied_at=None if reason else now(),
        )
        .execution_options(synchronize_session=False)
    )
    if rows_changed(changed) != 1 or reason is not None or not is_news:
        return Kept(row.id, status, is_new=True)
    _tell(session, payment, effect, row)
    return Kept(row.id, status, is_new=True, payment=payment_of(session, payment.id), effect=effect)


def apply_waiting(session: Session, *, limit: int = 100) -> list[Kept]:
    """Apply messages that came before their payment and find it now; those are returned."""
    found = session.execute(
        select(ProviderEventRow)
        .join(
            PaymentRow,
            or_(
                PaymentRow.id == ProviderEventRow.payment_ref,
                PaymentRow.id.in_(
                    select(PaymentEventRow.payment_id).where(
                        PaymentEventRow.provider_id == ProviderEventRow.payment_ref
                    )
                ),
            ),
        )
        .where(ProviderEventRow.status == ProviderEventStatus.WAITING.value)
        .order_by(ProviderEventRow.received_at, ProviderEventRow.id)
        .limit(limit)
        .with_for_update(of=ProviderEventRow, skip_locked=True)
    ).scalars()
    done = [apply_message(session, row, ProviderEffect.model_validate(row.effect)) for row in found.unique()]
    return [one for one in done if one.status is not ProviderEventStatus.WAITING]


def _again(session: Session, event_id: str) -> Kept:
    counted = session.execute(
        update(ProviderEventRow)
        .where(ProviderEventRow.id == event_id)
        .values(deliveries=ProviderEventRow.deliveries + 1)
        .returning(ProviderEventRow.status)
        .execution_options(synchronize_session=False)
    )
    return Kept(event_id, ProviderEventStatus(counted.scalar_one()), is_new=False)


def _payment_meant(session: Session, row: ProviderEventRow) -> str | None:
    """Our own id of the payment, or one the provider has told us for something of it."""
    if row.payment_ref is None:
        return None
    own = session.scalars(
        select(PaymentRow.id).where(PaymentRow.id == row.payment_ref, PaymentRow.provider == row.provider)
    ).one_or_none()
    if own is not None:
        return own
    return session.scalars(
        select(PaymentEventRow.payment_id)
        .join(PaymentRow, PaymentRow.id == PaymentEventRow.payment_id)
        .where(PaymentEventRow.provider_id == row.payment_ref, PaymentRow.provider == row.provider)
        .limit(1)
    ).one_or_none()


def _mismatch(payment: PaymentRow, effect: ProviderEffect) -> str | None:
    """Why a message cannot be about this payment."""
    return None if payment.currency == effect.currency else "currency"


def _tell(session: Session, payment: PaymentRow, effect: ProviderEffect, row: ProviderEventRow) -> None:
    told = effect.told or (TOLD.get(effect.kind) if effect.kind else None)
    if told is None:
        return
    refund_id = session.scalars(
        select(RefundShareRow.refund_id).where(RefundShareRow.reference.in_([effect.reference, effect.about or ""]))
    ).first()
    data = {
        "order_id": payment.order_id,
        "payment_id": payment.id,
        "provider": payment.provider,
        "reference": effect.reference,
        "refund_id": refund_id,
        "amount_minor": effect.amount_minor,
        "currency": effect.currency,
        "reason": effect.reason,
        "provider_event_id": row.id,
    }
    publish(session, business=payment.business, type=told, subject=payment.order_id, data=data)


def provider_events_page(
    session: Session,
    business: str,
    *,
    provider: str | None = None,
    status: ProviderEventStatus | None = None,
    payment_id: str | None = None,
    order_id: str | None = None,
    after: str | None = None,
    limit: int = 50,
) -> ProviderEventPage:
    """The messages about payments of a business, newest first; `PLATFORM` has those whose payment is not known."""
    found = (
        select(ProviderEventRow, PaymentRow.order_id)
        .outerjoin(PaymentRow, PaymentRow.id == ProviderEventRow.payment_id)
        .where(ProviderEventRow.business == business)
        .order_by(ProviderEventRow.received_at.desc(), ProviderEventRow.id.desc())
    )
    for column, wanted in (
        (ProviderEventRow.provider, provider),
        (ProviderEventRow.status, status.value if status else None),
        (ProviderEventRow.payment_id, payment_id),
        (PaymentRow.order_id, order_id),
    ):
        if wanted:
            found = found.where(column == wanted)
    if after is not None:
        moment, event_id = read_cursor(after, 2)
        place = tuple_(ProviderEventRow.received_at, ProviderEventRow.id)
        found = found.where(place < (read_moment(moment), event_id))
    size = max(1, min(limit, MAX_PAGE))
    rows = session.execute(found.limit(size + 1)).all()
    last = rows[size - 1][0] if len(rows) > size else None
    return ProviderEventPage(
        events=tuple(_event(row, of_order) for row, of_order in rows[:size]),
        next_cursor=write_cursor(last.received_at.isoformat(), last.id) if last else None,
    )


def _event(row: ProviderEventRow, order_id: str | None) -> ProviderEvent:
    same = ("id", "business", "provider", "message_id", "type", "payment_id", "reason", "deliveries")
    moments = ("occurred_at", "received_at", "applied_at")
    effect = row.effect or {}
    return ProviderEvent(
        **{name: getattr(row, name) for name in (*same, *moments)},
        status=ProviderEventStatus(row.status),
        order_id=order_id,
        amount_minor=effect.get("amount_minor"),
        currency=effect.get("currency"),
    )
