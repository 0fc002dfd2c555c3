"""Booking a parcel: from whom, to whom, paid how; and the page that tracks it."""

from __future__ import annotations

from collections.abc import Mapping
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
from frontends.kit.plans import plan_of
from frontends.kit.platform import Json, Platform, ProblemError
from frontends.logistics.parcel import parcel_of
from frontends.logistics.pricing import CASH, Ask, days_of, price_of

router = APIRouter()

ADDRESSES = ("sender", "sender_street", "sender_city", "recipient", "recipient_street", "recipient_city")
"""What must be said of both ends; carried on the order as its attributes."""
WAYS = (CASH, *METHODS)


@router.get("/book/{sku}")
async def fill_in(request: Request, sku: str) -> HTMLResponse:
    """The form of a booking with its price."""
    return await _page(request, _ask(sku, request.query_params), dict(request.query_params))


@router.post("/book/{sku}/price")
async def price_again(request: Request, sku: str) -> HTMLResponse:
    """The form as it was filled in, with its price now; htmx gets the price alone. Nothing is booked."""
    form = await request.form()
    told = {name: str(value) for name, value in form.items()}
    is_block = bool(request.headers.get("hx-request"))
    return await _page(request, _ask(sku, told), told, attempt=attempt_of(form), is_block=is_block)


@router.post("/book/{sku}")
async def book(request: Request, sku: str) -> Response:
    """Book what the form shows, at the total it shows."""
    platform: Platform = request.app.state.platform
    form = await request.form()
    told = {name: str(value) for name, value in form.items()}
    ask, attempt = _ask(sku, told), attempt_of(form)
    missing = tuple(name for name in ADDRESSES if not told.get(name, "").strip())
    if missing or ask.parcel.problems:
        return await _page(request, ask, told, attempt=attempt, missing=missing, status=422)
    body = ask.as_request() | {"attributes": _attributes(ask, told)}
    expected = expected_of(form)
    if expected is not None:
        body["expected_total_minor"] = expected
    try:
        outcome = await platform.checkout(body, idempotency_key(attempt, body))
    except ProblemError:
        return await _page(request, ask, told, attempt=attempt, notice=UNKNOWN_OUTCOME)
    after = after_checkout(request, outcome)
    return await _page(request, ask, told, notice=after) if isinstance(after, Notice) else after


@router.get("/orders/{order_id}")
async def track(request: Request, order_id: str, thanks: int = 0) -> HTMLResponse:
    """Where the parcel is: booked, handed over, paid. Only for the browser that booked it."""
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    order = await own_order(request, order_id)
    if order is None:
        return pages.problem(request, "problem.not_found", status=404)
    plan = await plan_of(platform, order_id)
    priced = (await platform.explanation(order_id))["quote"]  # it knows the names of surcharges
    is_thanked = bool(thanks) and order["status"] in SOLD
    return pages.page(request, "track.html", order=order, priced=priced, plan=plan, is_thanked=is_thanked)


def _ask(sku: str, told: Mapping[str, Any]) -> Ask:
    method = str(told.get("method", METHODS[0]))
    return Ask(
        sku=sku,
        parcel=parcel_of(told),
        buyer=str(told.get("buyer", ""))[:64],
        collection=str(told.get("collection", ""))[:64],
        method=method if method in WAYS else METHODS[0],
    )


def _attributes(ask: Ask, told: Mapping[str, str]) -> dict[str, str]:
    """What the order carries of the parcel: both addresses, what it weighs and how large it is."""
    written = {name: "".join(mark for mark in told[name].strip() if mark.isprintable())[:120] for name in ADDRESSES}
    parcel = ask.parcel
    return written | {
        "recipient_postcode": parcel.postcode,
        "recipient_country": parcel.country,
        "weight_kg": parcel.weight,
        "size": parcel.size,
    }


async def _page(
    request: Request,
    ask: Ask,
    told: Mapping[str, str],
    *,
    attempt: str | None = None,
    missing: tuple[str, ...] = (),
    notice: Notice | None = None,
    status: int = 200,
    is_block: bool = False,
) -> HTMLResponse:
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    everything = await platform.offers()
    offer = next((each for each in everything if each["sku"] == ask.sku and each["kind"] == "goods"), None)
    if offer is None or not ask.sku.startswith("LG-PAR-"):
        return pages.problem(request, "problem.not_found", status=404)
    collections: list[Json] = [each for each in everything if each["kind"] == "delivery"]
    price: Json = {"quote": None, "dues": [], "refusal": None}
    if not ask.parcel.problems:
        price = await price_of(platform, ask)
    context: dict[str, Any] = {
        "offer": offer,
        "ask": ask,
        "parcel": ask.parcel,
        "told": told,
        "days": days_of(offer),
        "buyers": await active_buyers(request),
        "collections": collections,
        "ways": WAYS,
        "price": price,
        "attempt": attempt or new_attempt(),
        "missing": missing,
        "notice": notice,
    }
    status = notice.status if notice else status
    if is_block:
        return pages.block(request, "book.html", "price", status=status, **context)
    return pages.page(request, "book.html", status=status, **context)
