"""All of `/api/v1`, and what its description says of it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from web.api.after_sale import router as after_sale
from web.api.changes import router as changes
from web.api.checkouts import router as checkouts
from web.api.contracts import Problem
from web.api.dues import router as dues
from web.api.events import router as events
from web.api.offers import router as offers
from web.api.orders import router as orders
from web.api.payouts import router as payouts
from web.api.processes import router as processes
from web.api.provider_webhooks import router as provider_webhooks
from web.api.quotes import router as quotes
from web.api.reference import router as reference
from web.api.stored_value import router as stored_value
from web.api.terms import router as terms
from web.api.webhooks import router as webhooks

DESCRIPTION = """
Front-ends price carts, buy them, and read what became of it. Every key belongs to one line of business.

* **Amounts** are whole minor units (`1999` is 19.99 of a currency with two decimals).
* **Errors** are problem documents (RFC 9457): `code` for programs, `detail` for people, `mend` says what to do.
* **Idempotency-Key**: the same key and body give the same bytes, however often they are sent.
* **Lists** come in pages; send `next_cursor` back as `after`.
"""

TAGS: list[dict[str, Any]] = [
    {"name": "quotes", "description": "What a cart would cost, and why. Binds nobody."},
    {"name": "checkouts", "description": "Buying a cart: one request, one answer, never twice."},
    {"name": "orders", "description": "Orders, and why they cost what they cost."},
    {"name": "dues", "description": "What of an order is due later, and paying it."},
    {"name": "processes", "description": "How far a checkout has come."},
    {"name": "offers", "description": "What is for sale."},
    {"name": "buyers", "description": "Who may buy."},
    {"name": "settlement", "description": "What sellers are paid, and their statements."},
    {"name": "webhooks", "description": "Events sent to you, signed, in order for each order."},
    {"name": "events", "description": "What has happened, in order, each exactly once."},
]

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "No key, or an unknown or revoked one."},
    403: {"model": Problem, "description": "The key may not do this."},
    422: {"model": Problem, "description": "Not as it should be; `errors` names each field."},
    429: {"model": Problem, "description": "Too many requests; wait `Retry-After` seconds."},
    503: {"model": Problem, "description": "Something behind us does not answer; send the same again."},
}

router = APIRouter(responses=_PROBLEMS)
for part in (
    quotes,
    terms,
    checkouts,
    orders,
    dues,
    processes,
    offers,
    events,
    after_sale,
    changes,
    payouts,
    stored_value,
    webhooks,
    reference,
    provider_webhooks,
):
    router.include_router(part)
