"""Business days: weekends and public holidays of a country, and the days a business keeps closed itself."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

FURTHEST_DAYS = 3_000
"""A calendar that has no business day in so many is wrong."""


@lru_cache(maxsize=64)
def _holidays(country: str) -> holidays.HolidayBase | None:
    """The public holidays of a country, worked-in weekends among them; None for a country nobody has listed."""
    try:
        return holidays.country_holidays(country)
    except NotImplementedError:
        return None


def is_business_day(day: date, country: str, closed: Collection[date] = ()) -> bool:
    """Whether banks and the business work on that day."""
    if day in closed:
        return False
    known = _holidays(country)
    return day.weekday() < 5 if known is None else known.is_working_day(day)


def business_day_after(day: date, days: int, country: str, closed: Collection[date] = ()) -> date:
    """The n-th business day after a day; none: the day itself, or the next business day where it is none."""
    left, found = days, day
    for _ in range(FURTHEST_DAYS):
        if left == 0 and is_business_day(found, country, closed):
            return found
        found += timedelta(days=1)
        if left > 0 and is_business_day(found, country, closed):
            left -= 1
    return found


def due_at(moment: datetime, days: int, *, zone: ZoneInfo, country: str, closed: Collection[date] = ()) -> datetime:
    """When something that began at a moment falls due: its n-th business day begins, in the business's own zone.

    With no days to wait it is due at the moment itself.
    """
    if days == 0:
        return moment
    day = business_day_after(moment.astimezone(zone).date(), days, country, closed)
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def calendar_days_later(moment: datetime, days: int, *, zone: ZoneInfo) -> datetime:
    """So many calendar days later, at the beginning of that day in the zone."""
    day = moment.astimezone(zone).date() + timedelta(days=days)
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
