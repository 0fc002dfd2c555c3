"""Acts about pieces of an order: called off, handed over, announced to come back."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from capabilities.kernel.identity import BusinessIdentity
from capabilities.transaction.contract import Order, OrderStatus, RefundKind, RefundRequest, ReturnStatus, UnitsOfLine
from capabilities.transaction.unit_queries import returns_of
from web.console.acts import ActPage, Preview, Table, input_of, pieces, reason_field, words
from web.console.doing import Given
from web.console.order_choices import (
    OrderAct,
    as_json,
    chosen_units,
    frozen_units,
    goods_units,
    names_by_line,
    order_crumbs,
    order_href,
    shown_money,
    total_of,
    unit_fields,
)
from web.console.texts import N_
from web.console.visit import Visit
from workflows.previewing import preview_of_refund

NOT_CONFIRMED = (OrderStatus.DRAFT, OrderStatus.PLACED, OrderStatus.ON_HOLD)


def pieces_table(visit: Visit, order: Order, lines: tuple[UnitsOfLine, ...]) -> Table:
    """The chosen pieces by line."""
    names = names_by_line(visit, order)
    return Table(
        head=(words(visit, N_("Item")), words(visit, N_("Pieces"))),
        rows=tuple((names.get(line.line_id, line.line_id), str(line.units)) for line in lines),
        foot=(words(visit, N_("Total")), str(total_of(lines))),
        numbers=(1,),
    )


class CancelAct(OrderAct):
    """Call off what is not handed over: of a confirmed order pieces or all that is open, of an earlier one the whole."""

    process = "cancel"
    word = "cancel"

    def frame(self, session: Session, visit: Visit, subject: Order, given: Given) -> ActPage:
        is_early = subject.status in NOT_CONFIRMED
        most = self._open(session, subject)
        blocked = ""
        if not is_early and (subject.status is not OrderStatus.CONFIRMED or not any(most.values())):
            blocked = words(
                visit, N_("Nothing of this order is open: what was handed over is returned, not cancelled.")
            )
        return ActPage(
            heading=words(visit, N_("Cancel order %(number)s"), number=subject.number),
            crumbs=order_crumbs(visit, subject),
            href=self.href(visit, subject),
            back=order_href(visit, subject),
            fields=() if is_early else unit_fields(visit, subject, most, given, default=most),
            empty=words(visit, N_("Choose the pieces to cancel.")),
            blocked=blocked,
        )

    def preview(self, session: Session, visit: Visit, subject: Order, given: Given) -> Preview | None:
        if subject.status in NOT_CONFIRMED:
            return Preview(
                sentence=words(
                    visit,
                    N_(
                        "Cancel order %(number)s, %(money)s. A checkout under way undoes itself; what it held is free again."
                    ),
                    number=subject.number,
                    money=shown_money(subject.total_minor, subject),
                ),
                button=words(visit, N_("Cancel the whole order")),
                fields=(reason_field(visit, given.get("reason", "")),),
                is_dangerous=True,
            )
        lines = self._chosen(session, visit, subject, given)
        if not lines:
            return None
        request = self._refund_of(session, subject, lines)
        offer = preview_of_refund(
            session, BusinessIdentity(subject.business, subject.scenario), request, actor=visit.operator.id
        )
        due = shown_money(offer.preview.due_minor, subject)
        note = ""
        if offer.outcome != "auto":
            note = words(visit, N_("The pieces are cancelled at once; the refund waits for somebody else's approval."))
        return Preview(
            sentence=words(
                visit,
                N_(
                    "Cancel %(pieces)s of order %(number)s and give %(money)s back. Cancelled pieces are for sale again."
                ),
                pieces=pieces(visit, total_of(lines)),
                number=subject.number,
                money=due,
            ),
            button=words(visit, N_("Cancel %(pieces)s"), pieces=pieces(visit, total_of(lines))),
            tables=((words(visit, N_("What is cancelled")), pieces_table(visit, subject, lines)),),
            facts=((words(visit, N_("To the buyer")), due),),
            note=note,
            frozen=(
                *frozen_units(lines),
                ("shown", f"{offer.preview.sha256}.{offer.preview.fee_minor}.{offer.outcome}"),
            ),
            fields=(reason_field(visit, given.get("reason", "")),),
            is_dangerous=True,
        )

    def body(self, session: Session, visit: Visit, subject: Order, given: Given, reason: str) -> dict[str, Any]:
        lines = () if subject.status in NOT_CONFIRMED else self._chosen(session, visit, subject, given)
        return {"order_id": subject.id, "lines": as_json(lines), "reason": reason}

    def _open(self, session: Session, order: Order) -> dict[str, int]:
        return {line.line_id: line.open for line in goods_units(session, order)}

    def _chosen(self, session: Session, visit: Visit, order: Order, given: Given) -> tuple[UnitsOfLine, ...]:
        most = self._open(session, order)
        return chosen_units(visit, most, given, default=most)

    def _refund_of(self, session: Session, order: Order, lines: tuple[UnitsOfLine, ...]) -> RefundRequest:
        """What the cancellation will ask for: the delivery too, where nothing is handed over at all."""
        asked = {line.line_id: line.units for line in lines}
        is_whole = all(
            unit.fulfilled == 0 and unit.open == asked.get(unit.line_id, 0) for unit in goods_units(session, order)
        )
        return RefundRequest(
            order_id=order.id, kind=RefundKind.CANCELLATION, lines=lines, delivery=is_whole, fees=is_whole
        )


class HandOverAct(OrderAct):
    """Tell that pieces left the house."""

    process = "fulfil"
    word = "hand-over"
    needs_reason = False

    def frame(self, session: Session, visit: Visit, subject: Order, given: Given) -> ActPage:
        most = self._open(session, subject)
        can = subject.status is OrderStatus.CONFIRMED and any(most.values())
        return ActPage(
            heading=words(visit, N_("Hand over order %(number)s"), number=subject.number),
            crumbs=order_crumbs(visit, subject),
            href=self.href(visit, subject),
            back=order_href(visit, subject),
            fields=unit_fields(visit, subject, most, given, default=most),
            empty=words(visit, N_("Choose the pieces that left.")),
            blocked="" if can else words(visit, N_("Nothing of this order is open to be handed over.")),
        )

    def preview(self, session: Session, visit: Visit, subject: Order, given: Given) -> Preview | None:
        most = self._open(session, subject)
        lines = chosen_units(visit, most, given, default=most)
        if not lines:
            return None
        is_last = total_of(lines) == sum(most.values())
        if is_last:
            text = N_("Hand over %(pieces)s of order %(number)s, the last that are open: the time for returns begins.")
        else:
            text = N_("Hand over %(pieces)s of order %(number)s; the rest stays open.")
        count = pieces(visit, total_of(lines))
        return Preview(
            sentence=words(visit, text, pieces=count, number=subject.number),
            button=words(visit, N_("Hand over %(pieces)s"), pieces=count),
            tables=((words(visit, N_("What leaves")), pieces_table(visit, subject, lines)),),
            frozen=frozen_units(lines),
            fields=(
                input_of("carrier", words(visit, N_("Carrier")), given.get("carrier", ""), optional=True),
                input_of("tracking", words(visit, N_("Tracking number")), given.get("tracking", ""), optional=True),
            ),
        )

    def body(self, session: Session, visit: Visit, subject: Order, given: Given, reason: str) -> dict[str, Any]:  # noqa: ARG002
        most = self._open(session, subject)
        lines = chosen_units(visit, most, given, default=most)
        told = {name: given[name] for name in ("carrier", "tracking") if given.get(name)}
        return {"order_id": subject.id, "lines": as_json(lines)} | told

    def _open(self, session: Session, order: Order) -> dict[str, int]:
        return {line.line_id: line.open for line in goods_units(session, order)}


class ReturnAct(OrderAct):
    """Announce that pieces come back; they are received, and paid for, by acts of their own."""

    process = "return"
    word = "return"

    def frame(self, session: Session, visit: Visit, subject: Order, given: Given) -> ActPage:
        most = self.returnable(session, subject)
        return ActPage(
            heading=words(visit, N_("Return of order %(number)s"), number=subject.number),
            crumbs=order_crumbs(visit, subject),
            href=self.href(visit, subject),
            back=order_href(visit, subject),
            fields=unit_fields(visit, subject, most, given),
            empty=words(visit, N_("Choose the pieces that come back.")),
            blocked=""
            if any(most.values())
            else words(visit, N_("Nothing of this order is handed over and not coming back already.")),
        )

    def preview(self, session: Session, visit: Visit, subject: Order, given: Given) -> Preview | None:
        lines = chosen_units(visit, self.returnable(session, subject), given)
        if not lines:
            return None
        count = pieces(visit, total_of(lines))
        return Preview(
            sentence=words(
                visit,
                N_(
                    "Announce that %(pieces)s of order %(number)s come back. Money is given back once they are received."
                ),
                pieces=count,
                number=subject.number,
            ),
            button=words(visit, N_("Announce the return of %(pieces)s"), pieces=count),
            tables=((words(visit, N_("What comes back")), pieces_table(visit, subject, lines)),),
            frozen=frozen_units(lines),
            fields=(
                reason_field(visit, given.get("reason", ""), help_text=words(visit, N_("The buyer may read it."))),
            ),
        )

    def body(self, session: Session, visit: Visit, subject: Order, given: Given, reason: str) -> dict[str, Any]:
        lines = chosen_units(visit, self.returnable(session, subject), given)
        return {"order_id": subject.id, "lines": as_json(lines), "reason": reason}

    def returnable(self, session: Session, order: Order) -> dict[str, int]:
        announced: dict[str, int] = {}
        for one in returns_of(session, order.id):
            if one.status is ReturnStatus.REQUESTED:
                for line in one.lines:
                    announced[line.line_id] = announced.get(line.line_id, 0) + line.units
        return {
            line.line_id: max(0, line.fulfilled - line.returned - announced.get(line.line_id, 0))
            for line in goods_units(session, order)
        }
