"""The end of pricing: taxes, totals, what became of coupons and rules, and a hash of all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import gcd
from typing import Any

from capabilities.marketing.contract import Adjustment, CouponUse, Hint, Quote, QuoteLine, RuleOutcome
from capabilities.marketing.pricing.state import ALGORITHM, Applied, Ending, Position, State, natural_key, normal_code
from capabilities.marketing.pricing.tax import taxes_of


def finish(
    state: State,
    *,
    quote_id: str,
    created_at: datetime,
    expires_at: datetime,
    release_ids: Sequence[str] = (),
    coupons: Mapping[str, CouponUse] | None = None,
    hints: Sequence[Hint] = (),
    algorithm: str = ALGORITHM,
) -> Quote:
    """The quote of a state. `coupons` tells of codes that cannot be used (by code in capitals) why not.

    `algorithm` is an older version where a quote of then is computed again.
    """
    included = state.cart.prices_include_tax
    taxes = taxes_of(state.positions.values(), state.options, included=included)
    by_position: dict[str, list[Adjustment]] = {}
    for applied in state.applied:
        if applied.grant.given_minor:
            by_position.setdefault(applied.grant.position_id, []).append(_adjustment(applied))
    ordered = [*(line.id for line in state.cart.lines), *(delivery.id for delivery in state.cart.deliveries)]
    order = [*ordered, *sorted(set(state.positions) - set(ordered), key=natural_key)]
    lines = tuple(_line(state.positions[i], tuple(by_position.get(i, ())), taxes[i], included=included) for i in order)
    tax = sum(taxes.values())
    goods_gross, delivery, fee = (_gross(state, kind) for kind in ("goods", "delivery", "fee"))
    discount = sum(position.given_minor for position in state.positions.values())
    quote = Quote(
        id=quote_id,
        business=state.cart.business,
        currency=state.cart.currency,
        prices_include_tax=included,
        lines=lines,
        goods_gross_minor=goods_gross,
        discount_minor=discount,
        delivery_minor=delivery,
        fee_minor=fee,
        tax_minor=tax,
        total_minor=goods_gross + delivery + fee - discount + (0 if included else tax),
        coupons=_coupon_uses(state, coupons or {}),
        outcomes=tuple(_outcome(ending) for ending in state.endings),
        rewards=state.rewards,
        messages=state.messages,
        hints=tuple(hints),
        gifts=state.gifts,
        release_ids=tuple(release_ids),
        algorithm=algorithm,
        content_sha256="",
        created_at=created_at,
        expires_at=expires_at,
    )
    return quote.model_copy(update={"content_sha256": content_sha256(quote)})


def _gross(state: State, kind: str) -> int:
    return sum(position.gross_minor for position in state.positions.values() if position.kind == kind)


def content_sha256(quote: Quote) -> str:
    """Hash of everything but the quote's id and times; the order in which lines are stored does not matter."""
    body = quote.model_dump(mode="json", exclude={"id", "created_at", "expires_at", "content_sha256"})
    if quote.algorithm == "pricing-1":
        _as_the_first_version_had_it(body)
    body["lines"].sort(key=lambda line: (line["kind"], line["id"]))
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _as_the_first_version_had_it(body: dict[str, Any]) -> None:
    """What quotes have learned to say since is left out, so that a quote of then is still the quote it was."""
    for name in ("fee_minor", "rewards", "messages", "hints", "gifts"):
        del body[name]
    for line in body["lines"]:
        del line["is_gift"], line["fee_rule_id"], line["set_units"]
    for outcome in body["outcomes"]:
        del outcome["is_otherwise"], outcome["limited_by"]


def _adjustment(applied: Applied) -> Adjustment:
    rule, grant = applied.rule, applied.grant
    return Adjustment(
        rule_id=rule.rule_id,
        rule_name=rule.name,
        rule_set_id=rule.rule_set_id,
        release_id=rule.release_id,
        effect=rule.effects[applied.effect_index].kind,
        effect_index=applied.effect_index,
        stage=rule.stage,
        coupon_code=rule.coupon_code,
        base_minor=grant.base_minor,
        wished_minor=grant.wished_minor,
        given_minor=grant.given_minor,
        units=grant.units,
        capped_by=grant.capped_by,
        exact_minor=_exact(*grant.exact, grant.wished_minor),
    )


def _exact(numerator: int, denominator: int, wished: int) -> str | None:
    if numerator == wished * denominator:
        return None
    common = gcd(numerator, denominator)
    return f"{numerator // common}/{denominator // common}"


def _line(position: Position, adjustments: tuple[Adjustment, ...], tax: int, *, included: bool) -> QuoteLine:
    return QuoteLine(
        id=position.id,
        kind=position.kind,
        sku=position.sku,
        quantity=position.quantity,
        unit_price_minor=position.unit_price_minor,
        gross_minor=position.gross_minor,
        adjustments=adjustments,
        discount_minor=position.given_minor,
        net_minor=position.net_minor,
        tax_rate_bps=position.tax_rate_bps,
        tax_minor=tax,
        total_minor=position.net_minor + (0 if included else tax),
        is_gift=position.is_gift,
        fee_rule_id=position.rule_id if position.kind == "fee" else None,
        set_units=position.set_units,
    )


def _coupon_uses(state: State, known: Mapping[str, CouponUse]) -> tuple[CouponUse, ...]:
    used = {normal_code(rule.coupon_code) for rule in state.acted if rule.coupon_code}
    codes = dict.fromkeys(normal_code(code) for code in state.cart.coupon_codes)
    return tuple(
        CouponUse(code=code, state="applied")
        if code in used
        else known.get(code) or CouponUse(code=code, state="not_applicable")
        for code in codes
    )


def _outcome(ending: Ending) -> RuleOutcome:
    return RuleOutcome(
        rule_id=ending.rule.rule_id,
        rule_name=ending.rule.name,
        release_id=ending.rule.release_id,
        stage=ending.rule.stage,
        outcome=ending.outcome,
        by_rule_id=ending.by,
        wished_minor=ending.wished_minor,
        given_minor=ending.given_minor,
        is_otherwise=ending.rule.is_otherwise,
        limited_by=ending.limited_by,
    )
