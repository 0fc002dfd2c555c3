"""What a run cost the Temporal server: state transitions, history events, activities."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecution


@dataclass(frozen=True)
class Cost:
    """Medians over some runs."""

    transitions: float
    events: float
    activities: float
    bytes: float


async def cost_of(client: Client, *, queue: str = "zhongtai", prefix: str | None = None) -> Cost:
    """The cost of closed workflows of a queue; of those with an id that begins so, where a prefix is given."""
    found: list[WorkflowExecution] = []
    async for execution in client.list_workflows(f"TaskQueue = '{queue}' AND ExecutionStatus = 'Completed'"):
        if prefix is None or execution.id.startswith(f"{prefix}-"):
            found.append(execution)
        if len(found) == 20:
            break
    transitions, events, activities, sizes = [], [], [], []
    for execution in found:
        handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
        about = (await handle.describe()).raw_description.workflow_execution_info
        transitions.append(about.state_transition_count)
        sizes.append(about.history_size_bytes)
        history = await handle.fetch_history()
        events.append(len(history.events))
        activities.append(sum(event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED for event in history.events))
    return Cost(*(statistics.median(values) for values in (transitions, events, activities, sizes)))
