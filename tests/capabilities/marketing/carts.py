"""Small carts and fired rules for tests of marketing, and Hypothesis strategies of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from capabilities.marketing.contract import (
    AmountOff,
    Cart,
    CartDelivery,
    CartLine,
    FiredRule,
    FreeDelivery,
    PercentOff,
    PricingOptions,
    Quote,
    SetPrice,
)
from capabilities.marketing.pricing import apply_stage, begin, finish

AT = datetime(2026, 11, 25, 10, tzinfo=UTC)


def a_cart(*lines: CartLine, deliveries: Sequence[CartDelivery] = (), **about: Any) -> Cart:
    return Cart(business="retail", currency="EUR", at=AT, lines=lines, deliveries=tuple(deliveries), **about)


def a_line(number: int = 1, price: int = 100_00, quantity: int = 1, **about: Any) -> CartLine:
    return CartLine(id=f"l{number}", sku=f"s{number}", quantity=quantity, unit_price_minor=price, **about)


def a_rule(number: int, *effects: Any, **about: Any) -> FiredRule:
    return FiredRule(
        **{"rule_id": f"r{number}", "name": f"rule {number}", "position": number, "effects": effects} | about
    )


def priced(cart: Cart, *rules: FiredRule, options: PricingOptions | None = None) -> Quote:
    """The quote of a cart under rules that fired, stage by stage."""
    state = begin(cart, options)
    for stage in sorted({rule.stage for rule in rules}):
        state = apply_stage(state, stage, rules)
    return finish(state, quote_id="quo_1", created_at=AT, expires_at=AT)


# --- strategies -------------------------------------------------------------------------------------------------

options = st.builds(
    PricingOptions,
    percent_of=st.sampled_from(["current", "initial"]),
    remainder=st.sampled_from(["largest", "first_lines", "last_line"]),
    rounding=st.sampled_from(["half_up", "half_even", "down"]),
    rounding_level=st.sampled_from(["line", "unit", "order"]),
    round_of=st.sampled_from(["price", "discount"]),
    weights=st.sampled_from(["net", "gross", "original", "quantity"]),
    exclusive=st.sampled_from(["wins", "by_priority"]),
    tax_rounding=st.sampled_from(["line", "unit", "order_rate"]),
)

_limits = {
    "max_units": st.none() | st.integers(1, 5),
    "max_minor": st.none() | st.integers(0, 50_00),
    "target": st.sampled_from(["lines", "lines", "lines", "delivery"]),
    "apply": st.sampled_from(["each", "across"]),
}
effects = st.one_of(
    st.builds(PercentOff, rate_bps=st.integers(1, 15_000), **_limits),
    st.builds(AmountOff, amount_minor=st.integers(1, 300_00), **_limits),
    st.builds(SetPrice, price_minor=st.integers(0, 100_00), target=_limits["target"], max_minor=_limits["max_minor"]),
    st.builds(FreeDelivery, max_minor=_limits["max_minor"]),
)


@st.composite
def carts(draw: st.DrawFn) -> Cart:
    lines = [
        a_line(
            number,
            price,
            draw(st.integers(1, 40)),
            floor_price_minor=draw(st.just(0) | st.integers(0, price + 100)),
            tax_rate_bps=draw(st.sampled_from([0, 700, 1000, 2300])),
        )
        for number in range(1, draw(st.integers(1, 8)) + 1)
        for price in [draw(st.integers(0, 200_00))]
    ]
    deliveries = [
        CartDelivery(id=f"d{number}", sku=f"d{number}", price_minor=draw(st.integers(0, 20_00)), tax_rate_bps=2000)
        for number in range(1, draw(st.integers(0, 2)) + 1)
    ]
    return a_cart(*lines, deliveries=deliveries, prices_include_tax=draw(st.booleans()))


@st.composite
def fired_rules(draw: st.DrawFn, cart: Cart, most: int = 8) -> list[FiredRule]:
    """Rules of several stages, groups and grains, some excluding each other, as an engine could have fired them."""
    count = draw(st.integers(0, most))
    groups = {
        name: {
            "mode": draw(st.sampled_from(["stack", "best", "first"])),
            "best_per": draw(st.sampled_from(["order", "line"])),
        }
        for name in ("default", "g1")
    }
    rules = []
    for number in range(count):
        grain = draw(st.sampled_from(["order", "line"]))
        ids = [line.id for line in cart.lines]
        group = draw(st.sampled_from(["default", "g1"]))
        rules.append(
            a_rule(
                number,
                *draw(st.lists(effects, min_size=1, max_size=2)),
                grain=grain,
                stage=draw(st.sampled_from([10, 30, 40])),
                priority=draw(st.integers(0, 2)),
                group=group,
                exclusive=draw(st.sampled_from(["no", "no", "no", "no", "stage", "order"])),
                excludes=tuple(f"r{other}" for other in draw(st.lists(st.integers(0, count), max_size=2))),
                line_ids=tuple(draw(st.lists(st.sampled_from(ids), min_size=1, unique=True)))
                if grain == "line"
                else (),
                **groups[group],
            )
        )
    return rules
