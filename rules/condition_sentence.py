"""Conditions and values in words, in English and in Chinese: what sentences of rules and effects are made of.

Words come from the contracts. Money is written with the code of its currency, which the caller knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from capabilities.kernel.decision import FieldKind, FieldType
from capabilities.kernel.expression import Aggregate, Condition, Join, Operator, Test, aggregate_named
from capabilities.kernel.money import Money
from rules.vocabulary import AGGREGATE_WORDS, Fields, operator_words

Language = Literal["en", "zh"]

_MINUS = "−"

UNITS_ZH = {"pieces": "件", "lines": "行", "g": "克", "h": "点", "days": "天", "sets": "组"}
"""Units behind values, as Chinese says them; others are said as they are."""


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
    aggregate = aggregate_named(test.field)
    if aggregate is not None and aggregate.of == "others" and (test.op, test.value) == (Operator.EQ, 0):
        where = _where(aggregate, fields, language, currency)
        return f"every line: {where}" if language == "en" else f"每一行：{where}"
    name = fact_name(field, fields, language, currency)
    words = operator_words(field.kind, test.op)[language == "zh"]
    if test.op in (Operator.PRESENT, Operator.MISSING):
        return f"{name} {words}" if language == "en" else f"{name}{words}"
    if field.kind is FieldKind.BOOLEAN:
        return _yes_or_no(name, yes=(test.value is True) == (test.op is Operator.EQ), language=language)
    value = value_text(test.value, field, language, currency, between=test.op is Operator.BETWEEN)
    return f"{name} {words} {value}" if language == "en" else f"{name}{words} {value}".rstrip()


def fact_name(field: FieldType, fields: Mapping[str, FieldType], language: Language, currency: str) -> str:
    """How a fact is called; of one worked out from lines, which lines."""
    aggregate = aggregate_named(field.name)
    if aggregate is None:
        return field_name(field, language)
    where = _where(aggregate, fields, language, currency)
    if aggregate.field is None:
        counted = AGGREGATE_WORDS["count"][language == "zh"]
        if aggregate.of == "others":
            return f"{counted} but those where {where}" if language == "en" else f"除“{where}”以外的{counted}"
        name = counted
    else:
        name = field_name(field, language)
    if not getattr(aggregate.where, "conditions", True):
        return name
    return f"{name} where {where}" if language == "en" else f"“{where}”的{name}"


def _where(aggregate: Aggregate, fields: Mapping[str, FieldType], language: Language, currency: str) -> str:
    of_line = fields.of_line if isinstance(fields, Fields) and fields.of_line is not None else fields
    return condition_sentence(aggregate.where, of_line, language, currency, nested=True)


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
    unit = UNITS_ZH.get(field.word.unit, field.word.unit) if language == "zh" else field.word.unit
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
