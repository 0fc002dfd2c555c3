"""Invariants of pricing over random carts, rules and options; the numbers are those of the list of invariants."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from capabilities.marketing.contract import Allowance, AmountOff, Cart, FiredRule, PercentOff, PricingOptions, Quote
from capabilities.marketing.pricing import apply_stage, begin, content_sha256
from capabilities.marketing.pricing.rounding import round_ratio
from tests.capabilities.marketing.carts import (
    a_rule,
    capped_effects,
    carts,
    effects,
    fired_rules,
    options,
    priced,
    set_effects,
)


@st.composite
def priceable(draw: st.DrawFn) -> tuple[Cart, list[FiredRule], PricingOptions]:
    cart = draw(carts())
    return cart, draw(fired_rules(cart)), draw(options)


Case = tuple[Cart, list[FiredRule], PricingOptions]


@given(priceable())
def test_14_lines_and_delivery_less_discounts_plus_tax_on_top_are_the_total(case: Case) -> None:
    cart, rules, how = case
    quote = priced(cart, *rules, options=how)

    on_top = 0 if cart.prices_include_tax else quote.tax_minor
    added = quote.goods_gross_minor + quote.delivery_minor + quote.fee_minor
    assert quote.total_minor == added - quote.discount_minor + on_top
    assert quote.total_minor == sum(line.total_minor for line in quote.lines)
    gifts = sum(line.gross_minor for line in quote.lines if line.is_gift)
    assert quote.goods_gross_minor == gifts + sum(line.unit_price_minor * line.quantity for line in cart.lines)
    assert all(line.net_minor == 0 for line in quote.lines if line.is_gift)
    assert quote.fee_minor == sum(line.gross_minor for line in quote.lines if line.kind == "fee")
    assert quote.tax_minor == sum(line.tax_minor for line in quote.lines)


@given(priceable())
def test_15_what_rules_gave_adds_up_and_no_line_goes_below_its_floor(case: Case) -> None:
    cart, rules, how = case
    quote = priced(cart, *rules, options=how)

    floors = {line.id: min(line.floor_price_minor, line.unit_price_minor) * line.quantity for line in cart.lines}
    for line in quote.lines:
        assert line.discount_minor == sum(adjustment.given_minor for adjustment in line.adjustments)
        assert line.net_minor == line.gross_minor - line.discount_minor
        assert line.net_minor >= floors.get(line.id, 0)
    by_rule = {
        outcome.rule_id: outcome.given_minor for outcome in quote.outcomes if outcome.outcome in ("applied", "capped")
    }
    given_by = dict.fromkeys(by_rule, 0)
    for line in quote.lines:
        for adjustment in line.adjustments:
            given_by[adjustment.rule_id] += adjustment.given_minor
    assert given_by == by_rule


@given(priceable())
def test_16_nothing_is_negative(case: Case) -> None:
    cart, rules, how = case
    quote = priced(cart, *rules, options=how)

    for line in quote.lines:
        assert min(line.gross_minor, line.net_minor, line.tax_minor, line.total_minor, line.discount_minor) >= 0
        for adjustment in line.adjustments:
            assert adjustment.given_minor > 0
            assert adjustment.wished_minor >= 0
    assert quote.total_minor >= 0


@given(priceable())
def test_17_tax_follows_the_discounted_base_under_the_declared_rounding(case: Case) -> None:
    cart, rules, how = case
    quote = priced(cart, *rules, options=how)

    def exact(net: int, rate: int) -> tuple[int, int]:
        return net * rate, 10_000 + (rate if cart.prices_include_tax else 0)

    if how.tax_rounding == "line":
        for line in quote.lines:
            assert line.tax_minor == round_ratio(*exact(line.net_minor, line.tax_rate_bps), how.rounding)
    if how.tax_rounding == "order_rate":
        for rate in {line.tax_rate_bps for line in quote.lines}:
            members = [line for line in quote.lines if line.tax_rate_bps == rate]
            net = sum(line.net_minor for line in members)
            assert sum(line.tax_minor for line in members) == round_ratio(*exact(net, rate), how.rounding)
    for line in quote.lines:
        numerator, denominator = exact(line.net_minor, line.tax_rate_bps)
        # in units of 1/denominator: rounding moves a line by less than one, and a unit by at most one each
        slack = {"line": 1, "order_rate": 1 + (how.remainder != "largest") * len(quote.lines), "unit": line.quantity}
        assert abs(line.tax_minor * denominator - numerator) <= slack[how.tax_rounding] * denominator


def _by_line(quote: Quote) -> dict[str, object]:
    return {line.id: line for line in quote.lines}


@given(priceable(), st.randoms())
def test_24_the_order_in_which_lines_and_fired_rules_are_stored_does_not_matter(case: Case, random: object) -> None:
    cart, rules, how = case
    lines, shuffled = list(cart.lines), list(rules)
    random.shuffle(lines)  # type: ignore[attr-defined]
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    once = priced(cart, *rules, options=how)
    again = priced(cart.model_copy(update={"lines": tuple(lines)}), *shuffled, options=how)

    assert _by_line(again) == _by_line(once)
    assert again.outcomes == once.outcomes
    assert again.content_sha256 == once.content_sha256


@given(priceable(), effects)
def test_25_a_rule_without_its_coupon_changes_no_amount(case: Case, effect: object) -> None:
    cart, rules, how = case
    ineligible = a_rule(99, effect, coupon_code="NOT-ENTERED", exclusive="order", excludes=("r0", "r1"), priority=9)

    without = priced(cart, *rules, options=how)
    beside = priced(cart, *rules, ineligible, options=how)

    assert beside.lines == without.lines
    assert beside.total_minor == without.total_minor


@given(carts(), options, capped_effects, st.integers(0, 100_00), st.integers(0, 100_00))
def test_25_raising_the_maximum_of_a_lone_rule_never_lowers_its_discount(
    cart: Cart, how: PricingOptions, effect: object, one: int, other: int
) -> None:
    low, high = sorted((one, other))

    def discount(maximum: int | None) -> int:
        capped = effect.model_copy(update={"max_minor": maximum})  # type: ignore[attr-defined]
        return priced(cart, a_rule(1, capped), options=how).discount_minor

    assert discount(low) <= discount(high) <= discount(None)
    assert discount(low) <= low


@given(carts(), options, st.integers(1, 15_000), st.integers(1, 300_00), st.integers(1, 20))
def test_25_raising_the_units_of_a_lone_rule_never_lowers_its_discount(
    cart: Cart, how: PricingOptions, rate: int, amount: int, units: int
) -> None:
    for effect in (PercentOff(rate_bps=rate), AmountOff(amount_minor=amount, apply="each")):
        given_ = [
            priced(cart, a_rule(1, effect.model_copy(update={"max_units": u})), options=how).discount_minor
            for u in (units, units + 1, None)
        ]
        assert given_ == sorted(given_)


@given(carts(), options, st.lists(set_effects, min_size=1, max_size=4))
def test_23_no_unit_counts_in_two_sets(cart: Cart, how: PricingOptions, found: list[object]) -> None:
    quote = priced(cart, *(a_rule(number, effect) for number, effect in enumerate(found)), options=how)

    for line in quote.lines:
        got = sum(adjustment.units for adjustment in line.adjustments)
        assert got <= line.set_units <= line.quantity


@given(carts(), options, st.lists(capped_effects, min_size=1, max_size=3), st.integers(0, 200_00), st.booleans())
def test_21_a_rule_gives_no_more_than_its_budget_leaves(
    cart: Cart, how: PricingOptions, found: list[object], left: int, partial: bool
) -> None:
    rule = a_rule(1, *found)
    allowance = Allowance(rule_id="r1", money_left_minor=left, partial=partial, by="autumn")

    free = priced(cart, rule, options=how)
    within = priced(cart, rule, options=how, allowances=(allowance,))

    assert within.discount_minor <= min(left, free.discount_minor)
    if free.discount_minor <= left:
        assert within.lines == free.lines
    elif partial and len(found) == 1:
        assert within.discount_minor == left
    elif not partial:
        assert within.discount_minor == 0


@given(priceable())
def test_rules_of_later_stages_do_not_change_what_earlier_ones_gave(case: Case) -> None:
    cart, rules, how = case
    plain = [rule.model_copy(update={"exclusive": "no"}) for rule in rules]
    first = [rule for rule in plain if rule.stage == 10]

    def given_in_stage_10(quote: Quote) -> list[tuple[str, str, int]]:
        return sorted(
            (line.id, one.rule_id, one.given_minor)
            for line in quote.lines
            for one in line.adjustments
            if one.stage == 10
        )

    alone, all_of_them = priced(cart, *first, options=how), priced(cart, *plain, options=how)
    assert given_in_stage_10(alone) == given_in_stage_10(all_of_them)


@given(priceable())
def test_the_hash_is_of_the_content_and_not_of_id_and_times(case: Case) -> None:
    cart, rules, how = case
    quote = priced(cart, *rules, options=how)

    again = priced(cart, *rules, options=how)
    other_id = quote.model_copy(update={"id": "quo_2", "expires_at": quote.expires_at.replace(year=2030)})

    assert again == quote
    assert content_sha256(other_id) == quote.content_sha256
    dearer = quote.model_copy(update={"total_minor": quote.total_minor + 1})
    assert content_sha256(dearer) != quote.content_sha256


@given(priceable())
def test_of_rules_that_exclude_each_other_only_one_stands(case: Case) -> None:
    cart, rules, how = case
    state = begin(cart, how)
    for stage in (10, 30, 40):
        state = apply_stage(state, stage, rules)

    gave = {e.rule.rule_id for e in state.endings if e.outcome in ("applied", "capped")}
    # whatever was not struck, also where it lost in its group or had no room
    standing = {e.rule.rule_id: e.rule for e in state.endings if e.outcome != "excluded"}
    for rule in standing.values():
        others = [other for other in standing.values() if other is not rule]
        beside = [other for other in others if other.stage == rule.stage]
        assert not [other for other in beside if other.rule_id in rule.excludes]
        assert not (beside and rule.exclusive != "no")
        assert not [x for x in others if x.rule_id in rule.excludes and {x.rule_id, rule.rule_id} <= gave]
    if state.closed_by is not None:
        assert gave <= {state.closed_by.rule_id}
