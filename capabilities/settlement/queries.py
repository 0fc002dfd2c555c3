"""What can be asked of settlement."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from capabilities.settlement.contract import CommissionLine, CommissionRate, StoredRate
from capabilities.settlement.models import CommissionLineRow, CommissionRateRow


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


def rates_of(session: Session, business: str) -> tuple[StoredRate, ...]:
    """The table of rates of a business."""
    rows = session.scalars(
        select(CommissionRateRow).where(CommissionRateRow.business == business).order_by(CommissionRateRow.id)
    )
    return tuple(StoredRate(id=row.id, seller_id=row.seller_id, category=row.category, rate=_rate(row)) for row in rows)


def _rate(row: CommissionRateRow | CommissionLineRow) -> CommissionRate:
    return CommissionRate(
        rate_bps=row.rate_bps,
        per_unit_minor=row.per_unit_minor,
        lowest_minor=row.lowest_minor,
        highest_minor=row.highest_minor,
        tax_rate_bps=row.tax_rate_bps,
        reason=row.reason,
    )


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
            "base_minor": row.base_minor,
            "rate": _rate(row),
            "commission_minor": row.commission_minor,
            "tax_minor": row.tax_minor,
            "bounded_by": row.bounded_by,
            "status": row.status,
            "frozen_at": row.frozen_at,
            "cancelled_at": row.cancelled_at,
        }
    )
