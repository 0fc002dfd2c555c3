"""Checks of a rule's effects: allowed, complete, free of contradiction, not more generous than meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from capabilities.kernel.decision import Decision, FieldKind, FieldType, fields_of
from capabilities.kernel.errors import InvalidError
from capabilities.kernel.expression import Operator, Test, condition_from_json, tests_of
from rules.compile import literal
from rules.document import EffectBody, Rule
from rules.problem import Problem, Severity, block
from rules.sentence import field_name, percent_text
from rules.vocabulary import effect_words, fields_by_name

HIGH_PERCENT_BPS = 3_000
"""From this rate on, a percentage without a cap is worth a hint."""


def check_effects(decision: Decision, rule: Rule) -> Iterator[Problem]:
    """What is wrong with the rule's effects."""
    if not rule.effects:
        yield block(
            rule,
            "effects",
            "no_effect",
            "The rule does nothing.",
            "规则没有任何效果。",
            "Say what it should do.",
            "请添加效果。",
        )
    for i, effect in enumerate(rule.effects):
        yield from _effect(decision, rule, effect, f"effects[{i}]")
    for i, effect in enumerate(rule.otherwise):
        yield from _effect(decision, rule, effect, f"otherwise[{i}]")
    yield from _conflicting(decision, rule)


def _effect(decision: Decision, rule: Rule, effect: EffectBody, at: str) -> Iterator[Problem]:
    kind = str(effect.get("kind"))
    declared = decision.effect(kind)
    if declared is None:
        offered = effect_words(decision.name)
        yield block(
            rule,
            at,
            "effect_not_allowed",
            f"{decision.en} knows no effect {kind!r}.",
            f"“{decision.zh}”不允许效果“{kind}”。",
            f"Use one of: {', '.join(word.en for word in offered)}.",
            f"可用：{'、'.join(word.zh for word in offered)}。",
        )
        return
    try:
        declared.model_validate(dict(effect))
    except ValidationError as error:
        words = {field.name: field for field in fields_of(declared)}
        for problem in error.errors():
            name = str(problem["loc"][0]) if problem["loc"] else ""
            en, zh = (
                (field_name(words[name], "en"), field_name(words[name], "zh")) if name in words else ("value", "值")
            )
            yield block(
                rule,
                f"{at}.{name}",
                "effect_value_wrong",
                f"{en.capitalize()} of the effect is wrong: {problem['msg']}.",
                f"效果的“{zh}”无效。",
                "Write a value that fits.",
                "请填写合适的值。",
            )
        return
    yield from _selecting(decision, rule, effect, at)
    yield from _generous(rule, effect, at)


def _selecting(decision: Decision, rule: Rule, effect: EffectBody, at: str) -> Iterator[Problem]:
    """Selectors ask words of lines that exist, with values that fit."""
    fields = fields_by_name(decision.name, "line") if any(grain.name == "line" for grain in decision.grains) else {}
    declared = decision.effect(str(effect.get("kind")))
    for field in () if declared is None else fields_of(declared):
        for selector in _selectors(field, effect.get(field.name)):
            for test in tests_of(condition_from_json(selector)):
                try:
                    literal(test, fields)
                except InvalidError as error:
                    yield block(
                        rule,
                        f"{at}.{field.name}",
                        "selector_wrong",
                        f"The goods it selects: {error.message}",
                        f"商品条件无效：{test.field}。",
                        "Ask a word of lines, with a value that fits.",
                        "请选择商品行的词，并填写合适的值。",
                    )


def _selectors(field: FieldType, value: Any) -> Iterator[Any]:
    """The selectors a field holds, its own or those of its rows."""
    if field.kind is FieldKind.SELECTOR and value:
        yield value
    if field.kind is FieldKind.ROWS:
        for row in value or ():
            for column in field.columns:
                yield from _selectors(column, row.get(column.name))


def _generous(rule: Rule, effect: EffectBody, at: str) -> Iterator[Problem]:
    rate, capped = effect.get("rate_bps"), effect.get("max_minor") is not None
    if effect.get("kind") == "percent_off" and isinstance(rate, int):
        if rate > 10_000:
            yield Problem(
                Severity.WARN,
                rule.id,
                f"{at}.rate_bps",
                "percent_over_hundred",
                f"{percent_text(rate)} off is more than the price.",
                f"折扣率 {percent_text(rate)} 超过了价格。",
                "A price never falls below zero or its floor; write 100 % or less.",
                "价格不会低于零或底价；请填写不超过 100% 的值。",
            )
        elif rate >= HIGH_PERCENT_BPS and not capped:
            yield Problem(
                Severity.HINT,
                rule.id,
                f"{at}.max_minor",
                "discount_without_cap",
                f"{percent_text(rate)} off without a cap: a large order gets a large discount.",
                f"减 {percent_text(rate)} 没有封顶：大额订单优惠也大。",
                "Say how much an order gets at most. Floor prices hold in any case.",
                "请设置每单封顶金额。底价始终有效。",
            )
    amount = effect.get("amount_minor")
    if effect.get("kind") == "amount_off" and isinstance(amount, int) and _spend_needed(rule) < amount:
        yield Problem(
            Severity.HINT,
            rule.id,
            f"{at}.amount_minor",
            "discount_above_spend",
            "The amount may be more than the order is worth: it then stops at the floor prices.",
            "立减金额可能超过订单金额：届时以底价为止。",
            "Ask for an order subtotal of at least that amount.",
            "请要求订单小计不低于该金额。",
        )


def _spend_needed(rule: Rule) -> int:
    """The least any matching order spends, as far as the rule asks for it at the top of its condition."""
    conditions = getattr(rule.when, "conditions", (rule.when,))
    asked = [
        test.value[0] if test.op is Operator.BETWEEN else test.value
        for test in conditions
        if isinstance(test, Test)
        and test.op in (Operator.GTE, Operator.GT, Operator.BETWEEN)
        and test.field.split(".")[-1]
        in ("subtotal_minor", "gross_minor", "net_minor", "unit_price_minor", "total_minor")
    ]
    return max((value for value in asked if isinstance(value, int)), default=0)


_REPEATABLE = frozenset(
    {"buy_get", "bundle", "gift", "surcharge", "points", "cashback", "issue_coupon", "message", "tag"}
)
"""Effects of which a rule may have several."""

_EXCLUDING_KINDS = (frozenset({"approve", "review", "reject"}),)


def _conflicting(decision: Decision, rule: Rule) -> Iterator[Problem]:
    seen: dict[tuple[str, str], int] = {}
    kinds = [str(effect.get("kind")) for effect in rule.effects]
    for i, effect in enumerate(rule.effects):
        target = "delivery" if kinds[i] == "free_delivery" else str(effect.get("target", "lines"))
        fixed = {"set_price": "price", "free_delivery": "price"}.get(kinds[i])
        key = (fixed, target) if fixed else (kinds[i], target)
        if key in seen and kinds[i] not in _REPEATABLE:
            yield block(
                rule,
                f"effects[{i}]",
                "effects_conflict",
                "Two effects of this rule contradict each other or say the same twice.",
                "该规则的两个效果互相矛盾或重复。",
                "Keep one of them.",
                "请保留其中一个。",
            )
        seen[key] = i
    for excluding in _EXCLUDING_KINDS:
        if len(excluding & set(kinds)) > 1:
            yield block(
                rule,
                "effects",
                "effects_conflict",
                f"A rule of {decision.en} has one outcome, not several.",
                f"“{decision.zh}”规则只能有一个结果。",
                "Keep one of them.",
                "请保留其中一个。",
            )
