"""Changes of a rule set's document, one operation each. Pure: a document in, a document out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from capabilities.kernel.decision import Decision
from capabilities.kernel.errors import MissingError
from capabilities.kernel.expression import Condition, Group, Join, Test
from capabilities.kernel.ids import new_id
from rules.document import Rule, RuleSetDocument

Path = tuple[int, ...]
"""Where in a condition tree: indexes from the outermost group inwards; empty is that group itself."""


def read_path(text: str) -> Path:
    """A path from its text such as 0.2; anything unreadable is the outermost group."""
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def write_path(path: Path) -> str:
    return ".".join(str(index) for index in path)


def add_rule(document: RuleSetDocument, decision: Decision, name: str) -> tuple[RuleSetDocument, str]:
    """A new rule at the end: without conditions and effects, so incomplete and not in force."""
    grain = decision.grains[0].name
    stages = sorted(decision.stages)
    rule = Rule(
        id=new_id("r"),
        name=name,
        when=Group(Join.ALL, ()),
        grain=grain,
        stage=30 if 30 in stages else stages[0],
    )
    return replace(document, rules=(*document.rules, rule)), rule.id


def copy_rule(document: RuleSetDocument, rule_id: str, name: str) -> tuple[RuleSetDocument, str]:
    """A copy right below, under another name."""
    at = _index(document, rule_id)
    copy = replace(document.rules[at], id=new_id("r"), name=name)
    return replace(document, rules=(*document.rules[: at + 1], copy, *document.rules[at + 1 :])), copy.id


def remove_rule(document: RuleSetDocument, rule_id: str) -> RuleSetDocument:
    at = _index(document, rule_id)
    return replace(document, rules=(*document.rules[:at], *document.rules[at + 1 :]))


def move_rule(document: RuleSetDocument, rule_id: str, by: int) -> RuleSetDocument:
    """Up (−1) or down (+1); at the end it stays."""
    at = _index(document, rule_id)
    to = max(0, min(len(document.rules) - 1, at + by))
    rules = list(document.rules)
    rules.insert(to, rules.pop(at))
    return replace(document, rules=tuple(rules))


def change_rule(document: RuleSetDocument, rule_id: str, **fields: Any) -> RuleSetDocument:
    """Other fields of a rule."""
    at = _index(document, rule_id)
    changed = replace(document.rules[at], **fields)
    return replace(document, rules=(*document.rules[:at], changed, *document.rules[at + 1 :]))


def add_condition(rule: Rule, path: Path, condition: Condition) -> Condition:
    """The rule's tree with a condition more at the end of the group at `path`."""
    return _at(_rooted(rule.when), path, lambda group: _grown(group, condition))


def set_condition(rule: Rule, path: Path, condition: Condition) -> Condition:
    """The tree with the condition at `path` replaced."""
    return _at(_rooted(rule.when), path, lambda _: condition)


def remove_condition(rule: Rule, path: Path) -> Condition:
    """The tree without the condition at `path`."""
    if not path:
        return Group(Join.ALL, ())
    return _at(_rooted(rule.when), path[:-1], lambda group: _without(group, path[-1]))


def move_condition(rule: Rule, path: Path, by: int) -> Condition:
    """The condition up or down inside its group."""
    if not path:
        return _rooted(rule.when)
    return _at(_rooted(rule.when), path[:-1], lambda group: _shifted(group, path[-1], by))


def set_join(rule: Rule, path: Path, join: Join) -> Condition:
    """The group at `path` joined otherwise."""
    return _at(_rooted(rule.when), path, lambda found: replace(found, join=join) if isinstance(found, Group) else found)


def condition_at(rule: Rule, path: Path) -> Condition:
    """The condition at `path`; `MissingError` where the tree has none."""
    found: Condition = _rooted(rule.when)
    for index in path:
        if isinstance(found, Test) or index >= len(found.conditions):
            raise _gone()
        found = found.conditions[index]
    return found


def set_effect(
    effects: Sequence[Mapping[str, Any]], index: int, body: Mapping[str, Any]
) -> tuple[Mapping[str, Any], ...]:
    """The effects with one replaced, or added at the end."""
    return (*effects[:index], body, *effects[index + 1 :])


def remove_effect(effects: Sequence[Mapping[str, Any]], index: int) -> tuple[Mapping[str, Any], ...]:
    return (*effects[:index], *effects[index + 1 :])


def rule_in(document: RuleSetDocument, rule_id: str) -> Rule:
    return document.rules[_index(document, rule_id)]


def _rooted(when: Condition) -> Group:
    return when if isinstance(when, Group) else Group(Join.ALL, (when,))


def _at(found: Condition, path: Path, change: Any) -> Condition:
    if not path:
        changed: Condition = change(found)
        return changed
    if isinstance(found, Test) or path[0] >= len(found.conditions):
        raise _gone()
    parts = list(found.conditions)
    parts[path[0]] = _at(parts[path[0]], path[1:], change)
    return replace(found, conditions=tuple(parts))


def _grown(found: Condition, condition: Condition) -> Condition:
    if isinstance(found, Test):
        raise _gone()
    return replace(found, conditions=(*found.conditions, condition))


def _without(found: Condition, index: int) -> Condition:
    if isinstance(found, Test) or index >= len(found.conditions):
        raise _gone()
    return replace(found, conditions=(*found.conditions[:index], *found.conditions[index + 1 :]))


def _shifted(found: Condition, index: int, by: int) -> Condition:
    if isinstance(found, Test) or index >= len(found.conditions):
        raise _gone()
    parts = list(found.conditions)
    parts.insert(max(0, min(len(parts) - 1, index + by)), parts.pop(index))
    return replace(found, conditions=tuple(parts))


def _index(document: RuleSetDocument, rule_id: str) -> int:
    for index, rule in enumerate(document.rules):
        if rule.id == rule_id:
            return index
    raise _gone()


def _gone() -> MissingError:
    return MissingError(
        "rules.place_unknown", "This part of the rule is not there any more.", mend="Load the page again."
    )
