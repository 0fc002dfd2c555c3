"""Payments from stored value: our own ledger is their provider, and says yes or no in the same transaction.

What it did is told by the same events that a provider's answers become, so that all sources fold alike.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.ids import derived_id
from capabilities.payment.contract import Payment, PreparePayment
from capabilities.payment.fold import AUTHORIZATION, CANCEL, CHARGE, REFUND, Act
from capabilities.payment.queries import payment_of
from capabilities.payment.service import Origin, event_row, prepare_payment, record_events


def reserve_source(session: Session, request: PreparePayment, *, origin: Origin) -> Payment:
    """The payment of a stored source, its amount reserved in the ledger in this transaction."""
    payment = prepare_payment(session, request)
    if payment.amount_minor == 0 or payment.events:
        return payment
    return _done(session, payment, AUTHORIZATION, payment.amount_minor, "reserved", origin)


def post_source(session: Session, payment: Payment, *, origin: Origin) -> Payment:
    """What was reserved was posted in the ledger in this transaction. A second time changes nothing."""
    if payment.amounts.authorized_minor == 0:
        return payment
    return _done(session, payment, CHARGE, payment.amounts.authorized_minor, "posted", origin)


def release_source(session: Session, payment: Payment, *, origin: Origin) -> Payment:
    """What was reserved was let go, or what was posted given back, in this transaction. A second time changes nothing."""
    sums = payment.amounts
    if sums.authorized_minor > 0:
        payment = _done(session, payment, CANCEL, sums.authorized_minor, "released", origin)
    if sums.charged_minor > 0:
        payment = _done(session, payment, REFUND, sums.charged_minor, "taken back", origin)
    return payment


def _done(session: Session, payment: Payment, act: Act, amount_minor: int, what: str, origin: Origin) -> Payment:
    """Asked and done at one moment."""
    reference, moment = derived_id("sto", payment.id, what), now()
    rows = [event_row(kind, reference, amount_minor, moment) for kind in (act.request, act.success)]
    record_events(session, payment, rows, origin)
    return payment_of(session, payment.id)
