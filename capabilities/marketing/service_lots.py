"""Writes of coupons in numbers: lots made in chunks, files imported, codes and lots paused and voided, rewards issued.

A lot is known by its name: asked again it is the same, and what is missing of it is made. Nothing here commits.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, InvalidError, MissingError
from capabilities.kernel.ids import derived_id, new_id
from capabilities.kernel.outbox import publish
from capabilities.marketing.codes import new_code, require_unguessable
from capabilities.marketing.contract import CouponStatus
from capabilities.marketing.coupons import ChangeCoupons, CouponLot, CreateLot
from capabilities.marketing.models import CouponLotRow, CouponRow
from capabilities.marketing.pricing import normal_code
from capabilities.marketing.queries_coupons import lot_from_row, lot_of

CHUNK = 2_000
TRIES = 20


def open_lot(session: Session, request: CreateLot, actor: str) -> CouponLot:
    """Plan a lot; `make_codes` makes its codes. The same again is the same; another plan under its name conflicts.

    Codes that could be guessed raise `InvalidError`, which says how many bits there are, and how to mend it.
    """
    if request.buyer_ids and request.codes != len(request.buyer_ids):
        raise InvalidError(
            "marketing.lot_counts_differ",
            f"{request.codes:,} codes are asked for {len(request.buyer_ids):,} buyers: each gets one.",
            mend="Ask for as many codes as there are buyers.",
            field="codes",
        )
    require_unguessable(request.pattern, request.codes)
    plan = request.model_dump(mode="json")
    row = {
        "id": derived_id("lot", request.business, request.lot_id),
        "business": request.business,
        "name": request.lot_id,
        "plan": plan,
        "opens": normal_code(request.opens),
        "pattern": request.pattern,
        "wanted": request.codes,
        "made": 0,
        "status": "making",
        "created_by": actor,
        "created_at": now(),
        "changed_at": now(),
    }
    is_new = session.scalar(insert(CouponLotRow).values(row).on_conflict_do_nothing().returning(CouponLotRow.id))
    if is_new is None:
        known = session.scalar(select(CouponLotRow.plan).where(CouponLotRow.id == row["id"]))
        if known != plan:
            raise ConflictError(
                "marketing.lot_exists",
                f"There is another lot {request.lot_id} in {request.business} already.",
                mend="Choose another id for the lot.",
                field="lot_id",
            )
    return lot_of(session, request.business, request.lot_id)


def make_codes(session: Session, business: str, lot_id: str, *, most: int = CHUNK) -> CouponLot:
    """Make the next codes of a lot, at most `most`; of a lot that is whole, or void, none."""
    lot = _locked(session, business, lot_id)
    plan = CreateLot.model_validate(lot.plan)
    missing = min(most, lot.wanted - lot.made) if lot.status == "making" else 0
    made = 0
    for _ in range(TRIES):
        if made == missing:
            break
        first = lot.made + made
        rows = [_code_row(lot, plan, first + number) for number in range(missing - made)]
        made += _insert_in_order(session, rows)
    if made < missing:
        raise InvalidError(
            "marketing.codes_taken",
            f"Nearly all codes of the pattern {lot.pattern} are taken.",
            mend="Choose another pattern for a new lot.",
            field="pattern",
        )
    if missing:
        lot.made += made
        lot.status = "ready" if lot.made == lot.wanted else "making"
        lot.changed_at = now()
        session.flush()
        if lot.status == "ready":
            data = {"lot": lot.name, "codes": lot.made}
            publish(session, business=business, type="coupon_lot.ready", subject=lot.id, data=data)
    return lot_from_row(lot, used=0)


def _insert_in_order(session: Session, rows: list[dict[str, object]]) -> int:
    """Insert codes; how many in a row from the first were new, and only those: a code of a buyer stays his.

    A code that exists already, in the lot or elsewhere, is drawn anew in the next round.
    """
    keys = [row["code_key"] for row in rows]
    taken = set(
        session.scalars(
            select(CouponRow.code_key).where(CouponRow.business == rows[0]["business"], CouponRow.code_key.in_(keys))
        )
    )
    fresh: list[dict[str, object]] = []
    seen: set[object] = set()
    for row in rows:
        if row["code_key"] in taken or row["code_key"] in seen:
            break
        seen.add(row["code_key"])
        fresh.append(row)
    if not fresh:
        return 0
    with session.begin_nested() as savepoint:
        added = session.scalars(insert(CouponRow).on_conflict_do_nothing().returning(CouponRow.id), fresh).all()
        if len(added) == len(fresh):
            return len(fresh)
        savepoint.rollback()  # another lot took one of them in this very moment
        return 0


def _locked(session: Session, business: str, lot_id: str) -> CouponLotRow:
    wanted = select(CouponLotRow).where(CouponLotRow.business == business, CouponLotRow.name == lot_id)
    found = session.scalars(wanted.with_for_update().execution_options(populate_existing=True)).one_or_none()
    if found is None:
        raise MissingError("marketing.lot_unknown", f"There is no lot {lot_id} in {business}.")
    return found


def _code_row(lot: CouponLotRow, plan: CreateLot, number: int) -> dict[str, object]:
    code = new_code(lot.pattern)
    return {
        "id": new_id("cpn"),
        "business": lot.business,
        "code": code,
        "code_key": normal_code(code),
        "use_limit": plan.use_limit,
        "used": 0,
        "status": CouponStatus.ACTIVE.value,
        "valid_from": plan.valid_from,
        "valid_until": plan.valid_until,
        "opens": lot.opens,
        "lot_id": lot.id,
        "buyer_id": plan.buyer_ids[number] if plan.buyer_ids else None,
        "after_refund": plan.after_refund,
        "after_refund_days": plan.after_refund_days,
        "created_at": now(),
    }


# --- pause, resume, void ----------------------------------------------------------------------------------------

_STATUSES = {"pause": ("active", "paused"), "resume": ("paused", "active"), "void": (None, "void")}


def change_coupons(session: Session, request: ChangeCoupons, actor: str) -> int:
    """Pause, resume or void a code, or every code of a lot; how many changed. What is void stays void.

    Uses that are claimed already keep their claim.
    """
    if (request.code is None) == (request.lot_id is None):
        raise InvalidError("marketing.coupons_unnamed", "Name a code, or a lot.", field="code")
    from_status, to = _STATUSES[request.act]
    changes = update(CouponRow).where(CouponRow.business == request.business)
    if request.code is not None:
        changes = changes.where(CouponRow.code_key == normal_code(request.code))
        _require_code(session, request.business, request.code)
    else:
        lot = _locked(session, request.business, request.lot_id or "")
        changes = changes.where(CouponRow.lot_id == lot.id)
        if request.act == "void":
            lot.status, lot.changed_at = "void", now()
    is_open = CouponRow.status.notin_((to, "void")) if from_status is None else CouponRow.status == from_status
    changed = session.scalars(
        changes.where(is_open)
        .values(status=to, reason=request.reason or None)
        .returning(CouponRow.id)
        .execution_options(synchronize_session=False)
    ).all()
    if changed:
        data = {"code": request.code, "lot": request.lot_id, "count": len(changed), "actor": actor}
        subject = derived_id("cpn", request.business, request.code or request.lot_id or "")
        publish(session, business=request.business, type=f"coupons.{to}", subject=subject, data=data)
    return len(changed)


def _require_code(session: Session, business: str, code: str) -> None:
    wanted = select(func.count()).where(CouponRow.business == business, CouponRow.code_key == normal_code(code))
    if not session.scalar(wanted):
        raise MissingError("marketing.coupon_unknown", f"There is no coupon {code} in {business}.", coupon=code)


# --- rewards ----------------------------------------------------------------------------------------------------


def issue_code(
    session: Session, business: str, pool: str, buyer_id: str, *, coupon_id: str, valid_until: datetime | None
) -> str:
    """A code of the pool that only this buyer can use, once; the same `coupon_id` is the same code.

    A pool is the lot of that name, or where there is none, simply the word that rules ask for.
    """
    known = session.scalar(select(CouponRow.code).where(CouponRow.id == coupon_id))
    if known is not None:
        return known
    lot = session.scalars(
        select(CouponLotRow).where(CouponLotRow.business == business, CouponLotRow.name == pool)
    ).one_or_none()
    opens = normal_code(pool) if lot is None else lot.opens
    pattern = f"{opens[:40]}-****-****" if lot is None else lot.pattern
    for _ in range(TRIES):
        code = new_code(pattern)
        row = {
            "id": coupon_id,
            "business": business,
            "code": code,
            "code_key": normal_code(code),
            "use_limit": 1,
            "used": 0,
            "status": CouponStatus.ACTIVE.value,
            "valid_from": None,
            "valid_until": valid_until,
            "opens": opens,
            "lot_id": None,
            "buyer_id": buyer_id,
            "after_refund": "keep",
            "after_refund_days": None,
            "created_at": now(),
        }
        session.execute(insert(CouponRow).values(row).on_conflict_do_nothing())
        added = session.scalar(select(CouponRow.code).where(CouponRow.id == coupon_id))
        if added is not None:
            return added
    raise ConflictError("marketing.codes_taken", f"Nearly all codes of the pool {pool} are taken.", pool=pool)


def days_from(moment: datetime, days: int | None) -> datetime | None:
    """The moment so many days later, None where nothing ends."""
    return None if days is None else moment + timedelta(days=days)
