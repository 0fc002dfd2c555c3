"""What crosses the border between a process, its activities and those who talk to it. Plain data, JSON-able."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from capabilities.kernel.identity import BusinessIdentity

ANSWER = "answer"
EVENT = "event"
REPAIR = "repair"
ADVANCE = "process.advance"
UNDO = "process.undo"
PARK = "process.park"
WAIT = "process.wait"
REPAIRED = "process.repaired"
DECIDED = "process.decided"
BRANCH = "process.branch"
JOIN = "process.join"
DECIDE = "decide"


@dataclass(frozen=True, slots=True)
class RunRef:
    """Which run acts, for whom, by whom."""

    run_id: str
    business: str
    scenario: str | None
    actor: str
    correlation_id: str

    @property
    def identity(self) -> BusinessIdentity:
        return BusinessIdentity(self.business, self.scenario)


@dataclass(frozen=True, slots=True)
class StartInput:
    """The one argument of a process: the definition's text with its hash, and what it works on."""

    run: RunRef
    definition: str
    sha256: str
    input: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to the caller: an HTTP status and the exact text of the body."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class Note:
    """A wait that is over, written down in the transaction of what follows it."""

    path: str
    response: dict[str, Any]
    actor: str
    started_at: str
    ended_at: str
    iteration: int = 0


def place_of(step: str, iteration: int) -> str:
    """A step of a round of a loop, as people's mendings and decisions name it: outside of loops just the step."""
    return f"{step}[{iteration}]" if iteration else step


@dataclass(frozen=True, slots=True)
class Mending:
    """What people changed: by place, how often its input was changed, the new input, or what stands for its response."""

    revisions: dict[str, int] = field(default_factory=dict)
    requests: dict[str, dict[str, Any]] = field(default_factory=dict)
    substitutes: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Advance:
    """Go on from the cursor. `turn` rises with every activity of a run: what comes late with a lower one is refused."""

    run: RunRef
    definition: str
    cursor: int
    turn: int
    values: dict[str, Any]
    mending: Mending
    notes: list[Note]


@dataclass(frozen=True, slots=True)
class Advanced:
    """How far it came: the new cursor, what later steps ask for, and what ended it."""

    cursor: int
    values: dict[str, Any] = field(default_factory=dict)
    reply: Reply | None = None
    outcome: str | None = None
    """Set when the run has ended, and its end is written."""
    failure: Ending | None = None
    """Set when what earlier batches did must be undone before the run ends."""
    is_wait_announced: bool = False
    trail: list[str] = field(default_factory=list)
    """The steps it did, in order: the process checks them against its own plan, so that no other plan can replay them."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run is to end once all is undone."""

    outcome: str
    error: dict[str, Any] | None = None
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class UndoRequest:
    """Undo everything registered; then end the run, when an ending is given."""

    run: RunRef
    turn: int
    mending: Mending
    notes: list[Note]
    ending: Ending | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A step whose retries are exhausted."""

    step: str
    error: dict[str, Any]
    operation: str | None = None
    request: dict[str, Any] | None = None
    attempt: int = 1
    iteration: int = 0

    @property
    def place(self) -> str:
        return place_of(self.step, self.iteration)


@dataclass(frozen=True, slots=True)
class Park:
    """Put the run on the list of those that wait for a mending hand."""

    run: RunRef
    turn: int
    failure: Failure
    revision: int
    notes: list[Note]


@dataclass(frozen=True, slots=True)
class Asked:
    """An approval that is asked for: by which step, of whom, and what that person should see."""

    step: str
    iteration: int
    role: str
    seconds: int
    shows: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AnnounceWait:
    """Write down that the run waits, where no batch before it could."""

    run: RunRef
    turn: int
    step: str
    waiting_for: str
    seconds: int | None
    notes: list[Note]
    asked: Asked | None = None
    """What is to be approved, where the wait is for a person's approval."""


class RepairKind(StrEnum):
    """What a person may do with a parked run."""

    RETRY = "retry"
    RETRY_WITH = "retry_with"
    SKIP = "skip"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Repair:
    """A repair and who orders it, why. `change` is the new input (retry_with) or the substitute (skip).

    `step` guards against mending another failure than the one that was seen; None mends whatever stands.
    """

    id: str
    kind: RepairKind
    actor: str
    reason: str
    step: str | None = None
    change: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Repaired:
    """A repair to be written into the journal."""

    run: RunRef
    turn: int
    repair: Repair
    step: str


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's answer to an approval: `approve` or `refuse`. The same one (by its id) sent twice is one."""

    id: str
    step: str
    iteration: int
    decision: str
    actor: str
    reason: str

    @property
    def place(self) -> str:
        return place_of(self.step, self.iteration)


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision to be written into the journal; by the clock, where nobody answered in time."""

    run: RunRef
    turn: int
    decision: Decision
    started_at: str
    ended_at: str
    timed_out: bool


@dataclass(frozen=True, slots=True)
class Branch:
    """Begin a sub-process: for which step, of which process, with which input, and how it is undone."""

    run: RunRef
    turn: int
    step: str
    iteration: int
    revision: int
    process: str
    request: dict[str, Any]
    undo: dict[str, Any] | None
    substitute: dict[str, Any] | None
    notes: list[Note]


@dataclass(frozen=True, slots=True)
class Branched:
    """The sub-process that is to run; or its answer, where that is known already."""

    workflow_id: str | None = None
    start: StartInput | None = None
    response: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """A sub-process has ended: write its outcome down as the answer of its step."""

    run: RunRef
    turn: int
    step: str
    iteration: int
    revision: int
    child_run_id: str


@dataclass(frozen=True, slots=True)
class Event:
    """An event a process waits for, such as `order.reviewed`, with its body and who sent it."""

    name: str
    body: dict[str, Any]
    actor: str
