"""Writes of seller transfers: booked from frozen commissions, due in time, taken back by refunds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.business import business_of
from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError
from capabilities.kernel.ids import derived_id
from capabilities.kernel.outbox import publish
from capabilities.settlement.calendar import calendar_days_later, due_at
from capabilities.settlement.commission import kept_of, share_of
from capabilities.settlement.contract import (
    CommissionReversal,
    Fees,
    Maturing,
    ReverseCommission,
    TransferKind,
    TransferStatus,
)
from capabilities.settlement.models import CommissionLineRow, CommissionReversalRow
from capabilities.settlement.models_payout import SellerTransferRow
from capabilities.settlement.queries import FEE_FIELDS, lines_from, reversal_from, reversals_of, reversals_of_order
from capabilities.settlement.queries_payout import closed_days
from capabilities.settlement.service_claims import lock_sellers, sellers_of, take_back_claims

OF_SALE = (TransferKind.EARNING.value, TransferKind.REVERSAL.value, TransferKind.REINSTATEMENT.value)


@dataclass(frozen=True, slots=True)
class Started:
    """A seller's part of an order: by which terms it waits, and since when; None while that has not happened."""

    order_id: str
    seller_id: str
    terms: Maturing
    began_at: datetime | None


@dataclass(frozen=True, slots=True)
class Matured:
    """How many transfers fell due, and of how many a reserve was kept."""

    matured: int
    reserved: int


def book(session: Session, business: str, *, order_id: str | None = None, limit: int = 500) -> int:
    """Give sellers a transfer for every commission frozen since the last time, or of one order; returns how many."""
    frozen = (
        select(CommissionLineRow.id)
        .where(
            CommissionLineRow.business == business,
            CommissionLineRow.status == "frozen",
            CommissionLineRow.booked_at.is_(None),
        )
        .order_by(CommissionLineRow.frozen_at, CommissionLineRow.id)
        .limit(limit)
        .with_for_update(skip_locked=order_id is None)
    )
    if order_id is not None:
        frozen = frozen.where(CommissionLineRow.order_id == order_id)
    moment = now()
    booked = session.scalars(
        update(CommissionLineRow)
        .where(CommissionLineRow.id.in_(session.scalars(frozen).all()), CommissionLineRow.booked_at.is_(None))
        .values(booked_at=moment)
        .returning(CommissionLineRow)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).all()
    lines = {line.id: line for line in lines_from(booked)}
    rows = [
        _transfer(
            TransferKind.EARNING,
            line.id,
            business=business,
            seller_id=line.seller_id,
            currency=line.currency,
            amount_minor=line.seller_net_minor,
            order_id=line.order_id,
            line_id=line.line_id,
            reason="sale",
            booked_at=line.frozen_at,
        )
        for line in lines.values()
        if line.seller_net_minor
    ]
    _add(session, rows)
    return len(booked)


def start_times(session: Session, business: str, starts: Sequence[Started]) -> int:
    """Say when what waits without a time falls due; of what has not begun, remember that it was asked for."""
    found = business_of(session, business)
    closed = closed_days(session, business)
    moment, changed = now(), 0
    for start in starts:
        values: dict[str, object] = {"checked_at": moment}
        if start.began_at is not None:
            values |= {
                "available_at": due_at(
                    start.began_at, start.terms.days, zone=found.zone, country=found.country, closed=closed
                ),
                "reserve_bps": start.terms.reserve_bps,
                "reserve_days": start.terms.reserve_days,
            }
        rows = session.scalars(
            update(SellerTransferRow)
            .where(
                SellerTransferRow.business == business,
                SellerTransferRow.order_id == start.order_id,
                SellerTransferRow.seller_id == start.seller_id,
                SellerTransferRow.status == TransferStatus.WAITING.value,
                SellerTransferRow.available_at.is_(None),
            )
            .values(**values)
            .returning(SellerTransferRow.id)
            .execution_options(synchronize_session=False)
        ).all()
        changed += len(rows) if start.began_at is not None else 0
    return changed


def mature(session: Session, business: str, *, limit: int = 500) -> Matured:
    """Let fall due what has waited long enough, and keep the reserve of it; each once, whoever else does the same."""
    moment = now()
    ripe = (
        SellerTransferRow.business == business,
        SellerTransferRow.status == TransferStatus.WAITING.value,
        SellerTransferRow.available_at <= moment,
    )
    ids = session.scalars(
        select(SellerTransferRow.id)
        .where(*ripe)
        .order_by(SellerTransferRow.available_at, SellerTransferRow.id)
        .limit(limit)
    ).all()
    if not ids:
        return Matured(0, 0)
    lock_sellers(session, business, sellers_of(session, SellerTransferRow.id.in_(ids)))
    matured = session.scalars(
        update(SellerTransferRow)
        .where(SellerTransferRow.id.in_(ids), *ripe)
        .values(status=TransferStatus.DUE.value)
        .returning(SellerTransferRow)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).all()
    reserved = _keep_reserves(session, business, matured, moment)
    return Matured(len(matured), reserved)


def reverse(session: Session, request: ReverseCommission) -> tuple[CommissionReversal, ...]:
    """Take back of commission and earning what a refund gives back. A second call finds the first.

    Payouts that claimed an earning of it and were not sent are withdrawn; what was sent is carried as a negative balance.
    Raises `ConflictError` where more is given back than the line still brings.
    """
    lines = _locked_lines(session, request.order_id)
    known = reversals_of(session, request.refund_id)
    if known or not lines:
        return known
    business = next(iter(lines.values())).business
    book(session, business, order_id=request.order_id)
    kept = _kept(session, request.order_id, lines)
    moment = now()
    rows = []
    for given in request.lines:
        line = lines.get(given.line_id)
        if line is None or given.base_minor == 0:
            continue
        after = kept[given.line_id].base_minor - given.base_minor
        if after < 0:
            raise ConflictError(
                "settlement.reversed_too_much",
                f"Line {given.line_id} brings {kept[given.line_id].base_minor}; {given.base_minor} cannot be taken back.",
            )
        frozen = Fees(**{name: getattr(line, name) for name in FEE_FIELDS})
        rows.append(_reversal(line, request.refund_id, kept[given.line_id] - kept_of(frozen, after), after, moment))
    if not rows:
        return ()
    session.execute(insert(CommissionReversalRow), rows)
    found = reversals_of(session, request.refund_id)
    _move_back(session, found, TransferKind.REVERSAL, moment)
    return found


def reinstate(session: Session, refund_id: str) -> tuple[CommissionReversal, ...]:
    """A refund came to nothing: what it took back stands again, to the cent. Only the first call does anything."""
    moment = now()
    orders = {reversal.order_id for reversal in reversals_of(session, refund_id)}
    for order_id in sorted(orders):
        _locked_lines(session, order_id)
    restored = session.scalars(
        update(CommissionReversalRow)
        .where(CommissionReversalRow.refund_id == refund_id, CommissionReversalRow.reinstated_at.is_(None))
        .values(reinstated_at=moment)
        .returning(CommissionReversalRow)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).all()
    found = tuple(reversal_from(row) for row in restored)
    if found:
        _move_back(session, found, TransferKind.REINSTATEMENT, moment)
    return found


def _locked_lines(session: Session, order_id: str) -> dict[str, CommissionLineRow]:
    rows = session.scalars(
        select(CommissionLineRow)
        .where(CommissionLineRow.order_id == order_id, CommissionLineRow.status == "frozen")
        .order_by(CommissionLineRow.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {row.line_id: row for row in rows}


def _kept(session: Session, order_id: str, lines: dict[str, CommissionLineRow]) -> dict[str, Fees]:
    """What still stands of each line: as frozen, less what refunds took back and nobody reinstated."""
    kept = {id_: Fees(**{name: getattr(line, name) for name in FEE_FIELDS}) for id_, line in lines.items()}
    for reversal in reversals_of_order(session, order_id):
        if not reversal.is_reinstated:
            kept[reversal.line_id] = kept[reversal.line_id] - reversal.fees
    return kept


def _reversal(
    line: CommissionLineRow, refund_id: str, difference: Fees, kept_base_minor: int, moment: datetime
) -> dict[str, object]:
    return {
        "id": derived_id("crv", refund_id, line.id),
        "business": line.business,
        "commission_line_id": line.id,
        "refund_id": refund_id,
        "order_id": line.order_id,
        "line_id": line.line_id,
        "seller_id": line.seller_id,
        "currency": line.currency,
        **difference.model_dump(),
        "kept_base_minor": kept_base_minor,
        "reversed_at": moment,
        "reinstated_at": None,
    }


def _move_back(session: Session, reversals: Sequence[CommissionReversal], kind: TransferKind, moment: datetime) -> None:
    """Move sellers' balances by reversals, or back by reinstatements; due when the earning is, at once where it was."""
    first = reversals[0]
    order = SellerTransferRow.order_id == first.order_id
    sellers = sorted({reversal.seller_id for reversal in reversals})
    lock_sellers(session, first.business, [(seller_id, first.currency) for seller_id in sellers])
    if kind is TransferKind.REVERSAL:
        take_back_claims(session, "refund", order, SellerTransferRow.seller_id.in_(sellers))
    waiting = {
        row.line_id: row
        for row in session.scalars(
            select(SellerTransferRow)
            .where(order, SellerTransferRow.kind == TransferKind.EARNING.value)
            .execution_options(populate_existing=True)
        )
        if row.status == TransferStatus.WAITING.value
    }
    sign = -1 if kind is TransferKind.REVERSAL else 1
    rows = []
    for reversal in reversals:
        if reversal.seller_net_minor == 0:
            continue
        earning = waiting.get(reversal.line_id)
        row = _transfer(
            kind,
            reversal.id,
            business=reversal.business,
            seller_id=reversal.seller_id,
            currency=reversal.currency,
            amount_minor=sign * reversal.seller_net_minor,
            order_id=reversal.order_id,
            line_id=reversal.line_id,
            reason="refund" if kind is TransferKind.REVERSAL else "refund came to nothing",
            booked_at=moment,
        )
        status = TransferStatus.DUE if earning is None else TransferStatus.WAITING
        due = moment if earning is None else earning.available_at
        rows.append({**row, "refund_id": reversal.refund_id, "status": status.value, "available_at": due})
    _add(session, rows)
    told = {"refund_id": first.refund_id, "commission_minor": sum(one.fees.commission_minor for one in reversals)}
    name = "commission.reversed" if kind is TransferKind.REVERSAL else "commission.reinstated"
    publish(session, business=first.business, type=name, subject=first.order_id, data=told)


def _keep_reserves(session: Session, business: str, matured: Sequence[SellerTransferRow], moment: datetime) -> int:
    """Keep a share of what the lines still bring their sellers, and let it be due again later."""
    kept_back = [row for row in matured if row.kind == TransferKind.EARNING.value and row.reserve_bps]
    if not kept_back:
        return 0
    zone = business_of(session, business).zone
    sums = {
        (order_id, line_id): int(total)
        for order_id, line_id, total in session.execute(
            select(SellerTransferRow.order_id, SellerTransferRow.line_id, func.sum(SellerTransferRow.amount_minor))
            .where(
                SellerTransferRow.order_id.in_({row.order_id for row in kept_back}),
                SellerTransferRow.kind.in_(OF_SALE),
            )
            .group_by(SellerTransferRow.order_id, SellerTransferRow.line_id)
        )
    }
    rows, reserved = [], 0
    for row in kept_back:
        amount = share_of(max(0, sums[row.order_id, row.line_id]), row.reserve_bps)
        if amount == 0:
            continue
        reserved += 1
        about = {
            "business": business,
            "seller_id": row.seller_id,
            "currency": row.currency,
            "order_id": row.order_id,
            "line_id": row.line_id,
            "booked_at": moment,
        }
        kept = _transfer(TransferKind.RESERVE, row.id, amount_minor=-amount, reason="reserve", **about)
        freed = _transfer(TransferKind.RESERVE_RELEASE, row.id, amount_minor=amount, reason="reserve", **about)
        rows.append({**kept, "status": TransferStatus.DUE.value, "available_at": moment})
        rows.append({**freed, "available_at": calendar_days_later(moment, row.reserve_days, zone=zone)})
    _add(session, rows)
    return reserved


def _transfer(kind: TransferKind, of: str, **values: object) -> dict[str, object]:
    """A transfer that waits, with an id that follows from what it is made for."""
    return {
        "id": derived_id("stf", kind.value, of),
        "kind": kind.value,
        "refund_id": None,
        "status": TransferStatus.WAITING.value,
        "available_at": None,
        "checked_at": values["booked_at"],
        "payout_id": None,
        **values,
    }


def _add(session: Session, rows: Sequence[dict[str, object]]) -> None:
    if rows:
        session.execute(insert(SellerTransferRow).on_conflict_do_nothing(), rows)
