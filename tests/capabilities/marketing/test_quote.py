"""What a quote tells: adjustments with what was wished exactly, and what held it back."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from capabilities.kernel.errors import InvalidError
from capabilities.marketing.contract import AmountOff, PercentOff, PricingOptions, SetPrice
from capabilities.marketing.pricing import begin, line_facts, order_facts
from capabilities.marketing.pricing.effects import Ground, grants_of
from tests.capabilities.marketing.carts import a_cart, a_line, a_rule, priced


def test_an_adjustment_keeps_what_was_wished_exactly_where_rounding_moved_it() -> None:
    quote = priced(a_cart(a_line(1, 10_50), a_line(2, 10_00)), a_rule(1, PercentOff(rate_bps=1500)))

    first, second = (line.adjustments[0] for line in quote.lines)
    assert (first.base_minor, first.exact_minor, first.wished_minor, first.given_minor) == (10_50, "315/2", 1_57, 1_57)
    assert (second.exact_minor, second.wished_minor) == (None, 1_50)


def test_an_amount_over_three_lines_tells_each_third() -> None:
    quote = priced(a_cart(*(a_line(n, 20_00) for n in (1, 2, 3))), a_rule(1, AmountOff(amount_minor=10_00)))

    assert [line.adjustments[0].exact_minor for line in quote.lines] == ["1000/3"] * 3


@pytest.mark.parametrize(
    ("line", "effect", "capped_by"),
    [
        (a_line(1, 10_00), AmountOff(amount_minor=5_00), None),
        (a_line(1, 10_00), AmountOff(amount_minor=15_00), "price"),
        (a_line(1, 10_00, floor_price_minor=8_00), AmountOff(amount_minor=5_00), "floor"),
        (a_line(1, 10_00), AmountOff(amount_minor=5_00, max_minor=2_00), "max"),
        (a_line(1, 10_00), PercentOff(rate_bps=5000, max_minor=2_00), "max"),
        (a_line(1, 10_00, floor_price_minor=8_00), SetPrice(price_minor=5_00), "floor"),
    ],
)
def test_what_held_a_discount_back_is_named(line: object, effect: object, capped_by: str | None) -> None:
    [adjustment] = priced(a_cart(line), a_rule(1, effect)).lines[0].adjustments

    assert adjustment.capped_by == capped_by


def test_two_lines_of_the_same_id_are_refused() -> None:
    with pytest.raises(InvalidError, match="same id"):
        begin(a_cart(a_line(1), a_line(1)))


def test_an_effect_without_arithmetic_is_refused_and_not_ignored() -> None:
    class Confetti(BaseModel):
        kind: str = "confetti"

    with pytest.raises(InvalidError, match="confetti"):
        grants_of(Confetti(), Ground((), PricingOptions(), prices_include_tax=False))


def test_line_ten_comes_after_line_two() -> None:
    lines = [a_line(n, 1_00) for n in (10, 2, 1)]
    quote = priced(a_cart(*lines), a_rule(1, AmountOff(amount_minor=2)))

    assert {line.id: line.discount_minor for line in quote.lines} == {"l1": 1, "l2": 1, "l10": 0}
    assert [line.id for line in quote.lines] == ["l10", "l2", "l1"]


def test_facts_leave_out_what_is_missing_and_know_the_local_day() -> None:
    cart = a_cart(a_line(1, 30_00, 2, weight_g=250, tax_rate_bps=1000, list_price_minor=40_00), a_line(2, 5_00))
    state = begin(cart.model_copy(update={"time_zone": "Pacific/Auckland"}))

    facts = line_facts(state, "l1")

    assert "order.scenario" not in facts
    assert "order.delivery_sku" not in facts
    assert (facts["order.on_date"], facts["order.weekday"], facts["order.hour"]) == ("2026-11-25", "3", 23)
    assert (facts["order.subtotal_minor"], facts["order.subtotal_with_tax_minor"]) == (65_00, 71_00)
    assert (facts["order.quantity"], facts["order.lines"], facts["order.weight_g"]) == (3, 2, 500)
    assert (facts["line.is_discounted"], facts["line.price_rank"], facts["line.net_minor"]) == (True, 2, 60_00)
    assert line_facts(state, "l2")["line.is_discounted"] is False
    assert order_facts(state).items() <= facts.items()
