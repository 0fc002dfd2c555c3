"""Try rules of any decision on hand-made facts: the form comes from the vocabulary, the answer says why and why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from capabilities.kernel.clock import now
from capabilities.kernel.decision import FieldKind
from capabilities.kernel.errors import InvalidError
from capabilities.kernel.expression import Condition, Test, holds
from rules.deciding import deciding_rule
from rules.document import Rule, RuleSetDocument
from rules.eligibility import eligible
from rules.queries import LiveRelease
from rules.vocabulary import FactWord, decision_named, fact_words
from web.console.effect_forms import Choice, FieldView
from web.console.receipts import sentence
from web.console.rule_input import plain, read_list, read_value
from web.console.rule_words import Wording
from web.console.texts import N_


@dataclass(frozen=True, slots=True)
class RuleTrial:
    """What one rule made of the facts."""

    name: str
    outcome: str
    sentence: str
    failed: str


@dataclass(frozen=True)
class FactTrial:
    """The form of facts and, once asked, the answer."""

    groups: tuple[tuple[str, tuple[FieldView, ...]], ...]
    errors: dict[str, str]
    asked: bool
    answer: str
    rules: tuple[RuleTrial, ...]


def fact_trial(document: RuleSetDocument, wording: Wording, query: Mapping[str, str]) -> FactTrial:
    """Decide on the facts of the address; the deciding rule is the first by priority that holds."""
    grain = decision_named(document.decision).grains[0].name
    words = fact_words(document.decision, grain)
    facts, errors = _read(words, query, wording)
    groups: dict[str, list[FieldView]] = {}
    for word in words:
        view = _field(word, query, wording, errors)
        groups.setdefault(wording.either(word.group_en, word.group_zh), []).append(view)
    shown = tuple((name, tuple(views)) for name, views in groups.items())
    if errors or not query:
        return FactTrial(shown, errors, asked=False, answer="", rules=())
    release = LiveRelease.of(document)
    deciding = deciding_rule(
        document, release.compiled, grain, facts, lambda rule: eligible(rule, now(), (), None, wording.zone.key)
    )
    chosen = deciding.id if deciding else None
    answer = "; ".join(wording.effect(e) for e in deciding.effects) if deciding else ""
    rules = tuple(_trial(rule, facts, chosen, wording) for rule in document.rules)
    return FactTrial(shown, errors, asked=True, answer=answer or wording.text(N_("No rule decides.")), rules=rules)


def _read(
    words: tuple[FactWord, ...], query: Mapping[str, str], wording: Wording
) -> tuple[dict[str, Any], dict[str, str]]:
    facts: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for word in words:
        text = plain(query.get(word.name, ""))
        if not text:
            continue
        try:
            if word.kind is FieldKind.SET:
                facts[word.name] = read_list(FieldKind.TEXT, [text], wording.currency, field=word.name)
            else:
                facts[word.name] = read_value(word.kind, text, wording.currency, field=word.name)
        except InvalidError as error:
            errors[word.name] = error.message
    return facts, errors


def _field(word: FactWord, query: Mapping[str, str], wording: Wording, errors: Mapping[str, str]) -> FieldView:
    controls = {FieldKind.MONEY: "money", FieldKind.RATE: "rate", FieldKind.NUMBER: "number", FieldKind.DATE: "date"}
    chosen = query.get(word.name, "")
    choices = [Choice("", wording.text(N_("not known")), not chosen)]
    choices += [Choice(v, wording.either(*names), v == chosen) for v, names in word.choices.items()]
    if word.kind is FieldKind.BOOLEAN:
        choices += [Choice("yes", wording.text(N_("yes")), chosen == "yes")]
        choices += [Choice("no", wording.text(N_("no")), chosen == "no")]
    return FieldView(
        name=word.name,
        label=wording.word(word.word),
        control="select" if word.choices or word.kind is FieldKind.BOOLEAN else controls.get(word.kind, "text"),
        value=chosen,
        help=wording.help(word.word),
        unit=wording.currency if word.kind is FieldKind.MONEY else wording.unit(word.word),
        optional=False,
        choices=tuple(choices),
        error=errors.get(word.name),
    )


def _trial(rule: Rule, facts: Mapping[str, Any], chosen: str | None, wording: Wording) -> RuleTrial:
    held = holds(rule.when, facts)
    outcome = "applied" if rule.id == chosen else "lost_in_group" if held else "not_matched"
    if not rule.enabled:
        outcome = "disabled"
    failed = "" if held else _first_failing(rule.when, rule, facts, wording)
    return RuleTrial(rule.name, outcome, sentence(rule, wording), failed)


def _first_failing(condition: Condition, rule: Rule, facts: Mapping[str, Any], wording: Wording) -> str:
    if isinstance(condition, Test):
        field = wording.field(rule.grain, condition.field)
        seen = facts.get(condition.field)
        said = (
            wording.text(N_("not known"))
            if seen is None or field is None
            else wording.value(field.kind, field.word, seen)
        )
        return wording.text(
            N_("asks that %(test)s; it was %(seen)s"), test=wording.test(rule.grain, condition), seen=said
        )
    failing = [part for part in condition.conditions if not holds(part, facts)]
    return _first_failing(failing[0], rule, facts, wording) if failing else ""
