"""Parked processes, and people who mend them."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.client import Client

from activities.journal.queries import repairs_of, steps_of
from capabilities.kernel.errors import ConflictError
from capabilities.kernel.idempotency import Answer
from tests.workflows import hall
from tests.workflows.driving import until
from tests.workflows.visiting import Sessions, begin, begin_again, order, parked, steps, words
from workflows import interpreter, starting
from workflows.starting import Repair, RepairKind

pytestmark = pytest.mark.usefixtures("visits")


async def test_a_bug_in_the_interpreter_is_parked_too(
    wired: Sessions, client: Client, worker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(interpreter.Process, "_plan", broken)
    begun = begin(wired)
    await starting.start_process(client, begun)
    run = await until(wired, begun.run_id, "stuck")
    assert run.error["code"] == "process.interpreter_failed"


@pytest.mark.parametrize("trouble", ["seat", "call"])
async def test_a_parked_step_is_tried_again_when_a_person_says_so(
    wired: Sessions, client: Client, worker: None, visits: hall.Hall, impatient: None, trouble: str
) -> None:
    begun = await parked(wired, client, trouble, visits)
    visits.trouble.clear()
    mending = order(RepairKind.RETRY)
    await starting.repair(client, begun.run_id, mending)
    run = await until(wired, begun.run_id, "ended")
    assert run.outcome == "seated"
    assert words(wired, begun.run_id) == ["greeted", "asked at the gate", "gate open", "seated"]
    with wired() as session:
        logged = repairs_of(session, begun.run_id)
    assert [(row.id, row.kind, row.step, row.actor, row.reason) for row in logged] == [
        (mending.id, "retry", "seat" if trouble == "seat" else "pass", "user:mender", "the lamp was mended")
    ]
    with pytest.raises(ConflictError):
        await starting.repair(client, begun.run_id, order(RepairKind.RETRY))


async def test_a_changed_input_raises_the_revision(
    wired: Sessions, client: Client, worker: None, visits: hall.Hall, impatient: None
) -> None:
    begun = await parked(wired, client, "seat", visits)
    visits.trouble.clear()
    await starting.repair(client, begun.run_id, order(RepairKind.RETRY_WITH, {"guest": "Bob"}))
    await until(wired, begun.run_id, "ended")
    with wired() as session:
        seats = [step for step in steps_of(session, begun.run_id) if step.path == "seat"]
    assert [(step.revision, step.status, step.request) for step in seats] == [
        (0, "failed", {"guest": "Ann"}),
        (1, "done", {"guest": "Bob"}),
    ]


async def test_a_skipped_step_leaves_its_substitute(
    wired: Sessions, client: Client, worker: None, visits: hall.Hall, impatient: None
) -> None:
    begun = await parked(wired, client, "call", visits)
    await starting.repair(client, begun.run_id, order(RepairKind.SKIP, {"status": "by hand"}, "pass"))
    await until(wired, begun.run_id, "ended")
    assert begin_again(wired, begun).answer == Answer(201, '{"words":"Hello Ann","gate":"by hand"}')
    assert ("pass", "skipped") in steps(wired, begun.run_id)


async def test_undo_and_stop_takes_everything_back(
    wired: Sessions, client: Client, worker: None, visits: hall.Hall, impatient: None
) -> None:
    begun = await parked(wired, client, "seat", visits)
    await starting.repair(client, begun.run_id, order(RepairKind.UNDO))
    run = await until(wired, begun.run_id, "ended")
    assert run.outcome == "stopped"
    assert words(wired, begun.run_id) == ["greeted", "asked at the gate", "gate open", "gate back", "forgotten"]


async def test_a_failing_undo_is_parked_and_goes_on_after_the_mending(
    wired: Sessions, client: Client, worker: None, visits: hall.Hall, impatient: None
) -> None:
    visits.gate_status = "shut"
    begun = await parked(wired, client, "forget", visits)
    assert words(wired, begun.run_id)[-1] == "gate back"
    visits.trouble.clear()
    await starting.repair(client, begun.run_id, order(RepairKind.RETRY, step="undo/greet"))
    run = await until(wired, begun.run_id, "ended")
    assert run.outcome == "turned_away"
    assert words(wired, begun.run_id)[-2:] == ["gate back", "forgotten"]


async def test_an_error_nobody_foresaw_is_parked_with_its_input(
    wired: Sessions, client: Client, worker: None, visits: hall.Hall, impatient: None
) -> None:
    def surprise(count: int) -> None:
        raise KeyError("chair")

    visits.trouble["seat"] = surprise
    begun = begin(wired)
    await starting.start_process(client, begun)
    run = await until(wired, begun.run_id, "stuck")
    assert (run.step, run.error["code"]) == ("seat", "process.step_failed")
    assert "KeyError" in run.error["message"]
    with wired() as session:
        failed = next(step for step in steps_of(session, begun.run_id) if step.path == "seat")
    assert (failed.status, failed.request, failed.attempt) == ("failed", {"guest": "Ann"}, 3)


async def test_a_repair_says_who_and_why(
    wired: Sessions, client: Client, worker: None, visits: hall.Hall, impatient: None
) -> None:
    begun = await parked(wired, client, "seat", visits)
    for wrong, told in (
        (Repair("1", RepairKind.RETRY, "user:x", " "), "who and why"),
        (Repair("2", RepairKind.SKIP, "user:x", "why not"), "use instead"),
        (Repair("3", RepairKind.RETRY, "user:x", "why not", "greet"), "parked at seat"),
    ):
        with pytest.raises(ConflictError, match=told):
            await starting.repair(client, begun.run_id, wrong)
    await starting.repair(client, begun.run_id, order(RepairKind.UNDO))
    await until(wired, begun.run_id, "ended")
