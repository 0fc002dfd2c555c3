"""Rules that something else is about, as links: those that name a campaign, or ask for a word that codes open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from rules.document import Rule
from rules.queries import draft_of, release_of, rule_sets
from web.console.visit import Visit


@dataclass(frozen=True, slots=True)
class RuleLink:
    """A rule in what is live, in a draft, or in both."""

    name: str
    set_name: str
    href: str
    is_live: bool
    in_draft: bool


def rules_where(session: Session, visit: Visit, concerns: Callable[[Rule], bool]) -> tuple[RuleLink, ...]:
    """Every rule of the business that is concerned, live ones by their live name."""
    found: list[RuleLink] = []
    for one in rule_sets(session, visit.business.business):
        live = release_of(session, one.live_release_id).document.rules if one.live_release_id else ()
        draft = draft_of(session, one.id)
        in_live = {rule.id: rule.name for rule in live if concerns(rule)}
        in_draft = {rule.id: rule.name for rule in (draft.document.rules if draft else ()) if concerns(rule)}
        set_name = one.name_zh if visit.operator.language == "zh" else one.name_en
        for rule_id, name in {**in_draft, **in_live}.items():
            href = f"{visit.path}/rules/{one.id}#r-{rule_id}"
            found.append(RuleLink(name, set_name, href, rule_id in in_live, rule_id in in_draft))
    return tuple(found)
