"""Review of a draft: what changes, who must agree, and the acts of submitting, approving, sending back, discarding."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from sqlalchemy.orm import Session

from capabilities.kernel.database import transaction
from capabilities.kernel.errors import PlatformError
from rules.check import Problem, check
from rules.queries import Submission, submissions_of
from rules.service import approve, discard, rebase, send_back, submit
from web.access.audit import record_act
from web.access.permissions import Action
from web.access.queries import names_of
from web.console.edge import STATUS, ConsoleRoute
from web.console.pages import go, page
from web.console.rule_differences import Differences, differences
from web.console.rule_sets import Opening, RuleSetHead, may_change, open_rule_set, require_change
from web.console.texts import N_
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)

DONE = {
    "submitted": N_("Submitted. It waits for an approver; nothing is live yet."),
    "approved": N_("Approved and live: the very next checkout decides by it."),
    "sent_back": N_("Sent back to its author with your comment."),
    "rebased": N_("Brought up to date with what went live meanwhile. Look at the difference again."),
    "rolled_back": N_("Rolled back: the very next checkout decides by that release."),
}


@dataclass(frozen=True, slots=True)
class SubmissionView:
    """One submission with names instead of ids."""

    id: str
    status: str
    reason: str
    submitted_by: str
    submitted_at: datetime
    decided_by: str
    decided_at: datetime | None
    note: str


@dataclass(frozen=True)
class ReviewPage:
    """Everything one needs to decide, on one page."""

    head: RuleSetHead
    difference: Differences
    problems: tuple[Problem, ...]
    waiting: SubmissionView | None
    earlier: tuple[SubmissionView, ...]
    may_submit: bool
    may_approve: bool
    is_own_work: bool
    who_submit: tuple[str, ...]
    who_approve: tuple[str, ...]
    moved: bool
    rule_names: dict[str, str]
    done: str | None = None
    error: str | None = None
    error_mend: str | None = None
    typed_reason: str = ""
    typed_note: str = ""
    tab: str = "/review"

    @property
    def blocks(self) -> int:
        return sum(1 for problem in self.problems if problem.severity == "block")


@dataclass(frozen=True, slots=True)
class DiscardPage:
    head: RuleSetHead
    difference: Differences


@router.get("/console/{business}/rules/{rule_set_id}/review", name="rule_review")
def review(
    visit: Annotated[Visit, Depends(Needs(Action.SEE_RULES))], rule_set_id: str, done: str | None = None
) -> Response:
    return _show(visit, rule_set_id, done=DONE.get(done or ""))


@router.post("/console/{business}/rules/{rule_set_id}/submit", name="submit_rules")
def submit_post(visit: Annotated[Visit, Depends(Needs(Action.SUBMIT_RULES))], rule_set_id: str) -> Response:
    reason = visit.posted("reason")[:1000]
    if not reason:
        return _show(
            visit, rule_set_id, error=N_("Say why this change is made: the approver and the audit need it."), status=422
        )
    try:
        with transaction() as session:
            opening = open_rule_set(session, visit, rule_set_id)
            require_change(visit, opening.rule_set, Action.SUBMIT_RULES)
            submit(session, rule_set_id, _base(visit), visit.operator.id, reason)
            _audit(session, visit, "rules.submitted", opening, {"reason": reason})
    except PlatformError as error:
        return _refused(visit, rule_set_id, error, typed_reason=reason)
    return go(visit, f"{visit.path}/rules/{rule_set_id}/review?done=submitted")


@router.post("/console/{business}/rules/{rule_set_id}/approve", name="approve_rules")
def approve_post(visit: Annotated[Visit, Depends(Needs(Action.APPROVE_RULES))], rule_set_id: str) -> Response:
    note = visit.posted("note")[:1000]
    try:
        with transaction() as session:
            opening = open_rule_set(session, visit, rule_set_id)
            require_change(visit, opening.rule_set, Action.APPROVE_RULES)
            release = approve(session, visit.posted("submission"), visit.operator.id, note)
            _audit(session, visit, "rules.approved", opening, {"release_id": release.release_id, "note": note})
    except PlatformError as error:
        return _refused(visit, rule_set_id, error, typed_note=note)
    return go(visit, f"{visit.path}/rules/{rule_set_id}/releases?done=approved")


@router.post("/console/{business}/rules/{rule_set_id}/send-back", name="send_back_rules")
def send_back_post(visit: Annotated[Visit, Depends(Needs(Action.APPROVE_RULES))], rule_set_id: str) -> Response:
    note = visit.posted("note")[:1000]
    if not note:
        return _show(visit, rule_set_id, error=N_("Say what should change: the author reads it."), status=422)
    try:
        with transaction() as session:
            opening = open_rule_set(session, visit, rule_set_id)
            require_change(visit, opening.rule_set, Action.APPROVE_RULES)
            send_back(session, visit.posted("submission"), visit.operator.id, note)
            _audit(session, visit, "rules.sent_back", opening, {"note": note})
    except PlatformError as error:
        return _refused(visit, rule_set_id, error, typed_note=note)
    return go(visit, f"{visit.path}/rules/{rule_set_id}/review?done=sent_back")


@router.post("/console/{business}/rules/{rule_set_id}/rebase", name="rebase_rules")
def rebase_post(visit: Annotated[Visit, Depends(Needs(Action.EDIT_RULES))], rule_set_id: str) -> Response:
    """Bring what went live meanwhile into the draft."""
    try:
        with transaction() as session:
            opening = open_rule_set(session, visit, rule_set_id)
            require_change(visit, opening.rule_set, Action.EDIT_RULES)
            rebase(session, rule_set_id, _base(visit), visit.operator.id)
    except PlatformError as error:
        return _refused(visit, rule_set_id, error)
    return go(visit, f"{visit.path}/rules/{rule_set_id}/review?done=rebased")


@router.get("/console/{business}/rules/{rule_set_id}/discard", name="confirm_discard")
def confirm_discard(visit: Annotated[Visit, Depends(Needs(Action.EDIT_RULES))], rule_set_id: str) -> Response:
    with transaction() as session:
        opening = open_rule_set(session, visit, rule_set_id)
    found = differences(opening.live, opening.document, opening.wording)
    return page(visit, "rules/discard.html", DiscardPage(opening.head, found), block="main")


@router.post("/console/{business}/rules/{rule_set_id}/discard", name="discard_rules")
def discard_post(visit: Annotated[Visit, Depends(Needs(Action.EDIT_RULES))], rule_set_id: str) -> Response:
    with transaction() as session:
        opening = open_rule_set(session, visit, rule_set_id)
        require_change(visit, opening.rule_set, Action.EDIT_RULES)
        discard(session, rule_set_id, _base(visit), visit.operator.id)
        _audit(session, visit, "rules.discarded", opening, {})
    return go(visit, f"{visit.path}/rules/{rule_set_id}")


def _show(
    visit: Visit,
    rule_set_id: str,
    *,
    done: str | None = None,
    error: str | None = None,
    error_mend: str | None = None,
    typed_reason: str = "",
    typed_note: str = "",
    status: int = 200,
) -> Response:
    with transaction() as session:
        opening = open_rule_set(session, visit, rule_set_id)
        submissions = submissions_of(session, rule_set_id, limit=10)
        names = names_of(session, {n for s in submissions for n in (s.submitted_by, s.decided_by or "")})
        waiting = next((s for s in submissions if s.status == "waiting"), None)
    rule_set, draft, me = opening.rule_set, opening.draft, visit.operator.id
    own = waiting is not None and (me in waiting.authors or me == waiting.submitted_by)
    context = ReviewPage(
        head=opening.head,
        difference=differences(opening.live, opening.document, opening.wording),
        problems=tuple(check(opening.document)) if draft else (),
        waiting=_view(waiting, names) if waiting else None,
        earlier=tuple(_view(s, names) for s in submissions if s.status != "waiting"),
        may_submit=may_change(visit, rule_set, Action.SUBMIT_RULES),
        may_approve=may_change(visit, rule_set, Action.APPROVE_RULES),
        is_own_work=own,
        who_submit=visit.who_may(Action.SUBMIT_RULES.value),
        who_approve=tuple(n for n in visit.who_may(Action.APPROVE_RULES.value) if n != visit.operator.name),
        moved=draft is not None and draft.based_on_release_id != rule_set.live_release_id,
        rule_names={rule.id: rule.name for rule in opening.document.rules},
        done=done,
        error=error,
        error_mend=error_mend,
        typed_reason=typed_reason,
        typed_note=typed_note,
    )
    return page(visit, "rules/review.html", context, block="main", status=status)


def _refused(
    visit: Visit, rule_set_id: str, error: PlatformError, *, typed_reason: str = "", typed_note: str = ""
) -> Response:
    return _show(
        visit,
        rule_set_id,
        error=error.message,
        error_mend=error.mend,
        typed_reason=typed_reason,
        typed_note=typed_note,
        status=STATUS[error.kind],
    )


def _view(found: Submission, names: dict[str, str]) -> SubmissionView:
    return SubmissionView(
        found.id,
        found.status,
        found.reason,
        names.get(found.submitted_by, found.submitted_by),
        found.submitted_at,
        names.get(found.decided_by or "", found.decided_by or ""),
        found.decided_at,
        found.decision_note or "",
    )


def _base(visit: Visit) -> int:
    text = visit.posted("base_revision", "0")
    return int(text) if text.isdigit() else 0


def _audit(session: Session, visit: Visit, action: str, opening: Opening, detail: dict[str, str]) -> None:
    record_act(
        session,
        business=visit.business.business,
        actor=visit.operator.id,
        action=action,
        subject=opening.rule_set.id,
        detail=dict(detail),
    )
