"""Whoever changes what a seller has to get locks the seller first; and takes back what a payout has claimed but not sent."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.ids import derived_id
from capabilities.kernel.outbox import publish
from capabilities.settlement.contract import PayoutStatus, TransferStatus
from capabilities.settlement.models_payout import PayoutBatchRow, PayoutRow, SellerAccountRow, SellerTransferRow

ENDED = (PayoutStatus.PAID.value, PayoutStatus.WITHDRAWN.value)
UNSENT = (PayoutStatus.PLANNED.value, PayoutStatus.APPROVED.value, PayoutStatus.FAILED.value)
"""What may still be withdrawn: nothing is on its way. A failed payout is one that the bank has refused."""


def account_id_of(business: str, seller_id: str, currency: str) -> str:
    """The id of a seller's row in one currency."""
    return derived_id("sac", business, seller_id, currency)


def lock_sellers(session: Session, business: str, sellers: Iterable[tuple[str, str]]) -> dict[str, SellerAccountRow]:
    """Lock sellers (id and currency), always in the same order; rows that are missing are made."""
    wanted = sorted({account_id_of(business, *seller): seller for seller in sellers}.items())
    if not wanted:
        return {}
    made = [
        {"id": id_, "business": business, "seller_id": seller_id, "currency": currency, "changed_at": now()}
        for id_, (seller_id, currency) in wanted
    ]
    session.execute(insert(SellerAccountRow).on_conflict_do_nothing(), made)
    locked = session.scalars(
        select(SellerAccountRow)
        .where(SellerAccountRow.id.in_([id_ for id_, _ in wanted]))
        .order_by(SellerAccountRow.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {row.id: row for row in locked}


def sellers_of(session: Session, *conditions: ColumnElement[bool]) -> list[tuple[str, str]]:
    """The sellers, with currency, that these transfers belong to."""
    found = session.execute(
        select(SellerTransferRow.seller_id, SellerTransferRow.currency).where(*conditions).distinct()
    )
    return [(seller_id, currency) for seller_id, currency in found]


def take_back_claims(session: Session, reason: str, *conditions: ColumnElement[bool]) -> list[str]:
    """Withdraw the payouts that these transfers are claimed by, as far as nothing is on its way; returns their ids.

    The sellers are locked. A payout that is at the bank goes on: what it lacks is carried into the next.
    """
    claimed = session.scalars(
        select(SellerTransferRow.payout_id)
        .where(SellerTransferRow.status == TransferStatus.CLAIMED.value, *conditions)
        .distinct()
    ).all()
    return withdraw(session, sorted(id_ for id_ in claimed if id_ is not None), reason, UNSENT)


def withdraw(session: Session, payout_ids: list[str], reason: str, statuses: tuple[str, ...]) -> list[str]:
    """End payouts that stand in one of these statuses without paying; what they claimed is due again."""
    if not payout_ids:
        return []
    ended = session.scalars(
        update(PayoutRow)
        .where(PayoutRow.id.in_(payout_ids), PayoutRow.status.in_(statuses))
        .values(status=PayoutStatus.WITHDRAWN.value, reason=reason, closed_at=now())
        .returning(PayoutRow)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).all()
    ids = [row.id for row in ended]
    session.execute(
        update(SellerTransferRow)
        .where(SellerTransferRow.payout_id.in_(ids), SellerTransferRow.status == TransferStatus.CLAIMED.value)
        .values(status=TransferStatus.DUE.value, payout_id=None)
        .execution_options(synchronize_session=False)
    )
    for row in ended:
        told = {"seller_id": row.seller_id, "amount_minor": row.amount_minor, "currency": row.currency}
        publish(
            session,
            business=row.business,
            type="payout.withdrawn",
            subject=row.id,
            data={**told, "reason": reason},
        )
    close_batches(session, sorted({row.batch_id for row in ended}))
    return ids


def close_batches(session: Session, batch_ids: list[str]) -> None:
    """Close batches of which every payout has ended."""
    still = select(PayoutRow.id).where(PayoutRow.batch_id == PayoutBatchRow.id, PayoutRow.status.not_in(ENDED))
    session.execute(
        update(PayoutBatchRow)
        .where(PayoutBatchRow.id.in_(batch_ids), ~still.exists())
        .values(status="closed")
        .execution_options(synchronize_session=False)
    )
