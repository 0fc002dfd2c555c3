"""Rules speak of amounts in the money of their business. In a cart of another currency they would mean something else.

So there a rule that names an amount, in its condition or its effects, is left out, unless it also asks for the currency
and thus was written for it. Rules of percents, pieces and gifts hold in any money.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from capabilities.kernel.expression import tests_of
from capabilities.marketing.contract import Cart, FailedTest
from rules.document import Rule

CURRENCY = "order.currency"
AMOUNT = "_minor"


def is_foreign(cart: Cart) -> bool:
    """Whether the cart is in another money than the business's own."""
    return cart.home_currency is not None and cart.home_currency != cart.currency


def positions_of_amounts(rules: Iterable[Rule]) -> frozenset[int]:
    """The rules that name an amount without asking for the currency, by position."""
    return frozenset(position for position, rule in enumerate(rules) if speaks_home_money(rule))


def speaks_home_money(rule: Rule) -> bool:
    """Whether the rule names an amount that can only be meant in the money of the business."""
    fields = {test.field for test in tests_of(rule.when)}
    if CURRENCY in fields:
        return False
    return any(AMOUNT in field for field in fields) or any(map(_names_amount, (*rule.effects, *rule.otherwise)))


def _names_amount(part: Any) -> bool:
    if isinstance(part, Mapping):
        return any(
            (str(key).endswith(AMOUNT) and value is not None) or _names_amount(value) for key, value in part.items()
        )
    return isinstance(part, list | tuple) and any(map(_names_amount, part))


def why_foreign(cart: Cart) -> FailedTest:
    """What such a rule would have needed, for the explanation."""
    home = cart.home_currency or ""
    return FailedTest(
        field=CURRENCY,
        op="eq",
        wanted=home,
        seen=cart.currency,
        en=f"the rule speaks of amounts in {home}; this cart is in {cart.currency}",
        zh=f"规则中的金额以 {home} 计，购物车币种为 {cart.currency}",
    )
