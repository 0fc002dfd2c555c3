"""What comes late, or a second time: activities after a crash or a time-out, events, repairs. Nothing is done twice, nobody is told wrongly."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities.journal.queries import repairs_of, run_of, steps_of
from capabilities.kernel.errors import ConflictError, RefusedError, UnavailableError
from capabilities.kernel.idempotency import Answer
from tests.workflows import hall
from tests.workflows.driving import until
from tests.workflows.visiting import Sessions, begin, order, parked, words
from workflows import batch, starting
from workflows.batch import advance
from workflows.messages import Advance, Advanced, Ending, Mending, RepairKind, Reply, UndoRequest
from workflows.starting import Begun
from workflows.undoing import undo_all

pytestmark = pytest.mark.usefixtures("visits")


def first(begun: Begun) -> Advance:
    """The first activity of a run, as the interpreter asks for it."""
    return Advance(begun.start.run, begun.start.definition, 0, 1, {"input": begun.start.input}, Mending(), [])


def following(asked: Advance, done: Advanced) -> Advance:
    """The activity after it."""
    return replace(asked, cursor=done.cursor, turn=asked.turn + 1, values={**asked.values, **done.values})


def undoing(asked: Advance, ending: Ending | None) -> UndoRequest:
    return UndoRequest(asked.run, asked.turn + 1, Mending(), [], ending)


def gate_refused(count: int) -> None:
    raise RefusedError("hall.gate_locked", "The gate is locked.")


def dark(count: int) -> None:
    raise UnavailableError("hall.dark", "It is too dark.")


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """One activity a batch and a call outside, as on a slow day."""
    monkeypatch.setattr(batch, "STRETCH_S", 0.0)


@pytest.mark.parametrize("is_undone", [False, True])
def test_a_refusal_outside_that_is_asked_for_again_after_its_undo_began_says_the_same(
    wired: Sessions, visits: hall.Hall, apart: None, is_undone: bool
) -> None:
    """The worker dies while it undoes, before Temporal has heard of the refusal: all of the task runs again."""
    visits.trouble["intend"] = gate_refused
    begun = begin(wired)
    at_the_gate = following(first(begun), advance(first(begun)))
    refused = advance(at_the_gate)
    assert refused.failure is not None
    if is_undone:
        undone = undo_all(undoing(at_the_gate, refused.failure))
        assert undone.outcome == "refused"
    else:
        visits.trouble["forget"] = dark
        with pytest.raises(ApplicationError, match="too dark"):
            undo_all(undoing(at_the_gate, refused.failure))

    again = advance(at_the_gate)
    assert (again.failure, again.outcome) == ((None, "refused") if is_undone else (refused.failure, None))
    visits.trouble.clear()
    undone = undo_all(undoing(at_the_gate, refused.failure))
    assert undone.outcome == "refused"
    assert words(wired, begun.run_id) == ["greeted", "forgotten"]


def test_an_answer_from_outside_that_comes_after_the_end_is_kept_and_revives_nothing(
    wired: Sessions, visits: hall.Hall, apart: None
) -> None:
    """An attempt that was given up hears from the gate when the run is undone and over."""
    asked, is_over = threading.Event(), threading.Event()

    def slow(count: int) -> None:
        asked.set()
        assert is_over.wait(10)

    visits.trouble["call"] = slow
    begun = begin(wired, "calling")
    at_the_gate = following(first(begun), advance(first(begun)))
    with ThreadPoolExecutor(1) as elsewhere:
        straggler = elsewhere.submit(advance, at_the_gate)
        assert asked.wait(10)
        ended = undo_all(undoing(at_the_gate, Ending("stopped")))
        is_over.set()
        straggler.exception(10)
    assert ended.outcome == "stopped"
    with wired() as session:
        run = run_of(session, begun.run_id)
        rows = {step.path: step for step in steps_of(session, begun.run_id)}
    assert (run.status, run.outcome, run.waiting_for) == ("ended", "stopped", None)
    assert rows["pass"].undone_at is not None
    assert words(wired, begun.run_id)[-1] == "gate open"


def test_an_attempt_that_was_given_up_answers_nobody_while_the_run_is_undone(
    wired: Sessions, visits: hall.Hall
) -> None:
    asked, is_undoing = threading.Event(), threading.Event()

    def slow(count: int) -> None:
        asked.set()
        assert is_undoing.wait(10)

    visits.trouble["call"] = slow
    visits.trouble["forget"] = dark
    begun = begin(wired, "calling")
    ending = Ending("stopped", None, Reply(409, "{}"))
    with ThreadPoolExecutor(1) as elsewhere:
        straggler = elsewhere.submit(advance, first(begun))
        assert asked.wait(10)
        with pytest.raises(ApplicationError, match="too dark"):
            undo_all(undoing(first(begun), ending))
        is_undoing.set()
        straggler.exception(10)
    visits.trouble.clear()
    assert undo_all(undoing(first(begun), ending)).reply == Reply(409, "{}")


async def test_a_step_outside_that_was_tried_with_two_inputs_is_undone_for_both(
    wired: Sessions, client: Client, worker: None, visits: hall.Hall, impatient: None
) -> None:
    begun = await parked(wired, client, "call", visits)
    visits.trouble.clear()
    visits.gate_status = "shut"
    await starting.repair(client, begun.run_id, order(RepairKind.RETRY_WITH, {"guest": "Bob"}))
    run = await until(wired, begun.run_id, "ended")
    assert run.outcome == "turned_away"
    assert words(wired, begun.run_id)[-3:] == ["gate back", "gate back", "forgotten"]
    with wired() as session:
        rows = steps_of(session, begun.run_id)
    assert [(row.path, row.request) for row in rows if row.kind == "undo"] == [
        ("undo/pass#1", {"guest": "Ann"}),
        ("undo/pass", {"guest": "Ann"}),
        ("undo/greet", {"guest": "Ann"}),
    ]
    assert all(row.undone_at is not None for row in rows if row.undo)


async def test_a_crowd_of_duplicates_is_answered_as_one_while_the_process_takes_its_time(
    wired: Sessions, client: Client, worker: None, visits: hall.Hall
) -> None:
    visits.trouble["call"] = lambda count: time.sleep(1.5)
    begun = begin(wired)
    answers = await asyncio.gather(*(starting.await_answer(client, begun, 15) for _ in range(40)))
    assert set(answers) == {Answer(201, '{"words":"Hello Ann","gate":"open"}')}
    history = await client.get_workflow_handle(begun.workflow_id).fetch_history()
    accepted = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
    assert [event.event_type for event in history.events].count(accepted) == 1


async def test_the_same_repair_sent_twice_is_one(
    wired: Sessions, client: Client, worker: None, visits: hall.Hall, impatient: None
) -> None:
    """Whoever did not hear the answer sends the form again; meanwhile the step may stand parked once more."""
    begun = await parked(wired, client, "seat", visits)
    mending = order(RepairKind.RETRY)
    await starting.repair(client, begun.run_id, mending)
    await until(wired, begun.run_id, "stuck")
    seats = visits.counts["seat"]
    await starting.repair(client, begun.run_id, mending)
    with wired() as session:
        assert [row.id for row in repairs_of(session, begun.run_id)] == [mending.id]
    visits.trouble.clear()
    await starting.repair(client, begun.run_id, order(RepairKind.RETRY))
    await until(wired, begun.run_id, "ended")
    assert visits.counts["seat"] == seats + 1


async def test_an_event_that_comes_after_the_wait_is_refused(
    wired: Sessions, client: Client, worker: None, visits: hall.Hall, impatient: None
) -> None:
    """A release that comes after the review ran out must not be told to have worked."""
    visits.trouble["forget"] = dark
    begun = begin(wired, "hurried")
    await starting.start_process(client, begun)
    await until(wired, begun.run_id, "stuck")
    with pytest.raises(ConflictError, match="does not wait"):
        await starting.send_event(client, begun.run_id, "host.answered", {"answer": "yes"}, "user:host")
    visits.trouble.clear()
    await starting.repair(client, begun.run_id, order(RepairKind.RETRY))
    run = await until(wired, begun.run_id, "ended")
    assert run.outcome == "declined"
