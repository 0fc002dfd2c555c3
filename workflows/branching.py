"""Sub-processes: begin one for a step of a run, and write its outcome down as that step's answer.

The child is a run of its own, linked both ways: its row names the run and step it is a part of, the step's row names the
child. Its key is made of the parent's step, so that beginning it twice is one child.
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session
from temporalio import activity

from activities.journal import queries
from activities.journal import service as journal
from activities.journal.models import RunStatus, StepStatus
from activities.journal.service import StepRow
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import MissingError
from workflows.inputs import typed_input
from workflows.language.scope import Ended
from workflows.library import definition_for
from workflows.messages import BRANCH, JOIN, Branch, Branched, Joined, place_of
from workflows.starting import Begun, begun_before, open_child, workflow_id_of
from workflows.stepping import Standing, Unreadable, attempt, failures_told, moment, note_row

KIND = "process"


@activity.defn(name=BRANCH, no_thread_cancel_exception=True)
def begin_branch(request: Branch) -> Branched:
    """Write the child's run and the step that waits for it, or find them; the answer, where the step has one already."""
    run, key = request.run, (request.step, request.iteration, request.revision)
    standing = Standing(request.step, None, request.request, request.iteration)
    with failures_told(standing), transaction() as session:
        found = journal.lock_run(session, run.run_id, paths=[request.step, *(note.path for note in request.notes)])
        before = found.steps.get(key)
        if before is not None and before.is_final:
            return Branched(response=before.response)
        found.admit(request.turn)
        rows = journal.new_rows(found, [note_row(note) for note in request.notes])
        if request.substitute is not None:
            rows.append(_row(request, StepStatus.SKIPPED, request.substitute))
            journal.write_steps(session, run_id=run.run_id, business=run.business, rows=rows)
            return Branched(response=request.substitute)
        begun = _child(session, request)
        rows.append(_row(request, StepStatus.STARTED, {"run_id": begun.run_id}))
        journal.write_steps(session, run_id=run.run_id, business=run.business, rows=rows)
        journal.update_run(
            session,
            run.run_id,
            status=RunStatus.WAITING,
            step=request.step,
            waiting_for=KIND,
            waiting_until=None,
        )
        return Branched(begun.workflow_id, begun.start)


@activity.defn(name=JOIN, no_thread_cancel_exception=True)
def join_branch(request: Joined) -> Branched:
    """Write the outcome of a child that has ended as the answer of the step that began it."""
    run = request.run
    with failures_told(Standing(request.step)), transaction() as session:
        found = journal.lock_run(session, run.run_id, paths=[request.step])
        before = found.steps.get((request.step, request.iteration, request.revision))
        if before is None:
            raise MissingError("process.step_unknown", f"{run.run_id} never came to {request.step}.")
        if before.is_final:
            return Branched(response=before.response)
        child = queries.run_of(session, request.child_run_id)
        code = child.error.get("code") if child.error is not None else None
        ended = Ended(run_id=child.id, outcome=child.outcome or "", subject=child.subject, code=code)
        response = ended.model_dump(mode="json")
        row = StepRow(
            path=request.step,
            kind=KIND,
            status=StepStatus.DONE,
            iteration=request.iteration,
            revision=request.revision,
            attempt=attempt(),
            operation=f"{KIND}.{child.process}",
            request=child.input,
            response=response,
            actor=run.actor,
            ended_at=moment(),
        )
        journal.write_steps(session, run_id=run.run_id, business=run.business, rows=[row])
        journal.update_standing(
            session, run.run_id, request.turn, status=RunStatus.RUNNING, step=None, waiting_for=None
        )
        return Branched(response=response)


def _child(session: Session, request: Branch) -> Begun:
    run = request.run
    place = place_of(request.step, request.iteration)
    key = f"{place}#{request.revision}"
    workflow_id = workflow_id_of(run.business, request.process, run.run_id, key)
    before = queries.run_of_workflow(session, workflow_id)
    if before is not None:
        return begun_before(session, before.id, None)
    definition = definition_for(request.process, run.identity)
    return open_child(
        session,
        parent=run,
        parent_step=place,
        definition=definition,
        workflow_id=workflow_id,
        input=_typed(definition.definition.input, request),
    )


def _typed(name: str, request: Branch) -> dict[str, Any]:
    try:
        return typed_input(name, request.request)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Unreadable(f"The input of {request.step} cannot be read: {place}: {first['msg']}.") from error


def _row(request: Branch, status: StepStatus, response: dict[str, Any]) -> StepRow:
    at = moment()
    return StepRow(
        path=request.step,
        kind=KIND,
        status=status,
        iteration=request.iteration,
        revision=request.revision,
        attempt=attempt(),
        operation=f"{KIND}.{request.process}",
        request=request.request,
        response=response,
        undo=request.undo if status is StepStatus.STARTED else None,
        actor=request.run.actor,
        started_at=at,
        ended_at=at if status is StepStatus.SKIPPED else None,
    )
