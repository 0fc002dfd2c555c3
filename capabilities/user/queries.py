"""Reads of users."""

from __future__ import annotations

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from capabilities.kernel.errors import MissingError
from capabilities.user.contract import Buyer, BuyerPage, BuyerStatus, Tier
from capabilities.user.models import BuyerRow

MAX_PAGE = 200


def find_buyer(session: Session, business: str, buyer_id: str) -> Buyer | None:
    """The buyer, None where the business has none of that id."""
    row = session.get(BuyerRow, (business, buyer_id), populate_existing=True)
    return None if row is None else buyer_from(row)


def buyer_of(session: Session, business: str, buyer_id: str) -> Buyer:
    """The buyer; `MissingError` where the business has none of that id."""
    found = find_buyer(session, business, buyer_id)
    if found is None:
        raise MissingError("user.unknown", f"There is no buyer {buyer_id!r}.", buyer_id=buyer_id)
    return found


def buyers_page(
    session: Session, business: str, *, search: str | None = None, after: str | None = None, limit: int = 50
) -> BuyerPage:
    """Buyers of a business by id; `search` looks in id, name and e-mail; `after` is the cursor of the page before."""
    found = select(BuyerRow).where(BuyerRow.business == business).order_by(BuyerRow.id)
    if search:
        found = found.where(
            or_(*(column.icontains(search, autoescape=True) for column in (BuyerRow.id, BuyerRow.name, BuyerRow.email)))
        )
    if after is not None:
        found = found.where(BuyerRow.id > after)
    size = max(1, min(limit, MAX_PAGE))
    rows = session.scalars(found.limit(size + 1)).all()
    more = len(rows) > size
    return BuyerPage(buyers=tuple(map(buyer_from, rows[:size])), next_cursor=rows[size - 1].id if more else None)


def buyer_from(row: BuyerRow) -> Buyer:
    """The contract form of a row."""
    return Buyer(
        business=row.business,
        id=row.id,
        name=row.name,
        email=row.email,
        tier=Tier(row.tier),
        tags=tuple(row.tags),
        segments=tuple(row.segments),
        status=BuyerStatus(row.status),
        status_reason=row.status_reason,
        order_count=row.order_count,
        joined_at=row.joined_at,
    )
