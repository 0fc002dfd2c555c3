"""The courier's page: the parcels booked with this browser, to be handed over, and cash to be taken at the door."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from frontends.kit.jar import idempotency_key
from frontends.kit.ordering import SOLD, attempt_of, new_attempt, orders_of
from frontends.kit.pages import Pages
from frontends.kit.plans import plan_of
from frontends.kit.platform import Json, Platform, ProblemError

router = APIRouter()

CARRIER = "Zhongtai Parcels"
SAID = ("handed_over", "cash_taken", "refused", "unknown")
"""What the page may say after an act; each is a text `courier.<word>`."""


@router.get("/courier")
async def read_round(request: Request, said: str = "") -> HTMLResponse:
    """What is still to be brought, and what was."""
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    rows: list[Json] = []
    for order_id in reversed([kept for kept in orders_of(request) if kept.startswith("ord")]):
        try:
            order = await platform.order(order_id)
        except ProblemError as error:
            if error.status != 404:
                raise
            continue
        if order["status"] in SOLD:
            plan = await plan_of(platform, order_id)
            rows.append({"order": order, "owed_minor": plan["owed_minor"]})
    said = said if said in SAID else ""
    return pages.page(request, "courier.html", rows=rows, said=said, attempt=new_attempt())


@router.post("/courier/{order_id}/hand-over")
async def hand_over(request: Request, order_id: str, tracking: Annotated[str, Form()] = "") -> Response:
    """Tell that all of the parcel was handed over, under the number on its label."""
    told = "".join(mark for mark in tracking.strip() if mark.isprintable())[:80]
    body = {"carrier": CARRIER} | ({"tracking": told} if told else {})
    return await _act(request, order_id, "fulfilments", body, "handed_over")


@router.post("/courier/{order_id}/cash")
async def take_cash(request: Request, order_id: str) -> Response:
    """Tell that what was due at the door was paid in cash."""
    return await _act(request, order_id, "cash", {}, "cash_taken")


async def _act(request: Request, order_id: str, what: str, body: Json, done: str) -> Response:
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    if order_id not in orders_of(request):
        return pages.problem(request, "problem.not_found", status=404)
    attempt = attempt_of(await request.form())
    key = idempotency_key(attempt, body | {"order": order_id, "what": what})
    try:
        outcome = await platform.act(f"/orders/{order_id}/{what}", body, key)
    except ProblemError:
        return RedirectResponse("/courier?said=unknown", 303)
    said = {201: done, 202: "unknown"}.get(outcome.status, "refused")
    return RedirectResponse(f"/courier?said={said}", 303)
