"""What of an order is due later: its plan as a page shows it, and paying a part of it early, or all that is left."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from frontends.kit.jar import idempotency_key
from frontends.kit.ordering import METHODS, attempt_of, new_attempt, orders_of
from frontends.kit.pages import Pages
from frontends.kit.platform import Json, Platform, ProblemError

router = APIRouter()

SAID = ("paid", "declined", "running", "gone", "unknown", "cancelled", "not_cancelled")
"""What a page may say after it was asked for something; each is a text `said.<word>`."""


async def plan_of(platform: Platform, order_id: str) -> Json:
    """The dues of an order, with `stands` for each: paid, open, overdue, collecting, cancelled or written_off."""
    plan = await platform.read(f"/orders/{order_id}/dues")
    now = datetime.now(UTC)
    for due in plan["dues"]:
        due["stands"] = "overdue" if _is_late(due, now) else due["status"]
    plan["next"] = next((due for due in plan["dues"] if due["status"] == "open"), None)
    plan["open"] = sum(due["status"] == "open" for due in plan["dues"])
    return plan


def _is_late(due: Json, now: datetime) -> bool:
    return due["status"] == "open" and due["due_at"] is not None and datetime.fromisoformat(due["due_at"]) < now


async def around_plan(request: Request, order_id: str, said: str, attempt: str = "") -> dict[str, Any]:
    """What a page with a plan needs: the plan, the cards, an attempt, and what is said on top."""
    return {
        "plan": await plan_of(request.app.state.platform, order_id),
        "methods": METHODS[:3],
        "attempt": attempt or new_attempt(),
        "said": said if said in SAID else None,
    }


@router.post("/orders/{order_id}/pay")
async def pay_early(
    request: Request,
    order_id: str,
    position: Annotated[str, Form()] = "",
    method: Annotated[str, Form()] = METHODS[0],
) -> Response:
    """Pay one due, or everything that is open, from a card; the same attempt pays once."""
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    if order_id not in orders_of(request):
        return pages.problem(request, "problem.not_found", status=404)
    form = await request.form()
    body: Json = {"payment_method": method if method in METHODS else METHODS[0]}
    if position.isascii() and position.isdecimal() and len(position) < 4:
        body["positions"] = [int(position)]
    try:
        outcome = await platform.act(
            f"/orders/{order_id}/collections", body, idempotency_key(attempt_of(form), body | {"order": order_id})
        )
    except ProblemError:
        return RedirectResponse(f"/orders/{order_id}?said=unknown", 303)
    said = {201: "paid", 202: "running", 402: "declined"}.get(outcome.status, "gone")
    return RedirectResponse(f"/orders/{order_id}?said={said}", 303)
