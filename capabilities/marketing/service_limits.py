"""Writes of limits: what an order takes of counters is claimed, secured, redeemed, or given back, each once.

Counters are taken in the order of their ids, slots in the order of their numbers, and nobody who holds a later one waits
for an earlier one: no deadlocks. Most claims find room in a slot that nobody holds, by one conditional update, and wait
for nobody. Where all slots with room are taken it waits for one; where none has room, all slots are locked and room is
gathered. Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zlib import crc32

from sqlalchemy import ColumnElement, TextClause, and_, bindparam, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, RefusedError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.ids import derived_id
from capabilities.marketing.extensions import claim_minutes, counter_slots
from capabilities.marketing.limits import Counter, LimitUse
from capabilities.marketing.models import LimitClaimRow, LimitCounterRow
from capabilities.marketing.slots import Slot, Slots, fresh, gathered, resized, slots_for

HELD, SECURED, REDEEMED, RELEASED, EXPIRED = "held", "secured", "redeemed", "released", "expired"

# materialized: as a mere subquery it may run once for each slot, and each run finds another free one
TAKE = text(
    "WITH free AS MATERIALIZED ("
    "SELECT slot FROM limit_counter"
    " WHERE id = :id AND total = :total AND NOT is_over AND most - used >= :amount"
    " ORDER BY (slot + :turn) % 16 LIMIT 1 FOR UPDATE SKIP LOCKED"
    ") UPDATE limit_counter AS c SET used = used + :amount FROM free"
    " WHERE c.id = :id AND c.slot = free.slot RETURNING c.slot"
)
HAS_ROOM = text(
    "SELECT slot FROM limit_counter WHERE id = :id AND total = :total AND NOT is_over AND most - used >= :amount"
    " ORDER BY (slot + :turn) % 16 LIMIT 1"
)
TAKE_OF = text(
    "UPDATE limit_counter SET used = used + :amount"
    " WHERE id = :id AND slot = :slot AND total = :total AND NOT is_over AND most - used >= :amount RETURNING slot"
)
GIVE_BACK = text(
    "UPDATE limit_counter SET used = used - :amount, most = most - CASE WHEN is_over THEN :amount ELSE 0 END"
    " WHERE id = :id AND slot = :slot"
)
SET_SLOT = (
    update(LimitCounterRow.__table__)  # type: ignore[arg-type]
    .where(LimitCounterRow.id == bindparam("of_id"), LimitCounterRow.slot == bindparam("of_slot"))
    .values(
        most=bindparam("new_most"),
        used=bindparam("new_used"),
        total=bindparam("new_total"),
        is_over=bindparam("new_is_over"),
    )
)


def claim_limits(session: Session, order_id: str, quote_id: str, business: str, uses: Sequence[LimitUse]) -> int:
    """Claim what the order takes of each counter, all or none; returns how many counters.

    A counter used up since the quote raises `ConflictError` naming the limit, and nothing is claimed. A second call for
    the same order changes nothing.
    """
    if not uses:
        return 0
    minutes = claim_minutes.for_identity(BusinessIdentity(business))()
    expires_at = now() + timedelta(minutes=minutes)
    with session.begin_nested():
        known = _statuses(session, order_id)
        for use in sorted(uses, key=lambda use: use.counter.id):
            status = known.get(use.counter.id)
            if status is None:
                _claim(session, order_id, quote_id, business, use, expires_at)
            elif status not in (HELD, SECURED, REDEEMED):
                raise _ended(use.counter)
    return len(uses)


def _statuses(session: Session, order_id: str) -> dict[str, str]:
    found = select(LimitClaimRow.counter_id, LimitClaimRow.status).where(LimitClaimRow.order_id == order_id)
    return {row.counter_id: row.status for row in session.execute(found)}


def _claim(session: Session, order_id: str, quote_id: str, business: str, use: LimitUse, expires_at: datetime) -> None:
    counter = use.counter
    slot = take(session, business, counter, use.amount, turn=crc32(order_id.encode()))
    claim = {
        "id": derived_id("lcl", order_id, counter.id),
        "business": business,
        "counter_id": counter.id,
        "slot": slot,
        "owner": counter.owner,
        "counts": counter.counts,
        "order_id": order_id,
        "quote_id": quote_id,
        "amount": use.amount,
        "returned": 0,
        "parts": use.parts,
        "status": HELD,
        "expires_at": expires_at,
        "created_at": now(),
        "changed_at": now(),
    }
    is_new = session.scalar(insert(LimitClaimRow).values(claim).on_conflict_do_nothing().returning(LimitClaimRow.id))
    if is_new is None:  # the same step ran elsewhere meanwhile: its claim stands
        session.execute(GIVE_BACK, {"id": counter.id, "slot": slot, "amount": use.amount})


def take(session: Session, business: str, counter: Counter, amount: int, *, turn: int = 0) -> int:
    """Take an amount of a counter; the slot it came from. `ConflictError` where the counter has not that much left."""
    if counter.is_barred:
        raise _refusal(counter, 0, amount)
    wanted = {"id": counter.id, "total": counter.most, "amount": amount, "turn": turn % 16}
    if _slots_of(business, counter) == 1:  # the first slot comes first wherever all are locked, so it may be waited for
        slot = session.scalar(TAKE_OF, wanted | {"slot": 0})
    else:
        slot = _try(session, TAKE, wanted)
        if slot is None and (place := session.scalar(HAS_ROOM, wanted)) is not None:
            # every slot with room is in somebody's hands: wait for one of them, not for all
            slot = _try(session, TAKE_OF, wanted | {"slot": place})
    return _gather(session, business, counter, amount, turn) if slot is None else int(slot)


def _try(session: Session, statement: TextClause, wanted: Mapping[str, object]) -> int | None:
    """Take, or hold nothing: a row that has no room any more when its turn comes is locked all the same, and whoever holds
    one slot must not wait for another. The savepoint lets go of it.
    """
    with session.begin_nested() as savepoint:
        slot: int | None = session.scalar(statement, wanted)
        if slot is None:
            savepoint.rollback()
    return slot


def _slots_of(business: str, counter: Counter) -> int:
    most_slots = counter_slots.for_identity(BusinessIdentity(business))()
    return slots_for(counter.counts, counter.most, most_slots=most_slots)


def _gather(session: Session, business: str, counter: Counter, amount: int, turn: int) -> int:
    """No free slot has room: lock all, bring them to what the limit says now, and gather room in one."""
    found = _locked(session, business, counter)
    if found.total != counter.most or found.is_over:
        found = resized(found, counter.most)
    into = turn % len(found.slots)
    after = gathered(found, amount, into)
    if after is None and _expire(session, counter_ids=[counter.id], limit=10_000, wait=True):
        found = resized(_locked(session, business, counter), counter.most)
        after = gathered(found, amount, into)
    if after is None:
        raise _refusal(counter, found.left, amount)
    _write(session, counter.id, after)
    return into


def _locked(session: Session, business: str, counter: Counter) -> Slots:
    """All slots, locked in their order; made where there are none, and more where the limit has grown out of them."""
    found = _lock_all(session, counter.id)
    count = _slots_of(business, counter)
    if found is None:
        _make(session, business, counter, fresh(counter.most, count), first=0)
        found = _lock_all(session, counter.id)
    elif found.total != counter.most and count > len(found.slots):
        none = Slots(found.total, (Slot(0, 0),) * (count - len(found.slots)), found.is_over)
        _make(session, business, counter, none, first=len(found.slots))
        found = _lock_all(session, counter.id)
    if found is None:
        raise _refusal(counter, 0, 0)
    return found


def _make(session: Session, business: str, counter: Counter, slots: Slots, *, first: int) -> None:
    rows = [
        {
            "id": counter.id,
            "slot": number,
            "business": business,
            "owner": counter.owner,
            "budget_id": counter.budget_id,
            "counts": counter.counts,
            "key": counter.key,
            "total": slots.total,
            "is_over": slots.is_over,
            "most": slot.most,
            "used": 0,
            "created_at": now(),
        }
        for number, slot in enumerate(slots.slots, start=first)
    ]
    session.execute(insert(LimitCounterRow).values(rows).on_conflict_do_nothing())


def _lock_all(session: Session, counter_id: str) -> Slots | None:
    columns = (LimitCounterRow.total, LimitCounterRow.is_over, LimitCounterRow.most, LimitCounterRow.used)
    wanted = select(*columns).where(LimitCounterRow.id == counter_id).order_by(LimitCounterRow.slot).with_for_update()
    rows = session.execute(wanted).all()
    if not rows:
        return None
    return Slots(rows[0].total, tuple(Slot(row.most, row.used) for row in rows), rows[0].is_over)


def _write(session: Session, counter_id: str, slots: Slots) -> None:
    session.execute(
        SET_SLOT,
        [
            {
                "of_id": counter_id,
                "of_slot": number,
                "new_most": slot.most,
                "new_used": slot.used,
                "new_total": slots.total,
                "new_is_over": slots.is_over,
            }
            for number, slot in enumerate(slots.slots)
        ],
    )


def _refusal(counter: Counter, left: int, amount: int) -> ConflictError:
    if counter.is_barred:
        return ConflictError(
            "marketing.limit_closed",
            f"{counter.name or counter.owner} is not open to this order.",
            mend="Ask for the price again, and check out with that.",
            limit=counter.name or counter.owner,
            rule_ids=list(counter.rule_ids),
        )
    what = "budget" if counter.counts == "spend" else "limit"
    return ConflictError(
        "marketing.limit_used_up",
        f"The {what} of {counter.name or counter.owner} is used up.",
        mend="Ask for the price again, and check out with that.",
        limit=counter.name or counter.owner,
        counts=counter.counts,
        rule_ids=list(counter.rule_ids),
        left=left,
        asked=amount,
    )


def _ended(counter: Counter) -> ConflictError:
    return ConflictError(
        "marketing.claim_ended",
        f"What this order had claimed of {counter.name or counter.owner} was given back.",
        mend="Begin a new checkout.",
        limit=counter.name or counter.owner,
    )


# --- from held to the end ---------------------------------------------------------------------------------------


def extend_limits(session: Session, order_id: str, expires_at: datetime) -> int:
    """Move the end of claims that have not run out; returns how many."""
    return _move(session, order_id, _good_hold(), to=HELD, expires_at=expires_at)


def secure_limits(session: Session, order_id: str) -> int:
    """Take expiry off the order's claims, in the transaction that writes the capture intent; returns how many are secure.

    A claim that ran out raises `RefusedError`; a second call changes nothing.
    """
    _move(session, order_id, _good_hold(), to=SECURED)
    return _require_all(session, order_id, (SECURED, REDEEMED))


def redeem_limits(session: Session, order_id: str) -> int:
    """What the order claimed is used for good; returns how many claims. A second call changes nothing.

    Claims that are still good may be redeemed without being secured: an order that costs nothing has no capture.
    """
    _move(session, order_id, or_(LimitClaimRow.status == SECURED, _good_hold()), to=REDEEMED)
    return _require_all(session, order_id, (REDEEMED,))


def release_limits(session: Session, order_id: str) -> int:
    """Give back what the order has not redeemed, once; returns how many claims.

    As with coupons, a counter somebody else is taking from is not waited for, as he may wait for what the undo holds:
    the claim lapses at once and is counted back by whoever comes next.
    """
    wanted = select(LimitClaimRow).where(
        LimitClaimRow.order_id == order_id, LimitClaimRow.status.in_((HELD, SECURED)), ~_has_lapsed()
    )
    claims = session.scalars(wanted.execution_options(populate_existing=True)).all()
    given_back = _give_back(session, claims, (HELD, SECURED), RELEASED, wait=False)
    open_still = LimitClaimRow.status.in_((HELD, SECURED)) & ~_has_lapsed()
    lapsed = 0 if given_back == len(claims) else _move(session, order_id, open_still, to=HELD, expires_at=now())
    return given_back + lapsed


def expire_limits(session: Session, limit: int = 500) -> int:
    """Give back claims that ran out, oldest first, at most `limit`; returns how many. Counters in use wait for later."""
    return _expire(session, limit=limit, wait=False)


def _expire(session: Session, *, counter_ids: Sequence[str] = (), limit: int, wait: bool) -> int:
    overdue = select(LimitClaimRow).where(_has_lapsed())
    if counter_ids:
        overdue = overdue.where(LimitClaimRow.counter_id.in_(counter_ids))
    wanted = overdue.order_by(LimitClaimRow.expires_at).limit(limit).execution_options(populate_existing=True)
    return _give_back(session, session.scalars(wanted).all(), (HELD,), EXPIRED, wait=wait)


def _give_back(
    session: Session, claims: Sequence[LimitClaimRow], from_statuses: Sequence[str], to: str, *, wait: bool
) -> int:
    """End claims and count them back, only those whose status this transaction changed; the counter is locked first."""
    ended = 0
    for claim in sorted(claims, key=lambda claim: (claim.counter_id, claim.slot)):
        at = (LimitCounterRow.id == claim.counter_id, LimitCounterRow.slot == claim.slot)
        if session.scalar(select(LimitCounterRow.slot).where(*at).with_for_update(skip_locked=not wait)) is None:
            continue
        changed = session.scalar(
            update(LimitClaimRow)
            .where(LimitClaimRow.id == claim.id, LimitClaimRow.status.in_(from_statuses))
            .values(status=to, changed_at=now())
            .returning(LimitClaimRow.id)
            .execution_options(synchronize_session=False)
        )
        if changed is not None:
            session.execute(GIVE_BACK, {"id": claim.counter_id, "slot": claim.slot, "amount": claim.amount})
            ended += 1
    return ended


def _has_lapsed() -> ColumnElement[bool]:
    return and_(LimitClaimRow.status == HELD, LimitClaimRow.expires_at <= now())


def _good_hold() -> ColumnElement[bool]:
    return and_(LimitClaimRow.status == HELD, LimitClaimRow.expires_at > now())


def _move(
    session: Session, order_id: str, condition: ColumnElement[bool], *, to: str, expires_at: datetime | None = None
) -> int:
    values = {"status": to, "changed_at": now()} | ({} if expires_at is None else {"expires_at": expires_at})
    moved = session.scalars(
        update(LimitClaimRow)
        .where(LimitClaimRow.order_id == order_id, condition)
        .values(**values)
        .returning(LimitClaimRow.id)
        .execution_options(synchronize_session=False)
    )
    return len(moved.all())


def _require_all(session: Session, order_id: str, good: Sequence[str]) -> int:
    found = session.execute(
        select(LimitClaimRow.owner, LimitClaimRow.status).where(LimitClaimRow.order_id == order_id)
    ).all()
    lost = sorted({row.owner for row in found if row.status not in good})
    if lost:
        raise RefusedError(
            "marketing.claim_expired",
            "What this order had claimed of a limited offer was not paid for in time and has been given back.",
            mend="Begin a new checkout.",
            limits=lost,
        )
    return len(found)
