"""What workers repeat costs little while there is nothing to do; a plain checkout costs what it did."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import event
from temporalio.client import Client

from activities.following import follow_buyers
from capabilities.account.contract import Origin
from capabilities.account.extensions import points_life_days
from capabilities.account.points import grant_points
from capabilities.account.queries_stored import stored_balance_of
from capabilities.account.stored import GrantPoints
from capabilities.kernel import database
from capabilities.kernel.clock import now
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.outbox import publish, with_events_after
from tests.builders import a_business, an_offer
from tests.workflows.driving import Sessions, answered, begin, paths
from workflows.jobs import Job, books, jobs, repeat
from workflows.worker import load_operations

MOST_STATEMENTS, MOST_COMMITS = 81, 9
"""What a checkout cost before campaigns, sources, terms and refunds were there."""


@contextmanager
def counted() -> Iterator[dict[str, int]]:
    """Statements and commits that the product's own engine sends meanwhile."""
    counts = {"statements": 0, "commits": 0}

    def executed(*_: Any) -> None:
        counts["statements"] += 1

    def committed(*_: Any) -> None:
        counts["commits"] += 1

    engine = database.engine()
    event.listen(engine, "before_cursor_execute", executed)
    event.listen(engine, "commit", committed)
    try:
        yield counts
    finally:
        event.remove(engine, "before_cursor_execute", executed)
        event.remove(engine, "commit", committed)


async def nothing(client: Client) -> int:
    del client
    return 0


def test_a_job_without_work_waits_longer_each_time_and_at_once_shortly_again() -> None:
    job = Job("look", 1.0, nothing, rest_s=5.0)
    waits = [1.0]
    for done in (0, 0, 0, 0, 3, 0):
        waits.append(job.wait_after(done, waits[-1]))
    assert waits == [1.0, 2.0, 4.0, 5.0, 5.0, 1.0, 2.0]
    assert Job("steady", 20.0, nothing).wait_after(0, 20.0) == 20.0


def test_nobody_looks_more_often_than_every_five_seconds_for_long() -> None:
    assert {job.name: max(job.every_s, job.rest_s) for job in jobs() if max(job.every_s, job.rest_s) < 5} == {}


async def test_a_job_that_fails_is_tried_again() -> None:
    stop, tried = asyncio.Event(), []

    async def fails(client: Client) -> int:
        del client
        tried.append(1)
        if len(tried) == 3:
            stop.set()
        raise RuntimeError("dark")

    await asyncio.wait_for(repeat(Job("dark", 0.001, fails), None, stop), 5)  # type: ignore[arg-type]
    assert len(tried) == 3


def test_buyers_of_all_businesses_are_looked_after_by_one_look(wired: Sessions) -> None:
    with wired.begin() as session:
        for code in ("retail", "tourism", "finance"):
            a_business(session, code)
    moment = now()
    with time_machine.travel(moment, tick=False):
        follow_buyers(database.session_factory())
        with counted() as counts:
            assert follow_buyers(database.session_factory()) == 0
    assert counts == {"statements": 3, "commits": 1}
    with time_machine.travel(moment + timedelta(days=1), tick=False), counted() as counts:
        follow_buyers(database.session_factory())
    assert counts["statements"] > 3  # the round of the new day


def test_only_businesses_with_something_new_are_named(wired: Sessions) -> None:
    with wired.begin() as session:
        assert with_events_after(session, {}) == set()
        assert with_events_after(session, {"retail": None, "tourism": None}) == set()
        publish(session, business="retail", type="order.confirmed", subject="o", data={})


async def test_old_points_expire_by_the_job_about_the_books(wired: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    ways = dict(points_life_days._realizations) | {BusinessIdentity("retail"): lambda: 30}
    monkeypatch.setattr(points_life_days, "_realizations", ways)
    with wired.begin() as session:
        a_business(session)
        with time_machine.travel(now() - timedelta(days=31), tick=False):
            asked = GrantPoints(key="k", business="retail", buyer_id="ann", points=100, currency="CNY", subject="order")
            grant_points(session, asked, origin=Origin(actor="t", correlation_id="t"))
    assert await books(None) >= 1  # type: ignore[arg-type]
    with wired() as session:
        assert stored_balance_of(session, BusinessIdentity("retail"), "ann", "CNY").points == 0


@pytest.mark.parametrize("sources", [0, 1])
async def test_a_plain_checkout_costs_no_more_than_it_did(
    wired: Sessions, client: Client, worker: None, sources: int
) -> None:
    load_operations()
    with wired.begin() as session:
        a_business(session)
        an_offer(session, "tea", price=100_00, stock=100)
    cart: dict[str, Any] = {
        "lines": [{"sku": "tea", "quantity": 1}],
        "delivery_sku": None,
        "buyer_id": None,
        "coupon_codes": [],
    }
    cart |= {"expected_total_minor": None, "payments": [{"method": "sim_ok"}] * sources}
    status, told = await answered(client, begin(wired, **cart))  # what is looked up once a process
    assert status == 201, told
    with counted() as counts:
        begun = begin(wired, **cart)
        assert (await answered(client, begun))[0] == 201
        await client.get_workflow_handle(begun.workflow_id).result()
    assert {"stored", "spend"} & set(paths(wired, begun.run_id)) == ({"stored", "spend"} if sources else set())
    if not sources:
        assert counts["statements"] <= MOST_STATEMENTS
        assert counts["commits"] <= MOST_COMMITS
