"""What waits for a person's approval, and what was decided: written by the runs that ask, read by the Approvals page."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from activities.journal.models import ProcessApproval, ProcessRun, RunStatus
from capabilities.kernel.clock import now
from capabilities.kernel.errors import MissingError, RefusedError
from capabilities.kernel.ids import new_id

MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class ApprovalSeen:
    """One question: which run asks, about what, of whom; and what was decided, by whom and why."""

    id: str
    business: str
    run_id: str
    process: str
    subject: str | None
    step: str
    iteration: int
    role: str
    shows: dict[str, Any]
    asked_by: str
    asked_at: datetime
    until: datetime
    decision: str | None
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    is_open: bool


@dataclass(frozen=True, slots=True)
class ApprovalsPage:
    """Newest first; `next_cursor` is None on the last page."""

    approvals: tuple[ApprovalSeen, ...]
    next_cursor: str | None


def ask(
    session: Session,
    *,
    business: str,
    run_id: str,
    path: str,
    iteration: int,
    role: str,
    shows: dict[str, Any],
    asked_by: str,
    until: datetime,
) -> None:
    """Put a question on the list, once a step and round."""
    row = {
        "id": new_id("apr"),
        "business": business,
        "run_id": run_id,
        "path": path,
        "iteration": iteration,
        "role": role,
        "shows": shows,
        "asked_by": asked_by,
        "asked_at": now(),
        "until": until,
    }
    session.execute(insert(ProcessApproval).values(row).on_conflict_do_nothing())


def decide(session: Session, *, run_id: str, path: str, iteration: int, decision: str, actor: str, reason: str) -> None:
    """Write the decision, once; the same again changes nothing. Raises `RefusedError` for whoever asked themselves."""
    found = session.scalars(
        select(ProcessApproval)
        .where(ProcessApproval.run_id == run_id, ProcessApproval.path == path, ProcessApproval.iteration == iteration)
        .with_for_update()
    ).one_or_none()
    if found is None:
        raise MissingError("process.approval_unknown", f"Nothing waits for approval at {path} of {run_id}.")
    if found.asked_by == actor:
        raise own_refused()
    session.execute(
        update(ProcessApproval)
        .where(ProcessApproval.id == found.id, ProcessApproval.decision.is_(None))
        .values(decision=decision, decided_by=actor, decided_at=now(), reason=reason)
    )


def own_refused() -> RefusedError:
    """The answer to somebody who would approve what they asked for."""
    return RefusedError(
        "process.approval_own",
        "You asked for this yourself; somebody else decides.",
        mend="Ask a colleague with the role to look at it.",
    )


def approval_of(session: Session, approval_id: str, *, business: str | None = None) -> ApprovalSeen:
    """One question. Raises `MissingError` when there is none of that id, or none of that business."""
    rows = session.execute(_select().where(ProcessApproval.id == approval_id)).all()
    if not rows or business not in (None, rows[0].ProcessApproval.business):
        raise MissingError("process.approval_unknown", f"There is no approval {approval_id}.")
    return _seen(rows[0])


def approvals_page(
    session: Session,
    business: str,
    *,
    roles: Collection[str] | None = None,
    is_open: bool | None = None,
    run_id: str | None = None,
    after: str | None = None,
    limit: int = 50,
) -> ApprovalsPage:
    """A page of the questions of a business, newest first: those of `roles`, those still open, those of one run."""
    limit = max(1, min(limit, MAX_PAGE))
    wanted = _select().where(ProcessApproval.business == business)
    if roles is not None:
        wanted = wanted.where(ProcessApproval.role.in_(roles))
    if run_id is not None:
        wanted = wanted.where(ProcessApproval.run_id == run_id)
    if is_open is not None:
        wanted = wanted.where(_is_open() if is_open else ~_is_open())
    if after is not None:
        wanted = wanted.where(ProcessApproval.id < after)
    rows = session.execute(wanted.order_by(ProcessApproval.id.desc()).limit(limit + 1)).all()
    seen = tuple(_seen(row) for row in rows[:limit])
    return ApprovalsPage(seen, seen[-1].id if len(rows) > limit else None)


def count_open(session: Session, business: str, *, roles: Collection[str], not_asked_by: str | None = None) -> int:
    """How many questions wait for somebody of these roles; without those that person asked."""
    wanted = (
        select(func.count())
        .select_from(ProcessApproval)
        .join(ProcessRun, ProcessRun.id == ProcessApproval.run_id)
        .where(ProcessApproval.business == business, ProcessApproval.role.in_(roles), _is_open())
    )
    if not_asked_by is not None:
        wanted = wanted.where(ProcessApproval.asked_by != not_asked_by)
    return session.scalar(wanted) or 0


def _is_open() -> Any:
    """A question is open while nobody decided and its run still waits: one that was stopped asks no more."""
    return ProcessApproval.decision.is_(None) & (ProcessRun.status == RunStatus.WAITING)


def _select() -> Any:
    return select(ProcessApproval, ProcessRun.process, ProcessRun.subject, ProcessRun.status).join(
        ProcessRun, ProcessRun.id == ProcessApproval.run_id
    )


def _seen(row: Any) -> ApprovalSeen:
    one: ProcessApproval = row.ProcessApproval
    return ApprovalSeen(
        one.id,
        one.business,
        one.run_id,
        row.process,
        row.subject,
        one.path,
        one.iteration,
        one.role,
        one.shows,
        one.asked_by,
        one.asked_at,
        one.until,
        one.decision,
        one.decided_by,
        one.decided_at,
        one.reason,
        is_open=one.decision is None and row.status == RunStatus.WAITING,
    )
