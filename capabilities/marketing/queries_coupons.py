"""Reads of coupons in numbers: lots and how far they are made and used, codes in pages, uses of a code, rows to export."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select, tuple_
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.cursor import read_cursor, read_moment, write_cursor
from capabilities.kernel.errors import MissingError
from capabilities.marketing.codes import bits_of
from capabilities.marketing.coupons import (
    CouponCondition,
    CouponLine,
    CouponLot,
    CouponPage,
    CouponUseLine,
    LotPage,
)
from capabilities.marketing.models import CouponClaimRow, CouponLotRow, CouponRow
from capabilities.marketing.pricing import normal_code
from capabilities.marketing.queries import condition_of

EXPORT_AT_ONCE = 2_000


def lot_of(session: Session, business: str, lot_id: str) -> CouponLot:
    """A lot by its name, with how much of it is used; `MissingError` where there is none."""
    found = select(CouponLotRow).where(CouponLotRow.business == business, CouponLotRow.name == lot_id)
    row = session.scalars(found.execution_options(populate_existing=True)).one_or_none()
    if row is None:
        raise MissingError("marketing.lot_unknown", f"There is no lot {lot_id} in {business}.")
    return lot_from_row(row, used=_used(session, [row.id]).get(row.id, 0))


def lots_page(session: Session, business: str, *, find: str = "", after: str | None = None, limit: int = 50) -> LotPage:
    """Lots, the newest first, by a part of their names or of the word they open."""
    wanted = select(CouponLotRow).where(CouponLotRow.business == business)
    if find:
        part = f"%{_escaped(find)}%"
        wanted = wanted.where(
            or_(CouponLotRow.name.ilike(part, escape="\\"), CouponLotRow.opens.ilike(part, escape="\\"))
        )
    if after is not None:
        created_at, last = read_cursor(after, 2)
        wanted = wanted.where(tuple_(CouponLotRow.created_at, CouponLotRow.id) < (read_moment(created_at), last))
    ordered = wanted.order_by(CouponLotRow.created_at.desc(), CouponLotRow.id.desc()).limit(limit + 1)
    rows = list(session.scalars(ordered.execution_options(populate_existing=True)))
    cursor = write_cursor(rows[limit - 1].created_at.isoformat(), rows[limit - 1].id) if len(rows) > limit else None
    used = _used(session, [row.id for row in rows])
    return LotPage(lots=tuple(lot_from_row(row, used=used.get(row.id, 0)) for row in rows[:limit]), cursor=cursor)


def lots_to_watch(
    session: Session, business: str, *, used_bps: int = 9_000, at: datetime | None = None
) -> tuple[tuple[CouponLot, int], ...]:
    """Finished lots of which so much is used while their codes are still valid, with how many can still be used."""
    moment = at or now()
    found = (
        select(CouponLotRow, func.count().label("valid"), func.count().filter(CouponRow.used > 0).label("used"))
        .join(CouponRow, CouponRow.lot_id == CouponLotRow.id)
        .where(CouponLotRow.business == business, CouponLotRow.status == "ready", CouponRow.status == "active")
        .where(or_(CouponRow.valid_until.is_(None), CouponRow.valid_until > moment))
        .group_by(CouponLotRow.id)
        .having(func.count().filter(CouponRow.used > 0) * 10_000 >= func.count() * used_bps)
        .order_by(CouponLotRow.created_at.desc())
    )
    return tuple((lot_from_row(row, used=used), valid - used) for row, valid, used in session.execute(found))


def lot_from_row(row: CouponLotRow, *, used: int) -> CouponLot:
    """A lot as others see it."""
    return CouponLot.model_validate(
        {
            "id": row.name,
            "business": row.business,
            "opens": row.opens,
            "pattern": row.pattern,
            "bits": round(bits_of(row.pattern), 1),
            "wanted": row.wanted,
            "made": row.made,
            "used": used,
            "status": row.status,
            "created_by": row.created_by,
            "created_at": row.created_at,
        }
    )


def _used(session: Session, lot_ids: Sequence[str]) -> dict[str, int]:
    """How many codes of each lot have been used at least once."""
    found = (
        select(CouponRow.lot_id, func.count().label("used"))
        .where(CouponRow.lot_id.in_(lot_ids), CouponRow.used > 0)
        .group_by(CouponRow.lot_id)
    )
    return {str(row.lot_id): row.used for row in session.execute(found)}


def coupons_page(
    session: Session,
    business: str,
    *,
    lot_id: str | None = None,
    condition: CouponCondition | None = None,
    buyer_id: str | None = None,
    find: str = "",
    after: str | None = None,
    limit: int = 50,
    at: datetime | None = None,
) -> CouponPage:
    """Codes, the newest first: of a lot, in a condition, of a buyer, by the beginning of the code."""
    moment = at or now()
    wanted = select(CouponRow, CouponLotRow.name).outerjoin(CouponLotRow, CouponLotRow.id == CouponRow.lot_id)
    wanted = wanted.where(CouponRow.business == business)
    if lot_id is not None:
        wanted = wanted.where(CouponLotRow.name == lot_id)
    if condition is not None:
        wanted = wanted.where(_is_in(condition, moment))
    if buyer_id is not None:
        wanted = wanted.where(CouponRow.buyer_id == buyer_id)
    if find:
        wanted = wanted.where(CouponRow.code_key.like(f"{_escaped(normal_code(find))}%", escape="\\"))
    if after is not None:
        created_at, last = read_cursor(after, 2)
        wanted = wanted.where(tuple_(CouponRow.created_at, CouponRow.id) < (read_moment(created_at), last))
    ordered = wanted.order_by(CouponRow.created_at.desc(), CouponRow.id.desc()).limit(limit + 1)
    rows = session.execute(ordered.execution_options(populate_existing=True)).all()
    lines = [_line(row, name, moment) for row, name in rows]
    last_row = rows[limit - 1][0] if len(rows) > limit else None
    cursor = None if last_row is None else write_cursor(last_row.created_at.isoformat(), last_row.id)
    return CouponPage(coupons=tuple(lines[:limit]), cursor=cursor)


def coupon_of(session: Session, business: str, code: str, at: datetime | None = None) -> CouponLine:
    """A coupon by its code; `MissingError` where there is none."""
    found = (
        select(CouponRow, CouponLotRow.name)
        .outerjoin(CouponLotRow, CouponLotRow.id == CouponRow.lot_id)
        .where(CouponRow.business == business, CouponRow.code_key == normal_code(code))
    )
    row = session.execute(found.execution_options(populate_existing=True)).one_or_none()
    if row is None:
        raise MissingError("marketing.coupon_unknown", f"There is no coupon {code} in {business}.", coupon=code)
    return _line(row[0], row[1], at or now())


def _line(row: CouponRow, lot_name: str | None, at: datetime) -> CouponLine:
    condition, reason = condition_of(row, at, buyer_id=row.buyer_id)
    return CouponLine.model_validate(
        {
            "code": row.code,
            "opens": row.opens or row.code_key,
            "lot_id": lot_name,
            "buyer_id": row.buyer_id,
            "condition": condition,
            "reason": reason,
            "use_limit": row.use_limit,
            "used": row.used,
            "valid_from": row.valid_from,
            "valid_until": row.valid_until,
            "after_refund": row.after_refund,
            "after_refund_days": row.after_refund_days,
            "created_at": row.created_at,
        }
    )


def _is_in(condition: CouponCondition, at: datetime) -> ColumnElement[bool]:
    """The condition in SQL, in the order in which `condition_of` looks."""
    is_active = CouponRow.status == "active"
    is_early = and_(CouponRow.valid_from.is_not(None), CouponRow.valid_from > at)
    is_late = and_(CouponRow.valid_until.is_not(None), CouponRow.valid_until <= at)
    is_used_up = and_(CouponRow.use_limit.is_not(None), CouponRow.used >= CouponRow.use_limit)
    found: dict[CouponCondition, ColumnElement[bool]] = {
        "void": CouponRow.status == "void",
        "paused": CouponRow.status == "paused",
        "not_yet_valid": and_(is_active, is_early),
        "expired": and_(is_active, ~is_early, is_late),
        "used_up": and_(is_active, ~is_early, ~is_late, is_used_up),
        "active": and_(is_active, ~is_early, ~is_late, ~is_used_up),
        "wrong_buyer": CouponRow.buyer_id.is_not(None),
    }
    return found[condition]


def uses_of_coupon(session: Session, business: str, code: str, *, limit: int = 100) -> tuple[CouponUseLine, ...]:
    """Who used a code: its claims, the newest first."""
    found = (
        select(CouponClaimRow)
        .where(CouponClaimRow.business == business, CouponClaimRow.code == normal_code(code))
        .order_by(CouponClaimRow.created_at.desc(), CouponClaimRow.id)
        .limit(limit)
        .execution_options(populate_existing=True)
    )
    return tuple(
        CouponUseLine(code=row.code, order_id=row.order_id, status=row.status, at=row.created_at)
        for row in session.scalars(found)
    )


def export_rows(session: Session, business: str, *, lot_id: str | None = None) -> Iterator[CouponLine]:
    """Every code, the newest first, read in pages: for a file. See `coupon_files.lines_of`."""
    after: str | None = None
    while True:
        page = coupons_page(session, business, lot_id=lot_id, after=after, limit=EXPORT_AT_ONCE)
        yield from page.coupons
        after = page.cursor
        if after is None:
            return


def _escaped(find: str) -> str:
    return find.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
