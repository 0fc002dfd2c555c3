"""What begins by the clock: a Temporal Schedule a line of business starts the process that is due, in its own time zone.

A small workflow stands between schedule and process. It commits the run as the web does, starts it as its child and waits
for its end, so that the schedule knows what still runs: while one does, the next is skipped.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from temporalio.client import (
        Client,
        Schedule,
        ScheduleActionStartWorkflow,
        ScheduleAlreadyRunningError,
        ScheduleCalendarSpec,
        ScheduleOverlapPolicy,
        SchedulePolicy,
        ScheduleRange,
        ScheduleSpec,
        ScheduleUpdate,
        ScheduleUpdateInput,
    )

    from activities.journal import service as journal
    from capabilities.kernel.business import Business, all_businesses
    from capabilities.kernel.database import transaction
    from capabilities.kernel.identity import BusinessIdentity
    from capabilities.kernel.settings import settings
    from workflows.inputs import typed_input
    from workflows.library import definition_for
    from workflows.messages import StartInput
    from workflows.starting import TASK_LIMIT, begin_run

SCHEDULED, BEGIN = "scheduled", "process.begin_scheduled"
ACTOR = "system:schedule"
AT_HOUR = 2
"""The hour of the business's own day at which its sellers are settled."""
CATCH_UP = timedelta(hours=12)
"""A settlement that was missed, because nothing ran, is made up for within this time."""

log = logging.getLogger("zhongtai.schedules")


@dataclass(frozen=True, slots=True)
class Due:
    """A process that is due in a line of business."""

    business: str
    process: str
    input: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BegunDue:
    """The run that was committed for it."""

    workflow_id: str
    start: StartInput


@dataclass(frozen=True, slots=True)
class BeginDue:
    """`key`: the same however often this start of the schedule is tried."""

    due: Due
    key: str


@activity.defn(name=BEGIN, no_thread_cancel_exception=True)
def begin_scheduled(request: BeginDue) -> BegunDue:
    """Commit the run. It is `running` at once: its workflow starts it, and no sweeper."""
    identity = BusinessIdentity(request.due.business)
    document = typed_input(definition_for(request.due.process, identity).definition.input, request.due.input)
    with transaction() as session:
        begun = begin_run(
            session,
            process=request.due.process,
            identity=identity,
            input=document,
            client_id="schedule",
            key=request.key,
            actor=ACTOR,
        )
        journal.mark_started(session, begun.run_id)
    return BegunDue(begun.workflow_id, begun.start)


@workflow.defn(name=SCHEDULED)
class Scheduled:
    """One start of a schedule."""

    @workflow.run
    async def run(self, due: Due) -> str:
        """Begin the process and wait for its end; the outcome."""
        begun: BegunDue = await workflow.execute_local_activity(
            BEGIN,
            BeginDue(due, workflow.info().workflow_id),
            result_type=BegunDue,
            start_to_close_timeout=timedelta(seconds=20),
            retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=30)),
        )
        try:
            outcome: str = await workflow.execute_child_workflow(
                due.process,
                begun.start,
                id=begun.workflow_id,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                result_type=str,
            )
        except WorkflowAlreadyStartedError:
            return "begun_before"
        return outcome


def schedule_of(business: Business) -> Schedule:
    """Every day at the hour of settlement, in the zone of the business; never two at a time."""
    due = Due(business.business, "settlement", {"run_date": None})
    return Schedule(
        action=ScheduleActionStartWorkflow(
            SCHEDULED,
            due,
            id=f"{business.business}/{SCHEDULED}/settlement",
            task_queue=settings().task_queue,
            task_timeout=TASK_LIMIT,
        ),
        spec=ScheduleSpec(
            calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(AT_HOUR)], minute=[ScheduleRange(0)])],
            time_zone_name=business.time_zone,
        ),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP),
    )


def schedule_id_of(business: str) -> str:
    """The schedule of a line of business, in this installation's queue."""
    return f"{settings().task_queue}/{business}/settlement"


async def keep_schedules(client: Client) -> int:
    """Make the schedule of every line of business, or bring it up to date; how many were made."""
    made = 0
    for business in await asyncio.to_thread(_businesses):
        wanted = schedule_of(business)
        try:
            await client.create_schedule(schedule_id_of(business.business), wanted)
            made += 1
        except ScheduleAlreadyRunningError:
            await client.get_schedule_handle(schedule_id_of(business.business)).update(_updated_to(wanted))
    return made


def _updated_to(wanted: Schedule) -> Any:
    def update(found: ScheduleUpdateInput) -> ScheduleUpdate | None:
        """Where and when it starts follows this version; whether a person has paused it stays."""
        now = found.description.schedule
        if now.spec.time_zone_name == wanted.spec.time_zone_name and now.spec.calendars == wanted.spec.calendars:
            return None
        return ScheduleUpdate(Schedule(wanted.action, wanted.spec, wanted.policy, now.state))

    return update


def _businesses() -> list[Business]:
    with transaction() as session:
        return list(all_businesses(session))
