"""What the editor shows of a draft: a card a rule, its sentence in brackets, its problems, and the one open bracket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from capabilities.kernel.decision import FieldKind
from capabilities.kernel.expression import Condition, Group, Join, Operator, Test
from rules.check import Problem
from rules.document import Rule, RuleSetDocument
from rules.vocabulary import FactWord, OperatorWord, aggregate_words, search_words, word_of
from web.access.contract import Language
from web.console.effect_forms import CONTROLS, Choice, FieldView, defaults_of, effect_field, typed_text, where_field
from web.console.rule_changes import Path, condition_at, read_path, write_path
from web.console.rule_words import GRAINS, Wording, effect_fields, effect_kinds
from web.console.texts import N_

JOIN_LEGENDS = {
    Join.ALL: N_("all of these hold"),
    Join.ANY: N_("at least one of these holds"),
    Join.NONE: N_("none of these holds"),
}
JOIN_WORDS = {Join.ALL: N_("and"), Join.ANY: N_("or"), Join.NONE: N_("nor")}


@dataclass(frozen=True, slots=True)
class Opened:
    """The one open bracket: `place` is such as `test:0.1`, `add:0`, `effect:0`, `window`; with what was typed."""

    rule_id: str = ""
    place: str = ""
    word: str = ""
    find: str = ""
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return self.place.partition(":")[0]

    @property
    def path(self) -> Path:
        return read_path(self.place.partition(":")[2])


@dataclass(frozen=True, slots=True)
class TestView:
    """One test in words."""

    path: str
    name: str
    operator: str
    value: str
    is_known: bool


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group of conditions; `parts` are tests and groups."""

    path: str
    join: str
    legend: str
    joiner: str
    parts: tuple[Any, ...]
    is_group: bool = True


@dataclass(frozen=True, slots=True)
class ConditionForm:
    """The open form of a condition: words to choose from, or the chosen word with operators and value."""

    words: tuple[tuple[str, tuple[FactWord, ...]], ...]
    word: FactWord | None
    word_label: str
    word_help: str
    operators: tuple[Choice, ...]
    value: FieldView | None
    high: FieldView | None
    where: FieldView | None = None
    """Of a fact over lines: the tests that say which lines."""


@dataclass(frozen=True, slots=True)
class EffectForm:
    """The open form of an effect: kinds to choose from, or the chosen kind with its fields."""

    kinds: tuple[Choice, ...]
    kind: str
    fields: tuple[FieldView, ...]


@dataclass(frozen=True, slots=True)
class RuleCard:
    """One rule as a card."""

    rule: Rule
    number: int
    is_first: bool
    is_last: bool
    when: GroupView
    effects: tuple[str, ...]
    otherwise: tuple[str, ...]
    window: str
    grain: str
    stage: str
    manner: tuple[str, ...]
    problems: tuple[Problem, ...]
    opened: Opened | None
    condition_form: ConditionForm | None = None
    effect_form: EffectForm | None = None

    @property
    def is_incomplete(self) -> bool:
        return any(problem.severity == "block" for problem in self.problems)


def rule_cards(
    document: RuleSetDocument, problems: Sequence[Problem], wording: Wording, opened: Opened
) -> tuple[RuleCard, ...]:
    """All rules in their listed order."""
    last = len(document.rules)
    return tuple(
        _card(rule, number, last, [p for p in problems if p.rule_id == rule.id], wording, opened)
        for number, rule in enumerate(document.rules, start=1)
    )


def _card(
    rule: Rule, number: int, last: int, problems: Sequence[Problem], wording: Wording, opened: Opened
) -> RuleCard:
    here = opened if opened.rule_id == rule.id else None
    return RuleCard(
        rule=rule,
        number=number,
        is_first=number == 1,
        is_last=number == last,
        when=group_view(rule, wording),
        effects=tuple(wording.effect(effect) for effect in rule.effects),
        otherwise=tuple(wording.effect(effect) for effect in rule.otherwise),
        window=wording.window(rule.window),
        grain=wording.text(GRAINS.get(rule.grain, rule.grain)),
        stage=wording.stage(rule.stage),
        manner=tuple(wording.manner(rule)),
        problems=tuple(problems),
        opened=here,
        condition_form=_condition_form(rule, here, wording) if here and here.kind in {"test", "add"} else None,
        effect_form=_effect_form(rule, here, wording) if here and here.kind in {"effect", "otherwise"} else None,
    )


def group_view(rule: Rule, wording: Wording) -> GroupView:
    """The whole condition of a rule; a lone test stands in a group of its own."""
    root = rule.when if isinstance(rule.when, Group) else Group(Join.ALL, (rule.when,))
    return _group(root, (), rule.grain, wording)


def _group(group: Group, path: Path, grain: str, wording: Wording) -> GroupView:
    return GroupView(
        path=write_path(path),
        join=group.join.value,
        legend=wording.text(JOIN_LEGENDS[group.join]),
        joiner=wording.text(JOIN_WORDS[group.join]),
        parts=tuple(_part(part, (*path, i), grain, wording) for i, part in enumerate(group.conditions)),
    )


def _part(part: Condition, path: Path, grain: str, wording: Wording) -> GroupView | TestView:
    if isinstance(part, Group):
        return _group(part, path, grain, wording)
    known = wording.field(grain, part.field)
    return TestView(
        path=write_path(path),
        name=wording.field_name(grain, part.field),
        operator=wording.operator(known.kind if known else FieldKind.TEXT, part.op),
        value=wording.test_value(grain, part),
        is_known=known is not None,
    )


def _condition_form(rule: Rule, opened: Opened, wording: Wording) -> ConditionForm:
    current = condition_at(rule, opened.path) if opened.kind == "test" else None
    test = current if isinstance(current, Test) else None
    name = opened.word or (test.field if test else "")
    known = wording.field(rule.grain, name)
    word = None if known is None else word_of(known)
    if word is None:
        return ConditionForm(_grouped(rule, opened, wording), None, "", "", (), None, None)
    kept = test if test and test.field == name else None
    op = (opened.values.get("op") or [kept.op.value if kept else word.operators[0].op.value])[0]
    typed = opened.values.get("value")
    low, high = _ends(kept)
    unit = wording.currency if word.kind is FieldKind.MONEY else wording.unit(word.word)
    return ConditionForm(
        words=(),
        word=word,
        word_label=wording.word(word.word),
        word_help=wording.help(word.word),
        operators=tuple(_operator_choice(o, op, wording) for o in word.operators),
        value=_test_field("value", word, low if typed is None else None, typed, unit, wording, opened),
        high=_test_field("high", word, high, opened.values.get("high"), unit, wording, opened)
        if any(o.op is Operator.BETWEEN for o in word.operators)
        else None,
        where=where_field(name, wording, opened.values, opened.errors),
    )


def _ends(test: Test | None) -> tuple[Any, Any]:
    if test is None:
        return None, None
    if test.op is Operator.BETWEEN:
        low, high = test.value
        return low, high
    return test.value, None


def _operator_choice(word: OperatorWord, chosen: str, wording: Wording) -> Choice:
    return Choice(word.op.value, wording.either(word.en, word.zh), word.op.value == chosen)


def _grouped(rule: Rule, opened: Opened, wording: Wording) -> tuple[tuple[str, tuple[FactWord, ...]], ...]:
    groups: dict[str, list[FactWord]] = {}
    words = search_words(wording.decision, rule.grain, opened.find)
    for word in (*words, *aggregate_words(wording.decision, rule.grain, opened.find)):
        groups.setdefault(wording.either(word.group_en, word.group_zh), []).append(word)
    return tuple((name, tuple(words)) for name, words in groups.items())


def _test_field(
    name: str,
    word: FactWord,
    value: Any,
    typed: Sequence[str] | None,
    unit: str,
    wording: Wording,
    opened: Opened,
) -> FieldView:
    values = list(value) if isinstance(value, list | tuple) else [] if value is None else [value]
    chosen = set(typed) if typed is not None else {str(v) for v in values}
    text = ", ".join(typed) if typed is not None else ", ".join(typed_text(word.kind, v, wording) for v in values)
    return FieldView(
        name=name,
        label=wording.text(N_("value")) if name == "value" else wording.text(N_("upper end")),
        control="choices" if word.choices else CONTROLS.get(word.kind, "text"),
        value=text,
        help="",
        unit=unit,
        optional=False,
        choices=tuple(Choice(v, wording.either(*names), v in chosen) for v, names in word.choices.items()),
        error=opened.errors.get(name),
    )


def _effect_form(rule: Rule, opened: Opened, wording: Wording) -> EffectForm:
    place = opened.place.partition(":")[2]
    effects = rule.otherwise if opened.kind == "otherwise" else rule.effects
    current = effects[int(place)] if place.isdigit() and int(place) < len(effects) else {}
    kind = opened.word or str(current.get("kind", ""))
    kind = kind if kind in effect_kinds(wording.decision) else ""
    kinds = tuple(
        Choice(k, wording.effect_name(k), k == kind, _effect_note(k, wording)) for k in effect_kinds(wording.decision)
    )
    if not kind:
        return EffectForm(kinds, "", ())
    body = current if current.get("kind") == kind else {}
    fields = effect_fields(wording.decision, kind)
    defaults = defaults_of(wording.decision, kind)
    views = tuple(
        effect_field(f, n, body.get(n, defaults.get(n)), wording, opened.values, opened.errors)
        for n, f in fields.items()
    )
    return EffectForm(kinds, kind, views)


def _effect_note(kind: str, wording: Wording) -> str:
    names = [wording.word(f.word) for f in effect_fields(wording.decision, kind).values()]
    return (", " if wording.language is Language.EN else "、").join(names)
