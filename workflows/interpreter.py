"""The one workflow: it interprets the definition it was started with.

Its state is small: the values later steps ask for, the cursor, and what people mended. Everything with effects happens in
activities. Waits, parking and undo are here, because they may take days.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.workflow import NondeterminismError

with workflow.unsafe.imports_passed_through():
    from workflows.language.definition import Approval, Call, SubProcess, UndoAll, Wait
    from workflows.messages import (
        ADVANCE,
        ANSWER,
        DECIDE,
        EVENT,
        PARK,
        REPAIR,
        REPAIRED,
        UNDO,
        Advance,
        Advanced,
        Decision,
        Ending,
        Event,
        Failure,
        Park,
        Repair,
        Repaired,
        RepairKind,
        Reply,
        StartInput,
        UndoRequest,
    )
    from workflows.problems import json_text, problem
    from workflows.waiting import FAILED, NOTE_RETRY, WORK_RETRY, Patient, failure_of, unforeseen

STOPPED, CANCELLED = "stopped", "cancelled"


class _Stop(Exception):  # noqa: N818 - a way out, not an error
    """Leave the walk: undo everything and end so."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.outcome)
        self.ending = ending


@workflow.defn(dynamic=True)
class Process(Patient):
    """A running process. Its type's name is the process's name."""

    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> str:
        """Walk to the end; the outcome."""
        self._start = workflow.payload_converter().from_payload(args[0].payload, StartInput)
        self._values = {
            "input": self._start.input,
            "run": {"id": self._start.run.run_id, "actor": self._start.run.actor},
        }
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

    @workflow.update(name=DECIDE)
    async def decide(self, decision: Decision) -> None:
        """Approve or refuse what the process asks for; returns once the journal has it."""
        place = decision.place
        self._decisions[place] = decision
        await workflow.wait_condition(lambda: place in self._decided or self._is_over)
        if self._decided.get(place) != decision.id:
            raise ApplicationError("It was decided otherwise meanwhile.", type="process.approval_decided")

    @decide.validator
    def _check_decision(self, decision: Decision) -> None:
        if self._start is None or self._is_stopping or self._is_over:
            raise ApplicationError("This process asks for nothing now.", type="process.approval_unknown")
        if not isinstance(self._plan().step_named(decision.step), Approval):
            raise ApplicationError(f"{decision.step} asks for no approval.", type="process.approval_unknown")
        if decision.place in self._decisions or decision.place in self._decided:
            raise ApplicationError("It has been decided already.", type="process.approval_decided")
        if decision.actor == self._start.run.actor:
            raise ApplicationError("Nobody approves what they asked for.", type="process.approval_own")
        if decision.decision not in ("approve", "refuse") or not decision.actor:
            raise ApplicationError("A decision approves or refuses.", type="process.decision_unknown")
        if not decision.reason.strip():
            raise ApplicationError("A decision says why.", type="process.reason_missing")

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
        step = self._plan().step_named(self._stuck.step)
        if isinstance(step, Call) and step.parks and repair.kind is RepairKind.UNDO:
            raise ApplicationError(
                "What was done before this step stays done, so the process cannot stop here. Have it tried again.",
                type="process.undo_refused",
            )
        if isinstance(step, Call) and step.insists and repair.kind is RepairKind.SKIP:
            raise ApplicationError(
                "Without this step money would be lost, so it cannot be skipped. Have it tried again.",
                type="process.skip_refused",
            )

    # --- the walk

    async def _walk(self) -> str:
        while True:
            try:
                outcome = await self._go_on()
            except (_Stop, NondeterminismError):
                raise
            except Exception as bug:  # noqa: BLE001 - a bug must stand on somebody's list, not be retried in silence
                error = {"code": "process.interpreter_failed", "message": f"{type(bug).__name__}: {bug}"[:500]}
                await self._mend(Failure("interpreter", unforeseen(error)))
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
        elif isinstance(step, Approval):
            await self._ask(step)
            self._cursor += 1
        elif isinstance(step, SubProcess):
            await self._run_part(step)
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

    # --- parking

    async def _mend(self, failure: Failure, *, undoing: bool = False) -> None:
        """Park, wait for a person, take the repair over. Leaves by `_Stop` when the repair says undo and stop."""
        start = self._started()
        place = failure.place
        revision = self._mending.revisions.get(place, 0)
        parked = Park(start.run, self._next_turn(), failure, revision, self._notes)
        await self._shielded(self._local(PARK, parked, type(None), f"park/{place}", NOTE_RETRY))
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
        await self._shielded(self._local(REPAIRED, noted, type(None), f"repair/{place}", NOTE_RETRY))
        self._repairs_done.add(repair.id)
        if repair.kind is RepairKind.RETRY_WITH and repair.change is not None:
            self._mending.revisions[place] = revision + 1
            self._mending.requests[place] = repair.change
        elif repair.kind is RepairKind.SKIP and repair.change is not None:
            self._mending.substitutes[place] = repair.change
        elif repair.kind is RepairKind.UNDO and not undoing:
            raise _Stop(self._stopped(STOPPED, repair.reason))

    def _stopped(self, outcome: str, message: str) -> Ending:
        error = {"code": f"process.{outcome}", "kind": "conflict", "message": message, "mend": None}
        error_body = error | {"details": {"run_id": self._started().run.run_id}}
        body = problem(error_body)
        return Ending(outcome, error_body, Reply(body["status"], json_text(body)))
