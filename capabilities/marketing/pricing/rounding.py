"""Rounding of exact fractions to whole minor units. Fractions are kept as numerator and denominator, never as floats."""

from __future__ import annotations

from typing import Literal

from capabilities.marketing.contract import PricingOptions

WHOLE_BPS = 10_000

Rounding = Literal["half_up", "half_even", "down"]


def round_ratio(numerator: int, denominator: int, rounding: Rounding = "half_up") -> int:
    """`numerator / denominator` as a whole number; `denominator` is positive; a negative ratio mirrors the positive one."""
    if numerator < 0:
        return -round_ratio(-numerator, denominator, rounding)
    whole, rest = divmod(numerator, denominator)
    if rounding == "down" or 2 * rest < denominator:
        return whole
    if 2 * rest > denominator or rounding == "half_up":
        return whole + 1
    return whole + whole % 2


def percent_of(base_minor: int, rate_bps: int, options: PricingOptions) -> int:
    """What `rate_bps` off `base_minor` is worth: the price that remains is rounded, or the discount, as declared."""
    if options.round_of == "discount":
        return round_ratio(base_minor * rate_bps, WHOLE_BPS, options.rounding)
    return base_minor - round_ratio(base_minor * (WHOLE_BPS - rate_bps), WHOLE_BPS, options.rounding)


def percent_of_units(base_minor: int, units: int, rate_bps: int, options: PricingOptions) -> int:
    """As `percent_of`, rounded unit by unit.

    The units of a line differ by at most one minor unit (an earlier discount need not divide evenly), so two
    multiplications do, however many units there are.
    """
    each, dearer = divmod(base_minor, units)
    return (units - dearer) * percent_of(each, rate_bps, options) + dearer * percent_of(each + 1, rate_bps, options)
