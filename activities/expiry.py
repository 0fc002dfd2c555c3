"""What ends by itself: holds on stock, claims on coupons and limits, reservations in the ledger, gift cards; and the day's books.

The worker calls this again and again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session, sessionmaker

from capabilities.account.contract import Origin
from capabilities.account.days import close_day
from capabilities.account.extensions import points_life_days
from capabilities.account.gift_cards import expire_gift_cards
from capabilities.account.points import expire_points
from capabilities.account.service import expire_pending
from capabilities.kernel.business import all_businesses
from capabilities.kernel.identity import BusinessIdentity
from capabilities.marketing.service import expire_claims
from capabilities.marketing.service_limits import expire_limits
from capabilities.transaction.service import expire_reservations

AT_ONCE = 500
"""Rows a transaction: locks stay short, and whoever wants to buy gets in between."""


@dataclass(frozen=True, slots=True)
class Expired:
    """How many of each were given back."""

    reservations: int
    claims: int
    pendings: int = 0
    gift_cards: int = 0


CLOCK = Origin(actor="clock", correlation_id="expiry")
"""Who moves money when nobody does anything."""


def expire_overdue(session_factory: sessionmaker[Session]) -> Expired:
    """Give back everything that ran out, a bounded number a transaction. Safe to run anywhere, and twice at once."""
    return Expired(
        reservations=_until_done(session_factory, expire_reservations),
        claims=_until_done(session_factory, expire_claims) + _until_done(session_factory, expire_limits),
        pendings=_until_done(session_factory, lambda session, most: expire_pending(session, origin=CLOCK, limit=most)),
        gift_cards=_until_done(
            session_factory, lambda session, most: expire_gift_cards(session, origin=CLOCK, limit=most)
        ),
    )


def expire_old_points(session_factory: sessionmaker[Session]) -> int:
    """Expire the points of every line of business that are older than it keeps them; how many points."""
    with session_factory.begin() as session:
        businesses = all_businesses(session)
    expired = 0
    for business in businesses:
        identity = BusinessIdentity(business.business)
        if points_life_days.for_identity(identity)() is not None:
            with session_factory.begin() as session:
                expired += expire_points(session, identity, business.currency, origin=CLOCK)
    return expired


def close_books(session_factory: sessionmaker[Session]) -> bool:
    """Close the days of the ledger that are over; whether there was one."""
    with session_factory.begin() as session:
        return close_day(session)


def _until_done(session_factory: sessionmaker[Session], expire: Callable[[Session, int], int]) -> int:
    total = 0
    while True:
        with session_factory.begin() as session:
            done = expire(session, AT_ONCE)
        total += done
        if done < AT_ONCE:
            return total
