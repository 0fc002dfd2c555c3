"""The checkout of the product, with all six capabilities, on a real Temporal server and the demo's businesses."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from activities.journal.service import undo_rows
from capabilities.account.queries import trial_balance
from capabilities.transaction.contract import OrderFilters
from capabilities.transaction.queries import list_offers, offers_of, order_of, orders_page
from capabilities.transaction.service import receive_stock
from tests.workflows.driving import Sessions, answered, begin, paths, until
from workflows import starting
from workflows.worker import load_operations
from zhongtai.demo import EXAMPLE_TOTAL_MINOR, load_demo


@pytest.fixture
def shop(wired: Sessions) -> Sessions:
    load_operations()
    with wired.begin() as session:
        load_demo(session)
    return wired


def standing(sessions: Sessions, sku: str = "RT-CUP-001") -> dict[str, Any]:
    """What a checkout moves: stock that is left, money at the provider, the ledger."""
    with sessions() as session:
        return {
            "available": offers_of(session, "retail", [sku])[sku].available_units,
            "ledger": [
                (ref.kind, ref.party, balance.minor, balance.available_minor)
                for page in trial_balance(session, "retail")
                for ref, balance in page.balances
                if balance.minor or balance.available_minor
            ],
        }


async def test_a_checkout_is_confirmed_with_the_exact_total(shop: Sessions, client: Client, worker: None) -> None:
    begun = begin(shop)
    status, body = await answered(client, begun)
    assert (status, body["total_minor"], body["status"]) == (201, EXAMPLE_TOTAL_MINOR, "confirmed")
    run = await until(shop, begun.run_id, "ended")
    assert (run.outcome, run.subject) == ("confirmed", body["order_id"])
    assert paths(shop, begun.run_id) == [
        *("admit", "price", "risk", "open", "reserve", "claim", "hold"),
        *("authorize", "capture", "freeze", "post", "redeem", "confirm", "receipt", "tell"),
    ]


async def test_a_confirmed_checkout_takes_one_activity_and_one_workflow_task(
    shop: Sessions, client: Client, worker: None
) -> None:
    begun = begin(shop)
    await answered(client, begun)
    history = await client.get_workflow_handle(begun.workflow_id).fetch_history()
    kinds = [event.event_type for event in history.events]
    assert kinds.count(EventType.EVENT_TYPE_MARKER_RECORDED) == 1
    assert kinds.count(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED) == 1


@pytest.mark.parametrize("method", ["sim_declined", "sim_capture_declined"])
async def test_a_declined_payment_leaves_everything_as_it_was(
    shop: Sessions, client: Client, worker: None, method: str
) -> None:
    before = standing(shop)
    begun = begin(shop, payment_method=method)
    status, body = await answered(client, begun)
    assert status == 402
    run = await until(shop, begun.run_id, "ended")
    assert (run.outcome, run.subject) == ("declined", body["order_id"])
    assert standing(shop) == before
    with shop() as session:
        assert order_of(session, body["order_id"]).status == "refused"
        assert undo_rows(session, begun.run_id) == []


async def test_an_answer_that_was_lost_is_found_and_the_order_confirmed(
    shop: Sessions, client: Client, worker: None
) -> None:
    begun = begin(shop, payment_method="sim_timeout_done")
    status, body = await answered(client, begun)
    assert (status, body["status"]) == (202, "payment_unknown")
    run = await until(shop, begun.run_id, "ended", 30)
    assert run.outcome == "confirmed"
    with shop() as session:
        assert order_of(session, body["order_id"]).status == "confirmed"


async def test_a_payment_the_provider_never_heard_of_is_given_up(shop: Sessions, client: Client, worker: None) -> None:
    before = standing(shop)
    begun = begin(shop, payment_method="sim_timeout")
    status, body = await answered(client, begun)
    assert (status, body["status"]) == (202, "payment_unknown")
    run = await until(shop, begun.run_id, "ended", 30)
    assert run.outcome == "declined"
    assert standing(shop) == before


LARGE = {"lines": [{"sku": "RT-TEA-001", "quantity": 300}], "payment_method": "sim_ok"}


@pytest.mark.parametrize(("decision", "outcome"), [("release", "confirmed"), ("reject", "rejected")])
async def test_a_large_order_waits_for_a_person(
    shop: Sessions, client: Client, worker: None, decision: str, outcome: str
) -> None:
    with shop.begin() as session:
        receive_stock(session, "retail", "RT-TEA-001", 1_000)
    before = standing(shop, "RT-TEA-001")
    begun = begin(shop, **LARGE)
    status, body = await answered(client, begun)
    assert (status, body["status"]) == (202, "in_review")
    run = await until(shop, begun.run_id, "waiting")
    assert (run.waiting_for, run.subject) == ("order.reviewed", body["order_id"])
    with shop() as session:
        assert order_of(session, body["order_id"]).status == "on_hold"
    await starting.send_event(
        client, begun.run_id, "order.reviewed", {"decision": decision, "reason": "Looked at."}, "user:op"
    )
    run = await until(shop, begun.run_id, "ended")
    assert run.outcome == outcome
    assert (standing(shop, "RT-TEA-001") == before) is (decision == "reject")


async def test_finance_reviews_credit_before_it_authorizes(shop: Sessions, client: Client, worker: None) -> None:
    with shop() as session:
        offers = [
            o
            for o in list_offers(session, "finance", limit=50).offers
            if o.kind == "goods" and o.available_units is None
        ]
    dear = max(offers, key=lambda offer: offer.unit_price_minor)
    many = -(-100_000 // dear.unit_price_minor) + 1
    ask = {
        "lines": [{"sku": dear.sku, "quantity": many}],
        "delivery_sku": None,
        "buyer_id": None,
        "currency": dear.currency,
    }
    begun = begin(shop, "finance", **ask)
    status, body = await answered(client, begun)
    assert (status, body["status"]) == (202, "in_review")
    assert "authorize" not in paths(shop, begun.run_id)
    await starting.send_event(client, begun.run_id, "order.reviewed", {"decision": "release", "reason": ""}, "user:op")
    assert (await until(shop, begun.run_id, "ended")).outcome == "confirmed"


async def test_no_stock_refuses_and_writes_nothing(shop: Sessions, client: Client, worker: None) -> None:
    with shop() as session:
        available = offers_of(session, "retail", ["RT-CUP-001"])["RT-CUP-001"].available_units
    begun = begin(shop, lines=[{"sku": "RT-CUP-001", "quantity": available + 1}])
    status, body = await answered(client, begun)
    assert status == 409
    assert body["code"].startswith("transaction.")
    run = await until(shop, begun.run_id, "ended")
    assert (run.outcome, run.subject) == ("refused", None)
    with shop() as session:
        assert orders_page(session, OrderFilters(business="retail")).orders == ()
