"""The simulator's statement of a day: what was charged, given back and charged back, its fees, and what the bank is sent.

A charge costs 0.6 % and a chargeback a fixed fee; fees are not given back. What a day adds up to is one bank credit with
one reference, a day later; a day below zero is carried by the provider and credited with nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from capabilities.kernel.ids import derived_id
from capabilities.payment.contract import ProviderStatementLine
from capabilities.payment.models import SimulatedActRow
from capabilities.payment.providers.protocol import Action, Outcome
from capabilities.payment.providers.simulator_messages import CHARGEBACK, CHARGEBACK_WON, PROVIDER, REVERSAL

FEE_PER_MILLE = 6
CHARGEBACK_FEE_MINOR = 15_00
PAID_AFTER = timedelta(days=1)

KINDS = {
    Action.CAPTURE.value: ("charge", 1),
    Action.REFUND.value: ("refund", -1),
    REVERSAL: ("refund_reversal", 1),
    CHARGEBACK: ("chargeback", -1),
    CHARGEBACK_WON: ("chargeback_reversal", 1),
}


@dataclass(frozen=True, slots=True)
class BankCredit:
    """What the bank is sent for a day: `amount_minor` is the sum of the lines' nets."""

    business: str
    currency: str
    reference: str
    amount_minor: int
    credited_on: date


def simulated_statement(session: Session, business: str, day: date, currency: str) -> tuple[ProviderStatementLine, ...]:
    """The lines of a day (in UTC), in the order in which it happened. The same day gives the same lines."""
    begins = datetime.combine(day, time(), UTC)
    acts = session.scalars(
        select(SimulatedActRow)
        .where(
            SimulatedActRow.business == business,
            SimulatedActRow.currency == currency,
            SimulatedActRow.outcome == Outcome.SUCCEEDED.value,
            SimulatedActRow.action.in_(list(KINDS)),
            SimulatedActRow.done_at >= begins,
            SimulatedActRow.done_at < begins + timedelta(days=1),
        )
        .order_by(SimulatedActRow.done_at, SimulatedActRow.key)
    )
    reference = bank_reference(business, day, currency)
    return tuple(_line(act, day, reference) for act in acts)


def bank_credit(business: str, day: date, currency: str, lines: Sequence[ProviderStatementLine]) -> BankCredit | None:
    """The bank credit of a day's lines; None where nothing is left to be paid."""
    amount = sum(line.net_minor for line in lines)
    if amount <= 0:
        return None
    return BankCredit(business, currency, bank_reference(business, day, currency), amount, day + PAID_AFTER)


def bank_reference(business: str, day: date, currency: str) -> str:
    """The reference on the bank credit of a day."""
    return derived_id("SIM", business, day.isoformat(), currency)


def fee_of(kind: str, amount_minor: int) -> int:
    """What the simulator takes for an act: half up."""
    if kind == "charge":
        return (2 * amount_minor * FEE_PER_MILLE + 1_000) // 2_000
    return CHARGEBACK_FEE_MINOR if kind == "chargeback" else 0


def _line(act: SimulatedActRow, day: date, reference: str) -> ProviderStatementLine:
    kind, sign = KINDS[act.action]
    gross, fee = sign * act.amount_minor, fee_of(kind, act.amount_minor)
    return ProviderStatementLine.model_validate(
        {
            "provider": PROVIDER,
            "business": act.business,
            "line_id": derived_id("stl", act.key),
            "kind": kind,
            "payment_id": act.payment_id,
            "reference": act.authorization_key if act.action == CHARGEBACK_WON else act.key,
            "provider_id": derived_id("sim", act.key),
            "currency": act.currency,
            "gross_minor": gross,
            "fee_minor": fee,
            "net_minor": gross - fee,
            "occurred_at": act.done_at,
            "settled_on": day.isoformat(),
            "bank_reference": reference,
        }
    )
