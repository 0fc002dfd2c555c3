"""A bank that does what the account's name says, so that every fault of a real one can be had at will.

It keeps its own books in its own transactions. An account is any text; these words in front of it, with a colon, script it:

| account | what happens |
|---|---|
| `ok:…`, or anything else | paid |
| `closed:…` | fails with `account_closed`, however often it is tried |
| `once:…` | the first attempt fails with `temporarily_refused`, the second is paid |
| `timeout:…` | the first order gets lost on the way: not done, not answered; the next is paid |
| `timeout_done:…` | paid, and the answer gets lost |
| `late_<ms>:…` | paid, answered after so many milliseconds |
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel.clock import now
from capabilities.kernel.database import session_factory
from capabilities.kernel.ids import derived_id
from capabilities.settlement.banks.protocol import BankOrder, BankOutcome, BankReport
from capabilities.settlement.models_payout import SimulatedBankActRow

NAME = "simulator"
_SCRIPT = re.compile(r"^(closed|once|timeout_done|timeout|late_(\d{1,5})):")


class SimulatedBank:
    """The bank. `silence_s` is how long it keeps a caller waiting whom it never answers."""

    def __init__(
        self, sessions: Callable[[], sessionmaker[Session]] = session_factory, *, silence_s: float = 60.0
    ) -> None:
        self._sessions = sessions
        self._silence_s = silence_s
        self._lost: set[str] = set()
        self._lock = threading.Lock()

    def pay(self, order: BankOrder) -> BankReport | None:
        found = _SCRIPT.match(order.destination)
        script = found[1] if found else "ok"
        if script == "timeout" and self._is_lost(order.key):
            time.sleep(self._silence_s)
            return None
        late_s = int(found[2]) / 1000 if found and found[2] else 0.0
        with self._sessions()() as session, session.begin():
            report = self._act(session, order, script, late_s)
        if script == "timeout_done":
            time.sleep(self._silence_s)
            return None
        if late_s:
            time.sleep(late_s)
        return report

    def look_up(self, key: str) -> BankReport | None:
        with self._sessions()() as session:
            act = session.get(SimulatedBankActRow, key)
            return None if act is None else _report(act, at=now())

    def _is_lost(self, key: str) -> bool:
        """Whether this order is the first of its key, and so gets lost."""
        with self._lock:
            is_first = key not in self._lost
            self._lost.add(key)
        return is_first

    def _act(self, session: Session, order: BankOrder, script: str, late_s: float) -> BankReport:
        moment = now()
        session.execute(
            insert(SimulatedBankActRow)
            .values(
                key=order.key,
                business=order.business,
                destination=order.destination,
                amount_minor=order.amount_minor,
                currency=order.currency,
                outcome=BankOutcome.PROCESSING.value,
                reason=None,
                attempt=0,
                calls=0,
                acts=0,
                done_at=moment,
                answers_at=moment,
            )
            .on_conflict_do_nothing()
        )
        act = session.scalars(
            select(SimulatedBankActRow).where(SimulatedBankActRow.key == order.key).with_for_update()
        ).one()
        act.calls += 1
        if act.outcome != BankOutcome.SUCCEEDED.value and order.attempt > act.attempt:
            reason = _refusal(script, order, act)
            act.attempt, act.reason, act.destination = order.attempt, reason, order.destination
            act.outcome = (BankOutcome.FAILED if reason else BankOutcome.SUCCEEDED).value
            act.acts += 0 if reason else 1
            act.done_at, act.answers_at = moment, moment + timedelta(seconds=late_s)
        return _report(act, at=act.answers_at)


def _refusal(script: str, order: BankOrder, act: SimulatedBankActRow) -> str | None:
    if act.calls > 1 and (order.amount_minor, order.currency) != (act.amount_minor, act.currency):
        return "key_reused"
    if script == "closed":
        return "account_closed"
    return "temporarily_refused" if script == "once" and act.attempt == 0 else None


def _report(act: SimulatedBankActRow, *, at: datetime) -> BankReport:
    is_answered = act.answers_at <= at
    return BankReport(
        key=act.key,
        attempt=act.attempt,
        outcome=BankOutcome(act.outcome) if is_answered else BankOutcome.PROCESSING,
        reason=act.reason if is_answered else None,
        bank_reference=derived_id("bnk", act.key) if is_answered else None,
        occurred_at=act.done_at,
    )
