"""Buying: the cart with its live quote, the checkout, and the orders made with this browser."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, RedirectResponse, Response

from frontends.kit.jar import Jar, idempotency_key
from frontends.kit.ordering import (
    METHODS,
    UNKNOWN_OUTCOME,
    Notice,
    active_buyers,
    after_checkout,
    attempt_of,
    expected_of,
    new_attempt,
    orders_of,
)
from frontends.kit.pages import Pages
from frontends.kit.platform import Json, Platform, ProblemError
from frontends.retail.cart import COOKIE, MOST_PIECES, Cart, kept_cart, read_cart

router = APIRouter()

MOST_COUPONS = 5


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
        return await _cart_page(request, cart, attempt=attempt_of(form), is_block=True)
    return _keep_cart(request, RedirectResponse("/cart", 303), cart)


@router.post("/checkout")
async def buy(request: Request) -> Response:
    """Buy what the form shows, at the total it shows."""
    form = await request.form()
    platform: Platform = request.app.state.platform
    cart = _cart_from(form, read_cart(request))
    attempt = attempt_of(form)
    if not cart.pieces:
        return RedirectResponse("/cart", 303)
    body = cart.as_request(str(form.get("currency", "")), expected_of(form))
    try:
        outcome = await platform.checkout(body, idempotency_key(attempt, body))
    except ProblemError:
        return await _cart_page(request, cart, attempt=attempt, notice=UNKNOWN_OUTCOME)
    after = after_checkout(request, outcome)
    if isinstance(after, Notice):
        return await _cart_page(request, cart, attempt=None, notice=after)  # the attempt has ended: paying again is new
    return _keep_cart(request, after, cart.emptied())


@router.get("/orders/{order_id}")
async def read_order(request: Request, order_id: str, thanks: int = 0) -> HTMLResponse:
    """What was paid and why; only for the browser that bought it."""
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    if order_id not in orders_of(request):
        return pages.problem(request, "problem.not_found", status=404)
    order = await platform.order(order_id)
    return pages.page(request, "order.html", order=order, is_thanked=bool(thanks))


@router.post("/orders/{order_id}/again")
async def buy_again(request: Request, order_id: str) -> Response:
    """Put what an order held into the cart once more: after a refusal, or because it was good."""
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    if order_id not in orders_of(request):
        return pages.problem(request, "problem.not_found", status=404)
    order = await platform.order(order_id)
    cart = read_cart(request)
    for line in order["lines"]:
        if line["kind"] == "goods":
            cart = cart.adding(line["sku"], line["quantity"])
    return _keep_cart(request, RedirectResponse("/cart", 303), cart)


# --- the cart page ----------------------------------------------------------------------------------------------


async def _cart_page(
    request: Request,
    cart: Cart,
    *,
    attempt: str | None,
    notice: Notice | None = None,
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
        "buyers": await active_buyers(request),
        "methods": METHODS,
        "quote": quote,
        "refusal": refusal,
        "currency": currency,
        "attempt": attempt or new_attempt(),
        "notice": notice,
        "most": MOST_PIECES,
        "is_block": is_block,
    }
    status = notice.status if notice else 200
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


def _keep_cart(request: Request, answer: Response, cart: Cart) -> Response:
    jar: Jar = request.app.state.jar
    jar.keep(request, answer, COOKIE, kept_cart(cart))
    return answer
