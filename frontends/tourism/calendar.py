"""Looking: what can be booked, and the months of each with price and places left, day by day."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from frontends.kit.pages import Pages
from frontends.kit.platform import Json, Platform

router = APIRouter()

ZONE = ZoneInfo("Europe/Lisbon")
NIGHTS = "nights"
_DATED = re.compile(r"^(.+)\.(\d{4}-\d{2}-\d{2})$")
_MONTH = re.compile(r"\d{4}-\d{2}")


@dataclass(frozen=True, slots=True)
class Trip:
    """Something sold by the day: what is the same for all days, and the offer of each."""

    product: str
    days: dict[date, Json]

    @property
    def about(self) -> Json:
        """An offer of it; its names have the day behind a comma."""
        first = self.days[min(self.days)]
        return first | {name: re.split("[,，]", first[name])[0] for name in ("name_en", "name_zh")}

    @property
    def is_by_night(self) -> bool:
        return NIGHTS in self.about["tags"]

    @property
    def cheapest(self) -> Json:
        return min(self.days.values(), key=lambda offer: offer["unit_price_minor"])

    @property
    def next_free(self) -> date | None:
        return min((day for day, offer in self.days.items() if offer["available_units"]), default=None)

    @property
    def months(self) -> list[str]:
        return sorted({f"{day:%Y-%m}" for day in self.days})


def today() -> date:
    """The day it is where the trips begin."""
    return datetime.now(UTC).astimezone(ZONE).date()


def trips_of(offers: Iterable[Json]) -> dict[str, Trip]:
    """What is sold by the day, from today on."""
    found: dict[str, dict[date, Json]] = {}
    first = today()
    for offer in offers:
        dated = _DATED.match(offer["sku"])
        if dated and (day := date.fromisoformat(dated[2])) >= first:
            found.setdefault(dated[1], {})[day] = offer
    return {product: Trip(product, days) for product, days in sorted(found.items())}


@router.get("/")
async def read_trips(request: Request) -> HTMLResponse:
    """Everything that can be booked."""
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    return pages.page(request, "trips.html", trips=list(trips_of(await platform.offers()).values()))


@router.get("/trips/{product}")
async def read_month(request: Request, product: str, month: str = "") -> HTMLResponse:
    """A month of a trip as a table; htmx gets the table alone."""
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    trip = trips_of(await platform.offers()).get(product)
    if trip is None:
        return pages.problem(request, "problem.not_found", status=404)
    months = trip.months
    shown = month if _MONTH.fullmatch(month) and month in months else months[0]
    at = months.index(shown)
    context: dict[str, Any] = {
        "trip": trip,
        "month": shown,
        "weeks": weeks_of(shown, trip),
        "before": months[at - 1] if at else None,
        "after": months[at + 1] if at + 1 < len(months) else None,
    }
    if request.headers.get("hx-request"):
        return pages.block(request, "month.html", "calendar", **context)
    return pages.page(request, "month.html", **context)


def weeks_of(month: str, trip: Trip) -> list[list[Json]]:
    """The weeks of a month from Monday on; days of other months are there, but `is_shown` is false for them."""
    year, number = map(int, month.split("-"))
    return [
        [{"day": day, "is_shown": day.month == number, "offer": trip.days.get(day)} for day in week]
        for week in calendar.Calendar().monthdatescalendar(year, number)
    ]


def nights_from(first: date, count: int) -> list[date]:
    return [first + timedelta(days=number) for number in range(count)]
