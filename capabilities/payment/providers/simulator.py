"""A provider that does what the payment method says (see `faults`), so that every fault of a real one can be had at will.

It stands for another system: it keeps its own books, in its own transactions, and is reached by its methods only. What it
tells by itself, by signed messages, stands in `simulator_messages`; its statements in `simulator_statement`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel.clock import now
from capabilities.kernel.database import session_factory
from capabilities.kernel.ids import derived_id
from capabilities.payment.models import SimulatedActRow
from capabilities.payment.providers.faults import Fault, Script, is_simulated, script_of
from capabilities.payment.providers.protocol import Action, Outcome, ProviderCall, ProviderMessage, ProviderReport
from capabilities.payment.providers.simulator_messages import CHARGEBACK, announce, read_simulated

__all__ = ["LONGEST_SILENCE_S", "NAME", "Simulator", "is_simulated"]

NAME = "simulator"
LONGEST_SILENCE_S = 60.0
"""How long a call that never answers keeps its thread."""


class Simulator:
    """The provider. `sessions` gives it connections of its own; `scripts` overrules methods, by payment or key."""

    def __init__(
        self,
        sessions: Callable[[], sessionmaker[Session]] = session_factory,
        scripts: Mapping[str, str] | None = None,
    ) -> None:
        self._sessions = sessions
        self.scripts = dict(scripts or {})

    def send(self, call: ProviderCall) -> tuple[ProviderReport, ...]:
        script = self._script(call)
        fault = script.fault(call.action, self._nth(call) if script.counts else 1)
        if fault.is_lost:
            time.sleep(LONGEST_SILENCE_S)
            return ()
        with self._sessions()() as session, session.begin():
            act = self._act(session, call, fault)
            report, answers_at = _report(act, at=act.answers_at), act.answers_at
            if script.sends and act.calls == 1:
                announce(session, act, report, script)
        if fault.is_silent:
            time.sleep(LONGEST_SILENCE_S)
            return ()
        if fault.late_s:
            time.sleep(max(0.0, (answers_at - now()).total_seconds()))
        return (report,) * fault.answers

    def look_up(self, call: ProviderCall) -> ProviderReport | None:
        with self._sessions()() as session:
            act = session.get(SimulatedActRow, call.key)
            return None if act is None else _report(act, at=now())

    def read_message(self, headers: Mapping[str, str], body: bytes) -> ProviderMessage:
        return read_simulated(headers, body)

    def _script(self, call: ProviderCall) -> Script:
        """By the key, the payment, else the method; a method of nobody's is one that works."""
        method = self.scripts.get(call.key) or self.scripts.get(call.payment_id) or call.method
        return script_of(method) or Script()

    def _nth(self, call: ProviderCall) -> int:
        """Which order of its action this is for the payment; one that is sent again keeps its number."""
        of_payment = (SimulatedActRow.payment_id == call.payment_id, SimulatedActRow.action == call.action.value)
        in_order = (SimulatedActRow.done_at, SimulatedActRow.key)
        with self._sessions()() as session:
            keys = session.scalars(select(SimulatedActRow.key).where(*of_payment).order_by(*in_order)).all()
        return keys.index(call.key) + 1 if call.key in keys else len(keys) + 1

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
                amount_minor=max(1, call.amount_minor * fault.percent // 100),
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
        captured = moved.get(Action.CAPTURE, 0)
        if call.action is Action.REFUND:
            gone = moved.get(Action.REFUND, 0) + moved.get(CHARGEBACK, 0)
            return "more_than_captured" if gone + call.amount_minor > captured else None
        if moved.get(Action.VOID):
            return "voided"
        if call.action is Action.VOID:  # of a capture in part, the rest can be withdrawn
            return "captured" if captured >= authorization.amount_minor else None
        return "more_than_authorized" if captured + call.amount_minor > authorization.amount_minor else None

    def _moved(self, session: Session, call: ProviderCall) -> dict[str, int]:
        """What was done under the authorization by other keys."""
        found = session.execute(
            select(SimulatedActRow.action, func.sum(SimulatedActRow.amount_minor))
            .where(
                SimulatedActRow.authorization_key == call.authorization_key,
                SimulatedActRow.outcome == Outcome.SUCCEEDED.value,
                SimulatedActRow.key != call.key,
                SimulatedActRow.done_at <= now(),
            )
            .group_by(SimulatedActRow.action)
        )
        return {action: int(total) for action, total in found}

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
