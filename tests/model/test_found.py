"""What the state machine found, each as it was found: told once more, so that it stays mended."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, text

from tests.model.driving import Driver, Run, on_one_connection
from tests.model.world import build
from workflows.worker import load_operations
from zhongtai.verify import verify


def begin(driver: Driver, process: str, key: str, body: dict[str, Any]) -> Run:
    return driver.walk(driver.begin(process, "retail", body, key=key))


def test_goodwill_that_is_refused_after_the_goods_came_back_keeps_no_cent_of_them(engine: Engine) -> None:
    """The last unit waits until the goodwill on its line is decided; then all that was paid comes back."""
    load_operations()
    with engine.connect() as connection, on_one_connection(connection) as driver:
        with driver.sessions.begin() as session:
            build(session)
        sold = {"business": "retail", "currency": "CNY", "lines": [{"sku": "tea", "quantity": 1}]}
        assert begin(driver, "checkout", "k1", sold).outcome == "confirmed"
        with driver.sessions() as session:
            order_id = session.scalar(text("SELECT id FROM sales_order"))
        assert begin(driver, "fulfil", "k2", {"order_id": order_id}).outcome == "completed"
        asked = {"order_id": order_id, "kind": "goodwill", "amount_minor": 1, "reason": "x"}
        goodwill = begin(driver, "refund", "k3", {"request": asked})
        assert goodwill.waits
        lines = [{"line_id": "l1", "units": 1}]
        back = begin(
            driver, "refund", "k4", {"request": {"order_id": order_id, "kind": "return", "lines": lines, "reason": "x"}}
        )
        assert back.parked is not None
        assert back.parked.error["code"] == "transaction.refund_under_way"

        goodwill.decision = "refuse"
        assert driver.walk(goodwill).outcome == "refused"
        driver.repair(back)
        assert driver.walk(back).outcome == "refunded"

        with driver.sessions() as session:
            given = session.scalar(text("SELECT sum(total_minor) FROM refund WHERE status = 'succeeded'"))
            assert given == 19_99
            assert [(found.number, found.broken) for found in verify(session) if found.broken] == []
