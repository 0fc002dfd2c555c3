"""The list of rule sets, and what all pages of one rule set share: its head, its document, who may change it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from sqlalchemy.orm import Session

from capabilities.kernel.database import transaction
from capabilities.kernel.decision import decisions
from capabilities.kernel.errors import MissingError
from capabilities.kernel.identity import PLATFORM, BusinessIdentity
from rules.document import Names, RuleSetDocument
from rules.queries import Draft, RuleSet, draft_of, release_of, rule_set_of, rule_sets
from rules.service import create_rule_set, save_draft
from rules.vocabulary import decision_named
from web.access.audit import record_act
from web.access.permissions import Action, may
from web.access.queries import names_of
from web.console.edge import ConsoleRoute
from web.console.pages import go, page
from web.console.rule_differences import differences
from web.console.rule_words import Wording
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)


@dataclass(frozen=True, slots=True)
class RuleSetRow:
    id: str
    href: str
    name: str
    scenario: str | None
    inherited: bool
    in_review: bool
    live_number: int | None
    live_since: datetime | None
    draft_at: datetime | None
    draft_by: str
    rule_count: int


@dataclass(frozen=True, slots=True)
class DecisionRows:
    """One decision with the rule sets that decide it here."""

    code: str
    name: str
    rows: tuple[RuleSetRow, ...]
    can_create: bool


@dataclass(frozen=True, slots=True)
class RulesPage:
    decisions: tuple[DecisionRows, ...]


@dataclass(frozen=True, slots=True)
class RuleSetHead:
    """What stands on top of every page of a rule set."""

    id: str
    path: str
    name: str
    decision: str
    inherited: bool
    live_number: int | None
    live_release_id: str | None
    has_draft: bool
    revision: int
    submission_id: str | None
    saved_at: datetime | None
    saved_by: str
    rule_count: int
    change_count: int


@dataclass(frozen=True)
class Opening:
    """A rule set as a page works with it. `document` is the draft, else what is live, else an empty one."""

    rule_set: RuleSet
    draft: Draft | None
    live: RuleSetDocument
    document: RuleSetDocument
    head: RuleSetHead
    wording: Wording


@router.get("/console/{business}/rules", name="rules")
def rules_page(visit: Annotated[Visit, Depends(Needs(Action.SEE_RULES))]) -> Response:
    with transaction() as session:
        own = rule_sets(session, visit.business.business)
        shared = rule_sets(session, PLATFORM)
        names = names_of(session, {one.draft_updated_by for one in (*own, *shared) if one.draft_updated_by})
        listed = tuple(_rows(session, visit, name, own, shared, names) for name in sorted(decisions()))
    return page(visit, "rules/list.html", RulesPage(listed))


@router.post("/console/{business}/rules", name="create_rule_set")
def create(visit: Annotated[Visit, Depends(Needs(Action.EDIT_RULES))]) -> Response:
    """Rules of its own for a decision that so far follows the platform's: they begin with a copy of those."""
    decision = decision_named(visit.posted("decision"))
    here = visit.business
    with transaction() as session:
        shared = next((one for one in rule_sets(session, PLATFORM) if one.decision == decision.name), None)
        name = Names(f"{decision.en}, {here.name_en}", f"{here.name_zh}{decision.zh}")
        actor = visit.operator.id
        made = create_rule_set(session, BusinessIdentity(here.business), decision.name, name, actor)
        if shared is not None and shared.live_release_id is not None:
            begun = replace(release_of(session, shared.live_release_id).document, name=name)
            save_draft(session, made.id, begun, made.draft_revision or 1, actor)
        record_act(
            session,
            business=here.business,
            actor=visit.operator.id,
            action="rules.created",
            subject=made.id,
            detail={"decision": decision.name},
        )
    return go(visit, f"{visit.path}/rules/{made.id}")


def open_rule_set(session: Session, visit: Visit, rule_set_id: str) -> Opening:
    """The rule set; one of another business is not there."""
    found = rule_set_of(session, rule_set_id)
    if found.business not in (visit.business.business, PLATFORM):
        raise MissingError("rules.rule_set_unknown", f"There is no rule set {rule_set_id} in {visit.business.name_en}.")
    draft = draft_of(session, rule_set_id)
    empty = RuleSetDocument(found.decision, Names(found.name_en, found.name_zh))
    live = release_of(session, found.live_release_id).document if found.live_release_id else empty
    document = draft.document if draft else live
    saved_by = draft.updated_by if draft else ""
    names = names_of(session, {saved_by})
    wording = wording_for(visit, found.decision)
    decision = decision_named(found.decision)
    head = RuleSetHead(
        id=found.id,
        path=f"{visit.path}/rules/{found.id}",
        name=wording.either(found.name_en, found.name_zh),
        decision=wording.either(decision.en, decision.zh),
        inherited=found.business == PLATFORM,
        live_number=found.live_number,
        live_release_id=found.live_release_id,
        has_draft=draft is not None,
        revision=draft.revision if draft else 0,
        submission_id=found.waiting_submission_id,
        saved_at=draft.updated_at if draft else None,
        saved_by=names.get(saved_by, saved_by),
        rule_count=len(document.rules),
        change_count=differences(live, document, wording).count if draft else 0,
    )
    return Opening(found, draft, live, document, head, wording)


def wording_for(visit: Visit, decision: str) -> Wording:
    return Wording(decision, visit.operator.language, visit.business.currency, visit.business.zone)


def may_change(visit: Visit, rule_set: RuleSet, action: Action) -> bool:
    """What holds for all businesses is changed only by those with the role everywhere."""
    return visit.may(action.value) and may(visit.operator, rule_set.business, action)


def require_change(visit: Visit, rule_set: RuleSet, action: Action) -> None:
    if not may_change(visit, rule_set, action):
        raise MissingError(
            "rules.shared",
            "These rules hold for all lines of business; changing them needs the role in all of them.",
            mend="Begin rules of its own for this line of business.",
        )


def _rows(
    session: Session,
    visit: Visit,
    decision: str,
    own: list[RuleSet],
    shared: list[RuleSet],
    names: dict[str, str],
) -> DecisionRows:
    mine = [one for one in own if one.decision == decision]
    inherited = [] if any(one.scenario is None for one in mine) else [o for o in shared if o.decision == decision]
    wording = wording_for(visit, decision)
    declared = decision_named(decision)
    return DecisionRows(
        code=decision,
        name=wording.either(declared.en, declared.zh),
        rows=tuple(_row(session, visit, one, names, wording) for one in (*mine, *inherited)),
        can_create=not any(one.scenario is None for one in mine),
    )


def _row(session: Session, visit: Visit, one: RuleSet, names: dict[str, str], wording: Wording) -> RuleSetRow:
    draft = draft_of(session, one.id)
    live = release_of(session, one.live_release_id).document if one.live_release_id else None
    shown = draft.document if draft else live
    return RuleSetRow(
        id=one.id,
        href=f"{visit.path}/rules/{one.id}",
        name=wording.either(one.name_en, one.name_zh),
        scenario=one.scenario,
        inherited=one.business == PLATFORM,
        in_review=one.waiting_submission_id is not None,
        live_number=one.live_number,
        live_since=one.live_since,
        draft_at=one.draft_updated_at,
        draft_by=names.get(one.draft_updated_by or "", one.draft_updated_by or ""),
        rule_count=len(shown.rules) if shown else 0,
    )
