"""Changes and exchanges of orders through their whole processes: what they gave up comes back, what they add is claimed."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.client import Client

from activities.catalogue import StepContext
from activities.changing import ChangedLine, ChangeRequest, preview_change
from activities.exchanging import ExchangeRequest, preview_exchange
from capabilities.kernel.identity import BusinessIdentity
from capabilities.marketing.queries_campaigns import campaign_of
from capabilities.transaction.contract import CheckoutLine, UnitsOfLine
from capabilities.transaction.queries import order_of, refunds_of
from capabilities.user.contract import EnrolBuyer
from capabilities.user.service import enrol_buyer
from tests.builders import a_business, an_offer, live_rules
from tests.workflows.aftersale import begin_process, bought, policy, told
from tests.workflows.driving import Sessions, answered, begin, until
from workflows.worker import load_operations
from zhongtai.verify import verify

CART: dict[str, Any] = {
    "lines": [{"sku": "tea", "quantity": 2}],
    "delivery_sku": None,
    "buyer_id": "ann",
    "coupon_codes": [],
    "expected_total_minor": None,
}
BUDGET = {"counts": "spend", "most": 150_00, "currency": "CNY"}
SPRING = {"business": "retail", "campaign_id": "spring", "name_en": "Spring", "budgets": [BUDGET]}
HALF = {
    "id": "half",
    "name": "Half",
    "when": {"all": []},
    "effects": [{"kind": "percent_off", "rate_bps": 5000, "apply": "across"}],
    "campaign": "spring",
}
ASKED = StepContext("test", "ask", "run/ask/0/0", BusinessIdentity("retail"), "user:asker", "cor")


@pytest.fixture
def shop(wired: Sessions) -> Sessions:
    load_operations()
    with wired.begin() as session:
        a_business(session)
        an_offer(session, "tea", price=100_00, stock=1_000)
        an_offer(session, "jam", price=80_00, stock=1_000)
        enrol_buyer(session, EnrolBuyer(business="retail", id="ann", name="Ann"))
    policy(wired, {"kind": "auto"})
    return wired


async def campaign(sessions: Sessions, client: Client) -> None:
    with sessions.begin() as session:
        live_rules(session, HALF)
    assert (await told(sessions, client, "create_campaign", SPRING))[0] == 201
    start = {"business": "retail", "campaign_id": "spring", "act": "start"}
    assert (await told(sessions, client, "change_campaign", start))[0] == 200


def left(sessions: Sessions) -> int | None:
    with sessions() as session:
        return campaign_of(session, "retail", "spring").budgets[0].left


def sound(sessions: Sessions) -> None:
    with sessions() as session:
        assert [(found.number, found.broken) for found in verify(session) if found.broken] == []


async def test_a_change_gives_budget_back_for_what_comes_off_and_claims_it_anew_for_what_is_added(
    shop: Sessions, client: Client, worker: None
) -> None:
    await campaign(shop, client)
    order = await bought(shop, client, **CART)
    assert (order.total_minor, left(shop)) == (100_00, 50_00)
    change = ChangeRequest(
        order_id=order.id,
        lines=(ChangedLine(line_id=order.lines[0].line_id, quantity=1),),
        add=(CheckoutLine(sku="jam", quantity=1),),
        reason="changed her mind",
    )
    with shop() as session:
        seen = preview_change(session, ASKED, change)
    assert (seen.to_refund_minor, seen.to_pay_minor) == (50_00, 40_00)

    begun = begin_process(shop, "change", {"change": change.model_dump(mode="json"), "sha256": seen.sha256})
    status, body = await answered(client, begun)
    assert status == 200, body
    assert (await until(shop, begun.run_id, "ended")).outcome == "changed"
    assert left(shop) == 100_00  # nothing is claimed for a draft
    sound(shop)

    added = CART | {"lines": [{"sku": "jam", "quantity": 1}], "draft_id": body["addition_id"]}
    status, placed = await answered(client, begin(shop, **added))
    assert (status, placed["total_minor"], placed["order_id"]) == (201, 40_00, body["addition_id"])
    assert left(shop) == 60_00
    with shop() as session:
        assert [one.due_minor for one in refunds_of(session, order.id)] == [50_00]
        assert order_of(session, body["addition_id"]).parent_id == order.id
    sound(shop)


async def test_an_exchange_refunds_into_the_wallet_and_its_draft_is_paid_from_there(
    shop: Sessions, client: Client, worker: None
) -> None:
    order = await bought(shop, client, **CART)
    assert (await told(shop, client, "fulfil", {"order_id": order.id}))[0] == 201
    wanted = ExchangeRequest(
        order_id=order.id,
        lines=(UnitsOfLine(line_id=order.lines[0].line_id, units=1),),
        wanted=(CheckoutLine(sku="jam", quantity=2),),
        reason="does not fit",
    )
    with shop() as session:
        seen = preview_exchange(session, ASKED, wanted)
    assert (seen.worth_minor, seen.new_total_minor, seen.wallet_minor, seen.due_minor) == (
        100_00,
        160_00,
        100_00,
        60_00,
    )
    begun = begin_process(shop, "exchange", {"exchange": wanted.model_dump(mode="json"), "sha256": seen.sha256})
    status, body = await answered(client, begun)
    assert (status, body["due_minor"]) == (201, 60_00)
    assert (await until(shop, begun.run_id, "ended")).outcome == "exchanged"
    with shop() as session:
        (refund,) = refunds_of(session, order.id)
    assert (refund.status.value, refund.destination, refund.due_minor) == ("succeeded", "wallet", 100_00)
    sound(shop)

    pays = [{"method": "wallet", "amount_minor": 100_00}, {"method": "sim_ok"}]
    again = CART | {"lines": [{"sku": "jam", "quantity": 2}], "draft_id": body["draft_id"], "payments": pays}
    status, placed = await answered(client, begin(shop, **again))
    assert (status, placed["total_minor"], placed["order_id"]) == (201, 160_00, body["draft_id"])
    with shop() as session:
        found = order_of(session, body["draft_id"])
    assert (found.parent_id, found.relation) == (order.id, "exchange")
    sound(shop)
