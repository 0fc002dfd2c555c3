"""Writes of payment: the payment of an order, and what was asked and told about it. Rows are only ever added."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.database import table_of
from capabilities.kernel.errors import ConflictError, InvalidError, MissingError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.ids import derived_id
from capabilities.payment.contract import Payment, PaymentEventKind, PreparePayment
from capabilities.payment.extensions import provider_of_method
from capabilities.payment.models import PaymentEventRow, PaymentRow, RefundShareRow
from capabilities.payment.providers.protocol import Action, Outcome, ProviderReport
from capabilities.payment.queries import events_of, keep_row, payment_from, payment_row

K = PaymentEventKind
ADD_EVENTS = insert(table_of(PaymentEventRow)).on_conflict_do_nothing()

REQUESTS = {
    Action.AUTHORIZE: K.AUTHORIZATION_REQUEST,
    Action.CAPTURE: K.CHARGE_REQUEST,
    Action.VOID: K.CANCEL_REQUEST,
    Action.REFUND: K.REFUND_REQUEST,
}
TOLD = {
    (Action.AUTHORIZE, Outcome.SUCCEEDED): K.AUTHORIZATION_SUCCESS,
    (Action.AUTHORIZE, Outcome.DECLINED): K.AUTHORIZATION_FAILURE,
    (Action.CAPTURE, Outcome.SUCCEEDED): K.CHARGE_SUCCESS,
    (Action.CAPTURE, Outcome.DECLINED): K.CHARGE_FAILURE,
    (Action.VOID, Outcome.SUCCEEDED): K.CANCEL_SUCCESS,
    (Action.VOID, Outcome.DECLINED): K.CANCEL_FAILURE,
    (Action.REFUND, Outcome.SUCCEEDED): K.REFUND_SUCCESS,
    (Action.REFUND, Outcome.DECLINED): K.REFUND_FAILURE,
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asked, and the run to trace it by; stands on every event."""

    actor: str
    correlation_id: str


NOBODY = "nobody"
"""The provider of a payment of nothing by what no provider takes, such as cash that is due on delivery."""


def _usual_provider(request: PreparePayment) -> str:
    try:
        return provider_of_method.for_identity(BusinessIdentity(request.business))(request.method)
    except InvalidError:
        if request.amount_minor > 0:
            raise
        return NOBODY


def prepare_payment(session: Session, request: PreparePayment) -> Payment:
    """The payment of an order's source, made on first use and locked until the transaction ends. Another amount conflicts.

    Another method is taken over: a buyer who was declined may try again with another card.
    """
    payment_id = payment_id_of(request.order_id, request.position)
    provider = request.provider or _usual_provider(request)
    chosen = {"provider": provider, "method": request.method, "routed_by": request.routed_by}
    made = insert(PaymentRow).values(
        id=payment_id,
        business=request.business,
        order_id=request.order_id,
        position=request.position,
        currency=request.currency,
        amount_minor=request.amount_minor,
        reference=request.reference,
        created_at=now(),
        **chosen,
    )
    new = session.scalars(made.on_conflict_do_nothing().returning(PaymentRow)).one_or_none()
    if new is not None:
        return payment_from(new, ())
    row = lock_payment(session, payment_id)
    same = (row.business, row.currency, row.amount_minor, row.reference)
    if same != (request.business, request.currency, request.amount_minor, request.reference):
        raise ConflictError("payment.amount_changed", "The payment of this order was prepared for another amount.")
    if row.method != request.method:
        session.execute(
            update(PaymentRow)
            .where(PaymentRow.id == payment_id)
            .values(**chosen)
            .execution_options(synchronize_session=False)
        )
        session.refresh(row)
    return payment_from(row, events_of(session, row.id))


def payment_id_of(order_id: str, position: int = 0) -> str:
    """The id of an order's payment; it follows from the order, so that a repeated step finds it."""
    return derived_id("pay", order_id, *([str(position)] if position else []))


def lock_payment(session: Session, payment_id: str) -> PaymentRow:
    """The payment, locked: whoever asks the provider for something waits for whoever does it at the same time."""
    row = session.scalars(_locking(PaymentRow.id == payment_id)).one_or_none()
    if row is None:
        raise MissingError("payment.unknown", f"There is no payment {payment_id!r}.")
    keep_row(session, row)
    return row


def lock_payments(session: Session, order_id: str) -> tuple[Payment, ...]:
    """The payments of an order, all locked in their recorded order; none where nothing was prepared."""
    return _locked(session, PaymentRow.order_id == order_id)


def lock_payments_beside(session: Session, payment_id: str) -> tuple[Payment, ...]:
    """The payments of the order that this payment belongs to, all locked; `MissingError` where there is no such payment."""
    order = select(PaymentRow.order_id).where(PaymentRow.id == payment_id).scalar_subquery()
    found = _locked(session, PaymentRow.order_id == order)
    if not found:
        raise MissingError("payment.unknown", f"There is no payment {payment_id!r}.")
    return found


def _locked(session: Session, condition: ColumnElement[bool]) -> tuple[Payment, ...]:
    rows = session.scalars(_locking(condition).order_by(PaymentRow.position)).all()
    for row in rows:
        keep_row(session, row)
    return tuple(payment_from(row, events_of(session, row.id)) for row in rows)


def _locking(condition: ColumnElement[bool]) -> Select[PaymentRow]:
    return select(PaymentRow).where(condition).with_for_update().execution_options(populate_existing=True)


def is_refund_share(session: Session, references: Sequence[str]) -> bool:
    """Whether one of these keys gives back a share of a refund."""
    found = select(RefundShareRow.reference).where(RefundShareRow.reference.in_(references)).limit(1)
    return session.scalars(found).one_or_none() is not None


def record_request(
    session: Session, payment: Payment, *, action: Action, reference: str, amount_minor: int, origin: Origin
) -> None:
    """Write that something is about to be asked. The caller holds the payment's lock and knows that it is new."""
    record_events(session, payment, [event_row(REQUESTS[action], reference, amount_minor, now())], origin)


def record_reports(session: Session, payment_id: str, reports: Iterable[ProviderReport], origin: Origin) -> None:
    """Write what the provider said. Hearing it again, in any order, changes nothing."""
    told = [
        {
            **event_row(TOLD[report.action, report.outcome], report.key, report.amount_minor, report.occurred_at),
            "reason": report.reason,
            "provider_id": report.provider_id,
        }
        for report in reports
        if (report.action, report.outcome) in TOLD
    ]
    if told:
        record_events(session, payment_row(session, payment_id), told, origin)


def event_row(kind: K, reference: str, amount_minor: int, occurred_at: datetime) -> dict[str, object]:
    """An event to be written with `record_events`."""
    return {
        "kind": kind.value,
        "reference": reference,
        "amount_minor": amount_minor,
        "occurred_at": occurred_at,
        "reason": None,
        "provider_id": None,
    }


def record_events(
    session: Session, payment: Payment | PaymentRow, events: Sequence[dict[str, object]], origin: Origin
) -> None:
    """Add events to a payment; one that is there already changes nothing."""
    same = {
        "payment_id": payment.id,
        "business": payment.business,
        "recorded_at": now(),
        "is_counted": True,
        "actor": origin.actor,
        "correlation_id": origin.correlation_id,
    }
    session.execute(ADD_EVENTS, [same | event for event in events])
