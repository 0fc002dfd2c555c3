"""All routes of the console. The web application includes `router`."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from capabilities.kernel.errors import MissingError
from web.console import (
    approval_acts,
    approvals,
    became,
    books,
    campaign_acts,
    campaigns,
    catalogue,
    coupon_lots,
    coupons,
    customer_acts,
    customers,
    dues,
    gift_cards,
    ledger,
    mistakes,
    order_acts,
    order_reviews,
    orders,
    payment_pages,
    payout_batches,
    payouts,
    points,
    price_changes,
    price_lists,
    processes,
    reconciliation,
    refunds,
    repairs,
    returns,
    rule_editor,
    rule_releases,
    rule_reviews,
    rule_sets,
    rule_trials,
    settlement_calendar,
    settlement_sellers,
    sign_in,
    today,
    webhook_pages,
)
from web.console.edge import ConsoleRoute

PARTS = tuple(
    part.router
    for part in (
        sign_in,
        today,
        rule_sets,
        rule_reviews,
        rule_releases,
        rule_trials,
        rule_editor,
        orders,
        order_acts,
        order_reviews,
        refunds,
        returns,
        dues,
        became,
        processes,
        repairs,
        approvals,
        approval_acts,
        customers,
        customer_acts,
        campaigns,
        campaign_acts,
        coupon_lots,
        coupons,
        price_lists,
        price_changes,
        gift_cards,
        points,
        ledger,
        settlement_calendar,
        settlement_sellers,
        payout_batches,
        payouts,
        mistakes,
        reconciliation,
        payment_pages,
        webhook_pages,
        books,
        catalogue,
    )
)
"""The routers of all pages; a test walks their routes with every role."""

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)
for part in PARTS:
    router.include_router(part)


@router.get("/", name="door")
def door() -> Response:
    """Whoever opens the address of the installation wants the console."""
    return RedirectResponse("/console", status_code=303)


@router.get("/console/{path:path}", name="nowhere")
def nowhere(path: str) -> Response:
    """Every other address below the console: a page that says so, not a bare 404."""
    raise MissingError("console.page_unknown", f"There is no page /console/{path}.", mend="Begin at /console.")
