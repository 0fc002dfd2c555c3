"""Writes of settlement: the commission of a sale is frozen when it is sold, whatever the rates become later."""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.ids import derived_id
from capabilities.settlement.commission import commission_of
from capabilities.settlement.contract import CommissionLine, CommissionRate, DeclareRate, FreezeCommission, SoldLine
from capabilities.settlement.extensions import commission_rate
from capabilities.settlement.models import CommissionLineRow, CommissionRateRow
from capabilities.settlement.queries import commissions_of, lines_from, rates_of


def declare_rate(session: Session, request: DeclareRate) -> str:
    """Enter a rate for a seller, a category, both, or all of a business; the same place again changes it."""
    values = {
        "business": request.business,
        "seller_id": request.seller_id,
        "category": request.category,
        **request.rate.model_dump(),
    }
    rate_id = derived_id("rat", request.business, request.seller_id or "", request.category or "")
    session.execute(
        insert(CommissionRateRow)
        .values(id=rate_id, created_at=now(), **values)
        .on_conflict_do_update(index_elements=[CommissionRateRow.id], set_=values)
    )
    return rate_id


def freeze_commission(session: Session, request: FreezeCommission) -> tuple[CommissionLine, ...]:
    """Freeze the commission of every line of a sale. A second call finds the first, whatever the rates are by then.

    What was cancelled stays cancelled: freezing it again raises `ConflictError`.
    """
    frozen = commissions_of(session, request.order_id)
    if request.lines and not frozen:
        decide = commission_rate.for_identity(BusinessIdentity(request.business, request.scenario))
        rates = rates_of(session, request.business)
        # all lines by one statement whose text does not depend on how many there are
        added = session.scalars(
            insert(CommissionLineRow).on_conflict_do_nothing().returning(CommissionLineRow),
            [_row(request, line, decide(line, rates)) for line in request.lines],
        ).all()
        whole = len(added) == len(request.lines)
        frozen = lines_from(added) if whole else commissions_of(session, request.order_id)
    if any(line.status == "cancelled" for line in frozen):
        raise ConflictError("settlement.freeze_cancelled", "The commission of this order was cancelled.")
    if {(line.line_id, line.base_minor) for line in frozen} != {
        (line.line_id, line.base_minor) for line in request.lines
    }:
        raise ConflictError("settlement.lines_changed", "The commission of this order was frozen for other lines.")
    return frozen


def cancel_freeze(session: Session, order_id: str) -> int:
    """Cancel the frozen commission of an order; returns how many lines this call cancelled."""
    cancelled = session.scalars(
        update(CommissionLineRow)
        .where(CommissionLineRow.order_id == order_id, CommissionLineRow.status == "frozen")
        .values(status="cancelled", cancelled_at=now())
        .returning(CommissionLineRow.id)
        .execution_options(synchronize_session=False)
    )
    return len(cancelled.all())


def _row(request: FreezeCommission, line: SoldLine, rate: CommissionRate) -> dict[str, object]:
    commission = commission_of(rate, base_minor=line.base_minor, quantity=line.quantity)
    return {
        "id": derived_id("com", request.order_id, line.line_id),
        "business": request.business,
        "order_id": request.order_id,
        "line_id": line.line_id,
        "seller_id": line.seller_id,
        "currency": request.currency,
        "quantity": line.quantity,
        "base_minor": line.base_minor,
        **rate.model_dump(),
        "commission_minor": commission.commission_minor,
        "tax_minor": commission.tax_minor,
        "bounded_by": commission.bounded_by,
        "status": "frozen",
        "frozen_at": now(),
        "cancelled_at": None,
    }
