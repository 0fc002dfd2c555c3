"""What comes after a sale, on a real Temporal server with all capabilities: money back, called off, handed over, paid out."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.client import Client

from activities.journal import approvals
from activities.journal.queries import parts_of, run_of
from capabilities.transaction.contract import Order, OrderStatus, RefundStatus
from capabilities.transaction.queries import offers_of, order_of, refunds_of
from capabilities.transaction.service import receive_stock
from tests.workflows.aftersale import (
    begin_process,
    bought,
    decide,
    policy,
    provider_given_back,
    told,
    units,
)
from tests.workflows.driving import Sessions, answered, begin, broken, paths, until
from tests.workflows.visiting import order as repaired_by
from workflows import starting
from workflows.jobs import follow_cancelled
from workflows.starting import RepairKind
from workflows.worker import load_operations
from zhongtai.demo import EXAMPLE_TOTAL_MINOR, load_demo
from zhongtai.verify import verify

TEA, CUP = "RT-TEA-001", "RT-CUP-001"


@pytest.fixture
def shop(wired: Sessions) -> Sessions:
    load_operations()
    with wired.begin() as session:
        load_demo(session)
    return wired


def sound(sessions: Sessions) -> None:
    """Every invariant holds."""
    with sessions() as session:
        wrong = [(found.number, found.broken) for found in verify(session) if found.broken]
    assert wrong == []


def goodwill(order: Any, sku: str = TEA, number: int = 1, **more: Any) -> dict[str, Any]:
    asked = {"order_id": order.id, "kind": "goodwill", "lines": [units(order, sku, number)], "reason": "a scratch"}
    return {"request": asked | more}


# --- refunds


async def delivered(sessions: Sessions, client: Client, **changed: Any) -> Order:
    """An order that was bought and handed over whole."""
    order = await bought(sessions, client, **changed)
    assert (await told(sessions, client, "fulfil", {"order_id": order.id}))[0] == 201
    return order


async def test_a_refund_gives_back_exactly_what_was_previewed_and_stands_in_all_books(
    shop: Sessions, client: Client, worker: None
) -> None:
    policy(shop, {"kind": "auto"})
    order = await delivered(shop, client)
    status, body = await told(shop, client, "refund", goodwill(order))
    assert status == 201, body
    assert (body["status"], body["order_id"]) == ("succeeded", order.id)
    assert provider_given_back(shop) == body["due_minor"] == body["total_minor"] > 0
    again = await told(shop, client, "refund", goodwill(order))
    assert again[0] == 201
    third = await told(shop, client, "refund", goodwill(order))
    assert (third[0], third[1]["status"]) == (409, 409), "there were two only"
    rest = await told(shop, client, "refund", goodwill(order, CUP, 1, delivery=True))
    assert rest[0] == 201
    assert provider_given_back(shop) == EXAMPLE_TOTAL_MINOR == order.total_minor
    sound(shop)


async def test_a_refund_that_rules_refuse_leaves_nothing(shop: Sessions, client: Client, worker: None) -> None:
    policy(shop, {"kind": "refuse", "reason": "Too late."})
    order = await delivered(shop, client)
    status, body = await told(shop, client, "refund", goodwill(order))
    assert (status, body["code"], body["detail"]) == (409, "transaction.refund_refused", "Too late.")
    with shop() as session:
        assert refunds_of(session, order.id) == ()
    assert provider_given_back(shop) == 0


async def test_a_refund_with_a_fee_keeps_the_fee(shop: Sessions, client: Client, worker: None) -> None:
    policy(shop, {"kind": "auto", "fee_bps": 1_000})
    order = await delivered(shop, client)
    status, body = await told(shop, client, "refund", goodwill(order))
    assert status == 201, body
    assert body["fee_minor"] > 0
    assert body["due_minor"] == body["total_minor"] - body["fee_minor"] == provider_given_back(shop)
    sound(shop)


async def test_a_refund_that_is_asked_for_waits_for_another_person(
    shop: Sessions, client: Client, worker: None
) -> None:
    policy(shop, {"kind": "ask", "reason": "Look at it."})
    order = await delivered(shop, client)
    begun = begin_process(shop, "refund", goodwill(order))
    status, body = await answered(client, begun)
    assert (status, body["status"]) == (202, "awaiting_approval")
    assert provider_given_back(shop) == 0
    with shop() as session:
        (asked,) = approvals.approvals_page(session, "retail", run_id=begun.run_id).approvals
    assert (asked.role, asked.shows["total_minor"], asked.shows["policy"]) == (
        "approver", body["total_minor"], "Look at it.",
    )  # fmt: skip
    await decide(shop, client, begun.run_id)
    assert (await until(shop, begun.run_id, "ended")).outcome == "refunded"
    with shop() as session:
        (refund,) = refunds_of(session, order.id)
    assert (refund.status, refund.decided_by) == (RefundStatus.SUCCEEDED, "user:boss")
    assert provider_given_back(shop) == refund.due_minor
    sound(shop)


async def test_a_refund_that_a_person_refuses_frees_its_units(shop: Sessions, client: Client, worker: None) -> None:
    policy(shop, {"kind": "ask"})
    order = await delivered(shop, client)
    begun = begin_process(shop, "refund", goodwill(order, TEA, 2))
    assert (await answered(client, begun))[0] == 202
    await decide(shop, client, begun.run_id, "refuse")
    assert (await until(shop, begun.run_id, "ended")).outcome == "refused"
    with shop() as session:
        (refund,) = refunds_of(session, order.id)
    assert (refund.status, refund.status_reason) == (RefundStatus.REFUSED, "as agreed")
    policy(shop, {"kind": "auto"})
    assert (await told(shop, client, "refund", goodwill(order, TEA, 2)))[0] == 201


async def test_the_same_refund_sent_twice_is_one(shop: Sessions, client: Client, worker: None) -> None:
    policy(shop, {"kind": "auto"})
    order = await delivered(shop, client)
    first = await answered(client, begin_process(shop, "refund", goodwill(order), key="k1"))
    begun = begin_process(shop, "refund", goodwill(order), key="k1")
    assert begun.answer is not None
    assert begun.answer.status == first[0] == 201
    with shop() as session:
        assert len(refunds_of(session, order.id)) == 1


async def test_a_preview_that_has_changed_meanwhile_is_a_conflict(shop: Sessions, client: Client, worker: None) -> None:
    policy(shop, {"kind": "auto"})
    order = await delivered(shop, client)
    status, body = await told(shop, client, "refund", goodwill(order) | {"sha256": "0" * 64})
    assert (status, body["code"]) == (409, "transaction.refund_changed")
    with shop() as session:
        assert refunds_of(session, order.id) == ()


@pytest.mark.usefixtures("impatient")
async def test_when_a_later_step_fails_the_money_stays_given_and_the_run_waits_for_a_person(
    shop: Sessions, client: Client, worker: None
) -> None:
    policy(shop, {"kind": "auto"})
    order = await delivered(shop, client)
    begun = begin_process(shop, "refund", goodwill(order))
    with broken("account.post_refund"):
        await starting.start_process(client, begun)
        assert (await until(shop, begun.run_id, "stuck")).step == "post"
    given = provider_given_back(shop)
    assert given > 0
    await starting.repair(client, begun.run_id, repaired_by(RepairKind.RETRY))
    assert (await until(shop, begun.run_id, "ended")).outcome == "refunded"
    assert provider_given_back(shop) == given
    sound(shop)


# --- cancellations


async def test_a_confirmed_order_that_is_called_off_is_refunded_whole_and_its_pieces_are_for_sale_again(
    shop: Sessions, client: Client, worker: None
) -> None:
    policy(shop, {"kind": "auto"})
    with shop() as session:
        before = offers_of(session, "retail", [CUP])[CUP].available_units
    order = await bought(shop, client)
    begun = begin_process(shop, "cancel", {"order_id": order.id, "reason": "changed my mind"})
    status, body = await answered(client, begun)
    assert status == 202, body
    run = await until(shop, begun.run_id, "ended")
    assert run.outcome == "cancelled_and_refunded", run.error
    with shop() as session:
        (part,) = parts_of(session, begun.run_id)
        after = order_of(session, order.id)
        left = offers_of(session, "retail", [CUP])[CUP].available_units
    assert (part.process, part.outcome, part.subject) == ("refund", "refunded", order.id)
    assert (after.status, left) == (OrderStatus.CANCELLED, before)
    assert provider_given_back(shop) == order.total_minor
    sound(shop)


async def test_an_order_in_review_that_is_called_off_ends_its_checkout(
    shop: Sessions, client: Client, worker: None
) -> None:
    begun = begin(shop, lines=[{"sku": TEA, "quantity": 300}])
    with shop.begin() as session:
        receive_stock(session, "retail", TEA, 1_000)
    status, body = await answered(client, begun)
    assert (status, body["status"]) == (202, "in_review")
    cancelled = await told(shop, client, "cancel", {"order_id": body["order_id"]})
    assert (cancelled[0], cancelled[1]["status"]) == (200, "cancelled")
    assert await follow_cancelled(client) == 1
    run = await until(shop, begun.run_id, "ended")
    assert run.outcome == "rejected"
    sound(shop)


# --- hand-overs


async def test_units_are_handed_over_in_parts_and_the_last_begins_the_time_for_returns(
    shop: Sessions, client: Client, worker: None
) -> None:
    order = await bought(shop, client)
    first = await told(shop, client, "fulfil", {"order_id": order.id, "lines": [units(order, TEA, 1)]})
    assert (first[0], first[1]["status"]) == (201, "confirmed")
    begun = begin_process(shop, "fulfil", {"order_id": order.id})
    assert (await answered(client, begun))[1]["status"] == "fulfilled"
    run = await until(shop, begun.run_id, "waiting")
    assert (run.step, run.waiting_for) == ("time_for_returns", "time")
    again = await told(shop, client, "fulfil", {"order_id": order.id})
    assert again[0] == 409, again


# --- one step


async def test_a_one_step_process_says_who_did_what(shop: Sessions, client: Client, worker: None) -> None:
    begun = begin_process(shop, "suspend_buyer", {"buyer_id": "b_li_na", "reason": "stolen card"})
    status, body = await answered(client, begun)
    assert status == 200, body
    assert paths(shop, begun.run_id) == ["act", "tell"]
    with shop() as session:
        assert run_of(session, begun.run_id).actor == "user:asker"
    refused = await answered(client, begin(shop))
    assert refused[0] in (403, 409)
