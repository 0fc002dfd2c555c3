"""Approvals: everything that waits for a person in one list by age and money, what I sent, what was decided.

Rules wait as submissions of their drafts, everything else as a question of its process: refunds, budgets, payouts, erasures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from sqlalchemy.orm import Session

from activities.journal.approvals import ApprovalSeen, approvals_page
from capabilities.kernel.database import transaction
from capabilities.kernel.identity import PLATFORM
from rules.queries import rule_set_of, submissions
from web.access.contract import Role
from web.access.permissions import Action
from web.access.queries import names_of
from web.console.acts import words
from web.console.approval_words import about_of, heading_of, money_of
from web.console.edge import ConsoleRoute
from web.console.pages import page
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)

MOST = 100
MOST_DECIDED = 20


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """One question. `badge` is the kind of state; `money_minor` is None where none moves."""

    id: str
    badge: str
    status: str
    name: str
    about: str
    href: str
    reason: str
    submitted_by: str
    submitted_at: datetime
    decided_by: str
    decided_at: datetime | None
    note: str
    is_mine: bool
    may_decide: bool
    money_minor: int | None = None
    currency: str = ""
    until: datetime | None = None


@dataclass(frozen=True)
class ApprovalsPage:
    """`mine_to_decide` waits for me; `waiting` waits for others; then what was decided."""

    mine_to_decide: tuple[ApprovalRow, ...]
    waiting: tuple[ApprovalRow, ...]
    decided: tuple[ApprovalRow, ...]
    who_approve: tuple[str, ...]
    by: str


@router.get("/console/{business}/approvals", name="approvals")
def approvals(visit: Annotated[Visit, Depends(Needs(Action.SEE_APPROVALS))], by: str = "age") -> Response:
    with transaction() as session:
        rows = [*_rules(session, visit), *_processes(session, visit)]
    open_ones = [row for row in rows if row.status in ("waiting", "open")]
    ordered = sorted(open_ones, key=lambda row: (-(row.money_minor or 0) if by == "money" else 0, row.submitted_at))
    mine = tuple(row for row in ordered if row.may_decide and not row.is_mine)
    decided = sorted(
        (row for row in rows if row not in open_ones), key=lambda row: row.decided_at or row.submitted_at, reverse=True
    )
    context = ApprovalsPage(
        mine_to_decide=mine,
        waiting=tuple(row for row in ordered if row not in mine),
        decided=tuple(decided[:MOST_DECIDED]),
        who_approve=tuple(n for n in visit.who_may(Action.APPROVE_RULES.value) if n != visit.operator.name),
        by="money" if by == "money" else "age",
    )
    return page(visit, "approvals.html", context)


def _rules(session: Session, visit: Visit) -> list[ApprovalRow]:
    me = visit.operator.id
    found = [
        one
        for business in (visit.business.business, PLATFORM)
        for one in submissions(session, business, status=None, limit=50)
        if one.status != "voided"
    ]
    names = names_of(session, {n for s in found for n in (s.submitted_by, s.decided_by or "")})
    sets = {one.rule_set_id: rule_set_of(session, one.rule_set_id) for one in found}
    zh = visit.operator.language == "zh"
    return [
        ApprovalRow(
            id=one.id,
            badge="submission",
            status=one.status,
            name=sets[one.rule_set_id].name_zh if zh else sets[one.rule_set_id].name_en,
            about="",
            href=f"{visit.path}/rules/{one.rule_set_id}/review",
            reason=one.reason,
            submitted_by=names.get(one.submitted_by, one.submitted_by),
            submitted_at=one.submitted_at,
            decided_by=names.get(one.decided_by or "", one.decided_by or ""),
            decided_at=one.decided_at,
            note=one.decision_note or "",
            is_mine=me in one.authors or me == one.submitted_by,
            may_decide=visit.may(Action.APPROVE_RULES.value),
        )
        for one in found
    ]


def _processes(session: Session, visit: Visit) -> list[ApprovalRow]:
    here = visit.business.business
    found = [
        *approvals_page(session, here, is_open=True, limit=MOST).approvals,
        *approvals_page(session, here, is_open=False, limit=MOST_DECIDED).approvals,
    ]
    names = names_of(session, {n for one in found for n in (one.asked_by, one.decided_by or "")})
    return [process_row(visit, one, names) for one in found]


def process_row(visit: Visit, one: ApprovalSeen, names: Mapping[str, str]) -> ApprovalRow:
    """A question of a process as the list shows it."""
    minor, currency = money_of(one)
    return ApprovalRow(
        id=one.id,
        badge="approval",
        status="open" if one.is_open else one.decision or "over",
        name=words(visit, heading_of(one)),
        about=about_of(one),
        href=f"{visit.path}/approvals/{one.id}",
        reason=str(one.shows.get("reason") or ""),
        submitted_by=names.get(one.asked_by, one.asked_by),
        submitted_at=one.asked_at,
        decided_by=names.get(one.decided_by or "", one.decided_by or ""),
        decided_at=one.decided_at,
        note=one.reason or "",
        is_mine=one.asked_by == visit.operator.id,
        may_decide=may_decide(visit, one),
        money_minor=minor,
        currency=currency or visit.business.currency,
        until=one.until if one.is_open else None,
    )


def may_decide(visit: Visit, one: ApprovalSeen) -> bool:
    """Whether the person has the role that is asked, or is an admin."""
    return bool(visit.operator.roles_in(one.business) & roles_asked(one)) and visit.may(Action.DECIDE_APPROVALS.value)


def roles_asked(one: ApprovalSeen) -> frozenset[Role]:
    """Who may decide by role."""
    return frozenset({Role(one.role), Role.ADMIN})
