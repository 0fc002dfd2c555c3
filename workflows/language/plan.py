"""A definition laid out flat: instructions with jumps, so that where a run stands is one number, the cursor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from capabilities.kernel.expression import Condition, tests_of
from workflows.language.bind import Values, condition_holds
from workflows.language.definition import (
    Call,
    Decide,
    Definition,
    End,
    Raise,
    Reply,
    Step,
    Switch,
    UndoAll,
    Wait,
    references_in,
)
from workflows.language.snapshot import Snapshot, snapshot_of_text

COMPLETED = "completed"
"""The outcome of a process that runs off its last step."""

Work = Call | Decide | Reply | Raise | UndoAll | Wait | End


@dataclass(frozen=True, slots=True)
class Do:
    """Do a step, then go to the next instruction."""

    step: Work


@dataclass(frozen=True, slots=True)
class JumpUnless:
    """Go to `target` when the condition does not hold."""

    condition: Condition
    target: int


@dataclass(frozen=True, slots=True)
class Jump:
    """Go to `target`."""

    target: int


Instruction = Do | JumpUnless | Jump


@dataclass(frozen=True, slots=True)
class Plan:
    """The instructions of a definition, and for each cursor the names whose values are still asked for from there."""

    definition: Definition
    sha256: str
    instructions: tuple[Instruction, ...]
    live: tuple[frozenset[str], ...] = field(repr=False)

    def next_step(self, cursor: int, values: Values) -> tuple[int, Work | None]:
        """Follow jumps from the cursor to the next step to do; None when the process has run off its end."""
        while cursor < len(self.instructions):
            instruction = self.instructions[cursor]
            match instruction:
                case Do(step):
                    return cursor, step
                case Jump(target):
                    cursor = target
                case JumpUnless(condition, target):
                    cursor = cursor + 1 if condition_holds(condition, values) else target
        return cursor, None

    def live_values(self, cursor: int, values: Values) -> dict[str, Any]:
        """The values that something from the cursor on may still ask for."""
        wanted = self.live[min(cursor, len(self.instructions))]
        return {name: value for name, value in values.items() if name in wanted}

    def leads_along(self, cursor: int, trail: Sequence[str]) -> bool:
        """Whether these steps stand in this order from the cursor on."""
        for name in trail:
            place = next((i for i in range(cursor, len(self.instructions)) if self._is_named(i, name)), None)
            if place is None:
                return False
            cursor = place + 1
        return True

    def _is_named(self, cursor: int, name: str) -> bool:
        instruction = self.instructions[cursor]
        return isinstance(instruction, Do) and instruction.step.name == name

    def events(self, cursor: int = 0) -> frozenset[str]:
        """The events this process may wait for from the cursor on: jumps lead forward only."""
        steps = (instruction.step for instruction in self.instructions[cursor:] if isinstance(instruction, Do))
        return frozenset(step.event for step in steps if isinstance(step, Wait) and step.event is not None)

    def step_named(self, name: str) -> Work | None:
        """The step of that name."""
        for instruction in self.instructions:
            if isinstance(instruction, Do) and instruction.step.name == name:
                return instruction.step
        return None


@lru_cache(maxsize=256)
def plan_of_text(text: str) -> Plan:
    """The plan of a frozen definition; compiled once a process."""
    return plan_of(snapshot_of_text(text))


def plan_of(snapshot: Snapshot) -> Plan:
    """Lay a definition out flat."""
    instructions: list[Instruction] = []
    _lay(snapshot.definition.steps, instructions)
    return Plan(
        snapshot.definition, snapshot.sha256, tuple(instructions), _live(instructions, snapshot.definition.subject)
    )


def _lay(steps: tuple[Step, ...], out: list[Instruction]) -> None:
    for step in steps:
        hole = None
        if step.when is not None:
            hole = len(out)
            out.append(Jump(-1))
        if isinstance(step, Switch):
            _lay_switch(step, out)
        else:
            out.append(Do(step))
        if hole is not None and step.when is not None:
            out[hole] = JumpUnless(step.when, len(out))


def _lay_switch(switch: Switch, out: list[Instruction]) -> None:
    ends: list[int] = []
    for branch in switch.branches:
        test = len(out)
        out.append(Jump(-1))
        _lay(branch.steps, out)
        ends.append(len(out))
        out.append(Jump(-1))
        out[test] = JumpUnless(branch.when, len(out))
    _lay(switch.otherwise, out)
    for end in ends:
        out[end] = Jump(len(out))


def successors(instructions: tuple[Instruction, ...] | list[Instruction], cursor: int) -> tuple[int, ...]:
    """Where a run may stand after this instruction; an end and a raise lead nowhere."""
    match instructions[cursor]:
        case Do(End() | Raise()):
            return ()
        case Do(_):
            return (cursor + 1,)
        case Jump(target):
            return (target,)
        case JumpUnless(_, target):
            return (cursor + 1, target)


def names_used(instruction: Instruction) -> Iterator[str]:
    """The names (`input`, steps) an instruction asks for."""
    for reference in references_used(instruction):
        yield reference.split(".", 1)[0]


def references_used(instruction: Instruction) -> Iterator[str]:
    """The references an instruction asks for; an undo's are asked for when its step runs."""
    match instruction:
        case JumpUnless(condition, _):
            yield from (test.field for test in tests_of(condition))
        case Do(Call() as call):
            yield from references_in(call.request)
            if call.undo is not None:
                yield from references_in(call.undo.request)
        case Do(Decide() as decide):
            yield from references_in(decide.facts)
        case Do(Reply() as reply):
            yield from references_in(reply.body)
        case Do(Raise() as end):
            yield from references_in(end.details)
            if end.reason is not None:
                yield end.reason
        case _:
            return


def _live(instructions: list[Instruction], subject: str | None) -> tuple[frozenset[str], ...]:
    """Backwards until nothing changes: asked for here, or after here and not made here."""
    always = frozenset() if subject is None else frozenset({subject.split(".", 1)[0]})
    live: list[frozenset[str]] = [frozenset() for _ in range(len(instructions) + 1)]
    changed = True
    while changed:
        changed = False
        for cursor in range(len(instructions) - 1, -1, -1):
            after: frozenset[str] = frozenset().union(*(live[to] for to in successors(instructions, cursor)))
            instruction = instructions[cursor]
            made = {instruction.step.name} if isinstance(instruction, Do) else set()
            found = (after - made) | frozenset(names_used(instruction)) | always
            if found != live[cursor]:
                live[cursor], changed = found, True
    return tuple(live)
