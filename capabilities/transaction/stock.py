"""Stock of orders: held → secured → committed, or released, or expired.

Whoever takes stock locks its rows first, by sku, and reservations after: nobody waits in a circle. Every change of a
reservation is a conditional update, so that of an expiry and a commit exactly one wins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, bindparam, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.database import table_of
from capabilities.kernel.errors import ConflictError, RefusedError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.ids import derived_id
from capabilities.transaction.contract import Hold, OrderStatus, ReservationStatus
from capabilities.transaction.extensions import longest_hold_hours, reservation_minutes
from capabilities.transaction.models import OfferRow, OrderLineRow, OrderRow, ReservationRow, StockRow
from capabilities.transaction.queries import order_of

HELD, SECURED, COMMITTED, RELEASED, EXPIRED = (status.value for status in ReservationStatus)

LOCK = (
    select(StockRow.business, StockRow.sku, (StockRow.on_hand - StockRow.reserved).label("available"))
    .where(tuple_(StockRow.business, StockRow.sku).in_(bindparam("keys", expanding=True)))
    .order_by(StockRow.business, StockRow.sku)
    .with_for_update()
)
NEEDS = (
    select(
        OrderRow.business,
        OrderRow.scenario,
        OrderLineRow.sku,
        func.sum(OrderLineRow.quantity).label("pieces"),
        func.min(ReservationRow.expires_at).label("held_until"),
        func.bool_or(ReservationRow.status.in_([RELEASED, EXPIRED])).label("is_given_back"),
    )
    .join(OrderLineRow, OrderLineRow.order_id == OrderRow.id)
    .join(OfferRow, (OfferRow.business == OrderRow.business) & (OfferRow.sku == OrderLineRow.sku))
    .outerjoin(ReservationRow, (ReservationRow.order_id == OrderRow.id) & (ReservationRow.sku == OrderLineRow.sku))
    .where(OrderRow.id == bindparam("order_id"), OfferRow.has_stock)
    .group_by(OrderRow.business, OrderRow.scenario, OrderLineRow.sku)
)
STATUS_SHARED = select(OrderRow.status).where(OrderRow.id == bindparam("order_id")).with_for_update(read=True)
INSERT_RESERVATIONS = insert(table_of(ReservationRow))

# lists travel as arrays: the text of a statement is the same for any number of skus, so it is prepared once
TAKE = text(
    "UPDATE stock SET reserved = reserved + wish.pieces"
    " FROM unnest(CAST(:skus AS varchar[]), CAST(:pieces AS bigint[])) AS wish (sku, pieces)"
    " WHERE stock.business = :business AND stock.sku = wish.sku AND on_hand - reserved >= wish.pieces"
    " RETURNING stock.sku"
)
GIVE_BACK = text(
    "UPDATE stock SET reserved = reserved - done.pieces,"
    " on_hand = on_hand - CASE WHEN :leaves THEN done.pieces ELSE 0 END"
    " FROM unnest(CAST(:businesses AS varchar[]), CAST(:skus AS varchar[]), CAST(:pieces AS bigint[]))"
    " AS done (business, sku, pieces)"
    " WHERE stock.business = done.business AND stock.sku = done.sku"
)


def hold_stock(session: Session, order_id: str) -> Hold:
    """Hold what the order needs, all or nothing; a second call finds the first. `ConflictError` says what is short, or
    that a hold of the order was given back: nobody is told that pieces are held which are not.
    """
    needs = _needs_of(session, order_id)
    if not needs.pieces:
        return Hold(held=0, expires_at=None)
    if needs.is_given_back:
        raise ConflictError(
            "transaction.hold_ended",
            "The pieces this order held were given back.",
            mend="Place the order again.",
            order_id=order_id,
        )
    if needs.held_until is not None:
        return Hold(held=len(needs.pieces), expires_at=needs.held_until)
    _take(session, needs.identity.business, needs.pieces)
    moment = now()
    expires_at = moment + timedelta(minutes=reservation_minutes.for_identity(needs.identity)())
    session.execute(
        INSERT_RESERVATIONS,
        [
            {
                "id": derived_id("rsv", order_id, sku),
                "business": needs.identity.business,
                "order_id": order_id,
                "sku": sku,
                "quantity": quantity,
                "status": HELD,
                "expires_at": expires_at,
                "changed_at": moment,
            }
            for sku, quantity in needs.pieces.items()
        ],
    )
    return Hold(held=len(needs.pieces), expires_at=expires_at)


def secure_stock(session: Session, order_id: str) -> int:
    """Take expiry off the order's holds, in the transaction that writes the capture intent: pay only for what is there.

    Returns how many reservations are secure. A hold that ran out, or an order that was put on hold or closed meanwhile,
    raises `RefusedError`; a second call changes nothing.
    """
    status = session.scalar(STATUS_SHARED, {"order_id": order_id})
    if status not in (OrderStatus.PLACED, OrderStatus.CONFIRMED):
        raise RefusedError(
            "transaction.order_not_open",
            f"Nothing can be charged for this order: it is {status or 'unknown'}.",
            mend="Look at the order: somebody else has decided about it.",
            order_id=order_id,
        )
    session.execute(
        update(ReservationRow)
        .where(ReservationRow.order_id == order_id, ReservationRow.status == HELD, ReservationRow.expires_at > now())
        .values(status=SECURED, changed_at=now())
        .execution_options(synchronize_session=False)
    )
    return _require_all(session, order_id, {SECURED, COMMITTED})


def commit_stock(session: Session, order_id: str) -> int:
    """The order's pieces leave the stock. Returns how many reservations are committed; a second call changes nothing.

    Holds that are still good may be committed without being secured: an order that costs nothing has no capture.
    """
    good = or_(ReservationRow.status == SECURED, (ReservationRow.status == HELD) & (ReservationRow.expires_at > now()))
    found = _move(session, order_id, good, to=COMMITTED)
    return found.moved if found.moved == found.all else _require_all(session, order_id, {COMMITTED})


def release_stock(session: Session, order_id: str) -> int:
    """Give back what the order holds; returns how many reservations were released. What is committed stays."""
    return _move(session, order_id, ReservationRow.status.in_([HELD, SECURED]), to=RELEASED).moved


def extend_holds(session: Session, order_id: str, expires_at: datetime) -> int:
    """Move the end of holds that have not run out; returns how many."""
    extended = session.scalars(
        update(ReservationRow)
        .where(ReservationRow.order_id == order_id, ReservationRow.status == HELD, ReservationRow.expires_at > now())
        .values(expires_at=expires_at, changed_at=now())
        .returning(ReservationRow.id)
        .execution_options(synchronize_session=False)
    )
    return len(extended.all())


def extend_reservation(session: Session, order_id: str, minutes: int) -> Hold:
    """Hold what the order holds for `minutes` more from now; never beyond the longest a hold may last, never shorter.

    A hold that ran out, or is being paid for, is not extended: `RefusedError` where the order holds nothing that could be.
    """
    order = order_of(session, order_id)
    longest = longest_hold_hours.for_identity(BusinessIdentity(order.business, order.scenario))()
    latest = order.placed_at + timedelta(hours=longest)
    wanted = min(now() + timedelta(minutes=minutes), latest)
    ends = session.scalars(
        update(ReservationRow)
        .where(ReservationRow.order_id == order_id, ReservationRow.status == HELD, ReservationRow.expires_at > now())
        .values(expires_at=func.greatest(ReservationRow.expires_at, wanted), changed_at=now())
        .returning(ReservationRow.expires_at)
        .execution_options(synchronize_session=False)
    ).all()
    if not ends:
        raise RefusedError(
            "transaction.nothing_held",
            f"Order {order.number} holds nothing that could be held longer.",
            mend="Place the order again.",
            order_id=order_id,
        )
    return Hold(held=len(ends), expires_at=min(ends))


def expire_reservations(session: Session, limit: int = 500) -> int:
    """Give back holds that ran out, oldest first, at most `limit`; returns how many."""
    overdue = session.execute(
        select(ReservationRow.business, ReservationRow.sku)
        .where(ReservationRow.status == HELD, ReservationRow.expires_at <= now())
        .order_by(ReservationRow.expires_at)
        .limit(limit)
    ).all()
    return _expire(session, sorted({(row.business, row.sku) for row in overdue}), limit)


def has_expired(session: Session, order_id: str) -> bool:
    """Whether a hold of the order ran out."""
    found = select(ReservationRow.id).where(ReservationRow.order_id == order_id, ReservationRow.status == EXPIRED)
    return session.execute(found.limit(1)).first() is not None


@dataclass(frozen=True, slots=True)
class _Needs:
    """Whose order it is, and its pieces by sku of what has stock, in the order in which rows are locked."""

    identity: BusinessIdentity
    pieces: dict[str, int]
    held_until: datetime | None
    is_given_back: bool


def _needs_of(session: Session, order_id: str) -> _Needs:
    rows = session.execute(NEEDS, {"order_id": order_id}).all()
    if not rows:
        order = order_of(session, order_id)
        return _Needs(BusinessIdentity(order.business, order.scenario), {}, None, is_given_back=False)
    return _Needs(
        BusinessIdentity(rows[0].business, rows[0].scenario),
        {row.sku: int(row.pieces) for row in sorted(rows, key=lambda row: str(row.sku))},
        min((row.held_until for row in rows if row.held_until is not None), default=None),
        is_given_back=any(row.is_given_back for row in rows),
    )


def _take(session: Session, business: str, wanted: dict[str, int]) -> None:
    keys = [(business, sku) for sku in sorted(wanted)]
    available = _lock(session, keys)
    short = [key for key in keys if available.get(key, 0) < wanted[key[1]]]
    if short and _expire(session, short, limit=10_000):
        available |= _lock(session, short)
        short = [key for key in short if available.get(key, 0) < wanted[key[1]]]
    if short:
        raise _shortage([(sku, wanted[sku], available.get((business, sku), 0)) for _, sku in short])
    wish = {"business": business, "skus": list(wanted), "pieces": list(wanted.values())}
    taken = session.scalars(TAKE, wish).all()
    if len(taken) != len(wanted):
        raise _shortage([(sku, pieces, 0) for sku, pieces in wanted.items() if sku not in taken])


def _shortage(short: Sequence[tuple[str, int, int]]) -> ConflictError:
    sku, asked, available = short[0]
    more = f" {len(short) - 1} more of the order are short too." if len(short) > 1 else ""
    return ConflictError(
        "transaction.stock_short",
        f"Of {sku} {asked} were asked, {available} are available.{more}",
        mend="Order fewer pieces, or try later.",
        sku=sku,
        asked=asked,
        available=available,
        short=[{"sku": sku, "asked": asked, "available": available} for sku, asked, available in short],
    )


def _lock(session: Session, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Lock stock rows in order; what is available of each."""
    rows = session.execute(LOCK, {"keys": list(keys)})
    return {(row.business, row.sku): row.available for row in rows}


def _expire(session: Session, keys: Sequence[tuple[str, str]], limit: int) -> int:
    """Expire overdue holds of these skus. Rows somebody else is deciding about right now are left alone."""
    if not keys:
        return 0
    _lock(session, keys)
    overdue = (
        select(ReservationRow.id)
        .where(
            tuple_(ReservationRow.business, ReservationRow.sku).in_(keys),
            ReservationRow.status == HELD,
            ReservationRow.expires_at <= now(),
        )
        .order_by(ReservationRow.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return _settle(session, ReservationRow.id.in_(overdue), to=EXPIRED)


@dataclass(frozen=True, slots=True)
class _Moved:
    """How many reservations the order has, and how many this call moved."""

    all: int
    moved: int


def _move(session: Session, order_id: str, condition: ColumnElement[bool], *, to: str) -> _Moved:
    rows = session.execute(
        select(ReservationRow.business, ReservationRow.sku, condition.label("moves")).where(
            ReservationRow.order_id == order_id
        )
    ).all()
    keys = sorted((row.business, row.sku) for row in rows if row.moves)
    if not keys:
        return _Moved(len(rows), 0)
    _lock(session, keys)
    return _Moved(len(rows), _settle(session, (ReservationRow.order_id == order_id) & condition, to=to))


def _settle(session: Session, condition: ColumnElement[bool], *, to: str) -> int:
    """End reservations that still fulfil the condition and take their pieces off `reserved` (and off the shelf)."""
    settled = session.execute(
        update(ReservationRow)
        .where(condition, ReservationRow.status.in_([HELD, SECURED]))
        .values(status=to, changed_at=now())
        .returning(ReservationRow.business, ReservationRow.sku, ReservationRow.quantity)
        .execution_options(synchronize_session=False)
    ).all()
    pieces: Counter[tuple[str, str]] = Counter()
    for row in settled:
        pieces[row.business, row.sku] += row.quantity
    if pieces:
        keys = sorted(pieces)
        done = {
            "businesses": [business for business, _ in keys],
            "skus": [sku for _, sku in keys],
            "pieces": [pieces[key] for key in keys],
            "leaves": to == COMMITTED,
        }
        session.execute(GIVE_BACK, done)
    return len(settled)


def _require_all(session: Session, order_id: str, good: set[str]) -> int:
    found = session.execute(
        select(ReservationRow.status, func.count().label("rows"))
        .where(ReservationRow.order_id == order_id)
        .group_by(ReservationRow.status)
    )
    counts = {row.status: row.rows for row in found}
    if set(counts) <= good:
        return sum(counts.values())
    raise RefusedError(
        "transaction.reservation_expired",
        "The pieces were held for this order only for a while, and that while is over.",
        mend="Place the order again; nothing was charged.",
        order_id=order_id,
    )
