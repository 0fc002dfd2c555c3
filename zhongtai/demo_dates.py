"""What the demo sells by the day: an offer for each departure or night of the coming weeks, with places of its own.

The days begin with the day the demo is loaded; loading it again later adds the days that have come nearer since.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date

from capabilities.kernel.clock import now

DAYS = 90
SATURDAY = 5
ROUND = Decimal(1)
SOLD_OUT_IN = 13
"""One day in so many has no places left, so that a calendar shows it."""


def dated_entries(entry: dict[str, Any], zone: str) -> Iterator[dict[str, Any]]:
    """One entry of the file, a day at a time: its sku ends in the day, its names say it, price and places are the day's."""
    today = now().astimezone(ZoneInfo(zone)).date()
    for number in range(DAYS):
        day = today + timedelta(days=number)
        if "weekdays" in entry and day.isoweekday() not in entry["weekdays"]:
            continue
        sku = f"{entry['sku']}.{day.isoformat()}"
        yield entry | {
            "sku": sku,
            "product": entry["sku"],
            "en": f"{entry['en']}, {format_date(day, 'd MMMM y', locale='en_GB')}",
            "zh": f"{entry['zh']}，{format_date(day, 'y年M月d日', locale='zh_CN')}",
            "price": str(_price(Decimal(entry["price"]), day)),
            "stock": _places(sku, entry["stock"]),
        }


def _price(usual: Decimal, day: date) -> Decimal:
    """A fifth more on Fridays and Saturdays, a third more over the turn of the year."""
    if (day.month, day.day) >= (12, 24) or (day.month, day.day) <= (1, 2):
        return (usual * Decimal("1.35")).quantize(ROUND)
    if day.weekday() in (SATURDAY - 1, SATURDAY):
        return (usual * Decimal("1.2")).quantize(ROUND)
    return usual


def _places(sku: str, most: int) -> int:
    """Between none and all, by chance that is the same for everybody."""
    chance = zlib.crc32(sku.encode())
    return 0 if chance % SOLD_OUT_IN == 0 else 1 + chance % most


def all_dated(content: dict[str, Any], declared: Callable[[dict[str, Any]], Any]) -> list[Any]:
    """Every day of everything the file sells by the day."""
    zone = content["business"]["time_zone"]
    return [declared(dated) for entry in content.get("dated", ()) for dated in dated_entries(entry, zone)]
