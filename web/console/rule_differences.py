"""What changed between two documents, in words: rules added, removed, changed, moved; and the set's own options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from capabilities.kernel.expression import Condition, Group, Join, Test
from rules.document import Rule, RuleSetDocument
from web.console.rule_cards import JOIN_LEGENDS
from web.console.rule_words import GRAINS, Wording
from web.console.texts import N_


@dataclass(frozen=True, slots=True)
class Aspect:
    """One thing of a rule that differs: what it was and what it is; empty where there was or is none."""

    name: str
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuleDifference:
    """`mark` is added, removed, changed or moved; a moved rule may have changed aspects too."""

    mark: str
    rule_id: str
    name: str
    number: int
    was_number: int | None
    aspects: tuple[Aspect, ...]


@dataclass(frozen=True, slots=True)
class Differences:
    rules: tuple[RuleDifference, ...]
    options: tuple[Aspect, ...]
    unchanged: int

    @property
    def count(self) -> int:
        return len(self.rules) + len(self.options)


def differences(old: RuleSetDocument, new: RuleSetDocument, wording: Wording) -> Differences:
    """From `old` to `new`, in the new order, with what was removed at the end."""
    before = {rule.id: (number, rule) for number, rule in enumerate(old.rules, start=1)}
    kept_now = [rule.id for rule in new.rules if rule.id in before]
    moved = _moved([rule.id for rule in old.rules if new.rule(rule.id)], kept_now)
    found: list[RuleDifference] = []
    for number, rule in enumerate(new.rules, start=1):
        if rule.id not in before:
            found.append(RuleDifference("added", rule.id, rule.name, number, None, _all_of(rule, wording)))
            continue
        was, earlier = before[rule.id]
        aspects = _aspects(earlier, rule, wording)
        if aspects or rule.id in moved:
            mark = "changed" if aspects else "moved"
            found.append(RuleDifference(mark, rule.id, rule.name, number, was if rule.id in moved else None, aspects))
    for number, rule in enumerate(old.rules, start=1):
        if new.rule(rule.id) is None:
            gone = tuple(Aspect(a.name, a.new, ()) for a in _all_of(rule, wording))
            found.append(RuleDifference("removed", rule.id, rule.name, number, None, gone))
    touched = sum(1 for difference in found if difference.mark != "removed")
    return Differences(tuple(found), _options(old, new), len(new.rules) - touched)


def _moved(old: Sequence[str], new: Sequence[str]) -> set[str]:
    """Those that stand elsewhere among the rules both have: all but the longest common run of order."""
    staying = {
        old[i]
        for block in SequenceMatcher(a=list(old), b=list(new), autojunk=False).get_matching_blocks()
        for i in range(block.a, block.a + block.size)
    }
    return set(new) - staying


def _aspects(old: Rule, new: Rule, wording: Wording) -> tuple[Aspect, ...]:
    before, after = _said(old, wording), _said(new, wording)
    return tuple(Aspect(name, before[name], after[name]) for name in after if before[name] != after[name])


def _all_of(rule: Rule, wording: Wording) -> tuple[Aspect, ...]:
    return tuple(Aspect(name, (), said) for name, said in _said(rule, wording).items() if said)


def _said(rule: Rule, wording: Wording) -> dict[str, tuple[str, ...]]:
    """Every aspect of a rule as lines of words; two rules that say the same are the same."""
    return {
        wording.text(N_("name")): (rule.name,),
        wording.text(N_("why this rule exists")): (rule.description,) if rule.description else (),
        wording.text(N_("when")): tuple(lines_of(rule, wording)),
        wording.text(N_("then")): tuple(wording.effect(effect) for effect in rule.effects),
        wording.text(N_("in force")): (wording.window(rule.window) or wording.text(N_("at all times")),),
        wording.text(N_("coupon")): (rule.coupon,) if rule.coupon else (),
        wording.text(N_("looks at")): (wording.text(GRAINS.get(rule.grain, rule.grain)),),
        wording.text(N_("stage")): (wording.stage(rule.stage),),
        wording.text(N_("how it combines")): tuple(wording.manner(rule)),
        wording.text(N_("switched")): (wording.text(N_("on")) if rule.enabled else wording.text(N_("off")),),
    }


def lines_of(rule: Rule, wording: Wording) -> list[str]:
    """The condition of a rule, a line a test, groups indented."""
    return _lines(rule.when, rule.grain, wording, 0)


def _lines(condition: Condition, grain: str, wording: Wording, depth: int) -> list[str]:
    indent = "· " * depth
    if isinstance(condition, Test):
        return [indent + wording.test(grain, condition)]
    lines = [] if condition.join is Join.ALL and depth == 0 else [indent + wording.text(JOIN_LEGENDS[condition.join])]
    inner = depth if condition.join is Join.ALL and depth == 0 else depth + 1
    for part in condition.conditions:
        lines += _lines(part, grain, wording, inner)
    if isinstance(condition, Group) and not condition.conditions and depth == 0:
        return [wording.text(N_("always"))]
    return lines


def _options(old: RuleSetDocument, new: RuleSetDocument) -> tuple[Aspect, ...]:
    before = {**{k: str(v) for k, v in old.options.items()}, "policy": old.policy, **_groups(old)}
    after = {**{k: str(v) for k, v in new.options.items()}, "policy": new.policy, **_groups(new)}
    return tuple(
        Aspect(name, (before[name],) if name in before else (), (after[name],) if name in after else ())
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    )


def _groups(document: RuleSetDocument) -> dict[str, str]:
    return {f"group {name}": f"{group.mode} per {group.best_per}" for name, group in document.groups.items()}
