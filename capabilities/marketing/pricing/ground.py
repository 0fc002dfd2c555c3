"""What an effect works on, and how its worth comes off: within each line's room, its caps, and the order's maximum."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from capabilities.kernel.expression import Condition, holds
from capabilities.marketing.contract import PricingOptions
from capabilities.marketing.pricing.rounding import WHOLE_BPS, percent_of, percent_of_units
from capabilities.marketing.pricing.splitting import split, split_within
from capabilities.marketing.pricing.state import CappedBy, Grant, Position

Ratio = tuple[int, int]
"""Numerator and denominator of an exact amount in minor units."""

LineFactsOf = Callable[[str], Mapping[str, Any]]


def _no_facts(_: str) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Ground:
    """What an effect works on: the positions it aims at (in canonical order) and how to compute.

    `goods` are all lines of the order, `facts` those of a line as the stage began; selectors are asked of them.
    """

    positions: Sequence[Position]
    options: PricingOptions
    prices_include_tax: bool
    goods: Sequence[Position] = ()
    facts: LineFactsOf = _no_facts

    def selected(self, selector: Condition | None) -> Sequence[Position]:
        """The lines a selector means; without one those the effect aims at."""
        if selector is None:
            return self.positions
        return [position for position in self.goods if holds(selector, self.facts(position.id))]


@dataclass(frozen=True, slots=True)
class Caps:
    """What an effect declares as most it gives: a unit, a line, an order; and whether less than that will do."""

    unit_minor: int | None = None
    line_minor: int | None = None
    order_minor: int | None = None
    is_partial: bool = True

    @classmethod
    def of(cls, effect: Any) -> Caps:
        """The caps of an effect, as far as it has any."""
        return cls(
            getattr(effect, "max_unit_minor", None),
            getattr(effect, "max_line_minor", None),
            getattr(effect, "max_minor", None),
            getattr(effect, "partial", "allowed") == "allowed",
        )

    def of_line(self, units: int) -> tuple[int | None, CappedBy | None]:
        """The most so many units of a line get, and which cap says so."""
        by_unit = None if self.unit_minor is None else self.unit_minor * units
        if by_unit is not None and (self.line_minor is None or by_unit < self.line_minor):
            return by_unit, "unit"
        return self.line_minor, None if self.line_minor is None else "line"


@dataclass(frozen=True, slots=True)
class Share:
    """What an effect is about to give one position: of which base, for how many units, at most how much."""

    position: Position
    base_minor: int
    units: int
    wished_minor: int
    exact: Ratio
    limit_minor: int
    """The most these units can be given: what they cost, within the room of the line."""
    set_units: int = 0


def give_each(shares: Sequence[Share], caps: Caps, options: PricingOptions) -> list[Grant]:
    """Position by position, within its room; a maximum for the order is split in proportion to what each would get."""
    asked: list[int] = []
    causes: list[CappedBy | None] = []
    for share in shares:
        most, cause = caps.of_line(share.units)
        is_capped = most is not None and share.wished_minor > most
        asked.append(most if is_capped and most is not None else share.wished_minor)
        causes.append(cause if is_capped else None)
    given = [min(ask, share.limit_minor) for ask, share in zip(asked, shares, strict=True)]
    by_max = caps.order_minor is not None and sum(given) > caps.order_minor
    if not caps.is_partial and any(share.wished_minor > share.limit_minor for share in shares):
        given, by_max = [0] * len(given), False
    elif caps.order_minor is not None and by_max:
        given = split_within(caps.order_minor, given, given, options.remainder)
    return _granted(shares, given, ["max" if by_max else cause for cause in causes])


def give_across(
    shares: Sequence[Share], total: int, weights: Sequence[int], caps: Caps, options: PricingOptions, *, exact: Ratio
) -> list[Grant]:
    """One amount over all positions, by their weights, within what each of them has room for."""
    if not shares:
        return []
    limits: list[int] = []
    causes: list[CappedBy | None] = []
    for share in shares:
        most, cause = caps.of_line(share.units)
        is_capped = most is not None and most < share.limit_minor
        limits.append(most if is_capped and most is not None else share.limit_minor)
        causes.append(cause if is_capped else None)
    amount = total if caps.order_minor is None else min(total, caps.order_minor)
    wished = split(total, weights, options.remainder)
    given = split_within(amount, weights, limits, options.remainder)
    by_max = sum(given) == amount < total
    if not caps.is_partial and sum(share.limit_minor for share in shares) < total:
        given, by_max = [0] * len(given), False
    weight = sum(weights) or len(weights)
    parts = [(exact[0] * (w if any(weights) else 1), exact[1] * weight) for w in weights]
    split_shares = [
        Share(s.position, s.base_minor, s.units, wish, part, s.limit_minor, s.set_units)
        for s, wish, part in zip(shares, wished, parts, strict=True)
    ]
    return _granted(split_shares, given, ["max" if by_max else cause for cause in causes])


def _granted(shares: Sequence[Share], given: Sequence[int], causes: Sequence[CappedBy | None]) -> list[Grant]:
    grants = []
    for share, gift, cause in zip(shares, given, causes, strict=True):
        at_limit: CappedBy = "floor" if share.position.floor_price_minor else "price"
        capped_by = None if gift >= share.wished_minor else (cause or at_limit)
        grants.append(
            Grant(
                share.position.id,
                share.base_minor,
                share.wished_minor,
                gift,
                share.units,
                share.exact,
                capped_by,
                share.set_units,
            )
        )
    return grants


def percents(bases: Sequence[int], units: Sequence[int], rate_bps: int, options: PricingOptions) -> list[int]:
    """What a rate is worth on each base, rounded as declared: by line, by unit, or once for all of them."""
    if options.rounding_level == "order" and bases:
        # one rounding for all lines of the rule; the exact discounts are in proportion to the bases
        return split(percent_of(sum(bases), rate_bps, options), bases, options.remainder)
    if options.rounding_level == "unit":
        return [percent_of_units(b, u, rate_bps, options) if u else 0 for b, u in zip(bases, units, strict=True)]
    return [percent_of(base, rate_bps, options) for base in bases]


def weights_of(positions: Sequence[Position], options: PricingOptions, *, prices_include_tax: bool) -> list[int]:
    """By what an amount over several positions is split, as declared."""
    kind = options.weights
    if kind == "quantity":
        return [position.quantity for position in positions]
    if kind == "original":
        return [position.gross_minor for position in positions]
    if kind == "gross" and not prices_include_tax:
        return [position.net_minor * (WHOLE_BPS + position.tax_rate_bps) for position in positions]
    return [position.net_minor for position in positions]
