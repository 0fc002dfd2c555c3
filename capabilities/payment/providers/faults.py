"""What goes wrong at the simulator, said by the payment method: a script of clauses, `sim_` and then joined with `+`. Pure.

| clause | what happens |
|---|---|
| `ok` | all works |
| `twice` | everything is answered twice |
| `declined`, `timeout`, `timeout_done`, `late_<ms>` | the authorization: declined · lost on the way · done, but the answer is lost · answered (and seen by a look-up) after so many milliseconds |
| `<action>_<fault>` | the same at `authorize`, `capture`, `void` or `refund` |
| `<action><n>_<fault>` | only at the nth order of that action for the payment |
| `capture_partial_<percent>` | only so much of the capture is taken |
| `hook` | a signed message is sent for everything that happens |
| `hook_late_<ms>`, `hook_twice`, `hook_shuffled` | … after so many milliseconds · each twice · in another order than it happened |
| `chargeback`, `chargeback_late_<ms>` | the captured money is charged back, with a message |
| `refund_reversed`, `refund_reversed_late_<ms>` | a refund that succeeded comes back, with a message |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from capabilities.payment.providers.protocol import Action

PREFIX = "sim_"
_WAIT = r"(?:_late_(?P<{name}>\d{{1,8}}))?"
_CLAUSE = re.compile(
    r"(?P<works>ok|twice)"
    r"|(?:(?P<at>authorize|capture|void|refund)(?P<nth>[1-9])?_)?"
    r"(?:(?P<fault>declined|timeout_done|timeout)|late_(?P<ms>\d{1,5}))"
    r"|capture_partial_(?P<percent>[1-9]\d?)"
    r"|hook(?:_late_(?P<hook_ms>\d{1,8})|_(?P<hook>twice|shuffled))?"
    rf"|(?P<back>chargeback|refund_reversed){_WAIT.format(name='back_ms')}"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong at one action. `late_s` delays answer and look-up; `is_lost` before, `is_silent` after it is done."""

    declines: bool = False
    is_lost: bool = False
    is_silent: bool = False
    late_s: float = 0.0
    answers: int = 1
    percent: int = 100


@dataclass(frozen=True, slots=True)
class _At:
    action: Action
    nth: int | None
    fault: Fault


@dataclass(frozen=True, slots=True)
class Script:
    """A method read. `back_s` says what comes back by itself, and after how long."""

    faults: tuple[_At, ...] = ()
    answers: int = 1
    sends: bool = False
    hook_late_s: float = 0.0
    copies: int = 1
    shuffles: bool = False
    chargeback_s: float | None = None
    reversal_s: float | None = None

    @property
    def counts(self) -> bool:
        """Whether it matters which order of its action a call is."""
        return any(at.nth is not None for at in self.faults)

    def fault(self, action: Action, nth: int = 1) -> Fault:
        """What goes wrong at the nth order of an action."""
        for at in self.faults:
            if at.action is action and at.nth in (None, nth):
                return at.fault
        return Fault(answers=self.answers)


def is_simulated(method: str) -> bool:
    """Whether the simulator knows the method."""
    return script_of(method) is not None


@lru_cache(maxsize=1024)
def script_of(method: str) -> Script | None:
    """The script a method is; None for a method of somebody else."""
    if not method.startswith(PREFIX):
        return None
    found = [_CLAUSE.fullmatch(clause) for clause in method.removeprefix(PREFIX).split("+")]
    clauses = [clause for clause in found if clause is not None]
    if len(clauses) < len(found):
        return None
    faults = tuple(at for clause in clauses if (at := _fault(clause)) is not None)
    told = {clause["hook"] for clause in clauses}
    backs = {clause["back"]: int(clause["back_ms"] or 0) / 1000 for clause in clauses if clause["back"]}
    return Script(
        faults=faults,
        answers=2 if any(clause["works"] == "twice" for clause in clauses) else 1,
        sends=bool(backs) or any(clause[0].startswith("hook") for clause in clauses),
        hook_late_s=max(int(clause["hook_ms"] or 0) for clause in clauses) / 1000,
        copies=2 if "twice" in told else 1,
        shuffles="shuffled" in told,
        chargeback_s=backs.get("chargeback"),
        reversal_s=backs.get("refund_reversed"),
    )


def _fault(clause: re.Match[str]) -> _At | None:
    if clause["percent"]:
        return _At(Action.CAPTURE, None, Fault(percent=int(clause["percent"])))
    if not clause["fault"] and not clause["ms"]:
        return None
    fault = Fault(
        declines=clause["fault"] == "declined",
        is_lost=clause["fault"] == "timeout",
        is_silent=clause["fault"] == "timeout_done",
        late_s=int(clause["ms"] or 0) / 1000,
    )
    return _At(Action(clause["at"] or "authorize"), int(clause["nth"]) if clause["nth"] else None, fault)
