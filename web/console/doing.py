"""The one way an act is looked at and done, whatever it is about: an order, a return, a customer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from sqlalchemy.orm import Session

from capabilities.kernel.database import transaction
from capabilities.kernel.errors import ConflictError, InvalidError, PlatformError
from web.console.acts import ActPage, Preview, perform, reason_of, show_act, status_of, words
from web.console.texts import N_
from web.console.visit import Visit

T = TypeVar("T")

Given = Mapping[str, str]
"""What was chosen, from the address or from the form that does it: the same names in both."""

NOT_AUDITED = frozenset({"csrf", "key", "look", "shown"})


class Act(Generic[T]):
    """Something that can be done to a `T`: found, looked at, and handed to its process."""

    process: str
    needs_reason = True

    def find(self, session: Session, visit: Visit, subject_id: str) -> T:
        """What it is about; `MissingError` where it is not of this business."""
        raise NotImplementedError

    def frame(self, session: Session, visit: Visit, subject: T, given: Given) -> ActPage:
        """Heading, ways back, what can be chosen; `blocked` where nothing can be done."""
        raise NotImplementedError

    def preview(self, session: Session, visit: Visit, subject: T, given: Given) -> Preview | None:
        """What it would do; None while nothing is chosen. Raises what the process would say."""
        raise NotImplementedError

    def body(self, session: Session, visit: Visit, subject: T, given: Given, reason: str) -> dict[str, Any]:
        """The input of the process, for exactly what was looked at."""
        raise NotImplementedError

    def scenario(self, subject: T) -> str | None:
        """The scenario whose process it is."""
        return getattr(subject, "scenario", None)

    def subject_id(self, subject: T) -> str:
        """What the audit names."""
        return str(getattr(subject, "id", subject))


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything a process is started with, read before it starts and in one transaction."""

    subject: str
    back: str
    body: dict[str, Any]
    audited: dict[str, Any]
    scenario: str | None


def given_in(visit: Visit) -> dict[str, str]:
    """What was chosen: of a form that was sent, else of the address."""
    sent = visit.form if visit.request.method == "POST" else visit.request.query_params
    return {name: value.strip()[:500] for name, value in sent.items() if isinstance(value, str) and value.strip()}


def look_at(visit: Visit, act: Act[T], subject_id: str) -> Response:
    """The page of an act, as its address says."""
    shown, status = _page(visit, act, subject_id, given_in(visit), None)
    return show_act(visit, shown, status=status)


async def do(visit: Visit, act: Act[T], subject_id: str) -> Response:
    """Do what was looked at. What is refused comes back as its page, with the reason and all that was typed."""
    given = given_in(visit)
    try:
        ready = await run_in_threadpool(_prepared, visit, act, subject_id, given)
        return await perform(
            visit,
            process=act.process,
            body=ready.body,
            subject=ready.subject,
            back=ready.back,
            scenario=ready.scenario,
            audited=ready.audited,
        )
    except PlatformError as error:
        shown, status = await run_in_threadpool(_page, visit, act, subject_id, given, error)
        return show_act(visit, shown, status=status)


def _prepared(visit: Visit, act: Act[T], subject_id: str, given: Given) -> Prepared:
    with transaction() as session:
        subject = act.find(session, visit, subject_id)
        frame = act.frame(session, visit, subject, given)
        if frame.blocked:
            raise ConflictError("console.act_blocked", frame.blocked)
        seen = act.preview(session, visit, subject, given)
        if seen is None:
            raise InvalidError("console.act_empty", frame.empty or words(visit, N_("Choose what it is about.")))
        before = dict(seen.frozen).get("shown")
        if before is not None and before != given.get("shown"):
            raise ConflictError(
                "console.act_moved",
                words(visit, N_("It would come to something else by now.")),
                mend=words(visit, N_("Look at what it does now, and decide again.")),
            )
        reason = reason_of(visit) if act.needs_reason else visit.posted("reason")[:500]
        return Prepared(
            subject=act.subject_id(subject),
            back=frame.back,
            body=act.body(session, visit, subject, given, reason),
            audited={name: value for name, value in given.items() if name not in NOT_AUDITED},
            scenario=act.scenario(subject),
        )


def _page(
    visit: Visit, act: Act[T], subject_id: str, given: Given, refused: PlatformError | None
) -> tuple[ActPage, int]:
    with transaction() as session:
        subject = act.find(session, visit, subject_id)
        frame = act.frame(session, visit, subject, given)
        if frame.blocked:
            return frame, status_of(refused) if refused else 200
        try:
            seen = act.preview(session, visit, subject, given)
        except PlatformError as error:
            refused, seen = refused or error, None
    shown = replace(frame, preview=seen)
    if refused is None:
        return shown, 200
    return replace(shown, error=refused.message, mend=refused.mend or ""), status_of(refused)
