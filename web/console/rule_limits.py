"""Limits of a rule in the editor: each in words, and the values of the one whose form is open."""

from __future__ import annotations

from typing import Any, Literal

from capabilities.kernel.database import transaction
from capabilities.kernel.money import Money
from capabilities.marketing.queries_campaigns import campaigns_page
from rules.document import Rule, RuleLimit, RuleSetDocument
from rules.limit_sentence import limit_sentence
from web.access.contract import Language
from web.console.rule_cards import Opened
from web.console.rule_words import Wording
from web.console.visit import Visit

NAMES = ("counts", "most", "period", "zone", "partial")


def campaign_choices(visit: Visit, opened: Opened) -> tuple[tuple[str, str, str], ...]:
    """Campaigns a rule may name: id, name, state; read only while that form is open, those that have ended left out."""
    if opened.place != "campaign":
        return ()
    with transaction() as session:
        found = campaigns_page(session, visit.business.business, limit=100).campaigns
    zh = visit.operator.language is Language.ZH
    return tuple(
        (one.id, one.name_zh if zh and one.name_zh else one.name_en, one.status)
        for one in found
        if one.status != "ended"
    )


def limit_sentences(rule: Rule, wording: Wording) -> tuple[str, ...]:
    """Every limit of the rule in the reader's language."""
    language: Literal["en", "zh"] = "zh" if wording.language is Language.ZH else "en"
    return tuple(limit_sentence(limit, language, wording.currency) for limit in rule.limits)


def limit_values(document: RuleSetDocument, opened: Opened, currency: str) -> dict[str, Any]:
    """The open limit's form: what was typed, else what is stored."""
    if opened.values:
        typed = {name: (opened.values.get(name) or [""])[0] for name in NAMES}
        return typed | {"per": list(opened.values.get("per", []))}
    rule = document.rule(opened.rule_id)
    place = opened.place.partition(":")[2]
    limits = rule.limits if rule else ()
    limit = limits[int(place)] if place.isdigit() and int(place) < len(limits) else RuleLimit(most=0)
    most = str(limit.most) if limit.counts == "uses" else Money(limit.most, currency).decimal()
    return {
        "counts": limit.counts,
        "most": "" if limit.most == 0 else most,
        "per": list(limit.per),
        "period": limit.period or "",
        "zone": limit.zone or "",
        "partial": limit.partial,
    }
