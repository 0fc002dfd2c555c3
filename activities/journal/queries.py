"""Reading the journal: pages and front-ends see processes only through here, never through Temporal's visibility."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities.journal.models import ProcessDefinition, ProcessRepair, ProcessRun, ProcessStep, RunStatus
from capabilities.kernel.errors import MissingError

MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class RunFilters:
    """Which runs a list shows; None means any. `older_than` is the latest `started_at` shown."""

    business: str | None = None
    process: str | None = None
    status: str | None = None
    outcome: str | None = None
    step: str | None = None
    subject: str | None = None
    older_than: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunsPage:
    """Newest first; `next_cursor` is None on the last page."""

    runs: tuple[ProcessRun, ...]
    next_cursor: str | None


def find_run(session: Session, run_id: str, *, business: str | None = None) -> ProcessRun | None:
    """The run, or None when there is none of that id, or none of that business."""
    run = session.get(ProcessRun, run_id)
    return run if run is not None and business in (None, run.business) else None


def run_of(session: Session, run_id: str, *, business: str | None = None) -> ProcessRun:
    """The run. Raises `MissingError` when there is none of that id, or none of that business."""
    run = find_run(session, run_id, business=business)
    if run is None:
        raise MissingError("process.unknown", f"There is no process run {run_id}.", run_id=run_id)
    return run


def run_of_workflow(session: Session, workflow_id: str) -> ProcessRun | None:
    """The run of that workflow id, if there is one."""
    return session.scalars(select(ProcessRun).where(ProcessRun.workflow_id == workflow_id)).one_or_none()


def parts_of(session: Session, run_id: str) -> list[ProcessRun]:
    """The sub-processes a run has begun, oldest first."""
    return list(session.scalars(select(ProcessRun).where(ProcessRun.parent_run_id == run_id).order_by(ProcessRun.id)))


def run_of_subject(session: Session, subject: str) -> ProcessRun | None:
    """The newest run about a subject, such as the checkout of an order."""
    return session.scalars(
        select(ProcessRun).where(ProcessRun.subject == subject).order_by(ProcessRun.id.desc()).limit(1)
    ).one_or_none()


def steps_of(session: Session, run_id: str) -> list[ProcessStep]:
    """The steps of a run in the order they were first written; undo steps stand where they ran."""
    return list(session.scalars(select(ProcessStep).where(ProcessStep.run_id == run_id).order_by(ProcessStep.sequence)))


def repairs_of(session: Session, run_id: str) -> list[ProcessRepair]:
    """Who mended what and why, oldest first."""
    return list(
        session.scalars(select(ProcessRepair).where(ProcessRepair.run_id == run_id).order_by(ProcessRepair.made_at))
    )


def definition_of(session: Session, sha256: str) -> str | None:
    """The canonical JSON text of the definition with that hash."""
    return session.scalar(select(ProcessDefinition.body).where(ProcessDefinition.sha256 == sha256))


def runs_page(session: Session, filters: RunFilters, *, after: str | None = None, limit: int = 50) -> RunsPage:
    """A page of runs, newest first, that stand after the cursor `after`."""
    limit = max(1, min(limit, MAX_PAGE))
    found = _filtered(select(ProcessRun), filters).order_by(ProcessRun.id.desc()).limit(limit + 1)
    if after is not None:
        found = found.where(ProcessRun.id < after)
    runs = session.scalars(found).all()
    more = len(runs) > limit
    return RunsPage(tuple(runs[:limit]), runs[limit - 1].id if more else None)


def count_runs(session: Session, filters: RunFilters) -> dict[str, int]:
    """How many runs stand in each state."""
    counted = _filtered(select(ProcessRun.status, func.count()), filters).group_by(ProcessRun.status)
    found: dict[str, int] = {row[0]: row[1] for row in session.execute(counted)}
    return {status.value: found.get(status.value, 0) for status in RunStatus}


def starting_runs(session: Session, *, before: datetime, limit: int) -> list[ProcessRun]:
    """Runs committed before the moment that never reached Temporal, oldest first."""
    waiting = select(ProcessRun).where(ProcessRun.status == RunStatus.STARTING, ProcessRun.started_at < before)
    return list(session.scalars(waiting.order_by(ProcessRun.started_at).limit(limit)))


def runs_waiting_for(session: Session, event: str, *, limit: int) -> list[ProcessRun]:
    """Runs that wait for the event, oldest first."""
    waiting = select(ProcessRun).where(ProcessRun.status == RunStatus.WAITING, ProcessRun.waiting_for == event)
    return list(session.scalars(waiting.order_by(ProcessRun.started_at).limit(limit)))


def _filtered(found: Any, filters: RunFilters) -> Any:
    for column, value in (
        (ProcessRun.business, filters.business),
        (ProcessRun.process, filters.process),
        (ProcessRun.status, filters.status),
        (ProcessRun.outcome, filters.outcome),
        (ProcessRun.step, filters.step),
        (ProcessRun.subject, filters.subject),
    ):
        if value is not None:
            found = found.where(column == value)
    return found if filters.older_than is None else found.where(ProcessRun.started_at <= filters.older_than)
