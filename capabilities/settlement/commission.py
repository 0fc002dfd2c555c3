"""What a commission comes to: shares and flat parts, then floor and cap, and never more than the base; what a refund keeps.

Pure: whole numbers in, whole numbers out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from capabilities.settlement.commission_types import Bound, CommissionRate, Fees


@dataclass(frozen=True, slots=True)
class Commission:
    """The commission, the tax on it, what else is taken, and what held it back or lifted it."""

    commission_minor: int
    tax_minor: int
    bounded_by: Bound | None
    channel_fee_minor: int = 0
    withheld_minor: int = 0


def commission_of(
    rate: CommissionRate, *, base_minor: int, quantity: int, is_first: bool = True, volume_minor: int = 0
) -> Commission:
    """The commission on a base net of tax and discount. Half a minor unit is rounded up, once.

    All that is taken together never exceeds the base: a sale must not cost its seller more than it brought. What an order
    pays once is taken where `is_first`; graduated tiers by volume begin where the seller's volume stood before the sale.
    """
    start = volume_minor if rate.tiers_by == "volume" else 0
    graduated, entered = _graduated(rate, start, base_minor)
    amount = _half_up(base_minor * rate.rate_bps + graduated, 10_000) + entered + rate.per_unit_minor * quantity
    amount += rate.per_order_minor if is_first else 0
    bound: Bound | None = None
    if amount < rate.lowest_minor:
        amount, bound = rate.lowest_minor, "lowest"
    if rate.highest_minor is not None and amount > rate.highest_minor:
        amount, bound = rate.highest_minor, "highest"
    tax = share_of(amount, rate.tax_rate_bps)
    if amount + tax > base_minor:
        # the part of the base which, with the tax on it, uses it up
        amount = base_minor * 10_000 // (10_000 + rate.tax_rate_bps)
        tax, bound = base_minor - amount, "base"
    left = base_minor - amount - tax
    channel = share_of(base_minor, rate.channel_rate_bps) + (rate.channel_flat_minor if is_first else 0)
    channel = min(channel, left)
    withheld = min(share_of(left - channel, rate.withheld_bps), left - channel)
    return Commission(amount, tax, bound, channel, withheld)


def share_of(amount_minor: int, rate_bps: int) -> int:
    """So many basis points of an amount, half up."""
    return _half_up(amount_minor * rate_bps, 10_000)


def kept_of(frozen: Fees, kept_base_minor: int) -> Fees:
    """What stands of a frozen commission when only so much of its base is kept.

    Each part is the frozen one times kept base over base, half up; the running sum of the parts is rounded, so that they
    add up to a share of all that was taken, and the seller's part neither falls when more is kept nor rises when less is.
    """
    if frozen.base_minor == 0:
        return Fees(base_minor=kept_base_minor, commission_minor=0)
    sums, taken = [0], 0
    for part in (frozen.commission_minor, frozen.tax_minor, frozen.channel_fee_minor, frozen.withheld_minor):
        taken += part
        sums.append(_half_up(taken * kept_base_minor, frozen.base_minor))
    commission, tax, channel, withheld = (after - before for before, after in pairwise(sums))
    return Fees(
        base_minor=kept_base_minor,
        commission_minor=commission,
        tax_minor=tax,
        channel_fee_minor=channel,
        withheld_minor=withheld,
    )


def _graduated(rate: CommissionRate, start_minor: int, base_minor: int) -> tuple[int, int]:
    """The tiers' shares of what lies in each (still times 10,000), and the flat parts of the tiers that were entered."""
    end = start_minor + base_minor
    shares = flats = 0
    for position, tier in enumerate(rate.tiers):
        following = rate.tiers[position + 1].above_minor if position + 1 < len(rate.tiers) else None
        upper = end if following is None else min(end, following)
        inside = upper - max(start_minor, tier.above_minor)
        if inside > 0:
            shares += inside * tier.rate_bps
            flats += tier.flat_minor if start_minor <= tier.above_minor else 0
    return shares, flats


def _half_up(numerator: int, denominator: int) -> int:
    """The quotient, half up; a negative one mirrors the positive."""
    if numerator < 0:
        return -_half_up(-numerator, denominator)
    return (numerator * 2 + denominator) // (denominator * 2)
