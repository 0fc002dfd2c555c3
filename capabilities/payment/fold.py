"""The amounts of a payment: a pure fold over its events, the same for any order of arrival and any duplicates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from capabilities.payment.contract import PaymentAmounts, PaymentEvent, PaymentEventKind, PaymentStatus

K = PaymentEventKind


@dataclass(frozen=True, slots=True)
class Act:
    """One kind of act: its request, its success and its failure."""

    request: K
    success: K
    failure: K


AUTHORIZATION = Act(K.AUTHORIZATION_REQUEST, K.AUTHORIZATION_SUCCESS, K.AUTHORIZATION_FAILURE)
CHARGE = Act(K.CHARGE_REQUEST, K.CHARGE_SUCCESS, K.CHARGE_FAILURE)
REFUND = Act(K.REFUND_REQUEST, K.REFUND_SUCCESS, K.REFUND_FAILURE)
CANCEL = Act(K.CANCEL_REQUEST, K.CANCEL_SUCCESS, K.CANCEL_FAILURE)


@dataclass(slots=True)
class _Known:
    """The newest event of each kind, by kind and reference."""

    newest: dict[tuple[K, str], PaymentEvent] = field(default_factory=dict)

    def references(self, *kinds: K) -> list[str]:
        return sorted({reference for kind, reference in self.newest if kind in kinds})

    def total(self, kind: K) -> int:
        return sum(event.amount_minor for (of, _), event in self.newest.items() if of is kind)

    def sums(self, act: Act) -> tuple[int, int]:
        """What succeeded, and what was asked for and is not answered yet."""
        done = pending = 0
        for reference in self.references(act.request, act.success, act.failure):
            success = self.newest.get((act.success, reference))
            failure = self.newest.get((act.failure, reference))
            request = self.newest.get((act.request, reference))
            if success is not None and (failure is None or failure.occurred_at <= success.occurred_at):
                done += success.amount_minor
            elif success is None and failure is None and request is not None:
                pending += request.amount_minor
        return done, pending


def amounts(events: Iterable[PaymentEvent]) -> PaymentAmounts:
    """Authorized, charged, refunded, cancelled and their pending twins.

    A charge takes from what is authorized, a refund from what is charged, a cancel from what is authorized, pending ones
    included; a chargeback takes from what is charged until it is won. What is authorized never falls below zero: a charge
    without authorization takes from nothing.
    """
    counted = [event for event in events if event.is_counted]
    adjustment = max((event for event in counted if event.kind is K.AUTHORIZATION_ADJUSTMENT), key=_age, default=None)
    known = _known(counted, adjustment.occurred_at if adjustment else None)
    authorized, authorize_pending = known.sums(AUTHORIZATION)
    charged, charge_pending = known.sums(CHARGE)
    refunded, refund_pending = known.sums(REFUND)
    cancelled, cancel_pending = known.sums(CANCEL)
    granted = authorized + (adjustment.amount_minor if adjustment else 0)
    lost = known.total(K.CHARGEBACK) - known.total(K.CHARGEBACK_REVERSAL)
    reversed_refunds = known.total(K.REFUND_REVERSAL)
    refunded -= reversed_refunds
    return PaymentAmounts(
        authorized_minor=max(0, granted - charged - charge_pending - cancelled - cancel_pending),
        charged_minor=charged - lost - refunded - refund_pending,
        refunded_minor=refunded,
        cancelled_minor=cancelled,
        authorize_pending_minor=authorize_pending,
        charge_pending_minor=charge_pending,
        refund_pending_minor=refund_pending,
        cancel_pending_minor=cancel_pending,
    )


def open_references(events: Iterable[PaymentEvent], act: Act) -> list[str]:
    """References that were asked for and have neither success nor failure yet."""
    known = _known([event for event in events if event.is_counted], None)
    answered = set(known.references(act.success, act.failure))
    return [reference for reference in known.references(act.request) if reference not in answered]


def status(amount_minor: int, events: Iterable[PaymentEvent]) -> PaymentStatus:
    """One word for a payment of `amount_minor` with these events."""
    told = list(events)
    sums = amounts(told)
    if amount_minor == 0:
        return PaymentStatus.NOTHING_DUE
    if sums.refunded_minor > 0 or sums.refund_pending_minor > 0:
        return PaymentStatus.PARTLY_REFUNDED if sums.charged_minor > 0 else PaymentStatus.REFUNDED
    by_word: Mapping[PaymentStatus, bool] = {
        PaymentStatus.CAPTURED: sums.charged_minor > 0,
        PaymentStatus.PENDING: sums.authorize_pending_minor > 0 or sums.charge_pending_minor > 0 or not told,
        PaymentStatus.AUTHORIZED: sums.authorized_minor > 0,
        PaymentStatus.VOIDED: sums.cancelled_minor > 0 or sums.cancel_pending_minor > 0,
    }
    return next((word for word, holds in by_word.items() if holds), PaymentStatus.DECLINED)


def _age(event: PaymentEvent) -> tuple[datetime, int]:
    """Newest last; of two at the same moment the larger amount, so that the order of arrival decides nothing."""
    return event.occurred_at, event.amount_minor


def _known(events: Iterable[PaymentEvent], adjusted_at: datetime | None) -> _Known:
    """The newest of each kind and reference; an adjustment voids the authorization events before it."""
    known = _Known()
    authorization = {AUTHORIZATION.request, AUTHORIZATION.success, AUTHORIZATION.failure}
    for event in events:
        if adjusted_at is not None and event.kind in authorization and event.occurred_at <= adjusted_at:
            continue
        held = known.newest.get((event.kind, event.reference))
        if held is None or _age(event) > _age(held):
            known.newest[event.kind, event.reference] = event
    return known
