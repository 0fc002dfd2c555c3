"""A process definition: typed steps, read from YAML or JSON, with errors that name the place.

    process: greeting
    en: Greeting
    zh: 问候
    input: greeting.request
    steps:
      - greet: { call: hall.greet, with: { name: input.name }, undo: { call: hall.forget, with: { name: input.name } } }
      - tell: { reply: 200, body: greet }
      - done: { end: greeted }

A step may also decide by rules, branch (`switch`), repeat (`for`), wait, ask a person (`approval`) or run another process
(`process`). In `with` and `body` a bare text is a reference (`input.name`, `greet.words`); numbers, booleans and null are themselves,
a literal text is written `{ text: hello }`, and mappings nest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from capabilities.kernel.errors import InvalidError
from capabilities.kernel.expression import Condition


@dataclass(frozen=True, slots=True)
class Undo:
    """How a step is undone: an operation and its bindings, registered before the step's outcome is known."""

    operation: str
    request: Any


YEAR_S = 366 * 86400
"""The longest a process may wait at one place."""


@dataclass(frozen=True, slots=True)
class Call:
    """Run an operation of the catalogue. `because` says why a step that changes something needs no undo.

    `parks`: a refusal is no end; the run is parked there until a person mends it, because what was done stays done, and
    therefore nobody undoes it there. `insists`: money would be lost if it were not done, so it cannot be skipped either.
    """

    name: str
    operation: str
    request: Any
    undo: Undo | None = None
    because: str | None = None
    when: Condition | None = None
    parks: bool = False
    insists: bool = False


@dataclass(frozen=True, slots=True)
class Decide:
    """Ask a rule decision; `facts` binds its facts by their flat names, such as `order.total_minor`."""

    name: str
    decision: str
    facts: Any
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """One way of a switch."""

    when: Condition
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Switch:
    """The first branch whose condition holds, else `otherwise`, else on."""

    name: str
    branches: tuple[Branch, ...]
    otherwise: tuple[Step, ...] = ()
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer the waiting caller, once, and go on; a later reply of the same run is not sent."""

    name: str
    status: int
    body: Any
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class Raise:
    """A business end: undo what was done, answer with a problem unless answered, end with `outcome`.

    `reason` refers to text that replaces the message when there is one; `mend` says what to do; `details` go into the
    problem.
    """

    name: str
    code: str
    status: int
    message: str
    outcome: str
    reason: str | None = None
    details: Any = None
    when: Condition | None = None
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class UndoAll:
    """Undo everything registered so far, then go on."""

    name: str
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class KeepAll:
    """The point of no return: nothing done so far is ever undone."""

    name: str
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for a time (`seconds`), or for an `event` within a limit; an event that does not come leaves `timed_out`.

    `seconds_of`: a reference that says how long, where that is not the same for all.
    """

    name: str
    seconds: int | None = None
    event: str | None = None
    within_s: int | None = None
    when: Condition | None = None
    seconds_of: str | None = None


@dataclass(frozen=True, slots=True)
class End:
    """End with an outcome."""

    name: str
    outcome: str
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class ForEach:
    """Do the steps once for each item of a list, `most` at the most; inside, `name.item` is the item and `name.index` its place."""

    name: str
    each: str
    most: int
    steps: tuple[Step, ...]
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """Ask a person of a role, never the one who began the run, and wait; after `within_s` it is decided as `otherwise` says.

    `shows` binds what that person should see. The response: decision, reason, actor, timed_out.
    """

    name: str
    role: str
    within_s: int
    otherwise: str
    shows: Any = None
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class SubProcess:
    """Run another process to its end, linked both ways in the journal; the response is its run's id and outcome."""

    name: str
    process: str
    request: Any
    undo: Undo | None = None
    because: str | None = None
    when: Condition | None = None


Step = Call | Decide | Switch | Reply | Raise | UndoAll | KeepAll | Wait | End | ForEach | Approval | SubProcess


@dataclass(frozen=True, slots=True)
class Definition:
    """A whole process. `subject` refers to the id of what the run is about."""

    process: str
    en: str
    zh: str
    input: str
    steps: tuple[Step, ...]
    subject: str | None = None


def steps_of(steps: tuple[Step, ...]) -> Iterator[Step]:
    """Every step, nested ones after the switch or the loop that holds them, in reading order."""
    for step in steps:
        yield step
        if isinstance(step, Switch):
            for branch in step.branches:
                yield from steps_of(branch.steps)
            yield from steps_of(step.otherwise)
        elif isinstance(step, ForEach):
            yield from steps_of(step.steps)


def references_in(binding: Any) -> Iterator[str]:
    """Every reference of a binding."""
    if isinstance(binding, str):
        yield binding
    elif isinstance(binding, dict) and not is_text(binding):
        for part in binding.values():
            yield from references_in(part)
    elif isinstance(binding, list | tuple):
        for part in binding:
            yield from references_in(part)


def is_text(binding: Any) -> bool:
    """Whether a binding is the literal form `{text: …}`."""
    return isinstance(binding, dict) and len(binding) == 1 and isinstance(binding.get("text"), str)


def unreadable(message: str, at: str, mend: str | None = None) -> InvalidError:
    """The error of a text that is no definition; `at` names the place."""
    return InvalidError("definition.unreadable", f"{at}: {message}", mend=mend, field=at)
