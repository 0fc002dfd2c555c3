"""What is asked of a person by an approval, and what the answer becomes for later steps."""

from __future__ import annotations

from typing import Any

from workflows.language.bind import Values, bind
from workflows.language.definition import YEAR_S, Approval, Wait
from workflows.language.plan import Plan
from workflows.messages import Asked, Decision


def asked_by(step: Approval, plan: Plan, values: Values) -> Asked:
    """The question a run asks when it stands at the step."""
    shows = bind(step.shows, values)
    return Asked(
        step=step.name,
        iteration=plan.iteration_of(step.name, values),
        role=step.role,
        seconds=step.within_s,
        shows=shows if isinstance(shows, dict) else {},
    )


def limit_of(step: Wait, values: Values) -> int | None:
    """How many seconds a wait lasts at most; never less than one, never more than a year."""
    if step.seconds_of is None:
        return step.seconds if step.seconds is not None else step.within_s
    told = bind(step.seconds_of, values)
    return max(1, min(told, YEAR_S)) if isinstance(told, int) else 1


def approved(decision: Decision, *, timed_out: bool) -> dict[str, Any]:
    """The answer as later steps refer to it: decision, reason, actor, timed_out."""
    return {
        "decision": decision.decision,
        "reason": decision.reason,
        "actor": decision.actor,
        "timed_out": timed_out,
    }
