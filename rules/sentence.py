"""A rule as a sentence, in English and in Chinese: what lists, diffs, approvals and explanations show.

Words come from the contracts. Money is written with the code of its currency, which the caller knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from capabilities.kernel.decision import FieldKind, FieldType, fields_of
from capabilities.kernel.expression import Condition, Group, Join, Operator, Test
from capabilities.kernel.money import Money
from rules.document import Rule, Window
from rules.limit_sentence import limit_sentence
from rules.vocabulary import EFFECT_NAMES, decision_named, fields_by_name, operator_words

Language = Literal["en", "zh"]

WEEKDAYS: dict[Language, tuple[str, ...]] = {
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "zh": ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
}
_MINUS = "−"


def rule_sentence(decision: str, rule: Rule, language: Language, currency: str) -> str:
    """The whole rule: when, in which window, then what."""
    fields = fields_by_name(decision, rule.grain)
    always = isinstance(rule.when, Group) and not rule.when.conditions and rule.when.join is not Join.ANY
    effects = [effect_sentence(decision, effect, language, currency) for effect in rule.effects]
    if language == "en":
        when = "Always" if always else f"When {condition_sentence(rule.when, fields, 'en', currency)}"
        parts = [when, *_limits(rule, "en", currency)]
        return f"{', '.join(parts)}: {' and '.join(effects) or 'nothing'}."
    when = "始终" if always else f"当{condition_sentence(rule.when, fields, 'zh', currency)}时"
    parts = [when, *_limits(rule, "zh", currency)]
    return f"{'，'.join(parts)}：{'，并且'.join(effects) or '无操作'}。"


def _limits(rule: Rule, language: Language, currency: str) -> list[str]:
    found = [window_sentence(rule.window, language)] if rule.window is not None else []
    if rule.coupon is not None:
        found.append(f"with the code {rule.coupon}" if language == "en" else f"使用优惠码 {rule.coupon}")
    if rule.traffic_bps < 10_000:
        share = percent_text(rule.traffic_bps)
        found.append(f"for {share} of buyers" if language == "en" else f"对 {share} 的买家")
    found.extend(limit_sentence(limit, language, currency) for limit in rule.limits)
    if rule.campaign is not None:
        found.append(f"in the campaign {rule.campaign}" if language == "en" else f"属于活动 {rule.campaign}")
    return [part for part in found if part]


def condition_sentence(
    condition: Condition, fields: Mapping[str, FieldType], language: Language, currency: str, *, nested: bool = False
) -> str:
    """A condition in words. Groups inside groups stand in brackets."""
    if isinstance(condition, Test):
        return test_sentence(condition, fields, language, currency)
    parts = [
        condition_sentence(part, fields, language, currency, nested=len(condition.conditions) > 1)
        for part in condition.conditions
    ]
    if not parts:
        never = condition.join is Join.ANY
        return {"en": "never" if never else "always", "zh": "永不成立" if never else "始终成立"}[language]
    if condition.join is Join.NONE:
        text = f"none of this holds: {'; '.join(parts)}" if language == "en" else f"以下均不成立：{'；'.join(parts)}"
    else:
        words = {("all", "en"): " and ", ("any", "en"): " or ", ("all", "zh"): "，且", ("any", "zh"): "，或"}
        text = words[condition.join.value, language].join(parts)
    if nested and (len(parts) > 1 or condition.join is Join.NONE):
        return f"({text})" if language == "en" else f"（{text}）"
    return text


def test_sentence(test: Test, fields: Mapping[str, FieldType], language: Language, currency: str) -> str:
    """One test in words, such as "order subtotal is at least CNY 200.00"."""
    field = fields.get(test.field)
    if field is None:
        return f"{test.field} {test.op.value} {test.value!r}"
    name = field_name(field, language)
    words = operator_words(field.kind, test.op)[language == "zh"]
    if test.op in (Operator.PRESENT, Operator.MISSING):
        return f"{name} {words}" if language == "en" else f"{name}{words}"
    if field.kind is FieldKind.BOOLEAN:
        return _yes_or_no(name, yes=(test.value is True) == (test.op is Operator.EQ), language=language)
    value = value_text(test.value, field, language, currency, between=test.op is Operator.BETWEEN)
    return f"{name} {words} {value}" if language == "en" else f"{name}{words} {value}".rstrip()


def _yes_or_no(name: str, *, yes: bool, language: Language) -> str:
    if language == "zh":
        return f"{name}：{'是' if yes else '否'}"
    if name.startswith("is "):
        return name if yes else f"is not {name.removeprefix('is ')}"
    return f"{name}: {'yes' if yes else 'no'}"


def field_name(field: FieldType, language: Language) -> str:
    """How the field is called."""
    return field.word.zh if language == "zh" else field.word.en


def value_text(value: Any, field: FieldType, language: Language, currency: str, *, between: bool = False) -> str:
    """A value of a field as people write it: money with its currency, rates in percent, choices by name."""
    if isinstance(value, tuple | list):
        texts = [value_text(item, field, language, currency) for item in value]
        if between:
            return (" and " if language == "en" else " 至 ").join(texts)
        return (", " if language == "en" else "、").join(texts) or ("nothing" if language == "en" else "无")
    return _one_value(value, field, language, currency)


def _one_value(value: Any, field: FieldType, language: Language, currency: str) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return {("en", True): "yes", ("en", False): "no", ("zh", True): "是", ("zh", False): "否"}[language, value]
    if field.kind is FieldKind.MONEY and isinstance(value, int):
        return money_text(value, currency)
    if field.kind is FieldKind.RATE and isinstance(value, int):
        return percent_text(value)
    chosen = field.word.choices.get(str(value))
    if chosen is not None:
        return chosen[language == "zh"]
    unit = field.word.unit
    return f"{value} {unit}" if unit and isinstance(value, int) else str(value)


def money_text(minor: int, currency: str) -> str:
    """An amount with its currency, "CNY 200.00"; a true minus sign."""
    text = Money(abs(minor), currency).decimal()
    whole, dot, cents = text.partition(".")
    return f"{currency} {_MINUS if minor < 0 else ''}{int(whole):,}{dot}{cents}"


def percent_text(bps: int) -> str:
    """Basis points as percent, without needless zeros: 1000 is "10 %", 1250 "12.5 %"."""
    whole, rest = divmod(abs(bps), 100)
    decimals = f"{rest:02}".rstrip("0")
    return f"{_MINUS if bps < 0 else ''}{whole}{'.' + decimals if decimals else ''} %"


def effect_sentence(decision: str, effect: Mapping[str, Any], language: Language, currency: str) -> str:
    """An effect in words, such as "10 % off the goods, across all of them together, at most CNY 50.00"."""
    kind = str(effect.get("kind"))
    declared = decision_named(decision).effect(kind)
    if declared is None:
        return kind
    fields = {field.name: field for field in fields_of(declared)}
    said = {
        name: value_text(effect[name], field, language, currency)
        for name, field in fields.items()
        if effect.get(name) is not None
    }
    target = said.pop("target", None)
    main = _main_phrase(kind, said, target, language)
    rest = [_field_phrase(fields[name], text, language) for name, text in said.items()]
    return (", " if language == "en" else "，").join([main, *rest])


def _main_phrase(kind: str, said: dict[str, str], target: str | None, language: Language) -> str:
    english = language == "en"
    goods = target or ("goods" if english else "商品")
    if kind == "percent_off" and "rate_bps" in said:
        rate = said.pop("rate_bps")
        return f"{rate} off {goods}" if english else f"{goods}减 {rate}"
    if kind == "amount_off" and "amount_minor" in said:
        amount = said.pop("amount_minor")
        return f"{amount} off {goods}" if english else f"{goods}立减 {amount}"
    if kind == "set_price" and "price_minor" in said:
        price = said.pop("price_minor")
        return f"{goods} at {price}" if english else f"{goods}价格为 {price}"
    return EFFECT_NAMES.get(kind, (kind.replace("_", " "), kind))[not english]


def _field_phrase(field: FieldType, text: str, language: Language) -> str:
    name = field_name(field, language)
    if field.word.choices:
        return text
    return f"{name} {text}" if language == "en" or text[:1].isascii() else f"{name}：{text}"


def window_sentence(window: Window, language: Language) -> str:
    """A window in words, empty where it says nothing."""
    english = language == "en"
    parts: list[str] = []
    if window.from_at is not None:
        parts.append(f"from {_moment(window.from_at)}" if english else f"自 {_moment(window.from_at)} 起")
    if window.until_at is not None:
        parts.append(f"until {_moment(window.until_at)}" if english else f"至 {_moment(window.until_at)} 止")
    if window.weekdays:
        days = [WEEKDAYS[language][day - 1] if 1 <= day <= 7 else str(day) for day in window.weekdays]
        parts.append(f"on {', '.join(days)}" if english else f"每{'、'.join(days)}")
    if window.hours is not None:
        start, end = window.hours
        parts.append(f"between {start:02}:00 and {end:02}:00" if english else f"{start:02}:00 至 {end:02}:00")
    if parts and window.zone is not None:
        parts.append(f"({window.zone})" if english else f"（{window.zone}）")
    return (" " if english else "").join(parts)


def _moment(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="minutes")
