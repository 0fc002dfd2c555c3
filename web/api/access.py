"""Who asks: the key of a request, what it may do, and how often."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from capabilities.kernel.database import transaction
from capabilities.kernel.errors import MissingError, RefusedError, UnavailableError
from web.api.keys import OPERATIONS, Client, KnownKeys, Throttle, authenticate

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="ApiKey",
    description="`Authorization: Bearer zk_…`: a key belongs to one line of business and may do what it was issued for.",
)


def may(operation: str) -> Callable[..., Coroutine[Any, Any, Client]]:
    """The dependency of an endpoint: the client, allowed to do `operation` and within its rate."""
    if operation not in OPERATIONS:
        raise MissingError("api.operation_unknown", f"There is no operation {operation!r}.")

    async def client_of(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
    ) -> Client:
        client = await _authenticated(request, credentials)
        request.state.client_id = client.id
        throttle: Throttle = request.app.state.throttle
        wait_s = throttle.wait_s(client)
        if wait_s:
            seconds = math.ceil(wait_s)
            raise UnavailableError(
                "api.rate_exceeded",
                f"This key may ask {client.requests_per_minute:,} times a minute.",
                mend=f"Wait {seconds} s.",
                retry_after_s=seconds,
            )
        if operation not in client.operations:
            raise RefusedError(
                "api.operation_refused",
                f"This key may not do {operation}.",
                mend="Ask an admin of the business for a key that may.",
                operation=operation,
            )
        return client

    return client_of


async def _authenticated(request: Request, credentials: HTTPAuthorizationCredentials | None) -> Client:
    if credentials is None:
        raise RefusedError(
            "api.key_required", "This needs an API key.", mend="Send it as `Authorization: Bearer zk_…`."
        )
    known: KnownKeys = request.app.state.known_keys
    client = known.find(credentials.credentials)
    if client is None:
        client = await run_in_threadpool(_look_up, credentials.credentials)
        if client is None:
            raise RefusedError(
                "api.key_unknown", "This API key is unknown or revoked.", mend="Ask an admin of the business for one."
            )
        known.remember(credentials.credentials, client)
    return client


def _look_up(plain: str) -> Client | None:
    with transaction() as session:
        return authenticate(session, plain)
