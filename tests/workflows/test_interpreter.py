"""Processes on a real Temporal server and a real database, with operations of the tests' own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker
from temporalio.client import Client
from temporalio.common import RetryPolicy

from activities.journal.queries import repairs_of, run_of, steps_of
from capabilities.kernel.errors import ConflictError, UnavailableError
from capabilities.kernel.idempotency import Answer, canonical_sha256
from capabilities.kernel.identity import BusinessIdentity
from tests.workflows import hall
from workflows import batch, interpreter, jobs, library, starting
from workflows.language.reading import read_yaml
from workflows.language.snapshot import snapshot
from workflows.starting import Begun, Repair, RepairKind

RETAIL = BusinessIdentity("retail")
Sessions = sessionmaker[Session]


@pytest.fixture(autouse=True)
def visits(monkeypatch: pytest.MonkeyPatch) -> hall.Hall:
    """The hall's processes stand in the library; impatience, so that parking takes a second."""
    hall.declare()
    known = {read_yaml(text)["process"]: snapshot(read_yaml(text)) for text in (hall.VISIT, hall.ASKING)}
    monkeypatch.setattr(starting, "definition_for", lambda process, identity: known[process])
    monkeypatch.setattr(library, "library", lambda: known)
    return hall.fresh_hall()


def begin(sessions: Sessions, process: str = "visit", name: str = "Ann", key: str | None = None) -> Begun:
    body = {"name": name}
    with sessions.begin() as session:
        return starting.begin_run(
            session,
            process=process,
            identity=RETAIL,
            input=body,
            client_id="client",
            key=key or uuid.uuid4().hex,
            body_sha256=canonical_sha256(body),
            actor="api:client",
        )


async def until(sessions: Sessions, run_id: str, status: str, within_s: float = 20) -> Any:
    """The run, once it stands so."""
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        with sessions() as session:
            run = run_of(session, run_id)
        if run.status == status:
            return run
        assert asyncio.get_running_loop().time() < deadline, f"{run.status} {run.step} {run.error}, not {status}"
        await asyncio.sleep(0.05)


def words(sessions: Sessions, run_id: str) -> list[str]:
    with sessions() as session:
        return hall.booked(session, run_id)


def steps(sessions: Sessions, run_id: str) -> list[tuple[str, str]]:
    with sessions() as session:
        return [(step.path, step.status) for step in steps_of(session, run_id)]


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


def begin_again(sessions: Sessions, begun: Begun) -> Begun:
    with sessions() as session:
        return starting.begun_before(session, begun.run_id, starting.answer_of(session, begun.run_id))


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


# --- parking and mending


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        interpreter, "WORK_RETRY", RetryPolicy(initial_interval=timedelta(milliseconds=20), maximum_attempts=3)
    )


async def parked(sessions: Sessions, client: Client, trouble: str, visits: hall.Hall) -> Begun:
    """A run parked because `trouble` does not work."""

    def broken(count: int) -> None:
        raise UnavailableError("hall.dark", "It is too dark.")

    visits.trouble[trouble] = broken
    begun = begin(sessions)
    await starting.start_process(client, begun)
    run = await until(sessions, begun.run_id, "stuck")
    assert run.error["code"] == "hall.dark", run.error["message"]
    assert run.waiting_for == "repair"
    return begun


def order(kind: RepairKind, change: dict[str, Any] | None = None, step: str | None = None) -> Repair:
    return Repair(uuid.uuid4().hex, kind, "user:mender", "the lamp was mended", step, change)


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


async def test_a_cancelled_process_takes_everything_back(wired: Sessions, client: Client, worker: None) -> None:
    begun = begin(wired, "asking")
    await starting.await_answer(client, begun, 15)
    await client.get_workflow_handle(begun.workflow_id).cancel()
    run = await until(wired, begun.run_id, "ended")
    assert run.outcome == "cancelled"
    assert words(wired, begun.run_id) == ["greeted", "forgotten"]


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
