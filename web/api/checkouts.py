"""Checkouts: start the process, wait for its answer, give exactly the bytes that were stored."""

from __future__ import annotations

import asyncio
from typing import Annotated

import orjson
import structlog
from fastapi import APIRouter, Depends, Header, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from temporalio.service import RPCError

from activities.receipt import Receipt
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import UnavailableError
from capabilities.kernel.idempotency import Answer, answer_of, canonical_sha256
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.settings import settings
from web.api.access import may
from web.api.contracts import CheckoutAccepted, CheckoutBody, Problem
from web.api.keys import Client
from web.api.scope import own_business
from workflows.problems import PROBLEM_TYPE
from workflows.starting import Begun, await_answer, begin_run

router = APIRouter(tags=["checkouts"])

log = structlog.get_logger("web.checkouts")

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
    document = checkout.model_dump(mode="json")

    def begin() -> Begun:
        with transaction() as session:
            return begin_run(
                session,
                process="checkout",
                identity=BusinessIdentity(business, checkout.scenario),
                input=document,
                client_id=client.id,
                key=idempotency_key,
                body_sha256=canonical_sha256(document),
                actor=f"api:{client.name}",
            )

    begun = await run_in_threadpool(begin)
    if begun.answer is not None:
        return _as_response(begun, begun.answer, is_replayed=True)
    answer = await _answer_in_time(request, begun)
    return _as_response(begun, answer, is_replayed=False) if answer else _not_yet(begun)


async def _answer_in_time(request: Request, begun: Begun) -> Answer | None:
    """The answer, or None when it takes longer than a caller waits; the run is committed and goes on either way."""
    patience_s = settings().answer_within_s
    try:
        async with asyncio.timeout(patience_s):
            temporal = await request.app.state.temporal.client()
            answer = await await_answer(temporal, begun, patience_s)
    except (TimeoutError, UnavailableError, RPCError, RuntimeError) as away:
        log.warning("no answer yet", run_id=begun.run_id, reason=type(away).__name__)
        answer = None
    return answer or await run_in_threadpool(_stored, begun.run_id)


def _stored(run_id: str) -> Answer | None:
    with transaction() as session:
        return answer_of(session, run_id)


def _as_response(begun: Begun, answer: Answer, *, is_replayed: bool) -> Response:
    headers = {"idempotent-replayed": "true"} if is_replayed else {}
    if answer.status == 201:
        headers["location"] = f"/api/v1/orders/{orjson.loads(answer.body).get('order_id', '')}"
    elif answer.status == 202:
        headers |= {"location": f"/api/v1/processes/{begun.run_id}", "retry-after": "2"}
    media_type = PROBLEM_TYPE if answer.status >= 400 else "application/json"
    return Response(answer.body, answer.status, headers, media_type)


def _not_yet(begun: Begun) -> Response:
    body = {
        "status": "running",
        "run_id": begun.run_id,
        "detail": "The checkout is accepted and still running. Ask the process, or send the request again unchanged.",
    }
    headers = {"location": f"/api/v1/processes/{begun.run_id}", "retry-after": "2"}
    return Response(orjson.dumps(body), 202, headers, "application/json")
