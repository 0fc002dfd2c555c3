"""What can be asked of sellers' money: transfers, balances, the calendar, holds, disputes, payouts, batches."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, Row, Select, case, cast, func, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from capabilities.kernel.business import business_of
from capabilities.kernel.cursor import read_cursor, read_moment, write_cursor
from capabilities.kernel.errors import MissingError
from capabilities.settlement.claimable import dispute_of, hold_of, is_blocked
from capabilities.settlement.contract import (
    Batch,
    BatchPage,
    Destination,
    Dispute,
    DueDay,
    Hold,
    Payout,
    PayoutFilters,
    PayoutPage,
    PayoutStatus,
    SellerBalance,
    SellerDue,
    SellerTransfer,
    TransferFilters,
    TransferKind,
    TransferPage,
    TransferStatus,
)
from capabilities.settlement.models_payout import (
    ClosedDayRow,
    DisputeRow,
    PayoutBatchRow,
    PayoutRow,
    SellerAccountRow,
    SellerTransferRow,
    SettlementHoldRow,
)

T = SellerTransferRow


def closed_days(session: Session, business: str) -> frozenset[date]:
    """The days on which the business does not settle, beside weekends and public holidays."""
    return frozenset(session.scalars(select(ClosedDayRow.day).where(ClosedDayRow.business == business)))


def transfers_page(
    session: Session, filters: TransferFilters, *, after: str | None = None, limit: int = 50
) -> TransferPage:
    """Seller transfers, newest first, with what keeps each back."""
    found = _transfers().where(T.business == filters.business)
    for column, value in (
        (T.seller_id, filters.seller_id),
        (T.currency, filters.currency),
        (T.order_id, filters.order_id),
        (T.payout_id, filters.payout_id),
    ):
        if value is not None:
            found = found.where(column == value)
    if filters.statuses:
        found = found.where(T.status.in_([status.value for status in filters.statuses]))
    rows = session.execute(_page(found, T.booked_at, T.id, after, limit)).all()
    following = write_cursor(rows[limit - 1][0].booked_at.isoformat(), rows[limit - 1][0].id) if rows[limit:] else None
    return TransferPage(transfers=tuple(_transfer(row) for row in rows[:limit]), next_cursor=following)


def transfers_of_seller(
    session: Session, business: str, seller_id: str, *, currency: str | None = None
) -> tuple[SellerTransfer, ...]:
    """Every transfer of a seller, oldest first."""
    found = _transfers().where(T.business == business, T.seller_id == seller_id)
    if currency is not None:
        found = found.where(T.currency == currency)
    return tuple(_transfer(row) for row in session.execute(found.order_by(T.booked_at, T.id)))


def transfers_of_order(session: Session, order_id: str) -> tuple[SellerTransfer, ...]:
    """What sellers get and gave back of an order, oldest first."""
    found = session.execute(_transfers().where(T.order_id == order_id).order_by(T.booked_at, T.id))
    return tuple(_transfer(row) for row in found)


def transfers_of_payout(session: Session, payout_id: str) -> tuple[SellerTransfer, ...]:
    """What a payout is made of, oldest first."""
    found = session.execute(_transfers().where(T.payout_id == payout_id).order_by(T.booked_at, T.id))
    return tuple(_transfer(row) for row in found)


def timeless(session: Session, business: str, *, limit: int) -> tuple[tuple[str, str, int], ...]:
    """Orders and sellers whose transfers wait without a time, with their sum; whoever was not asked for longest first."""
    found = session.execute(
        select(T.order_id, T.seller_id, func.sum(T.amount_minor))
        .where(
            T.business == business,
            T.status == TransferStatus.WAITING.value,
            T.available_at.is_(None),
            T.order_id.is_not(None),
        )
        .group_by(T.order_id, T.seller_id)
        .order_by(func.min(T.checked_at), T.order_id, T.seller_id)
        .limit(limit)
    )
    return tuple((str(order_id), seller_id, int(total)) for order_id, seller_id, total in found)


def balances_of(
    session: Session, business: str, *, seller_id: str | None = None, currency: str | None = None
) -> tuple[SellerBalance, ...]:
    """Where sellers' money stands, by seller and currency."""
    unclaimed = T.status.in_((TransferStatus.WAITING.value, TransferStatus.DUE.value))
    state = case(
        (T.status == TransferStatus.CLAIMED.value, "in_payout"),
        (T.status == TransferStatus.PAID.value, "paid"),
        ((T.kind == TransferKind.RESERVE_RELEASE.value) & (T.status == TransferStatus.WAITING.value), "reserve"),
        (unclaimed & is_blocked() & dispute_of().is_not(None), "disputed"),
        (unclaimed & is_blocked(), "held"),
        else_=T.status,
    ).label("state")
    inner = select(T.seller_id, T.currency, state, T.amount_minor).where(T.business == business)
    if seller_id is not None:
        inner = inner.where(T.seller_id == seller_id)
    if currency is not None:
        inner = inner.where(T.currency == currency)
    part = inner.subquery()
    sums = session.execute(
        select(part.c.seller_id, part.c.currency, part.c.state, func.sum(part.c.amount_minor))
        .group_by(part.c.seller_id, part.c.currency, part.c.state)
        .order_by(part.c.seller_id, part.c.currency)
    )
    found: dict[tuple[str, str], dict[str, int]] = {}
    for seller, spoken, standing, total in sums:
        found.setdefault((seller, spoken), {})[f"{standing}_minor"] = int(total)
    return tuple(
        SellerBalance(business=business, seller_id=seller, currency=spoken, **parts)
        for (seller, spoken), parts in found.items()
    )


def balance_of_seller(session: Session, business: str, seller_id: str, currency: str) -> SellerBalance:
    """Where one seller's money stands in one currency."""
    found = balances_of(session, business, seller_id=seller_id, currency=currency)
    return found[0] if found else SellerBalance(business=business, seller_id=seller_id, currency=currency)


def due_calendar(session: Session, business: str, *, first: date, last: date) -> tuple[DueDay, ...]:
    """What falls due on each day in the business's zone, by currency; last of all what has no day yet.

    What is due already and in no payout stands under its own day, also where that is before `first`.
    """
    zone = business_of(session, business).time_zone
    day = cast(func.timezone(zone, T.available_at), Date).label("day")
    open_ = T.status.in_((TransferStatus.WAITING.value, TransferStatus.DUE.value))
    is_due = T.status == TransferStatus.DUE.value
    found = session.execute(
        select(day, T.currency, func.count(), func.count(T.seller_id.distinct()), func.sum(T.amount_minor))
        .where(T.business == business, open_, or_(is_due, day.is_(None), day.between(first, last)))
        .group_by(day, T.currency)
        .order_by(day.nulls_last(), T.currency)
    )
    return tuple(
        DueDay(day=when, currency=currency, transfers=count, sellers=sellers, amount_minor=int(total))
        for when, currency, count, sellers, total in found
    )


def due_of_sellers(session: Session, business: str, *, first: date, last: date) -> tuple[SellerDue, ...]:
    """What falls due on each day and for each seller, in the business's zone; what is due already stands under its day."""
    zone = business_of(session, business).time_zone
    day = cast(func.timezone(zone, T.available_at), Date).label("day")
    open_ = T.status.in_((TransferStatus.WAITING.value, TransferStatus.DUE.value))
    kept = func.coalesce(func.sum(T.amount_minor).filter(is_blocked()), 0)
    found = session.execute(
        select(day, T.seller_id, T.currency, func.count(), func.sum(T.amount_minor), kept)
        .where(T.business == business, open_, day.between(first, last))
        .group_by(day, T.seller_id, T.currency)
        .order_by(day, T.seller_id, T.currency)
    )
    return tuple(
        SellerDue(
            day=when,
            seller_id=seller,
            currency=currency,
            transfers=count,
            amount_minor=int(total),
            kept_back_minor=int(blocked),
        )
        for when, seller, currency, count, total, blocked in found
    )


def destinations_of(session: Session, business: str, seller_id: str) -> tuple[Destination, ...]:
    """Where a seller is paid, by currency, as it was declared; without a row the business's own way decides."""
    found = session.scalars(
        select(SellerAccountRow)
        .where(
            SellerAccountRow.business == business,
            SellerAccountRow.seller_id == seller_id,
            SellerAccountRow.destination.is_not(None),
        )
        .order_by(SellerAccountRow.currency)
    )
    return tuple(
        Destination(currency=row.currency, destination=row.destination or "", minimum_minor=row.minimum_minor)
        for row in found
    )


def payout_of(session: Session, payout_id: str) -> Payout:
    """A payout; `MissingError` where there is none of that id."""
    row = session.get(PayoutRow, payout_id, populate_existing=True)
    if row is None:
        raise MissingError("settlement.payout_unknown", f"There is no payout {payout_id!r}.")
    return payout_from(row)


def payouts_page(session: Session, filters: PayoutFilters, *, after: str | None = None, limit: int = 50) -> PayoutPage:
    """Payouts, newest first."""
    found = select(PayoutRow).where(PayoutRow.business == filters.business)
    if filters.seller_id is not None:
        found = found.where(PayoutRow.seller_id == filters.seller_id)
    if filters.batch_id is not None:
        found = found.where(PayoutRow.batch_id == filters.batch_id)
    if filters.statuses:
        found = found.where(PayoutRow.status.in_([status.value for status in filters.statuses]))
    rows = session.scalars(_page(found, PayoutRow.planned_at, PayoutRow.id, after, limit)).all()
    following = write_cursor(rows[limit - 1].planned_at.isoformat(), rows[limit - 1].id) if rows[limit:] else None
    return PayoutPage(payouts=tuple(payout_from(row) for row in rows[:limit]), next_cursor=following)


def batch_of(session: Session, batch_id: str) -> Batch:
    """A batch with its payouts; `MissingError` where there is none of that id."""
    row = session.get(PayoutBatchRow, batch_id, populate_existing=True)
    if row is None:
        raise MissingError("settlement.batch_unknown", f"There is no batch {batch_id!r}.")
    return _batches(session, [row])[0]


def batches_page(
    session: Session, business: str, *, status: str | None = None, after: str | None = None, limit: int = 20
) -> BatchPage:
    """Batches with their payouts, newest first."""
    found = select(PayoutBatchRow).where(PayoutBatchRow.business == business)
    if status is not None:
        found = found.where(PayoutBatchRow.status == status)
    rows = session.scalars(_page(found, PayoutBatchRow.planned_at, PayoutBatchRow.id, after, limit)).all()
    following = write_cursor(rows[limit - 1].planned_at.isoformat(), rows[limit - 1].id) if rows[limit:] else None
    return BatchPage(batches=_batches(session, rows[:limit]), next_cursor=following)


def payout_counts(session: Session, business: str) -> dict[PayoutStatus, int]:
    """How many payouts stand in each status: for the first page, where failed ones are wrong now."""
    found = session.execute(
        select(PayoutRow.status, func.count()).where(PayoutRow.business == business).group_by(PayoutRow.status)
    )
    return {PayoutStatus(status): count for status, count in found}


def holds_of(session: Session, business: str, *, only_active: bool = True) -> tuple[Hold, ...]:
    """Holds, newest first."""
    found = select(SettlementHoldRow).where(SettlementHoldRow.business == business)
    if only_active:
        found = found.where(SettlementHoldRow.lifted_at.is_(None))
    return tuple(hold_from(row) for row in session.scalars(found.order_by(SettlementHoldRow.placed_at.desc())))


def disputes_of(
    session: Session, business: str, *, order_id: str | None = None, status: str | None = None
) -> tuple[Dispute, ...]:
    """Disputes, newest first."""
    found = select(DisputeRow).where(DisputeRow.business == business)
    if order_id is not None:
        found = found.where(DisputeRow.order_id == order_id)
    if status is not None:
        found = found.where(DisputeRow.status == status)
    return tuple(dispute_from(row) for row in session.scalars(found.order_by(DisputeRow.opened_at.desc())))


def dispute_named(session: Session, dispute_id: str) -> Dispute:
    """A dispute; `MissingError` where there is none of that id."""
    row = session.get(DisputeRow, dispute_id, populate_existing=True)
    if row is None:
        raise MissingError("settlement.dispute_unknown", f"There is no dispute {dispute_id!r}.")
    return dispute_from(row)


def _page(
    found: Select[Any],
    moment: InstrumentedAttribute[datetime],
    id_: InstrumentedAttribute[str],
    after: str | None,
    limit: int,
) -> Select[Any]:
    if after is not None:
        at, last = read_cursor(after, 2)
        found = found.where(tuple_(moment, id_) < (read_moment(at), last))
    return found.order_by(moment.desc(), id_.desc()).limit(limit + 1).execution_options(populate_existing=True)


def _transfers() -> Select[Any]:
    columns: tuple[Any, ...] = (T, hold_of().label("hold_id"), dispute_of().label("dispute_id"))
    return select(*columns).execution_options(populate_existing=True)


def _transfer(found: Row[Any]) -> SellerTransfer:
    row, hold_id, dispute_id = tuple(found)
    names = set(SellerTransfer.model_fields) - {"hold_id", "dispute_id"}
    return SellerTransfer(hold_id=hold_id, dispute_id=dispute_id, **{name: getattr(row, name) for name in names})


def _batches(session: Session, rows: Iterable[PayoutBatchRow]) -> tuple[Batch, ...]:
    batches = list(rows)
    payouts: dict[str, list[Payout]] = {row.id: [] for row in batches}
    found = session.scalars(
        select(PayoutRow)
        .where(PayoutRow.batch_id.in_(payouts))
        .order_by(PayoutRow.seller_id, PayoutRow.currency)
        .execution_options(populate_existing=True)
    )
    for row in found:
        payouts[row.batch_id].append(payout_from(row))
    names = set(Batch.model_fields) - {"payouts"}
    return tuple(
        Batch(payouts=tuple(payouts[row.id]), **{name: getattr(row, name) for name in names}) for row in batches
    )


def payout_from(row: PayoutRow) -> Payout:
    """A row as others see it."""
    return Payout.model_validate({name: getattr(row, name) for name in Payout.model_fields})


def hold_from(row: SettlementHoldRow) -> Hold:
    """A row as others see it."""
    return Hold.model_validate({name: getattr(row, name) for name in Hold.model_fields})


def dispute_from(row: DisputeRow) -> Dispute:
    """A row as others see it."""
    return Dispute.model_validate({name: getattr(row, name) for name in Dispute.model_fields})
