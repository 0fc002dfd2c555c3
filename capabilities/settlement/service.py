"""Writes of commission: it is frozen when the sale is, whatever the rates become later."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.ids import derived_id, new_id
from capabilities.settlement.commission import commission_of
from capabilities.settlement.contract import (
    CommissionLine,
    CommissionRate,
    DeclareRate,
    FreezeCommission,
    SoldLine,
    StoredRate,
)
from capabilities.settlement.extensions import commission_rate
from capabilities.settlement.models import CommissionLineRow, CommissionRateRow
from capabilities.settlement.queries import commissions_of, lines_from, rates_of


def declare_rate(session: Session, request: DeclareRate) -> str:
    """Enter a rate for a seller, a category, a currency, any of them, or all of a business; the same place changes it."""
    values = {
        "business": request.business,
        "seller_id": request.seller_id,
        "category": request.category,
        "currency": request.currency,
        "revision": new_id("rev"),
        **request.rate.model_dump(mode="json"),
    }
    place = (request.business, request.seller_id or "", request.category or "")
    # rates of any currency have had this id before there were others
    rate_id = derived_id("rat", *place) if request.currency is None else derived_id("rat", *place, request.currency)
    session.execute(
        insert(CommissionRateRow)
        .values(id=rate_id, created_at=now(), **values)
        .on_conflict_do_update(index_elements=[CommissionRateRow.id], set_=values)
    )
    return rate_id


def freeze_commission(
    session: Session, request: FreezeCommission, *, rates: Sequence[StoredRate] | None = None
) -> tuple[CommissionLine, ...]:
    """Freeze the commission of every line of a sale. A second call finds the first, whatever the rates are by then.

    `rates` is the table of rates where the caller has it. What was cancelled stays cancelled: freezing it again raises
    `ConflictError`.
    """
    frozen = commissions_of(session, request.order_id)
    if request.lines and not frozen:
        decide = commission_rate.for_identity(BusinessIdentity(request.business, request.scenario))
        if rates is None and any(line.rate is None for line in request.lines):
            rates = rates_of(session, request.business)
        # all lines by one statement whose text does not depend on how many there are
        added = session.scalars(
            insert(CommissionLineRow).on_conflict_do_nothing().returning(CommissionLineRow),
            [_row(request, line, line.rate or decide(line, rates or ())) for line in request.lines],
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
    """Cancel the frozen commission of an order; returns how many lines this call cancelled.

    A line whose seller has a transfer for it is not cancelled: a refund takes it back.
    """
    cancelled = session.scalars(
        update(CommissionLineRow)
        .where(
            CommissionLineRow.order_id == order_id,
            CommissionLineRow.status == "frozen",
            CommissionLineRow.booked_at.is_(None),
        )
        .values(status="cancelled", cancelled_at=now())
        .returning(CommissionLineRow.id)
        .execution_options(synchronize_session=False)
    )
    return len(cancelled.all())


def _row(request: FreezeCommission, line: SoldLine, rate: CommissionRate) -> dict[str, object]:
    commission = commission_of(
        rate,
        base_minor=line.base_minor,
        quantity=line.quantity,
        is_first=line.is_first,
        volume_minor=line.volume_minor,
    )
    return {
        "id": derived_id("com", request.order_id, line.line_id),
        "business": request.business,
        "order_id": request.order_id,
        "line_id": line.line_id,
        "seller_id": line.seller_id,
        "currency": request.currency,
        "quantity": line.quantity,
        "base_minor": line.base_minor,
        **rate.model_dump(mode="json"),
        "release_id": line.release_id,
        "volume_minor": line.volume_minor,
        "is_first": line.is_first,
        "commission_minor": commission.commission_minor,
        "tax_minor": commission.tax_minor,
        "channel_fee_minor": commission.channel_fee_minor,
        "withheld_minor": commission.withheld_minor,
        "bounded_by": commission.bounded_by,
        "status": "frozen",
        "frozen_at": now(),
        "cancelled_at": None,
    }
