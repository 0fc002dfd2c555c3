"""Points: what a customer has and what moved it, and a grant with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from capabilities.account.queries_reports import statement_page
from capabilities.account.queries_stored import stored_balance_of, value_of_points
from capabilities.account.reports import StatementPage
from capabilities.account.stored import StoredBalance, points_of
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import MissingError, PlatformError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.ids import new_id
from capabilities.user.queries import find_buyer
from web.access.permissions import Action
from web.console.acts import perform
from web.console.became import Became, became_of
from web.console.edge import STATUS, ConsoleRoute
from web.console.pages import page
from web.console.texts import N_
from web.console.typed import Typed
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)

FIELDS = ("buyer_id", "points", "reason")
MOST = 10_000_000


@dataclass(frozen=True)
class PointsPage:
    buyer_id: str
    buyer_name: str
    balance: StoredBalance | None
    statement: StatementPage | None
    hundred_minor: int
    typed: Typed
    key: str
    became: Became | None


@router.get("/console/{business}/marketing/points", name="points")
def points(
    visit: Annotated[Visit, Depends(Needs(Action.GRANT_POINTS))], buyer: str = "", ran: str | None = None
) -> Response:
    return _show(visit, buyer.strip()[:64], Typed(visit, FIELDS, buyer_id=buyer.strip()[:64]), ran=ran)


def _show(visit: Visit, buyer_id: str, typed: Typed, *, ran: str | None = None, status: int = 200) -> Response:
    identity, currency = BusinessIdentity(visit.business.business), visit.business.currency
    with transaction() as session:
        buyer = find_buyer(session, identity.business, buyer_id) if buyer_id else None
        statement = None
        if buyer is not None:
            try:
                statement = statement_page(session, points_of(identity.business, buyer_id).id, limit=200)
            except MissingError:
                statement = None  # an account begins with its first point
        context = PointsPage(
            buyer_id=buyer_id,
            buyer_name=buyer.name if buyer is not None else "",
            balance=stored_balance_of(session, identity, buyer_id, currency) if buyer is not None else None,
            statement=statement,
            hundred_minor=value_of_points(identity, currency).spendable_minor(100),
            typed=typed,
            key=new_id("act"),
            became=became_of(session, visit, ran),
        )
    return page(visit, "marketing/points.html", context, block="main", status=status)


@router.post("/console/{business}/marketing/points", name="grant_points")
async def grant_points(visit: Annotated[Visit, Depends(Needs(Action.GRANT_POINTS))]) -> Response:
    """Points for a customer, with the reason in their statement."""
    typed = Typed(visit, FIELDS)
    buyer_id = typed.text("buyer_id", most=64, needed=True)
    amount = typed.number("points", least=1, most=MOST, needed=True)
    reason = typed.text("reason", most=200)
    if not reason:
        typed.wrong("reason", N_("Say why: it stands in the audit."))
    if buyer_id and not await run_in_threadpool(_is_known, visit, buyer_id):
        typed.wrong("buyer_id", N_("Nobody is known by this id; see the list of customers."))
    status = 422
    if typed.is_good:
        body = {"buyer_id": buyer_id, "points": amount, "currency": visit.business.currency, "subject": reason}
        back = f"{visit.path}/marketing/points?{urlencode({'buyer': buyer_id})}"
        audited = {"reason": reason, "points": amount}
        try:
            return await perform(visit, process="grant_points", body=body, subject=buyer_id, back=back, audited=audited)
        except PlatformError as error:
            typed.refused(error)
            status = STATUS[error.kind]
    return await run_in_threadpool(_show, visit, buyer_id, typed, status=status)


def _is_known(visit: Visit, buyer_id: str) -> bool:
    with transaction() as session:
        return find_buyer(session, visit.business.business, buyer_id) is not None
