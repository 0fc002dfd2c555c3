"""Writing the journal, always in the transaction of the work it tells of. Nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, bindparam, exists, func, null, select, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Session

from activities.journal.models import ProcessDefinition, ProcessRepair, ProcessRun, ProcessStep, RunStatus, StepStatus
from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, MissingError, UnavailableError

_RUNS = cast("Table", ProcessRun.__table__)
"""Statements on the table itself go past the mapper: this is the hot path of every process."""

FINAL = frozenset({StepStatus.DONE.value, StepStatus.SKIPPED.value, StepStatus.WAITED.value})
"""States of a step that nothing changes any more."""


@dataclass(frozen=True, slots=True)
class FoundStep:
    """What the journal knows of a step that ran before."""

    sequence: int
    status: str
    attempt: int
    response: dict[str, Any] | None
    intent: dict[str, Any] | None
    error: dict[str, Any] | None

    @property
    def is_final(self) -> bool:
        return self.status in FINAL


StepKey = tuple[str, int, int]
"""Path, iteration, revision."""


@dataclass(frozen=True, slots=True)
class LockedRun:
    """A run whose row is locked until the transaction ends, and the steps that were asked for."""

    run_id: str
    status: str
    outcome: str | None
    turn: int
    steps: dict[StepKey, FoundStep]

    def is_past(self, turn: int) -> bool:
        """Whether the run has ended, or was undone after that turn."""
        return self.turn > turn or self.status == RunStatus.ENDED

    def admit(self, turn: int) -> None:
        """Raises `ConflictError` for a straggler: an activity of a turn before the last undo, or of a run that is over,
        that would add a step.
        """
        if self.is_past(turn):
            raise ConflictError("process.turn_passed", "This run was undone meanwhile.", run_id=self.run_id, turn=turn)


@dataclass(slots=True)
class StepRow:
    """A step to be written. `undo` is `{"call": operation, "with": request}`, bound to values."""

    path: str
    kind: str
    status: str
    iteration: int = 0
    revision: int = 0
    attempt: int = 1
    operation: str | None = None
    request: dict[str, Any] | None = None
    intent: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    undo: dict[str, Any] | None = None
    actor: str = "system"
    started_at: str | None = None
    ended_at: str | None = None


@dataclass(frozen=True, slots=True)
class UndoRow:
    """A step that is still to be undone. One that was tried with several inputs stands here once for each revision."""

    sequence: int
    path: str
    iteration: int
    revision: int
    operation: str
    request: dict[str, Any]


def save_definition(session: Session, *, sha256: str, body: str, business: str, process: str) -> None:
    """Keep the text of a definition under its hash; the second time changes nothing."""
    row = {"sha256": sha256, "body": body, "business": business, "process": process, "created_at": now()}
    session.execute(insert(ProcessDefinition).values(row).on_conflict_do_nothing())


def open_run(session: Session, **values: Any) -> None:
    """Write a new run, `starting`."""
    moment = now()
    row = {"status": RunStatus.STARTING, "turn": 0, "started_at": moment, "updated_at": moment, **values}
    session.execute(_RUNS.insert(), row)


_LOCK = text(
    """
    SELECT r.status AS run_status, r.outcome, r.turn, s.sequence, s.path, s.iteration, s.revision, s.status, s.attempt,
           s.response, s.intent, s.error
    FROM process_run r
    LEFT JOIN process_step s ON s.run_id = r.id AND s.path = ANY(:paths)
    WHERE r.id = :run_id
    FOR NO KEY UPDATE OF r
    """
).columns(response=JSONB(), intent=JSONB(), error=JSONB())


def lock_run(session: Session, run_id: str, *, paths: Sequence[str] = ()) -> LockedRun:
    """Lock the run against its other activities and read the steps named."""
    rows = session.execute(_LOCK, {"run_id": run_id, "paths": list(paths)}).all()
    if not rows:
        raise MissingError("process.unknown", f"There is no process run {run_id}.", run_id=run_id)
    steps = {
        (row.path, row.iteration, row.revision): FoundStep(
            row.sequence, row.status, row.attempt, row.response, row.intent, row.error
        )
        for row in rows
        if row.sequence is not None
    }
    return LockedRun(run_id, rows[0].run_status, rows[0].outcome, rows[0].turn, steps)


_WRITE = text(
    """
    INSERT INTO process_step (business, run_id, path, iteration, revision, attempt, kind, operation, status,
                              request, intent, response, error, undo, actor, started_at, ended_at)
    SELECT :business, :run_id, path, iteration, revision, attempt, kind, operation, status,
           request, intent, response, error, undo, actor,
           coalesce(started_at, clock_timestamp()), ended_at
    FROM ROWS FROM (jsonb_to_recordset(:rows) AS (
        path text, iteration int, revision int, attempt int, kind text, operation text, status text,
        request jsonb, intent jsonb, response jsonb, error jsonb, undo jsonb, actor text,
        started_at timestamptz, ended_at timestamptz)) WITH ORDINALITY AS new(
        path, iteration, revision, attempt, kind, operation, status, request, intent, response, error, undo, actor,
        started_at, ended_at, place)
    ORDER BY place
    ON CONFLICT (run_id, path, iteration, revision) DO UPDATE SET
        attempt = excluded.attempt, status = excluded.status, request = excluded.request,
        intent = coalesce(excluded.intent, process_step.intent), response = excluded.response,
        error = excluded.error, undo = coalesce(excluded.undo, process_step.undo), actor = excluded.actor,
        ended_at = excluded.ended_at
    WHERE process_step.status NOT IN ('done', 'skipped', 'waited')
    """
).bindparams(bindparam("rows", type_=JSONB()))


def write_steps(session: Session, *, run_id: str, business: str, rows: Sequence[StepRow]) -> None:
    """Write steps, in their order. Raises `UnavailableError` when one of them was done meanwhile: the next attempt finds it."""
    if not rows:
        return
    wanted = [{name: getattr(row, name) for name in StepRow.__slots__} for row in rows]
    written = session.execute(_WRITE, {"business": business, "run_id": run_id, "rows": wanted})
    if written.rowcount != len(rows):  # type: ignore[attr-defined]
        raise UnavailableError("process.step_done_meanwhile", "A step of this run was done meanwhile.", run_id=run_id)


def update_run(session: Session, run_id: str, **values: Any) -> None:
    """Change the run's row; `updated_at` follows."""
    session.execute(update(_RUNS).where(_RUNS.c.id == run_id).values(updated_at=now(), **values))


def mark_started(session: Session, run_id: str) -> None:
    """The run has a workflow that starts it, so that no sweeper has to; one that is further stays where it is."""
    is_new = (_RUNS.c.id == run_id) & (_RUNS.c.status == RunStatus.STARTING)
    session.execute(update(_RUNS).where(is_new).values(status=RunStatus.RUNNING, updated_at=now()))


def update_standing(session: Session, run_id: str, turn: int, **values: Any) -> None:
    """Change where a run stands, unless it has ended or was undone since that turn: a straggler revives nothing."""
    stands = (_RUNS.c.id == run_id) & (_RUNS.c.turn <= turn) & (_RUNS.c.status != RunStatus.ENDED)
    session.execute(update(_RUNS).where(stands).values(updated_at=now(), **values))


def end_run(
    session: Session, run_id: str, *, outcome: str, error: dict[str, Any] | None, subject: str | None = None
) -> None:
    """The run's end."""
    moment = now()
    values: dict[str, Any] = {} if subject is None else {"subject": subject}
    update_run(
        session,
        run_id,
        status=RunStatus.ENDED,
        outcome=outcome,
        error=error,
        step=None,
        waiting_for=None,
        waiting_until=None,
        ended_at=moment,
        **values,
    )


def new_rows(found: LockedRun, rows: Sequence[StepRow]) -> list[StepRow]:
    """The rows that are not final yet: a repeated activity brings some that are."""
    keys = ((row, (row.path, row.iteration, row.revision)) for row in rows)
    return [row for row, key in keys if key not in found.steps or not found.steps[key].is_final]


def keep_all(session: Session, run_id: str) -> None:
    """Nothing a run has done so far is undone any more."""
    session.execute(
        update(ProcessStep).where(ProcessStep.run_id == run_id, ProcessStep.undone_at.is_(None)).values(undo=null())
    )


def has_undo(session: Session, run_id: str) -> bool:
    """Whether anything registered is still to be undone."""
    return bool(session.scalar(select(exists(_undoable(run_id)))))


def undo_rows(session: Session, run_id: str) -> list[UndoRow]:
    """What is still to be undone, last step first."""
    found = session.execute(_undoable(run_id).order_by(ProcessStep.sequence.desc()))
    return [
        UndoRow(row.sequence, row.path, row.iteration, row.revision, row.undo["call"], row.undo["with"])
        for row in found
    ]


def _undoable(run_id: str) -> Any:
    return select(
        ProcessStep.sequence, ProcessStep.path, ProcessStep.iteration, ProcessStep.revision, ProcessStep.undo
    ).where(
        ProcessStep.run_id == run_id,
        ProcessStep.undone_at.is_(None),
        func.jsonb_typeof(ProcessStep.undo) == "object",
    )


def mark_undone(session: Session, sequences: Sequence[int], moment: datetime) -> None:
    """Mark steps as undone, once."""
    session.execute(
        update(ProcessStep)
        .where(ProcessStep.sequence.in_(sequences), ProcessStep.undone_at.is_(None))
        .values(undone_at=moment)
    )


def log_repair(session: Session, repair: ProcessRepair) -> bool:
    """Write who mended what and why; False when this very repair was written before."""
    row = {column.name: getattr(repair, column.name) for column in ProcessRepair.__table__.columns}
    added = session.execute(insert(ProcessRepair).values(row).on_conflict_do_nothing().returning(ProcessRepair.id))
    return added.scalar() is not None
