"""Change an open order, or exchange goods of one that was handed over: a dry run first, then exactly that."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from activities.catalogue import StepContext
from activities.changing import ChangedLine, ChangePreview, ChangeRequest, preview_change
from activities.exchanging import ExchangePreview, ExchangeRequest, preview_exchange
from capabilities.kernel.errors import InvalidError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.transaction.contract import CheckoutLine, Order, OrderStatus
from web.console.act_units import ReturnAct, pieces_table
from web.console.acts import ActPage, Preview, input_of, pieces, reason_field, words
from web.console.doing import Given
from web.console.effect_forms import FieldView
from web.console.order_choices import (
    OrderAct,
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
from web.console.rule_input import read_number
from web.console.texts import N_
from web.console.visit import Visit

QUANTITY = "quantity."


class ChangeAct(OrderAct):
    """Fewer or more of a line, or something added, while the order is open."""

    process = "change"
    word = "change"

    def frame(self, session: Session, visit: Visit, subject: Order, given: Given) -> ActPage:
        names = names_by_line(visit, subject)
        fields = [
            input_of(
                f"{QUANTITY}{line.line_id}",
                names[line.line_id],
                given.get(f"{QUANTITY}{line.line_id}", str(line.quantity - line.cancelled)),
                control="number",
                unit=words(visit, N_("now %(count)s"), count=line.quantity - line.cancelled),
            )
            for line in goods_units(session, subject)
        ]
        fields += added_fields(visit, given, words(visit, N_("Add (SKU)")))
        fields.append(
            input_of(
                "pricing",
                words(visit, N_("Price of what is kept")),
                given.get("pricing", "order"),
                control="select",
                choices=(
                    ("order", words(visit, N_("as it was sold"))),
                    ("today", words(visit, N_("by the rules of today"))),
                ),
            )
        )
        can = subject.status in (OrderStatus.DRAFT, OrderStatus.CONFIRMED)
        return ActPage(
            heading=words(visit, N_("Change order %(number)s"), number=subject.number),
            crumbs=order_crumbs(visit, subject),
            href=self.href(visit, subject),
            back=order_href(visit, subject),
            fields=tuple(fields),
            empty=words(visit, N_("Change a quantity or add something: what it does to the price is shown here.")),
            blocked=""
            if can
            else words(visit, N_("Only an open order can be changed; goods that left are exchanged.")),
        )

    def preview(self, session: Session, visit: Visit, subject: Order, given: Given) -> Preview | None:
        request = self._request(session, visit, subject, given, "")
        if request is None:
            return None
        found = preview_change(session, _context(visit, subject), request)
        before, after = shown_money(found.total_before_minor, subject), shown_money(found.total_after_minor, subject)
        return Preview(
            sentence=words(
                visit,
                N_(
                    "Change order %(number)s from %(before)s to %(after)s: %(back)s are given back, %(pay)s are to be paid."
                ),
                number=subject.number,
                before=before,
                after=after,
                back=shown_money(found.to_refund_minor, subject),
                pay=shown_money(found.to_pay_minor, subject),
            ),
            button=words(visit, N_("Change the order to %(money)s"), money=after),
            facts=(
                (words(visit, N_("Total before")), before),
                (
                    words(visit, N_("Comes off")),
                    shown_money(-(found.refund.total_minor if found.refund else 0), subject),
                ),
                (words(visit, N_("Is added")), shown_money(found.added_minor, subject)),
                (words(visit, N_("Total after")), after),
                (words(visit, N_("Given back to the buyer")), shown_money(found.to_refund_minor, subject)),
                (words(visit, N_("To be paid by the buyer")), shown_money(found.to_pay_minor, subject)),
            ),
            note=_addition_note(visit, found),
            frozen=(*_frozen_change(request), ("shown", found.sha256)),
            fields=(reason_field(visit, given.get("reason", "")),),
        )

    def body(self, session: Session, visit: Visit, subject: Order, given: Given, reason: str) -> dict[str, Any]:
        request = self._request(session, visit, subject, given, reason)
        if request is None:
            return {}
        found = preview_change(session, _context(visit, subject), request)
        return {"change": request.model_dump(mode="json"), "sha256": found.sha256}

    def _request(self, session: Session, visit: Visit, order: Order, given: Given, reason: str) -> ChangeRequest | None:
        lines = []
        for line in goods_units(session, order):
            name = f"{QUANTITY}{line.line_id}"
            if not given.get(name):
                continue
            wanted = read_number(given[name], field=name)
            if wanted < 0:
                raise InvalidError("console.quantity_negative", words(visit, N_("Not below 0.")), field=name)
            if wanted != line.quantity - line.cancelled:
                lines.append(ChangedLine(line_id=line.line_id, quantity=wanted))
        added = added_lines(given)
        if not lines and not added:
            return None
        return ChangeRequest(
            order_id=order.id,
            lines=tuple(lines),
            add=added,
            pricing="today" if given.get("pricing") == "today" else "order",
            reason=reason,
        )


class ExchangeAct(OrderAct):
    """Goods come back and others go out; what comes back pays for what goes out."""

    process = "exchange"
    word = "exchange"

    def frame(self, session: Session, visit: Visit, subject: Order, given: Given) -> ActPage:
        most = _returnable(session, subject)
        fields = (
            *unit_fields(visit, subject, most, given),
            *added_fields(visit, given, words(visit, N_("Wanted (SKU)"))),
        )
        return ActPage(
            heading=words(visit, N_("Exchange goods of order %(number)s"), number=subject.number),
            crumbs=order_crumbs(visit, subject),
            href=self.href(visit, subject),
            back=order_href(visit, subject),
            fields=fields,
            empty=words(visit, N_("Choose what comes back and what is wanted instead.")),
            blocked=""
            if any(most.values())
            else words(visit, N_("Nothing of this order is handed over and not coming back already.")),
        )

    def preview(self, session: Session, visit: Visit, subject: Order, given: Given) -> Preview | None:
        request = self._request(session, visit, subject, given, "")
        if request is None:
            return None
        found = preview_exchange(session, _context(visit, subject), request)
        return Preview(
            sentence=words(
                visit,
                N_(
                    "Exchange %(pieces)s of order %(number)s, worth %(worth)s, for goods of %(total)s: %(due)s are still to be paid."
                ),
                pieces=pieces(visit, total_of(request.lines)),
                number=subject.number,
                worth=shown_money(found.worth_minor, subject),
                total=shown_money(found.new_total_minor, subject),
                due=shown_money(found.due_minor, subject),
            ),
            button=words(visit, N_("Exchange %(pieces)s"), pieces=pieces(visit, total_of(request.lines))),
            tables=((words(visit, N_("What comes back")), pieces_table(visit, subject, request.lines)),),
            facts=_exchange_facts(visit, subject, found),
            note=words(visit, N_("The new goods stand in a draft; a checkout places it and takes what is due.")),
            frozen=(*frozen_units(request.lines), *_frozen_added(request.wanted), ("shown", found.sha256)),
            fields=(reason_field(visit, given.get("reason", "")),),
        )

    def body(self, session: Session, visit: Visit, subject: Order, given: Given, reason: str) -> dict[str, Any]:
        request = self._request(session, visit, subject, given, reason)
        if request is None:
            return {}
        found = preview_exchange(session, _context(visit, subject), request)
        return {"exchange": request.model_dump(mode="json"), "sha256": found.sha256}

    def scenario(self, subject: Order) -> str | None:
        return subject.scenario

    def _request(
        self, session: Session, visit: Visit, order: Order, given: Given, reason: str
    ) -> ExchangeRequest | None:
        lines = chosen_units(visit, _returnable(session, order), given)
        wanted = added_lines(given)
        if not lines or not wanted:
            return None
        return ExchangeRequest(order_id=order.id, lines=lines, wanted=wanted, reason=reason)


def added_fields(visit: Visit, given: Given, label: str) -> list[FieldView]:
    """What is added: one article and how many of it."""
    return [
        input_of("sku", label, given.get("sku", ""), optional=True),
        input_of("sku_quantity", words(visit, N_("Pieces of it")), given.get("sku_quantity", "1"), control="number"),
    ]


def added_lines(given: Given) -> tuple[CheckoutLine, ...]:
    """The article that was named, if one was."""
    if not given.get("sku"):
        return ()
    quantity = read_number(given.get("sku_quantity", "1"), field="sku_quantity")
    if quantity < 1 or quantity > 1_000_000 or len(given["sku"]) > 64:
        raise InvalidError("console.quantity_wrong", N_("Write a whole number such as 3."), field="sku_quantity")
    return (CheckoutLine(sku=given["sku"], quantity=quantity),)


def _frozen_added(lines: tuple[CheckoutLine, ...]) -> tuple[tuple[str, str], ...]:
    return tuple(pair for line in lines for pair in (("sku", line.sku), ("sku_quantity", str(line.quantity))))


def _frozen_change(request: ChangeRequest) -> tuple[tuple[str, str], ...]:
    quantities = tuple((f"{QUANTITY}{line.line_id}", str(line.quantity)) for line in request.lines)
    return (*quantities, *_frozen_added(request.add), ("pricing", request.pricing))


def _addition_note(visit: Visit, found: ChangePreview) -> str:
    if not found.added or found.status is OrderStatus.DRAFT:
        return ""
    return words(visit, N_("What is added stands in a draft; a checkout places it and takes what is due."))


def _exchange_facts(visit: Visit, order: Order, found: ExchangePreview) -> tuple[tuple[str, str], ...]:
    return (
        (words(visit, N_("Worth of what comes back")), shown_money(found.worth_minor, order)),
        (words(visit, N_("New goods")), shown_money(found.new_total_minor, order)),
        (words(visit, N_("Paid from the wallet")), shown_money(found.wallet_minor, order)),
        (words(visit, N_("Still to be paid")), shown_money(found.due_minor, order)),
        (words(visit, N_("Stays with the buyer")), shown_money(found.left_minor, order)),
    )


def _returnable(session: Session, order: Order) -> dict[str, int]:
    return ReturnAct().returnable(session, order)


def _context(visit: Visit, order: Order) -> StepContext:
    identity = BusinessIdentity(order.business, order.scenario)
    return StepContext("preview", "preview", "preview", identity, visit.operator.id, "preview")
