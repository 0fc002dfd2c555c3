"""What belongs to an order beside its price: where its pieces stand, its money, its parts, what can be done to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from activities.journal.models import ProcessRun
from activities.journal.queries import RunFilters, runs_page
from capabilities.payment.contract import Payment
from capabilities.payment.queries import payments_of_order
from capabilities.payment.schedule import Due, DueStatus
from capabilities.payment.schedule_queries import schedule_of
from capabilities.transaction.contract import SOLD, LineUnits, Order, OrderStatus, Refund, RefundKind, Return
from capabilities.transaction.queries import refunds_of
from capabilities.transaction.refundable import refunded_as
from capabilities.transaction.story_queries import OrderStanding, standing_of
from capabilities.transaction.unit_queries import fulfilments_of, returns_of
from web.access.permissions import Action
from web.console.act_dues import due_day
from web.console.acts import words
from web.console.order_choices import line_name
from web.console.payment_words import method_word
from web.console.texts import N_
from web.console.visit import Visit

MOST_RUNS = 20
EARLY = (OrderStatus.DRAFT, OrderStatus.PLACED, OrderStatus.ON_HOLD)


@dataclass(frozen=True, slots=True)
class PiecesLine:
    """Where the pieces of one line stand, and what one of them can be asked for."""

    name: str
    units: LineUnits
    return_href: str | None
    cancel_href: str | None


@dataclass(frozen=True, slots=True)
class Source:
    """One payment of the order, in the recorded order of its sources."""

    payment: Payment
    method: str


@dataclass(frozen=True, slots=True)
class DueLine:
    """A part of the total and when it is to be paid."""

    due: Due
    day: str


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Pieces that left together."""

    at: object
    what: str
    how: str


@dataclass(frozen=True, slots=True)
class ActOffer:
    """Something that can be done to the order now; `may` says whether by this person."""

    href: str
    label: str
    symbol: str
    is_main: bool
    may: bool


@dataclass(frozen=True)
class OrderParts:
    """Everything beside the price."""

    standing: OrderStanding
    pieces: tuple[PiecesLine, ...]
    sources: tuple[Source, ...]
    dues: tuple[DueLine, ...]
    owed_minor: int
    handed_over: tuple[HandedOver, ...]
    returns: tuple[Return, ...]
    refunds: tuple[Refund, ...]
    runs: tuple[ProcessRun, ...]
    acts: tuple[ActOffer, ...]
    who_act: tuple[str, ...]

    @property
    def may_act(self) -> bool:
        return all(act.may for act in self.acts)


def parts_of_order(session: Session, visit: Visit, order: Order) -> OrderParts:
    """Read for the page of an order."""
    standing = standing_of(session, order.id)
    dues = schedule_of(session, order.id)
    names = {line.line_id: line_name(visit, line) for line in order.lines}
    acts = tuple(_acts(visit, order, standing, dues))
    pieces = () if order.origin == "import" else _pieces(session, visit, order, standing, names)
    return OrderParts(
        standing=standing,
        pieces=pieces,
        sources=tuple(Source(one, method_word(visit, one.method)) for one in payments_of_order(session, order.id)),
        dues=tuple(DueLine(due, due_day(visit, due)) for due in dues),
        owed_minor=sum(due.amount_minor for due in dues if due.status in (DueStatus.OPEN, DueStatus.COLLECTING)),
        handed_over=tuple(
            HandedOver(
                made.fulfilled_at,
                ", ".join(f"{line.units} × {names.get(line.line_id, line.line_id)}" for line in made.lines),
                " ".join(part for part in (made.carrier, made.tracking) if part),
            )
            for made in fulfilments_of(session, order.id)
        ),
        returns=returns_of(session, order.id),
        refunds=refunds_of(session, order.id),
        runs=runs_page(session, RunFilters(business=order.business, subject=order.id), limit=MOST_RUNS).runs,
        acts=acts,
        who_act=() if all(act.may for act in acts) else visit.who_may(Action.CHANGE_ORDERS.value),
    )


def _pieces(
    session: Session, visit: Visit, order: Order, standing: OrderStanding, names: Mapping[str, str]
) -> tuple[PiecesLine, ...]:
    cancelled_back = refunded_as(session, order.id, RefundKind.CANCELLATION)
    href = f"{visit.path}/orders/{order.id}"
    may_refund, may_change = visit.may(Action.REFUND_ORDERS.value), visit.may(Action.CHANGE_ORDERS.value)
    found = []
    for units in standing.units:
        kept = units.fulfilled - (units.refunded - cancelled_back.get(units.line_id, 0))
        can_cancel = may_change and order.status is OrderStatus.CONFIRMED and units.open > 0
        found.append(
            PiecesLine(
                name=names.get(units.line_id, units.sku),
                units=units,
                return_href=f"{href}/refund?units.{units.line_id}=1" if may_refund and kept > 0 else None,
                cancel_href=f"{href}/acts/cancel?units.{units.line_id}=1" if can_cancel else None,
            )
        )
    return tuple(found)


def _acts(visit: Visit, order: Order, standing: OrderStanding, dues: tuple[Due, ...]) -> list[ActOffer]:
    """Only what can apply now, in the order in which it is used; one of them is the main one."""
    if order.origin == "import":
        return []
    href = f"{visit.path}/orders/{order.id}"
    change, refund = visit.may(Action.CHANGE_ORDERS.value), visit.may(Action.REFUND_ORDERS.value)
    is_open = order.status is OrderStatus.CONFIRMED and any(units.open for units in standing.units)
    has_left = any(units.fulfilled > units.returned for units in standing.units)
    is_sold = order.confirmed_at is not None and order.status in SOLD | {OrderStatus.CANCELLED}
    found = []
    if is_open:
        found.append(("hand-over", N_("Hand over"), "send", True, change))
    if is_sold and standing.kept_minor > 0:
        found.append(("", N_("Refund"), "undo-2", not is_open, refund))
    if has_left and order.status in SOLD:
        found.append(("return", N_("Announce a return"), "inbox", False, change))
        found.append(("exchange", N_("Exchange"), "git-compare", False, change))
    if is_open or order.status is OrderStatus.DRAFT:
        found.append(("change", N_("Change"), "pencil", False, change))
    if is_open or order.status in EARLY:
        found.append(("cancel", N_("Cancel"), "x", False, change))
    if any(due.status is DueStatus.OPEN for due in dues):
        found.append(("collect", N_("Collect now"), "landmark", False, change))
    return [
        ActOffer(f"{href}/acts/{word}" if word else f"{href}/refund", words(visit, text), symbol, is_main, may)
        for word, text, symbol, is_main, may in found
    ]
