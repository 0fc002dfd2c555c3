"""Returns: the list, one return, and what can be done to it: receive, refuse, refund what came back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from sqlalchemy.orm import Session

from capabilities.kernel.database import transaction
from capabilities.kernel.errors import InvalidError
from capabilities.transaction.contract import Order, Refund, RefundKind, Return, ReturnStatus
from capabilities.transaction.queries import find_refund, order_of
from capabilities.transaction.unit_queries import count_returns, return_of, returns_page
from web.access.permissions import Action
from web.console.acts import ActPage, Preview, Table, input_of, pieces, reason_field, words
from web.console.became import Became, became_of
from web.console.doing import Act, Given, do, look_at
from web.console.edge import ConsoleRoute
from web.console.lists import Listing, asked, listing
from web.console.order_choices import names_by_line
from web.console.pages import page
from web.console.rule_input import read_number
from web.console.texts import N_
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)


@dataclass(frozen=True)
class ReturnsPage:
    """The list with how many stand in each state."""

    returns: tuple[tuple[Return, str], ...]
    listing: Listing
    counts: tuple[tuple[str, int], ...]
    status: str


@dataclass(frozen=True)
class ReturnPage:
    """One return: what was announced, what arrived, what paid for it."""

    found: Return
    order: Order
    names: dict[str, str]
    refund: Refund | None
    refund_href: str
    may_change: bool
    who_change: tuple[str, ...]
    became: Became | None


@router.get("/console/{business}/returns", name="returns")
def returns(visit: Annotated[Visit, Depends(Needs(Action.SEE_ORDERS))], status: str = "") -> Response:
    query = asked(visit)
    here = visit.business.business
    chosen = (ReturnStatus(status),) if status in ReturnStatus.__members__.values() else ()
    rows: tuple[tuple[Return, str], ...] = ()
    cursor, error = None, None
    with transaction() as session:
        counts = tuple((one.value, count_returns(session, here, one)) for one in ReturnStatus)
        try:
            found = returns_page(session, here, statuses=chosen, cursor=query.get("cursor"), limit=50)
            rows = tuple((one, order_of(session, one.order_id).number) for one in found.returns)
            cursor = found.next_cursor
        except InvalidError as refusal:
            error = refusal.message
    shown = listing(
        f"{visit.path}/returns",
        query,
        {"status": N_("state")},
        next_cursor=cursor,
        badges={"status": "return"},
        error=error,
    )
    context = ReturnsPage(rows, shown, counts, chosen[0].value if chosen else "")
    return page(visit, "returns/list.html", context, status=422 if error else 200)


@router.get("/console/{business}/returns/{return_id}", name="return_page")
def return_page(visit: Annotated[Visit, Depends(Needs(Action.SEE_ORDERS))], return_id: str) -> Response:
    may_change = visit.may(Action.CHANGE_ORDERS.value)
    with transaction() as session:
        found = return_of(session, return_id, business=visit.business.business)
        order = order_of(session, found.order_id)
        chosen = "&".join(f"units.{line.line_id}={line.received}" for line in found.lines if line.received)
        context = ReturnPage(
            found=found,
            order=order,
            names=names_by_line(visit, order),
            refund=find_refund(session, found.refund_id) if found.refund_id else None,
            refund_href=f"{visit.path}/orders/{order.id}/refund?kind={RefundKind.RETURN.value}&return_id={found.id}&{chosen}",
            may_change=may_change,
            who_change=() if may_change else visit.who_may(Action.CHANGE_ORDERS.value),
            became=became_of(session, visit, visit.request.query_params.get("ran")),
        )
    return page(visit, "returns/return.html", context)


class ReturnAct(Act[Return]):
    """An act on a return of this business."""

    word = ""

    def find(self, session: Session, visit: Visit, subject_id: str) -> Return:
        return return_of(session, subject_id, business=visit.business.business)

    def framed(self, visit: Visit, subject: Return, heading: str, **more: Any) -> ActPage:
        href = f"{visit.path}/returns/{subject.id}"
        blocked = (
            ""
            if subject.status is ReturnStatus.REQUESTED
            else words(visit, N_("Somebody has decided about this return already."))
        )
        return ActPage(
            heading=words(visit, heading, number=subject.number),
            crumbs=((words(visit, N_("Returns")), f"{visit.path}/returns"), (subject.number, href)),
            href=f"{href}/{self.word}",
            back=href,
            blocked=blocked,
            **more,
        )


class ReceiveAct(ReturnAct):
    """What arrived: pieces to sell again, and pieces to throw away."""

    process = "receive_return"
    word = "receive"
    needs_reason = False

    def frame(self, session: Session, visit: Visit, subject: Return, given: Given) -> ActPage:
        names = names_by_line(visit, order_of(session, subject.order_id))
        fields = []
        for line in subject.lines:
            name = names.get(line.line_id, line.sku)
            restock = given.get(f"restock.{line.line_id}", str(line.units))
            discard = given.get(f"discard.{line.line_id}", "0")
            unit = words(visit, N_("of %(most)s"), most=line.units)
            label = words(visit, N_("%(item)s: to sell again"), item=name)
            fields.append(input_of(f"restock.{line.line_id}", label, restock, control="number", unit=unit))
            label = words(visit, N_("%(item)s: to throw away"), item=name)
            fields.append(input_of(f"discard.{line.line_id}", label, discard, control="number", unit=unit))
        return self.framed(
            visit,
            subject,
            N_("Receive return %(number)s"),
            fields=tuple(fields),
            empty=words(visit, N_("Say what arrived.")),
        )

    def preview(self, session: Session, visit: Visit, subject: Return, given: Given) -> Preview | None:
        arrived = self._arrived(visit, subject, given)
        restock, discard = sum(one[1] for one in arrived), sum(one[2] for one in arrived)
        if not restock + discard:
            return None
        names = names_by_line(visit, order_of(session, subject.order_id))
        table = Table(
            head=(words(visit, N_("Item")), words(visit, N_("To sell again")), words(visit, N_("To throw away"))),
            rows=tuple((names.get(line_id, line_id), str(one), str(two)) for line_id, one, two in arrived),
            numbers=(1, 2),
        )
        return Preview(
            sentence=words(
                visit,
                N_(
                    "Receive %(pieces)s of return %(number)s: %(restock)s go on the shelf again, %(discard)s are thrown away."
                ),
                pieces=pieces(visit, restock + discard),
                number=subject.number,
                restock=restock,
                discard=discard,
            ),
            button=words(visit, N_("Receive %(pieces)s"), pieces=pieces(visit, restock + discard)),
            tables=((words(visit, N_("What arrived")), table),),
            frozen=tuple(
                pair
                for line_id, one, two in arrived
                for pair in ((f"restock.{line_id}", str(one)), (f"discard.{line_id}", str(two)))
            ),
        )

    def body(self, session: Session, visit: Visit, subject: Return, given: Given, reason: str) -> dict[str, Any]:  # noqa: ARG002
        lines = [
            {"line_id": line_id, "restock": restock, "discard": discard}
            for line_id, restock, discard in self._arrived(visit, subject, given)
            if restock or discard
        ]
        return {"return_id": subject.id, "lines": lines}

    def _arrived(self, visit: Visit, subject: Return, given: Given) -> list[tuple[str, int, int]]:
        found = []
        for line in subject.lines:
            restock = self._number(given, f"restock.{line.line_id}", line.units)
            discard = self._number(given, f"discard.{line.line_id}", 0)
            if restock + discard > line.units:
                raise InvalidError(
                    "console.units_too_many",
                    words(
                        visit,
                        N_("Of this line %(most)s can be chosen, not %(asked)s."),
                        most=line.units,
                        asked=restock + discard,
                    ),
                    field=f"restock.{line.line_id}",
                )
            found.append((line.line_id, restock, discard))
        return found

    def _number(self, given: Given, name: str, otherwise: int) -> int:
        return max(0, read_number(given[name], field=name)) if name in given else otherwise


class RefuseAct(ReturnAct):
    """Nothing may come back."""

    process = "refuse_return"
    word = "refuse"

    def frame(self, session: Session, visit: Visit, subject: Return, given: Given) -> ActPage:  # noqa: ARG002
        return self.framed(visit, subject, N_("Refuse return %(number)s"))

    def preview(self, session: Session, visit: Visit, subject: Return, given: Given) -> Preview | None:  # noqa: ARG002
        count = pieces(visit, sum(line.units for line in subject.lines))
        return Preview(
            sentence=words(
                visit,
                N_("Refuse return %(number)s: %(pieces)s stay with the buyer."),
                number=subject.number,
                pieces=count,
            ),
            button=words(visit, N_("Refuse the return")),
            fields=(
                reason_field(visit, given.get("reason", ""), help_text=words(visit, N_("The buyer may read it."))),
            ),
            is_dangerous=True,
        )

    def body(self, session: Session, visit: Visit, subject: Return, given: Given, reason: str) -> dict[str, Any]:  # noqa: ARG002
        return {"return_id": subject.id, "reason": reason}


RECEIVE, REFUSE = ReceiveAct(), RefuseAct()


@router.get("/console/{business}/returns/{return_id}/receive", name="receive_act")
def look_at_receive(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_ORDERS))], return_id: str) -> Response:
    return look_at(visit, RECEIVE, return_id)


@router.post("/console/{business}/returns/{return_id}/receive", name="receive_return")
async def receive(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_ORDERS))], return_id: str) -> Response:
    return await do(visit, RECEIVE, return_id)


@router.get("/console/{business}/returns/{return_id}/refuse", name="refuse_act")
def look_at_refuse(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_ORDERS))], return_id: str) -> Response:
    return look_at(visit, REFUSE, return_id)


@router.post("/console/{business}/returns/{return_id}/refuse", name="refuse_return")
async def refuse(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_ORDERS))], return_id: str) -> Response:
    return await do(visit, REFUSE, return_id)
