"""Drive the hall's processes from tests: begin one, wait until it stands somewhere, park it, order its repair."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy.orm import Session, sessionmaker
from temporalio.client import Client

from activities.journal.queries import steps_of
from capabilities.kernel.errors import UnavailableError
from capabilities.kernel.identity import BusinessIdentity
from tests.workflows import hall
from tests.workflows.driving import until
from workflows import starting
from workflows.starting import Begun, Repair, RepairKind

RETAIL = BusinessIdentity("retail")
Sessions = sessionmaker[Session]


def begin(
    sessions: Sessions,
    process: str = "visit",
    name: str = "Ann",
    key: str | None = None,
    names: tuple[str, ...] = (),
    **more: Any,
) -> Begun:
    body: dict[str, Any] = {"name": name, **({"names": list(names)} if names else {}), **more}
    with sessions.begin() as session:
        return starting.begin_run(
            session,
            process=process,
            identity=RETAIL,
            input=body,
            client_id="client",
            key=key or uuid.uuid4().hex,
            actor="api:client",
        )


def words(sessions: Sessions, run_id: str) -> list[str]:
    with sessions() as session:
        return hall.booked(session, run_id)


def steps(sessions: Sessions, run_id: str) -> list[tuple[str, str]]:
    with sessions() as session:
        return [(step.path, step.status) for step in steps_of(session, run_id)]


def begin_again(sessions: Sessions, begun: Begun) -> Begun:
    with sessions() as session:
        return starting.begun_before(session, begun.run_id, starting.answer_of(session, begun.run_id))


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
