"""Facts of a state, flat and dotted, as the promotions decision names them. A missing value is left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from capabilities.kernel.expression import aggregate_named
from capabilities.marketing.contract import CartBuyer, CartLine
from capabilities.marketing.pricing.state import State
from capabilities.marketing.pricing.tax import taxes_of


def order_facts(state: State) -> dict[str, Any]:
    """Facts of the grain `order`; under the option `totals: original`, money as before any discount."""
    if "order" not in state.fact_cache:
        state.fact_cache["order"] = _order_facts(state)
    found = state.fact_cache["order"]
    assert isinstance(found, dict)  # noqa: S101 - tells mypy what the line above stored
    return dict(found)


def learn_aggregates(state: State, names: Iterable[str]) -> None:
    """Work out facts over lines by their names; from then on they are among the facts of the order and of its lines."""
    known = order_facts(state)
    missing = [name for name in names if name not in known]
    if not missing:
        return
    lines = [line_facts(state, position.id) for position in state.goods]
    learnt = {name: value for name in missing if (value := _aggregate(name, lines)) is not None}
    state.fact_cache["order"] = known | learnt


def _aggregate(name: str, lines: Sequence[Mapping[str, Any]]) -> int | None:
    aggregate = aggregate_named(name)
    return None if aggregate is None else aggregate.value(lines)


def line_facts(state: State, line_id: str) -> dict[str, Any]:
    """Facts of the grain `line`: those of the order, and those of this line."""
    if "lines" not in state.fact_cache:
        state.fact_cache["lines"] = {line.id: line for line in state.cart.lines}
        state.fact_cache["ranks"] = _price_ranks(state)
        state.fact_cache["numbers"] = {line.id: number for number, line in enumerate(state.goods, start=1)}
    lines: Any = state.fact_cache["lines"]
    ranks: Any = state.fact_cache["ranks"]
    numbers: Any = state.fact_cache["numbers"]
    facts = order_facts(state)
    facts.update(_line_facts(state, lines[line_id], ranks[line_id], numbers[line_id]))
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
        **_so_far(state, gross - given, original=original),
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
        "order.minute_of_day": local.hour * 60 + local.minute,
        "buyer.tier": cart.buyer.tier,
        "buyer.tags": cart.buyer.tags,
        "buyer.segments": cart.buyer.segments,
        "buyer.order_number": cart.buyer.order_number,
        "buyer.lifetime_minor": cart.buyer.lifetime_minor,
        "buyer.points": cart.buyer.points,
        **_days_of(cart.buyer, local),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _so_far(state: State, goods_minor: int, *, original: bool) -> dict[str, Any]:
    """Delivery, surcharges and total as they stand, and what has been applied: rules and campaigns by name."""
    delivery, fee = (
        sum(position.gross_minor if original else position.net_minor for position in positions)
        for positions in (state.deliveries, state.fees)
    )
    return {
        "order.delivery_minor": delivery,
        "order.fee_minor": fee,
        "order.total_minor": goods_minor + delivery + fee,
        "order.promotions": tuple(dict.fromkeys(rule.name for rule in state.acted)),
        "order.campaigns": tuple(dict.fromkeys(rule.campaign for rule in state.acted if rule.campaign)),
    }


def _days_of(buyer: CartBuyer, local: datetime) -> dict[str, Any]:
    """Days in the buyer's life as a customer, in the business's zone. Born on 29 February means 1 March elsewhen."""
    found: dict[str, Any] = {"buyer.is_birthday": False}
    today = local.date()
    if buyer.first_order_at is not None:
        found["buyer.days_since_first_order"] = (today - buyer.first_order_at.astimezone(local.tzinfo).date()).days
    if buyer.birthday is not None:
        next_one = _birthday_in(today.year, buyer.birthday)
        if next_one < today:
            next_one = _birthday_in(today.year + 1, buyer.birthday)
        found |= {"buyer.is_birthday": next_one == today, "buyer.days_to_birthday": (next_one - today).days}
    return found


def _birthday_in(year: int, birthday: date) -> date:
    try:
        return birthday.replace(year=year)
    except ValueError:
        return date(year, 3, 1)


def _tax_on_top(state: State, *, original: bool) -> int:
    if state.cart.prices_include_tax:
        return 0
    goods = [position.less(-position.given_minor) for position in state.goods] if original else state.goods
    return sum(taxes_of(goods, state.options, included=False).values())


def _price_ranks(state: State) -> dict[str, int]:
    by_price = sorted(state.goods, key=lambda position: position.unit_price_minor)
    return {position.id: rank for rank, position in enumerate(by_price, start=1)}


def _line_facts(state: State, line: CartLine, price_rank: int, number: int) -> dict[str, Any]:
    position = state.positions[line.id]
    is_reduced = line.list_price_minor is not None and line.unit_price_minor < line.list_price_minor
    return {
        "line.sku": line.sku,
        "line.product": line.product,
        "line.category": line.category,
        "line.brand": line.brand,
        "line.seller": line.seller,
        "line.tags": line.tags,
        "line.attributes": tuple(f"{name}={value}" for name, value in sorted(line.attributes.items())),
        "line.position": number,
        "line.weight_g": line.weight_g,
        "line.quantity": line.quantity,
        "line.unit_price_minor": line.unit_price_minor,
        "line.price_rank": price_rank,
        "line.net_minor": position.gross_minor if state.options.totals == "original" else position.net_minor,
        "line.is_discounted": is_reduced or position.given_minor > 0,
    }
