"""Messages of payment providers at our door: signed, bounded, kept once, and beginning what follows from them."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from sqlalchemy import select, text

from activities.journal.models import ProcessRun
from activities.provider_events import Received, ToBegin
from capabilities.kernel.clock import now
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.settings import settings
from capabilities.payment.contract import ProviderEventStatus
from capabilities.payment.models import SimulatedMessageRow
from capabilities.payment.providers.simulator_messages import signed
from capabilities.payment.queries import payment_of_order
from tests.web.api.conftest import a_cart
from workflows.provider_messages import begin_what_follows

PATH = "/webhooks/simulator"


@pytest.fixture(autouse=True)
def with_secret(monkeypatch, placed):
    monkeypatch.setenv("ZHONGTAI_SECRET_KEY", "a secret of tests")
    settings.cache_clear()


def body(**changed) -> bytes:
    return orjson.dumps({"type": "account.updated", "timestamp": now().isoformat(), "data": {}} | changed)


def kept(placed) -> list[tuple[str, str, int]]:
    with placed() as session:
        rows = session.execute(text("SELECT message_id, status, deliveries FROM provider_event ORDER BY message_id"))
        return [tuple(row) for row in rows]


async def test_a_signed_message_is_kept_once_however_often_it_comes(web, placed):
    content = body()
    headers = signed("msg_1", content, now())
    answers = await asyncio.gather(*(web.post(PATH, content=content, headers=headers) for _ in range(10)))

    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["is_new"] for answer in answers) == [False] * 9 + [True]
    assert kept(placed) == [("msg_1", "ignored", 10)]


async def test_without_a_signature_nothing_is_kept(web, placed):
    answer = await web.post(PATH, content=body(), headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (401, "payment.signature_invalid")
    assert answer.headers["content-type"] == "application/problem+json"
    assert kept(placed) == []


async def test_a_changed_body_is_forged(web, placed):
    answer = await web.post(PATH, content=body(data={"a": 1}), headers=signed("msg_1", body(), now()))

    assert answer.status_code == 401
    assert kept(placed) == []


async def test_a_large_message_is_refused_before_it_is_looked_at(web, placed):
    content = body(data={"a": "x" * 300_000})
    answer = await web.post(PATH, content=content, headers=signed("msg_1", content, now()))

    assert answer.status_code == 413
    assert kept(placed) == []


@pytest.mark.parametrize("provider", ["nobody", "Simulator", "stripe"])
async def test_a_provider_that_is_not_here_has_no_door(web, provider):
    answer = await web.post(f"/webhooks/{provider}", content=body())

    assert answer.status_code in {404, 422}


async def test_a_message_before_its_payment_waits(web, placed):
    content = body(
        type="chargeback.opened",
        data={
            "business": "retail",
            "payment_id": "pay_none",
            "reference": "cbk_1",
            "amount_minor": 100,
            "currency": "CNY",
        },
    )
    answer = await web.post(PATH, content=content, headers=signed("msg_1", content, now()))

    assert answer.json()["status"] == "waiting"
    assert kept(placed) == [("msg_1", "waiting", 1)]


def test_what_follows_begins_once_a_message_and_is_left_where_there_is_no_such_process(placed):
    wanted = ToBegin("checkout", BusinessIdentity("retail"), {"business": "retail"}, "pev_1", "provider:simulator")
    received = Received("pev_1", ProviderEventStatus.APPLIED, is_new=True, to_begin=wanted)
    nothing = Received("pev_2", ProviderEventStatus.IGNORED, is_new=True)
    unknown = Received(
        "pev_3",
        ProviderEventStatus.APPLIED,
        is_new=True,
        to_begin=ToBegin("no_such", BusinessIdentity("retail"), {}, "pev_3", "provider:simulator"),
    )
    with placed.begin() as session:
        first, second = begin_what_follows(session, received), begin_what_follows(session, received)
        assert begin_what_follows(session, nothing) is None
        assert begin_what_follows(session, unknown) is None

    assert first.run_id == second.run_id
    with placed() as session:
        assert session.get(ProcessRun, first.run_id).actor == "provider:simulator"


async def test_a_chargeback_begins_its_process_once_in_the_commit_that_applies_it(web, worker, key, placed):
    headers = {"authorization": f"Bearer {key}", "idempotency-key": "k-1"}
    sold = await web.post("/checkouts", json=a_cart(payment_method="sim_chargeback"), headers=headers)
    assert sold.status_code == 201
    with placed() as session:
        (message,) = session.scalars(
            select(SimulatedMessageRow).where(SimulatedMessageRow.type == "chargeback.opened")
        ).all()
    content = orjson.dumps(message.body)
    for number in (1, 2):  # the second under an id of its own tells the same
        answer = await web.post(PATH, content=content, headers=signed(f"{message.id}-{number}", content, now()))
        assert (answer.status_code, answer.json()["status"]) == (200, "applied")

    with placed() as session:
        runs = session.scalars(select(ProcessRun).where(ProcessRun.process == "chargeback")).all()
        assert {run.actor for run in runs} == {"system:provider_messages"}
        assert [run.input["amount_minor"] for run in runs] == [220_00]
        assert runs[0].input["order_id"] == sold.json()["order_id"]
        payment = payment_of_order(session, sold.json()["order_id"])
        assert payment.amounts.charged_minor == 0
