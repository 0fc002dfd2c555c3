"""Whether a rule may act at all: switched on, inside its window, coupon there, inside its share of traffic.

Asked of the few rules whose condition holds, so that neither the clock nor a coupon ever reaches the engine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from rules.document import Rule, Window


class Ineligible(StrEnum):
    """Why a rule whose condition holds may not act."""

    DISABLED = "disabled"
    BEFORE_WINDOW = "before_window"
    AFTER_WINDOW = "after_window"
    OTHER_DAY = "other_day"
    OTHER_HOUR = "other_hour"
    NO_COUPON = "no_coupon"
    OUTSIDE_TRAFFIC = "outside_traffic"


def eligible(rule: Rule, at: datetime, coupon_codes: Collection[str], buyer_key: str | None, zone: str = "UTC") -> bool:
    """Whether the rule may act; `why_ineligible` says why not."""
    return why_ineligible(rule, at, coupon_codes, buyer_key, zone) is None


def why_ineligible(
    rule: Rule, at: datetime, coupon_codes: Collection[str], buyer_key: str | None, zone: str = "UTC"
) -> Ineligible | None:
    """The first reason why the rule may not act, None where it may.

    `at` is aware; `zone` is the business's, for windows that name none. `buyer_key` keeps a buyer in or out of a
    rule's share of traffic for good; without one (a guest who gave nothing to remember him by) the share is not given.
    """
    if not rule.enabled:
        return Ineligible.DISABLED
    if rule.window is not None:
        reason = outside_window(rule.window, at, zone)
        if reason is not None:
            return reason
    if rule.coupon is not None and rule.coupon.casefold() not in {code.casefold() for code in coupon_codes}:
        return Ineligible.NO_COUPON
    if rule.traffic_bps < 10_000 and (buyer_key is None or traffic_point(rule.id, buyer_key) >= rule.traffic_bps):
        return Ineligible.OUTSIDE_TRAFFIC
    return None


def outside_window(window: Window, at: datetime, zone: str) -> Ineligible | None:
    """Why the moment lies outside the window, None where it lies inside."""
    place = zone_named(window.zone or zone)
    if window.from_at is not None and at < in_zone(window.from_at, place):
        return Ineligible.BEFORE_WINDOW
    if window.until_at is not None and at >= in_zone(window.until_at, place):
        return Ineligible.AFTER_WINDOW
    if not window.weekdays and window.hours is None:
        return None
    local = at.astimezone(place)
    day = local.isoweekday()
    if window.hours is not None:
        start, end = window.hours
        over_midnight = start > end
        inside = local.hour >= start or local.hour < end if over_midnight else start <= local.hour < end
        if not inside:
            return Ineligible.OTHER_HOUR
        if over_midnight and local.hour < end:
            day = (local.date() - timedelta(days=1)).isoweekday()
    return Ineligible.OTHER_DAY if window.weekdays and day not in window.weekdays else None


def in_zone(moment: datetime, place: tzinfo) -> datetime:
    """The moment, read in the zone where it names no offset of its own."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=place)


def traffic_point(rule_id: str, buyer_key: str) -> int:
    """Where this buyer stands for this rule, 0 to 9,999: the same for ever, independent between rules."""
    return int.from_bytes(hashlib.sha256(f"{rule_id}\x1f{buyer_key}".encode()).digest()[:8]) % 10_000


@lru_cache(maxsize=1_000)
def zone_named(name: str) -> ZoneInfo:
    """The zone; unknown names raise `ZoneInfoNotFoundError`, which checks keep out of releases."""
    return ZoneInfo(name)
