"""What can be asked of commission: frozen lines, what refunds took back of them, and the table of rates."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from threading import Lock
from typing import Any

from sqlalchemy import ScalarSelect, func, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from capabilities.settlement.contract import CommissionLine, CommissionRate, CommissionReversal, Fees, StoredRate
from capabilities.settlement.models import CommissionLineRow, CommissionRateRow, CommissionReversalRow

RATE_FIELDS = tuple(CommissionRate.model_fields)
FEE_FIELDS = tuple(Fees.model_fields)


def commissions_of(session: Session, order_id: str) -> tuple[CommissionLine, ...]:
    """The frozen commission lines of an order, by line."""
    rows = session.scalars(
        select(CommissionLineRow)
        .where(CommissionLineRow.order_id == order_id)
        .execution_options(populate_existing=True)
    )
    return lines_from(rows)


def lines_from(rows: Iterable[CommissionLineRow]) -> tuple[CommissionLine, ...]:
    """Rows as others see them, by line."""
    return tuple(_line(row) for row in sorted(rows, key=lambda row: row.line_id))


def reversals_of(session: Session, refund_id: str) -> tuple[CommissionReversal, ...]:
    """What a refund took back of commissions and earnings, by line."""
    return _reversals(session, CommissionReversalRow.refund_id == refund_id)


def reversals_of_order(session: Session, order_id: str) -> tuple[CommissionReversal, ...]:
    """What all refunds of an order took back, by line, the earliest first."""
    return _reversals(session, CommissionReversalRow.order_id == order_id)


def _reversals(session: Session, condition: object) -> tuple[CommissionReversal, ...]:
    rows = session.scalars(
        select(CommissionReversalRow)
        .where(condition)  # type: ignore[arg-type]
        .order_by(CommissionReversalRow.line_id, CommissionReversalRow.reversed_at, CommissionReversalRow.id)
        .execution_options(populate_existing=True)
    )
    return tuple(reversal_from(row) for row in rows)


def volumes_of(
    session: Session, business: str, sellers: Sequence[str], *, currency: str, since: datetime
) -> dict[str, int]:
    """What each seller sold since a moment in a currency, untaxed, before any refund."""
    found = session.execute(
        select(CommissionLineRow.seller_id, func.sum(CommissionLineRow.base_minor))
        .where(
            CommissionLineRow.business == business,
            CommissionLineRow.seller_id.in_(sellers),
            CommissionLineRow.currency == currency,
            CommissionLineRow.status == "frozen",
            CommissionLineRow.frozen_at >= since,
        )
        .group_by(CommissionLineRow.seller_id)
    )
    return {seller_id: int(total) for seller_id, total in found}


RATES_KEPT = 64
_kept: OrderedDict[tuple[str, str], tuple[StoredRate, ...]] = OrderedDict()
_kept_lock = Lock()


@lru_cache(maxsize=256)
def rates_revision(business: str) -> ScalarSelect[str]:
    """A text that is another one whenever a rate of the business has changed; a part of another statement, or alone."""
    in_order: Any = aggregate_order_by(literal_column("','"), CommissionRateRow.id)
    return (
        select(func.coalesce(func.md5(func.string_agg(CommissionRateRow.revision, in_order)), ""))
        .where(CommissionRateRow.business == business)
        .scalar_subquery()
    )


def rates_at(session: Session, business: str, revision: str) -> tuple[StoredRate, ...]:
    """The table of rates of a business whose revision was just read: from memory where it is known already."""
    with _kept_lock:
        known = _kept.get((business, revision))
        if known is not None:
            _kept.move_to_end((business, revision))
            return known
    rates = rates_of(session, business)
    with _kept_lock:
        _kept[business, revision] = rates
        while len(_kept) > RATES_KEPT:
            _kept.popitem(last=False)
    return rates


def rates_of(session: Session, business: str) -> tuple[StoredRate, ...]:
    """The table of rates of a business."""
    rows = session.scalars(
        select(CommissionRateRow).where(CommissionRateRow.business == business).order_by(CommissionRateRow.id)
    )
    return tuple(
        StoredRate(id=row.id, seller_id=row.seller_id, category=row.category, currency=row.currency, rate=_rate(row))
        for row in rows
    )


def _rate(row: CommissionRateRow | CommissionLineRow) -> CommissionRate:
    return CommissionRate.model_validate({name: getattr(row, name) for name in RATE_FIELDS})


def _line(row: CommissionLineRow) -> CommissionLine:
    return CommissionLine.model_validate(
        {
            "id": row.id,
            "business": row.business,
            "order_id": row.order_id,
            "line_id": row.line_id,
            "seller_id": row.seller_id,
            "currency": row.currency,
            "quantity": row.quantity,
            "rate": _rate(row),
            "bounded_by": row.bounded_by,
            "release_id": row.release_id,
            "status": row.status,
            "frozen_at": row.frozen_at,
            "cancelled_at": row.cancelled_at,
            **{name: getattr(row, name) for name in FEE_FIELDS},
        }
    )


def reversal_from(row: CommissionReversalRow) -> CommissionReversal:
    """A row as others see it."""
    return CommissionReversal(
        id=row.id,
        business=row.business,
        refund_id=row.refund_id,
        order_id=row.order_id,
        line_id=row.line_id,
        seller_id=row.seller_id,
        currency=row.currency,
        fees=Fees(**{name: getattr(row, name) for name in FEE_FIELDS}),
        is_reinstated=row.reinstated_at is not None,
        reversed_at=row.reversed_at,
    )
