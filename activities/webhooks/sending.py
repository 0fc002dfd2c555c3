"""Send what is due: leased in one transaction, sent outside of any, recorded in another.

A sender that dies in between leaves a lease that ends by the clock; the event is sent again under the same id. So every
event is delivered at least once, and whoever takes it knows a repetition by `webhook-id` (Standard Webhooks).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
from sqlalchemy.orm import Session, sessionmaker
from standardwebhooks import Webhook

from activities.webhooks import service
from activities.webhooks.addresses import Resolve, Target, resolve, target_of
from activities.webhooks.service import Outgoing, Sent
from capabilities.kernel.errors import InvalidError
from capabilities.kernel.settings import settings

LIMIT_S = 10.0
KEPT = 400
"""How much of an answer is kept in the log."""
AT_ONCE = 8
MOST_ROUNDS = 50

Send = Callable[[Outgoing], Sent]


def send(outgoing: Outgoing, *, look_up: Resolve = resolve, limit_s: float = LIMIT_S) -> Sent:
    """One signed request. It follows no redirect, reads little of the answer, goes only where it may, and takes no
    longer than the limit in all, however slowly the other side drips.
    """
    return asyncio.run(_send(outgoing, look_up, limit_s))


async def _send(outgoing: Outgoing, look_up: Resolve, limit_s: float) -> Sent:
    begun = time.monotonic()
    try:
        async with asyncio.timeout(limit_s):
            allowed = settings().demo
            target = await asyncio.to_thread(target_of, outgoing.url, allow_loopback=allowed, look_up=look_up)
            status, kept = await _post(target, outgoing)
            return Sent(status, _since(begun), kept)
    except InvalidError as refused:
        return Sent(None, _since(begun), "", refused.message)
    except TimeoutError:
        return Sent(None, _since(begun), "", f"No answer within {limit_s:g} s.")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Sent(None, _since(begun), "", f"{type(error).__name__}: {error}"[:KEPT])


async def _post(target: Target, outgoing: Outgoing) -> tuple[int, str]:
    headers = signed_headers(outgoing, datetime.now(UTC)) | {"host": target.host_header}
    extensions = {"sni_hostname": target.host} if target.scheme == "https" else {}
    async with (
        httpx.AsyncClient(timeout=None, follow_redirects=False, trust_env=False) as client,  # noqa: S113 - see above
        client.stream(
            "POST", target.request_url, content=outgoing.body.encode(), headers=headers, extensions=extensions
        ) as answer,
    ):
        kept = b""
        async for part in answer.aiter_raw():
            kept += part
            if len(kept) >= KEPT:
                break
        return answer.status_code, kept[:KEPT].decode("utf-8", "replace").replace("\x00", "\ufffd")


def signed_headers(outgoing: Outgoing, moment: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks: id, time, and a signature for each live secret."""
    signatures = [Webhook(secret).sign(outgoing.event_id, moment, outgoing.body) for secret in outgoing.secrets]
    return {
        "content-type": "application/cloudevents+json; charset=utf-8",
        "user-agent": "zhongtai-webhooks/1",
        "webhook-id": outgoing.event_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def deliver(sessions: sessionmaker[Session], *, sender: Send = send, at_once: int = AT_ONCE) -> int:
    """Read on, then send everything that is due; how many were sent."""
    is_more = True
    while is_more:  # all of what is there: the order of a subject's events shows only in the whole
        with sessions.begin() as session:
            is_more = service.read_on(session) > 0
    done = 0
    with ThreadPoolExecutor(at_once, thread_name_prefix="webhook") as pool:
        for _ in range(MOST_ROUNDS):
            with sessions.begin() as session:
                leased = service.lease_due(session, limit=2 * at_once)
            if not leased:
                break
            list(pool.map(lambda one: _send_and_record(sessions, sender, one), leased))
            done += len(leased)
    return done


def _send_and_record(sessions: sessionmaker[Session], sender: Send, outgoing: Outgoing) -> None:
    sent = sender(outgoing)
    with sessions.begin() as session:
        service.record(session, outgoing, sent)


def _since(begun: float) -> int:
    return round((time.monotonic() - begun) * 1000)
