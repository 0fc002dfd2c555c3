"""Small activities that write down where a run stands: parked, waiting, mended."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session
from temporalio import activity

from activities.journal import approvals
from activities.journal import service as journal
from activities.journal.models import ProcessRepair, RunStatus, StepStatus
from activities.journal.service import StepRow
from capabilities.kernel.clock import now
from capabilities.kernel.database import transaction
from workflows.language.asking import approved
from workflows.messages import (
    DECIDED,
    PARK,
    REPAIRED,
    WAIT,
    AnnounceWait,
    Asked,
    Decided,
    Park,
    Repaired,
    RunRef,
)
from workflows.stepping import Standing, failures_told, moment, note_row

APPROVAL = "approval"
"""What a run waits for that asks a person to approve."""


@activity.defn(name=PARK, no_thread_cancel_exception=True)
def park(request: Park) -> None:
    """Put the run on the list of those that wait for a mending hand, with step, error and input at hand."""
    run, failure = request.run, request.failure
    at = moment()
    with failures_told(Standing(failure.step)), transaction() as session:
        paths = [failure.step, *(note.path for note in request.notes)]
        found = journal.lock_run(session, run.run_id, paths=paths)
        if found.status == RunStatus.ENDED:
            return
        failed = StepRow(
            path=failure.step,
            kind="call",
            status=StepStatus.FAILED,
            iteration=failure.iteration,
            revision=request.revision,
            attempt=failure.attempt,
            operation=failure.operation,
            request=failure.request,
            error=failure.error,
            actor=run.actor,
            started_at=at,
            ended_at=at,
        )
        rows = journal.new_rows(found, [*(note_row(note) for note in request.notes), failed])
        journal.write_steps(session, run_id=run.run_id, business=run.business, rows=rows)
        journal.update_run(
            session,
            run.run_id,
            status=RunStatus.STUCK,
            step=failure.step,
            error=failure.error,
            waiting_for="repair",
            waiting_until=None,
        )


@activity.defn(name=WAIT, no_thread_cancel_exception=True)
def announce_wait(request: AnnounceWait) -> None:
    """Write down that the run waits, where no batch before it could."""
    run = request.run
    with failures_told(Standing(request.step)), transaction() as session:
        found = journal.lock_run(session, run.run_id, paths=[note.path for note in request.notes])
        rows = journal.new_rows(found, [note_row(note) for note in request.notes])
        journal.write_steps(session, run_id=run.run_id, business=run.business, rows=rows)
        journal.update_run(
            session,
            run.run_id,
            status=RunStatus.WAITING,
            step=request.step,
            waiting_for=request.waiting_for,
            waiting_until=None if request.seconds is None else now() + timedelta(seconds=request.seconds),
        )
        if request.asked is not None:
            ask_approval(session, run, request.asked)


def ask_approval(session: Session, run: RunRef, asked: Asked) -> None:
    """Put the question on the list of those who may answer it; asking again changes nothing."""
    approvals.ask(
        session,
        business=run.business,
        run_id=run.run_id,
        path=asked.step,
        iteration=asked.iteration,
        role=asked.role,
        shows=asked.shows,
        asked_by=run.actor,
        until=now() + timedelta(seconds=asked.seconds),
    )


@activity.defn(name=DECIDED, no_thread_cancel_exception=True)
def note_decision(request: Decided) -> None:
    """Write who approved or refused and why, and the step's answer; the run goes on."""
    run, decision = request.run, request.decision
    with failures_told(Standing(decision.step)), transaction() as session:
        found = journal.lock_run(session, run.run_id, paths=[decision.step])
        found.admit(request.turn)
        approvals.decide(
            session,
            run_id=run.run_id,
            path=decision.step,
            iteration=decision.iteration,
            decision=decision.decision,
            actor=decision.actor,
            reason=decision.reason,
        )
        row = StepRow(
            path=decision.step,
            kind="approval",
            status=StepStatus.WAITED,
            iteration=decision.iteration,
            response=approved(decision, timed_out=request.timed_out),
            actor=decision.actor,
            started_at=request.started_at,
            ended_at=request.ended_at,
        )
        rows = journal.new_rows(found, [row])
        journal.write_steps(session, run_id=run.run_id, business=run.business, rows=rows)
        journal.update_run(
            session, run.run_id, status=RunStatus.RUNNING, step=None, waiting_for=None, waiting_until=None
        )


@activity.defn(name=REPAIRED, no_thread_cancel_exception=True)
def note_repair(request: Repaired) -> None:
    """Write who mended what and why; the run goes on."""
    run, repair = request.run, request.repair
    with failures_told(Standing(request.step)), transaction() as session:
        journal.lock_run(session, run.run_id)
        row = ProcessRepair(
            id=repair.id,
            business=run.business,
            run_id=run.run_id,
            kind=repair.kind,
            step=request.step,
            change=repair.change,
            actor=repair.actor,
            reason=repair.reason,
            made_at=now(),
        )
        if journal.log_repair(session, row):
            journal.update_run(session, run.run_id, status=RunStatus.RUNNING, waiting_for=None, error=None)
