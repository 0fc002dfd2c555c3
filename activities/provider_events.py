"""What a provider tells us by itself: read, checked, kept and applied; and what has to begin because of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from capabilities.kernel.errors import InvalidError, MissingError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.payment.contract import PaymentEventKind, ProviderEventStatus
from capabilities.payment.extensions import find_provider
from capabilities.payment.provider_events import Kept, apply_waiting, keep_message
from capabilities.payment.providers.protocol import ProviderEffect, ProviderMessage
from capabilities.payment.returned import refund_of_reference, returned_of
from capabilities.transaction.contract import Order
from capabilities.transaction.queries import order_of

ACTOR = "system:provider_messages"
"""Who begins what a message calls for: its later steps are ours, only the message itself is the provider's."""
CHARGEBACK_PROCESS = "chargeback"
RETURNED_PROCESS = "refund_returned"
RETURNED = frozenset({PaymentEventKind.REFUND_FAILURE, PaymentEventKind.REFUND_REVERSAL})


@dataclass(frozen=True, slots=True)
class ToBegin:
    """A process to begin in the same commit: which, for whom, with what, and a key that lets it begin once."""

    process: str
    identity: BusinessIdentity
    input: dict[str, Any]
    key: str
    actor: str


@dataclass(frozen=True, slots=True)
class Received:
    """A message, kept. `to_begin` only where it was applied just now."""

    id: str
    status: ProviderEventStatus
    is_new: bool
    to_begin: ToBegin | None = None


def read_message(provider: str, headers: Mapping[str, str], body: bytes) -> ProviderMessage:
    """The message of a provider, its signature checked. Asks nobody and keeps nothing."""
    try:
        known = find_provider(provider)
    except InvalidError as error:
        raise MissingError(error.code, error.message) from error
    return known.read_message(headers, body)


def receive(session: Session, message: ProviderMessage) -> Received:
    """Keep the message and apply it; the caller commits, together with what begins because of it."""
    return _received(session, keep_message(session, message))


def receive_waiting(session: Session, *, limit: int = 100) -> list[Received]:
    """Apply the messages that came before their payment; for a job that repeats."""
    return [_received(session, kept) for kept in apply_waiting(session, limit=limit)]


def _received(session: Session, kept: Kept) -> Received:
    return Received(kept.id, kept.status, kept.is_new, _to_begin(session, kept))


def _to_begin(session: Session, kept: Kept) -> ToBegin | None:
    payment, effect = kept.payment, kept.effect
    if payment is None or effect is None:
        return None
    order = order_of(session, payment.order_id)
    if effect.kind in RETURNED:
        return _refund_returned(session, order, effect)
    if effect.kind is not PaymentEventKind.CHARGEBACK:
        return None
    return ToBegin(
        process=CHARGEBACK_PROCESS,
        identity=BusinessIdentity(order.business, order.scenario),
        input={
            "order_id": order.id,
            "reference": effect.reference,
            "reason": effect.reason or "",
            "amount_minor": effect.amount_minor,
            "fee_minor": 0,
        },
        key=f"{payment.id}/{effect.reference}",
        actor=ACTOR,
    )


def _refund_returned(session: Session, order: Order, effect: ProviderEffect) -> ToBegin | None:
    """A refund that had succeeded and whose money is here again; one that fails at once ends by its own process."""
    refund_id = refund_of_reference(session, effect.about or effect.reference)
    if refund_id is None or returned_of(session, refund_id) == 0:
        return None
    return ToBegin(
        process=RETURNED_PROCESS,
        identity=BusinessIdentity(order.business, order.scenario),
        input={
            "refund_id": refund_id,
            "order_id": order.id,
            "reason": f"The money came back: {effect.reason}" if effect.reason else "The money came back.",
        },
        key=f"returned/{refund_id}",
        actor=ACTOR,
    )
