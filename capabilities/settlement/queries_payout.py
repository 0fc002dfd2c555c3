"""What can be asked of sellers' money: transfers, balances, the calendar, holds, disputes, payouts, batches, statements."""

from __future__ import annotations

from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from capabilities.settlement.models_payout import ClosedDayRow


def closed_days(session: Session, business: str) -> frozenset[date]:
    """The days on which the business does not settle, beside weekends and public holidays."""
    return frozenset(session.scalars(select(ClosedDayRow.day).where(ClosedDayRow.business == business)))
