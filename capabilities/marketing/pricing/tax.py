"""Tax on what is left after discounts, included in the prices or on top of them."""

from __future__ import annotations

from collections.abc import Iterable

from capabilities.marketing.contract import PricingOptions
from capabilities.marketing.pricing.rounding import WHOLE_BPS, round_ratio
from capabilities.marketing.pricing.splitting import split
from capabilities.marketing.pricing.state import Position


def tax_of(net_minor: int, rate_bps: int, options: PricingOptions, *, included: bool) -> int:
    """Tax of one amount: net × rate, or the part net × rate / (1 + rate) of a price that includes it."""
    return round_ratio(net_minor * rate_bps, WHOLE_BPS + (rate_bps if included else 0), options.rounding)


def taxes_of(positions: Iterable[Position], options: PricingOptions, *, included: bool) -> dict[str, int]:
    """Tax of every position by its id, under the declared level of rounding.

    Rounded once per order and rate it is split back to the lines, so that a refund knows each line's share.
    """
    if options.tax_rounding == "unit":
        return {position.id: _tax_by_unit(position, options, included=included) for position in positions}
    if options.tax_rounding == "line":
        return {
            position.id: tax_of(position.net_minor, position.tax_rate_bps, options, included=included)
            for position in positions
        }
    by_rate: dict[int, list[Position]] = {}
    for position in positions:
        by_rate.setdefault(position.tax_rate_bps, []).append(position)
    taxes: dict[str, int] = {}
    for rate_bps, members in by_rate.items():
        nets = [member.net_minor for member in members]
        parts = split(tax_of(sum(nets), rate_bps, options, included=included), nets, options.remainder)
        taxes.update(zip((member.id for member in members), parts, strict=True))
    return taxes


def _tax_by_unit(position: Position, options: PricingOptions, *, included: bool) -> int:
    each, dearer = divmod(position.net_minor, position.quantity)
    rate_bps = position.tax_rate_bps
    return (position.quantity - dearer) * tax_of(each, rate_bps, options, included=included) + dearer * tax_of(
        each + 1, rate_bps, options, included=included
    )
