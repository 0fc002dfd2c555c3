"""Campaigns, limits, coupons and rewards through whole processes, on a real Temporal server with all capabilities."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select
from temporalio.client import Client

from capabilities.account.queries import trial_balance
from capabilities.marketing.models import CouponRow
from capabilities.marketing.queries_campaigns import budget_changes, campaign_of
from capabilities.marketing.queries_coupons import coupon_of, coupons_page, lot_of
from capabilities.transaction.queries import order_of
from capabilities.user.contract import EnrolBuyer
from capabilities.user.service import enrol_buyer
from tests.builders import a_business, an_offer, live_rules
from tests.workflows.aftersale import begin_process, decide, policy, told
from tests.workflows.driving import Sessions, answered, begin, until
from workflows.worker import load_operations
from zhongtai.verify import verify

HALF = {"kind": "percent_off", "rate_bps": 5000, "apply": "across"}
CART = {"lines": [{"sku": "tea", "quantity": 2}], "delivery_sku": None, "buyer_id": "ann", "coupon_codes": []}
BUDGET = {"counts": "spend", "most": 150_00, "currency": "CNY"}
SPRING = {"business": "retail", "campaign_id": "spring", "name_en": "Spring", "budgets": [BUDGET]}


@pytest.fixture
def shop(wired: Sessions) -> Sessions:
    load_operations()
    with wired.begin() as session:
        a_business(session)
        an_offer(session, "tea", price=100_00, stock=1_000)
        enrol_buyer(session, EnrolBuyer(business="retail", id="ann", name="Ann"))
    return wired


def rules(sessions: Sessions, *more: dict[str, Any], **about: Any) -> None:
    half = {"id": "half", "name": "Half", "when": {"all": []}, "effects": [HALF]}
    with sessions.begin() as session:
        live_rules(session, half | about, *more)


async def campaign(sessions: Sessions, client: Client) -> None:
    assert (await told(sessions, client, "create_campaign", SPRING))[0] == 201
    start = {"business": "retail", "campaign_id": "spring", "act": "start"}
    status, body = await told(sessions, client, "change_campaign", start)
    assert (status, body["status"]) == (200, "live")


async def sold(sessions: Sessions, client: Client, **changed: Any) -> tuple[int, dict[str, Any]]:
    asked = CART | {"total": None} | changed
    expected = asked.pop("total")
    return await answered(client, begin(sessions, expected_total_minor=expected, **asked))


def left(sessions: Sessions) -> int | None:
    with sessions() as session:
        return campaign_of(session, "retail", "spring").budgets[0].left


def sound(sessions: Sessions) -> None:
    with sessions() as session:
        assert [(found.number, found.broken) for found in verify(session) if found.broken] == []


async def test_a_budget_is_spent_by_checkouts_and_comes_back_with_refunds(
    shop: Sessions, client: Client, worker: None
) -> None:
    rules(shop, campaign="spring", limits=[{"most": 10, "per": ["buyer"]}])
    await campaign(shop, client)
    policy(shop, {"kind": "auto"})

    status, first = await sold(shop, client)
    assert (status, first["total_minor"], left(shop)) == (201, 100_00, 50_00)
    assert (await sold(shop, client, payment_method="sim_declined"))[0] == 402
    assert left(shop) == 50_00
    status, second = await sold(shop, client)
    assert (second["total_minor"], left(shop)) == (150_00, 0)
    assert (await sold(shop, client))[1]["total_minor"] == 200_00
    sound(shop)

    assert (await told(shop, client, "fulfil", {"order_id": first["order_id"]}))[0] == 201
    with shop() as session:
        (line,) = order_of(session, first["order_id"]).lines
    request = {"order_id": first["order_id"], "kind": "goodwill", "reason": "a scratch"}
    one = {"request": request | {"lines": [{"line_id": line.line_id, "units": 1}]}}
    status, body = await told(shop, client, "refund", one)
    assert status == 201, body
    assert left(shop) == 50_00
    status, body = await told(shop, client, "refund", one)
    assert status == 201, body
    assert left(shop) == 100_00
    sound(shop)


async def test_twenty_checkouts_at_once_for_a_limit_of_three(shop: Sessions, client: Client, worker: None) -> None:
    rules(shop, limits=[{"most": 3}])
    answers = await asyncio.gather(*(sold(shop, client) for _ in range(20)))

    totals = [body["total_minor"] for status, body in answers if status == 201]
    refused = [body["code"] for status, body in answers if status == 409]
    assert totals.count(100_00) == 3
    assert len(totals) + len(refused) == 20
    assert set(refused) <= {"marketing.limit_used_up"}
    sound(shop)


async def test_points_cashback_and_a_coupon_are_earned_by_a_checkout(
    shop: Sessions, client: Client, worker: None
) -> None:
    earn = {
        "id": "earn",
        "name": "Earn",
        "stage": 50,
        "when": {"all": []},
        "effects": [
            {"kind": "points", "points": 120},
            {"kind": "cashback", "amount_minor": 5_00},
            {"kind": "issue_coupon", "pool": "THANKS", "units": 1, "valid_days": 30},
        ],
    }
    rules(shop, earn)
    status, _ = await sold(shop, client)
    assert status == 201
    with shop() as session:
        (line,) = coupons_page(session, "retail", buyer_id="ann").coupons
        held = {
            (ref.kind.value, ref.currency): balance.minor
            for page in trial_balance(session, "retail")
            for ref, balance in page.balances
            if ref.party == "ann" and balance.minor
        }
    assert (line.opens, line.condition) == ("THANKS", "active")
    assert held == {("points", "PTS"): 120, ("buyer_wallet", "CNY"): 5_00}
    sound(shop)


async def test_a_budget_is_topped_up_by_two_people(shop: Sessions, client: Client, worker: None) -> None:
    await campaign(shop, client)
    with shop() as session:
        budget_id = campaign_of(session, "retail", "spring").budgets[0].id
    asked = {"business": "retail", "budget_id": budget_id, "amount": 50_00, "reason": "goes well"}
    begun = begin_process(shop, "top_up_budget", asked)
    status, body = await answered(client, begun)
    assert (status, body["status"], body["campaign_id"]) == (202, "waits_for_approval", "spring")
    assert left(shop) == 150_00
    await decide(shop, client, begun.run_id)
    await until(shop, begun.run_id, "ended")
    assert left(shop) == 200_00
    with shop() as session:
        newest = max(budget_changes(session, "retail", budget_id), key=lambda change: change.at)
    assert (newest.actor, newest.approved_by, newest.reason) == ("user:asker", "user:boss", "goes well")

    refused = begin_process(shop, "top_up_budget", asked)
    assert (await answered(client, refused))[0] == 202
    await decide(shop, client, refused.run_id, "refuse")
    assert (await until(shop, refused.run_id, "ended")).outcome == "refused"
    assert left(shop) == 200_00


async def test_a_lot_is_made_in_a_loop_and_its_codes_imported_paused_and_used(
    shop: Sessions, client: Client, worker: None
) -> None:
    rules(shop, coupon="SUMMER")
    lot = {"business": "retail", "lot_id": "lot", "opens": "SUMMER", "pattern": "S-****-****", "codes": 4_500}
    begun = begin_process(shop, "create_lot", lot)
    status, body = await answered(client, begun)
    assert (status, body["wanted"], body["made"]) == (202, 4_500, 0)
    await until(shop, begun.run_id, "ended", within_s=60)
    with shop() as session:
        assert (lot_of(session, "retail", "lot").status, session.scalar(select(func.count(CouponRow.id)))) == (
            "ready",
            4_500,
        )
        code = coupons_page(session, "retail", lot_id="lot", limit=1).coupons[0].code
    guessable = lot | {"lot_id": "other", "pattern": "S-##"}
    status, body = await told(shop, client, "create_lot", guessable)
    assert (status, body["code"]) == (422, "marketing.codes_guessable")

    file = {"business": "retail", "file": "code,opens\r\nVIP,SUMMER\r\n,\r\n"}
    status, body = await told(shop, client, "import_coupons", file)
    assert (status, body["added"], [bad["line"] for bad in body["bad"]]) == (200, 1, [3])
    pause = {"business": "retail", "act": "pause", "code": "VIP", "reason": "Leaked."}
    assert (await told(shop, client, "change_coupons", pause))[1] == {"changed": 1}
    status, body = await sold(shop, client, coupon_codes=["VIP"])
    assert (status, body["code"], body["detail"]) == (
        409,
        "marketing.coupon_inactive",
        "The coupon VIP is paused. Leaked.",
    )
    status, body = await sold(shop, client, coupon_codes=[code])
    assert (status, body["total_minor"]) == (201, 100_00)
    with shop() as session:
        assert coupon_of(session, "retail", code).condition == "used_up"
    sound(shop)
