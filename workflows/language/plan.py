"""A definition laid out flat: instructions with jumps, so that where a run stands is one number, the cursor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from capabilities.kernel.expression import Condition, Operator, Test, tests_of
from workflows.language.bind import Values, condition_holds, look_up
from workflows.language.definition import (
    Approval,
    Call,
    Decide,
    Definition,
    End,
    ForEach,
    KeepAll,
    Raise,
    Reply,
    Step,
    SubProcess,
    Switch,
    UndoAll,
    Wait,
    references_in,
    steps_of,
)
from workflows.language.snapshot import Snapshot, snapshot_of_text

COMPLETED = "completed"
"""The outcome of a process that runs off its last step."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The head of a loop: take the next item, or be over. What the round before left behind is forgotten."""

    name: str
    each: str
    most: int
    inner: tuple[str, ...]


class LoopTooLongError(Exception):
    """A list is longer than its loop may go round."""

    def __init__(self, turn: Turn, length: int) -> None:
        super().__init__(f"{turn.each} has {length:,} items; {turn.name} goes round {turn.most:,} times at the most.")


Work = Call | Decide | Reply | Raise | UndoAll | KeepAll | Wait | End | Turn | Approval | SubProcess


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
class Loop:
    """Where a loop lies: from its head to behind its last instruction."""

    turn: Turn
    head: int
    end: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The instructions of a definition, and for each cursor the names whose values are still asked for from there."""

    definition: Definition
    sha256: str
    instructions: tuple[Instruction, ...]
    live: tuple[frozenset[str], ...] = field(repr=False)
    loops: tuple[Loop, ...] = ()

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
            ahead = (*range(cursor, len(self.instructions)), *range(self._round_from(cursor), cursor))
            place = next((i for i in ahead if self._is_named(i, name)), None)
            if place is None:
                return False
            cursor = place + 1
        return True

    def _round_from(self, cursor: int) -> int:
        """The head of the outermost loop round the cursor: a run may come back to it. Else the cursor itself."""
        return min((loop.head for loop in self.loops if loop.head <= cursor < loop.end), default=cursor)

    def upcoming(self, cursor: int, most: int) -> list[str]:
        """The names of steps a run may reach within so many instructions, those of its loops included."""
        ahead = self.instructions[self._round_from(cursor) : cursor + most]
        heads = [loop for loop in self.loops if cursor <= loop.head < cursor + most]
        ahead += tuple(i for loop in heads for i in self.instructions[loop.head : loop.end] if i not in ahead)
        return [instruction.step.name for instruction in ahead if isinstance(instruction, Do)]

    def iteration_of(self, name: str, values: Values) -> int:
        """In which round of its loops a step runs: one number, also for a loop within a loop; 0 outside of any."""
        number = 0
        for loop in self.loops:
            if name in loop.turn.inner:
                number = number * loop.turn.most + (look_up(f"{loop.turn.name}.index", values) or 0)
        return number

    def _is_named(self, cursor: int, name: str) -> bool:
        instruction = self.instructions[cursor]
        return isinstance(instruction, Do) and instruction.step.name == name

    def events(self, cursor: int = 0) -> frozenset[str]:
        """The events this process may wait for from the cursor on: none of them stands in a loop."""
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
    loops: list[Loop] = []
    _lay(snapshot.definition.steps, instructions, loops)
    live = _live(instructions, snapshot.definition.subject)
    outermost_first = tuple(sorted(loops, key=lambda loop: loop.head))
    return Plan(snapshot.definition, snapshot.sha256, tuple(instructions), live, outermost_first)


def taken(turn: Turn, values: Values) -> dict[str, Any]:
    """The values at the head of a loop: the next item, or that it is over. Raises `LoopTooLongError`."""
    items = look_up(turn.each, values) or []
    if len(items) > turn.most:
        raise LoopTooLongError(turn, len(items))
    before = look_up(turn.name, values)
    begins = before is None or before["is_over"]
    index = 0 if begins else before["index"] + 1
    state: dict[str, Any] = {"index": index, "count": len(items), "is_over": index >= len(items)}
    if index < len(items):
        state["item"] = items[index]
    return {turn.name: state, **dict.fromkeys(turn.inner)}


def _lay(steps: tuple[Step, ...], out: list[Instruction], loops: list[Loop]) -> None:
    for step in steps:
        hole = None
        if step.when is not None:
            hole = len(out)
            out.append(Jump(-1))
        if isinstance(step, Switch):
            _lay_switch(step, out, loops)
        elif isinstance(step, ForEach):
            _lay_loop(step, out, loops)
        else:
            out.append(Do(step))
        if hole is not None and step.when is not None:
            out[hole] = JumpUnless(step.when, len(out))


def _lay_loop(loop: ForEach, out: list[Instruction], loops: list[Loop]) -> None:
    head = len(out)
    inner = tuple(step.name for step in steps_of(loop.steps) if not isinstance(step, Switch))
    turn = Turn(loop.name, loop.each, loop.most, inner)
    out += [Do(turn), Jump(-1)]
    _lay(loop.steps, out, loops)
    out.append(Jump(head))
    out[head + 1] = JumpUnless(Test(f"{loop.name}.is_over", Operator.EQ, value=False), len(out))
    loops.append(Loop(turn, head, len(out)))


def _lay_switch(switch: Switch, out: list[Instruction], loops: list[Loop]) -> None:
    ends: list[int] = []
    for branch in switch.branches:
        test = len(out)
        out.append(Jump(-1))
        _lay(branch.steps, out, loops)
        ends.append(len(out))
        out.append(Jump(-1))
        out[test] = JumpUnless(branch.when, len(out))
    _lay(switch.otherwise, out, loops)
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
        case Do(Call() | SubProcess() as call):
            yield from references_in(call.request)
            if call.undo is not None:
                yield from references_in(call.undo.request)
        case Do(Turn() as turn):
            yield from (turn.each, turn.name)
        case Do(Approval() as approval):
            yield from references_in(approval.shows)
        case Do(Decide() as decide):
            yield from references_in(decide.facts)
        case Do(Reply() as reply):
            yield from references_in(reply.body)
        case Do(Wait(seconds_of=str(reference))):
            yield reference
        case Do(Raise() as end):
            yield from references_in(end.details)
            if end.reason is not None:
                yield end.reason
        case _:
            return


def made_by(instruction: Instruction) -> frozenset[str]:
    """The name an instruction gives a value to."""
    return frozenset({instruction.step.name}) if isinstance(instruction, Do) else frozenset()


def forgotten_by(instruction: Instruction) -> frozenset[str]:
    """The names whose values an instruction forgets: a new round of a loop knows nothing of the one before."""
    return (
        frozenset(instruction.step.inner)
        if isinstance(instruction, Do) and isinstance(instruction.step, Turn)
        else frozenset()
    )


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
            found = (
                (after - made_by(instruction) - forgotten_by(instruction)) | frozenset(names_used(instruction)) | always
            )
            if found != live[cursor]:
                live[cursor], changed = found, True
    return tuple(live)
