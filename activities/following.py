"""Buyers follow what happens to their orders: after each confirmation and refund, and once a night all of them.

Read from the feed of events, so that no checkout waits for it, and none is missed. The place in the feed and the nightly
round stand in a row a business, which one worker at a time holds; a worker that dies leaves its place to the next.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, sessionmaker

from activities.classifying import DECISION, reclassify_buyer
from capabilities.kernel.business import Business, all_businesses
from capabilities.kernel.clock import now
from capabilities.kernel.errors import PlatformError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.outbox import OutboxEvent, events_page, with_events_after
from capabilities.transaction.buyer_history import buyers_of_orders
from capabilities.user.contract import BuyerFilters
from capabilities.user.models import ClassifyingRow
from capabilities.user.queries import buyers_page, segments_of
from rules.queries import live_release

ACTOR = "system:classifying"
AT_ONCE = 25
"""Buyers or events a transaction: it holds the feed back while it runs."""
MOST_PARTS = 40
"""Transactions a call and business, so that others get their turn."""
ROUND_AT_HOUR = 3
"""The hour of the business's own day at which the round over all buyers begins."""
ABOUT_MONEY = frozenset({"refund.succeeded", "refund.reversed", "order.cancelled"})
CONFIRMED = "order.confirmed"
SEGMENT_CHANGED = "buyer.segment_changed"

Part = Callable[[Session, ClassifyingRow], int | None]
"""One transaction's worth of work for a business; None where nothing was left to do."""

log = logging.getLogger("zhongtai.following")


def follow_buyers(sessions: sessionmaker[Session]) -> int:
    """Follow the feed of every business, then go on with the rounds that are due; how many buyers were worked out."""
    with sessions.begin() as session:
        businesses = all_businesses(session)
        rows = {row.business: row for row in session.scalars(select(ClassifyingRow))}
        for code in {business.business for business in businesses} - set(rows):
            session.execute(insert(ClassifyingRow).values(business=code, is_round_done=True).on_conflict_do_nothing())
        told = with_events_after(session, {code: row.cursor for code, row in rows.items()})
        to_do = [
            (business.business, part)
            for business in businesses
            for part in _parts_to_do(business, rows.get(business.business), told)
        ]
    return sum(_until_done(sessions, code, part) for code, part in to_do)


def _parts_to_do(business: Business, row: ClassifyingRow | None, told: AbstractSet[str]) -> list[Part]:
    """What there is to do for a business, seen without a lock: where nothing is new, one look serves all businesses."""
    is_told = row is None or row.business in told
    is_due = row is None or not row.is_round_done or row.round_on != _day_of_round(business, now())
    following: list[Part] = [_follow] if is_told else []
    return [*following, _go_round] if is_told or is_due else following


def follow_now(session: Session, business: str) -> int:
    """Work out every buyer of a business in this transaction: for a few buyers, such as the demo's."""
    done, after = 0, None
    while True:
        page = buyers_page(session, business, filters=BuyerFilters(business=business), after=after, limit=200)
        done += _work_out(session, business, [buyer.id for buyer in page.buyers])
        after = page.next_cursor
        if after is None:
            return done


def _until_done(sessions: sessionmaker[Session], code: str, part: Part) -> int:
    done = 0
    for _ in range(MOST_PARTS):
        with sessions.begin() as session:
            held = select(ClassifyingRow).where(ClassifyingRow.business == code).with_for_update(skip_locked=True)
            row = session.scalars(held).one_or_none()
            worked = None if row is None else part(session, row)
        if worked is None:
            break
        done += worked
    return done


def _follow(session: Session, row: ClassifyingRow) -> int | None:
    """One part of the feed; None where nothing new stands in it."""
    page = events_page(session, row.business, after=row.cursor, limit=AT_ONCE)
    if not page.events:
        return None
    row.cursor = page.cursor
    if any(event.type == SEGMENT_CHANGED for event in page.events):
        row.round_after, row.is_round_done = None, False
    done = _work_out(session, row.business, _buyers_meant(session, row.business, page.events))
    session.flush()
    return done


def _buyers_meant(session: Session, business: str, events: Iterable[OutboxEvent]) -> list[str]:
    """Whom the events are about. A confirmation has counted itself already: it matters only where something is decided."""
    wanted = ABOUT_MONEY | {CONFIRMED} if _decides(session, business) else ABOUT_MONEY
    meant = [event for event in events if event.type in wanted]
    told = {str(event.data["buyer_id"]) for event in meant if event.data.get("buyer_id")}
    orders = [str(event.data.get("order_id") or event.subject) for event in meant if not event.data.get("buyer_id")]
    return sorted(told | buyers_of_orders(session, orders))


def _decides(session: Session, business: str) -> bool:
    rules = live_release(session, DECISION, BusinessIdentity(business))
    return rules is not None or any(found.is_active for found in segments_of(session, business))


def _go_round(session: Session, row: ClassifyingRow) -> int | None:
    """One part of the round over all buyers, if one is due or under way; None otherwise."""
    business = session.get_one(Business, row.business)
    today = _day_of_round(business, now())
    if row.is_round_done:
        if row.round_on == today:
            return None
        is_first = row.round_on is None
        row.round_on, row.round_after, row.is_round_done = today, None, False
        if is_first or not _decides(session, row.business):
            row.is_round_done = True
            return None
    page = buyers_page(
        session, row.business, filters=BuyerFilters(business=row.business), after=row.round_after, limit=AT_ONCE
    )
    row.round_after, row.is_round_done = page.next_cursor, page.next_cursor is None
    return _work_out(session, row.business, [buyer.id for buyer in page.buyers])


def _day_of_round(business: Business, at: datetime) -> str:
    """The business's own date of the round that was due last."""
    return (at.astimezone(business.zone) - timedelta(hours=ROUND_AT_HOUR)).date().isoformat()


def _work_out(session: Session, business: str, buyer_ids: Iterable[str]) -> int:
    """Each in a savepoint: one that cannot be worked out is told in the log and holds nobody else up."""
    done = 0
    for buyer_id in buyer_ids:
        try:
            with session.begin_nested():
                reclassify_buyer(session, BusinessIdentity(business), buyer_id, ACTOR)
            done += 1
        except PlatformError as error:
            log.warning("Buyer %s of %s could not be worked out: %s", buyer_id, business, error.message)
    return done
