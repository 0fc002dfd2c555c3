"""Processes walked without a server: the product's own batches, calls outside, undo and parking, one stretch at a time.

Everything happens on one connection inside one transaction that is rolled back in the end: what the product commits are
savepoints. So a walk is cheap, starts from the same world every time, and two runs can be interleaved at will.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.orm import Session, sessionmaker
from temporalio.exceptions import ApplicationError

from capabilities.kernel import database
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.ids import new_id
from capabilities.kernel.settings import settings
from capabilities.payment import intents
from capabilities.payment.extensions import _PROVIDERS
from capabilities.payment.providers import simulator
from capabilities.payment.providers.protocol import ProviderCall, ProviderReport
from capabilities.settlement.banks.protocol import BankOrder, BankReport
from capabilities.settlement.banks.simulator import SimulatedBank
from capabilities.settlement.extensions import register_bank
from workflows import batch, starting
from workflows.batch import advance
from workflows.branching import begin_branch, join_branch
from workflows.inputs import typed_input
from workflows.language.asking import approved, asked_by
from workflows.language.bind import bind
from workflows.language.definition import Approval, SubProcess, UndoAll, Wait
from workflows.language.plan import Plan, plan_of_text
from workflows.library import definition_for
from workflows.messages import (
    Advance,
    AnnounceWait,
    Branch,
    Branched,
    Decided,
    Decision,
    Ending,
    Failure,
    Joined,
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
from workflows.standing import announce_wait, note_decision, note_repair, park
from workflows.stepping import moment
from workflows.undoing import undo_all

MOST_TRIES = 4
"""How often what may pass is tried before a run is parked."""

Sessions = sessionmaker[Session]


@dataclass(slots=True)
class Run:
    """A run and where it stands."""

    start: StartInput
    process: str
    values: dict[str, Any]
    cursor: int = 0
    turn: int = 0
    tries: int = 0
    notes: list[Note] = field(default_factory=list)
    is_announced: bool = False
    event: dict[str, Any] | None = None
    decision: str | None = None
    ending: Ending | None = None
    reply: Reply | None = None
    outcome: str | None = None
    parked: Failure | None = None
    child: Run | None = None

    @property
    def id(self) -> str:
        return self.start.run.run_id

    @property
    def business(self) -> str:
        return self.start.run.business

    @property
    def plan(self) -> Plan:
        return plan_of_text(self.start.definition)

    @property
    def is_over(self) -> bool:
        return self.outcome is not None

    def next_turn(self) -> int:
        self.turn += 1
        return self.turn

    @property
    def stands_at(self) -> Any:
        """The step that comes next."""
        return self.plan.next_step(self.cursor, self.values)[1]

    @property
    def waits(self) -> bool:
        """Whether it goes on only after somebody said something."""
        if self.is_over or self.parked is not None:
            return True
        if self.child is not None:
            return self.child.waits and not self.child.is_over
        step = self.stands_at
        if self.ending is not None or not self.is_announced:
            return False
        said = (
            self.event is not None if isinstance(step, Wait) and step.event is not None else self.decision is not None
        )
        return (isinstance(step, Approval) or (isinstance(step, Wait) and step.event is not None)) and not said


class Driver:
    """Begins runs and walks them, stretch by stretch."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self.heard: Callable[[Session, Run], None] = lambda _, __: None
        """Called after every stretch."""

    def begin(self, process: str, business: str, body: dict[str, Any], *, key: str, actor: str = "user:asker") -> Run:
        """The run of that key: a new one, or that of an earlier beginning."""
        identity = BusinessIdentity(business)
        document = typed_input(definition_for(process, identity).definition.input, body)
        with self.sessions() as session, session.begin():
            begun = starting.begin_run(
                session,
                process=process,
                identity=identity,
                input=document,
                client_id="shop",
                key=key,
                actor=actor,
            )
        return self._run(begun.start, process)

    def _run(self, start: StartInput, process: str) -> Run:
        return Run(start, process, {"input": start.input, "run": {"id": start.run.run_id, "actor": start.run.actor}})

    def walk(self, run: Run, most: int = 60) -> Run:
        """Walk until the run is over or waits for somebody."""
        for _ in range(most):
            if run.waits:
                return run
            self.go_on(run)
        raise AssertionError(f"{run.process} does not come to an end: it stands at {run.stands_at}")

    def go_on(self, run: Run) -> None:
        """One stretch. What may pass is tried again by the next one, and parked after a few; so is what cannot work."""
        try:
            self._stretch(run)
            run.tries = 0
        except ApplicationError as error:
            run.tries += 1
            if error.non_retryable or run.tries >= MOST_TRIES:
                told = error.details[0]
                assert isinstance(told, Failure)
                run.parked = told
                park(Park(run.start.run, run.next_turn(), run.parked, 0, run.notes))
                run.notes = []
        with self.sessions() as session:
            self.heard(session, run)

    def repair(self, run: Run) -> None:
        """A person says: try again."""
        assert run.parked is not None
        order = Repair(new_id("rep"), RepairKind.RETRY, "user:op", "try again")
        note_repair(Repaired(run.start.run, run.next_turn(), order, run.parked.step))
        run.parked, run.tries = None, 0

    def _stretch(self, run: Run) -> None:
        if run.ending is not None:
            self._undo(run)
            return
        run.cursor, step = run.plan.next_step(run.cursor, run.values)
        match step:
            case Wait():
                self._wait(run, step)
            case Approval():
                self._ask(run, step)
            case SubProcess():
                self._part(run, step)
            case UndoAll():
                raise AssertionError("No process of the model undoes in between.")
            case _:
                self._advance(run)

    def _advance(self, run: Run) -> None:
        live = run.plan.live_values(run.cursor, run.values)
        request = Advance(run.start.run, run.start.definition, run.cursor, run.next_turn(), live, Mending(), run.notes)
        done = advance(request)
        assert run.plan.leads_along(run.cursor, done.trail)
        run.notes = []
        run.values |= done.values
        run.reply = run.reply or done.reply
        run.cursor, run.is_announced, run.outcome = done.cursor, done.is_wait_announced, done.outcome
        run.ending = done.failure

    def _undo(self, run: Run) -> None:
        done = undo_all(UndoRequest(run.start.run, run.next_turn(), Mending(), run.notes, run.ending))
        run.notes = []
        run.reply = run.reply or done.reply
        run.outcome, run.ending = done.outcome, None

    def _wait(self, run: Run, step: Wait) -> None:
        limit = step.seconds if step.seconds is not None else step.within_s
        if not run.is_announced:
            asked = AnnounceWait(run.start.run, run.next_turn(), step.name, step.event or "time", limit, run.notes)
            announce_wait(asked)
            run.notes, run.is_announced = [], True
            return
        if step.event is not None and run.event is None:
            return
        body, run.event = {**(run.event or {}), "timed_out": step.event is None}, None
        at = moment()
        run.values[step.name] = body
        run.notes = [Note(step.name, body, "user:op" if step.event else "clock", at, at)]
        run.is_announced = False
        run.cursor += 1

    def _ask(self, run: Run, step: Approval) -> None:
        asked = asked_by(step, run.plan, run.values)
        if not run.is_announced:
            request = AnnounceWait(
                run.start.run, run.next_turn(), step.name, "approval", step.within_s, run.notes, asked
            )
            announce_wait(request)
            run.notes, run.is_announced = [], True
            return
        if run.decision is None:
            return
        decision = Decision(f"{run.id}/{step.name}", step.name, asked.iteration, run.decision, "user:boss", "as agreed")
        at = moment()
        note_decision(Decided(run.start.run, run.next_turn(), decision, at, at, timed_out=False))
        run.values[step.name] = approved(decision, timed_out=False)
        run.decision, run.is_announced = None, False
        run.cursor += 1

    def _part(self, run: Run, step: SubProcess) -> None:
        iteration = run.plan.iteration_of(step.name, run.values)
        if run.child is None:
            request = Branch(
                run.start.run,
                run.next_turn(),
                step.name,
                iteration,
                0,
                step.process,
                bind(step.request, run.values) or {},
                None,
                None,
                run.notes,
            )
            part = begin_branch(request)
            run.notes = []
            assert part.start is not None
            run.child = self._run(part.start, step.process)
            return
        if not run.child.is_over:
            self.go_on(run.child)
            return
        joined: Branched = join_branch(Joined(run.start.run, run.next_turn(), step.name, iteration, 0, run.child.id))
        run.values[step.name], run.child = joined.response, None
        run.cursor += 1


class _Alone(simulator.Simulator):
    """The simulator on the one connection: whoever speaks to it waits for the others."""

    lock = threading.Lock()

    def send(self, call: ProviderCall) -> tuple[ProviderReport, ...]:
        with self.lock:
            return super().send(call)

    def look_up(self, call: ProviderCall) -> ProviderReport | None:
        with self.lock:
            return super().look_up(call)


class _Bank(SimulatedBank):
    lock_all = threading.Lock()

    def pay(self, order: BankOrder) -> BankReport | None:
        with self.lock_all:
            return super().pay(order)


@contextmanager
def on_one_connection(connection: Connection) -> Iterator[Driver]:
    """A driver on this connection: every transaction of the product is a savepoint of one that is rolled back in the end."""
    everything = connection.begin()
    own = sessionmaker(connection, join_transaction_mode="create_savepoint", expire_on_commit=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "session_factory", lambda: own)
        patch.setattr(simulator, "LONGEST_SILENCE_S", 0.0)
        patch.setattr(batch, "STRETCH_S", -1.0)
        # what a provider never heard of is given up at once
        patch.setattr(intents, "settings", lambda: SimpleNamespace(provider_limit_s=0.0))
        patch.setattr(settings(), "secret_key", "a secret of tests")
        patch.setitem(_PROVIDERS, simulator.NAME, _Alone(lambda: own))
        patch.setattr(starting, "_saved_definitions", set())
        register_bank("simulator", _Bank(lambda: own, silence_s=0.0))
        try:
            yield Driver(own)
        finally:
            register_bank("simulator", SimulatedBank())
            everything.rollback()
