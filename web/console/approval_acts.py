"""One question of a process: what it shows, and deciding on it with a reason. Nobody decides on what they asked for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from activities.journal.approvals import ApprovalSeen, approval_of
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import InvalidError, PlatformError, RefusedError
from web.access.audit import record_act
from web.access.permissions import Action
from web.access.queries import names_of, people_with
from web.console.acts import reason_of, words
from web.console.approval_words import facts_of
from web.console.approvals import ApprovalRow, may_decide, process_row, roles_asked
from web.console.became import Became, became_of
from web.console.edge import STATUS, ConsoleRoute
from web.console.pages import go, page
from web.console.texts import N_
from web.console.visit import Needs, Visit
from workflows.starting import decide

router = APIRouter(route_class=ConsoleRoute)


@dataclass(frozen=True)
class ApprovalPage:
    """`blocked` says why this person cannot decide; `who` names those who can."""

    row: ApprovalRow
    facts: tuple[tuple[str, str], ...]
    role: str
    run_href: str
    subject_href: str | None
    blocked: str
    who: tuple[str, ...]
    became: Became | None
    reason: str = ""
    error: str | None = None
    mend: str | None = None


@router.get("/console/{business}/approvals/{approval_id}", name="approval")
def approval(visit: Annotated[Visit, Depends(Needs(Action.SEE_APPROVALS))], approval_id: str) -> Response:
    return page(visit, "approvals/approval.html", _context(visit, approval_id))


@router.post("/console/{business}/approvals/{approval_id}", name="decide_approval")
async def decide_approval(
    visit: Annotated[Visit, Depends(Needs(Action.DECIDE_APPROVALS))], approval_id: str
) -> Response:
    """Tell the waiting process; it returns once the journal has the decision."""
    try:
        decision = visit.posted("decision")
        if decision not in ("approve", "refuse"):
            raise InvalidError("console.decision_unknown", N_("Choose whether to approve or refuse."), field="decision")
        reason = reason_of(visit)
        asked = await run_in_threadpool(_prepare, visit, approval_id, decision, reason)
        client = await visit.request.app.state.temporal.client()
        sent = hashlib.sha256(f"{approval_id} {visit.operator.id} {decision}".encode()).hexdigest()[:40]
        await decide(client, approval_id, decision=decision, actor=visit.operator.id, reason=reason, id=sent)
    except PlatformError as error:
        context = await run_in_threadpool(_context, visit, approval_id, error)
        return page(visit, "approvals/approval.html", context, status=STATUS[error.kind])
    return go(visit, f"{visit.path}/approvals/{asked.id}?ran={asked.run_id}")


def _prepare(visit: Visit, approval_id: str, decision: str, reason: str) -> ApprovalSeen:
    with transaction() as session:
        asked = approval_of(session, approval_id, business=visit.business.business)
        if asked.asked_by == visit.operator.id:
            raise RefusedError("process.approval_own", words(visit, OWN))
        if not may_decide(visit, asked):
            raise RefusedError("process.approval_role", words(visit, N_("This needs another role than yours.")))
        record_act(
            session,
            business=asked.business,
            actor=visit.operator.id,
            action=f"approvals.{decision}",
            subject=asked.id,
            detail={"run": asked.run_id, "reason": reason},
        )
        return asked


OWN = N_("You asked for this yourself; somebody else decides.")


def _context(visit: Visit, approval_id: str, error: PlatformError | None = None) -> ApprovalPage:
    with transaction() as session:
        asked = approval_of(session, approval_id, business=visit.business.business)
        names = names_of(session, {asked.asked_by, asked.decided_by or ""})
        found = people_with(session, asked.business, roles_asked(asked))
        blocked = ""
        if asked.is_open and asked.asked_by == visit.operator.id:
            blocked = words(visit, OWN)
        elif asked.is_open and not may_decide(visit, asked):
            blocked = words(visit, N_("This needs another role than yours."))
        return ApprovalPage(
            row=process_row(visit, asked, names),
            facts=facts_of(asked, visit.business.currency),
            role=asked.role,
            run_href=f"{visit.path}/processes/{asked.run_id}",
            subject_href=_subject(visit, asked),
            blocked=blocked,
            who=tuple(one.name for one in found if one.id != asked.asked_by),
            became=became_of(session, visit, visit.request.query_params.get("ran")),
            reason=visit.posted("reason") if visit.request.method == "POST" else "",
            error=error.message if error else None,
            mend=error.mend if error else None,
        )


def _subject(visit: Visit, asked: ApprovalSeen) -> str | None:
    """The page of what it is about."""
    shows = asked.shows
    if shows.get("transfer_ids") and visit.may(Action.SEE_MONEY.value):
        return f"{visit.path}/money/transfers/{shows['transfer_ids'][0]}"
    if shows.get("batch_id") and visit.may(Action.SEE_MONEY.value):
        return f"{visit.path}/money/batches/{shows['batch_id']}"
    for name, place in (("refund_id", "refunds"), ("order_id", "orders"), ("buyer_id", "customers")):
        if shows.get(name) and (place != "customers" or visit.may(Action.SEE_CUSTOMERS.value)):
            return f"{visit.path}/{place}/{shows[name]}"
    return None
