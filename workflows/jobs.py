"""What time brings: jobs every worker repeats. Each is safe to be done by several workers at once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError

from activities.expiry import close_books, expire_old_points, expire_overdue
from activities.following import follow_buyers
from activities.journal import queries
from activities.webhooks.sending import deliver
from capabilities.kernel.clock import now
from capabilities.kernel.database import session_factory, transaction
from capabilities.kernel.errors import ConflictError
from capabilities.transaction.contract import OrderStatus
from capabilities.transaction.queries import find_order
from workflows import disputes, due_dates, provider_messages
from workflows.scheduled import keep_schedules
from workflows.starting import Begun, begun_before, send_event, start_process

STARTING_LIMIT = timedelta(seconds=10)
"""A run that is still `starting` after this never reached Temporal, or its caller died on the way."""

SWEEP_EVERY_S = 5.0
SWEEP_AT_ONCE = 200
EXPIRE_EVERY_S = 20.0
BOOKS_EVERY_S = 600.0
BUYERS_EVERY_S = 5.0
WEBHOOKS_EVERY_S = 1.0
CANCELLED_EVERY_S = 2.0
SCHEDULES_EVERY_S = 300.0
REST_S = 5.0
"""A job that looks every second or two looks only so often while there is nothing to do."""
LONG_REST_S = 20.0
REVIEWED = "order.reviewed"
"""What a checkout in review waits for."""

log = logging.getLogger("zhongtai.jobs")


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do every so often; while there is nothing to do, each wait is twice the last, up to `rest_s`."""

    name: str
    every_s: float
    work: Callable[[Client], Awaitable[int]]
    rest_s: float = 0.0

    def wait_after(self, done: int, waited_s: float) -> float:
        """How long to wait after a round that did so much, and before which it had waited so long."""
        return self.every_s if done else max(self.every_s, min(2 * waited_s, self.rest_s))


def jobs() -> list[Job]:
    """The jobs of a worker."""
    return [
        Job("sweep", SWEEP_EVERY_S, sweep),
        Job("expire", EXPIRE_EVERY_S, expire),
        Job("books", BOOKS_EVERY_S, books),
        Job("buyers", BUYERS_EVERY_S, follow, LONG_REST_S),
        Job("webhooks", WEBHOOKS_EVERY_S, send_webhooks, REST_S),
        Job("cancelled", CANCELLED_EVERY_S, follow_cancelled, REST_S),
        Job("schedules", SCHEDULES_EVERY_S, keep_schedules),
        Job("disputes", disputes.DISPUTES_EVERY_S, disputes.follow_disputes, disputes.DISPUTES_REST_S),
        Job("dues", due_dates.COLLECT_EVERY_S, due_dates.collect_due),
        Job(
            "provider messages", provider_messages.APPLY_EVERY_S, provider_messages.apply_waiting_messages, LONG_REST_S
        ),
        Job("simulator", provider_messages.POST_EVERY_S, provider_messages.post_simulated_messages, REST_S),
    ]


async def repeat(job: Job, client: Client, stop: asyncio.Event) -> None:
    """Do a job until `stop`; a failure is logged and the next round tries again."""
    wait_s = job.every_s
    while not stop.is_set():
        done = 0
        try:
            done = await job.work(client)
            if done:
                log.info("%s: %s", job.name, done)
        except Exception:
            log.exception("The job %s failed; the next round tries again.", job.name)
        wait_s = job.wait_after(done, wait_s)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), wait_s)


async def sweep(client: Client) -> int:
    """Start the runs that were committed but never reached Temporal; how many were sent."""
    sent = 0
    for begun in await asyncio.to_thread(_left_behind):
        try:
            await start_process(client, begun)
            sent += 1
        except RPCError as error:
            log.warning("Run %s could not be sent to Temporal: %s", begun.run_id, error)
    return sent


async def follow(client: Client) -> int:
    """Work out buyers anew whose orders, refunds or segments changed, and once a night all of them; how many."""
    del client
    return await asyncio.to_thread(follow_buyers, session_factory())


async def expire(client: Client) -> int:
    """Give back stock, coupons and money whose hold ran out, and expire gift cards; how many."""
    del client
    done = await asyncio.to_thread(expire_overdue, session_factory())
    return done.reservations + done.claims + done.pendings + done.gift_cards


async def books(client: Client) -> int:
    """Close the days of the ledger that are over, and expire points that are; how often it did."""
    del client
    expired = await asyncio.to_thread(expire_old_points, session_factory())
    return bool(expired) + int(await asyncio.to_thread(close_books, session_factory()))


async def send_webhooks(client: Client) -> int:
    """Tell front-ends what has happened; how many requests were sent."""
    del client
    return await asyncio.to_thread(deliver, session_factory())


async def follow_cancelled(client: Client) -> int:
    """Tell checkouts in review whose order was called off meanwhile, so that they undo themselves; how many were told."""
    told = 0
    for run_id, reason in await asyncio.to_thread(_waiting_in_vain):
        try:
            await send_event(client, run_id, REVIEWED, {"decision": "cancelled", "reason": reason}, "system:cancelled")
            told += 1
        except ConflictError:
            continue  # somebody else told it
    return told


def _waiting_in_vain() -> list[tuple[str, str]]:
    with transaction() as session:
        found = queries.runs_waiting_for(session, REVIEWED, limit=SWEEP_AT_ONCE)
        orders = [(run.id, find_order(session, run.subject, business=run.business)) for run in found if run.subject]
        return [
            (run_id, order.status_reason or "The order was cancelled.")
            for run_id, order in orders
            if order is not None and order.status is OrderStatus.CANCELLED
        ]


def _left_behind() -> list[Begun]:
    with transaction() as session:
        found = queries.starting_runs(session, before=now() - STARTING_LIMIT, limit=SWEEP_AT_ONCE)
        return [begun_before(session, run.id, None) for run in found]
