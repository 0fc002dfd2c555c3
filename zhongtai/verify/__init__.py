"""The invariants of the business, each an executable check over the whole database."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

from sqlalchemy.orm import Session

from zhongtai.verify import (
    after_sale,
    ledger,
    limits,
    orders,
    payments,
    prices,
    processes,
    promotions,
    settlement,
    stock_and_coupons,
    terms,
    webhooks,
)
from zhongtai.verify.checking import Check, InvariantResult

__all__ = ["InvariantResult", "checks", "verify", "verify_each"]


def checks() -> tuple[Check, ...]:
    """All checks, by the number of their invariant."""
    found = (
        ledger.CHECKS
        + payments.CHECKS
        + orders.CHECKS
        + stock_and_coupons.CHECKS
        + limits.CHECKS
        + processes.CHECKS
        + settlement.CHECKS
        + prices.CHECKS
        + promotions.CHECKS
        + after_sale.CHECKS
        + terms.CHECKS
        + webhooks.CHECKS
    )
    return tuple(sorted(found, key=attrgetter("number")))


def verify_each(session: Session) -> Iterator[InvariantResult]:
    """Run the checks one by one, so that a caller can show progress."""
    for check in checks():
        yield check.run(session)


def verify(session: Session) -> list[InvariantResult]:
    """Run every check; a result without `broken` holds."""
    return list(verify_each(session))
