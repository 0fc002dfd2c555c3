"""A small business of its own for the tests of processes: a guest book with real rows, and a gate that is outside.

The operations are declared once for the whole test run; `Hall` says what they shall do and remembers what they did.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue import OutsideSteps, StepContext, operation, operations, outside_operation
from capabilities.kernel.errors import RefusedError
from capabilities.kernel.outbox import OutboxEvent, publish


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Visit(Part):
    name: str
    nick: str | None = None
    age: int = 0
    names: tuple[str, ...] = ()


class Greet(Part):
    name: str


class Greeted(Part):
    words: str
    guest: str


class Passage(Part):
    guest: str


class Passed(Part):
    status: str


class GateIntent(Part):
    guest: str
    key: str


class GateAnswer(Part):
    status: str


class Hall:
    """What happens at each operation, and how often it happened."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.trouble: dict[str, Callable[[int], None]] = {}
        self.gate_keys: Counter[str] = Counter()
        self.gate_status = "open"
        self.lock = threading.Lock()

    def enter(self, name: str) -> None:
        with self.lock:
            self.counts[name] += 1
            count = self.counts[name]
        if name in self.trouble:
            self.trouble[name](count)


HALL = Hall()


def fresh_hall() -> Hall:
    """Forget everything; the same object, because the operations hold it."""
    HALL.__init__()  # type: ignore[misc]
    return HALL


def book(session: Session, context: StepContext, word: str) -> None:
    """A row in a table that exists anyway: what stays tells what was committed."""
    publish(session, business=context.identity.business, type=word, subject=context.run_id, data={"key": context.key})


def booked(session: Session, run_id: str) -> list[str]:
    """The words that stayed, in order."""
    found = select(OutboxEvent.type).where(OutboxEvent.subject == run_id).order_by(OutboxEvent.sequence)
    return list(session.scalars(found))


def declare() -> None:
    """Put the hall's operations into the catalogue, once."""
    if "hall.greet" in operations():
        return

    @operation("hall.greet", en="Greet", zh="问候")
    def greet(session: Session, context: StepContext, request: Greet) -> Greeted:
        HALL.enter("greet")
        book(session, context, "greeted")
        if request.name == "nobody":
            raise RefusedError("hall.guest_refused", "Nobody is not greeted.", guest=request.name)
        return Greeted(words=f"Hello {request.name}", guest=request.name)

    @operation("hall.seat", en="Seat", zh="就座")
    def seat(session: Session, context: StepContext, request: Passage) -> Passed:
        HALL.enter("seat")
        book(session, context, "seated")
        return Passed(status="seated")

    @operation("hall.forget", en="Forget", zh="忘记")
    def forget(session: Session, context: StepContext, request: Passage) -> Passed:
        HALL.enter("forget")
        book(session, context, "forgotten")
        return Passed(status="forgotten")

    @operation("hall.rise", en="Rise", zh="起身")
    def rise(session: Session, context: StepContext, request: Passage) -> Passed:
        HALL.enter("rise")
        book(session, context, "risen")
        return Passed(status="risen")

    def intend(session: Session, context: StepContext, request: Passage) -> GateIntent:
        HALL.enter("intend")
        book(session, context, "asked at the gate")
        return GateIntent(guest=request.guest, key=context.key)

    def call(intent: GateIntent) -> GateAnswer:
        HALL.enter("call")
        HALL.gate_keys[intent.key] += 1
        return GateAnswer(status=HALL.gate_status)

    def record(session: Session, context: StepContext, intent: GateIntent, answer: GateAnswer) -> Passed:
        HALL.enter("record")
        book(session, context, f"gate {answer.status}")
        return Passed(status=answer.status)

    steps: OutsideSteps[Any, Any, Any] = OutsideSteps(intend, call, record)
    outside_operation("hall.pass_gate", en="Pass the gate", zh="过门", request=Passage, response=Passed, steps=steps)

    def intend_back(session: Session, context: StepContext, request: Passage) -> GateIntent:
        HALL.enter("intend_back")
        return GateIntent(guest=request.guest, key=context.key)

    def call_back(intent: GateIntent) -> GateAnswer:
        HALL.enter("call_back")
        return GateAnswer(status="back")

    def record_back(session: Session, context: StepContext, intent: GateIntent, answer: GateAnswer) -> Passed:
        HALL.enter("record_back")
        book(session, context, "gate back")
        return Passed(status="back")

    back: OutsideSteps[Any, Any, Any] = OutsideSteps(intend_back, call_back, record_back)
    outside_operation("hall.go_back", en="Go back", zh="返回", request=Passage, response=Passed, steps=back)


VISIT = """
process: visit
en: Visit
zh: 来访
input: hall.visit
subject: greet.guest
steps:
  - greet: { call: hall.greet, with: { name: input.name }, undo: { call: hall.forget, with: { guest: greet.guest } } }
  - pass: { call: hall.pass_gate, with: { guest: greet.guest }, undo: { call: hall.go_back, with: { guest: greet.guest } } }
  - shut: { when: { field: pass.status, op: eq, value: shut }, raise: hall.gate_shut, status: 402, message: The gate is shut., outcome: turned_away, details: { guest: greet.guest } }
  - seat: { call: hall.seat, with: { guest: greet.guest }, undo: { call: hall.rise, with: { guest: greet.guest } } }
  - tell: { reply: 201, body: { words: greet.words, gate: pass.status } }
  - done: { end: seated }
"""

ASKING = """
process: asking
en: Asking
zh: 询问
input: hall.visit
steps:
  - greet: { call: hall.greet, with: { name: input.name }, undo: { call: hall.forget, with: { guest: greet.guest } } }
  - tell: { reply: 202, body: { status: { text: asked } } }
  - ask: { wait: { event: host.answered, within_s: 60 } }
  - no: { when: { none: [{ field: ask.answer, op: eq, value: "yes" }] }, raise: hall.host_declined, status: 409, message: The host said no., outcome: declined }
  - seat: { call: hall.seat, with: { guest: greet.guest }, undo: none, because: nothing follows }
  - done: { end: seated }
"""

HURRIED = ASKING.replace("process: asking", "process: hurried").replace("within_s: 60", "within_s: 1")

CALLING = """
process: calling
en: Calling
zh: 叫门
input: hall.visit
steps:
  - greet: { call: hall.greet, with: { name: input.name }, undo: { call: hall.forget, with: { guest: greet.guest } } }
  - pass: { call: hall.pass_gate, with: { guest: greet.guest }, undo: { call: hall.go_back, with: { guest: greet.guest } } }
  - tell: { reply: 202, body: { status: { text: asked } } }
  - ask: { wait: { event: host.answered, within_s: 60 } }
  - done: { end: seated }
"""

TOUR = """
process: tour
en: Tour
zh: 参观
input: hall.visit
steps:
  - guests:
      for: { each: input.names, most: 40 }
      steps:
      - greet: { call: hall.greet, with: { name: guests.item }, undo: { call: hall.forget, with: { guest: greet.guest } } }
      - gate: { when: { field: guests.index, op: eq, value: 1 }, call: hall.pass_gate, with: { guest: greet.guest }, undo: { call: hall.go_back, with: { guest: greet.guest } } }
      - seat: { when: { field: gate.status, op: missing }, call: hall.seat, with: { guest: greet.guest }, undo: { call: hall.rise, with: { guest: greet.guest } } }
  - tell: { reply: 201, body: { count: guests.count } }
  - done: { end: toured }
"""

NESTED = """
process: nested
en: Nested
zh: 嵌套
input: hall.visit
steps:
  - guests:
      for: { each: input.names, most: 300 }
      steps:
      - again:
          for: { each: input.names, most: 5 }
          steps:
          - greet: { call: hall.greet, with: { name: again.item }, because: a test }
          - nap: { when: { field: again.index, op: eq, value: 1 }, wait: { seconds: 1 } }
  - done: { end: toured }
"""

CONSENT = """
process: consent
en: Consent
zh: 同意
input: hall.visit
steps:
  - greet: { call: hall.greet, with: { name: input.name }, undo: { call: hall.forget, with: { guest: greet.guest } } }
  - tell: { reply: 202, body: { status: { text: asked } } }
  - consent: { approval: { role: approver, within_s: 60, otherwise: refuse, shows: { guest: greet.guest } } }
  - no: { when: { field: consent.decision, op: eq, value: refuse }, raise: hall.host_declined, status: 409, message: The host said no., reason: consent.reason, outcome: declined }
  - seat: { call: hall.seat, with: { guest: greet.guest }, undo: none, because: nothing follows }
  - done: { end: seated }
"""

BRIEF = CONSENT.replace("process: consent", "process: brief").replace("within_s: 60", "within_s: 1")

PARTY = """
process: party
en: Party
zh: 聚会
input: hall.visit
steps:
  - walk: { process: tour, with: { name: input.name, names: input.names }, undo: none, because: the tour undoes itself }
  - came: { when: { field: walk.outcome, op: neq, value: toured }, raise: hall.tour_ended, status: 409, message: The tour did not end well., outcome: sent_home, details: { outcome: walk.outcome, code: walk.code } }
  - seat: { call: hall.seat, with: { guest: input.name }, undo: { call: hall.rise, with: { guest: input.name } } }
  - tell: { reply: 201, body: walk }
  - done: { end: seated }
"""

INVITED = PARTY.replace("process: party", "process: invited").replace("process: tour", "process: asking")

NO_RETURN = """
process: no_return
en: No return
zh: 不归
input: hall.visit
steps:
  - greet: { call: hall.greet, with: { name: input.name }, undo: { call: hall.forget, with: { guest: greet.guest } } }
  - for_good: { keep: all }
  - pass: { call: hall.pass_gate, with: { guest: greet.guest }, because: whoever passed has passed }
  - other: { call: hall.greet, with: { name: input.nick }, because: a test, refused: park }
  - tell: { reply: 201, body: { words: other.words } }
  - done: { end: seated }
"""

INVITED = PARTY.replace("process: party", "process: invited").replace("process: tour", "process: asking")
