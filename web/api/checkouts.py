"""Checkouts: start the process, wait for its answer, give exactly the bytes that were stored."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from starlette.responses import Response

from activities.receipt import Receipt
from capabilities.kernel.identity import BusinessIdentity
from web.api.access import may
from web.api.contracts import CheckoutAccepted, CheckoutBody, Problem
from web.api.keys import Client
from web.api.scope import own_business
from web.starting import run_process, run_response

router = APIRouter(tags=["checkouts"])

KEY_PATTERN = r"^[\x21-\x7e]{1,255}$"


@router.post(
    "/checkouts",
    status_code=201,
    summary="Buy a cart",
    response_model=Receipt,
    response_description="The order is confirmed and paid.",
    responses={
        202: {
            "model": CheckoutAccepted,
            "description": "Not known yet, or in review. `Location` names the process to ask again.",
            "headers": {"Location": {"schema": {"type": "string"}, "description": "The process."}},
        },
        402: {"model": Problem, "description": "The payment was declined; nothing is owed, the order is refused."},
        409: {
            "model": Problem,
            "description": "Stock, a coupon or the total has changed; or the key was used already.",
        },
        413: {"model": Problem, "description": "More than 1,000 lines, or too large."},
    },
)
async def create_checkout(
    request: Request,
    body: CheckoutBody,
    client: Annotated[Client, Depends(may("checkouts.create"))],
    idempotency_key: Annotated[
        str,
        Header(
            pattern=KEY_PATTERN,
            description="Made by you, one a purchase. The same key and body give the same bytes; another body is a 409.",
            examples=["basket-81-1"],
        ),
    ],
) -> Response:
    """Start the checkout of a cart and wait for its end, up to 15 seconds.

    Whatever happens on the way, sending the same request again with the same key never buys twice.
    """
    business = own_business(client, body.business)
    checkout = body.as_request(business)
    ran = await run_process(
        request,
        process="checkout",
        identity=BusinessIdentity(business, checkout.scenario),
        input=checkout.model_dump(mode="json"),
        client_id=client.id,
        key=idempotency_key,
        actor=f"api:{client.name}",
    )
    return run_response(ran, location="/api/v1/orders/{}", id_field="order_id")
