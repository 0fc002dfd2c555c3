"""What changed between two documents, in words: rules added, removed, changed field by field, moved."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from capabilities.kernel.decision import decisions, fields_of
from rules.document import GroupRules, Rule, RuleSetDocument
from rules.limit_sentence import limit_sentence
from rules.sentence import (
    Language,
    condition_sentence,
    effect_sentence,
    percent_text,
    rule_sentence,
    window_sentence,
)
from rules.vocabulary import fields_by_name


class Change(StrEnum):
    """What became of a rule. A moved rule may be changed as well: then it is told twice."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Said:
    """A text in both languages."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field: its name, what it said, what it says now."""

    field: str
    name: Said
    old: Said
    new: Said


@dataclass(frozen=True, slots=True)
class RuleChange:
    """One rule's change. `sentence` is the rule as it is now (as it was, for a removed one)."""

    change: Change
    rule_id: str
    rule_name: str
    sentence: Said
    fields: tuple[FieldChange, ...] = ()
    old_position: int | None = None
    new_position: int | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that changed. `settings` are those of the rule set as a whole."""

    rules: tuple[RuleChange, ...]
    settings: tuple[FieldChange, ...]

    @property
    def is_empty(self) -> bool:
        return not self.rules and not self.settings

    @property
    def summary(self) -> Said:
        """Counted, such as "1 added, 2 changed"."""
        words = {
            Change.ADDED: ("added", "新增"),
            Change.REMOVED: ("removed", "删除"),
            Change.CHANGED: ("changed", "修改"),
            Change.MOVED: ("moved", "移动"),
        }
        counted = [(sum(1 for r in self.rules if r.change is change), *words[change]) for change in Change]
        counted.append((len(self.settings), "settings changed", "项设置修改"))
        en = ", ".join(f"{n} {word}" for n, word, _ in counted if n)
        zh = "，".join(f"{word} {n} 条" for n, _, word in counted[:-1] if n)
        if self.settings:
            zh = "，".join(part for part in (zh, f"{len(self.settings)} 项设置修改") if part)
        return Said(en or "no change", zh or "没有变化")


FIELD_NAMES: dict[str, Said] = {
    "name": Said("name", "名称"),
    "description": Said("description", "说明"),
    "grain": Said("asked of", "适用对象"),
    "stage": Said("stage", "阶段"),
    "when": Said("condition", "条件"),
    "effects": Said("effects", "效果"),
    "priority": Said("priority", "优先级"),
    "group": Said("group", "分组"),
    "exclusive": Said("exclusive", "排他"),
    "excludes": Said("excludes", "排除"),
    "coupon": Said("code", "优惠码"),
    "window": Said("window", "有效期"),
    "traffic_bps": Said("share of buyers", "买家比例"),
    "enabled": Said("switched on", "启用"),
    "tags": Said("tags", "标签"),
    "limits": Said("limits", "限制"),
    "campaign": Said("campaign", "活动"),
}
_NOTHING = Said("–", "–")


def difference(old: RuleSetDocument | None, new: RuleSetDocument, currency: str) -> Difference:
    """What `new` changes; against None everything is added."""
    before = {} if old is None else {rule.id: (i, rule) for i, rule in enumerate(old.rules)}
    after = {rule.id: (i, rule) for i, rule in enumerate(new.rules)}
    moved = _moved([rule_id for rule_id in before if rule_id in after], after)
    found: list[RuleChange] = []
    for rule_id, (position, rule) in after.items():
        if rule_id not in before:
            sentence = _sentence(new.decision, rule, currency)
            found.append(RuleChange(Change.ADDED, rule_id, rule.name, sentence, new_position=position))
            continue
        old_position, old_rule = before[rule_id]
        if old_rule != rule:
            fields = tuple(_fields(new.decision, old_rule, rule, currency))
            sentence = _sentence(new.decision, rule, currency)
            found.append(RuleChange(Change.CHANGED, rule_id, rule.name, sentence, fields, old_position, position))
        if rule_id in moved:
            sentence = _sentence(new.decision, rule, currency)
            found.append(RuleChange(Change.MOVED, rule_id, rule.name, sentence, (), old_position, position))
    for rule_id, (position, rule) in before.items():
        if rule_id not in after:
            sentence = _sentence(new.decision, rule, currency)
            found.append(RuleChange(Change.REMOVED, rule_id, rule.name, sentence, old_position=position))
    return Difference(tuple(found), tuple(_settings(old, new)) if old is not None else ())


def _moved(kept: Sequence[str], after: Mapping[str, tuple[int, Rule]]) -> set[str]:
    """The fewest rules whose moving explains the new order: all but a longest ascending run."""
    positions = [after[rule_id][0] for rule_id in kept]
    ends: list[int] = []
    previous: list[int] = [-1] * len(positions)
    at: list[int] = []
    for i, position in enumerate(positions):
        place = bisect_left(ends, position)
        previous[i] = at[place - 1] if place else -1
        ends[place : place + 1] = [position]
        at[place : place + 1] = [i]
    staying: set[int] = set()
    i = at[-1] if at else -1
    while i >= 0:
        staying.add(i)
        i = previous[i]
    return {rule_id for i, rule_id in enumerate(kept) if i not in staying}


def _sentence(decision: str, rule: Rule, currency: str) -> Said:
    return _both(lambda language: rule_sentence(decision, rule, language, currency))


def _both(say: Any) -> Said:
    return Said(say("en"), say("zh"))


def _fields(decision: str, old: Rule, new: Rule, currency: str) -> Iterator[FieldChange]:
    for field, name in FIELD_NAMES.items():
        if getattr(old, field) != getattr(new, field):
            yield FieldChange(field, name, _say(decision, old, field, currency), _say(decision, new, field, currency))


def _say(decision: str, rule: Rule, field: str, currency: str) -> Said:
    value = getattr(rule, field)

    def say(language: Language) -> str:  # noqa: PLR0911 - one way of saying a field
        match field:
            case "when":
                return condition_sentence(value, fields_by_name(decision, rule.grain), language, currency)
            case "effects":
                said = [effect_sentence(decision, effect, language, currency) for effect in value]
                return "; ".join(said) if language == "en" else "；".join(said)
            case "window":
                return "" if value is None else window_sentence(value, language)
            case "limits":
                return "; ".join(limit_sentence(limit, language, currency) for limit in value)
            case "traffic_bps":
                return percent_text(value)
            case "stage":
                declared = decisions()[decision].stages.get(value)
                return str(value) if declared is None else declared[language == "zh"]
            case "enabled":
                return {("en", True): "on", ("en", False): "off", ("zh", True): "开", ("zh", False): "关"}[
                    language, value
                ]
        return ", ".join(value) if isinstance(value, tuple) else "" if value is None else str(value)

    said = _both(say)
    return Said(said.en or _NOTHING.en, said.zh or _NOTHING.zh)


def _settings(old: RuleSetDocument, new: RuleSetDocument) -> Iterator[FieldChange]:
    if old.name != new.name:
        yield FieldChange("name", FIELD_NAMES["name"], Said(old.name.en, old.name.zh), Said(new.name.en, new.name.zh))
    if old.policy != new.policy:
        name = Said("which rules decide", "命中策略")
        yield FieldChange("policy", name, Said(old.policy, old.policy), Said(new.policy, new.policy))
    declared = decisions().get(new.decision)
    words = {f.name: f.word for f in fields_of(declared.options)} if declared and declared.options else {}
    for option in sorted({*old.options, *new.options}):
        before, after = old.options.get(option), new.options.get(option)
        if before != after:
            word = words.get(option)
            name = Said(word.en, word.zh) if word else Said(option.replace("_", " "), option)
            yield FieldChange(f"options.{option}", name, _plain(before), _plain(after))
    for group in sorted({*old.groups, *new.groups}):
        one, other = old.groups.get(group), new.groups.get(group)
        if one != other:
            name = Said(f"group {group}", f"分组 {group}")
            yield FieldChange(f"groups.{group}", name, _group(one), _group(other))


def _plain(value: Any) -> Said:
    return _NOTHING if value is None else Said(str(value), str(value))


def _group(group: GroupRules | None) -> Said:
    if group is None:
        return _NOTHING
    modes = {"stack": ("all", "叠加"), "best": ("the best one", "取最优"), "first": ("the first", "取第一个")}
    per = {"order": ("per order", "按订单"), "line": ("per line", "按行")}
    mode, each = modes.get(group.mode, (group.mode,) * 2), per.get(group.best_per, (group.best_per,) * 2)
    return Said(f"{mode[0]} {each[0]}", f"{each[1]}{mode[1]}")
