"""Statements of sellers: built from what was booked, so that the same data gives the same statement."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from capabilities.kernel.cursor import read_cursor, read_moment, write_cursor
from capabilities.kernel.errors import MissingError
from capabilities.kernel.ids import derived_id
from capabilities.settlement.contract import (
    Fees,
    IssuedStatement,
    SellerStatement,
    StatementLine,
    TransferKind,
)
from capabilities.settlement.models import CommissionLineRow, CommissionReversalRow
from capabilities.settlement.models_payout import PayoutRow, SellerStatementRow, SellerTransferRow
from capabilities.settlement.queries import FEE_FIELDS
from capabilities.settlement.queries_payout import payout_of

T = SellerTransferRow
RESERVES = (TransferKind.RESERVE.value, TransferKind.RESERVE_RELEASE.value)
"""Kept and released inside what the ledger owes the seller: they say when it is paid, not how much."""
PAYOUT = "payout"


def statement_for_payout(session: Session, payout_id: str) -> SellerStatement:
    """What one payout is made of; its lines add up to what was paid."""
    payout = payout_of(session, payout_id)
    rows = session.scalars(select(T).where(T.payout_id == payout_id).order_by(T.booked_at, T.id)).all()
    lines = _lines(session, list(rows))
    return SellerStatement(
        id=derived_id("sst", payout_id),
        business=payout.business,
        seller_id=payout.seller_id,
        currency=payout.currency,
        payout_id=payout_id,
        starts_at=None,
        ends_at=payout.closed_at or payout.planned_at,
        opening_minor=0,
        lines=lines,
        closing_minor=sum(line.amount_minor for line in lines),
    )


def lines_of_batch(session: Session, batch_id: str) -> dict[str, tuple[StatementLine, ...]]:
    """What the payouts of a batch are made of, by payout: all read at once."""
    payouts = select(PayoutRow.id).where(PayoutRow.batch_id == batch_id)
    rows = session.scalars(select(T).where(T.payout_id.in_(payouts)).order_by(T.booked_at, T.id)).all()
    found: dict[str, list[StatementLine]] = {}
    for row, line in zip(rows, _lines(session, list(rows)), strict=True):
        found.setdefault(str(row.payout_id), []).append(line)
    return {payout_id: tuple(lines) for payout_id, lines in found.items()}


def statement_for_time(
    session: Session, business: str, *, seller_id: str, currency: str, starts_at: datetime, ends_at: datetime
) -> SellerStatement:
    """A seller's account from one moment up to another, which is excluded; what it closes with is what is owed then."""
    of_seller = (T.business == business, T.seller_id == seller_id, T.currency == currency, T.kind.not_in(RESERVES))
    paid = (
        PayoutRow.business == business,
        PayoutRow.seller_id == seller_id,
        PayoutRow.currency == currency,
        PayoutRow.status == "paid",
    )
    booked = session.scalar(
        select(func.coalesce(func.sum(T.amount_minor), 0)).where(*of_seller, T.booked_at < starts_at)
    )
    gone = session.scalar(
        select(func.coalesce(func.sum(PayoutRow.amount_minor), 0)).where(*paid, PayoutRow.closed_at < starts_at)
    )
    rows = session.scalars(select(T).where(*of_seller, T.booked_at >= starts_at, T.booked_at < ends_at)).all()
    payouts = session.scalars(
        select(PayoutRow).where(*paid, PayoutRow.closed_at >= starts_at, PayoutRow.closed_at < ends_at)
    ).all()
    lines = sorted(
        (*_lines(session, list(rows)), *(_payout_line(row) for row in payouts)),
        key=lambda line: (line.booked_at, line.reference, line.line_id or ""),
    )
    opening = int(booked or 0) - int(gone or 0)
    return SellerStatement(
        id=derived_id("sst", business, seller_id, currency, starts_at.isoformat(), ends_at.isoformat()),
        business=business,
        seller_id=seller_id,
        currency=currency,
        payout_id=None,
        starts_at=starts_at,
        ends_at=ends_at,
        opening_minor=opening,
        lines=tuple(lines),
        closing_minor=opening + sum(line.amount_minor for line in lines),
    )


def statement_of(session: Session, statement_id: str) -> SellerStatement:
    """A statement that was issued, built again; `MissingError` where there is none of that id."""
    row = session.get(SellerStatementRow, statement_id)
    if row is None:
        raise MissingError("settlement.statement_unknown", f"There is no statement {statement_id!r}.")
    if row.payout_id is not None:
        return statement_for_payout(session, row.payout_id)
    return statement_for_time(
        session,
        row.business,
        seller_id=row.seller_id,
        currency=row.currency,
        starts_at=row.starts_at or row.ends_at,
        ends_at=row.ends_at,
    )


def statements_page(
    session: Session, business: str, *, seller_id: str | None = None, after: str | None = None, limit: int = 50
) -> tuple[tuple[IssuedStatement, ...], str | None]:
    """Issued statements, newest first, and the cursor of the next page."""
    found = select(SellerStatementRow).where(SellerStatementRow.business == business)
    if seller_id is not None:
        found = found.where(SellerStatementRow.seller_id == seller_id)
    if after is not None:
        at, last = read_cursor(after, 2)
        found = found.where(tuple_(SellerStatementRow.issued_at, SellerStatementRow.id) < (read_moment(at), last))
    newest = found.order_by(SellerStatementRow.issued_at.desc(), SellerStatementRow.id.desc())
    rows = session.scalars(newest.limit(limit + 1)).all()
    following = write_cursor(rows[limit - 1].issued_at.isoformat(), rows[limit - 1].id) if rows[limit:] else None
    return tuple(issued_from(row) for row in rows[:limit]), following


def issued_from(row: SellerStatementRow) -> IssuedStatement:
    """A row as others see it."""
    return IssuedStatement.model_validate({name: getattr(row, name) for name in IssuedStatement.model_fields})


def _lines(session: Session, rows: list[SellerTransferRow]) -> tuple[StatementLine, ...]:
    frozen = _fees_of_sales(session, rows)
    reversed_ = _fees_of_refunds(session, rows)
    lines = []
    for row in rows:
        fees = Fees(base_minor=0, commission_minor=0)
        if row.kind == TransferKind.EARNING.value:
            fees = frozen[row.order_id, row.line_id]
        elif row.kind in (TransferKind.REVERSAL.value, TransferKind.REINSTATEMENT.value):
            fees = reversed_[row.refund_id, row.order_id, row.line_id]
            fees = Fees(base_minor=0, commission_minor=0) - fees if row.kind == TransferKind.REVERSAL.value else fees
        lines.append(
            StatementLine(
                booked_at=row.booked_at,
                kind=row.kind,
                order_id=row.order_id,
                line_id=row.line_id,
                reference=row.refund_id or row.id,
                amount_minor=row.amount_minor,
                **fees.model_dump(),
            )
        )
    return tuple(lines)


def _payout_line(row: PayoutRow) -> StatementLine:
    return StatementLine(
        booked_at=row.closed_at or row.planned_at,
        kind=PAYOUT,
        order_id=None,
        line_id=None,
        reference=row.id,
        amount_minor=-row.amount_minor,
        **Fees(base_minor=0, commission_minor=0).model_dump(),
    )


def _fees_of_sales(session: Session, rows: list[SellerTransferRow]) -> dict[tuple[Any, ...], Fees]:
    orders = {row.order_id for row in rows if row.kind == TransferKind.EARNING.value}
    found = session.scalars(select(CommissionLineRow).where(CommissionLineRow.order_id.in_(orders)))
    return {(line.order_id, line.line_id): _fees(line) for line in found}


def _fees_of_refunds(session: Session, rows: list[SellerTransferRow]) -> dict[tuple[Any, ...], Fees]:
    refunds = {row.refund_id for row in rows if row.refund_id is not None}
    found = session.scalars(select(CommissionReversalRow).where(CommissionReversalRow.refund_id.in_(refunds)))
    return {(line.refund_id, line.order_id, line.line_id): _fees(line) for line in found}


def _fees(row: CommissionLineRow | CommissionReversalRow) -> Fees:
    return Fees(**{name: getattr(row, name) for name in FEE_FIELDS})
