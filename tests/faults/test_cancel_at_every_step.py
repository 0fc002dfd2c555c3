"""An order is called off while its checkout stands at each of its steps: it is paid, or cancelled and given back; never both."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.client import Client

from activities import catalogue
from capabilities.transaction.contract import OrderStatus
from capabilities.transaction.queries import order_of
from tests.faults.test_every_step import ALWAYS, standing
from tests.faults.test_every_step import shop as shop  # noqa: PLC0414 - fixtures
from tests.workflows.aftersale import begin_process, policy
from tests.workflows.conftest import client as client  # noqa: PLC0414
from tests.workflows.conftest import wired as wired  # noqa: PLC0414
from tests.workflows.conftest import worker as worker  # noqa: PLC0414
from tests.workflows.driving import Sessions, begin, until
from workflows import starting
from workflows.starting import Begun
from zhongtai.verify import verify

pytestmark = pytest.mark.faults

OUTSIDE = ("payment.authorize", "payment.capture")
FROM = next(place for place, call in enumerate(ALWAYS) if call.operation == OUTSIDE[0])
PLACES = [(name, part) for name in OUTSIDE for part in ("before the call", "after the call")] + [
    (call.operation, "within") for call in ALWAYS[FROM:] if call.operation not in OUTSIDE
]
"""Every step from which on others know the order. In its first transaction nobody can call it off yet."""
HEAD_START_S = 0.15


@contextmanager
def meanwhile(name: str, part: str, act: Callable[[], None]) -> Iterator[None]:
    """When the operation is at that part for the first time, something else happens."""
    whole = catalogue._OPERATIONS[name]
    once = threading.Lock()

    def hooked(function: Callable[..., Any], *, is_after: bool = False) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            if is_after:
                result = function(*arguments)
                if once.acquire(blocking=False):
                    act()
                return result
            if once.acquire(blocking=False):
                act()
            return function(*arguments)

        return run

    if whole.outside is not None:
        call = hooked(whole.outside.call, is_after=part == "after the call")
        changed = replace(whole, outside=replace(whole.outside, call=call))
    else:
        assert whole.run is not None
        changed = replace(whole, run=hooked(whole.run))
    catalogue._OPERATIONS[name] = changed
    try:
        yield
    finally:
        catalogue._OPERATIONS[name] = whole


def kept_by_us(sessions: Sessions, order_id: str) -> int:
    """What the provider took for an order and did not give back, in its own books."""
    query = text(
        "SELECT coalesce(sum(a.acts * CASE a.action WHEN 'capture' THEN a.amount_minor WHEN 'refund' THEN -a.amount_minor"
        " ELSE 0 END), 0) FROM simulated_provider_act a JOIN payment p ON p.id = a.payment_id WHERE p.order_id = :order_id"
    )
    with sessions() as session:
        return int(session.execute(query, {"order_id": order_id}).scalar_one())


async def test_wherever_a_checkout_stands_it_is_paid_or_cancelled_and_given_back(
    shop: Sessions, client: Client, worker: None
) -> None:
    policy(shop, {"kind": "auto"})
    before = standing(shop)
    loop = asyncio.get_running_loop()
    for name, part in PLACES:
        cancelling: list[Begun] = []

        def call_off(found: list[Begun] = cancelling, *, waits: bool = part != "within") -> None:
            with shop() as session:
                order_id = session.execute(
                    text("SELECT id FROM sales_order ORDER BY placed_at DESC LIMIT 1")
                ).scalar_one()
            found.append(begin_process(shop, "cancel", {"order_id": order_id}))
            asyncio.run_coroutine_threadsafe(starting.start_process(client, found[0]), loop).result(10)
            if waits:
                asyncio.run_coroutine_threadsafe(until(shop, found[0].run_id, "ended"), loop).result(20)
            else:  # it waits for the order's row, which the step's own transaction may hold
                time.sleep(HEAD_START_S)

        with meanwhile(name, part, call_off):
            begun = begin(shop)
            await starting.start_process(client, begun)
            bought = await until(shop, begun.run_id, "ended")
        (cancelled,) = [await until(shop, one.run_id, "ended") for one in cancelling]
        assert bought.subject is not None
        with shop() as session:
            order = order_of(session, bought.subject)
        told = (name, part, bought.outcome, cancelled.outcome, order.status)
        assert order.status is OrderStatus.CANCELLED, told
        assert cancelled.outcome in {"cancelled", "cancelled_and_refunded"}, told
        assert (bought.outcome == "confirmed") == (cancelled.outcome == "cancelled_and_refunded"), told
        assert kept_by_us(shop, order.id) == 0, told
        assert standing(shop) == before | {"coupons": standing(shop)["coupons"]}, told
    with shop() as session:
        assert [result for result in verify(session) if result.broken] == []
