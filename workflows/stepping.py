"""What fused batches, outside steps and undo share: one step's request, its context, its row, and how errors are told.

Errors of the family that say no (missing, conflict, refused, invalid) are answers and become `Refusal`. What may pass
(unavailable, the database away) is retried with back-off. What nobody foresaw is retried a few times. Either is parked
in the end: a person sees it, with the step and its input.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError
from sqlalchemy import exc
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.catalogue import Operation, StepContext, find_operation
from activities.journal.models import StepStatus
from activities.journal.service import StepRow
from capabilities.kernel.clock import now
from capabilities.kernel.errors import ErrorKind, PlatformError, UnavailableError
from workflows.language.bind import Values, bind
from workflows.language.definition import Call, Decide, Undo
from workflows.messages import Failure, Mending, Note, RunRef, place_of

DECIDE = "rules.decide"
"""The operation behind `decide` steps: `{decision, facts}` → outcome, reason, effects, rule_ids, release_id."""

REFUSED = "refused"
"""The outcome of a run that a step said no to."""

UNFORESEEN_ATTEMPTS = 4
"""How often an error nobody foresaw is tried before the run is parked."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """One operation to run for one step of one run."""

    path: str
    kind: str
    operation: Operation
    request: dict[str, Any]
    revision: int = 0
    undo: Undo | None = None
    iteration: int = 0
    parks: bool = False
    """What it refuses is told as it is and parks the run, instead of ending it."""

    @property
    def key(self) -> tuple[str, int, int]:
        """The step's key in the journal."""
        return self.path, self.iteration, self.revision

    @property
    def place(self) -> str:
        """The name under which people's mendings of this step are kept."""
        return place_of(self.path, self.iteration)


class Refusal(Exception):  # noqa: N818 - the business says no: an answer, carried out of a transaction to undo it
    """A step said no. Raised through the transaction so that it rolls back."""

    def __init__(self, order: Order | None, error: dict[str, Any], outcome: str = REFUSED) -> None:
        super().__init__(error["message"])
        self.order = order
        self.error = error
        self.outcome = outcome


@dataclass(slots=True)
class Standing:
    """Which step an activity stands at, so that a failure can tell it."""

    step: str
    operation: str | None = None
    request: dict[str, Any] | None = field(default=None, repr=False)
    iteration: int = 0

    def at(self, order: Order) -> None:
        self.step, self.operation, self.request = order.path, order.operation.name, order.request
        self.iteration = order.iteration


def order_of(step: Call | Decide, values: Values, mending: Mending, iteration: int = 0) -> Order:
    """What a step asks for: its bindings bound, or the input a person gave instead."""
    operation = find_operation(step.operation if isinstance(step, Call) else DECIDE)
    place = place_of(step.name, iteration)
    request = mending.requests.get(place)
    if request is None:
        request = (
            bind(step.request, values)
            if isinstance(step, Call)
            else {"decision": step.decision, "facts": bind(step.facts, values)}
        )
    return Order(
        path=step.name,
        kind="call" if isinstance(step, Call) else "decide",
        operation=operation,
        request=request or {},
        revision=mending.revisions.get(place, 0),
        undo=step.undo if isinstance(step, Call) else None,
        iteration=iteration,
        parks=isinstance(step, Call) and step.parks,
    )


def context_of(run: RunRef, order: Order) -> StepContext:
    """Who asks; the key is the same whenever this step runs again with this input."""
    return StepContext(
        run_id=run.run_id,
        step=order.path,
        key=f"{run.run_id}/{order.path}/{order.iteration}/{order.revision}",
        identity=run.identity,
        actor=run.actor,
        correlation_id=run.correlation_id,
    )


def parsed(order: Order) -> BaseModel:
    """The typed request. A request that cannot be read is parked at once: the same input will not get better."""
    try:
        return order.operation.request.model_validate(order.request)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Unreadable(f"The input of {order.path} cannot be read: {place}: {first['msg']}.") from error


class Unreadable(Exception):  # noqa: N818 - names what is wrong
    """The bound request does not fit the operation's type."""


def as_json(response: BaseModel) -> dict[str, Any]:
    """A response as the JSON that later steps refer to."""
    return response.model_dump(mode="json")


def row_of(run: RunRef, order: Order, status: StepStatus, started_at: str, **parts: Any) -> StepRow:
    """The journal row of a step."""
    return StepRow(
        path=order.path,
        kind=order.kind,
        status=status,
        iteration=order.iteration,
        revision=order.revision,
        attempt=attempt(),
        operation=order.operation.name,
        request=order.request,
        actor=run.actor,
        started_at=started_at,
        **parts,
    )


def note_row(note: Note) -> StepRow:
    """The journal row of a wait that is over."""
    return StepRow(
        path=note.path,
        kind="wait",
        status=StepStatus.WAITED,
        iteration=note.iteration,
        response=note.response,
        actor=note.actor,
        started_at=note.started_at,
        ended_at=note.ended_at,
    )


def bound_undo(order: Order, values: Values) -> dict[str, Any] | None:
    """An undo as it is registered: the operation and its request, bound to what is known now."""
    if order.undo is None:
        return None
    return {"call": order.undo.operation, "with": bind(order.undo.request, values)}


def moment() -> str:
    """Now, as the journal keeps it."""
    return now().isoformat()


def attempt() -> int:
    """Which attempt of its activity this is."""
    return activity.info().attempt if activity.in_activity() else 1


def error_of(error: PlatformError, status: int | None = None) -> dict[str, Any]:
    """The error as JSON, with the HTTP status a step chose for it."""
    return error.as_dict() | ({"status": status} if status is not None else {})


@contextmanager
def failures_told(standing: Standing) -> Iterator[None]:
    """Translate every error that leaves an activity into an `ApplicationError` that says step, input and kind."""
    try:
        yield
    except PlatformError as error:
        passing = error.kind is ErrorKind.UNAVAILABLE
        raise _told(standing, error.as_dict(), is_final=not passing) from error
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
        away = UnavailableError("database.unavailable", "The database did not answer.", mend="It is tried again.")
        raise _told(standing, away.as_dict(), is_final=False) from error
    except Unreadable as error:
        raise _told(standing, _unforeseen("process.input_unreadable", str(error)), is_final=True) from error
    except Exception as error:
        log.exception("Step %s failed in a way nobody foresaw.", standing.step)
        told = _unforeseen("process.step_failed", f"{type(error).__name__}: {error}"[:500])
        raise _told(standing, told, is_final=attempt() >= UNFORESEEN_ATTEMPTS) from error


def _unforeseen(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "kind": ErrorKind.UNAVAILABLE.value, "message": message, "mend": None, "details": {}}


def _told(standing: Standing, error: dict[str, Any], *, is_final: bool) -> ApplicationError:
    failure = Failure(standing.step, error, standing.operation, standing.request, attempt(), standing.iteration)
    return ApplicationError(error["message"], failure, type=error["code"], non_retryable=is_final)
