"""What every front-end does with a checkout: one attempt, its outcome, the orders of this browser, the wait for an answer."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, RedirectResponse, Response

from frontends.kit.jar import Jar
from frontends.kit.pages import Pages
from frontends.kit.platform import Json, Outcome, Platform, ProblemError

router = APIRouter()

SOLD = ("confirmed", "fulfilled", "completed")
"""Statuses of an order that was agreed on and not cancelled since."""
METHODS = ("sim_ok", "sim_late_2000", "sim_declined", "sim_timeout")
"""The cards of the demo."""
_ATTEMPT = re.compile(r"[A-Za-z0-9_-]{16,64}")
_NOTICES = {
    "transaction.total_changed": "problem.total_changed",
    "payment.declined": "problem.declined",
    "payment.capture_failed": "problem.declined",
    "transaction.stock_short": "problem.stock",
    "transaction.quantity_over_limit": "problem.too_many",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """Why something did not work: the key of a text, and the platform's own sentence where that says more."""

    key: str
    detail: str | None
    status: int
    most: int | None = None
    """Of `problem.too_many`: how many one order may take."""


def attempt_of(form: FormData) -> str:
    """The attempt that a form carries; a new one where it carries none of ours."""
    given = str(form.get("attempt", ""))
    return given if _ATTEMPT.fullmatch(given) else new_attempt()


def new_attempt() -> str:
    return secrets.token_urlsafe(18)


def expected_of(form: FormData) -> int | None:
    """The total that the form showed."""
    expected = str(form.get("expected_total_minor", ""))
    return int(expected) if re.fullmatch(r"\d{1,15}", expected) else None


def orders_of(request: Request) -> list[str]:
    jar: Jar = request.app.state.jar
    return jar.orders(request)


def keep_orders(request: Request, answer: Response, orders: list[str]) -> Response:
    jar: Jar = request.app.state.jar
    jar.keep_orders(request, answer, orders)
    return answer


def after_checkout(request: Request, outcome: Outcome) -> Response | Notice:
    """On to the order, or to the page that waits for it, which this browser may read from now on; else what to say."""
    if outcome.status in {201, 202}:
        field, path = ("order_id", "/orders/{}?thanks=1") if outcome.status == 201 else ("run_id", "/waiting/{}")
        kept = str(outcome.body.get(field) or outcome.last_id)
        answer = RedirectResponse(path.format(kept), 303)
        return keep_orders(request, answer, [*(one for one in orders_of(request) if one != kept), kept])
    return notice_of(outcome)


def notice_of(outcome: Outcome) -> Notice:
    key = _NOTICES.get(str(outcome.body.get("code")), "problem.other")
    detail = outcome.body.get("detail") if key == "problem.other" else None
    return Notice(key, detail, outcome.status if outcome.status < 500 else 502, outcome.body.get("most"))


UNKNOWN_OUTCOME = Notice("problem.unknown_outcome", None, 502)
"""Nobody knows whether it went through: the same attempt stays in the form, so that paying again cannot pay twice."""


async def own_order(request: Request, order_id: str) -> Json | None:
    """The order, for the browser that made it; None for any other."""
    platform: Platform = request.app.state.platform
    return await platform.order(order_id) if order_id in orders_of(request) else None


async def active_buyers(request: Request) -> list[Json]:
    """Who may be chosen as the buyer."""
    platform: Platform = request.app.state.platform
    return [buyer for buyer in await platform.buyers() if buyer["status"] == "active"][:12]


@router.get("/orders")
async def read_orders(request: Request) -> HTMLResponse:
    """The orders made with this browser, the newest first."""
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    rows: list[Json] = []
    for kept in reversed(orders_of(request)):
        try:
            if kept.startswith("ord"):
                rows.append({"href": f"/orders/{kept}", "order": await platform.order(kept)})
            else:
                process = await platform.process(kept)
                order_id = process.get("order_id")
                known = {row["order"]["order_id"] for row in rows if row["order"]}
                if order_id not in known:
                    order = await platform.order(order_id) if order_id else None
                    rows.append({"href": f"/waiting/{kept}", "order": order})
        except ProblemError as error:
            if error.status != 404:
                raise
    return pages.page(request, "orders.html", rows=rows)


@router.get("/waiting/{run_id}")
async def wait(request: Request, run_id: str) -> Response:
    """A checkout whose end is not known yet: asks again by itself, and goes on to the order once it is."""
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    orders = orders_of(request)
    if run_id not in orders:
        return pages.problem(request, "problem.not_found", status=404)
    process = await platform.process(run_id)
    order_id = str(process.get("order_id") or "")
    order = await platform.order(order_id) if order_id else None
    is_over = process["ended_at"] is not None
    if order is not None and (is_over or order["status"] in SOLD):
        kept = [order_id if each == run_id else each for each in orders]
        target = f"/orders/{order_id}" + ("?thanks=1" if order["status"] in SOLD else "")
        answer: Response = RedirectResponse(target, 303)
        if request.headers.get("hx-request"):
            answer = Response(headers={"hx-redirect": target})
        return keep_orders(request, answer, kept)
    context: dict[str, Any] = {"run_id": run_id, "order": order, "is_over": is_over, "process": process}
    if request.headers.get("hx-request"):
        return pages.block(request, "waiting.html", "waiting", **context)
    return pages.page(request, "waiting.html", **context)
