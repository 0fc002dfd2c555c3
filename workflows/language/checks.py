"""What can be wrong with a definition that reads well, found before anything runs with it.

The catalogue is given, not imported: this stays pure, and a designer in the browser may ask with what it has at hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args, get_origin

from pydantic import BaseModel

from capabilities.kernel.decision import Decision
from capabilities.kernel.expression import Condition, Operator, tests_of
from workflows.language.definition import (
    Call,
    Decide,
    Definition,
    End,
    Raise,
    Reply,
    Switch,
    UndoAll,
    Wait,
    is_text,
    references_in,
    steps_of,
)
from workflows.language.plan import Do, Instruction, JumpUnless, Plan, Work, plan_of, successors
from workflows.language.snapshot import Snapshot
from workflows.language.typing_rules import (
    ANYTHING,
    Shape,
    field_of,
    fields_of,
    fits,
    item_of,
    literal_fits,
    name_of,
    shape_of,
)


class Callable(Protocol):
    """What the checks must know of an operation."""

    @property
    def request(self) -> type[BaseModel]: ...
    @property
    def response(self) -> type[BaseModel]: ...
    @property
    def changes(self) -> bool: ...
    @property
    def is_outside(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What definitions may name: operations, decisions, inputs, and what a decision answers."""

    operations: Mapping[str, Callable]
    decisions: Mapping[str, Decision]
    inputs: Mapping[str, type[BaseModel]]
    decided: type[BaseModel]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that must be mended before the definition can be used; `step` is empty for the definition itself."""

    step: str
    code: str
    message: str
    mend: str = ""


class _Run(BaseModel):
    """What every definition may refer to as `run`."""

    id: str


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
        scope = _Scope(definition, catalogue, surely[cursor], perhaps[cursor])
        problems.extend(_instruction(instruction, scope))
    if definition.subject is not None:
        names = frozenset(step.name for step in _works(plan))
        scope = _Scope(definition, catalogue, names, names)
        problems.extend(_fitting("", "subject", definition.subject, Shape(str), scope))
    return problems


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
            made = frozenset({instruction.step.name}) if isinstance(instruction, Do) else frozenset()
            for to in successors(plan.instructions, cursor):
                known = surely[to]
                sure = before | made if known is None else known & (before | made)
                may = perhaps[to] | perhaps[cursor] | made
                if sure != known or may != perhaps[to]:
                    surely[to], perhaps[to], changed = sure, may, True
    return [found or frozenset() for found in surely], perhaps


@dataclass(frozen=True, slots=True)
class _Scope:
    """What may be referred to at one place."""

    definition: Definition
    catalogue: Catalogue
    surely: frozenset[str]
    perhaps: frozenset[str]

    def resolve(self, reference: str) -> Shape | str:
        """The shape of what a reference stands for, or what is wrong with it."""
        root, *fields = reference.split(".")
        found = self._root(root)
        if isinstance(found, str):
            return found
        for field in fields:
            inner = field_of(found, field)
            if inner is None:
                return f"{reference!r}: {name_of(found)} has no field {field!r}."
            found = inner
        return found

    def _root(self, root: str) -> Shape | str:
        if root == "input":
            return shape_of(self.catalogue.inputs.get(self.definition.input, Any))
        if root == "run":
            return Shape(_Run)
        if root not in self.perhaps:
            return f"No step {root!r} has run before this one."
        return Shape(self._response(root), is_nullable=root not in self.surely)

    def _response(self, name: str) -> Any:
        for step in _all_works(self.definition):
            if step.name == name:
                if isinstance(step, Call) and step.operation in self.catalogue.operations:
                    return self.catalogue.operations[step.operation].response
                if isinstance(step, Decide):
                    return self.catalogue.decided
        return Any

    def with_made(self, name: str) -> _Scope:
        return _Scope(self.definition, self.catalogue, self.surely | {name}, self.perhaps | {name})


def _all_works(definition: Definition) -> Iterator[Work]:
    return (step for step in steps_of(definition.steps) if not isinstance(step, Switch))


def _instruction(instruction: Instruction, scope: _Scope) -> Iterator[Problem]:
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
        case Do(Wait() as wait) if wait.event is not None and wait.within_s is None:
            yield Problem(wait.name, "without_limit", "This wait has no limit.", "Say `within_s`.")
        case Do(UndoAll() | End() | Wait()):
            return


def _call(call: Call, scope: _Scope) -> Iterator[Problem]:
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
    undo = scope.catalogue.operations.get(call.undo.operation)
    if undo is None:
        yield Problem(call.name, "operation_unknown", f"There is no operation {call.undo.operation!r}.")
        return
    # a call outside registers its undo before the answer is known
    inner = scope if operation.is_outside else scope.with_made(call.name)
    yield from _fitting(call.name, "undo.with", call.undo.request or {}, Shape(undo.request), inner)


def _decide(decide: Decide, scope: _Scope) -> Iterator[Problem]:
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


def _fitting(step: str, at: str, binding: Any, target: Shape, scope: _Scope) -> Iterator[Problem]:
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
    step: str, at: str, binding: Mapping[str, Any], wanted: Mapping[str, tuple[Shape, bool]], scope: _Scope
) -> Iterator[Problem]:
    for name, part in binding.items():
        if name not in wanted:
            yield Problem(step, "field_unknown", f"{at}: there is no field {name!r}.", f"Known: {', '.join(wanted)}.")
        else:
            yield from _fitting(step, f"{at}.{name}", part, wanted[name][0], scope)
    for name, (_, is_required) in wanted.items():
        if is_required and name not in binding:
            yield Problem(step, "field_missing", f"{at}: {name} must be given.")


def _references(step: str, binding: Any, scope: _Scope) -> Iterator[Problem]:
    for reference in references_in(binding):
        found = scope.resolve(reference)
        if isinstance(found, str):
            yield Problem(step, "reference_unknown", found)


_PLAIN: tuple[tuple[type, type], ...] = ((bool, bool), (int, int), (str, str))


def _condition(condition: Condition, scope: _Scope) -> Iterator[Problem]:
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
