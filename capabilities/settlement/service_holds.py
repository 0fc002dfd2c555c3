"""Writes of what keeps money back: holds by hand, disputes, and the days on which nothing is settled."""

from __future__ import annotations

from datetime import date

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, InvalidError, MissingError
from capabilities.kernel.ids import derived_id
from capabilities.kernel.outbox import publish
from capabilities.settlement.contract import Dispute, Hold, PlaceHold
from capabilities.settlement.models_payout import ClosedDayRow, DisputeRow, SellerTransferRow, SettlementHoldRow
from capabilities.settlement.queries_payout import dispute_from, dispute_named, hold_from
from capabilities.settlement.service_claims import lock_sellers, sellers_of, take_back_claims
from capabilities.settlement.service_transfers import book

T = SellerTransferRow


def place_hold(session: Session, request: PlaceHold, *, key: str, by: str) -> Hold:
    """Keep back what a seller or an order has coming; payouts of it that were not sent are withdrawn. Once a key."""
    if (request.seller_id is None) == (request.order_id is None):
        raise InvalidError("settlement.hold_unclear", "A hold is of a seller or of an order, one of them.")
    of = T.seller_id == request.seller_id if request.order_id is None else T.order_id == request.order_id
    if request.order_id is not None:
        book(session, request.business, order_id=request.order_id)
    _lock(session, request.business, of)
    hold_id = derived_id("hld", request.business, key)
    session.execute(
        insert(SettlementHoldRow)
        .values(id=hold_id, placed_by=by, placed_at=now(), **request.model_dump())
        .on_conflict_do_nothing()
    )
    take_back_claims(session, "hold", T.business == request.business, of)
    return hold_from(session.get_one(SettlementHoldRow, hold_id))


def lift_hold(session: Session, hold_id: str, *, reason: str, by: str) -> Hold:
    """Let go what was kept back; lifted already: as it stands."""
    session.execute(
        update(SettlementHoldRow)
        .where(SettlementHoldRow.id == hold_id, SettlementHoldRow.lifted_at.is_(None))
        .values(lifted_at=now(), lifted_by=by, lifted_reason=reason)
        .execution_options(synchronize_session=False)
    )
    row = session.get(SettlementHoldRow, hold_id, populate_existing=True)
    if row is None:
        raise MissingError("settlement.hold_unknown", f"There is no hold {hold_id!r}.")
    return hold_from(row)


def open_dispute(
    session: Session, *, business: str, order_id: str, reference: str, reason: str, amount_minor: int | None
) -> Dispute:
    """Hold everything of an order until the dispute is decided. The same reference twice is one dispute."""
    book(session, business, order_id=order_id)
    _lock(session, business, T.order_id == order_id)
    dispute_id = derived_id("dsp", order_id, reference)
    opened = session.scalars(
        insert(DisputeRow)
        .values(
            id=dispute_id,
            business=business,
            order_id=order_id,
            reference=reference,
            reason=reason,
            amount_minor=amount_minor,
            status="open",
            opened_at=now(),
        )
        .on_conflict_do_nothing()
        .returning(DisputeRow.id)
    ).all()
    if opened:
        take_back_claims(session, "dispute", T.order_id == order_id)
        data = {"dispute_id": dispute_id, "reference": reference}
        publish(session, business=business, type="dispute.opened", subject=order_id, data=data)
    return dispute_named(session, dispute_id)


def close_dispute(session: Session, dispute_id: str, *, is_won: bool) -> Dispute:
    """Decide a dispute: what was held is let go. A lost one is taken back by its refund, before this. Decided once."""
    before = dispute_named(session, dispute_id)
    _lock(session, before.business, T.order_id == before.order_id)
    status = "won" if is_won else "lost"
    closed = session.scalars(
        update(DisputeRow)
        .where(DisputeRow.id == dispute_id, DisputeRow.status == "open")
        .values(status=status, closed_at=now())
        .returning(DisputeRow.id)
        .execution_options(synchronize_session=False)
    ).all()
    dispute = dispute_named(session, dispute_id)
    if dispute.status != status:
        raise ConflictError("settlement.dispute_decided", f"The dispute was {dispute.status} already.")
    if closed:
        data = {"dispute_id": dispute_id, "outcome": status}
        publish(session, business=dispute.business, type=f"dispute.{status}", subject=dispute.order_id, data=data)
    return dispute


def close_day(session: Session, business: str, day: date, name: str) -> str:
    """Keep a day closed: what would fall due on it falls due on the next business day. Times set before stay."""
    id_ = derived_id("cld", business, day.isoformat())
    session.execute(
        insert(ClosedDayRow)
        .values(id=id_, business=business, day=day, name=name)
        .on_conflict_do_update(index_elements=[ClosedDayRow.id], set_={"name": name})
    )
    return id_


def _lock(session: Session, business: str, of: ColumnElement[bool]) -> None:
    lock_sellers(session, business, sellers_of(session, T.business == business, of))


def disputes_open(session: Session, order_id: str) -> tuple[Dispute, ...]:
    """The undecided disputes of an order."""
    rows = session.scalars(select(DisputeRow).where(DisputeRow.order_id == order_id, DisputeRow.status == "open"))
    return tuple(dispute_from(row) for row in rows)
