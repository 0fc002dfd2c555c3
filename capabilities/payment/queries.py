"""What can be asked of payment."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from capabilities.kernel.errors import MissingError
from capabilities.payment.contract import Payment, PaymentEvent, PaymentEventKind
from capabilities.payment.fold import amounts, status
from capabilities.payment.models import PaymentEventRow, PaymentRow


def payment_of(session: Session, payment_id: str) -> Payment:
    """The payment of that id; `MissingError` where there is none."""
    row = session.get(PaymentRow, payment_id)
    if row is None:
        raise MissingError("payment.unknown", f"There is no payment {payment_id!r}.")
    return _payment(session, row)


def payment_of_order(session: Session, order_id: str) -> Payment | None:
    """The payment of an order, None where nothing was asked of a provider yet (or the order was imported)."""
    row = session.scalars(select(PaymentRow).where(PaymentRow.order_id == order_id)).one_or_none()
    return None if row is None else _payment(session, row)


def events_of(session: Session, payment_id: str) -> tuple[PaymentEvent, ...]:
    """The events of a payment in the order in which they happened."""
    rows = session.scalars(
        select(PaymentEventRow)
        .where(PaymentEventRow.payment_id == payment_id)
        .order_by(PaymentEventRow.occurred_at, PaymentEventRow.sequence)
    )
    return tuple(
        PaymentEvent(
            kind=PaymentEventKind(row.kind),
            reference=row.reference,
            amount_minor=row.amount_minor,
            occurred_at=row.occurred_at,
            is_counted=row.is_counted,
            reason=row.reason,
            provider_id=row.provider_id,
        )
        for row in rows
    )


def _payment(session: Session, row: PaymentRow) -> Payment:
    events = events_of(session, row.id)
    reasons = [event.reason for event in events if event.reason]
    return Payment(
        id=row.id,
        business=row.business,
        order_id=row.order_id,
        provider=row.provider,
        method=row.method,
        currency=row.currency,
        amount_minor=row.amount_minor,
        status=status(row.amount_minor, events),
        status_reason=reasons[-1] if reasons else None,
        amounts=amounts(events),
        events=events,
        created_at=row.created_at,
    )
