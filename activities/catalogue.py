"""The catalogue of operations: what a process may call. An operation is declared where it is written.

Two kinds. A *transactional* operation touches only our own database: one function, run in a transaction that somebody
else commits, fused with its neighbours. An *outside* operation calls somebody else: three functions, so that the intent
with its key is committed before the call and the answer after it, and no transaction is open while we wait.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from sqlalchemy.orm import Session

from capabilities.kernel.errors import ConflictError, MissingError, PlatformError
from capabilities.kernel.identity import BusinessIdentity

Request = TypeVar("Request", bound=BaseModel)
Intent = TypeVar("Intent", bound=BaseModel)
Response = TypeVar("Response", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class StepContext:
    """Who asks: the run and step, and a key that is the same whenever this step runs again."""

    run_id: str
    step: str
    key: str
    identity: BusinessIdentity
    actor: str
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One entry of the catalogue. `changes` is False for operations that only read: they need no undo."""

    name: str
    en: str
    zh: str
    request: type[BaseModel]
    response: type[BaseModel]
    changes: bool
    run: Callable[[Session, StepContext, Any], BaseModel] | None = None
    outside: OutsideSteps[Any, Any, Any] | None = None

    @property
    def is_outside(self) -> bool:
        return self.outside is not None


@dataclass(frozen=True, slots=True)
class OutsideSteps(Generic[Request, Intent, Response]):
    """intend (commits the intent, secures what the call will use), call (no transaction; may look up first), record.

    `intend` returns None-free intents; `call` gets the intent and returns JSON-able `answer`; `record` must accept the
    same answer twice. `call` raising `UnavailableError` is retried; a time-out is an answer of its own ("unknown").
    `again` marks an intent of an earlier attempt, which may have reached the other side before it broke off. `insist`
    says what is wrong with an answer that was recorded but is not enough: the step is refused, and tried again it asks anew.
    """

    intend: Callable[[Session, StepContext, Request], Intent]
    call: Callable[[Intent], BaseModel]
    record: Callable[[Session, StepContext, Intent, Any], Response]
    again: Callable[[Intent], Intent] | None = None
    insist: Callable[[Response], PlatformError | None] | None = None

    def missing(self, response: Response) -> PlatformError | None:
        """What keeps the step from being done although it was answered; None where the answer is enough."""
        return None if self.insist is None else self.insist(response)

    def resumed(self, intent: Intent) -> Intent:
        """The intent of an earlier attempt, for another one."""
        return intent if self.again is None else self.again(intent)


_OPERATIONS: dict[str, Operation] = {}


def operation(
    name: str, *, en: str, zh: str, changes: bool = True
) -> Callable[
    [Callable[[Session, StepContext, Request], Response]], Callable[[Session, StepContext, Request], Response]
]:
    """Declare a transactional operation; request and response types are read from the function's annotations."""

    def register(
        function: Callable[[Session, StepContext, Request], Response],
    ) -> Callable[[Session, StepContext, Request], Response]:
        hints = typing.get_type_hints(function)
        response = hints.pop("return")
        _add(Operation(name, en, zh, request=list(hints.values())[2], response=response, changes=changes, run=function))
        return function

    return register


def outside_operation(
    name: str,
    *,
    en: str,
    zh: str,
    request: type[Request],
    response: type[Response],
    steps: OutsideSteps[Request, Intent, Response],
) -> None:
    """Declare an operation that calls outside."""
    _add(Operation(name, en, zh, request=request, response=response, changes=True, outside=steps))


def _add(entry: Operation) -> None:
    if entry.name in _OPERATIONS:
        raise ConflictError("catalogue.declared_twice", f"The operation {entry.name} is declared twice.")
    _OPERATIONS[entry.name] = entry


def find_operation(name: str) -> Operation:
    """The operation of that name; `MissingError` where the catalogue has none."""
    try:
        return _OPERATIONS[name]
    except KeyError:
        raise MissingError(
            "catalogue.operation_unknown", f"There is no operation {name!r}.", mend="See the catalogue for the names."
        ) from None


def operations() -> dict[str, Operation]:
    """All declared operations by name."""
    return dict(_OPERATIONS)
