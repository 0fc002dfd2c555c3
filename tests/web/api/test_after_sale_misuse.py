"""What nobody should send about an order: each answer says what is wrong, and nothing is written."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from capabilities.kernel.database import transaction
from tests.web.api.test_after_sale import auto, buy, hand_over
from zhongtai.verify import verify

pytestmark = pytest.mark.usefixtures("worker")


async def test_misuse_is_answered_with_what_is_wrong_and_changes_nothing(shop: httpx.AsyncClient, placed: Any) -> None:
    auto(placed)
    order = await buy(shop)
    line = order["lines"][0]["line_id"]
    await hand_over(shop, order["order_id"])
    url = f"/orders/{order['order_id']}"
    one = [{"line_id": line, "units": 1}]
    asked: list[tuple[str, dict[str, Any], int]] = [
        ("refunds", {"lines": [{"line_id": line, "units": 0}], "reason": "x"}, 422),
        ("refunds", {"lines": [{"line_id": line, "units": 4}], "reason": "x"}, 409),
        ("refunds", {"lines": [{"line_id": line, "units": 2}, {"line_id": line, "units": 2}], "reason": "x"}, 409),
        ("refunds", {"lines": [{"line_id": "l99", "units": 1}], "reason": "x"}, 422),
        ("refunds", {"lines": one * 1_001, "reason": "x"}, 413),
        ("refunds", {"lines": one, "amount_minor": 1, "reason": "x"}, 409),
        ("refunds", {"reason": "x"}, 409),
        ("refunds", {"amount_minor": 10**15, "kind": "goodwill", "reason": "x"}, 409),
        ("refunds", {"amount_minor": True, "reason": "x"}, 422),
        ("refunds", {"lines": one, "kind": "chargeback", "reason": "x"}, 422),
        ("refunds", {"lines": one, "is_owed": True, "reason": "x"}, 422),
        ("refunds", {"lines": one, "reason": "x\x00"}, 422),
        ("refunds", {"lines": one, "return_id": "ret_nobodys", "reason": "x"}, 422),
        ("cancellations", {"lines": one}, 409),
        ("fulfilments", {"lines": [{"line_id": "l99", "units": 1}]}, 409),
        ("returns", {"lines": [{"line_id": "l99", "units": 1}], "reason": "x"}, 409),
        ("returns", {"lines": [{"line_id": line, "units": 9}], "reason": "x"}, 409),
    ]
    wrong = []
    for number, (path, body, status) in enumerate(asked):
        answer = await shop.post(f"{url}/{path}", json=body, headers={"idempotency-key": f"k{number}"})
        problem = answer.json()
        if answer.status_code != status or not problem.get("detail") or not problem.get("code"):
            wrong.append((number, path, answer.status_code, answer.text[:300]))
    assert wrong == [], "\n".join(map(str, wrong))
    assert (await shop.get(f"{url}/refunds")).json()["refunds"] == []

    body = {"lines": one, "reason": "x"}
    assert (await shop.post(f"{url}/refunds", json=body, headers={"idempotency-key": "same"})).status_code == 201
    other = await shop.post(f"{url}/refunds", json=body | {"reason": "y"}, headers={"idempotency-key": "same"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency.key_reused")
    with transaction() as session:
        assert {found.number: found.broken for found in verify(session) if found.broken} == {}
