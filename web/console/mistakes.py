"""One compared row: what order, provider and bank say of the same act, and what a person makes of a mistake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Depends
from fastapi.responses import RedirectResponse, Response

from capabilities.account.postings import POSTINGS, Posting
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import InvalidError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.settlement.contract import ReconFilters, Resolution, Side, Standing, StandingRow
from capabilities.settlement.extensions import alone_up_to_minor
from capabilities.settlement.queries_reconciliation import rows_page, rows_together, standing_row
from web.access.permissions import Action
from web.access.queries import names_of
from web.console.edge import ConsoleRoute
from web.console.money_frame import Frame, Refused, frame_of, run
from web.console.pages import page
from web.console.texts import N_
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)


RESOLUTIONS: dict[str, tuple[str, str]] = {
    "accept_difference": (N_("Accept the difference"), N_("It is written off in the ledger, as shown below.")),
    "ignore": (N_("Ignore it"), N_("Nothing is posted; the row is at rest.")),
    "matched_by_hand": (N_("It is matched elsewhere"), N_("Nothing is posted; say in the reason with what.")),
    "provider_mends": (N_("The provider mends it"), N_("Nothing is posted; their next statement brings it.")),
    "refund_made": (N_("A refund was made"), N_("Nothing is posted; the refund has posted it.")),
}
"""What can be made of a mistake, and what it does; a test holds them against the contract."""


@dataclass(frozen=True)
class RowPage:
    """`ways` has what each side says, in the order order, provider, payout, bank; empty where a side is silent."""

    frame: Frame
    standing: StandingRow
    ways: tuple[tuple[str, tuple[StandingRow, ...]], ...]
    names: dict[str, str]
    posting: Posting | None
    write_off_minor: int
    alone_up_to_minor: int
    resolutions: tuple[tuple[str, str, str], ...]
    may_work: bool
    who_work: tuple[str, ...]
    me: str

    @property
    def is_open(self) -> bool:
        return self.standing.standing is Standing.MISTAKE and self.standing.resolved_at is None

    @property
    def needs_second(self) -> bool:
        """Whether letting it go takes two people."""
        return abs(self.standing.difference_minor or self.standing.row.amount_minor) > self.alone_up_to_minor


@router.get("/console/{business}/money/reconciliation/next", name="next_mistake")
def next_mistake(visit: Annotated[Visit, Depends(Needs(Action.SEE_MONEY))]) -> Response:
    """The mistake that has waited longest; the list, which says so, where there is none."""
    with transaction() as session:
        found = rows_page(session, ReconFilters(business=visit.business.business, is_open=True), limit=1).rows
    where = found[0].row.id if found else "?open=1"
    return RedirectResponse(f"{visit.path}/money/reconciliation/rows{'/' if found else ''}{where}", status_code=303)


@router.get("/console/{business}/money/reconciliation/rows/{row_id}", name="reconciliation_row")
def row_page(visit: Annotated[Visit, Depends(Needs(Action.SEE_MONEY))], row_id: str) -> Response:
    return show_row(visit, row_id)


def show_row(visit: Visit, row_id: str, refused: Refused | None = None) -> Response:
    here = visit.business.business
    with transaction() as session:
        standing = standing_row(session, here, row_id)
        together = rows_together(session, here, row_id)
        people = {one for one in (standing.taken_by, standing.proposed_by, standing.resolved_by) if one}
        write_off = -standing.difference_minor
        code = "statement.missing" if write_off > 0 else "statement.surplus"
        may_work = visit.may(Action.RECONCILE.value)
        context = RowPage(
            frame=frame_of(session, visit, "reconciliation", refused),
            standing=standing,
            ways=tuple((side.value, tuple(one for one in together if one.row.side is side)) for side in Side),
            names=names_of(session, people),
            posting=POSTINGS[code] if write_off else None,
            write_off_minor=write_off,
            alone_up_to_minor=alone_up_to_minor.for_identity(BusinessIdentity(here))(),
            resolutions=tuple((name, *texts) for name, texts in RESOLUTIONS.items()),
            may_work=may_work,
            who_work=visit.who_may(Action.RECONCILE.value),
            me=visit.operator.id,
        )
    return page(visit, "money/row.html", context, status=refused.status if refused else 200)


@router.post("/console/{business}/money/reconciliation/rows/{row_id}/take", name="take_mistake")
async def take(visit: Annotated[Visit, Depends(Needs(Action.RECONCILE))], row_id: str) -> Response:
    """Work on it; another person's is taken over."""
    return await _act(visit, row_id, "take_mistake", dict)


@router.post("/console/{business}/money/reconciliation/rows/{row_id}/note", name="note_mistake")
async def note(visit: Annotated[Visit, Depends(Needs(Action.RECONCILE))], row_id: str) -> Response:
    """Write down what was found out."""
    return await _act(visit, row_id, "note_mistake", lambda: {"note": visit.posted("note")[:2_000]})


@router.post("/console/{business}/money/reconciliation/rows/{row_id}/resolve", name="resolve_mistake")
async def resolve(visit: Annotated[Visit, Depends(Needs(Action.RECONCILE))], row_id: str) -> Response:
    """Close it with a reason; letting much money go takes a second person, who confirms the same."""

    def read() -> dict[str, Any]:
        resolution, reason = visit.posted("resolution"), visit.posted("reason")[:500]
        if resolution not in get_args(Resolution):
            raise InvalidError("console.input_wrong", N_("Choose how it is resolved."), field="resolution")
        if len(reason) < 3:
            raise InvalidError("console.input_wrong", N_("Say why: the audit and the next person read it."))
        return {"resolution": resolution, "reason": reason}

    return await _act(visit, row_id, "resolve_mistake", read)


async def _act(visit: Visit, row_id: str, process: str, read: Any) -> Response:
    def whole() -> dict[str, Any]:
        with transaction() as session:
            standing_row(session, visit.business.business, row_id)
        return {"row_id": row_id, **read()}

    return await run(
        visit,
        process,
        whole,
        to=f"{visit.path}/money/reconciliation/rows/{row_id}",
        show=lambda refused: show_row(visit, row_id, refused),
        subject=row_id,
    )
