"""Buying: the cart with its live quote, the checkout, and the orders made with this browser."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, RedirectResponse, Response

from frontends.kit.jar import Jar, idempotency_key
from frontends.kit.pages import Pages
from frontends.kit.platform import Json, Outcome, Platform, ProblemError
from frontends.retail.cart import COOKIE, METHODS, MOST_PIECES, Cart, kept_cart, read_cart

router = APIRouter()

MOST_COUPONS = 5
SOLD = ("confirmed", "fulfilled", "completed")
"""Statuses of an order that was paid and not cancelled since."""
_ATTEMPT = re.compile(r"[A-Za-z0-9_-]{16,64}")


@router.post("/cart/lines")
async def add_line(
    request: Request,
    sku: Annotated[str, Form()],
    quantity: Annotated[str, Form()] = "1",
    back: Annotated[str, Form()] = "",
) -> Response:
    """Put pieces into the cart; htmx gets the new count and a word about it."""
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    offer = await platform.offer(sku)
    if offer is None or offer["kind"] != "goods":
        return pages.problem(request, "problem.not_found", status=404)
    cart = read_cart(request).adding(sku, _pieces(quantity) or 1)
    if request.headers.get("hx-request"):
        answer: Response = pages.block(request, "added.html", "added", offer=offer, cart_count=cart.count)
    else:
        answer = RedirectResponse(f"/products/{sku}?added=1" if back == "product" else "/cart", 303)
    return _keep_cart(request, answer, cart)


@router.get("/cart")
async def show_cart(request: Request) -> HTMLResponse:
    return await _cart_page(request, read_cart(request), attempt=None)


@router.post("/cart")
async def change_cart(request: Request) -> Response:
    """Take the cart as the form has it; htmx gets the cart with its new quote, others the page again."""
    form = await request.form()
    cart = _cart_from(form, read_cart(request))
    if request.headers.get("hx-request"):
        return await _cart_page(request, cart, attempt=_attempt_of(form), is_block=True)
    return _keep_cart(request, RedirectResponse("/cart", 303), cart)


@router.post("/checkout")
async def buy(request: Request) -> Response:
    """Buy what the form shows, at the total it shows."""
    form = await request.form()
    platform: Platform = request.app.state.platform
    cart = _cart_from(form, read_cart(request))
    attempt = _attempt_of(form)
    if not cart.pieces:
        return RedirectResponse("/cart", 303)
    expected = str(form.get("expected_total_minor", ""))
    body = cart.as_request(
        str(form.get("currency", "")), int(expected) if re.fullmatch(r"\d{1,15}", expected) else None
    )
    try:
        outcome = await platform.checkout(body, idempotency_key(attempt, body))
    except ProblemError:
        # Nobody knows whether it went through: the same attempt stays in the form, so that paying again cannot pay twice.
        return await _cart_page(request, cart, attempt=attempt, status=502, notice=("problem.unknown_outcome", None))
    return await _after(request, cart, outcome)


@router.get("/orders")
async def read_orders(request: Request) -> HTMLResponse:
    """The orders made with this browser, the newest first."""
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    rows: list[Json] = []
    for kept in reversed(_orders_of(request)):
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


@router.get("/orders/{order_id}")
async def read_order(request: Request, order_id: str, thanks: int = 0) -> HTMLResponse:
    """What was paid and why; only for the browser that bought it."""
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    if order_id not in _orders_of(request):
        return pages.problem(request, "problem.not_found", status=404)
    order = await platform.order(order_id)
    return pages.page(request, "order.html", order=order, is_thanked=bool(thanks))


@router.post("/orders/{order_id}/again")
async def buy_again(request: Request, order_id: str) -> Response:
    """Put what an order held into the cart once more: after a refusal, or because it was good."""
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    if order_id not in _orders_of(request):
        return pages.problem(request, "problem.not_found", status=404)
    order = await platform.order(order_id)
    cart = read_cart(request)
    for line in order["lines"]:
        if line["kind"] == "goods":
            cart = cart.adding(line["sku"], line["quantity"])
    return _keep_cart(request, RedirectResponse("/cart", 303), cart)


@router.get("/waiting/{run_id}")
async def wait(request: Request, run_id: str) -> Response:
    """A checkout whose end is not known yet: asks again by itself, and goes on to the order once it is."""
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    orders = _orders_of(request)
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
        return _keep_orders(request, answer, kept)
    context: dict[str, Any] = {"run_id": run_id, "order": order, "is_over": is_over, "process": process}
    if request.headers.get("hx-request"):
        return pages.block(request, "waiting.html", "waiting", **context)
    return pages.page(request, "waiting.html", **context)


# --- what became of a checkout ----------------------------------------------------------------------------------


_NOTICES = {
    "transaction.total_changed": "problem.total_changed",
    "payment.declined": "problem.declined",
    "payment.capture_failed": "problem.declined",
    "transaction.stock_short": "problem.stock",
}


async def _after(request: Request, cart: Cart, outcome: Outcome) -> Response:
    if outcome.status == 201:
        order_id = str(outcome.body.get("order_id") or outcome.last_id)
        answer = _keep_cart(request, RedirectResponse(f"/orders/{order_id}?thanks=1", 303), cart.emptied())
        return _keep_orders(request, answer, [*_without(_orders_of(request), order_id), order_id])
    if outcome.status == 202:
        run_id = str(outcome.body.get("run_id") or outcome.last_id)
        answer = _keep_cart(request, RedirectResponse(f"/waiting/{run_id}", 303), cart.emptied())
        return _keep_orders(request, answer, [*_without(_orders_of(request), run_id), run_id])
    key = _NOTICES.get(str(outcome.body.get("code")), "problem.other")
    notice = (key, outcome.body.get("detail") if key == "problem.other" else None)
    # The attempt has ended: paying again is a new one.
    status = outcome.status if outcome.status < 500 else 502
    return await _cart_page(request, cart, attempt=None, status=status, notice=notice)


def _without(orders: list[str], one: str) -> list[str]:
    return [order for order in orders if order != one]


# --- the cart page ----------------------------------------------------------------------------------------------


async def _cart_page(
    request: Request,
    cart: Cart,
    *,
    attempt: str | None,
    status: int = 200,
    notice: tuple[str, Any] | None = None,
    is_block: bool = False,
) -> HTMLResponse:
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    everything = await platform.offers()
    offers = {offer["sku"]: offer for offer in everything}
    deliveries = sorted(
        (offer for offer in everything if offer["kind"] == "delivery"), key=lambda offer: offer["unit_price_minor"]
    )
    cart = _settled(cart, offers, deliveries)
    currency = offers[cart.pieces[0][0]]["currency"] if cart.pieces else "CNY"
    quote, refusal = await _priced(platform, cart, currency)
    rows = [(offers[sku], count) for sku, count in cart.pieces]
    context: dict[str, Any] = {
        "cart": cart,
        "cart_count": cart.count,
        "rows": rows,
        "lines": _lines_by_sku(quote),
        "deliveries": deliveries,
        "buyers": [buyer for buyer in await platform.buyers() if buyer["status"] == "active"][:12],
        "methods": METHODS,
        "quote": quote,
        "refusal": refusal,
        "currency": currency,
        "attempt": attempt or secrets.token_urlsafe(18),
        "notice": notice,
        "most": MOST_PIECES,
        "is_block": is_block,
    }
    if is_block:
        answer = pages.block(request, "cart.html", "cart", status=status, **context)
    else:
        answer = pages.page(request, "cart.html", status=status, **context)
    _keep_cart(request, answer, cart)
    return answer


async def _priced(platform: Platform, cart: Cart, currency: str) -> tuple[Json | None, str | None]:
    """The quote, or the sentence why there is none."""
    if not cart.pieces:
        return None, None
    try:
        return await platform.quote(cart.as_request(currency)), None
    except ProblemError as error:
        if error.status in {409, 422}:
            return None, str(error.problem.get("detail", ""))
        raise


def _settled(cart: Cart, offers: dict[str, Json], deliveries: list[Json]) -> Cart:
    """Without what is no longer for sale; the cheapest delivery method where none is chosen."""
    pieces = tuple((sku, count) for sku, count in cart.pieces if sku in offers)
    known = {delivery["sku"] for delivery in deliveries}
    first = deliveries[0]["sku"] if deliveries else None
    return replace(cart, pieces=pieces, delivery=cart.delivery if cart.delivery in known else first)


def _lines_by_sku(quote: Json | None) -> dict[str, Json]:
    return {line["sku"]: line for line in quote["lines"]} if quote else {}


def _cart_from(form: FormData, before: Cart) -> Cart:
    """The cart as the form has it. What the form does not mention stays as it was."""
    cart = before
    for sku, count in before.pieces:
        asked = form.get(f"pieces-{sku}")
        if asked is not None:
            pieces = _pieces(str(asked))
            cart = cart.with_pieces(sku, count if pieces is None else pieces)
    removed = form.get("remove")
    if removed:
        cart = cart.with_pieces(str(removed), 0)
    codes = str(form.get("coupons", " ".join(before.coupons))).replace(",", " ").split()
    method = str(form.get("method", before.method))
    return replace(
        cart,
        coupons=tuple(dict.fromkeys(code[:64] for code in codes if code.isprintable()))[:MOST_COUPONS],
        delivery=str(form.get("delivery", before.delivery or ""))[:64] or None,
        buyer=str(form.get("buyer", before.buyer or ""))[:64] or None,
        method=method if method in METHODS else METHODS[0],
    )


def _pieces(text: str) -> int | None:
    """A whole number of pieces, full-width digits too; None for anything else."""
    return min(int(text.strip()), MOST_PIECES) if re.fullmatch(r"\s*\d{1,6}\s*", text) else None


def _attempt_of(form: FormData) -> str:
    given = str(form.get("attempt", ""))
    return given if _ATTEMPT.fullmatch(given) else secrets.token_urlsafe(18)


def _keep_cart(request: Request, answer: Response, cart: Cart) -> Response:
    jar: Jar = request.app.state.jar
    jar.keep(request, answer, COOKIE, kept_cart(cart))
    return answer


def _orders_of(request: Request) -> list[str]:
    jar: Jar = request.app.state.jar
    return jar.orders(request)


def _keep_orders(request: Request, answer: Response, orders: list[str]) -> Response:
    jar: Jar = request.app.state.jar
    jar.keep_orders(request, answer, orders)
    return answer
