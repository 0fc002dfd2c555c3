"""What of an order is due when: types, and the pure arithmetic that makes dues of terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from capabilities.kernel.errors import InvalidError, RefusedError
from capabilities.kernel.money import Currency, split_minor
from capabilities.payment.terms import WHOLE_BPS, AllNow, Deposit, Instalments, OnDelivery, RefuseTerms, TermsEffect

_TERMS: TypeAdapter[TermsEffect] = TypeAdapter(TermsEffect)


class Contract(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DueWhen(StrEnum):
    """With the checkout, at a time, or when the goods are handed over."""

    NOW = "now"
    AT = "at"
    ON_DELIVERY = "on_delivery"


class DueStatus(StrEnum):
    """Open, claimed by a run that collects it, paid; or owed no longer."""

    OPEN = "open"
    COLLECTING = "collecting"
    PAID = "paid"
    CANCELLED = "cancelled"
    WRITTEN_OFF = "written_off"


class PlannedDue(Contract):
    """A due before it is written. `due_at` is there for `at` only."""

    when: DueWhen
    amount_minor: int = Field(gt=0)
    due_at: datetime | None = None


class Due(Contract):
    """A part of an order's total and when it is to be paid. `amount_minor` is what is left after refunds took some of it.

    `attempts` counts the times its collection was declined; `next_try_at` is when it is tried again.
    """

    order_id: str
    business: str
    buyer_id: str | None
    position: int
    when: DueWhen
    status: DueStatus
    currency: Currency
    planned_minor: int
    amount_minor: int
    due_at: datetime | None
    attempts: int
    next_try_at: datetime | None
    claim: str | None
    payment_id: str | None
    reason: str | None
    paid_at: datetime | None


class DuePage(Contract):
    """One page of dues by the day they are due; `next_cursor` is None on the last."""

    dues: tuple[Due, ...]
    next_cursor: str | None


class DueFilters(Contract):
    """What a list of dues is narrowed to. `overdue_at`: only those that were due before that moment and are not paid."""

    business: str
    statuses: tuple[DueStatus, ...] = ()
    buyer_id: str | None = None
    order_id: str | None = None
    overdue_at: datetime | None = None


class Owed(Contract):
    """What a buyer owes of all orders together, and what of it is overdue."""

    owed_minor: int
    overdue_minor: int


def terms_of(effects: Sequence[Mapping[str, Any]]) -> TermsEffect:
    """The terms that were decided; without any, all is paid at once."""
    return _TERMS.validate_python(dict(effects[0])) if effects else AllNow()


def dues_of(
    terms: TermsEffect, total_minor: int, *, at: datetime, zone: str, service_date: date | None = None
) -> tuple[PlannedDue, ...]:
    """The dues of an order, in order of payment; they add up to its total exactly.

    Days are days in `zone`; a due falls at 09:00 there. Raises `RefusedError` for refused terms, or cash on delivery
    beyond its limit; `InvalidError` for a deposit on something that has no date.
    """
    if total_minor == 0:
        return ()
    match terms:
        case RefuseTerms(reason=reason):
            raise RefusedError("payment.terms_refused", reason, mend="Choose another way to pay.")
        case OnDelivery(most_minor=most) if most is not None and total_minor > most:
            raise RefusedError(
                "payment.terms_refused",
                "The order is too large to be paid on delivery.",
                mend="Choose another way to pay, or split the order.",
                most_minor=most,
            )
        case OnDelivery():
            return (PlannedDue(when=DueWhen.ON_DELIVERY, amount_minor=total_minor),)
        case Deposit():
            return _deposit(terms, total_minor, at=at, zone=zone, service_date=service_date)
        case Instalments():
            return _instalments(terms, total_minor, at=at, zone=zone)
    return (PlannedDue(when=DueWhen.NOW, amount_minor=total_minor),)


def _deposit(
    terms: Deposit, total_minor: int, *, at: datetime, zone: str, service_date: date | None
) -> tuple[PlannedDue, ...]:
    if service_date is None:
        raise InvalidError(
            "payment.service_date_missing",
            "A deposit needs to know the day of the service, and nothing in the order has one.",
            mend="Give the offer a date, or change the payment terms.",
        )
    day = service_date - timedelta(days=terms.days_before)
    deposit, balance = split_minor(total_minor, [terms.rate_bps, WHOLE_BPS - terms.rate_bps])
    if day <= at.astimezone(ZoneInfo(zone)).date() or not deposit or not balance:
        return (PlannedDue(when=DueWhen.NOW, amount_minor=total_minor),)
    return (
        PlannedDue(when=DueWhen.NOW, amount_minor=deposit),
        PlannedDue(when=DueWhen.AT, amount_minor=balance, due_at=_morning(day, zone)),
    )


def _instalments(terms: Instalments, total_minor: int, *, at: datetime, zone: str) -> tuple[PlannedDue, ...]:
    today = at.astimezone(ZoneInfo(zone)).date()
    dues = []
    for number, amount in enumerate(split_minor(total_minor, [1] * terms.count)):
        interval = number if terms.first_now else number + 1
        if amount == 0:
            continue
        if interval == 0:
            dues.append(PlannedDue(when=DueWhen.NOW, amount_minor=amount))
        else:
            day = today + timedelta(days=interval * terms.days_between)
            dues.append(PlannedDue(when=DueWhen.AT, amount_minor=amount, due_at=_morning(day, zone)))
    return tuple(dues)


def _morning(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(9), ZoneInfo(zone)).astimezone(ZoneInfo("UTC"))


def less_owed(dues: Sequence[Due], amount_minor: int) -> dict[int, int]:
    """What each open due is afterwards if the buyer owes `amount_minor` less: the last dues go first.

    By position. Raises `RefusedError` where less than that is open.
    """
    left = amount_minor
    after: dict[int, int] = {}
    for due in sorted(dues, key=lambda due: due.position, reverse=True):
        if left and due.status is DueStatus.OPEN:
            taken = min(left, due.amount_minor)
            after[due.position] = due.amount_minor - taken
            left -= taken
    if left:
        raise RefusedError(
            "payment.owed_less",
            "The buyer does not owe that much any more.",
            mend="Look at the schedule again; a part may be being collected right now.",
            short_minor=left,
        )
    return after
