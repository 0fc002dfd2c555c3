"""Our acts as a provider's statement would list them: what was charged, given back and taken back, each by its reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from capabilities.payment.models import PaymentEventRow, PaymentRow

ActKind = Literal["charge", "refund", "refund_reversal", "chargeback", "chargeback_reversal"]

_KINDS: dict[str, tuple[ActKind, str]] = {
    "charge_request": ("charge", "pending"),
    "charge_success": ("charge", "succeeded"),
    "charge_failure": ("charge", "failed"),
    "refund_request": ("refund", "pending"),
    "refund_success": ("refund", "succeeded"),
    "refund_failure": ("refund", "failed"),
    "refund_reversal": ("refund_reversal", "succeeded"),
    "chargeback": ("chargeback", "succeeded"),
    "chargeback_reversal": ("chargeback_reversal", "succeeded"),
}
_INCOMING = ("charge", "refund_reversal", "chargeback_reversal")


@dataclass(frozen=True, slots=True)
class KnownAct:
    """An act by its reference, as we know it; what leaves us is negative."""

    reference: str
    kind: ActKind
    payment_id: str
    order_id: str
    amount_minor: int
    currency: str
    status: Literal["pending", "succeeded", "failed"]
    occurred_at: datetime


def acts_of_provider(
    session: Session, business: str, provider: str, *, since: datetime | None, references: Sequence[str] = ()
) -> tuple[KnownAct, ...]:
    """Acts recorded since a moment (None: all), and those of these references, in the order of their references."""
    told = select(PaymentEventRow.reference).where(
        PaymentEventRow.business == business, PaymentEventRow.kind.in_(_KINDS)
    )
    if since is not None:
        told = told.where(or_(PaymentEventRow.recorded_at >= since, PaymentEventRow.reference.in_(list(references))))
    found = session.execute(
        select(PaymentEventRow, PaymentRow.order_id, PaymentRow.currency)
        .join(PaymentRow, PaymentRow.id == PaymentEventRow.payment_id)
        .where(
            PaymentRow.business == business,
            PaymentRow.provider == provider,
            PaymentEventRow.kind.in_(_KINDS),
            PaymentEventRow.is_counted,
            PaymentEventRow.reference.in_(told),
        )
        .order_by(PaymentEventRow.reference, PaymentEventRow.occurred_at, PaymentEventRow.sequence)
    )
    acts: dict[tuple[str, str], KnownAct] = {}
    for event, order_id, currency in found:
        kind, status = _KINDS[event.kind]
        known = acts.get((kind, event.reference))
        if known is not None and status == "pending":
            continue  # a request that is told after its answer says nothing new
        acts[kind, event.reference] = KnownAct(
            reference=event.reference,
            kind=kind,
            payment_id=event.payment_id,
            order_id=order_id,
            amount_minor=event.amount_minor if kind in _INCOMING else -event.amount_minor,
            currency=currency,
            status=status,  # type: ignore[arg-type]
            occurred_at=event.occurred_at,
        )
    return tuple(acts[place] for place in sorted(acts))
