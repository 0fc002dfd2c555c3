"""Which transfers may be paid: what is due, not held, not in dispute. One condition for planning, balances and checks."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, and_, exists, not_, or_, select
from sqlalchemy.orm import aliased

from capabilities.settlement.contract import TransferKind, TransferStatus
from capabilities.settlement.models_payout import DisputeRow, SellerTransferRow, SettlementHoldRow

UNCLAIMED = (TransferStatus.WAITING.value, TransferStatus.DUE.value)


def hold_of() -> ScalarSelect[str]:
    """The id of a hold that keeps a transfer back; null where there is none."""
    return _first(
        select(SettlementHoldRow.id)
        .where(
            SettlementHoldRow.business == SellerTransferRow.business,
            SettlementHoldRow.lifted_at.is_(None),
            or_(
                SettlementHoldRow.seller_id == SellerTransferRow.seller_id,
                SettlementHoldRow.order_id == SellerTransferRow.order_id,
            ),
        )
        .order_by(SettlementHoldRow.placed_at)
    )


def dispute_of() -> ScalarSelect[str]:
    """The id of an open dispute about a transfer's order; null where there is none."""
    return _first(
        select(DisputeRow.id)
        .where(DisputeRow.order_id == SellerTransferRow.order_id, DisputeRow.status == "open")
        .order_by(DisputeRow.opened_at)
    )


def _first(found: Any) -> ScalarSelect[str]:
    return found.limit(1).correlate(SellerTransferRow).scalar_subquery()  # type: ignore[no-any-return]


def is_owed_back() -> ColumnElement[bool]:
    """What is taken back of an earning that is out already: no hold on the order keeps it from being set off."""
    earning = aliased(SellerTransferRow)
    still_here = exists().where(
        earning.order_id == SellerTransferRow.order_id,
        earning.line_id == SellerTransferRow.line_id,
        earning.kind == TransferKind.EARNING.value,
        earning.status.in_(UNCLAIMED),
    )
    return and_(SellerTransferRow.amount_minor < 0, not_(still_here))


def is_blocked() -> ColumnElement[bool]:
    """Held or in dispute."""
    return and_(or_(hold_of().is_not(None), dispute_of().is_not(None)), not_(is_owed_back()))


def claimable() -> ColumnElement[bool]:
    """What a payout may claim now."""
    return and_(SellerTransferRow.status == TransferStatus.DUE.value, not_(is_blocked()))
