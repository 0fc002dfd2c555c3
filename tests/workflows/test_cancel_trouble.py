"""Cancellations whose money does not go back by itself: a person decides, nothing is lost and no unit comes back twice."""

from __future__ import annotations

import pytest
from temporalio.client import Client

from capabilities.kernel.identity import BusinessIdentity
from capabilities.transaction.contract import OrderStatus
from capabilities.transaction.extensions import return_days
from capabilities.transaction.queries import order_of
from tests.workflows.aftersale import begin_process, bought, decide, policy, provider_given_back, told, units
from tests.workflows.driving import Sessions, answered, broken, until
from tests.workflows.troubled import TEA, change_method, code_of, mend, part_of, some_units, sound, sources
from workflows.starting import RepairKind
from workflows.worker import load_operations
from zhongtai.demo import load_demo


@pytest.fixture
def shop(wired: Sessions) -> Sessions:
    load_operations()
    with wired.begin() as session:
        load_demo(session)
    policy(wired, {"kind": "auto"})
    return wired


@pytest.mark.parametrize(
    ("decision", "outcome"), [("approve", "cancelled_and_refunded"), ("refuse", "cancelled_without_refund")]
)
async def test_a_cancellation_whose_refund_rules_refuse_asks_a_person(
    shop: Sessions, client: Client, worker: None, decision: str, outcome: str
) -> None:
    policy(shop, {"kind": "refuse", "reason": "No refunds."})
    order = await bought(shop, client)
    begun = begin_process(shop, "cancel", {"order_id": order.id})
    assert (await answered(client, begun))[0] == 202
    await decide(shop, client, await part_of(shop, begun), decision)
    assert (await until(shop, begun.run_id, "ended")).outcome == outcome
    assert provider_given_back(shop) == (order.total_minor if decision == "approve" else 0)
    sound(shop)


async def test_a_cancellation_whose_card_refuses_the_money_waits_for_a_person(
    shop: Sessions, client: Client, worker: None
) -> None:
    order = await bought(shop, client, payment_method="sim_refund_declined")
    begun = begin_process(shop, "cancel", {"order_id": order.id})
    assert (await answered(client, begun))[0] == 202
    part = await part_of(shop, begun)
    run = await until(shop, part, "stuck")
    assert (run.step, code_of(run)) == ("again", "payment.refund_incomplete")
    change_method(shop, order, 0, "sim_ok")
    await mend(client, part)
    assert (await until(shop, begun.run_id, "ended")).outcome == "cancelled_and_refunded"
    assert provider_given_back(shop) == order.total_minor
    sound(shop)


@pytest.mark.usefixtures("impatient")
async def test_a_cancellation_whose_refund_was_stopped_waits_until_it_is_given_by_hand(
    shop: Sessions, client: Client, worker: None
) -> None:
    order = await bought(shop, client)
    begun = begin_process(shop, "cancel", {"order_id": order.id})
    with broken("transaction.open_refund"):
        assert (await answered(client, begun))[0] == 202
        part = await part_of(shop, begun)
        await until(shop, part, "stuck")
        await mend(client, part, RepairKind.UNDO)
    run = await until(shop, begun.run_id, "stuck")
    assert (run.step, code_of(run)) == ("given", "transaction.cancellation_unpaid")
    await mend(client, begun.run_id)
    assert (await until(shop, begun.run_id, "stuck")).step == "given"
    lines = [{"line_id": line.line_id, "units": line.quantity} for line in order.lines if line.kind == "goods"]
    by_hand = {"order_id": order.id, "kind": "cancellation", "lines": lines, "delivery": True, "reason": "by hand"}
    assert (await told(shop, client, "refund", {"request": by_hand}))[0] == 201
    await mend(client, begun.run_id)
    assert (await until(shop, begun.run_id, "ended")).outcome == "cancelled_and_refunded"
    assert provider_given_back(shop) == order.total_minor
    sound(shop)


async def test_the_rest_of_a_partly_handed_over_order_is_cancelled_and_no_unit_comes_back_twice(
    shop: Sessions, client: Client, worker: None
) -> None:
    order = await bought(shop, client)
    assert (await told(shop, client, "fulfil", {"order_id": order.id, "lines": [units(order, TEA, 1)]}))[0] == 201
    begun = begin_process(shop, "cancel", {"order_id": order.id})
    assert (await answered(client, begun))[0] == 202
    assert (await until(shop, begun.run_id, "ended")).outcome == "cancelled_and_refunded"
    with shop() as session:
        assert order_of(session, order.id).status is OrderStatus.FULFILLED
    assert (await told(shop, client, "refund", some_units(order, TEA, 2)))[0] == 409
    returned = {"order_id": order.id, "lines": [units(order, TEA, 1)], "reason": "too small"}
    status, announced = await told(shop, client, "return", returned)
    assert status == 201
    assert (await told(shop, client, "return", returned))[0] == 409
    assert (await told(shop, client, "receive_return", {"return_id": announced["id"]}))[0] == 200
    back = {"kind": "return", "return_id": announced["id"], "delivery": True}
    assert (await told(shop, client, "refund", some_units(order, **back)))[0] == 201
    assert (await told(shop, client, "refund", some_units(order, **back)))[0] == 409
    assert sources(shop, order) == [(order.total_minor, 0)]
    sound(shop)


async def test_how_long_a_buyer_may_send_back_is_for_the_line_of_business_to_say(
    shop: Sessions, client: Client, worker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await bought(shop, client)
    with monkeypatch.context() as patched:
        patched.setitem(return_days._realizations, BusinessIdentity("retail"), lambda _: 0)
        begun = begin_process(shop, "fulfil", {"order_id": order.id})
        assert (await answered(client, begun))[0] == 201
        assert (await until(shop, begun.run_id, "ended")).outcome == "completed"
    other = await bought(shop, client)
    begun = begin_process(shop, "fulfil", {"order_id": other.id})
    status, body = await answered(client, begun)
    assert (status, body["return_seconds"]) == (201, 14 * 24 * 60 * 60)
    assert (await until(shop, begun.run_id, "waiting")).step == "time_for_returns"
