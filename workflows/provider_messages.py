"""What follows from the messages of payment providers: the processes they begin, and two jobs.

`begin_what_follows` runs in the transaction that applies a message, so a message that had its effect has begun its process.
"""

from __future__ import annotations

import asyncio
import logging

import httpx
from sqlalchemy.orm import Session
from temporalio.client import Client
from temporalio.service import RPCError

from activities.provider_events import Received, receive_waiting
from capabilities.kernel.database import session_factory, transaction
from capabilities.kernel.errors import MissingError
from capabilities.kernel.settings import settings
from capabilities.payment.providers.simulator_messages import post_due
from workflows.library import definition_for
from workflows.starting import Begun, begin_run, start_process

APPLY_EVERY_S = 5.0
POST_EVERY_S = 1.0
POST_LIMIT_S = 10.0

log = logging.getLogger("zhongtai.provider_messages")


def begin_what_follows(session: Session, received: Received) -> Begun | None:
    """Begin the process a message calls for, once a message; None where it calls for none, or the business has none."""
    wanted = received.to_begin
    if wanted is None:
        return None
    try:
        definition_for(wanted.process, wanted.identity)
    except MissingError:
        log.warning("Message %s calls for the process %s, which there is not.", received.id, wanted.process)
        return None
    return begin_run(
        session,
        process=wanted.process,
        identity=wanted.identity,
        input=wanted.input,
        client_id=wanted.actor,
        key=wanted.key,
        actor=wanted.actor,
    )


async def apply_waiting_messages(client: Client) -> int:
    """Apply what came before its payment; how many found theirs."""

    def apply() -> tuple[int, list[Begun]]:
        with transaction() as session:
            done = receive_waiting(session)
            begun = [begin_what_follows(session, received) for received in done]
            return len(done), [one for one in begun if one is not None]

    count, begun = await asyncio.to_thread(apply)
    for one in begun:
        try:
            await start_process(client, one)
        except RPCError as error:  # the sweeper sends what stayed behind
            log.warning("Run %s could not be sent to Temporal: %s", one.run_id, error)
    return count


async def post_simulated_messages(client: Client) -> int:
    """Send the simulator's due messages to our own endpoint, as a provider would; how many were taken."""
    del client
    return await asyncio.to_thread(post_due, session_factory(), _post)


def _post(headers: dict[str, str], body: bytes) -> int:
    own = settings()
    web = own.public_url or f"http://{own.host}:{own.port}"
    try:
        answer = httpx.post(
            f"{web.rstrip('/')}/api/v1/webhooks/simulator", headers=headers, content=body, timeout=POST_LIMIT_S
        )
    except httpx.HTTPError as error:
        raise OSError(str(error)) from error
    return answer.status_code
