"""An order handed over in part, returned in part and refunded breaks nothing; what breaks it is found."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, find_operation
from capabilities.kernel.identity import BusinessIdentity
from capabilities.transaction.models import OrderRow
from zhongtai.verify import after_sale, orders, stock_and_coupons

MINE = (*after_sale.CHECKS, orders.ADDS_UP, orders.NOT_NEGATIVE, stock_and_coupons.STOCKED, stock_and_coupons.RESERVED)


def run(session: Session, name: str, key: str = "after", **request: Any) -> Any:
    operation = find_operation(name)
    assert operation.run is not None
    context = StepContext("run_after", name, f"{key}/{name}", BusinessIdentity("retail"), "user:ann", "cor_after")
    return operation.run(session, context, operation.request.model_validate(request))


@pytest.fixture
def lived(world: Session) -> Session:
    """The paid order of the world: two of three pieces handed over, one of them back, one refunded, one refused."""
    order_id = world.scalars(
        select(OrderRow.id).where(OrderRow.status == "confirmed", OrderRow.origin != "import", OrderRow.total_minor > 0)
    ).one()
    tea = [{"line_id": "l1", "units": 1}]
    run(world, "transaction.fulfil", order_id=order_id, lines=tea)
    back = run(world, "transaction.request_return", order_id=order_id, lines=tea)
    run(world, "transaction.receive_return", return_id=back.id)
    asked = {"order_id": order_id, "kind": "return", "lines": tea, "return_id": back.id}
    opened = run(world, "transaction.open_refund", request=asked)
    run(world, "transaction.approve_refund", refund_id=opened.refund_id)
    run(world, "transaction.complete_refund", refund_id=opened.refund_id)
    rest = run(
        world,
        "transaction.open_refund",
        "rest",
        request={"order_id": order_id, "kind": "cancellation", "lines": [{"line_id": "l2", "units": 1}]},
    )
    run(world, "transaction.refuse_refund", refund_id=rest.refund_id)
    world.flush()
    return world


def broken(session: Session) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for check in MINE:
        result = check.run(session)
        if result.broken:
            found.setdefault(result.number, []).extend(result.broken)
    return found


def test_a_life_after_the_sale_breaks_nothing(lived: Session) -> None:
    assert broken(lived) == {}


BREAKS = [
    (
        "a refund says more than its lines",
        27,
        "UPDATE refund SET total_minor = total_minor + 1, due_minor = due_minor + 1",
    ),
    ("a refund line gives more", 27, "UPDATE refund_line SET net_minor = net_minor + 1, gross_minor = gross_minor + 1"),
    (
        "a unit is counted twice",
        27,
        "UPDATE sales_order_line SET refunded = refunded + 1 WHERE line_id = 'l1' AND fulfilled = 1",
    ),
    ("a refund is of no order", 27, "UPDATE refund SET order_id = 'ord_lost'"),
    ("a refund line is of another seller", 27, "UPDATE refund_line SET seller_id = 'somebody'"),
    (
        "what a unit gave is not its share",
        27,
        (
            "UPDATE refund_line SET net_minor = net_minor - 1, gross_minor = gross_minor - 1, total_minor = total_minor - 1;"
            " UPDATE refund SET total_minor = total_minor - 1, due_minor = due_minor - 1;"
            " DELETE FROM refund WHERE status = 'refused'; DELETE FROM refund_line WHERE line_id = 'l2'"
        ),
    ),
    ("a hand-over was lost", 31, "DELETE FROM fulfilment_line"),
    ("a return was lost", 31, "DELETE FROM goods_return_line"),
    ("more is on the shelf than came back", 31, "UPDATE goods_return_line SET restocked = 0"),
    ("an order is over with open units", 31, "UPDATE sales_order SET status = 'completed' WHERE status = 'confirmed'"),
    ("a refund outlives its hand-over", 31, "UPDATE refund SET kind = 'cancellation' WHERE status = 'succeeded'"),
    ("a step of the history was lost", 20, "DELETE FROM sales_order_change WHERE to_status = 'confirmed'"),
    (
        "a run made two orders",
        20,
        "UPDATE sales_order SET run_id = (SELECT max(run_id) FROM sales_order WHERE run_id LIKE 'run%') WHERE origin <> 'import'",
    ),
    (
        "a confirmed order costs more than quoted",
        19,
        "UPDATE sales_order SET total_minor = total_minor + 1, goods_gross_minor = goods_gross_minor + 1 WHERE status = 'confirmed'",
    ),
    ("the parts of sellers gained a cent", 14, "UPDATE seller_order SET total_minor = total_minor + 1"),
    (
        "a seller's part was lost",
        14,
        "DELETE FROM seller_order WHERE seller_id = (SELECT min(seller_id) FROM seller_order)",
    ),
    ("a line keeps less than nothing", 16, "UPDATE refund_line SET kept_net_minor = -1"),
    (
        "a confirmed order's pieces were given back to stock",
        32,
        "UPDATE reservation SET status = 'released' WHERE status = 'committed'",
    ),
]


@pytest.mark.parametrize(("number", "statement"), [made[1:] for made in BREAKS], ids=[made[0] for made in BREAKS])
def test_what_breaks_it_is_found(lived: Session, number: int, statement: str) -> None:
    lived.execute(text("SET LOCAL session_replication_role = replica"))
    for table, name in lived.execute(
        text(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
        )
    ).all():
        if table.strip('"') in ("refund", "refund_line", "sales_order", "sales_order_line", "goods_return_line"):
            lived.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {name}"))
    for part in statement.split(";"):
        assert lived.execute(text(part)).rowcount != 0  # type: ignore[attr-defined]
    lived.expire_all()
    assert number in broken(lived)
