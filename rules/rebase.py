"""Bringing what went live meanwhile into a draft, rule by rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rules.document import Rule, RuleSetDocument


@dataclass(frozen=True, slots=True)
class Conflict:
    """A rule that both sides changed differently; the draft's version was kept."""

    rule_id: str
    name: str
    mine: Rule | None
    theirs: Rule | None


def three_way(
    base: RuleSetDocument | None, mine: RuleSetDocument, theirs: RuleSetDocument
) -> tuple[RuleSetDocument, list[Conflict]]:
    """The draft with what changed between `base` and `theirs`. The draft's order stays; new rules of theirs follow.

    Settings (policy, options, groups, name) are taken from whoever changed them, the draft first.
    """
    old = _by_id(base)
    ours, others = _by_id(mine), _by_id(theirs)
    conflicts: list[Conflict] = []
    rules: list[Rule] = []
    for rule_id in [*ours, *(rule_id for rule_id in others if rule_id not in ours)]:
        before, my, their = old.get(rule_id), ours.get(rule_id), others.get(rule_id)
        if my == before:
            kept = their
        else:
            kept = my
            if their not in (before, my):
                named = my or their
                conflicts.append(Conflict(rule_id, named.name if named else rule_id, my, their))
        if kept is not None:
            rules.append(kept)
    return (
        replace(
            mine,
            name=_newer(base.name if base else None, mine.name, theirs.name),
            policy=_newer(base.policy if base else None, mine.policy, theirs.policy),
            options=_newer(base.options if base else None, mine.options, theirs.options),
            groups=_newer(base.groups if base else None, mine.groups, theirs.groups),
            rules=tuple(rules),
        ),
        conflicts,
    )


def _by_id(document: RuleSetDocument | None) -> Mapping[str, Rule]:
    return {} if document is None else {rule.id: rule for rule in document.rules}


def _newer(base: Any, mine: Any, theirs: Any) -> Any:
    return theirs if mine == base else mine
