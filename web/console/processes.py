"""Processes: runs by state, and one run drawn, told step by step, alive while it runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from sqlalchemy.orm import Session

from activities.journal.models import ProcessRepair, ProcessRun, ProcessStep, RunStatus, StepStatus
from activities.journal.queries import (
    RunFilters,
    count_runs,
    definition_of,
    repairs_of,
    run_of,
    runs_page,
    steps_of,
)
from capabilities.kernel.database import transaction
from capabilities.kernel.decision import decisions
from capabilities.kernel.errors import MissingError
from capabilities.kernel.ids import new_id
from capabilities.transaction.queries import find_order
from web.access.permissions import Action
from web.access.queries import names_of
from web.console.catalogue import known_operations
from web.console.diagram import Drawing, Passed, draw
from web.console.edge import ConsoleRoute
from web.console.pages import page
from web.console.raw import as_json
from web.console.texts import N_, translations
from web.console.visit import Needs, Visit
from web.console.words import word_of
from workflows.language.definition import (
    Approval,
    Call,
    Decide,
    Definition,
    End,
    ForEach,
    Raise,
    Reply,
    Step,
    SubProcess,
    Wait,
)
from workflows.language.definition import steps_of as all_steps
from workflows.language.plan import plan_of_text

router = APIRouter(route_class=ConsoleRoute)

DONE = {
    "retry": N_("Asked to try again. The page shows whether it succeeded or is stuck again."),
    "retry_with": N_(
        "Asked to try again with the changed input. The page shows whether it succeeded or is stuck again."
    ),
    "skip": N_("Skipped with the result you gave; the process goes on."),
    "undo": N_("Undoing what was done, last first; then the process stops."),
}

MOVING = frozenset({RunStatus.STARTING, RunStatus.RUNNING, RunStatus.UNDOING, RunStatus.WAITING})


@dataclass(frozen=True)
class RunsListPage:
    """Runs with the count of every state; what waits or is stuck is never hidden in "running"."""

    runs: tuple[ProcessRun, ...]
    counts: tuple[tuple[str, int, str], ...]
    status: str
    next_href: str | None
    same_error: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class StepView:
    """One line of the timeline."""

    row: ProcessStep
    label: str
    operation: str
    actor: str
    request: str
    response: str
    error: dict[str, Any] | None
    release_id: str | None
    took_share: int
    starts_share: int


@dataclass(frozen=True)
class RunPage:
    """One run: what it is, where it stands, what it did, what can be done."""

    run: ProcessRun
    title: str
    subject_label: str | None
    subject_href: str | None
    drawing: Drawing | None
    steps: tuple[StepView, ...]
    repairs: tuple[tuple[ProcessRepair, str], ...]
    undo_order: tuple[str, ...]
    input_json: str
    may_repair: bool
    who_repair: tuple[str, ...]
    is_moving: bool
    tag: str
    can_retry_with: bool
    stuck_request: str
    repair_id: str = ""
    done: str | None = None
    error: str | None = None
    error_mend: str | None = None
    typed_change: str | None = None
    typed_reason: str = ""


@router.get("/console/{business}/processes", name="processes")
def processes(
    visit: Annotated[Visit, Depends(Needs(Action.SEE_PROCESSES))],
    status: str = "",
    step: str = "",
    process: str = "",
    cursor: str | None = None,
) -> Response:
    here = visit.business.business
    base = f"{visit.path}/processes"
    chosen = status if status in RunStatus.__members__.values() else None
    with transaction() as session:
        counts = count_runs(session, RunFilters(business=here))
        wanted = RunFilters(business=here, status=chosen, step=step or None, process=process or None)
        found = runs_page(session, wanted, after=cursor)
        stuck = runs_page(session, RunFilters(business=here, status=RunStatus.STUCK), limit=200)
    same: dict[tuple[str, str], int] = {}
    for run in stuck.runs:
        key = (run.step or "", str((run.error or {}).get("message", "")))
        same[key] = same.get(key, 0) + 1
    narrowed = {name: text for name, text in (("status", status), ("process", process), ("step", step)) if text}
    following = {**narrowed, "cursor": found.next_cursor or ""}
    context = RunsListPage(
        runs=found.runs,
        counts=tuple((name, count, f"{base}?status={name}") for name, count in counts.items()),
        status=chosen or "",
        next_href=f"{base}?{urlencode(following)}" if found.next_cursor else None,
        same_error=tuple((at, message, count) for (at, message), count in sorted(same.items(), key=lambda s: -s[1])),
    )
    return page(visit, "processes/list.html", context)


@router.get("/console/{business}/processes/{run_id}", name="process_run")
def process_run(
    visit: Annotated[Visit, Depends(Needs(Action.SEE_PROCESSES))], run_id: str, done: str | None = None
) -> Response:
    context = run_context(visit, run_id, done=DONE.get(done or ""))
    if visit.wants_fragment and visit.request.headers.get("HX-PTag") == context.tag:
        return Response(status_code=304)
    return page(visit, "processes/run.html", context, block="run", headers={"HX-PTag": context.tag})


def run_context(visit: Visit, run_id: str, *, done: str | None = None) -> RunPage:
    with transaction() as session:
        run = run_of(session, run_id, business=visit.business.business)
        rows = steps_of(session, run_id)
        repairs = repairs_of(session, run_id)
        body = definition_of(session, run.definition_sha256)
        names = names_of(session, {row.actor for row in rows} | {one.actor for one in repairs})
        label, href = _subject(session, visit, run)
    definition = plan_of_text(body).definition if body else None
    labels = step_labels(definition, visit) if definition else {}
    may_repair = visit.may(Action.REPAIR_PROCESSES.value)
    stuck = next((row for row in reversed(rows) if row.path == run.step and row.status == StepStatus.FAILED), None)
    title = visit_language(visit, definition.en, definition.zh) if definition else run.process
    return RunPage(
        run=run,
        title=title,
        subject_label=label,
        subject_href=href,
        drawing=draw(definition, _passed(rows, run, definition), _current(run), labels) if definition else None,
        steps=_step_views(rows, labels, names, visit),
        repairs=tuple((one, names.get(one.actor, one.actor)) for one in repairs),
        undo_order=tuple(_undo_names(rows, visit)),
        input_json=as_json(run.input),
        may_repair=may_repair,
        who_repair=() if may_repair else visit.who_may(Action.REPAIR_PROCESSES.value),
        is_moving=run.status in MOVING,
        tag=_tag(run, rows, repairs),
        can_retry_with=stuck is not None and stuck.kind == "call",
        stuck_request=as_json(stuck.request) if stuck is not None and stuck.request is not None else "{}",
        repair_id=new_id("rep"),
        done=done,
    )


def visit_language(visit: Visit, en: str, zh: str) -> str:
    return zh if visit.operator.language == "zh" and zh else en


def step_labels(definition: Definition, visit: Visit) -> dict[str, str]:
    """Business words for steps: of the operation or decision, of what they do; a switch keeps its own name."""
    return {step.name: _step_label(step, visit) for step in all_steps(definition.steps)}


def _step_label(step: Step, visit: Visit) -> str:  # noqa: PLR0911 - one line a kind of step reads best
    texts = translations(visit.operator.language)
    own = step.name.replace("_", " ")
    match step:
        case Call():
            found = known_operations().get(step.operation)
            return visit_language(visit, found.en, found.zh) if found else own
        case Decide():
            decision = decisions().get(step.decision)
            return visit_language(visit, decision.en, decision.zh) if decision else own
        case Reply():
            return texts.ugettext(N_("answer the caller (%(status)s)")) % {"status": step.status}
        case Wait(event=str(event)):
            return texts.ugettext(N_("wait for %(what)s")) % {"what": texts.ugettext(word_of(event))}
        case Wait():
            return texts.ugettext(N_("wait %(seconds)s s")) % {"seconds": step.seconds or step.seconds_of}
        case Raise():
            return texts.ugettext(N_("refuse: %(outcome)s")) % {"outcome": texts.ugettext(word_of(step.outcome))}
        case End():
            return texts.ugettext(N_("end: %(outcome)s")) % {"outcome": texts.ugettext(word_of(step.outcome))}
        case ForEach():
            return texts.ugettext(N_("for each of %(what)s")) % {"what": own}
        case Approval():
            return texts.ugettext(N_("ask for approval: %(role)s")) % {"role": texts.ugettext(word_of(step.role))}
        case SubProcess():
            return texts.ugettext(N_("run the process %(name)s")) % {"name": texts.ugettext(word_of(step.process))}
        case _:
            return own


def _subject(session: Session, visit: Visit, run: ProcessRun) -> tuple[str | None, str | None]:
    if run.subject is None:
        return None, None
    order = find_order(session, run.subject, business=run.business)
    if order is None:
        return run.subject, None
    return order.number, f"{visit.path}/orders/{order.id}"


def _passed(rows: list[ProcessStep], run: ProcessRun, definition: Definition) -> dict[str, Passed]:
    """What the journal says of each step; an end leaves no row, the run's outcome tells which it was."""
    found = {row.path: Passed("undone" if row.undone_at else row.status, row.attempt) for row in rows}
    if run.status == RunStatus.ENDED:
        ends = [s for s in all_steps(definition.steps) if isinstance(s, End | Raise) and s.outcome == run.outcome]
        if len(ends) == 1:
            found.setdefault(ends[0].name, Passed("done" if isinstance(ends[0], End) else "refused"))
    return found


def _current(run: ProcessRun) -> str | None:
    return run.step if run.status != RunStatus.ENDED else None


def _undo_names(rows: list[ProcessStep], visit: Visit) -> list[str]:
    """What "undo and stop" would do, in its order: the last done first."""
    known = known_operations()
    names = []
    for row in reversed(rows):
        if row.undo is None or row.undone_at is not None:
            continue
        found = known.get(str(row.undo.get("call")))
        names.append(visit_language(visit, found.en, found.zh) if found else str(row.undo.get("call")))
    return names


def _step_views(
    rows: list[ProcessStep], labels: dict[str, str], names: dict[str, str], visit: Visit
) -> tuple[StepView, ...]:
    if not rows:
        return ()
    known = known_operations()
    first = min(row.started_at for row in rows)
    last = max(row.ended_at or row.started_at for row in rows)
    whole = max((last - first).total_seconds(), 0.001)
    views = []
    for row in rows:
        found = known.get(row.operation or "")
        label = labels.get(row.path) or (visit_language(visit, found.en, found.zh) if found else row.path)
        took = ((row.ended_at or row.started_at) - row.started_at).total_seconds()
        response = row.response or {}
        views.append(
            StepView(
                row=row,
                label=f"{label} ({row.iteration + 1})" if row.iteration else label,
                operation=row.operation or row.kind,
                actor=names.get(row.actor, row.actor),
                request=as_json(row.request) if row.request else "",
                response=as_json(row.response) if row.response else "",
                error=row.error,
                release_id=response.get("release_id"),
                took_share=max(1, round(100 * took / whole)),
                starts_share=min(99, round(100 * (row.started_at - first).total_seconds() / whole)),
            )
        )
    return tuple(views)


def _tag(run: ProcessRun, rows: list[ProcessStep], repairs: list[ProcessRepair]) -> str:
    """Changes when anything the page shows changes: an unchanged fragment is not sent again."""
    state = [run.status, str(run.updated_at), str(len(repairs))]
    state += [f"{row.sequence}:{row.status}:{row.attempt}:{row.undone_at}" for row in rows]
    return hashlib.sha256("|".join(state).encode()).hexdigest()[:16]


def run_in_business(session: Session, visit: Visit, run_id: str) -> ProcessRun:
    """The run; one of another business is not there."""
    run = run_of(session, run_id, business=visit.business.business)
    if run.status == RunStatus.ENDED:
        raise MissingError("process.ended", "This process has ended; nothing is left to mend.")
    return run
