"""Committed histories replay: what began with an earlier version of the interpreter goes on with this one.

And the gate itself is tested: a mutant of the interpreter, or of a definition, does not replay.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from workflows import interpreter
from workflows.interpreter import Process
from workflows.language import plan
from workflows.language.definition import Approval, SubProcess, Wait
from workflows.worker import runner

DOES_NOT_REPLAY = (workflow.NondeterminismError, RuntimeError)
"""Either the commands differ, or the workflow task fails because a marker is not what it was taken for."""

HISTORIES = sorted(Path(__file__).parent.glob("*.json"))


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(__file__).parent / f"{name}.json").read_text())
    return found


async def replay(history: dict[str, Any]) -> None:
    replayer = Replayer(workflows=[Process], workflow_runner=runner(), data_converter=pydantic_data_converter)
    await replayer.replay_workflow(WorkflowHistory.from_json("replayed", history))


def test_every_kind_of_way_is_kept() -> None:
    assert {path.stem for path in HISTORIES} == {
        "cancelled_and_refunded",
        "charged_back",
        "confirmed",
        "declined",
        "parked_then_retried",
        "parked_then_undone",
        "refund_approved",
        "refund_denied",
        "refund_parked_then_retried",
        "refunded",
        "refused",
        "review_rejected",
        "review_released",
        "settled",
        "unknown_then_found",
    }


@pytest.mark.parametrize("name", [path.stem for path in HISTORIES])
async def test_a_history_replays(name: str) -> None:
    await replay(read(name))


# --- mutants of the interpreter

Mutation = Callable[[pytest.MonkeyPatch], None]


def _skips_a_step(patch: pytest.MonkeyPatch) -> None:
    real = plan.Plan.next_step

    def skipping(self: plan.Plan, cursor: int, values: Any) -> Any:
        found, step = real(self, cursor, values)
        return (
            (found + 1, real(self, found + 1, values)[1])
            if step is not None and step.name == "admit"
            else (found, step)
        )

    patch.setattr(plan.Plan, "next_step", skipping)


def _turns_conditions_round(patch: pytest.MonkeyPatch) -> None:
    real = plan.condition_holds
    patch.setattr(plan, "condition_holds", lambda condition, values: not real(condition, values))


def _never_undoes(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: Process, ending: Any) -> None:
        return None

    patch.setattr(Process, "_undo", nothing)


def _never_waits(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: Process, step: Wait) -> None:
        self._values[step.name] = {"decision": "release", "timed_out": False}

    patch.setattr(Process, "_wait", nothing)


def _announces_every_wait(patch: pytest.MonkeyPatch) -> None:
    real = Process._wait

    async def announcing(self: Process, step: Wait) -> None:
        self._is_wait_announced = False
        await real(self, step)

    patch.setattr(Process, "_wait", announcing)


def _gives_up_instead_of_parking(patch: pytest.MonkeyPatch) -> None:
    async def give_up(self: Process, failure: Any, *, undoing: bool = False) -> None:
        raise interpreter._Stop(self._stopped("stopped", "gave up"))

    patch.setattr(Process, "_mend", give_up)


def _forgets_the_repair_log(patch: pytest.MonkeyPatch) -> None:
    real = Process._local

    def silent(self: Process, name: str, request: Any, result: Any, step: str, retry: Any) -> Any:
        if name == interpreter.REPAIRED:
            return asyncio.sleep(0)
        return real(self, name, request, result, step, retry)

    patch.setattr(Process, "_local", silent)


def _names_activities_otherwise(patch: pytest.MonkeyPatch) -> None:
    real = Process._local

    def renamed(self: Process, name: str, request: Any, result: Any, step: str, retry: Any) -> Any:
        return real(self, name, request, result, f"{step}!", retry)

    patch.setattr(Process, "_local", renamed)


def _calls_another_activity(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(interpreter, "ADVANCE", "process.leap")


def _counts_turns_twice(patch: pytest.MonkeyPatch) -> None:
    def twice(self: Process) -> int:
        self._turn += 2
        return self._turn

    patch.setattr(Process, "_next_turn", twice)


def _starts_in_the_middle(patch: pytest.MonkeyPatch) -> None:
    real = Process._go_on

    async def later(self: Process) -> Any:
        self._cursor = self._cursor or 5
        return await real(self)

    patch.setattr(Process, "_go_on", later)


def _does_every_stretch_twice(patch: pytest.MonkeyPatch) -> None:
    real = Process._advance

    async def twice(self: Process, step: str) -> Any:
        cursor = self._cursor
        await real(self, step)
        self._cursor = cursor
        return await real(self, step)

    patch.setattr(Process, "_advance", twice)


def _forgets_the_event(patch: pytest.MonkeyPatch) -> None:
    real = Process._wait

    async def forgetful(self: Process, step: Wait) -> None:
        await real(self, step)
        self._values.pop(step.name)

    patch.setattr(Process, "_wait", forgetful)


def _ends_after_the_reply(patch: pytest.MonkeyPatch) -> None:
    real = Process._advance

    async def hasty(self: Process, step: str) -> Any:
        return await real(self, step) or ("done" if self._reply is not None else None)

    patch.setattr(Process, "_advance", hasty)


def _sleeps_first(patch: pytest.MonkeyPatch) -> None:
    real = Process._go_on

    async def sleepy(self: Process) -> Any:
        await workflow.sleep(1)
        return await real(self)

    patch.setattr(Process, "_go_on", sleepy)


def _never_asks(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: Process, step: Approval) -> None:
        self._values[step.name] = {"decision": "approve", "reason": "", "actor": "", "timed_out": False}

    patch.setattr(Process, "_ask", nothing)


def _forgets_the_decision(patch: pytest.MonkeyPatch) -> None:
    real = Process._local

    def silent(self: Process, name: str, request: Any, result: Any, step: str, retry: Any) -> Any:
        return asyncio.sleep(0) if name == "process.decided" else real(self, name, request, result, step, retry)

    patch.setattr(Process, "_local", silent)


def _runs_no_part(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: Process, process: str, start: Any, workflow_id: str) -> None:
        return None

    patch.setattr(Process, "_child", nothing)


def _joins_no_part(patch: pytest.MonkeyPatch) -> None:
    async def alone(self: Process, step: SubProcess) -> None:
        self._values[step.name] = {"run_id": "", "outcome": "refunded"}

    patch.setattr(Process, "_run_part", alone)


def _goes_round_once(patch: pytest.MonkeyPatch) -> None:
    real = plan.Plan.iteration_of
    patch.setattr(plan.Plan, "iteration_of", lambda self, name, values: real(self, name, values) + 1)


MUTANTS: list[tuple[str, Mutation]] = [
    ("confirmed", _skips_a_step),
    ("review_released", _turns_conditions_round),
    ("confirmed", _names_activities_otherwise),
    ("confirmed", _calls_another_activity),
    ("confirmed", _counts_turns_twice),
    ("confirmed", _starts_in_the_middle),
    ("confirmed", _does_every_stretch_twice),
    ("confirmed", _sleeps_first),
    ("declined", _never_undoes),
    ("parked_then_undone", _never_undoes),
    ("review_released", _never_waits),
    ("review_released", _announces_every_wait),
    ("review_released", _ends_after_the_reply),
    ("review_released", _forgets_the_event),
    ("parked_then_retried", _gives_up_instead_of_parking),
    ("parked_then_retried", _forgets_the_repair_log),
    ("refund_approved", _never_asks),
    ("refund_approved", _forgets_the_decision),
    ("refund_parked_then_retried", _gives_up_instead_of_parking),
    ("cancelled_and_refunded", _runs_no_part),
    ("cancelled_and_refunded", _joins_no_part),
    ("settled", _never_asks),
    ("settled", _goes_round_once),
]


@pytest.mark.parametrize(("name", "mutation"), MUTANTS, ids=lambda part: getattr(part, "__name__", part))
async def test_a_mutant_of_the_interpreter_does_not_replay(
    name: str, mutation: Mutation, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutation(monkeypatch)
    with pytest.raises(DOES_NOT_REPLAY):
        await replay(read(name))


# --- mutants of the definition


def _with_definition(history: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """The history as if its process had been started with another definition."""
    payload = history["events"][0]["workflowExecutionStartedEventAttributes"]["input"]["payloads"][0]
    started = json.loads(base64.b64decode(payload["data"]))
    definition = json.loads(started["definition"])
    change(definition)
    started["definition"] = json.dumps(definition)
    payload["data"] = base64.b64encode(json.dumps(started).encode()).decode()
    return history


def _place(definition: dict[str, Any], name: str) -> int:
    return next(i for i, step in enumerate(definition["steps"]) if name in step)


def test_the_history_carries_the_definition_it_began_with() -> None:
    seen: list[str] = []
    _with_definition(
        read("confirmed"), lambda definition: seen.extend(next(iter(step)) for step in definition["steps"])
    )
    assert seen[:3] == ["admit", "price", "risk"]


async def test_swapped_steps_do_not_replay() -> None:
    def swap(definition: dict[str, Any]) -> None:
        steps = definition["steps"]
        a, b = _place(definition, "authorize"), _place(definition, "capture")
        steps[a], steps[b] = steps[b], steps[a]

    with pytest.raises(DOES_NOT_REPLAY):
        await replay(_with_definition(read("confirmed"), swap))


async def test_a_renamed_step_does_not_replay() -> None:
    def rename(definition: dict[str, Any]) -> None:
        step = definition["steps"][_place(definition, "capture")]
        step["take"] = step.pop("capture")

    with pytest.raises(DOES_NOT_REPLAY):
        await replay(_with_definition(read("confirmed"), rename))


async def test_a_removed_wait_does_not_replay() -> None:
    def remove(definition: dict[str, Any]) -> None:
        review = definition["steps"][_place(definition, "screening")]["screening"]["switch"][0]["steps"]
        review[:] = [step for step in review if "review" not in step]

    with pytest.raises(DOES_NOT_REPLAY):
        await replay(_with_definition(read("review_released"), remove))
