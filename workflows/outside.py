"""A step that calls outside is three commits: the intent with its key, then the call, then the answer.

No transaction is open during the call. The undo is registered with the intent, because from then on the outcome can be
unknown. A repeated attempt finds the intent and calls again with the same key.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from pydantic import BaseModel
from sqlalchemy.orm import Session

from activities.catalogue import Operation, OutsideSteps
from activities.journal import service as journal
from activities.journal.models import RunStatus, StepStatus
from activities.journal.service import FoundStep, StepRow
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import ErrorKind, PlatformError
from workflows.messages import RunRef
from workflows.stepping import REFUSED, Order, Refusal, as_json, context_of, error_of, moment, parsed, row_of

Stands = Callable[[dict[str, Any]], dict[str, Any] | None]
AfterRecord = Callable[[Session], None]
ASK_ANEW: dict[str, Any] = {}
"""In place of an intent that was answered, but not well enough: the next attempt makes a new one."""


def call_outside(
    run: RunRef,
    order: Order,
    *,
    turn: int,
    undo: dict[str, Any] | None,
    substitute: dict[str, Any] | None,
    notes: list[StepRow],
    stands: Stands,
    during: RunStatus = RunStatus.RUNNING,
    after_record: AfterRecord | None = None,
) -> dict[str, Any]:
    """The response of the step. `stands` gives what changes in the run's row after it, None for nothing; `after_record`
    runs in the last transaction.
    """
    steps = _outside_steps(order.operation)
    started_at = moment()
    with transaction() as session:
        found = _look(session, run, order, notes)
        before = found.steps.get(order.key)
        if before is not None and before.is_final:
            return before.response or {}
        if before is not None and before.error is not None and found.is_past(turn):
            raise refused_before(order, before.error)
        found.admit(turn)
        journal.write_steps(session, run_id=run.run_id, business=run.business, rows=journal.new_rows(found, notes))
        if substitute is not None:
            row = row_of(run, order, StepStatus.SKIPPED, started_at, response=substitute, ended_at=started_at)
            _close(session, run, turn, row, stands(substitute), after_record)
            return substitute
        intent = _intent(session, run, order, before, undo, started_at)
        if found.status != during:
            journal.update_run(
                session, run.run_id, status=during, step=order.path, waiting_for=None, waiting_until=None
            )
    try:
        answer = steps.call(intent)
    except PlatformError as error:
        if order.parks or error.kind is ErrorKind.UNAVAILABLE:
            raise
        raise Refusal(order, error_of(error)) from error
    with transaction() as session:
        # no lock and no look: `record` takes the same answer twice, and a row that is final already rolls this back
        recorded = steps.record(session, context_of(run, order), intent, answer)
        response, missing = as_json(recorded), steps.missing(recorded)
        if missing is None:
            row = row_of(run, order, StepStatus.DONE, started_at, response=response, ended_at=moment())
            _close(session, run, turn, row, stands(response), after_record)
        else:
            row = row_of(run, order, StepStatus.STARTED, started_at, intent=ASK_ANEW)
            journal.write_steps(session, run_id=run.run_id, business=run.business, rows=[row])
    if missing is None:
        return response
    if order.parks or missing.kind is ErrorKind.UNAVAILABLE:
        raise missing
    raise Refusal(order, error_of(missing))


def refused_before(order: Order, error: dict[str, Any]) -> Refusal:
    """The refusal of a step that was refused before the worker died, and whose undo has begun since."""
    return Refusal(
        order, {key: value for key, value in error.items() if key != "outcome"}, error.get("outcome", REFUSED)
    )


def _close(
    session: Session,
    run: RunRef,
    turn: int,
    row: StepRow,
    stands: dict[str, Any] | None,
    after_record: AfterRecord | None,
) -> None:
    """The step's row is final; the run's row changes only where it stands otherwise than before."""
    journal.write_steps(session, run_id=run.run_id, business=run.business, rows=[row])
    if after_record is not None:
        after_record(session)
    if stands is not None:
        journal.update_standing(session, run.run_id, turn, **stands)


def _intent(
    session: Session,
    run: RunRef,
    order: Order,
    before: FoundStep | None,
    undo: dict[str, Any] | None,
    started_at: str,
) -> BaseModel:
    """The intent of an earlier attempt, else a new one, written with the undo."""
    if before is not None and before.intent:
        stored = _intent_type(order.operation).model_validate(before.intent)
        resumed: BaseModel = _outside_steps(order.operation).resumed(stored)
        return resumed
    try:
        intent: BaseModel = _outside_steps(order.operation).intend(session, context_of(run, order), parsed(order))
    except PlatformError as error:
        if order.parks or error.kind is ErrorKind.UNAVAILABLE:
            raise
        raise Refusal(order, error_of(error)) from error
    row = row_of(run, order, StepStatus.STARTED, started_at, intent=as_json(intent), undo=undo)
    journal.write_steps(session, run_id=run.run_id, business=run.business, rows=[row])
    return intent


def _look(session: Session, run: RunRef, order: Order, notes: list[StepRow]) -> journal.LockedRun:
    return journal.lock_run(session, run.run_id, paths=[order.path, *(note.path for note in notes)])


def _outside_steps(operation: Operation) -> OutsideSteps[Any, Any, Any]:
    if operation.outside is None:
        raise TypeError(f"{operation.name} calls nobody outside.")
    return operation.outside


@lru_cache(maxsize=256)
def _intent_type(operation: Operation) -> type[BaseModel]:
    """The type `intend` returns, so that a stored intent can be read again."""
    found: type[BaseModel] = typing.get_type_hints(_outside_steps(operation).intend)["return"]
    return found
