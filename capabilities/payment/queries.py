"""What can be asked of payment."""

from __future__ import annotations

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from capabilities.kernel.database import kept
from capabilities.kernel.errors import MissingError
from capabilities.payment.contract import Payment, PaymentEvent, PaymentEventKind
from capabilities.payment.fold import amounts, status
from capabilities.payment.models import PaymentEventRow, PaymentRow

ROWS = "payment.rows"
EVENTS = (
    select(PaymentEventRow)
    .where(PaymentEventRow.payment_id == bindparam("payment_id"))
    .order_by(PaymentEventRow.occurred_at, PaymentEventRow.sequence)
)


def payment_of(session: Session, payment_id: str) -> Payment:
    """The payment of that id; `MissingError` where there is none."""
    return _payment(session, payment_row(session, payment_id))


def payment_row(session: Session, payment_id: str) -> PaymentRow:
    """What was prepared, read once a transaction: a session alone forgets a row nobody holds."""
    rows: dict[str, PaymentRow] = kept(session, ROWS)
    if payment_id not in rows:
        row = session.get(PaymentRow, payment_id)
        if row is None:
            raise MissingError("payment.unknown", f"There is no payment {payment_id!r}.")
        keep_row(session, row)
    return rows[payment_id]


def keep_row(session: Session, row: PaymentRow) -> None:
    """Hold on to what was read, until the transaction ends."""
    kept(session, ROWS)[row.id] = row


def payment_of_order(session: Session, order_id: str) -> Payment | None:
    """The payment of an order, None where nothing was asked of a provider yet (or the order was imported)."""
    row = session.scalars(select(PaymentRow).where(PaymentRow.order_id == order_id)).one_or_none()
    return None if row is None else _payment(session, row)


def events_of(session: Session, payment_id: str) -> tuple[PaymentEvent, ...]:
    """The events of a payment in the order in which they happened."""
    rows = session.scalars(EVENTS, {"payment_id": payment_id})
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
