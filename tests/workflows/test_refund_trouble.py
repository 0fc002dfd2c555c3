"""Refunds when things go wrong: sources that refuse, many parts, people who mend. Every invariant holds each time."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from temporalio.client import Client

from capabilities.account.stored import card_reference
from capabilities.kernel.errors import ConflictError
from capabilities.payment.schedule_queries import owed_of_order
from capabilities.transaction.contract import RefundStatus
from capabilities.transaction.queries import refunds_of
from tests.workflows.aftersale import begin_process, decide, policy, provider_given_back, told
from tests.workflows.driving import Sessions, answered, broken, until
from tests.workflows.test_terms import PLANS
from tests.workflows.troubled import (
    an_amount,
    change_method,
    code_of,
    delivered,
    everything,
    mend,
    some_units,
    sound,
    sources,
)
from workflows import starting
from workflows.starting import RepairKind
from workflows.worker import load_operations
from zhongtai.demo import load_demo
from zhongtai.demo_rules import publish_demo_rules

CARD_CODE = "TEAT2345LIFE6789"


@pytest.fixture
def shop(wired: Sessions) -> Sessions:
    load_operations()
    with wired.begin() as session:
        load_demo(session)
        publish_demo_rules(session, [{"business": "retail", "document": PLANS}])
    policy(wired, {"kind": "auto"})
    return wired


async def test_a_refund_that_the_provider_declines_gives_nothing_and_may_be_asked_again(
    shop: Sessions, client: Client, worker: None
) -> None:
    order = await delivered(shop, client, payment_method="sim_refund1_declined")
    status, body = await told(shop, client, "refund", some_units(order))
    assert (status, body["code"], bool(body["mend"])) == (402, "payment.refund_declined", True)
    with shop() as session:
        assert [one.status for one in refunds_of(session, order.id)] == [RefundStatus.FAILED]
    assert sources(shop, order) == [(0, order.total_minor)]
    sound(shop)
    assert (await told(shop, client, "refund", everything(order)))[0] == 201
    assert sources(shop, order) == [(order.total_minor, 0)]
    sound(shop)


@pytest.mark.parametrize("method", ["sim_refund_timeout_done", "sim_refund_late_900"])
async def test_a_refund_whose_outcome_is_unknown_is_found_and_given_once(
    shop: Sessions, client: Client, worker: None, method: str
) -> None:
    order = await delivered(shop, client, payment_method=method)
    begun = begin_process(shop, "refund", everything(order))
    status, body = await answered(client, begun)
    assert (status, body["status"]) == (202, "processing")
    assert (await until(shop, begun.run_id, "ended", 40)).outcome == "refunded"
    assert provider_given_back(shop) == order.total_minor
    sound(shop)


async def test_a_card_that_refuses_keeps_the_run_with_a_person_until_it_gives(
    shop: Sessions, client: Client, worker: None
) -> None:
    cards = [{"method": "sim_ok", "amount_minor": 50_00}, {"method": "sim_refund_declined"}]
    order = await delivered(shop, client, payments=cards)
    begun = begin_process(shop, "refund", everything(order))
    assert (await answered(client, begun))[1]["status"] == "processing"
    run = await until(shop, begun.run_id, "stuck")
    assert (run.step, code_of(run)) == ("again", "payment.refund_incomplete")
    assert sources(shop, order) == [(50_00, 0), (0, order.total_minor - 50_00)]

    with pytest.raises(ConflictError, match="money would be lost"):
        await mend(client, begun.run_id, RepairKind.SKIP, {"status": "succeeded"})
    with pytest.raises(ConflictError, match="stays done"):
        await mend(client, begun.run_id, RepairKind.UNDO)
    await mend(client, begun.run_id)
    assert (await until(shop, begun.run_id, "stuck")).step == "again"

    change_method(shop, order, 1, "sim_ok")
    await mend(client, begun.run_id)
    assert (await until(shop, begun.run_id, "ended")).outcome == "refunded"
    assert sources(shop, order) == [(50_00, 0), (order.total_minor - 50_00, 0)]
    assert provider_given_back(shop) == order.total_minor
    sound(shop)


async def test_cards_gift_card_and_points_get_exactly_what_came_from_them_in_many_parts(
    shop: Sessions, client: Client, worker: None
) -> None:
    card = {"reference": card_reference(CARD_CODE), "last4": CARD_CODE[-4:], "currency": "CNY", "amount_minor": 40_00}
    assert (await told(shop, client, "issue_gift_card", card | {"funding": "bank"}))[0] == 200
    granted = {"buyer_id": "b_li_na", "points": 1_500, "currency": "CNY", "subject": uuid.uuid4().hex}
    assert (await told(shop, client, "grant_points", granted))[0] == 200
    asked = [
        {"method": "gift_card", "amount_minor": 40_00, "reference": card["reference"]},
        {"method": "points", "amount_minor": 10_01},
        {"method": "sim_ok", "amount_minor": 33_33},
        {"method": "sim_twice"},
    ]
    order = await delivered(shop, client, payments=asked)
    paid = [40_00, 10_01, 33_33, order.total_minor - 83_34]
    assert [left for _, left in sources(shop, order)] == paid
    for minor in (1, 7, 33_33, 99_99):
        status, body = await told(shop, client, "refund", an_amount(order, minor))
        assert (status, body["due_minor"]) == (201, minor), body
        assert [back + left for back, left in sources(shop, order)] == paid
    rest = order.total_minor - 1 - 7 - 33_33 - 99_99
    assert (await told(shop, client, "refund", an_amount(order, rest + 1)))[0] == 409
    assert (await told(shop, client, "refund", an_amount(order, rest)))[0] == 201
    assert sources(shop, order) == [(minor, 0) for minor in paid]
    sound(shop)


async def test_two_refunds_of_one_order_at_once_give_no_unit_twice(
    shop: Sessions, client: Client, worker: None
) -> None:
    order = await delivered(shop, client)
    answers = await asyncio.gather(*(told(shop, client, "refund", everything(order)) for _ in range(5)))
    assert sorted(status for status, _ in answers) == [201, 409, 409, 409, 409]
    assert provider_given_back(shop) == order.total_minor
    sound(shop)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "step", ["settlement.reverse", "account.post_refund", "marketing.give_back", "transaction.complete_refund"]
)
async def test_after_the_money_is_gone_every_step_can_only_be_tried_again(
    shop: Sessions, client: Client, worker: None, step: str
) -> None:
    order = await delivered(shop, client)
    begun = begin_process(shop, "refund", some_units(order))
    with broken(step):
        await starting.start_process(client, begun)
        await until(shop, begun.run_id, "stuck")
        with pytest.raises(ConflictError, match="stays done"):
            await mend(client, begun.run_id, RepairKind.UNDO)
        if step != "marketing.give_back":
            with pytest.raises(ConflictError, match="money would be lost"):
                await mend(client, begun.run_id, RepairKind.SKIP, {})
    await mend(client, begun.run_id)
    assert (await until(shop, begun.run_id, "ended")).outcome == "refunded"
    with shop() as session:
        (refund,) = refunds_of(session, order.id)
    assert (refund.status, provider_given_back(shop)) == (RefundStatus.SUCCEEDED, refund.due_minor)
    sound(shop)


# --- what is due later


async def test_what_is_due_later_is_collected_or_refunded_never_both(
    shop: Sessions, client: Client, worker: None
) -> None:
    policy(shop, {"kind": "ask"})
    order = await delivered(shop, client, terms="3")
    begun = begin_process(shop, "refund", everything(order))
    assert (await answered(client, begun))[0] == 202
    status, body = await told(shop, client, "collect", {"order_id": order.id})
    assert (status, body["code"]) == (409, "payment.due_refunding")
    await decide(shop, client, begun.run_id)
    assert (await until(shop, begun.run_id, "ended")).outcome == "refunded"
    with shop() as session:
        assert owed_of_order(session, order.id) == 0
    assert [left for _, left in sources(shop, order)] == [0]
    sound(shop)


@pytest.mark.usefixtures("impatient")
async def test_a_refund_waits_while_what_it_takes_off_is_being_collected(
    shop: Sessions, client: Client, worker: None
) -> None:
    order = await delivered(shop, client, terms="3")
    collecting = begin_process(shop, "collect", {"order_id": order.id, "positions": [1], "method": "sim_late_400"})
    refunding = begin_process(shop, "refund", everything(order))
    with broken("payment.settle_dues"):
        await starting.start_process(client, collecting)
        await until(shop, collecting.run_id, "stuck")
        await starting.start_process(client, refunding)
        run = await until(shop, refunding.run_id, "stuck")
        assert (run.step, code_of(run)) == ("assess", "payment.due_collecting")
    await mend(client, collecting.run_id)
    await until(shop, collecting.run_id, "ended")
    await mend(client, refunding.run_id)
    assert (await until(shop, refunding.run_id, "ended")).outcome == "refunded"
    assert [left for _, left in sources(shop, order)] == [0, 0]
    sound(shop)


async def test_what_a_courier_took_in_cash_goes_to_the_wallet(shop: Sessions, client: Client, worker: None) -> None:
    order = await delivered(shop, client, terms="cash")
    assert (await told(shop, client, "collect", {"order_id": order.id, "by": "courier"}))[0] == 201
    status, body = await told(shop, client, "refund", some_units(order))
    assert (status, body["code"]) == (409, "transaction.refund_exceeded")
    status, body = await told(shop, client, "refund", everything(order, destination="wallet"))
    assert (status, body.get("due_minor")) == (201, order.total_minor), body
    sound(shop)
