"""Writes of payment: the payment of an order, and what was asked and told about it. Rows are only ever added."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.database import table_of
from capabilities.kernel.errors import ConflictError, MissingError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.ids import derived_id
from capabilities.payment.contract import Payment, PaymentEventKind, PreparePayment
from capabilities.payment.extensions import provider_of_method
from capabilities.payment.models import PaymentEventRow, PaymentRow
from capabilities.payment.providers.protocol import Action, Outcome, ProviderReport
from capabilities.payment.queries import keep_row, payment_row

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


def prepare_payment(session: Session, request: PreparePayment) -> PaymentRow:
    """The payment of an order, made on first use and locked until the transaction ends. Another amount conflicts.

    Another method is taken over: a buyer who was declined may try again with another card.
    """
    payment_id = derived_id("pay", request.order_id)
    provider = provider_of_method.for_identity(BusinessIdentity(request.business))(request.method)
    made = insert(PaymentRow).values(
        id=payment_id,
        business=request.business,
        order_id=request.order_id,
        provider=provider,
        method=request.method,
        currency=request.currency,
        amount_minor=request.amount_minor,
        created_at=now(),
    )
    new = session.scalars(made.on_conflict_do_nothing().returning(PaymentRow)).one_or_none()
    if new is not None:
        return new
    row = lock_payment(session, payment_id)
    if (row.business, row.currency, row.amount_minor) != (request.business, request.currency, request.amount_minor):
        raise ConflictError("payment.amount_changed", "The payment of this order was prepared for another amount.")
    if row.method != request.method:
        session.execute(
            update(PaymentRow)
            .where(PaymentRow.id == payment_id)
            .values(method=request.method, provider=provider)
            .execution_options(synchronize_session=False)
        )
        session.refresh(row)
    return row


def lock_payment(session: Session, payment_id: str) -> PaymentRow:
    """The payment, locked: whoever asks the provider for something waits for whoever does it at the same time."""
    row = session.execute(
        select(PaymentRow)
        .where(PaymentRow.id == payment_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if row is None:
        raise MissingError("payment.unknown", f"There is no payment {payment_id!r}.")
    keep_row(session, row)
    return row


def record_request(
    session: Session, payment: Payment, *, action: Action, reference: str, amount_minor: int, origin: Origin
) -> None:
    """Write that something is about to be asked. The caller holds the payment's lock and knows that it is new."""
    _add(session, payment, [_event(REQUESTS[action], reference, amount_minor, now())], origin)


def record_reports(session: Session, payment_id: str, reports: Iterable[ProviderReport], origin: Origin) -> None:
    """Write what the provider said. Hearing it again, in any order, changes nothing."""
    told = [
        {
            **_event(TOLD[report.action, report.outcome], report.key, report.amount_minor, report.occurred_at),
            "reason": report.reason,
            "provider_id": report.provider_id,
        }
        for report in reports
        if (report.action, report.outcome) in TOLD
    ]
    if told:
        _add(session, payment_row(session, payment_id), told, origin)


def _event(kind: K, reference: str, amount_minor: int, occurred_at: datetime) -> dict[str, object]:
    return {
        "kind": kind.value,
        "reference": reference,
        "amount_minor": amount_minor,
        "occurred_at": occurred_at,
        "reason": None,
        "provider_id": None,
    }


def _add(session: Session, payment: Payment | PaymentRow, events: list[dict[str, object]], origin: Origin) -> None:
    same = {
        "payment_id": payment.id,
        "business": payment.business,
        "recorded_at": now(),
        "is_counted": True,
        "actor": origin.actor,
        "correlation_id": origin.correlation_id,
    }
    session.execute(ADD_EVENTS, [same | event for event in events])
