"""What processes did: runs, their steps, the definitions they were started with, and who mended what."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from capabilities.kernel.database import Base, BusinessRow, SmallInt


class RunStatus(StrEnum):
    """Where a run stands. `stuck` waits for a mending hand, `waiting` for an event or a time."""

    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    STUCK = "stuck"
    UNDOING = "undoing"
    ENDED = "ended"


class StepStatus(StrEnum):
    """What became of a step. `started` is a call outside whose answer is not recorded yet."""

    STARTED = "started"
    DONE = "done"
    WAITED = "waited"
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    SKIPPED = "skipped"


class ProcessDefinition(Base):
    """The text of a definition as some run was started with it, found by its hash."""

    __tablename__ = "process_definition"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    business: Mapped[str]
    process: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[datetime]


class ProcessRun(BusinessRow, Base):
    """One run of a process."""

    __tablename__ = "process_run"
    __table_args__ = (
        Index("ix_process_run_business_id", "business", "id"),
        Index("ix_process_run_open", "status", "started_at", postgresql_where=text("status <> 'ended'")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    scenario: Mapped[str | None]
    process: Mapped[str]
    definition_sha256: Mapped[str]
    workflow_id: Mapped[str] = mapped_column(unique=True)
    status: Mapped[str]
    outcome: Mapped[str | None]
    subject: Mapped[str | None] = mapped_column(index=True)
    """The id of what the run is about, such as an order's, once there is one."""
    step: Mapped[str | None]
    """The step it stands at: the one that failed, or the wait."""
    waiting_for: Mapped[str | None]
    waiting_until: Mapped[datetime | None]
    error: Mapped[dict[str, Any] | None]
    input: Mapped[dict[str, Any]]
    turn: Mapped[int] = mapped_column(SmallInt)
    """The turn of the last undo: a straggling activity of an earlier turn may add no new step any more."""
    parent_run_id: Mapped[str | None] = mapped_column(index=True)
    """The run that this one is a part of, and the step of it that began this one."""
    parent_step: Mapped[str | None]
    actor: Mapped[str]
    correlation_id: Mapped[str]
    started_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ProcessStep(BusinessRow, Base):
    """One step of one run, written in the transaction of the step's own work. Its key makes the step exactly-once."""

    __tablename__ = "process_step"
    __table_args__ = (UniqueConstraint("run_id", "path", "iteration", "revision"),)

    sequence: Mapped[int] = mapped_column(Identity(), primary_key=True)
    """The order in which steps were first written; undo walks it backwards."""
    run_id: Mapped[str]
    path: Mapped[str]
    iteration: Mapped[int] = mapped_column(SmallInt)
    revision: Mapped[int] = mapped_column(SmallInt)
    """Rises only when a person changes the input."""
    attempt: Mapped[int] = mapped_column(SmallInt)
    kind: Mapped[str]
    operation: Mapped[str | None]
    status: Mapped[str]
    request: Mapped[dict[str, Any] | None]
    intent: Mapped[dict[str, Any] | None]
    response: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    undo: Mapped[dict[str, Any] | None]
    """`{"call": operation, "with": request}`: registered before the outcome is known, bound to values."""
    undone_at: Mapped[datetime | None]
    actor: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ProcessApproval(BusinessRow, Base):
    """What a run asks a person to approve, and what was decided. Nobody decides on what they asked for themselves."""

    __tablename__ = "process_approval"
    __table_args__ = (
        UniqueConstraint("run_id", "path", "iteration"),
        CheckConstraint("decided_by IS NULL OR decided_by <> asked_by", name="four_eyes"),
        CheckConstraint("decision IN ('approve', 'refuse')", name="decision_known"),
        Index("ix_process_approval_open", "business", "role", "id", postgresql_where=text("decision IS NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str]
    path: Mapped[str]
    iteration: Mapped[int] = mapped_column(SmallInt)
    role: Mapped[str]
    shows: Mapped[dict[str, Any]]
    asked_by: Mapped[str]
    asked_at: Mapped[datetime]
    until: Mapped[datetime]
    decision: Mapped[str | None]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    reason: Mapped[str | None]


class ProcessRepair(BusinessRow, Base):
    """Who mended what, why, and with which change."""

    __tablename__ = "process_repair"

    id: Mapped[str] = mapped_column(primary_key=True)
    """The request's own id: the same repair sent twice is one row."""
    run_id: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    step: Mapped[str | None]
    change: Mapped[dict[str, Any] | None]
    actor: Mapped[str]
    reason: Mapped[str]
    made_at: Mapped[datetime]
