"""How values are shown: money, rates, times, ids. Money and dates follow the business, words the person's language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_datetime, format_timedelta
from babel.numbers import format_decimal, get_currency_symbol

from capabilities.kernel.clock import now
from capabilities.kernel.money import minor_unit_digits

MINUS = "−"


def amount(minor: int | None, currency: str) -> str:
    """Only the number, for a column whose head names the currency: 1,234.50, −12.00, unknown as –."""
    if minor is None:
        return "–"
    digits = minor_unit_digits(currency)
    whole, part = divmod(abs(minor), 10**digits)
    text = f"{whole:,}" + (f".{part:0{digits}d}" if digits else "")
    return f"{MINUS}{text}" if minor < 0 else text


def money(minor: int | None, currency: str) -> str:
    """With the currency's sign before it, for sentences: ¥1,234.50."""
    if minor is None:
        return "–"
    sign = get_currency_symbol(currency, locale="zh" if currency == "CNY" else "en")
    gap = " " if sign.isalpha() else ""
    return f"{MINUS if minor < 0 else ''}{sign}{gap}{amount(abs(minor), currency)}"


def sums(totals: Mapping[str, int]) -> str:
    """Sums by currency, side by side: different currencies are never added."""
    return "; ".join(money(minor, currency) for currency, minor in sorted(totals.items())) or "–"


def rate(bps: int | None) -> str:
    """Basis points as percent without idle zeros: 10 %, 12.5 %."""
    if bps is None:
        return "–"
    return f"{bps / 100:.2f}".rstrip("0").rstrip(".") + " %"


def number(value: float | None, language: str) -> str:
    return "–" if value is None else format_decimal(value, locale=language)


def moment(at: datetime | None, zone: ZoneInfo, language: str) -> str:
    """Absolute, in the business's zone: 25 Nov 14:03."""
    if at is None:
        return "–"
    local = at.astimezone(zone)
    year = "" if local.year == now().astimezone(zone).year else ("y年" if language == "zh" else " y")
    pattern = f"{year}M月d日 HH:mm" if language == "zh" else f"d MMM{year} HH:mm"
    return format_datetime(local, pattern, locale=language)


def weekday(at: datetime | None, zone: ZoneInfo, language: str) -> str:
    """With the day of the week, for what lies ahead: Sunday 29 Nov 18:00."""
    if at is None:
        return "–"
    pattern = "M月d日EEEE HH:mm" if language == "zh" else "EEEE d MMM HH:mm"
    return format_datetime(at.astimezone(zone), pattern, locale=language)


def exact(at: datetime | None, zone: ZoneInfo, language: str) -> str:
    """As `moment`, with seconds."""
    return "–" if at is None else moment(at, zone, language) + at.astimezone(zone).strftime(":%S")


def clock(at: datetime | None, zone: ZoneInfo) -> str:
    """The time of day with seconds, for things of today: 14:03:07."""
    return "–" if at is None else at.astimezone(zone).strftime("%H:%M:%S")


def ago(at: datetime | None, language: str) -> str:
    """Relative, shown only beside the absolute time."""
    if at is None:
        return ""
    return format_timedelta(at - now(), add_direction=True, locale=language, granularity="second")


def duration(start: datetime | None, end: datetime | None, language: str) -> str:
    """How long it took: 12 ms, 3.4 s, 5 min."""
    if start is None or end is None:
        return "–"
    took = end - start
    if took < timedelta(seconds=1):
        return f"{took / timedelta(milliseconds=1):.0f} ms"
    if took < timedelta(minutes=1):
        return f"{took / timedelta(seconds=1):.1f} s"
    return format_timedelta(took, locale=language, format="short")


def short_id(value: str | None) -> str:
    """The last six characters; the whole id stands in the title and behind the copy button."""
    return "–" if not value else f"…{value[-6:]}"
