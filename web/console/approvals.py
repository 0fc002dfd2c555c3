"""Approvals: what waits for me, what I sent and for whom it waits, what was decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from capabilities.kernel.database import transaction
from capabilities.kernel.identity import PLATFORM
from rules.queries import rule_set_of, submissions
from web.access.permissions import Action
from web.access.queries import names_of
from web.console.edge import ConsoleRoute
from web.console.pages import page
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    id: str
    status: str
    name: str
    href: str
    reason: str
    submitted_by: str
    submitted_at: datetime
    decided_by: str
    decided_at: datetime | None
    note: str
    is_mine: bool


@dataclass(frozen=True)
class ApprovalsPage:
    """`mine_to_decide` waits for me; `waiting` waits for others; then what was decided."""

    mine_to_decide: tuple[ApprovalRow, ...]
    waiting: tuple[ApprovalRow, ...]
    decided: tuple[ApprovalRow, ...]
    who_approve: tuple[str, ...]


@router.get("/console/{business}/approvals", name="approvals")
def approvals(visit: Annotated[Visit, Depends(Needs(Action.SEE_APPROVALS))]) -> Response:
    me = visit.operator.id
    with transaction() as session:
        found = [
            one
            for business in (visit.business.business, PLATFORM)
            for one in submissions(session, business, status=None, limit=50)
            if one.status != "voided"
        ]
        names = names_of(session, {n for s in found for n in (s.submitted_by, s.decided_by or "")})
        sets = {one.rule_set_id: rule_set_of(session, one.rule_set_id) for one in found}
    rows = []
    for one in sorted(found, key=lambda s: s.submitted_at, reverse=True):
        rule_set = sets[one.rule_set_id]
        rows.append(
            ApprovalRow(
                one.id,
                one.status,
                rule_set.name_zh if visit.operator.language == "zh" else rule_set.name_en,
                f"{visit.path}/rules/{one.rule_set_id}/review",
                one.reason,
                names.get(one.submitted_by, one.submitted_by),
                one.submitted_at,
                names.get(one.decided_by or "", one.decided_by or ""),
                one.decided_at,
                one.decision_note or "",
                me in one.authors or me == one.submitted_by,
            )
        )
    waiting = [row for row in rows if row.status == "waiting"]
    mine = [row for row in waiting if not row.is_mine and visit.may(Action.APPROVE_RULES.value)]
    context = ApprovalsPage(
        mine_to_decide=tuple(mine),
        waiting=tuple(row for row in waiting if row not in mine),
        decided=tuple(row for row in rows if row.status != "waiting")[:20],
        who_approve=tuple(n for n in visit.who_may(Action.APPROVE_RULES.value) if n != visit.operator.name),
    )
    return page(visit, "approvals.html", context)
