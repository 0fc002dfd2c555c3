"""Facts of a state, flat and dotted, as the promotions decision names them. A missing value is left out."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from capabilities.marketing.contract import CartLine
from capabilities.marketing.pricing.state import State
from capabilities.marketing.pricing.tax import taxes_of


def order_facts(state: State) -> dict[str, Any]:
    """Facts of the grain `order`; under the option `totals: original`, money as before any discount."""
    if "order" not in state.fact_cache:
        state.fact_cache["order"] = _order_facts(state)
    found = state.fact_cache["order"]
    assert isinstance(found, dict)  # noqa: S101 - tells mypy what the line above stored
    return dict(found)


def line_facts(state: State, line_id: str) -> dict[str, Any]:
    """Facts of the grain `line`: those of the order, and those of this line."""
    if "lines" not in state.fact_cache:
        state.fact_cache["lines"] = {line.id: line for line in state.cart.lines}
        state.fact_cache["ranks"] = _price_ranks(state)
    lines: Any = state.fact_cache["lines"]
    ranks: Any = state.fact_cache["ranks"]
    facts = order_facts(state)
    facts.update(_line_facts(state, lines[line_id], ranks[line_id]))
    return facts


def _order_facts(state: State) -> dict[str, Any]:
    cart, original = state.cart, state.options.totals == "original"
    local = cart.at.astimezone(ZoneInfo(cart.time_zone))
    gross = sum(position.gross_minor for position in state.goods)
    given = 0 if original else sum(position.given_minor for position in state.goods)
    facts = {
        "order.subtotal_minor": gross - given,
        "order.subtotal_with_tax_minor": gross - given + _tax_on_top(state, original=original),
        "order.gross_minor": gross,
        "order.discount_minor": given,
        "order.quantity": sum(line.quantity for line in cart.lines),
        "order.lines": len(cart.lines),
        "order.weight_g": sum(line.weight_g * line.quantity for line in cart.lines),
        "order.currency": cart.currency,
        "order.country": cart.country,
        "order.channel": cart.channel,
        "order.scenario": cart.scenario,
        "order.payment_method": cart.payment_method,
        "order.delivery_sku": cart.deliveries[0].sku if cart.deliveries else None,
        "order.coupon_codes": tuple(sorted(state.usable_coupons)),
        "order.categories": tuple(sorted({line.category for line in cart.lines if line.category})),
        "order.skus": tuple(sorted({line.sku for line in cart.lines})),
        "order.on_date": local.date().isoformat(),
        "order.weekday": str(local.isoweekday()),
        "order.hour": local.hour,
        "buyer.tier": cart.buyer.tier,
        "buyer.tags": cart.buyer.tags,
        "buyer.segments": cart.buyer.segments,
        "buyer.order_number": cart.buyer.order_number,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _tax_on_top(state: State, *, original: bool) -> int:
    if state.cart.prices_include_tax:
        return 0
    goods = [position.less(-position.given_minor) for position in state.goods] if original else state.goods
    return sum(taxes_of(goods, state.options, included=False).values())


def _price_ranks(state: State) -> dict[str, int]:
    by_price = sorted(state.goods, key=lambda position: position.unit_price_minor)
    return {position.id: rank for rank, position in enumerate(by_price, start=1)}


def _line_facts(state: State, line: CartLine, price_rank: int) -> dict[str, Any]:
    position = state.positions[line.id]
    is_reduced = line.list_price_minor is not None and line.unit_price_minor < line.list_price_minor
    return {
        "line.sku": line.sku,
        "line.product": line.product,
        "line.category": line.category,
        "line.brand": line.brand,
        "line.seller": line.seller,
        "line.tags": line.tags,
        "line.quantity": line.quantity,
        "line.unit_price_minor": line.unit_price_minor,
        "line.price_rank": price_rank,
        "line.net_minor": position.gross_minor if state.options.totals == "original" else position.net_minor,
        "line.is_discounted": is_reduced or position.given_minor > 0,
    }
