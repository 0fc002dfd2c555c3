"""Choosing a plan with its dues in sight, buying, and the order with what is paid and what is open."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
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

router = APIRouter()

PLANS = ("3", "6", "12", "")
"""The plans one may ask for; the last is all at once."""
MOST_PIECES = 99
DOCUMENTS = "FN-SHIP-DOC"
"""The delivery by e-mail."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What of one thing is wanted, by whom, and how it is paid."""

    sku: str
    pieces: int
    plan: str
    buyer: str
    delivery: str
    method: str

    def as_request(self, currency: str, plan: str | None = None) -> Json:
        """The body of a preview or a checkout, for this plan or another one."""
        terms = self.plan if plan is None else plan
        body: Json = {
            "currency": currency,
            "lines": [{"sku": self.sku, "quantity": self.pieces}],
            "payment_method": self.method,
        }
        optional = {"buyer_id": self.buyer, "delivery_sku": self.delivery, "terms": terms}
        return body | {name: value for name, value in optional.items() if value}


def choice_of(sku: str, asked: Mapping[str, Any]) -> Choice:
    """What a form says; whatever cannot be meant is what most people want."""
    pieces = str(asked.get("pieces", "1")).strip()
    plan = str(asked.get("plan", PLANS[0]))
    method = str(asked.get("method", METHODS[0]))
    return Choice(
        sku=sku,
        pieces=max(1, min(int(pieces), MOST_PIECES)) if re.fullmatch(r"\d{1,4}", pieces) else 1,
        plan=plan if plan in PLANS else PLANS[0],
        buyer=str(asked.get("buyer", ""))[:64],
        delivery=str(asked.get("delivery", ""))[:64],
        method=method if method in METHODS else METHODS[0],
    )


@router.get("/products/{sku}")
async def choose(request: Request, sku: str) -> HTMLResponse:
    """One thing with its plans; htmx gets the choice alone."""
    is_block = bool(request.headers.get("hx-request"))
    asked = request.query_params
    return await _page(request, choice_of(sku, asked), is_asked="plan" in asked, is_block=is_block)


@router.post("/products/{sku}")
async def buy(request: Request, sku: str) -> Response:
    """Buy under the plan the form shows, at the total it shows."""
    platform: Platform = request.app.state.platform
    form = await request.form()
    choice, attempt = choice_of(sku, form), attempt_of(form)
    offer = await platform.offer(sku)
    body = choice.as_request(offer["currency"] if offer else "CNY")
    expected = expected_of(form)
    if expected is not None:
        body["expected_total_minor"] = expected
    try:
        outcome = await platform.checkout(body, idempotency_key(attempt, body))
    except ProblemError:
        return await _page(request, choice, attempt=attempt, notice=UNKNOWN_OUTCOME)
    after = after_checkout(request, outcome)
    return await _page(request, choice, notice=after) if isinstance(after, Notice) else after


@router.get("/orders/{order_id}")
async def read_order(request: Request, order_id: str, thanks: int = 0, said: str = "") -> HTMLResponse:
    """The order with its plan; only for the browser that bought it."""
    pages: Pages = request.app.state.pages
    order = await own_order(request, order_id)
    if order is None:
        return pages.problem(request, "problem.not_found", status=404)
    around = await around_plan(request, order_id, said)
    return pages.page(request, "order.html", order=order, is_thanked=bool(thanks) and order["status"] in SOLD, **around)


# --- the page of a choice ---------------------------------------------------------------------------------------


async def _page(
    request: Request,
    choice: Choice,
    *,
    attempt: str | None = None,
    notice: Notice | None = None,
    is_asked: bool = True,
    is_block: bool = False,
) -> HTMLResponse:
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    everything = await platform.offers()
    offer = next((each for each in everything if each["sku"] == choice.sku and each["kind"] == "goods"), None)
    if offer is None:
        return pages.problem(request, "problem.not_found", status=404)
    deliveries = [each for each in everything if each["kind"] == "delivery" and _suits(each, offer)]
    buyers = await active_buyers(request)
    choice = _settled(choice, deliveries, buyers)
    previews = await asyncio.gather(*(_preview(platform, choice, offer["currency"], plan) for plan in PLANS))
    plans = dict(zip(PLANS, previews, strict=True))
    if not is_asked and plans[choice.plan]["refusal"]:  # nobody asked for it: begin with one that is offered
        choice = replace(choice, plan=next((plan for plan in PLANS if not plans[plan]["refusal"]), choice.plan))
    context: dict[str, Any] = {
        "offer": offer,
        "choice": choice,
        "deliveries": deliveries,
        "buyers": buyers,
        "methods": METHODS,
        "plans": plans,
        "chosen": plans[choice.plan],
        "attempt": attempt or new_attempt(),
        "notice": notice,
    }
    status = notice.status if notice else 200
    if is_block:
        return pages.block(request, "product.html", "choice", status=status, **context)
    return pages.page(request, "product.html", status=status, **context)


async def _preview(platform: Platform, choice: Choice, currency: str, plan: str) -> Json:
    """The dues under a plan, or in `refusal` the sentence why this buyer does not get it."""
    try:
        preview = await platform.ask("/terms/preview", choice.as_request(currency, plan))
    except ProblemError as error:
        if error.status in {403, 409, 422}:
            return {"quote": None, "dues": [], "refusal": str(error.problem.get("detail", ""))}
        raise
    return preview | {"refusal": None}


def _settled(choice: Choice, deliveries: list[Json], buyers: list[Json]) -> Choice:
    """The cheapest delivery where none is chosen; a buyer that is known."""
    known = {delivery["sku"] for delivery in deliveries}
    cheapest = min(deliveries, key=lambda each: each["unit_price_minor"], default=None)
    delivery = choice.delivery if choice.delivery in known else (cheapest["sku"] if cheapest else "")
    buyer = choice.buyer if choice.buyer in {each["id"] for each in buyers} else ""
    return replace(choice, buyer=buyer, delivery=delivery)


def _suits(delivery: Json, offer: Json) -> bool:
    """What weighs something comes by courier, all else by e-mail."""
    return bool(delivery["sku"] != DOCUMENTS) == bool(offer["weight_g"])
