"""The bare peer: a Temporal workflow of one or seven local activities that do nothing, asked by update-with-start.

    python -m bench.checkout.no_op ADDRESS QUEUE

A worker process with the sandbox, the options and the number of threads of ours.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import uvloop
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from workflows.worker import THREADS, options, runner


@activity.defn
def nothing(number: int) -> int:
    return number


@workflow.defn
class Bare:
    def __init__(self) -> None:
        self._answer: int | None = None

    @workflow.run
    async def run(self, activities: int) -> int:
        for number in range(activities):
            await workflow.execute_local_activity(nothing, number, start_to_close_timeout=timedelta(seconds=20))
        self._answer = activities
        await workflow.wait_condition(workflow.all_handlers_finished)
        return activities

    @workflow.update
    async def answer(self) -> int:
        await workflow.wait_condition(lambda: self._answer is not None)
        return self._answer or 0


async def run(address: str, queue: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    client = await Client.connect(address)
    with ThreadPoolExecutor(THREADS) as executor:
        async with Worker(
            client,
            task_queue=queue,
            workflows=[Bare],
            activities=[nothing],
            activity_executor=executor,
            workflow_runner=runner("bench"),
            **options(),
        ):
            await stop.wait()


if __name__ == "__main__":
    uvloop.run(run(sys.argv[1], sys.argv[2]))
