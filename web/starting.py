"""Start a process and wait for its answer: the one way the API and the console move anything.

The run is committed before Temporal hears of it, so whatever happens here, nothing is lost: a caller that hears nothing
in time asks again with the same key, and gets the answer of the run it began.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from temporalio.service import RPCError

from capabilities.kernel.database import transaction
from capabilities.kernel.errors import UnavailableError
from capabilities.kernel.idempotency import Answer, answer_of
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.settings import settings
from workflows.problems import PROBLEM_TYPE
from workflows.starting import Begun, await_answer, begin_run

log = structlog.get_logger("web.starting")


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that is committed, and its answer; None while it is still on its way. `is_replayed`: an earlier one's."""

    run_id: str
    answer: Answer | None
    is_replayed: bool


async def run_process(
    request: Request,
    *,
    process: str,
    identity: BusinessIdentity,
    input: dict[str, Any],  # noqa: A002 - the word of the definition
    client_id: str,
    key: str,
    actor: str,
) -> Ran:
    """Begin the process, or find the run of the same key and input, and wait for its answer as long as a caller waits.

    `input` is the JSON of the definition's input type; `key` makes asking twice one run. Raises `ConflictError` when the
    key was used with another input.
    """

    def begin() -> Begun:
        with transaction() as session:
            return begin_run(
                session,
                process=process,
                identity=identity,
                input=input,
                client_id=client_id,
                key=key,
                actor=actor,
            )

    begun = await run_in_threadpool(begin)
    if begun.answer is not None:
        return Ran(begun.run_id, begun.answer, is_replayed=True)
    return Ran(begun.run_id, await _answer_in_time(request, begun), is_replayed=False)


async def run_to_answer(
    request: Request,
    *,
    process: str,
    identity: BusinessIdentity,
    input: dict[str, Any],  # noqa: A002 - the word of the definition
    client_id: str,
    key: str,
    actor: str,
) -> Answer | None:
    """`run_process` for those who only need the answer: a status below 400 went well, above it is a problem document."""
    ran = await run_process(
        request, process=process, identity=identity, input=input, client_id=client_id, key=key, actor=actor
    )
    return ran.answer


def run_response(ran: Ran, *, location: str | None = None, id_field: str = "") -> Response:
    """The HTTP response of a run: exactly the stored bytes. `location` has `{}` for the body's `id_field` on a 201."""
    if ran.answer is None:
        return _not_yet(ran.run_id)
    answer = ran.answer
    headers = {"idempotent-replayed": "true"} if ran.is_replayed else {}
    if answer.status == 201 and location is not None:
        headers["location"] = location.format(orjson.loads(answer.body).get(id_field, ""))
    elif answer.status == 202:
        headers |= {"location": f"/api/v1/processes/{ran.run_id}", "retry-after": "2"}
    media_type = PROBLEM_TYPE if answer.status >= 400 else "application/json"
    return Response(answer.body, answer.status, headers, media_type)


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


def _not_yet(run_id: str) -> Response:
    body = {
        "status": "running",
        "run_id": run_id,
        "detail": "The request is accepted and still running. Ask the process, or send the request again unchanged.",
    }
    headers = {"location": f"/api/v1/processes/{run_id}", "retry-after": "2"}
    return Response(orjson.dumps(body), 202, headers, "application/json")
