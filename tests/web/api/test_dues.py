"""Payment plans over HTTP: agreed on in the checkout, read, paid early, taken in cash."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy.orm import Session, sessionmaker

from tests.web.api.conftest import a_cart, keyed
from zhongtai.demo_rules import publish_demo_rules

pytestmark = pytest.mark.usefixtures("worker")


def a_rule(number: int, plan: str, effect: dict[str, Any]) -> dict[str, Any]:
    when = {"field": "order.plan", "op": "eq", "value": plan}
    return {"id": f"r_{number}", "name": plan, "grain": "order", "stage": 10, "when": when, "effects": [effect]}


@pytest.fixture(autouse=True)
def plans(placed: sessionmaker[Session]) -> None:
    rules = [
        a_rule(1, "3", {"kind": "instalments", "count": 3}),
        a_rule(2, "cash", {"kind": "on_delivery"}),
        a_rule(3, "never", {"kind": "refuse", "reason": "There is no such plan."}),
    ]
    document = {"decision": "payment.terms", "name": {"en": "Plans", "zh": "付款方案"}, "rules": rules}
    with placed.begin() as session:
        publish_demo_rules(session, [{"business": "retail", "document": document}])


async def test_a_plan_is_agreed_on_read_and_paid_early_once(shop: httpx.AsyncClient) -> None:
    receipt = (await shop.post("/checkouts", json=a_cart(terms="3"), headers=keyed())).json()
    path = f"/orders/{receipt['order_id']}"
    plan = (await shop.get(f"{path}/dues")).json()
    assert [(due["status"], due["amount_minor"]) for due in plan["dues"]] == [
        ("paid", 73_34),
        ("open", 73_33),
        ("open", 73_33),
    ]
    assert plan["owed_minor"] == 146_66

    paid = await shop.post(f"{path}/collections", json={}, headers=keyed("early"))
    assert (paid.status_code, paid.json()["paid_minor"], paid.json()["positions"]) == (201, 146_66, [1, 2])
    again = await shop.post(f"{path}/collections", json={}, headers=keyed("early"))
    assert again.content == paid.content
    other = await shop.post(f"{path}/collections", json={"positions": [1]}, headers=keyed("other"))
    assert (other.status_code, other.json()["code"]) == (409, "payment.due_not_open")
    assert (await shop.get(f"{path}/dues")).json()["owed_minor"] == 0


async def test_another_card_may_be_declined_and_the_due_stays_open(shop: httpx.AsyncClient) -> None:
    receipt = (await shop.post("/checkouts", json=a_cart(terms="3"), headers=keyed())).json()
    path = f"/orders/{receipt['order_id']}"
    body = {"positions": [1], "payment_method": "sim_declined"}
    answer = await shop.post(f"{path}/collections", json=body, headers=keyed("no"))
    assert (answer.status_code, answer.json()["code"]) == (402, "payment.declined")
    assert (await shop.get(f"{path}/dues")).json()["owed_minor"] == 146_66


async def test_the_courier_tells_that_cash_was_taken(shop: httpx.AsyncClient) -> None:
    receipt = (await shop.post("/checkouts", json=a_cart(terms="cash"), headers=keyed())).json()
    path = f"/orders/{receipt['order_id']}"
    assert [due["when"] for due in (await shop.get(f"{path}/dues")).json()["dues"]] == ["on_delivery"]
    taken = await shop.post(f"{path}/cash", headers=keyed("cash"))
    assert (taken.status_code, taken.json()["paid_minor"]) == (201, 220_00)


async def test_orders_of_others_have_no_dues_here(web: httpx.AsyncClient, foreign_key: str, key: str) -> None:
    web.headers["authorization"] = f"Bearer {key}"
    receipt = (await web.post("/checkouts", json=a_cart(terms="3"), headers=keyed())).json()
    web.headers["authorization"] = f"Bearer {foreign_key}"
    path = f"/orders/{receipt['order_id']}"
    assert (await web.get(f"{path}/dues")).status_code == 404
    assert (await web.post(f"{path}/collections", json={}, headers=keyed("x"))).status_code == 404
    assert (await web.post(f"{path}/cash", headers=keyed("x"))).status_code == 404


async def test_terms_are_previewed_as_the_checkout_would_agree_on_them(shop: httpx.AsyncClient) -> None:
    cart = a_cart(terms="3")
    preview = (await shop.post("/terms/preview", json=cart)).json()
    assert (preview["terms"], preview["rule_ids"], preview["quote"]["total_minor"]) == ("instalments", ["r_1"], 220_00)
    assert [(due["when"], due["amount_minor"]) for due in preview["dues"]] == [
        ("now", 73_34),
        ("at", 73_33),
        ("at", 73_33),
    ]
    receipt = (await shop.post("/checkouts", json=cart, headers=keyed())).json()
    dues = (await shop.get(f"/orders/{receipt['order_id']}/dues")).json()["dues"]
    assert [due["due_at"] for due in dues] == [due["due_at"] for due in preview["dues"]]


async def test_without_terms_everything_is_due_now(shop: httpx.AsyncClient) -> None:
    preview = (await shop.post("/terms/preview", json=a_cart())).json()
    assert (preview["terms"], [due["when"] for due in preview["dues"]]) == ("all_now", ["now"])


async def test_refused_terms_are_refused_before_anybody_buys(shop: httpx.AsyncClient) -> None:
    for path in ("/terms/preview", "/checkouts"):
        answer = await shop.post(path, json=a_cart(terms="never"), headers=keyed("no"))
        assert (answer.json()["code"], answer.json()["detail"]) == ("payment.terms_refused", "There is no such plan.")
        assert answer.status_code == 409


async def test_an_order_says_what_is_still_to_be_handed_over_and_what_was(shop: httpx.AsyncClient) -> None:
    cart = a_cart(attributes={"recipient": "Li Na", "begins_on": "2027-02-01"})
    order_id = (await shop.post("/checkouts", json=cart, headers=keyed())).json()["order_id"]
    order = (await shop.get(f"/orders/{order_id}")).json()
    assert (order["attributes"]["recipient"], order["begins_on"]) == ("Li Na", "2027-02-01")
    units = [line["quantity"] for line in order["lines"] if line["kind"] == "goods"]
    assert [open_["units"] for open_ in order["open_units"]] == units
    told = {"carrier": "Own van", "tracking": "T-1"}
    await shop.post(f"/orders/{order_id}/fulfilments", json=told, headers=keyed("f"))
    order = (await shop.get(f"/orders/{order_id}")).json()
    assert (order["status"], order["open_units"]) == ("fulfilled", [])
    assert [(one["carrier"], one["tracking"]) for one in order["fulfilments"]] == [("Own van", "T-1")]


async def test_cash_is_a_way_to_pay_only_where_nothing_is_due_before_the_door(shop: httpx.AsyncClient) -> None:
    agreed = await shop.post("/checkouts", json=a_cart(terms="cash", payment_method="cash"), headers=keyed("door"))
    assert (agreed.status_code, agreed.json()["status"]) == (201, "confirmed")
    payment = agreed.json()["payment"]
    assert (payment["method"], payment["amount_minor"]) == ("cash", 0)
    taken = await shop.post(f"/orders/{agreed.json()['order_id']}/cash", headers=keyed("cash"))
    assert (taken.status_code, taken.json()["paid_minor"]) == (201, 220_00)
    refused = await shop.post("/checkouts", json=a_cart(payment_method="cash"), headers=keyed("now"))
    assert (refused.status_code, refused.json()["code"]) == (422, "payment.method_unknown")
