"""How a budget burns down, and how long it lasts if it goes on as in the last day. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from capabilities.marketing.campaigns import Budget, BurnDown, BurnPoint

HOURS_SHOWN = timedelta(days=3)
RATE_OVER = timedelta(hours=24)
POINTS_MOST = 400


def burn_down_of(
    budget: Budget,
    movements: Iterable[tuple[datetime, int]],
    *,
    at: datetime,
    zone: ZoneInfo,
    ends_at: datetime | None = None,
) -> BurnDown:
    """The course of a budget from its movements (when, how much was taken; negative where it came back)."""
    ordered = sorted(movements)
    began = ordered[0][0] if ordered else at
    step = "hour" if at - began <= HOURS_SHOWN else "day"
    rate = _rate_per_hour(ordered, began, at)
    left = budget.left
    lasts_until = None
    if left and rate > 0:
        end = at + timedelta(hours=min(left / rate, 24 * 3650))
        lasts_until = None if ends_at is not None and end >= ends_at else end
    return BurnDown(
        budget=budget,
        step="hour" if step == "hour" else "day",
        points=_points(ordered, began, at, step, zone),
        rate_per_hour=rate,
        lasts_until=lasts_until,
        is_used_up=left == 0,
    )


def _rate_per_hour(movements: list[tuple[datetime, int]], began: datetime, at: datetime) -> float:
    since = max(began, at - RATE_OVER)
    hours = max(1.0, (at - since) / timedelta(hours=1))
    taken = sum(amount for moment, amount in movements if moment >= since)
    return max(0.0, taken / hours)


def _points(
    movements: list[tuple[datetime, int]], began: datetime, at: datetime, step: str, zone: ZoneInfo
) -> tuple[BurnPoint, ...]:
    """One point for each hour or day, also where nothing moved; days are those of the zone."""
    if not movements:
        return ()
    taken: dict[datetime, int] = {}
    for moment, amount in movements:
        begins = _begin(moment, step, zone)
        taken[begins] = taken.get(begins, 0) + amount
    points: list[BurnPoint] = []
    used = 0
    moment = _begin(began, step, zone)
    while moment <= at:
        used += taken.get(moment, 0)
        points.append(BurnPoint(at=moment, taken=taken.get(moment, 0), used=used))
        moment = _next(moment, step, zone)
    return tuple(points[-POINTS_MOST:])


def _begin(moment: datetime, step: str, zone: ZoneInfo) -> datetime:
    local = moment.astimezone(zone)
    return local.replace(hour=local.hour if step == "hour" else 0, minute=0, second=0, microsecond=0)


def _next(moment: datetime, step: str, zone: ZoneInfo) -> datetime:
    if step == "hour":
        return (moment.astimezone(ZoneInfo("UTC")) + timedelta(hours=1)).astimezone(zone)
    return (moment + timedelta(days=1)).replace(hour=0)
