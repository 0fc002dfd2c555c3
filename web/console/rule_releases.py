"""The releases of a rule set: what went live when, by whom, why, with what changed; and rolling back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from capabilities.kernel.database import transaction
from capabilities.kernel.errors import MissingError
from rules.document import Names, RuleSetDocument
from rules.queries import history_of, release_of
from rules.service import roll_back
from web.access.audit import record_act
from web.access.permissions import Action
from web.access.queries import names_of
from web.console.edge import ConsoleRoute
from web.console.pages import go, page
from web.console.rule_differences import Differences, differences
from web.console.rule_reviews import DONE
from web.console.rule_sets import RuleSetHead, may_change, open_rule_set, require_change
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)


@dataclass(frozen=True, slots=True)
class PublicationView:
    """One entry of the timeline."""

    release_id: str
    number: int
    kind: str
    is_live: bool
    at: datetime
    actor: str
    author: str
    reason: str
    difference: Differences


@dataclass(frozen=True, slots=True)
class ReleasesPage:
    head: RuleSetHead
    entries: tuple[PublicationView, ...]
    may_roll_back: bool
    who_roll_back: tuple[str, ...]
    done: str | None
    tab: str = "/releases"


@dataclass(frozen=True, slots=True)
class RollBackPage:
    """The confirmation: what would change, before it changes."""

    head: RuleSetHead
    release_id: str
    number: int
    difference: Differences


@router.get("/console/{business}/rules/{rule_set_id}/releases", name="rule_releases")
def releases(
    visit: Annotated[Visit, Depends(Needs(Action.SEE_RULES))], rule_set_id: str, done: str | None = None
) -> Response:
    with transaction() as session:
        opening = open_rule_set(session, visit, rule_set_id)
        history = history_of(session, rule_set_id, limit=50)
        found = {one.release_id: release_of(session, one.release_id) for one in history}
        documents = {release_id: release.document for release_id, release in found.items()}
        for one in history:
            if one.previous_release_id and one.previous_release_id not in documents:
                documents[one.previous_release_id] = release_of(session, one.previous_release_id).document
        people = {one.actor for one in history} | {release.submitted_by for release in found.values()}
        names = names_of(session, people)
    empty = RuleSetDocument(opening.rule_set.decision, Names("", ""))
    entries = tuple(
        PublicationView(
            release_id=one.release_id,
            number=one.number,
            kind=one.kind,
            is_live=index == 0,
            at=one.at,
            actor=names.get(one.actor, one.actor),
            author=names.get(found[one.release_id].submitted_by, found[one.release_id].submitted_by),
            reason=one.reason,
            difference=differences(
                documents[one.previous_release_id] if one.previous_release_id else empty,
                documents[one.release_id],
                opening.wording,
            ),
        )
        for index, one in enumerate(history)
    )
    allowed = may_change(visit, opening.rule_set, Action.ROLL_BACK_RULES)
    context = ReleasesPage(
        head=opening.head,
        entries=entries,
        may_roll_back=allowed,
        who_roll_back=() if allowed else visit.who_may(Action.ROLL_BACK_RULES.value),
        done=DONE.get(done or ""),
    )
    return page(visit, "rules/releases.html", context)


@router.get("/console/{business}/rules/{rule_set_id}/releases/{release_id}/roll-back", name="confirm_roll_back")
def confirm(
    visit: Annotated[Visit, Depends(Needs(Action.ROLL_BACK_RULES))], rule_set_id: str, release_id: str
) -> Response:
    with transaction() as session:
        opening = open_rule_set(session, visit, rule_set_id)
        release = release_of(session, release_id)
    if release.rule_set_id != rule_set_id:
        raise MissingError("rules.release_unknown", f"{release_id} is no release of this rule set.")
    found = differences(opening.live, release.document, opening.wording)
    context = RollBackPage(opening.head, release_id, release.number, found)
    return page(visit, "rules/roll_back.html", context, block="main")


@router.post("/console/{business}/rules/{rule_set_id}/releases/{release_id}/roll-back", name="roll_back_rules")
def roll_back_post(
    visit: Annotated[Visit, Depends(Needs(Action.ROLL_BACK_RULES))], rule_set_id: str, release_id: str
) -> Response:
    reason = visit.posted("reason")[:1000]
    with transaction() as session:
        opening = open_rule_set(session, visit, rule_set_id)
        require_change(visit, opening.rule_set, Action.ROLL_BACK_RULES)
        release = roll_back(session, rule_set_id, release_id, visit.operator.id, reason)
        record_act(
            session,
            business=visit.business.business,
            actor=visit.operator.id,
            action="rules.rolled_back",
            subject=rule_set_id,
            detail={"release_id": release.release_id, "reason": reason},
        )
    return go(visit, f"{visit.path}/rules/{rule_set_id}/releases?done=rolled_back")
