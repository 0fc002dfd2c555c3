"""Hints to buy a little more: "12.00 more" for a rule that holds but for one number."""

from __future__ import annotations

from collections.abc import Iterator

from capabilities.kernel.decision import FieldKind
from capabilities.kernel.expression import Operator
from capabilities.marketing.contract import FiredRule, Hint, UpsellHint
from capabilities.marketing.pricing import State, order_facts
from rules.document import Rule
from rules.eligibility import eligible
from rules.explain import explain_rule
from rules.sentence import money_text
from rules.vocabulary import fields_by_name


def hint_of(rule: Rule, fired: FiredRule, decision: str, state: State) -> Iterator[Hint]:
    """What is missing, where one number alone keeps the rule from holding and is short by no more than it says."""
    cart = state.cart
    if not eligible(rule, cart.at, cart.coupon_codes, cart.buyer.id, cart.time_zone):
        return
    fields = fields_by_name(decision, rule.grain)
    found = explain_rule(rule, order_facts(state), fields)
    if len(found.failures) != 1:
        return
    failure = found.failures[0]
    field = fields.get(failure.test.field)
    missing = failure.needs or 0
    if field is None or missing <= 0 or failure.test.op not in (Operator.GTE, Operator.GT, Operator.BETWEEN):
        return
    declared = next(effect for effect in fired.effects if isinstance(effect, UpsellHint))
    is_money = field.kind is FieldKind.MONEY
    within = declared.within_minor if is_money else declared.within_units
    if within is not None and missing > within:
        return
    said = money_text(missing, cart.currency) if is_money else str(missing)
    yield Hint(
        rule_id=rule.id,
        rule_name=rule.name,
        field=failure.test.field,
        missing=missing,
        en=f"{said} more: {rule.name}",
        zh=f"还差 {said}：{rule.name}",
    )
