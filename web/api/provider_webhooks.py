"""What payment providers tell us by themselves: signed messages, each kept once before it has any effect.

No API key: the signature says who speaks. A message that is not signed as it should be is answered 401 and leaves no
trace; one that came before is answered as it was; one whose payment is not there yet is kept until it appears.
"""

from __future__ import annotations

from typing import Annotated

import orjson
import structlog
from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from temporalio.service import RPCError

from activities.provider_events import Received, read_message, receive
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import UnavailableError
from web.problems import problem_response, too_large
from workflows.provider_messages import begin_what_follows
from workflows.starting import Begun, start_process

# not in the description: front-ends have nothing to send here, and providers have descriptions of their own
router = APIRouter(include_in_schema=False)

log = structlog.get_logger("web.provider_webhooks")

LARGEST_BYTES = 262_144


@router.post("/webhooks/{provider}")
async def receive_message(
    request: Request, provider: Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
) -> Response:
    """Check, keep and apply a message, and begin what follows from it, in one commit."""
    body = await request.body()
    if len(body) > LARGEST_BYTES:
        return problem_response(too_large(LARGEST_BYTES))
    message = read_message(provider, dict(request.headers), body)

    def keep() -> tuple[Received, Begun | None]:
        with transaction() as session:
            received = receive(session, message)
            return received, begin_what_follows(session, received)

    received, begun = await run_in_threadpool(keep)
    if begun is not None:
        await _start(request, begun)
    answer = {"id": received.id, "status": received.status.value, "is_new": received.is_new}
    return Response(orjson.dumps(answer), 200, media_type="application/json")


async def _start(request: Request, begun: Begun) -> None:
    """Tell Temporal; a run that is committed is sent by the sweeper where that does not work now."""
    try:
        await start_process(await request.app.state.temporal.client(), begun)
    except (TimeoutError, UnavailableError, RPCError, RuntimeError) as away:
        log.warning("not sent yet", run_id=begun.run_id, reason=type(away).__name__)
