"""Processes on a real Temporal server and a real database, with operations of the tests' own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client

from activities.journal.queries import steps_of
from capabilities.kernel.errors import ConflictError, UnavailableError
from capabilities.kernel.idempotency import Answer
from tests.workflows import hall
from tests.workflows.driving import until
from tests.workflows.visiting import Sessions, begin, begin_again, steps, words
from workflows import batch, jobs, starting
from workflows.starting import Begun

pytestmark = pytest.mark.usefixtures("visits")


async def test_a_visit_answers_once_and_leaves_its_steps(wired: Sessions, client: Client, worker: None) -> None:
    begun = begin(wired)
    answer = await starting.await_answer(client, begun, 15)
    assert answer == Answer(201, '{"words":"Hello Ann","gate":"open"}')
    run = await until(wired, begun.run_id, "ended")
    assert (run.outcome, run.subject, run.error) == ("seated", "Ann", None)
    assert steps(wired, begun.run_id) == [("greet", "done"), ("pass", "done"), ("seat", "done"), ("tell", "done")]
    assert words(wired, begun.run_id) == ["greeted", "asked at the gate", "gate open", "seated"]


async def test_the_same_key_again_answers_the_same_bytes_after_the_end(
    wired: Sessions, client: Client, worker: None, visits: hall.Hall
) -> None:
    first = await starting.await_answer(client, begin(wired, key="k"), 15)
    begun = begin(wired, key="k")
    assert begun.answer == first
    # and a caller who lost the race, whose run has closed meanwhile, is answered from our own database
    late = Begun(begun.run_id, begun.workflow_id, begun.process, None, begun.start)
    assert await starting.await_answer(client, late, 15) == first
    assert visits.counts["greet"] == 1


async def test_duplicates_at_once_are_one_run_with_equal_answers(
    wired: Sessions, client: Client, worker: None, visits: hall.Hall
) -> None:
    begun = [await asyncio.to_thread(begin, wired, "visit", "Ann", "same") for _ in range(8)]
    answers = await asyncio.gather(*(starting.await_answer(client, one, 15) for one in begun))
    assert len({one.run_id for one in begun}) == 1
    assert len(set(answers)) == 1
    assert answers[0] is not None
    assert visits.counts["seat"] == 1


async def test_another_body_under_the_same_key_is_a_conflict(wired: Sessions) -> None:
    begin(wired, key="k")
    with pytest.raises(ConflictError, match="used for another request"):
        begin(wired, key="k", name="Bob")


async def test_a_refusal_in_the_first_batch_leaves_only_the_run_and_why(
    wired: Sessions, client: Client, worker: None
) -> None:
    begun = begin(wired, name="nobody")
    answer = await starting.await_answer(client, begun, 15)
    assert answer is not None
    assert answer.status == 409
    body = json.loads(answer.body)
    assert (body["code"], body["guest"], body["run_id"]) == ("hall.guest_refused", "nobody", begun.run_id)
    run = await until(wired, begun.run_id, "ended")
    assert (run.outcome, run.error["code"]) == ("refused", "hall.guest_refused")
    assert words(wired, begun.run_id) == []
    assert steps(wired, begun.run_id) == [("greet", "refused")]
    assert begin_again(wired, begun).answer == answer


async def test_a_business_end_undoes_backwards_and_answers_why(
    wired: Sessions, client: Client, worker: None, visits: hall.Hall
) -> None:
    visits.gate_status = "shut"
    begun = begin(wired)
    answer = await starting.await_answer(client, begun, 15)
    assert answer is not None
    assert answer.status == 402
    assert json.loads(answer.body)["guest"] == "Ann"
    run = await until(wired, begun.run_id, "ended")
    assert (run.outcome, run.error["code"]) == ("turned_away", "hall.gate_shut")
    assert words(wired, begun.run_id) == ["greeted", "asked at the gate", "gate shut", "gate back", "forgotten"]
    with wired() as session:
        rows = steps_of(session, begun.run_id)
    assert [(row.path, row.undone_at is not None) for row in rows if row.undo] == [("greet", True), ("pass", True)]
    assert [row.path for row in rows if row.kind == "undo"] == ["undo/pass", "undo/greet"]


async def test_what_passes_is_tried_again_and_the_provider_sees_one_key(
    wired: Sessions, client: Client, worker: None, visits: hall.Hall
) -> None:
    def away_twice(count: int) -> None:
        if count < 3:
            raise UnavailableError("gate.away", "Nobody at the gate.")

    visits.trouble["call"] = away_twice
    begun = begin(wired)
    answer = await starting.await_answer(client, begun, 15)
    assert answer is not None
    assert answer.status == 201
    assert visits.counts["call"] == 3
    assert (visits.counts["intend"], visits.counts["greet"]) == (1, 1)
    assert list(visits.gate_keys.values()) == [1]


async def test_a_crash_after_a_commit_does_nothing_twice(
    wired: Sessions, client: Client, worker: None, visits: hall.Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The activity commits and then dies before Temporal hears of it: its next attempt returns what was committed."""
    died: set[int] = set()
    close = batch._Batch._close

    real = batch.transaction

    def dying() -> Any:
        @contextlib.contextmanager
        def transaction() -> Any:
            with real() as session:
                yield session
            if session.info.get("batch") and session.info["batch"] not in died:
                died.add(session.info["batch"])
                raise OSError("the worker died here")

        return transaction()

    def marking(self: Any, cursor: int, step: Any) -> Any:
        self.session.info["batch"] = self.request.cursor + 1
        return close(self, cursor, step)

    monkeypatch.setattr(batch, "transaction", dying)
    monkeypatch.setattr(batch._Batch, "_close", marking)
    begun = begin(wired)
    answer = await starting.await_answer(client, begun, 15)
    assert answer == Answer(201, '{"words":"Hello Ann","gate":"open"}')
    assert len(died) == 2
    assert visits.counts == {"greet": 1, "intend": 1, "call": 1, "record": 1, "seat": 1}


async def test_an_event_lets_a_waiting_process_go_on(wired: Sessions, client: Client, worker: None) -> None:
    begun = begin(wired, "asking")
    answer = await starting.await_answer(client, begun, 15)
    assert answer == Answer(202, '{"status":"asked"}')
    run = await until(wired, begun.run_id, "waiting")
    assert (run.step, run.waiting_for) == ("ask", "host.answered")
    assert run.waiting_until is not None
    with pytest.raises(ConflictError, match="does not wait"):
        await starting.send_event(client, begun.run_id, "host.left", {}, "user:host")
    await starting.send_event(client, begun.run_id, "host.answered", {"answer": "yes"}, "user:host")
    run = await until(wired, begun.run_id, "ended")
    assert run.outcome == "seated"
    with wired() as session:
        waited = next(step for step in steps_of(session, begun.run_id) if step.path == "ask")
    assert (waited.status, waited.actor, waited.response) == (
        "waited",
        "user:host",
        {"answer": "yes", "timed_out": False},
    )
    with pytest.raises(ConflictError, match="has ended"):
        await starting.send_event(client, begun.run_id, "host.answered", {"answer": "yes"}, "user:host")


async def test_an_event_that_says_no_undoes_and_keeps_the_first_answer(
    wired: Sessions, client: Client, worker: None
) -> None:
    begun = begin(wired, "asking")
    first = await starting.await_answer(client, begun, 15)
    await starting.send_event(client, begun.run_id, "host.answered", {"answer": "no"}, "user:host")
    run = await until(wired, begun.run_id, "ended")
    assert run.outcome == "declined"
    assert words(wired, begun.run_id) == ["greeted", "forgotten"]
    assert begin_again(wired, begun).answer == first


async def test_a_cancelled_process_takes_everything_back(wired: Sessions, client: Client, worker: None) -> None:
    begun = begin(wired, "asking")
    await starting.await_answer(client, begun, 15)
    await client.get_workflow_handle(begun.workflow_id).cancel()
    run = await until(wired, begun.run_id, "ended")
    assert run.outcome == "cancelled"
    assert words(wired, begun.run_id) == ["greeted", "forgotten"]


# --- runs that never reached Temporal


async def test_the_sweeper_starts_what_was_left_behind_once(
    wired: Sessions, client: Client, worker: None, visits: hall.Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = begin(wired)
    assert await jobs.sweep(client) == 0
    monkeypatch.setattr(jobs, "STARTING_LIMIT", timedelta(0))
    await asyncio.gather(jobs.sweep(client), jobs.sweep(client), jobs.sweep(client))
    run = await until(wired, begun.run_id, "ended")
    assert run.outcome == "seated"
    assert begin_again(wired, begun).answer == Answer(201, '{"words":"Hello Ann","gate":"open"}')
    assert visits.counts["seat"] == 1


async def test_an_answer_that_takes_too_long_is_none_and_comes_later(
    wired: Sessions, client: Client, worker: None, visits: hall.Hall
) -> None:
    release = threading.Event()
    visits.trouble["call"] = lambda count: release.wait(10)
    begun = begin(wired)
    assert await starting.await_answer(client, begun, 0.5) is None
    release.set()
    assert await starting.await_answer(client, begun, 15) == Answer(201, '{"words":"Hello Ann","gate":"open"}')
