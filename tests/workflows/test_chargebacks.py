"""Chargebacks of any amount, more than one, before and after the sellers were paid: nobody gets more than there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from sqlalchemy import text
from temporalio.client import Client

from activities.provider_events import read_message, receive
from capabilities.account.contract import AccountKind
from capabilities.kernel.settings import settings
from capabilities.payment.providers.simulator_messages import charge_back, post_due
from capabilities.payment.queries import payments_of_order
from capabilities.settlement.queries_payout import balances_of
from capabilities.transaction.contract import Order
from capabilities.transaction.queries import refunds_of
from tests.workflows.aftersale import begin_process, decide, due_now, policy, provider_given_back, told
from tests.workflows.driving import Sessions, answered, until
from tests.workflows.troubled import an_amount, balance, delivered, everything, some_units, sound
from workflows import starting
from workflows.provider_messages import begin_what_follows
from workflows.starting import Begun
from workflows.worker import load_operations
from zhongtai.demo import load_demo


@pytest.fixture
def shop(wired: Sessions, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    monkeypatch.setattr(settings(), "secret_key", "a secret of tests")
    load_operations()
    with wired.begin() as session:
        load_demo(session)
    policy(wired, {"kind": "auto"})
    return wired


async def charged_back(sessions: Sessions, client: Client, order: Order, minor: int) -> Begun:
    """The provider tells that the buyer's bank took so much; the run that follows."""
    with sessions.begin() as session:
        (payment,) = payments_of_order(session, order.id)
        charge_back(session, payment.id, minor, reason="not received")
    begun: list[Any] = []

    def post(headers: Mapping[str, str], body: bytes) -> int:
        if orjson.loads(body)["type"] == "chargeback.opened":
            with sessions.begin() as session:
                begun.append(begin_what_follows(session, receive(session, read_message("simulator", headers, body))))
        return 200

    post_due(sessions, post)
    (run,) = begun
    assert isinstance(run, Begun)
    return await waiting(sessions, client, run)


async def by_hand(sessions: Sessions, client: Client, order: Order, minor: int, reference: str = "cb_1") -> Begun:
    """Somebody enters what the bank took; the run that follows."""
    body = {"order_id": order.id, "reference": reference, "reason": "fraud", "amount_minor": minor}
    return await waiting(sessions, client, begin_process(sessions, "chargeback", body))


async def waiting(sessions: Sessions, client: Client, begun: Begun) -> Begun:
    assert (await answered(client, begun))[0] == 202
    await until(sessions, begun.run_id, "waiting")
    return begun


async def decided(sessions: Sessions, client: Client, begun: Begun, outcome: str) -> str | None:
    await starting.send_event(client, begun.run_id, "dispute.decided", {"outcome": outcome}, "user:op")
    return (await until(sessions, begun.run_id, "ended")).outcome


async def settled(sessions: Sessions, client: Client) -> str | None:
    """A settlement run that somebody approves, of all that was sold before it; how it ended."""
    begun = begin_process(sessions, "settlement", {}, actor="user:planner")
    status, _ = await answered(client, begun)
    if status == 200:  # what was just sold is booked by now, and waits
        due_now(sessions)
        begun = begin_process(sessions, "settlement", {}, actor="user:planner")
        status, _ = await answered(client, begun)
    if status == 202:
        await decide(sessions, client, begun.run_id)
    return (await until(sessions, begun.run_id, "ended")).outcome


async def test_while_the_bank_holds_the_money_nothing_of_it_is_given_back(
    shop: Sessions, client: Client, worker: None
) -> None:
    order = await delivered(shop, client)
    begun = await by_hand(shop, client, order, order.total_minor)
    for destination in ("sources", "wallet"):
        status, body = await told(shop, client, "refund", some_units(order, destination=destination))
        assert (status, body["code"]) == (409, "transaction.refund_exceeded"), destination
    assert await decided(shop, client, begun, "won") == "won"
    assert (await told(shop, client, "refund", everything(order)))[0] == 201
    assert provider_given_back(shop) == order.total_minor
    sound(shop)


async def test_a_chargeback_of_more_than_is_left_is_borne_by_the_order_as_far_as_it_goes(
    shop: Sessions, client: Client, worker: None
) -> None:
    order = await delivered(shop, client)
    assert (await told(shop, client, "refund", an_amount(order, 100_00)))[0] == 201
    begun = await by_hand(shop, client, order, order.total_minor)
    assert await decided(shop, client, begun, "lost") == "lost"
    assert balance(shop, AccountKind.CHARGEBACKS) == 0
    assert balance(shop, AccountKind.WRITE_OFFS) == 100_00
    with shop() as session:
        assert [one.total_minor for one in refunds_of(session, order.id)] == [100_00, order.total_minor - 100_00]
    assert (await told(shop, client, "refund", an_amount(order, 1)))[0] == 409
    sound(shop)


async def test_a_second_chargeback_of_an_order_that_bears_nothing_more_is_written_off(
    shop: Sessions, client: Client, worker: None
) -> None:
    order = await delivered(shop, client)
    first = await charged_back(shop, client, order, order.total_minor)
    assert await decided(shop, client, first, "lost") == "lost"
    second = await by_hand(shop, client, order, 30_00, "cb_2")
    assert await decided(shop, client, second, "lost") == "lost"
    assert (balance(shop, AccountKind.CHARGEBACKS), balance(shop, AccountKind.WRITE_OFFS)) == (0, 30_00)
    sound(shop)


async def test_nobody_is_paid_from_a_disputed_order_until_it_is_decided(
    shop: Sessions, client: Client, worker: None
) -> None:
    order = await delivered(shop, client)
    begun = await by_hand(shop, client, order, order.total_minor)
    assert await settled(shop, client) == "nothing_due"
    assert await decided(shop, client, begun, "won") == "won"
    assert await settled(shop, client) == "settled"
    sound(shop)


@pytest.mark.parametrize("by", ["chargeback", "refund"])
async def test_what_is_lost_after_the_payout_is_owed_by_the_seller_and_taken_off_the_next(
    shop: Sessions, client: Client, worker: None, by: str
) -> None:
    order = await delivered(shop, client)
    assert await settled(shop, client) == "settled"
    with shop() as session:
        paid = {one.seller_id: one.paid_minor for one in balances_of(session, "retail")}
    if by == "refund":
        assert (await told(shop, client, "refund", everything(order)))[0] == 201
    else:
        assert await decided(shop, client, await by_hand(shop, client, order, order.total_minor), "lost") == "lost"
    sound(shop)
    with shop() as session:
        assert {one.seller_id: -one.owed_minor for one in balances_of(session, "retail")} == paid
    assert await settled(shop, client) == "nothing_due"
    await delivered(shop, client)
    assert await settled(shop, client) == "nothing_due"
    await delivered(shop, client)
    assert await settled(shop, client) == "settled"
    with shop() as session:
        assert {one.seller_id: one.paid_minor for one in balances_of(session, "retail")} == {
            seller: 2 * minor for seller, minor in paid.items()
        }
        assert session.scalar(text("SELECT count(*) FROM payout WHERE amount_minor <= 0")) == 0
    sound(shop)
