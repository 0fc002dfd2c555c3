"""What makes a process wait: a time, an event, a person's approval, another process. The patient half of the interpreter."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError

with workflow.unsafe.imports_passed_through():
    from workflows.language.asking import approved, asked_by, limit_of
    from workflows.language.bind import bind
    from workflows.language.definition import Approval, SubProcess, Wait
    from workflows.language.plan import Plan, plan_of_text
    from workflows.messages import (
        BRANCH,
        DECIDED,
        JOIN,
        WAIT,
        AnnounceWait,
        Branch,
        Branched,
        Decided,
        Decision,
        Event,
        Failure,
        Joined,
        Mending,
        Note,
        Repair,
        Reply,
        StartInput,
        place_of,
    )

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
FAILED = (ActivityError, ApplicationError)
"""How a local activity fails for good: wrapped when it was cut off, bare when it said so itself."""


class Patient:
    """The state of a process, and how it waits."""

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
        self._decisions: dict[str, Decision] = {}
        self._decided: dict[str, str] = {}
        self._stuck: Failure | None = None
        self._repair: Repair | None = None
        self._repairs_done: set[str] = set()
        self._cancelled = False
        self._is_stopping = False

    def _plan(self) -> Plan:
        return plan_of_text(self._started().definition)

    def _started(self) -> StartInput:
        if self._start is None:
            raise ApplicationError("The process has not begun.", type="process.not_begun")
        return self._start

    async def _mend(self, failure: Failure, *, undoing: bool = False) -> None:
        """Wait for a person to mend what does not work; the interpreter knows how."""
        raise NotImplementedError

    async def _wait(self, step: Wait) -> None:
        begun = workflow.now()
        limit = limit_of(step, self._values)
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
        iteration = self._plan().iteration_of(step.name, self._values)
        self._notes = [Note(step.name, body, actor, begun.isoformat(), workflow.now().isoformat(), iteration)]

    async def _ask(self, step: Approval) -> None:
        """Ask a person, wait for the answer as long as the step says, and write it down at once."""
        begun, run = workflow.now(), self._started().run
        asked = asked_by(step, self._plan(), self._values)
        place = place_of(step.name, asked.iteration)
        if not self._is_wait_announced:
            request = AnnounceWait(run, self._next_turn(), step.name, "approval", step.within_s, self._notes, asked)
            await self._shielded(self._local(WAIT, request, type(None), f"wait/{place}", NOTE_RETRY))
            self._notes = []
        self._is_wait_announced = False
        try:
            await workflow.wait_condition(
                lambda: place in self._decisions, timeout=step.within_s, timeout_summary=step.name
            )
            decision, timed_out = self._decisions[place], False
        except TimeoutError:
            reason = "Nobody decided in time."
            decision = Decision(f"clock/{place}", step.name, asked.iteration, step.otherwise, "clock", reason)
            timed_out = True
        noted = Decided(run, self._next_turn(), decision, begun.isoformat(), workflow.now().isoformat(), timed_out)
        await self._shielded(self._local(DECIDED, noted, type(None), f"decided/{place}", NOTE_RETRY))
        self._decided[place] = decision.id
        self._values[step.name] = approved(decision, timed_out=timed_out)

    # --- parts

    async def _run_part(self, step: SubProcess) -> None:
        """Run another process to its end; what cannot begin or was ended from outside is parked and mended."""
        while True:
            run = self._started().run
            iteration = self._plan().iteration_of(step.name, self._values)
            place = place_of(step.name, iteration)
            revision = self._mending.revisions.get(place, 0)
            request = Branch(
                run,
                self._next_turn(),
                step.name,
                iteration,
                revision,
                step.process,
                self._mending.requests.get(place) or bind(step.request, self._values) or {},
                self._undo_of(step),
                self._mending.substitutes.get(place),
                self._notes,
            )
            try:
                part: Branched = await self._shielded(self._local(BRANCH, request, Branched, place, WORK_RETRY))
                self._notes = []
                if part.start is not None and part.workflow_id is not None:
                    await self._child(step.process, part.start, part.workflow_id)
                    ended = Joined(run, self._next_turn(), step.name, iteration, revision, part.start.run.run_id)
                    part = await self._shielded(self._local(JOIN, ended, Branched, f"join/{place}", WORK_RETRY))
            except FAILED as error:
                await self._mend(failure_of(error, step.name))
                continue
            except ChildWorkflowError as error:
                message = f"The part {step.process} was ended from outside: {error.cause or error}"[:500]
                failure = unforeseen({"code": "process.part_failed", "message": message})
                await self._mend(Failure(step.name, failure, iteration=iteration))
                continue
            self._values[step.name] = part.response
            return

    def _undo_of(self, step: SubProcess) -> dict[str, Any] | None:
        if step.undo is None:
            return None
        return {"call": step.undo.operation, "with": bind(step.undo.request, self._values)}

    async def _child(self, process: str, start: StartInput, workflow_id: str) -> None:
        """Wait for the child's end. When this process is cancelled the child is too: it undoes itself and ends."""
        child = await workflow.start_child_workflow(
            process,
            start,
            id=workflow_id,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        asked_to_end = self._cancelled
        while not child.done():
            try:
                await asyncio.shield(child)
            except asyncio.CancelledError:
                self._cancelled = True
                if not asked_to_end:
                    asked_to_end = child.cancel()
            except ChildWorkflowError:
                break
        child.result()

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
    return Failure(step, unforeseen({"code": "process.step_timed_out", "message": message}))


def unforeseen(error: dict[str, str]) -> dict[str, Any]:
    return {**error, "kind": "unavailable", "mend": None, "details": {}}
