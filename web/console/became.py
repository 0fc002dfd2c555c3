"""What became of an act: read from the journal of its run, never from the fact that a command was accepted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from sqlalchemy.orm import Session

from activities.journal.approvals import approvals_page
from activities.journal.models import ProcessRun, RunStatus
from activities.journal.queries import definition_of, find_run, parts_of
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import MissingError
from capabilities.kernel.idempotency import answer_of
from web.access.contract import Role
from web.access.permissions import Action
from web.access.queries import people_with
from web.console.edge import ConsoleRoute
from web.console.pages import page
from web.console.texts import N_
from web.console.visit import Needs, Visit
from web.console.words import word_of
from workflows.language.plan import plan_of_text

router = APIRouter(route_class=ConsoleRoute)

NOT_DONE = frozenset(
    {
        "refused",
        "failed",
        "declined",
        "rejected",
        "expired",
        "undone",
        "stopped",
        "cancelled_without_refund",
        "changed_without_refund",
        "exchanged_without_refund",
    }
)
"""Outcomes by which something that was asked for did not come about."""


@dataclass(frozen=True, slots=True)
class Became:
    """How an act stands: `look` is ok, wait, run, bad or warn. `waits_for` names those who can decide."""

    run_id: str
    href: str
    title: str
    look: str
    said: str
    about: str
    detail: str
    waits_for: tuple[str, ...]
    is_moving: bool


@router.get("/console/{business}/acts/{run_id}", name="act_became")
def act_became(visit: Annotated[Visit, Depends(Needs(Action.SEE_PROCESSES))], run_id: str) -> Response:
    """The panel, asked again while it moves; once it is at rest the page around it is loaded anew."""
    with transaction() as session:
        found = became_of(session, visit, run_id)
    if found is None:
        raise MissingError("process.unknown", f"There is no process run {run_id}.")
    headers = {} if found.is_moving or not visit.wants_fragment else {"HX-Refresh": "true"}
    return page(visit, "became.html", found, block="became", headers=headers)


def became_of(session: Session, visit: Visit, run_id: str | None) -> Became | None:
    """How the act of that run stands; None without one, or for one of another business."""
    run = find_run(session, run_id, business=visit.business.business) if run_id else None
    if run is None:
        return None
    part = next((one for one in parts_of(session, run.id) if one.status != RunStatus.ENDED), None)
    at = run if run.status == RunStatus.STUCK or part is None else part
    look, said, detail, names = _standing(session, run, at)
    return Became(
        run_id=run.id,
        href=f"{visit.path}/processes/{at.id}",
        title=_title(session, visit, run),
        look=look,
        said=said,
        about=_number(session, run),
        detail=detail,
        waits_for=names,
        is_moving=look == "run",
    )


def _standing(session: Session, run: ProcessRun, at: ProcessRun) -> tuple[str, str, str, tuple[str, ...]]:
    if at.status == RunStatus.STUCK:
        return "bad", N_("is stuck; a person has to mend it"), str((at.error or {}).get("message", "")), ()
    open_ones = approvals_page(session, at.business, run_id=at.id, is_open=True, limit=1).approvals
    if open_ones:
        asked = open_ones[0]
        roles = frozenset({Role(asked.role), Role.ADMIN})
        found = people_with(session, at.business, roles)
        return "wait", N_("waits for approval"), "", tuple(one.name for one in found if one.id != asked.asked_by)
    if run.status == RunStatus.ENDED:
        outcome = run.outcome or "done"
        return ("warn" if outcome in NOT_DONE else "ok"), word_of(outcome), _why(run), ()
    answer = answer_of(session, run.id)
    if answer is not None and answer.status in (200, 201):
        return "ok", N_("done"), "", ()
    return "run", N_("is under way"), "", ()


def _why(run: ProcessRun) -> str:
    return str((run.error or {}).get("message", ""))


def _title(session: Session, visit: Visit, run: ProcessRun) -> str:
    body = definition_of(session, run.definition_sha256)
    if body is None:
        return run.process
    definition = plan_of_text(body).definition
    return definition.zh if visit.operator.language == "zh" else definition.en


def _number(session: Session, run: ProcessRun) -> str:
    """The number of what the act made, such as a refund's."""
    answer = answer_of(session, run.id)
    if answer is None or answer.status >= 400:
        return ""
    found = json.loads(answer.body).get("number")
    return found if isinstance(found, str) else ""
