"""Processes are killed while money goes back, orders are called off and webhooks are sent: once, and in order."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.client import Client

from activities.webhooks import service
from capabilities.kernel.outbox import events_page
from capabilities.payment.models import SimulatedActRow
from capabilities.transaction.contract import OrderFilters, OrderStatus
from capabilities.transaction.queries import order_of, orders_page
from tests.faults.plant import Plant, either, running_plant, trouble
from tests.webhooks.receiving import receiving
from tests.workflows.aftersale import begin_process, policy
from tests.workflows.driving import begin, until
from workflows import starting

pytestmark = pytest.mark.faults


def given_back(plant: Plant) -> dict[str, int]:
    """How often the provider gave money back, by payment."""
    with plant.sessions() as session:
        rows = session.scalars(select(SimulatedActRow).where(SimulatedActRow.action == "refund"))
        return {row.payment_id: row.acts for row in rows}


async def cancelled(plant: Plant, client: Client, order_id: str) -> str:
    """Call an order off, however often a worker dies; how the run ended."""
    begun = begin_process(plant.sessions, "cancel", {"order_id": order_id}, key=f"cancel-{order_id}")
    await starting.await_answer(client, begun, 60)
    return (await until(plant.sessions, begun.run_id, "ended", 120)).outcome or ""


async def bought(plant: Plant, client: Client) -> str:
    answer = await plant.buy(client)
    body: dict[str, Any] = json.loads(answer.body)
    return str(body["order_id"])


async def test_a_death_between_the_providers_yes_and_our_record_gives_back_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAULTS_ACTION", "refund")
    count = either(4, 200)
    async with running_plant(tmp_path, workers=2, worker_module="tests.faults.dying_worker") as plant:
        policy(plant.sessions, {"kind": "auto"})
        client = await starting.connect()
        orders = [await bought(plant, client) for _ in range(count)]
        async with trouble(plant, "raise_the_dead", (0.2, 0.2)):
            door = asyncio.Semaphore(2)

            async def one(order_id: str) -> str:
                async with door:
                    return await cancelled(plant, client, order_id)

            outcomes = await asyncio.gather(*map(one, orders))
        assert outcomes == ["cancelled_and_refunded"] * count
        assert len(list((tmp_path / "deaths").iterdir())) == count
        assert sorted(given_back(plant).values()) == [1] * count
        plant.assert_sound()


async def test_a_cancellation_that_races_the_checkout_leaves_no_money_behind(tmp_path: Path) -> None:
    """Whoever is first, wins; a checkout whose order was called off undoes itself, a capture is given back."""
    count = either(12, 200)
    async with running_plant(tmp_path, workers=2) as plant:
        policy(plant.sessions, {"kind": "auto"})
        client = await starting.connect()
        begun = [begin(plant.sessions, payment_method="sim_late_300") for _ in range(count)]
        buying = asyncio.gather(*(starting.await_answer(client, one, 60) for one in begun))
        done: dict[str, str] = {}
        while not buying.done() or len(done) < count:
            with plant.sessions() as session:
                placed = [one.id for one in orders_page(session, OrderFilters(business="retail"), limit=200).orders]
            fresh = [order_id for order_id in placed if order_id not in done]
            found = await asyncio.gather(*(cancelled(plant, client, one) for one in fresh))
            done |= dict(zip(fresh, found, strict=True))
            await asyncio.sleep(0.05)
            if buying.done() and not fresh:
                break
        for one in begun:
            await until(plant.sessions, one.run_id, "ended", 120)
        with plant.sessions() as session:
            standing = {order_of(session, order_id).status for order_id in done}
        assert standing <= {OrderStatus.CANCELLED, OrderStatus.REFUSED}
        plant.assert_sound()


async def test_webhooks_reach_the_front_end_in_order_while_senders_are_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHONGTAI_DEMO", "true")
    count = either(12, 200)
    with receiving() as receiver:
        async with running_plant(tmp_path, workers=2) as plant:
            with plant.sessions.begin() as session:
                service.add_endpoint(session, "retail", receiver.url, ["order.*"], actor="user:op")
            client = await starting.connect()
            async with trouble(plant, "kill_worker", (1.5, 1.5)):
                await asyncio.gather(*(plant.buy(client) for _ in range(count)))
            with plant.sessions() as session:
                page = events_page(session, "retail", limit=1_000)
            wanted = [(one.subject, one.type) for one in page.events if one.type.startswith("order.")]
            assert len(wanted) >= count
            for _ in range(1_800):
                if set(receiver.told()) >= set(wanted):
                    break
                await asyncio.sleep(0.05)
            assert set(receiver.told()) == set(wanted)
            ids = {headers["webhook-id"] for headers, _ in receiver.requests}
            assert len(ids) == len(wanted), "what was sent twice was sent under one id"
