"""Cancelling a booking: what would come back is shown before anybody confirms, and the confirmed is exactly that."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from frontends.kit.jar import idempotency_key
from frontends.kit.ordering import SOLD, attempt_of, new_attempt, own_order
from frontends.kit.pages import Pages
from frontends.kit.platform import Json, Platform, ProblemError

router = APIRouter()

REASON = "The traveller cancelled."


@router.get("/orders/{order_id}/cancel")
async def preview(request: Request, order_id: str) -> HTMLResponse:
    """What cancelling all of it would give back now."""
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    order = await own_order(request, order_id)
    if order is None or order["status"] not in SOLD or not order["open_units"]:
        return pages.problem(request, "problem.not_found", status=404)
    whole = {"kind": "cancellation", "lines": order["open_units"], "delivery": True, "fees": True, "reason": REASON}
    offer = await platform.ask(f"/orders/{order_id}/refunds/preview", whole)
    return pages.page(request, "cancel.html", order=order, offer=offer, attempt=new_attempt())


@router.post("/orders/{order_id}/cancel")
async def cancel(request: Request, order_id: str) -> Response:
    """Cancel all of it. The same attempt cancels once."""
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    if await own_order(request, order_id) is None:
        return pages.problem(request, "problem.not_found", status=404)
    attempt = attempt_of(await request.form())
    body: Json = {"reason": REASON}
    try:
        outcome = await platform.act(
            f"/orders/{order_id}/cancellations", body, idempotency_key(attempt, body | {"order": order_id})
        )
    except ProblemError:
        return RedirectResponse(f"/orders/{order_id}?said=unknown", 303)
    said = "cancelled" if outcome.status in {200, 201, 202} else "not_cancelled"
    return RedirectResponse(f"/orders/{order_id}?said={said}", 303)
