"""A worker process: interprets processes, runs their steps, and looks after what time brings.

    python -m workflows.worker

Everything is wired here and nowhere else. SIGTERM and Ctrl-C end it cleanly: what runs is finished first. Several run side
by side, one a core; the jobs that repeat are safe to be done by all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import pkgutil
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvloop
from temporalio.client import Client
from temporalio.worker import PollerBehaviorSimpleMaximum, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

import activities
import capabilities.businesses  # noqa: F401 - registers what each line of business does its own way
from activities.catalogue import operations
from activities.deciding import Decided
from capabilities.kernel.database import session_factory
from capabilities.kernel.decision import decisions
from capabilities.kernel.errors import InvalidError
from capabilities.kernel.settings import settings
from rules.warming import Warming
from workflows.batch import advance
from workflows.branching import begin_branch, join_branch
from workflows.inputs import ROLES, all_inputs
from workflows.interpreter import Process
from workflows.jobs import jobs, repeat
from workflows.language.checks import Catalogue, check
from workflows.language.definition import SubProcess, steps_of
from workflows.library import library
from workflows.scheduled import Scheduled, begin_scheduled
from workflows.standing import announce_wait, note_decision, note_repair, park
from workflows.starting import connect
from workflows.undoing import undo_all

PASSED_THROUGH = ("capabilities", "rules", "activities", "workflows", "pydantic", "pydantic_core", "yaml", "sqlalchemy")
"""Packages the sandbox shares with the worker instead of importing them anew for every run: ours are pure there."""

STICKY_LIMIT = timedelta(seconds=1)
"""How long a task waits for the worker that knows the run before another may take it; 10 s outlasts a caller."""

THREADS = 16
HEARTBEAT_S = 1.0

log = logging.getLogger("zhongtai.worker")


def load_operations() -> None:
    """Import every module of `activities`, so that the catalogue is whole."""
    for module in pkgutil.iter_modules(activities.__path__, "activities."):
        if not module.ispkg:
            importlib.import_module(module.name)


def check_library() -> None:
    """Check the built-in definitions against the catalogue: a wrong one must stop the start, not the first checkout."""
    catalogue = whole_catalogue()
    for name, found in library().items():
        for problem in check(found, catalogue):
            raise InvalidError(
                f"process.{problem.code}", f"{name}, step {problem.step!r}: {problem.message}", mend=problem.mend
            )
    for name, found in library().items():
        if name in _parts_within(found.definition.process, frozenset()):
            raise InvalidError("process.part_of_itself", f"{name} runs itself as a part of a part.")


def whole_catalogue() -> Catalogue:
    """Everything a definition may name."""
    processes = {found.definition.process: found.definition.input for found in library().values()}
    return Catalogue(operations(), decisions(), all_inputs(), Decided, processes, ROLES)


def _parts_within(process: str, seen: frozenset[str]) -> frozenset[str]:
    """The processes that a process runs as parts, and their parts, in any of its variants."""
    for found in library().values():
        if found.definition.process == process:
            for step in steps_of(found.definition.steps):
                if isinstance(step, SubProcess) and step.process not in seen:
                    seen = _parts_within(step.process, seen | {step.process})
    return seen


def runner(*more: str) -> SandboxedWorkflowRunner:
    """The sandbox of this installation; `more` names further packages that are pure."""
    passed = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH, *more)
    return SandboxedWorkflowRunner(restrictions=passed)


def options() -> dict[str, Any]:
    """How every worker of ours works; whoever compares another with it gives that one the same."""
    return {
        "no_remote_activities": True,
        "max_cached_workflows": 2_000,
        "max_concurrent_workflow_tasks": 64,
        "max_concurrent_local_activities": THREADS,
        "workflow_task_poller_behavior": PollerBehaviorSimpleMaximum(maximum=6),
        "sticky_queue_schedule_to_start_timeout": STICKY_LIMIT,
        "graceful_shutdown_timeout": timedelta(seconds=10),
    }


def make_worker(client: Client, executor: ThreadPoolExecutor, *, task_queue: str | None = None) -> Worker:
    """The Temporal worker, wired."""
    return Worker(
        client,
        task_queue=task_queue or settings().task_queue,
        workflows=[Process, Scheduled],
        activities=[
            advance,
            undo_all,
            park,
            announce_wait,
            note_repair,
            note_decision,
            begin_branch,
            join_branch,
            begin_scheduled,
        ],
        activity_executor=executor,
        workflow_runner=runner(),
        **options(),
    )


async def run_worker(stop: asyncio.Event) -> None:
    """Work until `stop` is set."""
    load_operations()
    check_library()
    client = await _connect_patiently(stop)
    if client is None:
        return
    warming = Warming(session_factory(), settings().database_url or "").start()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="step") as executor:
        async with make_worker(client, executor):
            log.info("The worker is ready (process %s, queue %s).", os.getpid(), settings().task_queue)
            tasks = [asyncio.create_task(_beat(stop))]
            tasks += [asyncio.create_task(repeat(job, client, stop)) for job in jobs()]
            await stop.wait()
            log.info("The worker ends: what runs is finished first.")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    warming.stop()
    _heartbeat_file().unlink(missing_ok=True)


async def _connect_patiently(stop: asyncio.Event) -> Client | None:
    """Connect, however long the server is away; say so once and then every minute."""
    tries = 0
    while not stop.is_set():
        try:
            return await connect()
        except RuntimeError as error:
            if tries % 60 == 0:
                log.warning("Temporal at %s does not answer (%s); trying on.", settings().temporal_address, error)
            tries += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1)
    return None


def _heartbeat_file() -> Path:
    return settings().state_folder / "workers" / f"{os.getpid()}.ready"


async def _beat(stop: asyncio.Event) -> None:
    """Touch a file every second: whoever started us sees that we are ready, and that we live."""
    file = _heartbeat_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    while not stop.is_set():
        file.touch()
        await asyncio.sleep(HEARTBEAT_S)


async def _main() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    await run_worker(stop)


def main() -> int:
    """The entry of the process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("temporalio").setLevel(logging.WARNING)
    run: Callable[[Any], Any] = uvloop.run
    run(_main())
    return 0


if __name__ == "__main__":
    sys.exit(main())
