"""Collect what is due of an order before its day, from the card of the checkout or another."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from capabilities.kernel.errors import InvalidError
from capabilities.payment.schedule import Due, DueStatus, DueWhen
from capabilities.payment.schedule_queries import schedule_of
from capabilities.transaction.contract import Order
from web.console.acts import ActPage, Preview, Table, input_of, words
from web.console.doing import Given
from web.console.formats import amount, moment
from web.console.order_choices import OrderAct, order_crumbs, order_href, shown_money
from web.console.texts import N_
from web.console.visit import Visit


class CollectAct(OrderAct):
    """Collect one due, or all that are open."""

    process = "collect"
    word = "collect"
    needs_reason = False

    def frame(self, session: Session, visit: Visit, subject: Order, given: Given) -> ActPage:
        dues = _open_dues(session, subject)
        choices = (
            ("", words(visit, N_("all that are open"))),
            *((str(due.position), f"{due_day(visit, due)} · {shown_money(due.amount_minor, subject)}") for due in dues),
        )
        return ActPage(
            heading=words(visit, N_("Collect what order %(number)s owes"), number=subject.number),
            crumbs=order_crumbs(visit, subject),
            href=self.href(visit, subject),
            back=order_href(visit, subject),
            fields=(
                input_of(
                    "position",
                    words(visit, N_("Which due")),
                    given.get("position", ""),
                    control="select",
                    choices=choices,
                ),
            ),
            blocked="" if dues else words(visit, N_("Nothing of this order is open to be collected.")),
        )

    def preview(self, session: Session, visit: Visit, subject: Order, given: Given) -> Preview | None:
        dues = self._chosen(session, visit, subject, given)
        total = shown_money(sum(due.amount_minor for due in dues), subject)
        return Preview(
            sentence=words(
                visit,
                N_("Collect %(money)s of order %(number)s now. The buyer's card is charged."),
                money=total,
                number=subject.number,
            ),
            button=words(visit, N_("Collect %(money)s"), money=total),
            tables=(
                (
                    words(visit, N_("What is collected")),
                    Table(
                        head=(words(visit, N_("Due")), f"{words(visit, N_('Amount'))} ({subject.currency})"),
                        rows=tuple((due_day(visit, due), amount(due.amount_minor, due.currency)) for due in dues),
                        numbers=(1,),
                    ),
                ),
            ),
            frozen=(
                *((("position", given["position"]),) if given.get("position") else ()),
                ("shown", ",".join(f"{due.position}:{due.amount_minor}" for due in dues)),
            ),
            fields=(
                input_of(
                    "method",
                    words(visit, N_("Another card")),
                    given.get("method", ""),
                    optional=True,
                    help_text=words(visit, N_("Left blank: the card of the checkout.")),
                ),
            ),
        )

    def body(self, session: Session, visit: Visit, subject: Order, given: Given, reason: str) -> dict[str, Any]:  # noqa: ARG002
        dues = self._chosen(session, visit, subject, given)
        return {
            "order_id": subject.id,
            "positions": [due.position for due in dues],
            "method": given.get("method", "")[:64],
            "by": "provider",
        }

    def _chosen(self, session: Session, visit: Visit, order: Order, given: Given) -> tuple[Due, ...]:
        dues = _open_dues(session, order)
        position = given.get("position", "")
        chosen = tuple(due for due in dues if not position or str(due.position) == position)
        if not chosen:
            raise InvalidError(
                "console.due_unknown", words(visit, N_("This due is not open any more.")), field="position"
            )
        return chosen


def _open_dues(session: Session, order: Order) -> tuple[Due, ...]:
    return tuple(due for due in schedule_of(session, order.id) if due.status is DueStatus.OPEN)


def due_day(visit: Visit, due: Due) -> str:
    """When a due is to be paid, in words."""
    if due.when is DueWhen.AT:
        return moment(due.due_at, visit.business.zone, visit.operator.language)
    return words(visit, N_("on delivery") if due.when is DueWhen.ON_DELIVERY else N_("with the checkout"))
