"""An order that is paid in parts, and partly given back, breaks nothing; what breaks its dues is found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.model.driving import Driver, on_one_connection
from tests.model.world import build
from workflows.worker import load_operations
from zhongtai.verify import verify
from zhongtai.verify.terms import CHECKS


def _run(driver: Driver, process: str, **body: object) -> str | None:
    run = driver.walk(driver.begin(process, "retail", dict(body), key=f"{process} {body}"))
    assert run.parked is None, run.parked
    return run.outcome


@pytest.fixture(scope="module")
def paid_in_parts(engine: Engine) -> Iterator[Session]:
    """Three instalments, one collected; one piece cancelled and taken off what is still due."""
    load_operations()
    with engine.connect() as connection, on_one_connection(connection) as driver:
        with driver.sessions.begin() as session:
            build(session)
        lines = [{"sku": "mug", "quantity": 4}]
        sold = {"business": "retail", "currency": "CNY", "buyer_id": "ann", "lines": lines, "terms": "instalments"}
        assert _run(driver, "checkout", **sold) == "confirmed"
        with driver.sessions() as session:
            order_id = session.scalar(text("SELECT id FROM sales_order"))
        assert _run(driver, "collect", order_id=order_id, positions=[1]) == "collected"
        one = [{"line_id": "l1", "units": 1}]
        assert _run(driver, "cancel", order_id=order_id, lines=one, reason="x") == "cancelled_and_refunded"
        with driver.sessions() as session:
            yield session


@pytest.fixture
def world(paid_in_parts: Session) -> Iterator[Session]:
    with paid_in_parts.begin_nested() as savepoint:
        yield paid_in_parts
        savepoint.rollback()
    paid_in_parts.expire_all()


def broken(session: Session) -> dict[int, list[str]]:
    return {found.number: found.broken for found in (check.run(session) for check in CHECKS) if found.broken}


def test_what_is_paid_in_parts_breaks_nothing_at_all(world: Session) -> None:
    assert [(found.number, found.broken) for found in verify(world) if found.broken] == []
    assert [check.run(world).rows for check in CHECKS] == [1, 1]


@pytest.mark.parametrize(
    ("number", "made"),
    [
        (
            19,
            "UPDATE payment_due SET planned_minor = planned_minor + 1, amount_minor = amount_minor + 1 WHERE position = 1",
        ),
        (19, "UPDATE refund SET unpaid_minor = unpaid_minor - 1, due_minor = due_minor + 1"),
        (
            19,
            (
                "UPDATE payment SET amount_minor = amount_minor - 1"
                " WHERE id = (SELECT payment_id FROM payment_due WHERE position = 1)"
            ),
        ),
        (19, "UPDATE sales_order SET confirmed_at = NULL, status = 'cancelled'"),
        (33, "UPDATE payment_due SET status = 'open', claim = NULL, paid_at = NULL WHERE position = 1"),
        (33, "DELETE FROM payment_due"),
    ],
)
def test_a_break_is_found(world: Session, number: int, made: str) -> None:
    assert world.execute(text(made)).rowcount > 0  # type: ignore[attr-defined]
    assert number in broken(world)
