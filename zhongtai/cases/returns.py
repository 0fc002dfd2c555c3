"""Returns of what a case sold: what each gives back, by the arithmetic that refunds orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from activities.pricing import price_cart
from activities.stage_loop import options_of
from capabilities.marketing.contract import Cart, Quote, QuoteLine
from capabilities.transaction.contract import RefundAdjustment, RefundLine
from capabilities.transaction.refunding import KeptLine, LineAmounts, refund_units
from rules.document import RuleSetDocument
from rules.queries import LiveRelease
from zhongtai.cases.spot import Spot


def read_returns(spot: Spot, cart: Cart) -> tuple[Mapping[str, int], ...]:
    """A list of returns, each `{sku: units}`; skus or ids of lines."""
    ids = {line.sku: line.id for line in cart.lines} | {line.id: line.id for line in cart.lines}
    returns = []
    for one in spot.items():
        found = one.mapping(ids)
        returns.append({ids[name]: units.whole() for name, units in found.items()})
    return tuple(returns)


def refunds_of(
    cart: Cart, document: RuleSetDocument, quote: Quote, returns: Sequence[Mapping[str, int]]
) -> tuple[int, ...]:
    """What each return gives back, in minor units."""
    if not returns:
        return ()
    policy = options_of(document.options).after_return
    lines = [_kept(line) for line in quote.lines]
    refunds = []
    for units in returns:
        repriced = None if policy == "keep" else _kept_alone(cart, document, lines, units)
        moved = refund_units(
            lines,
            units,
            prices_include_tax=cart.prices_include_tax,
            after_return=policy,
            repriced=repriced,
        )
        refunds.append(sum(line.total_minor for line in moved))
        by_id = {line.line_id: line for line in moved}
        lines = [_less(line, by_id.get(line.line_id), units.get(line.line_id, 0)) for line in lines]
    return tuple(refunds)


def _kept(line: QuoteLine) -> KeptLine:
    amounts = _amounts(line)
    return KeptLine(
        line_id=line.id,
        sku=line.sku,
        kind=line.kind,
        seller_id="",
        tax_rate_bps=line.tax_rate_bps,
        quantity=line.quantity,
        sold=amounts,
        kept=amounts,
    )


def _amounts(line: QuoteLine) -> LineAmounts:
    adjustments = tuple(
        RefundAdjustment(
            rule_id=one.rule_id,
            release_id=one.release_id,
            coupon_code=one.coupon_code,
            effect_index=one.effect_index,
            given_minor=one.given_minor,
        )
        for one in line.adjustments
    )
    return LineAmounts(
        net_minor=line.net_minor, tax_minor=line.tax_minor, discount_minor=line.discount_minor, adjustments=adjustments
    )


def _less(line: KeptLine, moved: RefundLine | None, units: int) -> KeptLine:
    """The line after a return took its part."""
    if moved is None:
        return line
    taken = {(one.rule_id, one.effect_index): one.given_minor for one in moved.adjustments}
    adjustments = tuple(
        one.model_copy(update={"given_minor": one.given_minor - taken.get((one.rule_id, one.effect_index), 0)})
        for one in line.kept.adjustments
    )
    kept = LineAmounts(
        net_minor=moved.kept_net_minor,
        tax_minor=moved.kept_tax_minor,
        discount_minor=line.kept.discount_minor - moved.discount_minor,
        adjustments=adjustments,
    )
    return line.model_copy(update={"refunded": line.refunded + units, "kept": kept})


def _kept_alone(
    cart: Cart, document: RuleSetDocument, lines: Sequence[KeptLine], units: Mapping[str, int]
) -> Mapping[str, LineAmounts]:
    """The goods that are kept, priced by themselves."""
    left = {line.line_id: line.units - units.get(line.line_id, 0) for line in lines}
    kept = tuple(line.model_copy(update={"quantity": left[line.id]}) for line in cart.lines if left.get(line.id, 0) > 0)
    if not kept:
        return {}
    alone = price_cart(cart.model_copy(update={"lines": kept}), [LiveRelease.of(document)])
    return {line.id: _amounts(line) for line in alone.lines}
