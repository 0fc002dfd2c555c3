"""Start processes and talk to running ones: what the web and the sweeper use.

A run begins with one commit in our own database (key and run); only then Temporal hears of it. So nothing is lost in
between: the sweeper starts what stayed `starting`, and the answer of a closed process comes from our database.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.journal import approvals, queries
from activities.journal import service as journal
from activities.journal.models import RunStatus
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import ConflictError, MissingError, UnavailableError
from capabilities.kernel.idempotency import Answer, answer_of, canonical_sha256, claim_key
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.ids import new_id
from capabilities.kernel.settings import settings
from workflows.language.snapshot import Snapshot
from workflows.library import definition_for
from workflows.messages import (
    ANSWER,
    DECIDE,
    EVENT,
    REPAIR,
    Decision,
    Event,
    Repair,
    RepairKind,
    Reply,
    RunRef,
    StartInput,
)

__all__ = [
    "Begun",
    "Repair",
    "RepairKind",
    "await_answer",
    "begin_run",
    "connect",
    "decide",
    "repair",
    "send_event",
    "start_process",
    "workflow_id_of",
]

TASK_LIMIT = timedelta(seconds=5)
"""How long a worker may keep a workflow task; the default of 10 s outlasts a caller when a worker dies."""

_saved_definitions: set[str] = set()


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that is committed. `answer` is there when it was answered before."""

    run_id: str
    workflow_id: str
    process: str
    answer: Answer | None
    start: StartInput


async def connect(address: str | None = None, *, lazy: bool = False) -> Client:
    """The Temporal client of this installation. `lazy` connects with the first call, so that a start can wait."""
    target = address or settings().temporal_address
    if target is None:
        raise UnavailableError(
            "temporal.not_configured", "TEMPORAL_ADDRESS is not set.", mend="Run `make up`, or set TEMPORAL_ADDRESS."
        )
    return await Client.connect(
        target, namespace=settings().temporal_namespace, data_converter=pydantic_data_converter, lazy=lazy
    )


def workflow_id_of(business: str, process: str, client_id: str, key: str) -> str:
    """`business/process/…`, the last part opaque: ids are never encrypted, so a client's key never stands in one."""
    digest = hashlib.sha256(f"{client_id}\x1f{key}".encode()).digest()
    return f"{business}/{process}/{base64.b32encode(digest).decode().rstrip('=').lower()[:32]}"


def begin_run(
    session: Session,
    *,
    process: str,
    identity: BusinessIdentity,
    input: dict[str, Any],  # noqa: A002 - the word of the definition
    client_id: str,
    key: str,
    actor: str,
    correlation_id: str | None = None,
) -> Begun:
    """Claim the key and write the run, or find the run of an earlier claim. The caller commits.

    Raises `ConflictError` when the key was used with another input.
    """
    definition = definition_for(process, identity)
    run_id = new_id("run")
    claimed = claim_key(
        session,
        business=identity.business,
        client_id=client_id,
        key=key,
        body_sha256=canonical_sha256(input),
        run_id=run_id,
    )
    if not claimed.is_new:
        return begun_before(session, claimed.run_id, claimed.answer)
    ref = RunRef(run_id, identity.business, identity.scenario, actor, correlation_id or run_id)
    _save_definition(session, definition, identity)
    workflow_id = workflow_id_of(identity.business, process, client_id, key)
    journal.open_run(
        session,
        id=run_id,
        business=identity.business,
        scenario=identity.scenario,
        process=process,
        definition_sha256=definition.sha256,
        workflow_id=workflow_id,
        input=input,
        actor=actor,
        correlation_id=ref.correlation_id,
    )
    return Begun(run_id, workflow_id, process, None, StartInput(ref, definition.body, definition.sha256, input))


def open_child(
    session: Session,
    *,
    parent: RunRef,
    parent_step: str,
    definition: Snapshot,
    workflow_id: str,
    input: dict[str, Any],  # noqa: A002 - the word of the definition
) -> Begun:
    """Write the run of a sub-process. It is `running` from the beginning: its parent starts it, and no sweeper."""
    ref = RunRef(new_id("run"), parent.business, parent.scenario, parent.actor, parent.correlation_id)
    _save_definition(session, definition, parent.identity)
    journal.open_run(
        session,
        id=ref.run_id,
        status=RunStatus.RUNNING,
        business=ref.business,
        scenario=ref.scenario,
        process=definition.definition.process,
        definition_sha256=definition.sha256,
        workflow_id=workflow_id,
        input=input,
        parent_run_id=parent.run_id,
        parent_step=parent_step,
        actor=ref.actor,
        correlation_id=ref.correlation_id,
    )
    start = StartInput(ref, definition.body, definition.sha256, input)
    return Begun(ref.run_id, workflow_id, definition.definition.process, None, start)


def begun_before(session: Session, run_id: str, answer: Answer | None) -> Begun:
    """A run of the journal, with the definition it began with."""
    run = queries.run_of(session, run_id)
    body = queries.definition_of(session, run.definition_sha256)
    if body is None:
        raise MissingError("process.definition_unknown", f"The definition of {run_id} is not kept.", run_id=run_id)
    ref = RunRef(run.id, run.business, run.scenario, run.actor, run.correlation_id)
    start = StartInput(ref, body, run.definition_sha256, run.input)
    return Begun(run.id, run.workflow_id, run.process, answer, start)


def _save_definition(session: Session, definition: Snapshot, identity: BusinessIdentity) -> None:
    """Keep the definition's text once; a process remembers which ones it has seen committed."""
    if definition.sha256 in _saved_definitions and queries.definition_of(session, definition.sha256) is not None:
        return
    journal.save_definition(
        session,
        sha256=definition.sha256,
        body=definition.body,
        business=identity.business,
        process=definition.definition.process,
    )
    _saved_definitions.add(definition.sha256)


async def await_answer(client: Client, begun: Begun, within_s: float) -> Answer | None:
    """Start the process unless it runs, and wait for its reply; None when it takes longer.

    A time-out never means that nothing happens: the process goes on, and the same key finds its answer later.
    """
    if begun.answer is not None:
        return begun.answer
    operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        begun.process,
        begun.start,
        id=begun.workflow_id,
        task_queue=settings().task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        task_timeout=TASK_LIMIT,
    )
    asked = asyncio.ensure_future(_ask(client, operation, within_s))
    # not cancelled when time is up: it ends by itself with its own limit
    await asyncio.wait({asked}, timeout=within_s)
    reply = asked.result() if asked.done() else None
    if reply is not None:
        return Answer(reply.status, reply.body)
    # closed already, too slow, or not reachable just now: whichever it is, our own database knows best
    return await asyncio.to_thread(_stored_answer, begun.run_id)


async def _ask(client: Client, operation: WithStartWorkflowOperation[Any, Any], within_s: float) -> Reply | None:
    try:
        reply: Reply | None = await client.execute_update_with_start_workflow(
            ANSWER,
            id=ANSWER,  # one for all who ask: the server lets few updates of a run be under way at once
            start_workflow_operation=operation,
            result_type=Reply | None,  # type: ignore[arg-type]
            rpc_timeout=timedelta(seconds=within_s),
        )
    except (
        WorkflowAlreadyStartedError,
        WorkflowUpdateFailedError,
        WorkflowUpdateRPCTimeoutOrCancelledError,
        RPCError,
    ):
        # the operation keeps the same error for whoever asks for its handle, and complains when nobody does
        with contextlib.suppress(Exception):
            await asyncio.wait_for(operation.workflow_handle(), 0.1)
        return None
    return reply


def _stored_answer(run_id: str) -> Answer | None:
    with transaction() as session:
        return answer_of(session, run_id)


async def start_process(client: Client, begun: Begun) -> None:
    """Start the process without waiting; one that runs or has ended is left alone. For the sweeper."""
    try:
        await client.start_workflow(
            begun.process,
            begun.start,
            id=begun.workflow_id,
            task_queue=settings().task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            task_timeout=TASK_LIMIT,
        )
    except WorkflowAlreadyStartedError:
        return


async def send_event(client: Client, run_id: str, event: str, body: dict[str, Any], actor: str) -> None:
    """Deliver an event a run waits for. Raises `ConflictError` when it does not wait for it (any more)."""
    await _update(client, run_id, EVENT, Event(event, body, actor), None)


async def decide(client: Client, approval_id: str, *, decision: str, actor: str, reason: str, id: str) -> None:  # noqa: A002 - the request's own
    """Approve or refuse what a run asks for; returns once the journal has it. The caller has checked the actor's role.

    Raises `RefusedError` for whoever asked themselves, `ConflictError` when it was decided otherwise meanwhile.
    """
    asked = await asyncio.to_thread(_approval, approval_id)
    if asked.asked_by == actor:
        raise approvals.own_refused()
    await _update(client, asked.run_id, DECIDE, Decision(id, asked.step, asked.iteration, decision, actor, reason), id)


def _approval(approval_id: str) -> approvals.ApprovalSeen:
    with transaction() as session:
        return approvals.approval_of(session, approval_id)


async def repair(client: Client, run_id: str, order: Repair) -> None:
    """Mend a parked run; returns once the journal has it. Raises `ConflictError` when it is not parked so.

    The same repair (by its id) sent again is the one that was made, wherever the run stands by then.
    """
    await _update(client, run_id, REPAIR, order, order.id)


async def _update(
    client: Client, run_id: str, update: str, argument: Event | Repair | Decision, update_id: str | None
) -> None:
    workflow_id = await asyncio.to_thread(_workflow_id, run_id)
    handle = client.get_workflow_handle(workflow_id)
    try:
        within = timedelta(seconds=settings().answer_within_s)
        await handle.execute_update(update, argument, id=update_id, rpc_timeout=within)
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        code = cause.type if isinstance(cause, ApplicationError) and cause.type else "process.update_refused"
        raise ConflictError(code, str(cause), mend="Load the page again: the process has moved on.") from error
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        raise _unreachable() from error
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise ConflictError("process.ended", "The process has ended.", run_id=run_id) from error
        raise _unreachable() from error


def _unreachable() -> UnavailableError:
    return UnavailableError(
        "temporal.unreachable", "The process did not answer in time.", mend="Look at its page before trying again."
    )


def _workflow_id(run_id: str) -> str:
    with transaction() as session:
        return queries.run_of(session, run_id).workflow_id
