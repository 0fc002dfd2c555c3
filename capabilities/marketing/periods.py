"""Periods of a limit: the day, week, month or year a moment falls in, in a zone. Pure.

A period begins at midnight of the zone, so across a change of the clocks a day may last 23 or 25 hours.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Period = Literal["day", "week", "month", "year"]


def period_key(period: Period, at: datetime, zone: str) -> str:
    """The period's name, such as `day=2026-11-25`, `week=2026-W48`, `month=2026-11`."""
    day = at.astimezone(ZoneInfo(zone)).date()
    if period == "day":
        return f"day={day.isoformat()}"
    if period == "week":
        year, week, _ = day.isocalendar()
        return f"week={year}-W{week:02}"
    return f"month={day:%Y-%m}" if period == "month" else f"year={day:%Y}"


def period_bounds(period: Period, at: datetime, zone: str) -> tuple[datetime, datetime]:
    """When the period began and when it ends; the end is not part of it."""
    day = at.astimezone(ZoneInfo(zone)).date()
    first = _first(period, day)
    return _midnight(first, zone), _midnight(_first(period, first + _LONGER[period]), zone)


_LONGER = {
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=31),
    "year": timedelta(days=366),
}


def _first(period: Period, day: date) -> date:
    if period == "week":
        return day - timedelta(days=day.weekday())
    if period == "month":
        return day.replace(day=1)
    return day.replace(month=1, day=1) if period == "year" else day


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone))
