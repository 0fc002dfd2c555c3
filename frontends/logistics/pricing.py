"""The price of a parcel: every service that goes there, priced by the platform while one types."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from frontends.kit.pages import Pages
from frontends.kit.platform import Json, Platform, ProblemError
from frontends.logistics.parcel import COUNTRIES, Parcel, parcel_of

router = APIRouter()

SERVICES = ("STD", "EXP")
CASH = "cash"
"""Both the payment method and the terms of what is paid at the door."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A service for a parcel, how it is fetched and paid, and for whom."""

    sku: str
    parcel: Parcel
    buyer: str = ""
    collection: str = ""
    method: str = "sim_ok"

    def as_request(self) -> Json:
        """The body of a preview or a booking: as many pieces as started kilograms."""
        body: Json = {
            "currency": "EUR",
            "country": self.parcel.country,
            "lines": [{"sku": self.sku, "quantity": self.parcel.kilograms}],
            "payment_method": self.method,
        }
        optional = {
            "buyer_id": self.buyer,
            "delivery_sku": self.collection,
            "terms": CASH if self.method == CASH else "",
        }
        return body | {name: value for name, value in optional.items() if value}


@router.get("/")
async def read_prices(request: Request) -> HTMLResponse:
    """What the parcel costs by each service; htmx gets the prices alone."""
    pages: Pages = request.app.state.pages
    parcel = parcel_of(request.query_params)
    services = [] if parcel.problems else await _services(request.app.state.platform, parcel)
    context: dict[str, Any] = {"parcel": parcel, "countries": COUNTRIES, "services": services}
    if request.headers.get("hx-request"):
        return pages.block(request, "parcel.html", "prices", **context)
    return pages.page(request, "parcel.html", **context)


async def _services(platform: Platform, parcel: Parcel) -> list[Json]:
    """The services that go there, each with its price or the sentence why it does not take this parcel."""
    offers = {offer["sku"]: offer for offer in await platform.offers()}
    there = [sku for service in SERVICES if (sku := f"LG-PAR-{parcel.zone}-{service}") in offers]
    priced = await asyncio.gather(*(price_of(platform, Ask(sku, parcel)) for sku in there))
    return [
        {"offer": offers[sku], "days": days_of(offers[sku])} | price for sku, price in zip(there, priced, strict=True)
    ]


async def price_of(platform: Platform, ask: Ask) -> Json:
    """The quote and what is due when; or in `refusal` the platform's sentence why not."""
    try:
        preview = await platform.ask("/terms/preview", ask.as_request())
    except ProblemError as error:
        if error.status in {403, 409, 422}:
            return {"quote": None, "dues": [], "refusal": str(error.problem.get("detail", ""))}
        raise
    return preview | {"refusal": None}


def days_of(offer: Json) -> int:
    """Days until it arrives, as the service's tags say."""
    return next((int(tag.removeprefix("days-")) for tag in offer["tags"] if tag.startswith("days-")), 0)
