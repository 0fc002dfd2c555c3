"""Writes of payouts: planned in one transaction, approved by another person, sent under one key, closed once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, MissingError, RefusedError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.ids import derived_id
from capabilities.kernel.outbox import publish
from capabilities.settlement.banks.protocol import BankOutcome, BankReport
from capabilities.settlement.claimable import claimable
from capabilities.settlement.contract import Batch, DeclareDestination, Payout, PayoutStatus, TransferStatus
from capabilities.settlement.extensions import maturing, payout_destination
from capabilities.settlement.models_payout import PayoutBatchRow, PayoutRow, SellerAccountRow, SellerTransferRow
from capabilities.settlement.queries_payout import batch_of, payout_from, payout_of
from capabilities.settlement.service_claims import (
    UNSENT,
    account_id_of,
    close_batches,
    lock_sellers,
    sellers_of,
    withdraw,
)

T = SellerTransferRow
SENDABLE = (PayoutStatus.APPROVED.value, PayoutStatus.FAILED.value)


@dataclass(frozen=True, slots=True)
class PlanPayouts:
    """Plan what is due. The same `run_key` plans once."""

    business: str
    run_date: date
    run_key: str
    planned_by: str


@dataclass(frozen=True, slots=True)
class Planned:
    """`batch` None: nothing was due. `carried` sellers stay below their minimum or below nothing."""

    batch: Batch | None
    carried: int


def declare_destination(session: Session, request: DeclareDestination) -> str:
    """Say where a seller is paid; what is not sent yet goes there."""
    id_ = account_id_of(request.business, request.seller_id, request.currency)
    values = {"destination": request.destination, "minimum_minor": request.minimum_minor, "changed_at": now()}
    place = {"business": request.business, "seller_id": request.seller_id, "currency": request.currency}
    session.execute(
        insert(SellerAccountRow)
        .values(id=id_, **place, **values)
        .on_conflict_do_update(index_elements=[SellerAccountRow.id], set_=values)
    )
    return id_


def plan(session: Session, request: PlanPayouts) -> Planned:
    """Claim what is due, a payout for each seller and currency. Negative balances are set off, or carried where nothing is left.

    All sellers with something due are locked, so that two runs, a refund or a dispute at the same moment come one after
    the other; what one has claimed the other does not find.
    """
    batch_id = derived_id("bat", request.business, request.run_key)
    due = (T.business == request.business, T.status == TransferStatus.DUE.value)
    accounts = lock_sellers(session, request.business, sellers_of(session, *due))
    if session.get(PayoutBatchRow, batch_id) is not None:
        return Planned(batch_of(session, batch_id), 0)
    sums = session.execute(
        select(
            T.seller_id,
            T.currency,
            func.sum(T.amount_minor),
            func.sum(case((T.amount_minor > 0, T.amount_minor), else_=0)),
            func.count(),
        )
        .where(T.business == request.business, claimable())
        .group_by(T.seller_id, T.currency)
        .order_by(T.seller_id, T.currency)
    ).all()
    rows, carried = [], 0
    for seller_id, currency, total, earned, count in sums:
        account = accounts.get(account_id_of(request.business, seller_id, currency))
        if account is None:  # fell due after the locks were taken: the next run has it
            continue
        if int(total) < max(1, _minimum(request.business, account)):
            carried += 1
            continue
        rows.append(_payout(request, batch_id, account, (int(total), int(earned), int(count))))
    if not rows:
        return Planned(None, carried)
    _write_batch(session, request, batch_id, rows)
    return Planned(batch_of(session, batch_id), carried)


def _write_batch(session: Session, request: PlanPayouts, batch_id: str, rows: list[dict[str, object]]) -> None:
    session.execute(
        insert(PayoutBatchRow).values(
            id=batch_id,
            business=request.business,
            run_date=request.run_date,
            run_key=request.run_key,
            status="planned",
            planned_by=request.planned_by,
            planned_at=now(),
        )
    )
    session.execute(insert(PayoutRow), rows)
    claimed = session.execute(
        update(T)
        .where(
            PayoutRow.batch_id == batch_id,
            PayoutRow.seller_id == T.seller_id,
            PayoutRow.currency == T.currency,
            T.business == request.business,
            claimable(),
        )
        .values(status=TransferStatus.CLAIMED.value, payout_id=PayoutRow.id)
        .returning(T.payout_id, T.amount_minor)
        .execution_options(synchronize_session=False)
    ).all()
    sums = dict[str, int]()
    for payout_id, amount in claimed:
        sums[str(payout_id)] = sums.get(str(payout_id), 0) + amount
    if sums != {row["id"]: row["amount_minor"] for row in rows}:
        raise ConflictError("settlement.plan_moved", "What is due changed while it was planned.", mend="Plan again.")
    for row in rows:
        told = {"seller_id": row["seller_id"], "amount_minor": row["amount_minor"], "currency": row["currency"]}
        publish(session, business=request.business, type="payout.planned", subject=str(row["id"]), data=told)


def _minimum(business: str, account: SellerAccountRow) -> int:
    if account.minimum_minor is not None:
        return account.minimum_minor
    return maturing.for_identity(BusinessIdentity(business))().minimum_minor


def _destination(business: str, account: SellerAccountRow | None, seller_id: str, currency: str) -> str:
    declared = None if account is None else account.destination
    return declared or payout_destination.for_identity(BusinessIdentity(business))(seller_id, currency)


def _payout(
    request: PlanPayouts, batch_id: str, account: SellerAccountRow, sums: tuple[int, int, int]
) -> dict[str, object]:
    total, earned, count = sums
    return {
        "id": derived_id("pyo", batch_id, account.seller_id, account.currency),
        "business": request.business,
        "batch_id": batch_id,
        "seller_id": account.seller_id,
        "currency": account.currency,
        "destination": _destination(request.business, account, account.seller_id, account.currency),
        "amount_minor": total,
        "earned_minor": earned,
        "taken_back_minor": earned - total,
        "transfers": count,
        "status": PayoutStatus.PLANNED.value,
        "attempts": 0,
        "planned_at": now(),
    }


def approve(session: Session, batch_id: str, *, approver: str, amount_minor: int | None = None) -> Batch:
    """Approve a batch: not by who planned it, and only for the sum that was seen. Approved already: as it stands."""
    batch = batch_of(session, batch_id)
    if batch.status != "planned":
        return batch
    if approver == batch.planned_by:
        raise RefusedError(
            "settlement.own_batch", "Who planned a batch does not approve it.", mend="Another person approves it."
        )
    changed = session.scalars(
        update(PayoutBatchRow)
        .where(PayoutBatchRow.id == batch_id, PayoutBatchRow.status == "planned")
        .values(status="approved", approved_by=approver, approved_at=now())
        .returning(PayoutBatchRow.id)
        .execution_options(synchronize_session=False)
    ).all()
    approved = session.scalars(
        update(PayoutRow)
        .where(PayoutRow.batch_id == batch_id, PayoutRow.status == PayoutStatus.PLANNED.value)
        .values(status=PayoutStatus.APPROVED.value)
        .returning(PayoutRow.amount_minor)
        .execution_options(synchronize_session=False)
    ).all()
    if changed and amount_minor is not None and sum(approved) != amount_minor:
        raise ConflictError(
            "settlement.batch_changed",
            f"The batch comes to {sum(approved)} by now, {amount_minor} was approved.",
            mend="Look at the batch again, then approve what it comes to.",
        )
    return batch_of(session, batch_id)


def begin_sending(session: Session, payout_id: str) -> Payout:
    """Mark a payout as sent before the bank is called. Paid or withdrawn ones come back as they are.

    One that failed is the same payout again, as its next attempt; one of which the outcome is not known keeps its attempt.
    """
    row = session.scalars(select(PayoutRow).where(PayoutRow.id == payout_id).with_for_update()).one_or_none()
    if row is None:
        raise MissingError("settlement.payout_unknown", f"There is no payout {payout_id!r}.")
    if row.status == PayoutStatus.PLANNED.value:
        raise ConflictError("settlement.not_approved", "The payout is not approved.", mend="Approve its batch first.")
    if row.status in SENDABLE:
        account = session.get(SellerAccountRow, account_id_of(row.business, row.seller_id, row.currency))
        row.destination = _destination(row.business, account, row.seller_id, row.currency)
        row.status, row.attempts, row.sent_at = PayoutStatus.SENT.value, row.attempts + 1, now()
        row.reason = None
        session.flush()
    return payout_from(row)


def record_report(session: Session, payout_id: str, attempt: int, report: BankReport | None) -> Payout:
    """What the bank said of an attempt. Nothing known: the payout stays sent. A second report changes nothing."""
    if report is not None:
        paid = report.outcome is BankOutcome.SUCCEEDED
        session.execute(
            update(PayoutRow)
            .where(
                PayoutRow.id == payout_id,
                PayoutRow.status == PayoutStatus.SENT.value,
                PayoutRow.attempts == attempt,
            )
            .values(
                status=(PayoutStatus.PAID if paid else PayoutStatus.FAILED).value,
                reason=report.reason,
                bank_reference=report.bank_reference,
            )
            .execution_options(synchronize_session=False)
        )
    return payout_of(session, payout_id)


def close(session: Session, payout_id: str) -> Payout:
    """Close a paid payout: its transfers are paid. A failed one is told of, and stays open for another attempt."""
    payout = payout_of(session, payout_id)
    told = {"seller_id": payout.seller_id, "amount_minor": payout.amount_minor, "currency": payout.currency}
    if payout.status is PayoutStatus.FAILED:
        data = {**told, "reason": payout.reason, "attempt": payout.attempts}
        publish(session, business=payout.business, type="payout.failed", subject=payout.id, data=data)
    if payout.status is not PayoutStatus.PAID:
        return payout
    closed = session.scalars(
        update(PayoutRow)
        .where(PayoutRow.id == payout_id, PayoutRow.closed_at.is_(None))
        .values(closed_at=now())
        .returning(PayoutRow.id)
        .execution_options(synchronize_session=False)
    ).all()
    if closed:
        session.execute(
            update(T)
            .where(T.payout_id == payout_id, T.status == TransferStatus.CLAIMED.value)
            .values(status=TransferStatus.PAID.value)
            .execution_options(synchronize_session=False)
        )
        publish(session, business=payout.business, type="payout.paid", subject=payout.id, data=told)
        close_batches(session, [payout.batch_id])
    return payout_of(session, payout_id)


def give_up(session: Session, payout_id: str, *, reason: str) -> Payout:
    """Withdraw a payout that was not sent, or that the bank has refused; what it claimed is due again."""
    payout = payout_of(session, payout_id)
    lock_sellers(session, payout.business, [(payout.seller_id, payout.currency)])
    ended = withdraw(session, [payout_id], reason, UNSENT)
    payout = payout_of(session, payout_id)
    if not ended and payout.status is not PayoutStatus.WITHDRAWN:
        raise ConflictError("settlement.payout_sent", f"The payout is {payout.status.value}; it cannot be withdrawn.")
    return payout
