"""Writes of marketing after the sale: rewards granted, and what a refund gives back to budgets, coupons and takes of rewards.

All of it once: a reward once an order, a return once a refund. Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.ids import derived_id
from capabilities.marketing.contract import Quote, Reward
from capabilities.marketing.models import (
    CouponClaimRow,
    CouponRow,
    LimitClaimRow,
    LimitCounterRow,
    LimitReturnRow,
    RewardRow,
)
from capabilities.marketing.service_limits import GIVE_BACK
from capabilities.marketing.service_lots import days_from, issue_code

USED = ("secured", "redeemed")


@dataclass(frozen=True, slots=True)
class Granted:
    """What an order earned its buyer."""

    points: int = 0
    cashback_minor: int = 0
    coupons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RefundedOrder:
    """What marketing needs of a refund. `discounts` by rule: what of its discount goes back with it.

    `refunded_minor` of `paid_minor` are given back with this refund and those before; `is_whole` tells that all goods are.
    """

    refund_id: str
    order_id: str
    discounts: Mapping[str, int]
    refunded_minor: int
    paid_minor: int
    is_whole: bool


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What a refund gave back, and what of rewards is to be taken back."""

    budget: int = 0
    uses: int = 0
    coupons: int = 0
    points: int = 0
    cashback_minor: int = 0


# --- rewards ----------------------------------------------------------------------------------------------------


def grant_rewards(session: Session, order_id: str, buyer_id: str | None, quote: Quote) -> Granted:
    """Record what the quote promised, once an order, and issue its coupons. A guest earns nothing: nobody to give it to."""
    if buyer_id is None:
        return Granted()
    for reward in quote.rewards:
        if reward.kind == "points" and reward.points:
            _record(session, quote.business, order_id, buyer_id, reward, reward.points)
        elif reward.kind == "cashback" and reward.amount_minor:
            _record(session, quote.business, order_id, buyer_id, reward, reward.amount_minor)
        elif reward.kind == "coupon" and reward.pool:
            _issue(session, quote.business, order_id, buyer_id, reward)
    return granted_of(session, order_id)


def granted_of(session: Session, order_id: str) -> Granted:
    """What an order earned, as it was granted."""
    found = select(RewardRow).where(RewardRow.order_id == order_id).order_by(RewardRow.rule_id, RewardRow.number)
    rows = session.scalars(found.execution_options(populate_existing=True)).all()
    return Granted(
        points=sum(row.amount for row in rows if row.kind == "points"),
        cashback_minor=sum(row.amount for row in rows if row.kind == "cashback"),
        coupons=tuple(row.code for row in rows if row.code is not None),
    )


def _issue(session: Session, business: str, order_id: str, buyer_id: str, reward: Reward) -> None:
    for number in range(reward.units):
        coupon_id = derived_id("cpn", order_id, reward.rule_id, str(reward.effect_index), str(number))
        valid_until = days_from(now(), reward.valid_days)
        code = issue_code(session, business, reward.pool or "", buyer_id, coupon_id=coupon_id, valid_until=valid_until)
        _record(session, business, order_id, buyer_id, reward, 1, number=number, code=code)


def _record(
    session: Session,
    business: str,
    order_id: str,
    buyer_id: str,
    reward: Reward,
    amount: int,
    *,
    number: int = 0,
    code: str | None = None,
) -> None:
    place = reward.effect_index * 1_000 + number
    row = {
        "id": derived_id("rwd", order_id, reward.kind, reward.rule_id, str(place)),
        "business": business,
        "order_id": order_id,
        "buyer_id": buyer_id,
        "kind": reward.kind,
        "rule_id": reward.rule_id,
        "number": place,
        "amount": amount,
        "taken_back": 0,
        "code": code,
        "granted_at": now(),
        "changed_at": now(),
    }
    session.execute(insert(RewardRow).values(row).on_conflict_do_nothing())


# --- refunds ----------------------------------------------------------------------------------------------------


def give_back(session: Session, refunded: RefundedOrder, *, restores_uses: bool) -> GivenBack:
    """Give back what a refund frees, once: its discounts' share to budgets, uses by policy; and take rewards back by share.

    A second call for the same refund gives back nothing more and tells the same of budgets and uses.
    """
    budget, uses = _return_limits(session, refunded, restores_uses=restores_uses)
    coupons = _restore_coupons(session, refunded.order_id) if refunded.is_whole else 0
    points, cashback = _take_back(session, refunded)
    return GivenBack(budget, uses, coupons, points, cashback)


def _return_limits(session: Session, refunded: RefundedOrder, *, restores_uses: bool) -> tuple[int, int]:
    wanted = (
        select(LimitClaimRow)
        .where(LimitClaimRow.order_id == refunded.order_id, LimitClaimRow.status.in_(USED))
        .order_by(LimitClaimRow.counter_id)
        .execution_options(populate_existing=True)
    )
    for claim in session.scalars(wanted).all():
        if claim.counts == "spend":
            asked = sum(refunded.discounts.get(rule_id, 0) for rule_id in claim.parts)
        else:
            asked = claim.amount if refunded.is_whole and restores_uses else 0
        if asked > 0:
            _return(session, refunded.refund_id, claim, asked)
    returned = session.execute(
        select(LimitClaimRow.counts, LimitReturnRow.amount)
        .join(LimitClaimRow, LimitClaimRow.id == LimitReturnRow.claim_id)
        .where(LimitReturnRow.refund_id == refunded.refund_id)
    ).all()
    by_kind = {kind: sum(row.amount for row in returned if row.counts == kind) for kind in ("spend", "uses")}
    return by_kind["spend"], by_kind["uses"]


def _return(session: Session, refund_id: str, claim: LimitClaimRow, asked: int) -> None:
    """The counter is locked before the claim, as wherever something is given back."""
    at = (LimitCounterRow.id == claim.counter_id, LimitCounterRow.slot == claim.slot)
    session.execute(select(LimitCounterRow.slot).where(*at).with_for_update())
    now_kept = session.execute(
        select(LimitClaimRow.amount, LimitClaimRow.returned).where(LimitClaimRow.id == claim.id).with_for_update()
    ).one()
    amount = min(asked, now_kept.amount - now_kept.returned)
    row = {
        "id": derived_id("lrt", refund_id, claim.id),
        "business": claim.business,
        "refund_id": refund_id,
        "claim_id": claim.id,
        "counter_id": claim.counter_id,
        "order_id": claim.order_id,
        "amount": amount,
        "created_at": now(),
    }
    is_new = session.scalar(insert(LimitReturnRow).values(row).on_conflict_do_nothing().returning(LimitReturnRow.id))
    if is_new is None or amount <= 0:
        return
    session.execute(
        update(LimitClaimRow)
        .where(LimitClaimRow.id == claim.id)
        .values(returned=LimitClaimRow.returned + amount, changed_at=now())
        .execution_options(synchronize_session=False)
    )
    session.execute(GIVE_BACK, {"id": claim.counter_id, "slot": claim.slot, "amount": amount})


def _restore_coupons(session: Session, order_id: str) -> int:
    """Uses of coupons whose policy restores them, of an order that was given back whole; each once."""
    wanted = (
        select(CouponClaimRow, CouponRow.after_refund, CouponRow.after_refund_days)
        .join(CouponRow, CouponRow.id == CouponClaimRow.coupon_id)
        .where(CouponClaimRow.order_id == order_id, CouponClaimRow.status.in_(USED))
        .order_by(CouponClaimRow.code)
    )
    restored = 0
    for claim, policy, days in session.execute(wanted).all():
        in_time = policy == "restore_within" and now() <= claim.created_at + timedelta(days=days or 0)
        if policy != "restore" and not in_time:
            continue
        session.execute(select(CouponRow.id).where(CouponRow.id == claim.coupon_id).with_for_update())
        changed = session.scalar(
            update(CouponClaimRow)
            .where(CouponClaimRow.id == claim.id, CouponClaimRow.status.in_(USED))
            .values(status="restored", changed_at=now())
            .returning(CouponClaimRow.id)
            .execution_options(synchronize_session=False)
        )
        if changed is not None:
            session.execute(
                update(CouponRow)
                .where(CouponRow.id == claim.coupon_id)
                .values(used=CouponRow.used - 1)
                .execution_options(synchronize_session=False)
            )
            restored += 1
    return restored


def _take_back(session: Session, refunded: RefundedOrder) -> tuple[int, int]:
    """What of points and cashback goes back by the share that was refunded; codes not used yet become void with a whole one.

    Cumulative, half up: any sequence of refunds takes back exactly what was granted.
    """
    rows = session.scalars(
        select(RewardRow)
        .where(RewardRow.order_id == refunded.order_id)
        .order_by(RewardRow.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    taken = {"points": 0, "cashback": 0}
    for row in rows:
        if row.kind == "coupon":
            if refunded.is_whole:
                _void(session, row)
            continue
        target = _share(row.amount, refunded.refunded_minor, refunded.paid_minor)
        if refunded.is_whole:
            target = row.amount
        if target > row.taken_back:
            taken[row.kind] += target - row.taken_back
            row.taken_back, row.changed_at = target, now()
    session.flush()
    return taken["points"], taken["cashback"]


def _share(amount: int, part: int, whole: int) -> int:
    return 0 if whole <= 0 else min(amount, (2 * amount * part + whole) // (2 * whole))


def _void(session: Session, row: RewardRow) -> None:
    session.execute(
        update(CouponRow)
        .where(CouponRow.business == row.business, CouponRow.code == row.code, CouponRow.used == 0)
        .values(status="void", reason="The order that earned it was given back.")
        .execution_options(synchronize_session=False)
    )
