"""The one workflow: it interprets the definition it was started with.

Its state is small: the values later steps ask for, the cursor, and what people mended. Everything with effects happens in
activities. Waits, parking and undo are here, because they may take days.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.workflow import NondeterminismError

with workflow.unsafe.imports_passed_through():
    from workflows.language.definition import UndoAll, Wait
    from workflows.language.plan import Plan, plan_of_text
    from workflows.messages import (
        ADVANCE,
        ANSWER,
        EVENT,
        PARK,
        REPAIR,
        REPAIRED,
        UNDO,
        WAIT,
        Advance,
        Advanced,
        AnnounceWait,
        Ending,
        Event,
        Failure,
        Mending,
        Note,
        Park,
        Repair,
        Repaired,
        RepairKind,
        Reply,
        StartInput,
        UndoRequest,
    )
    from workflows.problems import json_text, problem

Result = TypeVar("Result")

WORK_RETRY = RetryPolicy(
    # 0.2, 0.4, … 15 s, 15 s: seventy-odd seconds in all, a restart of anything included; then a person is asked
    initial_interval=timedelta(seconds=0.2),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=15),
    maximum_attempts=12,
)
NOTE_RETRY = RetryPolicy(initial_interval=timedelta(seconds=0.2), maximum_interval=timedelta(seconds=30))
"""Where a run stands must get written, however long the database is away."""
ACTIVITY_LIMIT = timedelta(seconds=20)
LOCAL_RETRY_THRESHOLD = timedelta(seconds=2)
"""Longer back-offs are timers of the server: they survive the worker."""
STOPPED, CANCELLED = "stopped", "cancelled"
FAILED = (ActivityError, ApplicationError)
"""How a local activity fails for good: wrapped when it was cut off, bare when it said so itself."""


class _Stop(Exception):  # noqa: N818 - a way out, not an error
    """Leave the walk: undo everything and end so."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.outcome)
        self.ending = ending


@workflow.defn(dynamic=True)
class Process:
    """A running process. Its type's name is the process's name."""

    def __init__(self) -> None:
        self._start: StartInput | None = None
        self._values: dict[str, Any] = {}
        self._cursor = 0
        self._turn = 0
        self._mending = Mending()
        self._notes: list[Note] = []
        self._reply: Reply | None = None
        self._is_over = False
        self._is_wait_announced = False
        self._events: dict[str, Event] = {}
        self._stuck: Failure | None = None
        self._repair: Repair | None = None
        self._repairs_done: set[str] = set()
        self._cancelled = False
        self._is_stopping = False

    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> str:
        """Walk to the end; the outcome."""
        self._start = workflow.payload_converter().from_payload(args[0].payload, StartInput)
        self._values = {"input": self._start.input, "run": {"id": self._start.run.run_id}}
        try:
            outcome = await self._walk()
        except _Stop as stop:
            outcome = await self._undo(stop.ending) or stop.ending.outcome
        except asyncio.CancelledError:
            outcome = await self._undo(self._stopped(CANCELLED, "The process was cancelled.")) or CANCELLED
        self._is_over = True
        await workflow.wait_condition(workflow.all_handlers_finished)
        return outcome

    # --- who talks to a running process

    @workflow.update(name=ANSWER)
    async def answer(self) -> Reply | None:
        """Wait for the reply of the process; None when it ended without one."""
        await workflow.wait_condition(lambda: self._reply is not None or self._is_over)
        return self._reply

    @workflow.update(name=EVENT)
    async def event(self, event: Event) -> None:
        """Deliver an event the process waits for."""
        self._events[event.name] = event

    @event.validator
    def _check_event(self, event: Event) -> None:
        if self._start is None or self._is_stopping or event.name not in self._plan().events(self._cursor):
            raise ApplicationError(f"This process does not wait for {event.name}.", type="process.event_unknown")
        if event.name in self._events or self._is_over:
            raise ApplicationError(f"{event.name} has come already.", type="process.event_repeated")

    @workflow.update(name=REPAIR)
    async def repair(self, repair: Repair) -> None:
        """Mend a parked step; returns once the journal has it."""
        self._repair = repair
        await workflow.wait_condition(lambda: repair.id in self._repairs_done or self._is_over)

    @repair.validator
    def _check_repair(self, repair: Repair) -> None:
        if self._stuck is None or self._repair is not None or self._is_over:
            raise ApplicationError("This process is not parked now.", type="process.not_stuck")
        if repair.step is not None and repair.step != self._stuck.step:
            raise ApplicationError(f"It is parked at {self._stuck.step} now.", type="process.stuck_elsewhere")
        if repair.kind in (RepairKind.RETRY_WITH, RepairKind.SKIP) and repair.change is None:
            raise ApplicationError("Say what to use instead.", type="process.change_missing")
        if not repair.reason.strip() or not repair.actor:
            raise ApplicationError("A repair says who and why.", type="process.reason_missing")

    # --- the walk

    def _plan(self) -> Plan:
        return plan_of_text(self._started().definition)

    def _started(self) -> StartInput:
        if self._start is None:
            raise ApplicationError("The process has not begun.", type="process.not_begun")
        return self._start

    async def _walk(self) -> str:
        while True:
            try:
                outcome = await self._go_on()
            except (_Stop, NondeterminismError):
                raise
            except Exception as bug:  # noqa: BLE001 - a bug must stand on somebody's list, not be retried in silence
                error = {"code": "process.interpreter_failed", "message": f"{type(bug).__name__}: {bug}"[:500]}
                await self._mend(Failure("interpreter", _unforeseen(error)))
            else:
                if outcome is not None:
                    return outcome

    async def _go_on(self) -> str | None:
        """One stretch of the way: a wait, an undo, or as far as one activity reaches. The outcome at the end."""
        self._cursor, step = self._plan().next_step(self._cursor, self._values)
        outcome: str | None = None
        if isinstance(step, Wait):
            await self._wait(step)
            self._cursor += 1
        elif isinstance(step, UndoAll):
            await self._undo(None)
            self._cursor += 1
        else:
            outcome = await self._advance(step.name if step is not None else "end")
        if self._cancelled and outcome is None:
            raise asyncio.CancelledError
        return outcome

    async def _advance(self, step: str) -> str | None:
        while True:
            start = self._started()
            turn = self._next_turn()
            live = self._plan().live_values(self._cursor, self._values)
            request = Advance(start.run, start.definition, self._cursor, turn, live, self._mending, self._notes)
            try:
                done: Advanced = await self._shielded(self._local(ADVANCE, request, Advanced, step, WORK_RETRY))
            except FAILED as error:
                await self._mend(failure_of(error, step))
                continue
            if not self._plan().leads_along(self._cursor, done.trail):
                raise NondeterminismError(f"From {self._cursor} this definition does not lead along {done.trail}.")
            self._notes = []
            self._values |= done.values
            self._reply = self._reply or done.reply
            self._cursor, self._is_wait_announced = done.cursor, done.is_wait_announced
            if done.failure is not None:
                raise _Stop(done.failure)
            return done.outcome

    async def _undo(self, ending: Ending | None) -> str | None:
        """Undo everything registered, shielded from cancellation; parked and mended like any step."""
        self._is_stopping = ending is not None
        while True:
            start = self._started()
            request = UndoRequest(start.run, self._next_turn(), self._mending, self._notes, ending)
            try:
                done: Advanced = await self._shielded(self._local(UNDO, request, Advanced, "undo", WORK_RETRY))
            except FAILED as error:
                await self._mend(failure_of(error, "undo"), undoing=True)
                continue
            self._notes = []
            self._reply = self._reply or done.reply
            return done.outcome

    async def _wait(self, step: Wait) -> None:
        begun = workflow.now()
        limit = step.seconds if step.seconds is not None else step.within_s
        if not self._is_wait_announced:
            request = AnnounceWait(
                self._started().run, self._next_turn(), step.name, step.event or "time", limit, self._notes
            )
            await self._shielded(self._local(WAIT, request, type(None), f"wait/{step.name}", NOTE_RETRY))
            self._notes = []
        self._is_wait_announced = False
        body: dict[str, Any] = {"timed_out": True}
        actor = self._started().run.actor
        if step.event is None:
            await workflow.sleep(limit or 0, summary=step.name)
        else:
            name = step.event
            try:
                await workflow.wait_condition(lambda: name in self._events, timeout=limit, timeout_summary=step.name)
                event = self._events[name]
                body, actor = {**event.body, "timed_out": False}, event.actor
            except TimeoutError:
                actor = "clock"
        self._values[step.name] = body
        self._notes = [Note(step.name, body, actor, begun.isoformat(), workflow.now().isoformat())]

    # --- parking

    async def _mend(self, failure: Failure, *, undoing: bool = False) -> None:
        """Park, wait for a person, take the repair over. Leaves by `_Stop` when the repair says undo and stop."""
        start = self._started()
        revision = self._mending.revisions.get(failure.step, 0)
        parked = Park(start.run, self._next_turn(), failure, revision, self._notes)
        await self._shielded(self._local(PARK, parked, type(None), f"park/{failure.step}", NOTE_RETRY))
        self._notes = []
        self._stuck = failure
        while self._repair is None and not (self._cancelled and not undoing):
            try:
                await workflow.wait_condition(lambda: self._repair is not None)
            except asyncio.CancelledError:
                self._cancelled = True
        repair, self._repair, self._stuck = self._repair, None, None
        if repair is None:
            raise asyncio.CancelledError
        noted = Repaired(start.run, self._next_turn(), repair, failure.step)
        await self._shielded(self._local(REPAIRED, noted, type(None), f"repair/{failure.step}", NOTE_RETRY))
        self._repairs_done.add(repair.id)
        if repair.kind is RepairKind.RETRY_WITH and repair.change is not None:
            self._mending.revisions[failure.step] = revision + 1
            self._mending.requests[failure.step] = repair.change
        elif repair.kind is RepairKind.SKIP and repair.change is not None:
            self._mending.substitutes[failure.step] = repair.change
        elif repair.kind is RepairKind.UNDO and not undoing:
            raise _Stop(self._stopped(STOPPED, repair.reason))

    def _stopped(self, outcome: str, message: str) -> Ending:
        error = {"code": f"process.{outcome}", "kind": "conflict", "message": message, "mend": None}
        error_body = error | {"details": {"run_id": self._started().run.run_id}}
        body = problem(error_body)
        return Ending(outcome, error_body, Reply(body["status"], json_text(body)))

    # --- small things

    def _next_turn(self) -> int:
        self._turn += 1
        return self._turn

    def _local(
        self, name: str, request: Any, result: type[Result], step: str, retry: RetryPolicy
    ) -> Coroutine[Any, Any, Any]:
        """A local activity. Its id names the step, so that a changed order of steps makes a replay fail."""

        async def call() -> Any:
            return await workflow.execute_local_activity(
                name,
                request,
                result_type=result,
                activity_id=f"{step}/{self._turn}",
                start_to_close_timeout=ACTIVITY_LIMIT,
                retry_policy=retry,
                local_retry_threshold=LOCAL_RETRY_THRESHOLD,
            )

        return call()

    async def _shielded(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Let an activity end even when the process is cancelled; the cancellation is remembered."""
        task = asyncio.ensure_future(work)
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                self._cancelled = True
            except FAILED:
                break
        return task.result()


def failure_of(error: ActivityError | ApplicationError, step: str) -> Failure:
    """What an activity told about its failure; a time-out tells nothing but itself."""
    cause = error.cause if isinstance(error, ActivityError) else error
    if isinstance(cause, ApplicationError) and cause.details:
        told = dict(cause.details[0])
        return Failure(**told)
    message = str(cause or error)
    return Failure(step, _unforeseen({"code": "process.step_timed_out", "message": message}))


def _unforeseen(error: dict[str, str]) -> dict[str, Any]:
    return {**error, "kind": "unavailable", "mend": None, "details": {}}
