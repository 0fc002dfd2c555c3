"""Booking: days and travellers chosen, deposit or all at once, the order with its balance."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from frontends.kit.jar import idempotency_key
from frontends.kit.ordering import (
    METHODS,
    SOLD,
    UNKNOWN_OUTCOME,
    Notice,
    active_buyers,
    after_checkout,
    attempt_of,
    expected_of,
    new_attempt,
    own_order,
)
from frontends.kit.pages import Pages
from frontends.kit.plans import around_plan
from frontends.kit.platform import Json, Platform, ProblemError
from frontends.tourism.calendar import Trip, nights_from, trips_of

router = APIRouter()

PLANS = ("deposit", "")
MOST_NIGHTS = 14
MOST_PLACES = 99
TICKETS = "TR-SHIP-APP"
"""Nothing is sent: tickets are on the phone."""


@dataclass(frozen=True, slots=True)
class Stay:
    """From which day, for how many nights, how many places; for whom and paid how."""

    product: str
    first: date
    nights: int
    places: int
    plan: str
    buyer: str
    method: str

    @property
    def days(self) -> list[date]:
        return nights_from(self.first, self.nights)

    def as_request(self, plan: str | None = None) -> Json:
        """The body of a preview or a booking: a line for each night or departure."""
        terms = self.plan if plan is None else plan
        body: Json = {
            "currency": "EUR",
            "country": "PT",
            "lines": [{"sku": f"{self.product}.{day.isoformat()}", "quantity": self.places} for day in self.days],
            "delivery_sku": TICKETS,
            "payment_method": self.method,
        }
        optional = {"buyer_id": self.buyer, "terms": terms}
        return body | {name: value for name, value in optional.items() if value}


def stay_of(product: str, day: str, asked: Mapping[str, Any]) -> Stay | None:
    """What a form says; None where there is no such day."""
    try:
        first = date.fromisoformat(day)
    except ValueError:
        return None
    method, plan = str(asked.get("method", METHODS[0])), str(asked.get("plan", PLANS[0]))
    return Stay(
        product=product,
        first=first,
        nights=_count(asked.get("nights"), MOST_NIGHTS),
        places=_count(asked.get("places"), MOST_PLACES),
        plan=plan if plan in PLANS else PLANS[0],
        buyer=str(asked.get("buyer", ""))[:64],
        method=method if method in METHODS else METHODS[0],
    )


def _count(text: object, most: int) -> int:
    written = str(text or "1").strip()
    return max(1, min(int(written), most)) if re.fullmatch(r"\d{1,4}", written) else 1


@router.get("/trips/{product}/{day}")
async def choose(request: Request, product: str, day: str) -> HTMLResponse:
    """Nights and travellers, with what is due when; htmx gets the choice alone."""
    is_block = bool(request.headers.get("hx-request"))
    return await _page(request, stay_of(product, day, request.query_params), is_block=is_block)


@router.post("/trips/{product}/{day}")
async def book(request: Request, product: str, day: str) -> Response:
    """Book what the form shows, at the total it shows."""
    platform: Platform = request.app.state.platform
    form = await request.form()
    stay, attempt = stay_of(product, day, form), attempt_of(form)
    trip = trips_of(await platform.offers()).get(product)
    if stay is None or trip is None or stay.first not in trip.days:
        return await _page(request, None)
    body = stay.as_request()
    expected = expected_of(form)
    if expected is not None:
        body["expected_total_minor"] = expected
    try:
        outcome = await platform.checkout(body, idempotency_key(attempt, body))
    except ProblemError:
        return await _page(request, stay, attempt=attempt, notice=UNKNOWN_OUTCOME)
    after = after_checkout(request, outcome)
    return await _page(request, stay, notice=after) if isinstance(after, Notice) else after


@router.get("/orders/{order_id}")
async def read_order(request: Request, order_id: str, thanks: int = 0, said: str = "") -> HTMLResponse:
    """The booking, what is paid and what is due; only for the browser that made it."""
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    order = await own_order(request, order_id)
    if order is None:
        return pages.problem(request, "problem.not_found", status=404)
    refunds = (await platform.read(f"/orders/{order_id}/refunds"))["refunds"]
    around = await around_plan(request, order_id, said) | {"refunds": refunds}
    return pages.page(request, "order.html", order=order, is_thanked=bool(thanks) and order["status"] in SOLD, **around)


# --- the page of a choice ---------------------------------------------------------------------------------------


async def _page(
    request: Request,
    stay: Stay | None,
    *,
    attempt: str | None = None,
    notice: Notice | None = None,
    is_block: bool = False,
) -> HTMLResponse:
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    trip = trips_of(await platform.offers()).get(stay.product) if stay else None
    if stay is None or trip is None or stay.first not in trip.days:
        return pages.problem(request, "problem.not_found", status=404)
    buyers = await active_buyers(request)
    full = _first_full(trip, stay)
    previews: list[Json] = [{"quote": None, "dues": [], "refusal": None} for _ in PLANS]
    if full is None:
        previews = list(await asyncio.gather(*(_preview(platform, stay, plan) for plan in PLANS)))
    plans = dict(zip(PLANS, previews, strict=True))
    context: dict[str, Any] = {
        "trip": trip,
        "stay": stay,
        "full": full,
        "left": min(trip.days[day]["available_units"] or 0 for day in stay.days if day in trip.days),
        "buyers": buyers,
        "methods": METHODS,
        "plans": plans,
        "chosen": plans[stay.plan],
        "attempt": attempt or new_attempt(),
        "notice": notice,
    }
    status = notice.status if notice else 200
    if is_block:
        return pages.block(request, "stay.html", "choice", status=status, **context)
    return pages.page(request, "stay.html", status=status, **context)


def _first_full(trip: Trip, stay: Stay) -> date | None:
    """The first day of the stay that has not so many places left."""
    for day in stay.days:
        offer = trip.days.get(day)
        if offer is None or (offer["available_units"] or 0) < stay.places:
            return day
    return None


async def _preview(platform: Platform, stay: Stay, plan: str) -> Json:
    """The dues under a plan, or in `refusal` the platform's sentence why not."""
    try:
        preview = await platform.ask("/terms/preview", stay.as_request(plan))
    except ProblemError as error:
        if error.status in {403, 409, 422}:
            return {"quote": None, "dues": [], "refusal": str(error.problem.get("detail", ""))}
        raise
    return preview | {"refusal": None}
