"""Undo what a run did, last step first, from the journal: each undo is a step of its own, and marks what it undid."""

from __future__ import annotations

from sqlalchemy.orm import Session
from temporalio import activity

from activities.catalogue import find_operation
from activities.journal import service as journal
from activities.journal.models import RunStatus, StepStatus
from activities.journal.service import UndoRow
from capabilities.kernel.clock import now
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import PlatformError, UnavailableError, error_from_dict
from capabilities.kernel.idempotency import Answer, answer_of, store_answer
from workflows.messages import UNDO, Advanced, Ending, Reply, RunRef, UndoRequest, place_of
from workflows.outside import call_outside
from workflows.stepping import (
    Order,
    Refusal,
    Standing,
    as_json,
    context_of,
    failures_told,
    moment,
    note_row,
    parsed,
    row_of,
)

PREFIX = "undo/"


@activity.defn(name=UNDO, no_thread_cancel_exception=True)
def undo_all(request: UndoRequest) -> Advanced:
    """The activity: undo everything registered, then end the run when an ending is given."""
    standing = Standing("undo")
    with failures_told(standing):
        try:
            while True:
                outside, ended = _undo_own(request, standing)
                if ended is not None:
                    return ended
                if outside is not None:
                    _undo_outside(request, outside, standing)
        except Refusal as refusal:
            # an undo that says no is nobody's answer: a person must look
            raise error_from_dict(refusal.error) from refusal


def _undo_own(request: UndoRequest, standing: Standing) -> tuple[UndoRow | None, Advanced | None]:
    """One transaction: undo the last step that is not undone; the run's end, when nothing is left.

    One step a transaction, because undo goes backwards: holding the locks of several would meet those of a batch, which
    takes them forwards, in a deadlock.
    """
    run = request.run
    with transaction() as session:
        found = journal.lock_run(session, run.run_id, paths=[note.path for note in request.notes])
        if found.status == RunStatus.ENDED:
            answer = answer_of(session, run.run_id)
            return None, Advanced(-1, reply=_sent(answer), outcome=found.outcome)
        notes = journal.new_rows(found, [note_row(note) for note in request.notes])
        journal.write_steps(session, run_id=run.run_id, business=run.business, rows=notes)
        if found.status != RunStatus.UNDOING or found.turn < request.turn:
            journal.update_run(session, run.run_id, status=RunStatus.UNDOING, turn=max(found.turn, request.turn))
        left = journal.undo_rows(session, run.run_id)
        if not left:
            return None, _end(session, run, request.ending)
        order = _order(request, left[0])
        if order.operation.is_outside:
            return left[0], None
        standing.at(order)
        _undo_one(session, request, left[0], order)
        # the last one ends the run in its own transaction
        return None, _end(session, run, request.ending) if len(left) == 1 else None


def _order(request: UndoRequest, row: UndoRow) -> Order:
    path = PREFIX + row.path + (f"#{row.revision}" if row.revision else "")
    place = place_of(path, row.iteration)
    return Order(
        path=path,
        kind="undo",
        operation=find_operation(row.operation),
        request=request.mending.requests.get(place, row.request),
        revision=request.mending.revisions.get(place, 0),
        iteration=row.iteration,
    )


def _undo_one(session: Session, request: UndoRequest, row: UndoRow, order: Order) -> None:
    run, started_at = request.run, moment()
    substitute = request.mending.substitutes.get(order.place)
    if substitute is not None:
        response, status = substitute, StepStatus.SKIPPED
    else:
        if order.operation.run is None:
            raise TypeError(f"{order.operation.name} has no function to run.")
        try:
            response = as_json(order.operation.run(session, context_of(run, order), parsed(order)))
        except UnavailableError:
            raise
        except PlatformError as error:
            raise Refusal(order, error.as_dict()) from error
        status = StepStatus.DONE
    undo_row = row_of(run, order, status, started_at, response=response, ended_at=moment())
    journal.write_steps(session, run_id=run.run_id, business=run.business, rows=[undo_row])
    journal.mark_undone(session, [row.sequence], now())


def _undo_outside(request: UndoRequest, row: UndoRow, standing: Standing) -> None:
    order = _order(request, row)
    standing.at(order)
    call_outside(
        request.run,
        order,
        turn=request.turn,
        undo=None,
        substitute=request.mending.substitutes.get(order.place),
        notes=[],
        stands=lambda _: None,
        during=RunStatus.UNDOING,
        after_record=lambda session: journal.mark_undone(session, [row.sequence], now()),
    )


def _end(session: Session, run: RunRef, ending: Ending | None) -> Advanced:
    if ending is None:
        journal.update_run(session, run.run_id, status=RunStatus.RUNNING, step=None)
        return Advanced(-1)
    stored: Answer | None = None
    if ending.reply is not None:
        stored = store_answer(session, run_id=run.run_id, answer=Answer(ending.reply.status, ending.reply.body))
    journal.end_run(session, run.run_id, outcome=ending.outcome, error=ending.error)
    return Advanced(-1, reply=_sent(stored), outcome=ending.outcome)


def _sent(answer: Answer | None) -> Reply | None:
    return None if answer is None else Reply(answer.status, answer.body)
