"""Rules in words: fields, operators, values, effects, windows, in the reader's language. Pure: no database, no request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal
from zoneinfo import ZoneInfo

from babel.dates import format_date

from capabilities.kernel.decision import FieldKind, FieldType, Word, effect_kind, fields_of
from capabilities.kernel.expression import Operator, Test, aggregate_named
from rules.condition_sentence import fact_name
from rules.document import Rule, Window
from rules.effect_sentence import EffectPhrases
from rules.vocabulary import EFFECT_NAMES, decision_named, fields_by_name, operator_words
from web.access.contract import Language
from web.console.formats import moment, money, rate
from web.console.texts import N_, translations

UNITS = {
    "pieces": N_("pieces"),
    "lines": N_("lines"),
    "g": N_("g"),
    "h": N_("o'clock"),
    "%": "%",
    "days": N_("days"),
    "sets": N_("sets"),
    "times": N_("times"),
}
GRAINS = {"order": N_("the order as a whole"), "line": N_("each line by itself")}
EXCLUSIVE = {
    "no": N_("combines with others"),
    "stage": N_("excludes all others of its stage"),
    "order": N_("excludes all others of the order"),
}
MODES = {
    "stack": N_("all count"),
    "best": N_("the best for the buyer counts"),
    "first": N_("the first that gives something counts"),
    "exclusive": N_("the first counts and excludes the others"),
}
WEEKDAYS = (N_("Mon"), N_("Tue"), N_("Wed"), N_("Thu"), N_("Fri"), N_("Sat"), N_("Sun"))


@dataclass(frozen=True)
class Wording:
    """Says parts of rules of one decision, in one language, with one business's money and zone."""

    decision: str
    language: Language
    currency: str
    zone: ZoneInfo

    def text(self, message: str, **values: object) -> str:
        """A text of the catalogue with its values."""
        said = translations(self.language).ugettext(message)
        return said % values if values else said

    def either(self, en: str, zh: str) -> str:
        return zh if self.language is Language.ZH and zh else en

    def word(self, word: Word) -> str:
        return self.either(word.en, word.zh)

    def help(self, word: Word) -> str:
        return self.either(word.help_en, word.help_zh)

    def field(self, grain: str, name: str) -> FieldType | None:
        """The declared field; None for one that the contract does not know (any more)."""
        found: FieldType | None = fields_by_name(self.decision, grain).get(name)
        return found

    def field_name(self, grain: str, name: str) -> str:
        found = self.field(grain, name)
        if found is None:
            return name
        if aggregate_named(name) is None:
            return self.word(found.word)
        fields = fields_by_name(self.decision, grain)
        return fact_name(found, fields, "zh" if self.language is Language.ZH else "en", self.currency)

    def operator(self, kind: FieldKind, op: Operator) -> str:
        return self.either(*operator_words(kind, op))

    def unit(self, word: Word) -> str:
        return self.text(UNITS.get(word.unit, word.unit)) if word.unit else ""

    def value(self, kind: FieldKind, word: Word, value: Any) -> str:
        """One value as a reader knows it: ¥200.00, 10 %, VIP, 3 pieces, 25 Nov 2026."""
        if isinstance(value, list | tuple):
            return (", " if self.language is Language.EN else "、").join(self.value(kind, word, one) for one in value)
        if str(value) in word.choices:
            return self.either(*word.choices[str(value)])
        unit = self.unit(word)
        said = {
            FieldKind.BOOLEAN: lambda: self.text(N_("yes")) if value else self.text(N_("no")),
            FieldKind.MONEY: lambda: money(value, self.currency),
            FieldKind.RATE: lambda: rate(value),
            FieldKind.DATE: lambda: _date(value, self.language),
            FieldKind.NUMBER: lambda: f"{value} {unit}" if unit else str(value),
        }
        return said.get(kind, lambda: str(value))()

    def test_value(self, grain: str, test: Test) -> str:
        """The value of a test; a range says both ends."""
        field = self.field(grain, test.field)
        if test.op in (Operator.PRESENT, Operator.MISSING):
            return ""
        if field is None:
            return str(test.value)
        if test.op is Operator.BETWEEN:
            low, high = (self.value(field.kind, field.word, end) for end in test.value)
            return self.text(N_("%(low)s and %(high)s"), low=low, high=high)
        return self.value(field.kind, field.word, test.value)

    def test(self, grain: str, test: Test) -> str:
        """A whole test: "order subtotal is at least ¥200.00"."""
        field = self.field(grain, test.field)
        kind = field.kind if field else FieldKind.TEXT
        parts = (self.field_name(grain, test.field), self.operator(kind, test.op), self.test_value(grain, test))
        return (" " if self.language is Language.EN else "").join(part for part in parts if part)

    def effect_name(self, kind: str) -> str:
        return self.either(*EFFECT_NAMES.get(kind, (kind.replace("_", " "), kind)))

    def effect(self, body: Mapping[str, Any]) -> str:
        """An effect as a phrase; one the console has no phrase for is its name and its fields."""
        phrase = None if self._says_more(body) else _PHRASES.get(str(body.get("kind")))
        said = self.text(phrase, **self._values(body)) if phrase else self._plain_effect(body)
        extra = [
            self.text(text, value=self._field_value(body, name))
            for name, text in _LIMITS.items()
            if body.get(name) is not None and phrase
        ]
        return (", " if self.language is Language.EN else "，").join([said, *extra])

    def _field_value(self, body: Mapping[str, Any], name: str) -> str:
        field = effect_fields(self.decision, str(body.get("kind"))).get(name)
        if field is None or body.get(name) is None:
            return "…"
        return self.value(field.kind, field.word, body[name])

    def _values(self, body: Mapping[str, Any]) -> dict[str, str]:
        """Every field said, with the contract's defaults for what the document leaves out."""
        kind = str(body.get("kind"))
        effect = decision_named(self.decision).effect(kind)
        whole = dict(body)
        if effect is not None:
            for name, info in effect.model_fields.items():
                if name not in whole and not info.is_required():
                    whole[name] = info.default
        return {name: self._field_value(whole, name) for name in effect_fields(self.decision, kind)}

    def _says_more(self, body: Mapping[str, Any]) -> bool:
        """Whether the effect sets what its short phrase does not say."""
        defaults = {"select": "all", "raises": "never", "partial": "allowed"}
        return any(
            body.get(name) not in (None, defaults.get(name))
            for name in ("select", "raises", "partial", "max_unit_minor", "max_line_minor")
        )

    def _plain_effect(self, body: Mapping[str, Any]) -> str:
        language: Literal["en", "zh"] = "zh" if self.language is Language.ZH else "en"
        return EffectPhrases(self.decision, language, self.currency, money).say(body)

    def window(self, window: Window | None) -> str:
        """When the rule is in force; empty for always."""
        if window is None:
            return ""
        zone = ZoneInfo(window.zone) if window.zone else self.zone
        parts = []
        if window.from_at is not None:
            parts.append(self.text(N_("from %(at)s"), at=self._moment(window.from_at, zone)))
        if window.until_at is not None:
            parts.append(self.text(N_("until %(at)s"), at=self._moment(window.until_at, zone)))
        if window.weekdays:
            parts.append(
                self.text(N_("on %(days)s"), days=", ".join(self.text(WEEKDAYS[day - 1]) for day in window.weekdays))
            )
        if window.hours is not None:
            start, end = window.hours
            parts.append(self.text(N_("from %(start)s:00 to %(end)s:00"), start=start, end=end))
        if parts:
            parts.append(f"({window.zone or self.zone.key})")
        return " ".join(parts)

    def _moment(self, at: Any, zone: ZoneInfo) -> str:
        return moment(at if at.tzinfo else at.replace(tzinfo=zone), zone, self.language.value)

    def stage(self, number: int) -> str:
        names = decision_named(self.decision).stages.get(number)
        return f"{number} · {self.either(*names)}" if names else str(number)

    def manner(self, rule: Rule) -> list[str]:
        """What the sentence does not say: stage, priority, group, coupon, exclusion, share of traffic; only if unusual."""
        said = []
        if rule.priority:
            said.append(self.text(N_("priority %(number)s"), number=rule.priority))
        if rule.group != "default":
            said.append(self.text(N_("group %(name)s"), name=rule.group))
        if rule.exclusive != "no":
            said.append(self.text(EXCLUSIVE[rule.exclusive]))
        if rule.traffic_bps < 10_000:
            said.append(self.text(N_("for %(share)s of buyers"), share=rate(rule.traffic_bps)))
        return said


_PHRASES = {
    "percent_off": N_("take %(rate_bps)s off %(target)s, %(apply)s"),
    "amount_off": N_("take %(amount_minor)s off %(target)s, %(apply)s"),
    "set_price": N_("set the price of %(target)s to %(price_minor)s"),
    "free_delivery": N_("deliver free of charge"),
    "approve": N_("let the order go on"),
    "review": N_("hold the order for a person: %(reason)s"),
    "reject": N_("refuse the order: %(reason)s"),
    "use_provider": N_("let %(provider)s take the payment"),
    "refuse_payment": N_("refuse the payment: %(reason)s"),
}
_LIMITS = {
    "max_units": N_("at most %(value)s a line"),
    "max_minor": N_("at most %(value)s an order"),
}


def effect_fields(decision: str, kind: str) -> dict[str, FieldType]:
    """The fields of an effect's form, by name; none for an effect the decision does not allow."""
    effect = decision_named(decision).effect(kind)
    return {} if effect is None else {field.name: field for field in fields_of(effect)}


def effect_kinds(decision: str) -> list[str]:
    return [effect_kind(effect) for effect in decision_named(decision).effects]


def _date(value: Any, language: Language) -> str:
    try:
        return format_date(date.fromisoformat(str(value)), "medium", locale=language.value)
    except ValueError:
        return str(value)
