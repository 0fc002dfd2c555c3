"""A provider that does what the payment method says, so that every fault of a real one can be had at will.

It stands for another system: it keeps its own books, in its own transactions, and is reached by its methods only.

| method | what happens |
|---|---|
| `sim_ok` | works |
| `sim_declined` | the authorization is declined |
| `sim_timeout` | the authorization gets lost on the way: never done, never answered |
| `sim_timeout_done` | the authorization is done, the answer gets lost |
| `sim_late_<ms>` | the authorization is answered (and can be looked up) after so many milliseconds |
| `sim_twice` | everything is answered twice |
| `sim_capture_<fault>` | the same faults (`declined`, `timeout`, `timeout_done`, `late_<ms>`) at the capture |
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel.clock import now
from capabilities.kernel.database import session_factory
from capabilities.kernel.ids import derived_id
from capabilities.payment.models import SimulatedActRow
from capabilities.payment.providers.protocol import Action, Outcome, ProviderCall, ProviderReport

NAME = "simulator"
LONGEST_SILENCE_S = 60.0
"""How long a call that never answers keeps its thread."""
_METHOD = re.compile(
    r"^sim_(?:(?P<works>ok|twice)|(?P<at>capture_)?(?P<fault>declined|timeout_done|timeout|late_(?P<ms>\d{1,5})))$"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong at one action. `late_s` delays answer and look-up; `is_lost` before, `is_silent` after it is done."""

    declines: bool = False
    is_lost: bool = False
    is_silent: bool = False
    late_s: float = 0.0
    answers: int = 1


def is_simulated(method: str) -> bool:
    """Whether the simulator knows the method."""
    return _METHOD.match(method) is not None


def fault_of(method: str, action: Action) -> Fault:
    """What the method makes of an action."""
    found = _METHOD.match(method)
    if found is None or found["works"] == "ok":
        return Fault()
    if found["works"] == "twice":
        return Fault(answers=2)
    if action is not (Action.CAPTURE if found["at"] else Action.AUTHORIZE):
        return Fault()
    return Fault(
        declines=found["fault"] == "declined",
        is_lost=found["fault"] == "timeout",
        is_silent=found["fault"] == "timeout_done",
        late_s=int(found["ms"] or 0) / 1000,
    )


class Simulator:
    """The provider. `sessions` gives it connections of its own."""

    def __init__(self, sessions: Callable[[], sessionmaker[Session]] = session_factory) -> None:
        self._sessions = sessions

    def send(self, call: ProviderCall) -> tuple[ProviderReport, ...]:
        fault = fault_of(call.method, call.action)
        if fault.is_lost:
            time.sleep(LONGEST_SILENCE_S)
            return ()
        with self._sessions()() as session, session.begin():
            act = self._act(session, call, fault)
            report, answers_at = _report(act, at=act.answers_at), act.answers_at
        if fault.is_silent:
            time.sleep(LONGEST_SILENCE_S)
            return ()
        if fault.late_s:
            time.sleep(max(0.0, (answers_at - now()).total_seconds()))
        return (report,) * fault.answers

    def look_up(self, key: str) -> ProviderReport | None:
        with self._sessions()() as session:
            act = session.get(SimulatedActRow, key)
            return None if act is None else _report(act, at=now())

    def _act(self, session: Session, call: ProviderCall, fault: Fault) -> SimulatedActRow:
        """The act of a key: done now, or found from an earlier call, in which case nothing moves again."""
        refusal = "card_declined" if fault.declines else self._impossible(session, call)
        moment = now()
        written = (
            insert(SimulatedActRow)
            .values(
                key=call.key,
                business=call.business,
                action=call.action.value,
                payment_id=call.payment_id,
                authorization_key=call.authorization_key,
                amount_minor=call.amount_minor,
                currency=call.currency,
                method=call.method,
                outcome=(Outcome.DECLINED if refusal else Outcome.SUCCEEDED).value,
                reason=refusal,
                calls=1,
                acts=0 if refusal else 1,
                done_at=moment,
                answers_at=moment + timedelta(seconds=fault.late_s),
            )
            .on_conflict_do_update(index_elements=[SimulatedActRow.key], set_={"calls": SimulatedActRow.calls + 1})
            .returning(SimulatedActRow)
        )
        act = session.scalars(written, execution_options={"populate_existing": True}).one()
        if act.calls == 1 and call.action is Action.VOID:
            self._refuse_from_now_on(session, call)
        return act

    def _impossible(self, session: Session, call: ProviderCall) -> str | None:
        """Why the books do not allow it: more than authorized, more than captured, or voided."""
        if call.action is Action.AUTHORIZE:
            return None
        # whoever captures, voids or refunds waits here for whoever does it at the same time
        authorization = session.execute(
            select(SimulatedActRow).where(SimulatedActRow.key == call.authorization_key).with_for_update()
        ).scalar_one_or_none()
        if authorization is None or authorization.outcome != Outcome.SUCCEEDED.value:
            return "not_authorized"
        moved = self._moved(session, call)
        if moved.get(Action.VOID):
            return "voided"
        captured = moved.get(Action.CAPTURE, 0)
        if call.action is Action.VOID:
            return "captured" if captured else None
        if call.action is Action.CAPTURE:
            return "more_than_authorized" if captured + call.amount_minor > authorization.amount_minor else None
        return "more_than_captured" if moved.get(Action.REFUND, 0) + call.amount_minor > captured else None

    def _moved(self, session: Session, call: ProviderCall) -> dict[Action, int]:
        """What was done under the authorization by other keys."""
        found = session.execute(
            select(SimulatedActRow.action, func.sum(SimulatedActRow.amount_minor))
            .where(
                SimulatedActRow.authorization_key == call.authorization_key,
                SimulatedActRow.outcome == Outcome.SUCCEEDED.value,
                SimulatedActRow.key != call.key,
            )
            .group_by(SimulatedActRow.action)
        )
        return {Action(action): int(total) for action, total in found}

    def _refuse_from_now_on(self, session: Session, call: ProviderCall) -> None:
        """A void of an authorization that has not arrived: when it arrives, it is refused."""
        moment = now()
        session.execute(
            insert(SimulatedActRow)
            .values(
                key=call.authorization_key,
                business=call.business,
                action=Action.AUTHORIZE.value,
                payment_id=call.payment_id,
                authorization_key=None,
                amount_minor=call.amount_minor,
                currency=call.currency,
                method=call.method,
                outcome=Outcome.DECLINED.value,
                reason="voided_before_arrival",
                calls=0,
                acts=0,
                done_at=moment,
                answers_at=moment,
            )
            .on_conflict_do_nothing()
        )


def _report(act: SimulatedActRow, *, at: datetime) -> ProviderReport:
    """What the books say of an act at a moment: before its answer it is still being worked on."""
    return ProviderReport(
        key=act.key,
        action=Action(act.action),
        outcome=Outcome(act.outcome) if act.answers_at <= at else Outcome.PROCESSING,
        amount_minor=act.amount_minor,
        occurred_at=act.done_at,
        reason=act.reason,
        provider_id=derived_id("sim", act.key),
    )
