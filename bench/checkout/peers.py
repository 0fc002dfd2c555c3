"""Who is compared: each takes a number of checkouts, so many at a time, and says how long each took."""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any, Protocol

from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy

from bench.checkout.measuring import Part
from bench.checkout.no_op import Bare
from bench.checkout.plant import BARE_QUEUE, BUSINESS, BUYERS, Plant

DELIVERY = "RT-SHIP-STD"
_numbers = count()


class Peer(Protocol):
    """Runs checkouts, or what stands for them."""

    name: str
    parts: tuple[Part, ...]

    async def run(self, checkouts: int, at_once: int) -> list[float]:
        """The milliseconds each took."""
        ...


def cart(skus: list[str], seed: int) -> dict[str, Any]:
    """Two or three lines with delivery, of one of many buyers; every peer gets the same carts."""
    chance = random.Random(seed)
    lines = [{"sku": sku, "quantity": chance.randint(1, 3)} for sku in chance.sample(skus, chance.randint(2, 3))]
    return {
        "currency": "CNY",
        "buyer_id": f"bench_{chance.randrange(BUYERS)}",
        "lines": lines,
        "delivery_sku": DELIVERY,
        "payment_method": "sim_ok",
    }


class Checkout:
    """The product, through HTTP, every connection kept open."""

    name = "checkout"

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._own = threading.local()
        self.parts = (plant.server, plant.workers, plant.web, plant.database)
        self.answers: list[dict[str, Any]] = []

    async def run(self, checkouts: int, at_once: int) -> list[float]:
        def work() -> list[float]:
            seeds = [next(_numbers) for _ in range(checkouts)]
            with ThreadPoolExecutor(at_once) as pool:
                return list(pool.map(self._buy, seeds))

        return await asyncio.to_thread(work)

    def _buy(self, seed: int) -> float:
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = http.client.HTTPConnection("127.0.0.1", self._plant.web_port)
        headers = {
            "Authorization": f"Bearer {self._plant.key}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"bench-{seed}",
        }
        body = json.dumps(cart(self._plant.skus, seed))
        started = time.perf_counter()
        connection.request("POST", "/api/v1/checkouts", body, headers)
        answer = connection.getresponse()
        text = answer.read()
        took = (time.perf_counter() - started) * 1000
        assert answer.status == 201, text
        if len(self.answers) < 20:
            self.answers.append(json.loads(text))
        return took


class BareWorkflow:
    """A Temporal workflow of so many no-op local activities, asked by update-with-start."""

    def __init__(self, plant: Plant, client: Client, activities: int) -> None:
        self.name = f"bare {activities}"
        self.parts = (plant.server, plant.bare_workers)
        self._client = client
        self._activities = activities

    async def run(self, checkouts: int, at_once: int) -> list[float]:
        gate = asyncio.Semaphore(at_once)

        async def one() -> float:
            async with gate:
                started = time.perf_counter()
                await self._client.execute_update_with_start_workflow(
                    Bare.answer,
                    start_workflow_operation=WithStartWorkflowOperation(
                        Bare.run,
                        self._activities,
                        id=f"{self.name}-{next(_numbers)}",
                        task_queue=BARE_QUEUE,
                        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    ),
                )
                return (time.perf_counter() - started) * 1000

        return list(await asyncio.gather(*(one() for _ in range(checkouts))))


class DurableSteps:
    """DBOS with a durable step for each business step; the work shared among its processes."""

    def __init__(self, plant: Plant, kind: str) -> None:
        self.name = f"dbos {kind}"
        self.parts = (plant.durable_steps, plant.database)
        self._plant = plant
        self._kind = kind

    async def run(self, checkouts: int, at_once: int) -> list[float]:
        workers = self._plant.durable if at_once > 1 else self._plant.durable[:1]
        shares = [checkouts // len(workers)] * len(workers)
        waits = await asyncio.gather(
            *(
                asyncio.to_thread(self._ask, process, share, at_once)
                for process, share in zip(workers, shares, strict=True)
            )
        )
        return [wait for of_one in waits for wait in of_one]

    def _ask(self, process: Any, checkouts: int, at_once: int) -> list[float]:
        defaults = {"business": BUSINESS, "channel": "web", "country": "CN"}
        seeds = [next(_numbers) for _ in range(checkouts)]
        order = {
            "name": f"{self._kind}-{seeds[0]}",
            "kind": self._kind,
            "requests": [defaults | cart(self._plant.skus, seed) for seed in seeds],
            "at_once": 1 if at_once == 1 else at_once // len(self._plant.durable),
        }
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, "A process of DBOS ended; its log says why."
        found: list[float] = json.loads(line)
        return found
