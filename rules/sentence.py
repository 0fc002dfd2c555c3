"""A rule as a sentence, in English and in Chinese: what lists, diffs, approvals and explanations show.

Words come from the contracts. Money is written with the code of its currency, which the caller knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from capabilities.kernel.expression import Group, Join
from rules.condition_sentence import (
    Language,
    condition_sentence,
    field_name,
    money_text,
    percent_text,
    test_sentence,
    value_text,
)
from rules.document import Rule, Window
from rules.effect_sentence import EffectPhrases
from rules.limit_sentence import limit_sentence
from rules.vocabulary import fields_by_name

__all__ = [
    "Language",
    "condition_sentence",
    "effect_sentence",
    "field_name",
    "money_text",
    "percent_text",
    "rule_sentence",
    "test_sentence",
    "value_text",
    "window_sentence",
]

WEEKDAYS: dict[Language, tuple[str, ...]] = {
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "zh": ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
}


def rule_sentence(decision: str, rule: Rule, language: Language, currency: str) -> str:
    """The whole rule: when, in which window, then what."""
    fields = fields_by_name(decision, rule.grain)
    always = isinstance(rule.when, Group) and not rule.when.conditions and rule.when.join is not Join.ANY
    effects = [effect_sentence(decision, effect, language, currency) for effect in rule.effects]
    otherwise = [effect_sentence(decision, effect, language, currency) for effect in rule.otherwise]
    if language == "en":
        when = "Always" if always else f"When {condition_sentence(rule.when, fields, 'en', currency)}"
        parts = [when, *_limits(rule, "en", currency)]
        instead = f"; otherwise {' and '.join(otherwise)}" if otherwise else ""
        return f"{', '.join(parts)}: {' and '.join(effects) or 'nothing'}{instead}."
    when = "始终" if always else f"当{condition_sentence(rule.when, fields, 'zh', currency)}时"
    parts = [when, *_limits(rule, "zh", currency)]
    instead = f"；否则{'，并且'.join(otherwise)}" if otherwise else ""
    return f"{'，'.join(parts)}：{'，并且'.join(effects) or '无操作'}{instead}。"


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


def effect_sentence(decision: str, effect: Mapping[str, Any], language: Language, currency: str) -> str:
    """An effect in words, such as "10 % off the goods, across all of them together, at most CNY 50.00"."""
    return EffectPhrases(decision, language, currency).say(effect)


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
