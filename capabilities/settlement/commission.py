"""What a commission comes to: a share of the base and a flat part a unit, then floor, cap, and never more than the base."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from capabilities.settlement.contract import CommissionRate

Bound = Literal["lowest", "highest", "base"]


@dataclass(frozen=True, slots=True)
class Commission:
    """The commission, the tax on it, and what held it back or lifted it."""

    commission_minor: int
    tax_minor: int
    bounded_by: Bound | None


def commission_of(rate: CommissionRate, *, base_minor: int, quantity: int) -> Commission:
    """The commission on a base net of tax and discount. Half a minor unit is rounded up, once.

    Commission and its tax together never exceed the base: a sale must not cost its seller more than it brought.
    """
    amount = share_of(base_minor, rate.rate_bps) + rate.per_unit_minor * quantity
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
    return Commission(amount, tax, bound)


def share_of(amount_minor: int, rate_bps: int) -> int:
    """So many basis points of an amount, half up."""
    return (amount_minor * rate_bps * 2 + 10_000) // 20_000
