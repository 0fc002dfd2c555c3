"""Run a process from its cursor: consecutive steps on our own database in one transaction, or one call outside.

A batch ends before a call outside, before a wait or an undo, after a reply, and after `MAX_STEPS` steps. Every step's row
is written in the batch's own transaction and looked for first: a batch that runs again after a crash between its commit
and Temporal's marker returns what it had committed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from time import monotonic
from typing import Any

from sqlalchemy.orm import Session
from temporalio import activity

from activities.catalogue import find_operation
from activities.journal import service as journal
from activities.journal.models import RunStatus, StepStatus
from activities.journal.service import StepRow
from capabilities.kernel.clock import now
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import ErrorKind, PlatformError, RefusedError
from capabilities.kernel.idempotency import Answer, answer_of, store_answer
from workflows.language.asking import asked_by, limit_of
from workflows.language.bind import bind, look_up
from workflows.language.definition import Approval, Call, Decide, End, KeepAll, Raise, Reply, SubProcess, UndoAll, Wait
from workflows.language.plan import COMPLETED, LoopTooLongError, Plan, Turn, Work, plan_of_text, taken
from workflows.messages import ADVANCE, Advance, Advanced, Ending, RunRef
from workflows.messages import Reply as Sent
from workflows.outside import call_outside
from workflows.problems import json_text, problem
from workflows.standing import APPROVAL, ask_approval
from workflows.stepping import (
    Order,
    Refusal,
    Standing,
    as_json,
    bound_undo,
    context_of,
    error_of,
    failures_told,
    moment,
    note_row,
    order_of,
    parsed,
    row_of,
)

MAX_STEPS = 24
AHEAD = 4 * MAX_STEPS
"""How many instructions ahead a batch looks for steps that are done already."""
STRETCH_S = 2.0
"""After this the activity returns at the next chance, so that what it did is told to Temporal."""


@activity.defn(name=ADVANCE, no_thread_cancel_exception=True)
def advance(request: Advance) -> Advanced:
    """The activity: go on from the cursor, batch after call after batch, until somebody must be told or waited for.

    Each batch and each commit of a call outside is its own transaction, so an attempt that breaks off anywhere is taken
    up by the next where it broke off. One activity instead of one a batch saves the server and the worker half their work.
    """
    plan = plan_of_text(request.definition)
    began, known, trail = monotonic(), request.values, list[str]()
    values = dict(known)
    while True:
        done = _part(request, plan)
        values |= done.values
        trail += done.trail
        if _must_return(plan, done, values) or monotonic() - began > STRETCH_S:
            live = plan.live_values(done.cursor, values)
            news = {name: value for name, value in live.items() if name not in known or known[name] is not value}
            return replace(done, values=news, trail=trail)
        request = replace(request, cursor=done.cursor, values=plan.live_values(done.cursor, values), notes=[])


def _must_return(plan: Plan, done: Advanced, values: dict[str, Any]) -> bool:
    """Whether the process itself has something to do: answer, end, undo or wait."""
    told = done.reply is not None or done.outcome is not None or done.failure is not None
    return told or isinstance(plan.next_step(done.cursor, values)[1], Wait | UndoAll | Approval | SubProcess)


def _part(request: Advance, plan: Plan) -> Advanced:
    """As far as one transaction, or one call outside, reaches."""
    cursor, step = plan.next_step(request.cursor, request.values)
    standing = Standing(step.name if step is not None else "end")
    with failures_told(standing):
        try:
            if isinstance(step, Call) and find_operation(step.operation).is_outside:
                return _outside(request, plan, cursor, step, standing)
            with transaction() as session:
                return _Batch(session, request, plan, standing).run()
        except Refusal as refusal:
            return _refuse(request, refusal, rolled_back=[])
        except _RolledBack as ended:
            return _refuse(request, ended.refusal, rolled_back=ended.rows)


class _RolledBack(Exception):  # noqa: N818 - carries a refusal and what was rolled back with it
    def __init__(self, refusal: Refusal, rows: list[StepRow]) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
        self.rows = rows


@dataclass(slots=True)
class _Batch:
    """One transaction's way through the plan."""

    session: Session
    request: Advance
    plan: Plan
    standing: Standing
    values: dict[str, Any] = field(init=False)
    rows: list[StepRow] = field(default_factory=list)
    trail: list[str] = field(default_factory=list)
    reply: Sent | None = None
    found: journal.LockedRun = field(init=False)

    def run(self) -> Advanced:
        run = self.request.run
        self.values = dict(self.request.values)
        paths = self.plan.upcoming(self.request.cursor, AHEAD) + [note.path for note in self.request.notes]
        self.found = journal.lock_run(self.session, run.run_id, paths=paths)
        if self.found.status == RunStatus.ENDED:
            return ended_before(self.session, run, self.found, self.request.cursor)
        refused = _refused_before(self.request, self.found)
        if refused is not None:
            return refused
        self.rows.extend(journal.new_rows(self.found, [note_row(note) for note in self.request.notes]))
        try:
            cursor, standing_at = self._walk()
        except Refusal as refusal:
            raise _RolledBack(refusal, self.rows) from refusal
        return self._close(cursor, standing_at)

    def _walk(self) -> tuple[int, Work | None]:
        """Do steps until the batch ends; the cursor and the step it stands at then."""
        cursor = self.request.cursor
        for _ in range(MAX_STEPS):
            cursor, step = self.plan.next_step(cursor, self.values)
            if self.reply is not None and isinstance(step, Call | Decide | Reply | Raise):
                break
            match step:
                case Call() if find_operation(step.operation).is_outside:
                    break
                case Call() | Decide():
                    iteration = self.plan.iteration_of(step.name, self.values)
                    self._do(order_of(step, self.values, self.request.mending, iteration))
                case Reply():
                    self._reply(step)
                case Raise():
                    raise raised(step, self.values)
                case Turn():
                    self._turn(step)
                case KeepAll():
                    self._keep()
                case _:
                    break
            self.trail.append(step.name)
            cursor += 1
        return self.plan.next_step(cursor, self.values)

    def _keep(self) -> None:
        journal.keep_all(self.session, self.request.run.run_id)
        for row in self.rows:
            row.undo = None

    def _turn(self, turn: Turn) -> None:
        try:
            self.values |= taken(turn, self.values)
        except LoopTooLongError as error:
            refused = RefusedError("process.loop_too_long", str(error), mend="Do it in smaller parts.")
            raise Refusal(None, error_of(refused) | {"step": turn.name}) from error

    def _do(self, order: Order) -> None:
        self.standing.at(order)
        before = self.found.steps.get(order.key)
        if before is not None and before.is_final:
            self.values[order.path] = before.response
            return
        self.found.admit(self.request.turn)
        run, started_at = self.request.run, moment()
        substitute = self.request.mending.substitutes.get(order.place)
        if substitute is not None:
            self.values[order.path] = substitute
            self.rows.append(
                row_of(run, order, StepStatus.SKIPPED, started_at, response=substitute, ended_at=started_at)
            )
            return
        run_step = order.operation.run
        if run_step is None:
            raise TypeError(f"{order.operation.name} has no function to run.")
        try:
            response = as_json(run_step(self.session, context_of(run, order), parsed(order)))
        except PlatformError as error:
            if order.parks or error.kind is ErrorKind.UNAVAILABLE:
                raise
            raise Refusal(order, error_of(error)) from error
        self.values[order.path] = response
        self.rows.append(
            row_of(
                run,
                order,
                StepStatus.DONE,
                started_at,
                response=response,
                undo=bound_undo(order, self.values),
                ended_at=moment(),
            )
        )

    def _reply(self, step: Reply) -> None:
        if self.found.steps.get((step.name, 0, 0)) is None:
            self.found.admit(self.request.turn)
            at = moment()
            self.rows.append(
                StepRow(
                    step.name, "reply", StepStatus.DONE, response={"status": step.status}, started_at=at, ended_at=at
                )
            )
        answer = Answer(step.status, json_text(bind(step.body, self.values)))
        stored = store_answer(self.session, run_id=self.request.run.run_id, answer=answer)
        self.reply = Sent(stored.status, stored.body)

    def _close(self, cursor: int, step: Work | None) -> Advanced:
        """Write the rows and where the run stands now."""
        run = self.request.run
        journal.write_steps(self.session, run_id=run.run_id, business=run.business, rows=self.rows)
        outcome = outcome_at(step)
        if outcome is not None:
            journal.end_run(
                self.session,
                run.run_id,
                outcome=outcome,
                error=None,
                subject=subject_of(self.plan, self.values),
            )
        elif self.found.turn <= self.request.turn:
            journal.update_run(self.session, run.run_id, **standing_values(self.plan, self.values, step))
            if isinstance(step, Approval):
                ask_approval(self.session, run, asked_by(step, self.plan, self.values))
        return Advanced(
            cursor,
            self.plan.live_values(cursor, self.values),
            reply=self.reply,
            outcome=outcome,
            is_wait_announced=isinstance(step, Wait | Approval),
            trail=self.trail,
        )


def _outside(request: Advance, plan: Plan, cursor: int, step: Call, standing: Standing) -> Advanced:
    order = order_of(step, request.values, request.mending, plan.iteration_of(step.name, request.values))
    standing.at(order)
    response = call_outside(
        request.run,
        order,
        turn=request.turn,
        undo=bound_undo(order, request.values),
        substitute=request.mending.substitutes.get(order.place),
        notes=[note_row(note) for note in request.notes],
        stands=lambda answer: _stands_after(plan, cursor, {**request.values, order.path: answer}),
    )
    values = {**request.values, order.path: response}
    after, following = plan.next_step(cursor + 1, values)
    return Advanced(after, {order.path: response}, is_wait_announced=isinstance(following, Wait), trail=[order.path])


def _stands_after(plan: Plan, cursor: int, values: dict[str, Any]) -> dict[str, Any] | None:
    """What changes in the run's row after a call outside: nothing, unless a wait comes next."""
    following = plan.next_step(cursor + 1, values)[1]
    return standing_values(plan, values, following) if isinstance(following, Wait) else None


def outcome_at(step: Work | None) -> str | None:
    """The outcome, where the process ends here."""
    if step is None:
        return COMPLETED
    return step.outcome if isinstance(step, End) else None


def subject_of(plan: Plan, values: dict[str, Any]) -> str | None:
    """The id of what the run is about, once it is known."""
    subject = plan.definition.subject
    found = look_up(subject, values) if subject is not None else None
    return found if isinstance(found, str) else None


def standing_values(plan: Plan, values: dict[str, Any], step: Work | None) -> dict[str, Any]:
    """The run's row while it goes on: running, or waiting for what comes next."""
    stands: dict[str, Any] = {
        "status": RunStatus.RUNNING,
        "step": None,
        "waiting_for": None,
        "waiting_until": None,
        "error": None,
    }
    if isinstance(step, Wait):
        limit = limit_of(step, values)
        stands |= {
            "status": RunStatus.WAITING,
            "step": step.name,
            "waiting_for": step.event or "time",
            "waiting_until": None if limit is None else now() + timedelta(seconds=limit),
        }
    elif isinstance(step, Approval):
        stands |= {
            "status": RunStatus.WAITING,
            "step": step.name,
            "waiting_for": APPROVAL,
            "waiting_until": now() + timedelta(seconds=step.within_s),
        }
    subject = subject_of(plan, values)
    return stands if subject is None else stands | {"subject": subject}


def raised(step: Raise, values: dict[str, Any]) -> Refusal:
    """The refusal a `raise` step stands for."""
    reason = look_up(step.reason, values) if step.reason is not None else None
    message = reason if isinstance(reason, str) and reason else step.message
    details = bind(step.details, values) or {}
    error = RefusedError(step.code, message, mend=step.mend)
    error.details = details
    return Refusal(None, error_of(error, step.status) | {"step": step.name}, step.outcome)


def ended_before(session: Session, run: RunRef, found: journal.LockedRun, cursor: int) -> Advanced:
    """What a run that has ended answers when its last activity is asked again."""
    answer = answer_of(session, run.run_id)
    sent = Sent(answer.status, answer.body) if answer is not None else None
    return Advanced(cursor, reply=sent, outcome=found.outcome)


def _refuse(request: Advance, refusal: Refusal, *, rolled_back: list[StepRow]) -> Advanced:
    """The second transaction of a refusal: why, in the journal; and the end, unless earlier batches must be undone."""
    run = request.run
    at = moment()
    error = refusal.error | {"outcome": refusal.outcome}
    sent = problem_answer(error, run)
    rows = [
        replace(row, status=StepStatus.ROLLED_BACK, undo=None) if row.status != StepStatus.WAITED else row
        for row in rolled_back or [note_row(note) for note in request.notes]
    ]
    if refusal.order is not None:
        rows.append(row_of(run, refusal.order, StepStatus.REFUSED, at, error=error, ended_at=at))
    else:
        rows.append(StepRow(error["step"], "raise", StepStatus.DONE, error=error, started_at=at, ended_at=at))
    with transaction() as session:
        found = journal.lock_run(session, run.run_id, paths=[row.path for row in rows])
        if found.status == RunStatus.ENDED:
            return ended_before(session, run, found, request.cursor)
        refused = _refused_before(request, found)
        if refused is not None:
            return refused
        found.admit(request.turn)
        rows = journal.new_rows(found, rows)
        journal.write_steps(session, run_id=run.run_id, business=run.business, rows=rows)
        if journal.has_undo(session, run.run_id):
            journal.update_run(session, run.run_id, status=RunStatus.UNDOING, error=error)
            return Advanced(request.cursor, failure=Ending(refusal.outcome, error, sent))
        stored = store_answer(session, run_id=run.run_id, answer=Answer(sent.status, sent.body))
        journal.end_run(session, run.run_id, outcome=refusal.outcome, error=error)
        return Advanced(request.cursor, reply=Sent(stored.status, stored.body), outcome=refusal.outcome)


def problem_answer(error: dict[str, Any], run: RunRef) -> Sent:
    """The answer to a caller whose run was refused."""
    body = problem(error | {"details": (error.get("details") or {}) | {"run_id": run.run_id}})
    return Sent(body["status"], json_text(body))


def _refused_before(request: Advance, found: journal.LockedRun) -> Advanced | None:
    """What this very batch answered before a crash, when its undo has begun since: the refusal, from its row."""
    if found.turn <= request.turn:
        return None
    errors = [step.error for step in found.steps.values() if step.error is not None and "outcome" in step.error]
    if not errors:
        return None
    ending = Ending(errors[0]["outcome"], errors[0], problem_answer(errors[0], request.run))
    return Advanced(request.cursor, failure=ending)
