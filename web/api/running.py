"""Endpoints that start a process: one way to say who asks, under which key, and how the answers are described."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header, Request
from pydantic import BaseModel
from starlette.responses import Response

from capabilities.kernel.identity import BusinessIdentity
from web.api.contracts import CheckoutAccepted, Problem
from web.api.keys import Client
from web.starting import run_process, run_response

KEY_PATTERN = r"^[\x21-\x7e]{1,255}$"

IdempotencyKey = Annotated[
    str,
    Header(
        pattern=KEY_PATTERN,
        description="Made by you, one for each thing asked. The same key and body give the same bytes; another body: 409.",
        examples=["ask-81-1"],
    ),
]

ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "model": CheckoutAccepted,
        "description": "Not over yet, or a person decides. `Location` names the process to ask again.",
        "headers": {"Location": {"schema": {"type": "string"}, "description": "The process."}},
    },
    409: {"model": Problem, "description": "Refused as things stand; or the key was used already."},
}


async def start(
    request: Request,
    client: Client,
    key: str,
    process: str,
    body: BaseModel,
    *,
    scenario: str | None = None,
    location: str | None = None,
    id_field: str = "",
) -> Response:
    """Run the process for the key's business and answer with exactly what it answered."""
    ran = await run_process(
        request,
        process=process,
        identity=BusinessIdentity(client.business, scenario),
        input=body.model_dump(mode="json"),
        client_id=f"{client.id}/{process}",
        key=key,
        actor=f"api:{client.name}",
    )
    return run_response(ran, location=location, id_field=id_field)
