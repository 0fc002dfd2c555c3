"""Whether a part does its work already: asked at the start, and by the doctor."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import httpx
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from capabilities.kernel.settings import Settings


def page_trouble(url: str) -> str | None:
    """None when the page answers well, else what was wrong."""
    try:
        answer = httpx.get(url, timeout=3.0, trust_env=False)
    except httpx.HTTPError as error:
        return f"{url} does not answer ({type(error).__name__})"
    return None if answer.is_success else f"{url} answers {answer.status_code}"


def pages_trouble(urls: Iterable[str]) -> str | None:
    """None when all of the pages answer well, else what was wrong with the first that does not."""
    return next((trouble for trouble in map(page_trouble, urls) if trouble), None)


def worker_trouble(settings: Settings, address: str, pid: int) -> str | None:
    """None when the worker process of that number asks Temporal for work: its heartbeat, as Temporal hears it."""
    try:
        pollers = asyncio.run(_pollers(settings, address))
    except (RPCError, RuntimeError, TimeoutError) as error:
        return str(error)
    return None if any(poller.startswith(f"{pid}@") for poller in pollers) else "it does not ask Temporal for work yet"


async def _pollers(settings: Settings, address: str) -> list[str]:
    """Who asks for work, as `pid@machine`."""
    client = await asyncio.wait_for(Client.connect(address, namespace=settings.temporal_namespace), 5)
    answer = await asyncio.wait_for(
        client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=settings.temporal_namespace,
                task_queue=TaskQueue(name=settings.task_queue),
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
            )
        ),
        5,
    )
    return [poller.identity for poller in answer.pollers]
