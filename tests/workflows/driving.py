"""Drive the product's checkout from tests: begin one, wait until it stands somewhere."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session, sessionmaker
from temporalio.client import Client

from activities import catalogue
from activities.journal.models import ProcessRun
from activities.journal.queries import run_of, steps_of
from capabilities.kernel.errors import UnavailableError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.transaction.contract import CheckoutRequest
from workflows import starting
from workflows.starting import Begun
from zhongtai.demo import EXAMPLE_CHECKOUT

Sessions = sessionmaker[Session]


def begin(sessions: Sessions, business: str = "retail", key: str | None = None, **changed: Any) -> Begun:
    """Commit the beginning of a checkout: the demo's example, changed as said."""
    asked = CheckoutRequest.model_validate(EXAMPLE_CHECKOUT | {"business": business} | changed)
    body = asked.model_dump(mode="json")
    with sessions.begin() as session:
        return starting.begin_run(
            session,
            process="checkout",
            identity=BusinessIdentity(business),
            input=body,
            client_id="shop",
            key=key or uuid.uuid4().hex,
            actor="api:shop",
        )


async def until(sessions: Sessions, run_id: str, status: str, within_s: float = 20) -> ProcessRun:
    """The run, once it stands so."""
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        with sessions() as session:
            run = run_of(session, run_id)
        if run.status == status:
            return run
        assert asyncio.get_running_loop().time() < deadline, f"{run.status} {run.step} {run.error}, not {status}"
        await asyncio.sleep(0.05)


async def answered(client: Client, begun: Begun) -> tuple[int, dict[str, Any]]:
    """The answer's status and body."""
    answer = await starting.await_answer(client, begun, 15)
    assert answer is not None, begun.run_id
    return answer.status, json.loads(answer.body)


def paths(sessions: Sessions, run_id: str) -> list[str]:
    """The steps a run has left in the journal."""
    with sessions() as session:
        return [step.path for step in steps_of(session, run_id)]


@contextmanager
def broken(name: str) -> Iterator[None]:
    """An operation that does not work for a while."""
    whole = catalogue._OPERATIONS[name]

    def dark(*_: Any) -> Any:
        raise UnavailableError("test.dark", "It is too dark.")

    catalogue._OPERATIONS[name] = replace(whole, run=dark)
    try:
        yield
    finally:
        catalogue._OPERATIONS[name] = whole
