"""Small carts and fired rules for tests of marketing, and Hypothesis strategies of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from capabilities.marketing.contract import (
    Allowance,
    AmountOff,
    Bundle,
    BundlePart,
    BuyGet,
    Cart,
    CartDelivery,
    CartLine,
    FiredRule,
    FreeDelivery,
    Gift,
    GiftOffer,
    PercentOff,
    PriceTier,
    PricingOptions,
    Quote,
    SetPrice,
    SpendTier,
    SpendTiers,
    Surcharge,
    TierPrice,
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


def priced(
    cart: Cart,
    *rules: FiredRule,
    options: PricingOptions | None = None,
    allowances: Sequence[Allowance] = (),
) -> Quote:
    """The quote of a cart under rules that fired, stage by stage."""
    state = begin(cart, options, allowances={allowance.rule_id: allowance for allowance in allowances})
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
    free_unit=st.sampled_from(["cheapest", "dearest"]),
    repetition=st.sampled_from(["unlimited", "unlimited", "once"]),
)

_limits = {
    "max_units": st.none() | st.integers(1, 5),
    "max_minor": st.none() | st.integers(0, 50_00),
    "target": st.sampled_from(["lines", "lines", "lines", "delivery"]),
    "apply": st.sampled_from(["each", "across"]),
}
_caps = {
    "max_line_minor": st.none() | st.integers(0, 30_00),
    "max_minor": st.none() | st.integers(0, 50_00),
    "partial": st.sampled_from(["allowed", "allowed", "refused"]),
}
_unit_caps = _caps | {"max_unit_minor": st.none() | st.integers(0, 20_00)}
_all_units = {"select": st.just("all"), "select_units": st.none()}
_some_units = {
    "select": st.sampled_from(["cheapest", "dearest", "every_nth"]),
    "select_units": st.integers(1, 12),
}


def selectors() -> st.SearchStrategy[object]:
    """Lines by their sku: all of them, one, some, or those at least so dear."""
    skus = st.lists(st.sampled_from([f"s{n}" for n in range(1, 9)]), min_size=1, max_size=4, unique=True)
    return st.one_of(
        st.none(),
        st.builds(lambda found: {"field": "line.sku", "op": "in", "value": found}, skus),
        st.builds(lambda found: {"field": "line.sku", "op": "not_in", "value": found}, skus),
    )


@st.composite
def _buy_gets(draw: st.DrawFn) -> BuyGet:
    buying = draw(st.sampled_from(["buy_units", "buy_minor"]))
    getting = draw(st.sampled_from(["rate_bps", "amount_minor", "price_minor"]))
    return BuyGet(
        buy=draw(selectors()),
        get=draw(selectors()),
        get_units=draw(st.integers(1, 4)),
        which=draw(st.sampled_from([None, "cheapest", "dearest"])),
        sets=draw(st.sampled_from(["complete", "as_many"])),
        repeat_most=draw(st.none() | st.integers(1, 5)),
        **{buying: draw(st.integers(1, 5) if buying == "buy_units" else st.integers(1, 200_00))},
        **{getting: draw(st.integers(1, 100_00))},
        **{name: draw(strategy) for name, strategy in _unit_caps.items()},
    )


@st.composite
def _bundles(draw: st.DrawFn) -> Bundle:
    worth = draw(st.sampled_from(["price_minor", "rate_bps", "cheapest_free"]))
    count = 1 if worth == "cheapest_free" else draw(st.integers(1, 3))
    parts = [BundlePart(units=draw(st.integers(2, 5)), of=draw(selectors())) for _ in range(count)]
    figure = {"price_minor": st.integers(0, 300_00), "rate_bps": st.integers(1, 10_000), "cheapest_free": st.just(1)}
    caps = {name: draw(strategy) for name, strategy in _caps.items()}
    return Bundle(parts=parts, repeat_most=draw(st.none() | st.integers(1, 5)), **{worth: draw(figure[worth])}, **caps)


@st.composite
def _tier_prices(draw: st.DrawFn) -> TierPrice:
    ends = sorted(draw(st.sets(st.integers(1, 60), max_size=3)))
    tiers = [
        PriceTier(up_to=end, unit_minor=draw(st.integers(0, 150_00)), flat_minor=draw(st.integers(0, 500)))
        for end in (*ends, None)
    ]
    return TierPrice(
        mode=draw(st.sampled_from(["graduated", "volume", "package"])),
        tiers=tiers,
        package_units=draw(st.integers(1, 10)),
        first_free=draw(st.integers(0, 5)),
        apply=draw(st.sampled_from(["each", "across"])),
        **{name: draw(strategy) for name, strategy in _caps.items()},
    )


set_effects = st.one_of(_buy_gets(), _bundles())
capped_effects = st.one_of(
    st.builds(PercentOff, rate_bps=st.integers(1, 15_000), **_limits, **_all_units),
    st.builds(PercentOff, rate_bps=st.integers(1, 15_000), **_unit_caps, **_some_units),
    st.builds(AmountOff, amount_minor=st.integers(1, 300_00), **_limits, **_all_units),
    st.builds(AmountOff, amount_minor=st.integers(1, 300_00), **_unit_caps, **_some_units),
    st.builds(
        SetPrice,
        price_minor=st.integers(0, 100_00),
        target=_limits["target"],
        max_minor=_limits["max_minor"],
        **_all_units,
    ),
    st.builds(FreeDelivery, max_minor=_limits["max_minor"]),
    _tier_prices(),
    st.builds(
        SpendTiers,
        tiers=st.builds(
            lambda start, rate, amount: (
                SpendTier(from_minor=start, rate_bps=rate),
                SpendTier(from_minor=start * 3, amount_minor=amount),
            ),
            st.integers(1, 100_00),
            st.integers(1, 5_000),
            st.integers(1, 90_00),
        ),
        each_time=st.sampled_from(["once", "each_time"]),
        target=_limits["target"],
        **_caps,
    ),
    set_effects,
)
"""Effects that take something off, with a maximum for the order."""

effects = st.one_of(
    capped_effects,
    st.just(Gift(skus=("cap",), units=2)),
    st.builds(Surcharge, rate_bps=st.integers(1, 3_000)),
    st.builds(Surcharge, amount_minor=st.integers(1, 20_00), counted=st.sampled_from(["order", "line", "piece"])),
    st.builds(SetPrice, price_minor=st.integers(0, 30_00), target=st.just("delivery"), raises=st.just("as_surcharge")),
    st.builds(PercentOff, rate_bps=st.integers(1, 10_000), target=st.just("fee")),
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
    gifts = (GiftOffer(sku="cap", unit_price_minor=4_00, tax_rate_bps=700),)
    return a_cart(*lines, deliveries=deliveries, gift_offers=gifts, prices_include_tax=draw(st.booleans()))


@st.composite
def fired_rules(draw: st.DrawFn, cart: Cart, most: int = 8) -> list[FiredRule]:
    """Rules of several stages, groups and grains, some excluding each other, as an engine could have fired them."""
    count = draw(st.integers(0, most))
    groups = {
        name: {
            "mode": draw(st.sampled_from(["stack", "best", "first", "exclusive"])),
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
