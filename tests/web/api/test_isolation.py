"""A key never sees another business's objects, not even that they exist."""

from __future__ import annotations

import httpx
import pytest

from tests.web.api.conftest import a_cart, keyed


@pytest.mark.usefixtures("worker")
async def test_what_belongs_to_another_business_is_missing_like_anything_else(
    shop: httpx.AsyncClient, foreign_key: str
) -> None:
    receipt = (await shop.post("/checkouts", json=a_cart(), headers=keyed())).json()
    theirs = {"authorization": f"Bearer {foreign_key}"}
    for path, kind in (
        (f"/orders/{receipt['order_id']}", "order"),
        (f"/orders/{receipt['order_id']}/explanation", "order"),
        (f"/processes/{receipt['run_id']}", "process"),
    ):
        assert (await shop.get(path)).status_code == 200
        foreign = await shop.get(path, headers=theirs)
        nowhere = await shop.get(
            path.replace(receipt["order_id"], "ord_0").replace(receipt["run_id"], "run_0"), headers=theirs
        )
        assert (foreign.status_code, foreign.json()["code"]) == (404, f"{kind}.unknown")
        assert nowhere.json().keys() == foreign.json().keys()


@pytest.mark.parametrize("path", ["/orders/a%00b", "/orders/' OR 1=1", "/processes/%F0%9F%92%A5", "/offers/a%20b"])
async def test_what_cannot_be_an_id_is_missing(shop: httpx.AsyncClient, path: str) -> None:
    assert (await shop.get(path)).status_code == 404


@pytest.mark.parametrize("path", ["/quotes", "/checkouts"])
async def test_a_key_cannot_speak_for_another_business(shop: httpx.AsyncClient, path: str) -> None:
    answer = await shop.post(path, json=a_cart(business="tourism"), headers=keyed())
    assert (answer.status_code, answer.json()["code"]) == (422, "api.business_other")
    assert answer.json()["field"] == "body.business"


async def test_offers_and_buyers_are_those_of_the_key(shop: httpx.AsyncClient, foreign_key: str) -> None:
    ours = (await shop.get("/offers")).json()["offers"]
    theirs = (await shop.get("/offers", headers={"authorization": f"Bearer {foreign_key}"})).json()["offers"]
    assert {offer["business"] for offer in ours} == {"retail"}
    assert {offer["business"] for offer in theirs} == {"tourism"}
