"""Where a line of business may settle its own way: which commission it takes on a line."""

from __future__ import annotations

from collections.abc import Sequence

from capabilities.kernel.extension import ExtensionPoint
from capabilities.settlement.contract import CommissionRate, SoldLine, StoredRate

STANDARD_RATE = CommissionRate(rate_bps=500, reason="platform standard")


def _most_specific(line: SoldLine, rates: Sequence[StoredRate]) -> CommissionRate:
    """The stored rate that fits best: seller and category, seller, nearest category, the business; else 5 %."""
    fitting = [rate for rate in rates if _fits(rate, line)]
    best = max(fitting, key=lambda rate: (rate.seller_id is not None, len(rate.category or ""), rate.id), default=None)
    return STANDARD_RATE if best is None else best.rate


def _fits(rate: StoredRate, line: SoldLine) -> bool:
    covers = rate.category is None or line.category == rate.category or line.category.startswith(f"{rate.category}/")
    return covers and rate.seller_id in (None, line.seller_id)


commission_rate = ExtensionPoint("settlement.commission_rate", _most_specific)
