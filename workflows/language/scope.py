"""What may be referred to at one place of a definition, and of which type it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, create_model

from capabilities.kernel.decision import Decision
from capabilities.kernel.expression import Condition, Join, Operator, Test
from workflows.language.definition import Approval, Call, Decide, Definition, ForEach, SubProcess, steps_of
from workflows.language.typing_rules import ANYTHING, Shape, field_of, item_of, name_of, shape_of


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
    """What definitions may name: operations, decisions, inputs, what a decision answers, other processes with the names
    of their inputs, and the roles of people who may approve.
    """

    operations: Mapping[str, Callable]
    decisions: Mapping[str, Decision]
    inputs: Mapping[str, type[BaseModel]]
    decided: type[BaseModel]
    processes: Mapping[str, str] = field(default_factory=dict)
    roles: frozenset[str] = frozenset()


class Run(BaseModel):
    """What every definition may refer to as `run`."""

    id: str
    actor: str


class Approved(BaseModel):
    """What an approval answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: Literal["approve", "refuse"]
    reason: str
    actor: str
    timed_out: bool


class Ended(BaseModel):
    """What a sub-process answers: its run, how it ended, what it was about, and the code of its error where it had one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    outcome: str
    subject: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """`surely` and `perhaps` name the steps that ran on every way, or on some way, to this place; `rounds` its loops."""

    definition: Definition
    catalogue: Catalogue
    surely: frozenset[str]
    perhaps: frozenset[str]
    rounds: frozenset[str] = frozenset()
    present: frozenset[str] = frozenset()
    """References that a condition has found to be there."""

    def resolve(self, reference: str) -> Shape | str:
        """The shape of what a reference stands for, or what is wrong with it."""
        root, *fields = reference.split(".")
        found = self._root(root)
        if isinstance(found, str):
            return found
        for name in fields:
            inner = field_of(found, name)
            if inner is None:
                return f"{reference!r}: {name_of(found)} has no field {name!r}."
            found = inner
        is_there = any(known == reference or known.startswith(f"{reference}.") for known in self.present)
        return Shape(found.annotation) if is_there else found

    def with_made(self, name: str) -> Scope:
        """The same place once the step has run."""
        return replace(self, surely=self.surely | {name}, perhaps=self.perhaps | {name})

    def given(self, condition: Condition) -> Scope:
        """The same place where the condition holds: a test that holds has found its field, whatever it asks."""
        return replace(self, present=self.present | _found_by(condition))

    def _root(self, root: str) -> Shape | str:
        if root == "input":
            return shape_of(self.catalogue.inputs.get(self.definition.input, Any))
        if root == "run":
            return Shape(Run)
        if root not in self.perhaps:
            return f"No step {root!r} has run before this one."
        return Shape(self._response(root), is_nullable=root not in self.surely)

    def _response(self, name: str) -> Any:
        found: Any = Any
        for step in steps_of(self.definition.steps):
            if step.name != name:
                continue
            match step:
                case Call() if step.operation in self.catalogue.operations:
                    found = self.catalogue.operations[step.operation].response
                case Decide():
                    found = self.catalogue.decided
                case Approval():
                    found = Approved
                case SubProcess():
                    found = Ended
                case ForEach():
                    found = self._round(step)
        return found

    def _round(self, loop: ForEach) -> Any:
        """What a loop's name stands for: the item only inside of it, how many there were also behind it."""
        items = self.resolve(loop.each)
        item = ANYTHING if isinstance(items, str) else item_of(items) or ANYTHING
        inside = loop.name in self.rounds and not item.is_nullable
        annotation = item.annotation if inside else item.annotation | None if item.annotation is not Any else Any
        fields: dict[str, Any] = {
            "item": (annotation, ...),
            "index": (int, ...),
            "count": (int, ...),
            "is_over": (bool, ...),
        }
        return create_model(f"{loop.name}_round", **fields)


def _found_by(condition: Condition) -> frozenset[str]:
    """The fields that are there wherever the condition holds."""
    if isinstance(condition, Test):
        return frozenset() if condition.op is Operator.MISSING else frozenset({condition.field})
    if condition.join is not Join.ALL:
        return frozenset()
    return frozenset[str]().union(*(_found_by(part) for part in condition.conditions))
