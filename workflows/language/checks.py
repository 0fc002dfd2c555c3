"""What can be wrong with a definition that reads well, found before anything runs with it.

The catalogue is given, not imported: this stays pure, and a designer in the browser may ask with what it has at hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from capabilities.kernel.expression import Condition, Operator, tests_of
from workflows.language.definition import (
    Approval,
    Call,
    Decide,
    End,
    KeepAll,
    Raise,
    Reply,
    SubProcess,
    Undo,
    UndoAll,
    Wait,
    is_text,
    references_in,
)
from workflows.language.plan import (
    Do,
    Instruction,
    JumpUnless,
    Plan,
    Turn,
    Work,
    forgotten_by,
    made_by,
    plan_of,
    successors,
)
from workflows.language.scope import Callable, Catalogue, Scope
from workflows.language.snapshot import Snapshot
from workflows.language.typing_rules import (
    ANYTHING,
    Shape,
    fields_of,
    fits,
    item_of,
    literal_fits,
    name_of,
    shape_of,
)

__all__ = ["Callable", "Catalogue", "Problem", "check"]

MOST_ROUNDS = 100_000
"""How often loops within loops may go round in all."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that must be mended before the definition can be used; `step` is empty for the definition itself."""

    step: str
    code: str
    message: str
    mend: str = ""


def check(snapshot: Snapshot, catalogue: Catalogue) -> list[Problem]:
    """Every problem, in reading order."""
    plan = plan_of(snapshot)
    definition = snapshot.definition
    problems: list[Problem] = []
    if definition.input not in catalogue.inputs:
        problems.append(Problem("", "input_unknown", f"There is no input {definition.input!r}."))
    problems.extend(_ways(plan))
    surely, perhaps = _made_before(plan)
    for cursor, instruction in enumerate(plan.instructions):
        rounds = frozenset(loop.turn.name for loop in plan.loops if loop.head < cursor < loop.end)
        scope = Scope(definition, catalogue, surely[cursor], perhaps[cursor], rounds)
        problems.extend(_instruction(instruction, _guarded(plan, cursor, scope)))
    problems.extend(_loops(plan))
    if definition.subject is not None:
        names = frozenset(step.name for step in _works(plan))
        scope = Scope(definition, catalogue, names, names)
        problems.extend(_fitting("", "subject", definition.subject, Shape(str, is_nullable=True), scope))
    return problems


def _guarded(plan: Plan, cursor: int, scope: Scope) -> Scope:
    """What the conditions round this place have found: nothing leads into their range but past them."""
    for place, instruction in enumerate(plan.instructions[:cursor]):
        if isinstance(instruction, JumpUnless) and place < cursor < instruction.target:
            scope = scope.given(instruction.condition)
    return scope


def _works(plan: Plan) -> Iterator[Work]:
    return (instruction.step for instruction in plan.instructions if isinstance(instruction, Do))


def _ways(plan: Plan) -> Iterator[Problem]:
    """Steps nothing leads to, and ways that run off the end."""
    reached: set[int] = set()
    open_ends = [0]
    while open_ends:
        cursor = open_ends.pop()
        if cursor not in reached:
            reached.add(cursor)
            if cursor < len(plan.instructions):
                open_ends.extend(successors(plan.instructions, cursor))
    for cursor, instruction in enumerate(plan.instructions):
        if isinstance(instruction, Do) and cursor not in reached:
            yield Problem(
                instruction.step.name, "unreachable", "No way leads to this step.", "Remove it, or what ends before it."
            )
    if len(plan.instructions) in reached:
        yield Problem(
            "", "without_end", "A way through the process runs off its last step.", "Close it with `end` or `raise`."
        )


def _made_before(plan: Plan) -> tuple[list[frozenset[str]], list[frozenset[str]]]:
    """For each cursor the steps that have run on every way to it, and on some way."""
    size = len(plan.instructions) + 1
    surely: list[frozenset[str] | None] = [None] * size
    perhaps: list[frozenset[str]] = [frozenset()] * size
    surely[0] = frozenset()
    changed = True
    while changed:
        changed = False
        for cursor, instruction in enumerate(plan.instructions):
            before = surely[cursor]
            if before is None:
                continue
            made, forgotten = made_by(instruction), forgotten_by(instruction)
            for to in successors(plan.instructions, cursor):
                known = surely[to]
                sure = (before - forgotten) | made if known is None else known & ((before - forgotten) | made)
                may = perhaps[to] | (perhaps[cursor] - forgotten) | made
                if sure != known or may != perhaps[to]:
                    surely[to], perhaps[to], changed = sure, may, True
    return [found or frozenset() for found in surely], perhaps


def _instruction(instruction: Instruction, scope: Scope) -> Iterator[Problem]:
    match instruction:
        case JumpUnless(condition, _):
            yield from _condition(condition, scope)
        case Do(Call() as call):
            yield from _call(call, scope)
        case Do(Decide() as decide):
            yield from _decide(decide, scope)
        case Do(Reply() as reply):
            yield from _references(reply.name, reply.body, scope)
        case Do(Raise() as end):
            yield from _references(end.name, end.details, scope)
            if end.reason is not None:
                yield from _fitting(end.name, "reason", end.reason, Shape(str, is_nullable=True), scope)
        case Do(Wait() as wait):
            yield from _wait(wait, scope)
        case Do(Turn() as turn):
            yield from _turn(turn, scope)
        case Do(Approval() as approval):
            yield from _approval(approval, scope)
        case Do(SubProcess() as sub):
            yield from _sub_process(sub, scope)
        case Do(UndoAll() | KeepAll() | End()):
            return


def _loops(plan: Plan) -> Iterator[Problem]:
    """What may not stand in a loop, and loops that go round too often within each other."""
    for loop in plan.loops:
        rounds = 1
        for outer in plan.loops:
            rounds *= outer.turn.most if outer.head <= loop.head < outer.end else 1
        if rounds > MOST_ROUNDS:
            message = f"This loop may go round {rounds:,} times in all; {MOST_ROUNDS:,} is the most."
            yield Problem(loop.turn.name, "unbounded", message, "Lower `most`, or run a sub-process for each item.")
        for instruction in plan.instructions[loop.head : loop.end]:
            match instruction:
                case Do(Reply() | UndoAll() | KeepAll() as step):
                    yield Problem(step.name, "in_a_loop", "An answer or an undo of everything cannot be repeated.")
                case Do(Wait() as step) if step.event is not None:
                    yield Problem(step.name, "in_a_loop", "An event comes once; it cannot be waited for in a loop.")


def _turn(turn: Turn, scope: Scope) -> Iterator[Problem]:
    found = scope.resolve(turn.each)
    if isinstance(found, str):
        yield Problem(turn.name, "reference_unknown", f"each: {found}")
    elif item_of(found) is None and found.annotation is not Any:
        yield Problem(turn.name, "type_mismatch", f"each: {turn.each} is {name_of(found)}, asked for is a list.")


def _wait(wait: Wait, scope: Scope) -> Iterator[Problem]:
    if wait.event is not None and wait.within_s is None:
        yield Problem(wait.name, "without_limit", "This wait has no limit.", "Say `within_s`.")
    if wait.seconds_of is not None:
        yield from _fitting(wait.name, "seconds", wait.seconds_of, Shape(int, is_nullable=False), scope)


def _approval(approval: Approval, scope: Scope) -> Iterator[Problem]:
    if approval.role not in scope.catalogue.roles:
        known = ", ".join(sorted(scope.catalogue.roles))
        yield Problem(approval.name, "role_unknown", f"Nobody has the role {approval.role!r}.", f"Known: {known}.")
    yield from _references(approval.name, approval.shows, scope)


def _sub_process(sub: SubProcess, scope: Scope) -> Iterator[Problem]:
    known = scope.catalogue.processes.get(sub.process)
    if known is None or sub.process == scope.definition.process:
        yield Problem(sub.name, "process_unknown", f"There is no other process {sub.process!r}.")
        return
    if known in scope.catalogue.inputs:
        target = Shape(scope.catalogue.inputs[known])
        yield from _fitting(sub.name, "with", sub.request or {}, target, scope)
    if sub.undo is None:
        if sub.because is None:
            message = f"{sub.process} changes something and is not undone."
            yield Problem(sub.name, "without_undo", message, "Say `undo`, or `because`.")
        return
    yield from _undo(sub.name, sub.undo, scope)


def _call(call: Call, scope: Scope) -> Iterator[Problem]:
    operation = scope.catalogue.operations.get(call.operation)
    if operation is None:
        yield Problem(call.name, "operation_unknown", f"There is no operation {call.operation!r}.")
        return
    yield from _fitting(call.name, "with", call.request or {}, Shape(operation.request), scope)
    if call.undo is None:
        if operation.changes and call.because is None:
            yield Problem(
                call.name,
                "without_undo",
                f"{call.operation} changes something and is not undone.",
                "Say `undo`, or `because`.",
            )
        return
    # a call outside registers its undo before the answer is known
    yield from _undo(call.name, call.undo, scope if operation.is_outside else scope.with_made(call.name))


def _undo(step: str, undo: Undo, scope: Scope) -> Iterator[Problem]:
    operation = scope.catalogue.operations.get(undo.operation)
    if operation is None:
        yield Problem(step, "operation_unknown", f"There is no operation {undo.operation!r}.")
        return
    yield from _fitting(step, "undo.with", undo.request or {}, Shape(operation.request), scope)


def _decide(decide: Decide, scope: Scope) -> Iterator[Problem]:
    decision = scope.catalogue.decisions.get(decide.decision)
    if decision is None:
        yield Problem(decide.name, "decision_unknown", f"There is no decision {decide.decision!r}.")
        return
    wanted = {
        f"{group}.{name}": (shape_of(info.annotation), info.is_required())
        for group, facts in decision.grains[0].groups.items()
        for name, info in facts.model_fields.items()
    }
    yield from _fields(decide.name, "with", decide.facts or {}, wanted, scope)


def _fitting(step: str, at: str, binding: Any, target: Shape, scope: Scope) -> Iterator[Problem]:
    """Whether a binding gives what is asked for."""
    if isinstance(binding, str):
        found = scope.resolve(binding)
        if isinstance(found, str):
            yield Problem(step, "reference_unknown", f"{at}: {found}")
        elif not fits(found, target):
            yield Problem(
                step, "type_mismatch", f"{at}: {binding} is {name_of(found)}, asked for is {name_of(target)}."
            )
        elif found.is_nullable and not target.is_nullable and target.annotation is not Any:
            yield Problem(step, "may_be_absent", f"{at}: {binding} may be absent, and something is asked for.")
        return
    fields = fields_of(target)
    if isinstance(binding, dict) and not is_text(binding) and fields is not None:
        yield from _fields(step, at, binding, fields, scope)
    elif isinstance(binding, dict) and not is_text(binding):
        yield from _references(step, binding, scope)
        if not fits(Shape(dict), target):
            yield Problem(step, "type_mismatch", f"{at}: a mapping is given, asked for is {name_of(target)}.")
    elif isinstance(binding, list):
        for i, part in enumerate(binding):
            yield from _fitting(step, f"{at}[{i}]", part, item_of(target) or ANYTHING, scope)
    else:
        value = binding["text"] if is_text(binding) else binding
        if not literal_fits(value, target):
            yield Problem(step, "type_mismatch", f"{at}: {value!r} is not {name_of(target)}.")


def _fields(
    step: str, at: str, binding: Mapping[str, Any], wanted: Mapping[str, tuple[Shape, bool]], scope: Scope
) -> Iterator[Problem]:
    for name, part in binding.items():
        if name not in wanted:
            yield Problem(step, "field_unknown", f"{at}: there is no field {name!r}.", f"Known: {', '.join(wanted)}.")
        else:
            yield from _fitting(step, f"{at}.{name}", part, wanted[name][0], scope)
    for name, (_, is_required) in wanted.items():
        if is_required and name not in binding:
            yield Problem(step, "field_missing", f"{at}: {name} must be given.")


def _references(step: str, binding: Any, scope: Scope) -> Iterator[Problem]:
    for reference in references_in(binding):
        found = scope.resolve(reference)
        if isinstance(found, str):
            yield Problem(step, "reference_unknown", found)


_PLAIN: tuple[tuple[type, type], ...] = ((bool, bool), (int, int), (str, str))


def _condition(condition: Condition, scope: Scope) -> Iterator[Problem]:
    """Conditions ask for fields that exist, and compare them with values they can have."""
    for test in tests_of(condition):
        found = scope.resolve(test.field)
        if isinstance(found, str):
            yield Problem(test.field.split(".")[0], "reference_unknown", f"when: {found}")
            continue
        if test.op in (Operator.PRESENT, Operator.MISSING):
            continue
        values = test.value if isinstance(test.value, tuple) else (test.value,)
        wanted = item_of(found) or found
        wrong = [value for value in values if not _comparable(value, wanted.annotation)]
        if wrong:
            yield Problem(
                test.field.split(".")[0],
                "type_mismatch",
                f"when: {test.field} is {name_of(wanted)}, compared with {wrong[0]!r}.",
            )


def _comparable(value: Any, annotation: Any) -> bool:
    if get_origin(annotation) is Literal:
        return value in get_args(annotation)
    for plain, kind in _PLAIN:
        if isinstance(annotation, type) and issubclass(annotation, plain):
            return isinstance(value, kind) and (kind is not int or not isinstance(value, bool))
    return True
