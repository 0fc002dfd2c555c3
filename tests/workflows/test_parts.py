"""Loops, approvals and sub-processes on a real Temporal server and a real database."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from temporalio.client import Client

from activities.journal import approvals
from activities.journal.models import ProcessRun
from activities.journal.queries import parts_of, run_of, steps_of
from capabilities.kernel.errors import ConflictError, RefusedError, UnavailableError
from capabilities.kernel.idempotency import Answer
from tests.workflows import hall
from tests.workflows.driving import until
from tests.workflows.visiting import Sessions, begin, order, steps, words
from workflows import starting
from workflows.starting import RepairKind

pytestmark = pytest.mark.usefixtures("visits")


def keys(sessions: Sessions, run_id: str) -> list[tuple[str, int]]:
    with sessions() as session:
        return [(step.path, step.iteration) for step in steps_of(session, run_id)]


# --- for


async def test_a_loop_does_its_steps_once_for_each_item(wired: Sessions, client: Client, worker: None) -> None:
    begun = begin(wired, "tour", names=("Ann", "Bob", "Cid"))
    answer = await starting.await_answer(client, begun, 15)
    assert answer == Answer(201, '{"count":3}')
    assert (await until(wired, begun.run_id, "ended")).outcome == "toured"
    # the gate was passed in the second round only, and the third round has forgotten it
    assert keys(wired, begun.run_id) == [
        ("greet", 0), ("seat", 0), ("greet", 1), ("gate", 1), ("greet", 2), ("seat", 2), ("tell", 0),
    ]  # fmt: skip


async def test_a_loop_over_nothing_goes_on_behind_it(wired: Sessions, client: Client, worker: None) -> None:
    begun = begin(wired, "tour")
    assert await starting.await_answer(client, begun, 15) == Answer(201, '{"count":0}')
    assert keys(wired, begun.run_id) == [("tell", 0)]


async def test_a_longer_loop_than_one_batch_does_every_round_once(
    wired: Sessions, client: Client, worker: None, visits: hall.Hall
) -> None:
    begun = begin(wired, "tour", names=tuple(f"guest {i}" for i in range(40)))
    assert await starting.await_answer(client, begun, 15) == Answer(201, '{"count":40}')
    assert visits.counts["greet"] == 40
    assert (visits.counts["seat"], visits.counts["call"]) == (39, 1)


async def test_a_list_longer_than_the_loop_may_go_round_is_refused_and_says_so(
    wired: Sessions, client: Client, worker: None
) -> None:
    begun = begin(wired, "tour", names=tuple("x" * 41))
    answer = await starting.await_answer(client, begun, 15)
    assert answer is not None
    assert answer.status == 409
    assert "41 items" in answer.body
    assert (await until(wired, begun.run_id, "ended")).error["code"] == "process.loop_too_long"
    assert words(wired, begun.run_id) == []


async def test_a_refusal_in_a_late_round_undoes_the_rounds_before_it(
    wired: Sessions, client: Client, worker: None
) -> None:
    begun = begin(wired, "tour", names=("Ann", "Bob", "nobody"))
    answer = await starting.await_answer(client, begun, 15)
    assert answer is not None
    assert answer.status == 409
    await until(wired, begun.run_id, "ended")
    # the third round's batch was rolled back; what stood committed is undone backwards
    assert words(wired, begun.run_id) == [
        "greeted", "seated", "greeted", "asked at the gate", "gate open",
        "gate back", "forgotten", "risen", "forgotten",
    ]  # fmt: skip


@pytest.mark.usefixtures("impatient")
async def test_another_input_for_one_round_is_for_that_round_only(
    wired: Sessions, client: Client, worker: None, visits: hall.Hall
) -> None:
    def dark(count: int) -> None:
        if count % 2 == 0:  # every attempt of the batch greets the first guest, then the second
            raise UnavailableError("hall.dark", "It is too dark.")

    visits.trouble["greet"] = dark
    begun = begin(wired, "tour", names=("Ann", "Bob", "Cid"))
    await starting.start_process(client, begun)
    assert (await until(wired, begun.run_id, "stuck")).step == "greet"
    visits.trouble.clear()
    await starting.repair(client, begun.run_id, order(RepairKind.RETRY_WITH, {"name": "Zoe"}, "greet"))
    await until(wired, begun.run_id, "ended")
    with wired() as session:
        rows = [step for step in steps_of(session, begun.run_id) if step.path == "greet" and step.status == "done"]
    assert [(row.iteration, row.revision, row.response["guest"]) for row in rows] == [
        (0, 0, "Ann"), (1, 1, "Zoe"), (2, 0, "Cid"),
    ]  # fmt: skip


async def test_a_loop_in_a_loop_counts_its_rounds_apart(wired: Sessions, client: Client, worker: None) -> None:
    begun = begin(wired, "nested", names=("Ann", "Bob"))
    await starting.start_process(client, begun)
    assert (await until(wired, begun.run_id, "ended")).outcome == "toured"
    assert keys(wired, begun.run_id) == [
        ("greet", 0), ("greet", 1), ("nap", 1), ("greet", 5), ("greet", 6), ("nap", 6),
    ]  # fmt: skip


# --- approval


async def test_what_waits_for_approval_is_listed_and_approved_by_another(
    wired: Sessions, client: Client, worker: None
) -> None:
    begun = begin(wired, "consent")
    await starting.await_answer(client, begun, 15)
    assert (await until(wired, begun.run_id, "waiting")).waiting_for == "approval"
    with wired() as session:
        found = approvals.approvals_page(session, "retail", roles=["approver"], is_open=True, run_id=begun.run_id)
        counted = approvals.count_open(session, "retail", roles=["approver"], not_asked_by="api:client")
    (asked,) = found.approvals
    assert (asked.process, asked.step, asked.shows, asked.asked_by) == (
        "consent", "consent", {"guest": "Ann"}, "api:client",
    )  # fmt: skip
    assert counted == 0
    decision = uuid.uuid4().hex
    for _ in range(2):  # the same request sent twice is one decision
        await starting.decide(client, asked.id, decision="approve", actor="user:host", reason="a friend", id=decision)
    assert (await until(wired, begun.run_id, "ended")).outcome == "seated"
    with wired() as session:
        after = approvals.approval_of(session, asked.id)
        row = next(step for step in steps_of(session, begun.run_id) if step.path == "consent")
    assert (after.decision, after.decided_by, after.reason, after.is_open) == (
        "approve", "user:host", "a friend", False,
    )  # fmt: skip
    assert (row.kind, row.status, row.actor) == ("approval", "waited", "user:host")
    assert row.response == {"decision": "approve", "reason": "a friend", "actor": "user:host", "timed_out": False}


async def test_nobody_approves_what_they_asked_for(wired: Sessions, client: Client, worker: None) -> None:
    begun = begin(wired, "consent")
    await starting.await_answer(client, begun, 15)
    await until(wired, begun.run_id, "waiting")
    with wired() as session:
        (asked,) = approvals.approvals_page(session, "retail", run_id=begun.run_id).approvals
        with pytest.raises(RefusedError, match="asked for this yourself"):
            approvals.decide(
                session, run_id=begun.run_id, path="consent", iteration=0, decision="approve", actor="api:client", reason="me"
            )  # fmt: skip
    with pytest.raises(RefusedError, match="asked for this yourself"):
        await starting.decide(client, asked.id, decision="approve", actor="api:client", reason="me", id="d1")
    # and the process itself refuses, whoever comes past the page
    past = starting.Decision("d2", "consent", 0, "approve", "api:client", "me")
    with pytest.raises(ConflictError, match="asked for"):
        await starting._update(client, begun.run_id, "decide", past, "d2")
    await starting.decide(client, asked.id, decision="refuse", actor="user:host", reason="full house", id="d3")
    run = await until(wired, begun.run_id, "ended")
    assert (run.outcome, run.error["message"]) == ("declined", "full house")
    assert words(wired, begun.run_id) == ["greeted", "forgotten"]


async def test_without_a_decision_in_time_it_is_decided_as_the_step_says(
    wired: Sessions, client: Client, worker: None
) -> None:
    begun = begin(wired, "brief")
    await starting.start_process(client, begun)
    run = await until(wired, begun.run_id, "ended")
    assert (run.outcome, run.error["message"]) == ("declined", "Nobody decided in time.")
    with wired() as session:
        (asked,) = approvals.approvals_page(session, "retail", run_id=begun.run_id).approvals
    assert (asked.decision, asked.decided_by) == ("refuse", "clock")
    with pytest.raises(ConflictError):
        await starting.decide(client, asked.id, decision="approve", actor="user:host", reason="late", id="d4")


async def test_of_two_decisions_at_once_one_counts(wired: Sessions, client: Client, worker: None) -> None:
    begun = begin(wired, "consent")
    await starting.await_answer(client, begun, 15)
    await until(wired, begun.run_id, "waiting")
    with wired() as session:
        (asked,) = approvals.approvals_page(session, "retail", run_id=begun.run_id).approvals
    said = [
        starting.decide(client, asked.id, decision=what, actor=f"user:{what}", reason="so", id=what)
        for what in ("approve", "refuse")
    ]
    outcomes = await asyncio.gather(*said, return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["ConflictError", "NoneType"]
    run = await until(wired, begun.run_id, "ended")
    with wired() as session:
        after = approvals.approval_of(session, asked.id)
    assert run.outcome == {"approve": "seated", "refuse": "declined"}[after.decision or ""]


# --- parts


async def test_a_part_is_a_run_of_its_own_linked_both_ways(wired: Sessions, client: Client, worker: None) -> None:
    begun = begin(wired, "party", names=("Ann", "Bob"))
    answer = await starting.await_answer(client, begun, 15)
    assert answer is not None
    assert answer.status == 201
    await until(wired, begun.run_id, "ended")
    with wired() as session:
        (child,) = parts_of(session, begun.run_id)
        row = next(step for step in steps_of(session, begun.run_id) if step.path == "walk")
        parent = run_of(session, begun.run_id)
    assert (child.process, child.outcome, child.parent_step) == ("tour", "toured", "walk")
    assert (child.actor, child.correlation_id) == (parent.actor, parent.correlation_id)
    assert row.response == {"run_id": child.id, "outcome": "toured", "subject": None, "code": None}
    assert (row.kind, row.operation, row.status) == ("process", "process.tour", "done")
    assert words(wired, child.id) == ["greeted", "seated", "greeted", "asked at the gate", "gate open"]


async def test_a_part_that_is_refused_undoes_itself_and_its_outcome_is_the_answer(
    wired: Sessions, client: Client, worker: None
) -> None:
    begun = begin(wired, "party", names=("Ann", "Bob", "nobody"))
    answer = await starting.await_answer(client, begun, 15)
    assert answer is not None
    assert answer.status == 409
    run = await until(wired, begun.run_id, "ended")
    assert (run.outcome, run.error["details"]) == (
        "sent_home", {"outcome": "refused", "code": "hall.guest_refused"},
    )  # fmt: skip


async def test_cancelling_a_process_cancels_its_part_which_undoes_itself(
    wired: Sessions, client: Client, worker: None
) -> None:
    begun = begin(wired, "invited", names=("Ann",))
    await starting.start_process(client, begun)
    child = await part_standing(wired, begun.run_id, "waiting")
    assert (await until(wired, begun.run_id, "waiting")).waiting_for == "process"
    await client.get_workflow_handle(begun.workflow_id).cancel()
    run = await until(wired, begun.run_id, "ended")
    assert run.outcome == "cancelled"
    assert (await until(wired, child.id, "ended")).outcome == "cancelled"
    assert words(wired, child.id) == ["greeted", "forgotten"]
    assert steps(wired, begun.run_id) == [("walk", "done")]


async def part_standing(sessions: Sessions, run_id: str, status: str) -> ProcessRun:
    """The part of a run, once there is one that stands so."""
    for _ in range(400):
        with sessions() as session:
            parts = parts_of(session, run_id)
        if parts and parts[0].status == status:
            return parts[0]
        await asyncio.sleep(0.05)
    raise AssertionError(f"No part of {run_id} came to be {status}.")


@pytest.mark.usefixtures("impatient")
async def test_a_part_that_was_ended_from_outside_parks_the_step_and_can_be_run_again(
    wired: Sessions, client: Client, worker: None, visits: hall.Hall
) -> None:
    def dark(_: int) -> None:
        raise UnavailableError("hall.dark", "It is too dark.")

    visits.trouble["seat"] = dark
    begun = begin(wired, "party", names=("Ann",))
    await starting.start_process(client, begun)
    part = await part_standing(wired, begun.run_id, "stuck")
    await client.get_workflow_handle(part.workflow_id).terminate("by hand")
    run = await until(wired, begun.run_id, "stuck")
    assert (run.step, run.error["code"]) == ("walk", "process.part_failed")
    visits.trouble.clear()
    await starting.repair(client, begun.run_id, order(RepairKind.RETRY, None, "walk"))
    assert (await until(wired, begun.run_id, "ended")).outcome == "seated"
    assert words(wired, part.id) == ["greeted", "seated"]


# --- the point of no return


async def test_what_is_refused_after_the_point_of_no_return_is_parked_and_nothing_is_undone(
    wired: Sessions, client: Client, worker: None
) -> None:
    begun = begin(wired, "no_return", nick="nobody")
    await starting.start_process(client, begun)
    run = await until(wired, begun.run_id, "stuck")
    assert (run.step, run.error["code"]) == ("other", "hall.guest_refused")
    stood = ["greeted", "asked at the gate", "gate open"]
    assert words(wired, begun.run_id) == stood
    await starting.repair(client, begun.run_id, order(RepairKind.RETRY_WITH, {"name": "Zoe"}))
    assert (await until(wired, begun.run_id, "ended")).outcome == "seated"
    assert words(wired, begun.run_id) == [*stood, "greeted"]


async def test_nobody_undoes_and_stops_behind_the_point_of_no_return(
    wired: Sessions, client: Client, worker: None
) -> None:
    begun = begin(wired, "no_return", nick="nobody")
    await starting.start_process(client, begun)
    await until(wired, begun.run_id, "stuck")
    with pytest.raises(ConflictError, match="stays done"):
        await starting.repair(client, begun.run_id, order(RepairKind.UNDO))
    assert (await until(wired, begun.run_id, "stuck")).step == "other"
    assert words(wired, begun.run_id) == ["greeted", "asked at the gate", "gate open"]
