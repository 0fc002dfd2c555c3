"""Payouts: what was sent to sellers' banks, what failed and why, tried again as the same payout, withdrawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from sqlalchemy.orm import Session

from activities.journal.models import ProcessRun
from activities.journal.queries import run_of_subject
from capabilities.account.queries_reports import money_of
from capabilities.account.reports import MoneyMove
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import InvalidError, MissingError
from capabilities.settlement.contract import Payout, PayoutFilters, PayoutStatus, SellerTransfer
from capabilities.settlement.queries_payout import payout_counts, payout_of, payouts_page, transfers_of_payout
from capabilities.settlement.queries_statement import statement_for_payout, statements_page
from web.access.permissions import Action
from web.console.edge import ConsoleRoute
from web.console.money_frame import Frame, Narrowed, Refused, chosen, frame_of, narrowed, run
from web.console.pages import page
from web.console.payout_batches import Parts
from web.console.texts import N_
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)


PAYABLE = frozenset({PayoutStatus.APPROVED, PayoutStatus.FAILED, PayoutStatus.SENT})
WITHDRAWABLE = frozenset({PayoutStatus.PLANNED, PayoutStatus.APPROVED, PayoutStatus.FAILED})
STATUSES = {status.value: status for status in PayoutStatus}


@dataclass(frozen=True)
class PayoutsPage:
    frame: Frame
    list: Narrowed
    payouts: tuple[Payout, ...]
    cursor: str | None
    counts: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class PayoutPage:
    frame: Frame
    payout: Payout
    parts: Parts
    transfers: tuple[SellerTransfer, ...]
    moves: tuple[MoneyMove, ...]
    run: ProcessRun | None
    statement_id: str | None
    may_run: bool
    who_run: tuple[str, ...]

    @property
    def can_be_paid(self) -> bool:
        """Sent ones are asked about: the bank is looked at before anything is sent again."""
        return self.payout.status in PAYABLE

    @property
    def can_be_withdrawn(self) -> bool:
        return self.payout.status in WITHDRAWABLE


@router.get("/console/{business}/money/payouts", name="payouts")
def payouts(visit: Annotated[Visit, Depends(Needs(Action.SEE_MONEY))]) -> Response:
    labels = {"status": N_("state"), "seller": N_("seller"), "batch": N_("batch")}
    found = narrowed(visit, f"{visit.path}/money/payouts", labels, {"status": "payout", "seller": "seller"})
    here = visit.business.business
    filters = PayoutFilters(
        business=here,
        seller_id=found.get("seller") or None,
        batch_id=found.get("batch") or None,
        statuses=chosen(STATUSES, found.get("status")),
    )
    with transaction() as session:
        listed = payouts_page(session, filters, after=found.get("cursor") or None)
        counts = payout_counts(session, here)
        context = PayoutsPage(
            frame_of(session, visit, "payouts"),
            found,
            listed.payouts,
            listed.next_cursor,
            tuple((status.value, counts.get(status, 0)) for status in PayoutStatus),
        )
    return page(visit, "money/payouts.html", context, block="payouts")


@router.get("/console/{business}/money/payouts/{payout_id}", name="payout")
def payout(visit: Annotated[Visit, Depends(Needs(Action.SEE_MONEY))], payout_id: str) -> Response:
    return show_payout(visit, payout_id)


def show_payout(visit: Visit, payout_id: str, refused: Refused | None = None) -> Response:
    with transaction() as session:
        found = _own(session, visit, payout_id)
        issued, _ = statements_page(session, found.business, seller_id=found.seller_id, limit=200)
        may_run = visit.may(Action.RUN_PAYOUTS.value)
        context = PayoutPage(
            frame=frame_of(session, visit, "payouts", refused),
            payout=found,
            parts=Parts.of(statement_for_payout(session, payout_id).lines),
            transfers=transfers_of_payout(session, payout_id),
            moves=money_of(session, payout_id),
            run=run_of_subject(session, payout_id),
            statement_id=next((one.id for one in issued if one.payout_id == payout_id), None),
            may_run=may_run,
            who_run=() if may_run else visit.who_may(Action.RUN_PAYOUTS.value),
        )
    return page(visit, "money/payout.html", context, status=refused.status if refused else 200)


@router.post("/console/{business}/money/payouts/{payout_id}/pay", name="pay_payout")
async def pay_payout(visit: Annotated[Visit, Depends(Needs(Action.RUN_PAYOUTS))], payout_id: str) -> Response:
    """Pay it again as the same payout: the bank knows it by its id, and is asked before anything is sent."""
    return await _act(visit, payout_id, "payout", {})


@router.post("/console/{business}/money/payouts/{payout_id}/withdraw", name="withdraw_payout")
async def withdraw_payout(visit: Annotated[Visit, Depends(Needs(Action.RUN_PAYOUTS))], payout_id: str) -> Response:
    """Give it up; what it was made of is due again."""
    return await _act(visit, payout_id, "withdraw_payout", {"reason": visit.posted("reason")[:500]})


async def _act(visit: Visit, payout_id: str, process: str, more: dict[str, Any]) -> Response:
    def read() -> dict[str, Any]:
        with transaction() as session:
            _own(session, visit, payout_id)
        if "reason" in more and not more["reason"]:
            raise InvalidError("console.input_wrong", N_("Say why it is withdrawn."), field="reason")
        return {"payout_id": payout_id, **more}

    return await run(
        visit,
        process,
        read,
        to=f"{visit.path}/money/payouts/{payout_id}",
        show=lambda refused: show_payout(visit, payout_id, refused),
        subject=payout_id,
    )


def _own(session: Session, visit: Visit, payout_id: str) -> Payout:
    found = payout_of(session, payout_id)
    if found.business != visit.business.business:
        raise MissingError("settlement.payout_unknown", f"There is no payout {payout_id!r}.")
    return found
