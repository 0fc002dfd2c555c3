"""What can be asked of payment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, bindparam, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.cursor import read_cursor, read_moment, write_cursor
from capabilities.kernel.database import kept
from capabilities.kernel.errors import MissingError
from capabilities.payment.contract import (
    Payment,
    PaymentEvent,
    PaymentEventKind,
    PaymentFilters,
    PaymentPage,
    SourceKind,
    TimelineEntry,
    kind_of_method,
)
from capabilities.payment.fold import amounts, status
from capabilities.payment.models import PaymentEventRow, PaymentRow

MAX_PAGE = 200
ROWS = "payment.rows"
EVENTS = (
    select(PaymentEventRow)
    .where(PaymentEventRow.payment_id == bindparam("payment_id"))
    .order_by(PaymentEventRow.occurred_at, PaymentEventRow.sequence)
)
OF_ORDER = select(PaymentRow).where(PaymentRow.order_id == bindparam("order_id")).order_by(PaymentRow.position)
STORED = tuple(kind.value for kind in SourceKind if kind.is_stored)
LATELY = timedelta(minutes=5)
FEWEST_ASKED = 3
"""A provider that was asked less often lately is not called silent."""


# --- payments ---------------------------------------------------------------------------------------------------


def payment_of(session: Session, payment_id: str) -> Payment:
    """The payment of that id; `MissingError` where there is none."""
    row = payment_row(session, payment_id)
    return payment_from(row, events_of(session, row.id))


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
    """The first payment of an order, None where nothing was asked of anybody yet (or the order was imported)."""
    row = session.scalars(OF_ORDER.limit(1), {"order_id": order_id}).one_or_none()
    return None if row is None else payment_from(row, events_of(session, row.id))


def payments_of_order(session: Session, order_id: str) -> tuple[Payment, ...]:
    """The payments of an order, one a source, in their recorded order."""
    rows = session.scalars(OF_ORDER, {"order_id": order_id}).all()
    return tuple(payment_from(row, events_of(session, row.id)) for row in rows)


def payment_of_reference(session: Session, reference: str) -> Payment | None:
    """The payment a provider's id or one of our keys stands for: what an operator reads in a provider's own pages."""
    found = session.scalars(
        select(PaymentEventRow.payment_id)
        .where(or_(PaymentEventRow.provider_id == reference, PaymentEventRow.reference == reference))
        .limit(1)
    ).one_or_none()
    return None if found is None else payment_of(session, found)


def payments_page(
    session: Session, filters: PaymentFilters, *, after: str | None = None, limit: int = 50
) -> PaymentPage:
    """Payments, newest first."""
    found = _narrowed(filters).order_by(PaymentRow.created_at.desc(), PaymentRow.id.desc())
    if after is not None:
        moment, payment_id = read_cursor(after, 2)
        found = found.where(tuple_(PaymentRow.created_at, PaymentRow.id) < (read_moment(moment), payment_id))
    size = min(limit, MAX_PAGE)
    rows = session.scalars(found.limit(size + 1)).all()
    events = _events_of_all(session, [row.id for row in rows[:size]])
    last = rows[size - 1] if len(rows) > size else None
    return PaymentPage(
        payments=tuple(payment_from(row, events.get(row.id, ())) for row in rows[:size]),
        next_cursor=write_cursor(last.created_at.isoformat(), last.id) if last else None,
    )


def _narrowed(filters: PaymentFilters) -> Select[PaymentRow]:
    found = select(PaymentRow).where(PaymentRow.business == filters.business)
    for column, wanted in (
        (PaymentRow.provider, filters.provider),
        (PaymentRow.method, filters.method),
        (PaymentRow.order_id, filters.order_id),
    ):
        if wanted:
            found = found.where(column == wanted)
    if filters.kinds:
        stored = [kind.value for kind in filters.kinds if kind.is_stored]
        named = PaymentRow.method.in_(stored)
        is_card = PaymentRow.method.not_in(STORED)
        found = found.where(or_(named, is_card) if SourceKind.CARD in filters.kinds else named)
    if filters.created_from:
        found = found.where(PaymentRow.created_at >= filters.created_from)
    if filters.created_until:
        found = found.where(PaymentRow.created_at < filters.created_until)
    if filters.has_event:
        found = found.where(_has(PaymentEventRow.kind == filters.has_event.value))
    if filters.text:
        text = filters.text.strip()
        told = or_(PaymentEventRow.reference == text, PaymentEventRow.provider_id == text)
        found = found.where(or_(PaymentRow.id == text, PaymentRow.order_id == text, _has(told)))
    return found


def _has(condition: Any) -> Any:
    return exists().where(PaymentEventRow.payment_id == PaymentRow.id, condition)


def payment_from(row: PaymentRow, events: tuple[PaymentEvent, ...]) -> Payment:
    """The payment of a row with its events."""
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
        position=row.position,
        kind=kind_of_method(row.method),
        reference=row.reference,
        routed_by=row.routed_by,
    )


# --- events -----------------------------------------------------------------------------------------------------


def events_of(session: Session, payment_id: str) -> tuple[PaymentEvent, ...]:
    """The events of a payment in the order in which they happened."""
    return tuple(map(_event, session.scalars(EVENTS, {"payment_id": payment_id})))


def _events_of_all(session: Session, payment_ids: Iterable[str]) -> dict[str, tuple[PaymentEvent, ...]]:
    found = select(PaymentEventRow).where(PaymentEventRow.payment_id.in_(list(payment_ids)))
    events: dict[str, tuple[PaymentEvent, ...]] = {}
    for row in session.scalars(found.order_by(PaymentEventRow.occurred_at, PaymentEventRow.sequence)):
        events[row.payment_id] = (*events.get(row.payment_id, ()), _event(row))
    return events


def timeline_of_order(session: Session, order_id: str) -> tuple[TimelineEntry, ...]:
    """Everything asked and told of an order's payments, in the order in which it happened."""
    found = session.execute(
        select(PaymentEventRow, PaymentRow)
        .join(PaymentRow, PaymentRow.id == PaymentEventRow.payment_id)
        .where(PaymentRow.order_id == order_id)
        .order_by(PaymentEventRow.occurred_at, PaymentEventRow.sequence)
    )
    same = ("reference", "amount_minor", "occurred_at", "recorded_at", "is_counted", "reason", "provider_id", "actor")
    return tuple(
        TimelineEntry(
            **{name: getattr(event, name) for name in same},
            payment_id=payment.id,
            position=payment.position,
            method=payment.method,
            kind=PaymentEventKind(event.kind),
            currency=payment.currency,
            correlation_id=event.correlation_id,
        )
        for event, payment in found
    )


def _event(row: PaymentEventRow) -> PaymentEvent:
    return PaymentEvent(
        kind=PaymentEventKind(row.kind),
        reference=row.reference,
        amount_minor=row.amount_minor,
        occurred_at=row.occurred_at,
        is_counted=row.is_counted,
        reason=row.reason,
        provider_id=row.provider_id,
    )


def silent_providers(session: Session) -> tuple[str, ...]:
    """Providers that left most of what they were asked to authorize in the last minutes without an answer."""
    answered = exists().where(
        PaymentEventRow.payment_id == PaymentRow.id,
        PaymentEventRow.kind.in_(("authorization_success", "authorization_failure")),
    )
    unanswered = func.count().filter(~answered)
    found = session.scalars(
        select(PaymentRow.provider)
        .where(PaymentRow.created_at > now() - LATELY, PaymentRow.method.not_in(STORED))
        .group_by(PaymentRow.provider)
        .having(func.count() >= FEWEST_ASKED, 2 * unanswered > func.count())
        .order_by(PaymentRow.provider)
    )
    return tuple(found)
