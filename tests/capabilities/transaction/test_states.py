"""The table of allowed states, walked in every direction."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError
from capabilities.transaction.contract import CloseOrder, ConfirmOrder, Order, OrderStatus
from capabilities.transaction.drafts import save_draft
from capabilities.transaction.models import OrderRow
from capabilities.transaction.queries import find_order, history_of, order_of
from capabilities.transaction.service import (
    close_order,
    confirm_order,
    open_order,
    put_on_hold,
    take_off_hold,
)
from capabilities.transaction.states import ALLOWED, move_order
from tests.builders import an_offer, an_open_order

DRAFT, PLACED, ON_HOLD, CONFIRMED, FULFILLED, COMPLETED, REFUSED, CANCELLED, EXPIRED = OrderStatus

STEPS: dict[str, Callable[[Session, str], object]] = {
    "hold": lambda session, order_id: put_on_hold(session, order_id, "look"),
    "go_on": take_off_hold,
    "confirm": lambda session, order_id: confirm_order(session, ConfirmOrder(order_id=order_id, payment_id="pay_1")),
    "refuse": lambda session, order_id: close_order(session, CloseOrder(order_id=order_id, reason="no")),
    "cancel": lambda session, order_id: close_order(session, CloseOrder(order_id=order_id, is_cancelled=True)),
}

# what each step makes of an order in each state; None: a conflict, and nothing changes
TABLE: dict[OrderStatus, dict[str, OrderStatus | None]] = {
    PLACED: {"hold": ON_HOLD, "go_on": PLACED, "confirm": CONFIRMED, "refuse": REFUSED, "cancel": CANCELLED},
    ON_HOLD: {"hold": ON_HOLD, "go_on": PLACED, "confirm": None, "refuse": REFUSED, "cancel": CANCELLED},
    CONFIRMED: {"hold": None, "go_on": None, "confirm": CONFIRMED, "refuse": CONFIRMED, "cancel": CONFIRMED},
    REFUSED: {"hold": None, "go_on": None, "confirm": None, "refuse": REFUSED, "cancel": REFUSED},
    CANCELLED: {"hold": None, "go_on": None, "confirm": None, "refuse": CANCELLED, "cancel": CANCELLED},
}

WAYS: dict[OrderStatus, list[str]] = {
    PLACED: [],
    ON_HOLD: ["hold"],
    CONFIRMED: ["confirm"],
    REFUSED: ["refuse"],
    CANCELLED: ["hold", "cancel"],
}


def an_order_in(session: Session, status: OrderStatus) -> Order:
    an_offer(session, "advice", stock=None)
    order = open_order(session, an_open_order([("advice", 1)]))
    for step in WAYS[status]:
        STEPS[step](session, order.id)
    found = order_of(session, order.id)
    assert found.status is status
    return found


@pytest.mark.parametrize("status", TABLE)
@pytest.mark.parametrize("step", STEPS)
def test_each_step_in_each_state(session: Session, status: OrderStatus, step: str) -> None:
    before = an_order_in(session, status)
    expected = TABLE[status][step]
    if expected is None:
        with pytest.raises(ConflictError) as caught:
            STEPS[step](session, before.id)
        assert caught.value.code == "transaction.status_conflict"
        assert caught.value.details == {"order_id": before.id, "status": status.value}
        assert order_of(session, before.id) == before
    else:
        STEPS[step](session, before.id)
        assert order_of(session, before.id).status is expected


def test_nothing_follows_an_end() -> None:
    assert {status for status, after in ALLOWED.items() if not after} == {COMPLETED, REFUSED, CANCELLED, EXPIRED}
    assert set(ALLOWED) == set(OrderStatus)


SHORTEST: dict[OrderStatus, list[OrderStatus]] = {
    PLACED: [],
    ON_HOLD: [ON_HOLD],
    CONFIRMED: [CONFIRMED],
    FULFILLED: [CONFIRMED, FULFILLED],
    COMPLETED: [CONFIRMED, FULFILLED, COMPLETED],
    REFUSED: [REFUSED],
    CANCELLED: [CANCELLED],
    EXPIRED: [EXPIRED],
}


def moved(session: Session, order: Order, to: OrderStatus) -> Order:
    also = {"confirmed_at": now()} if to is CONFIRMED else {}
    return move_order(session, order, to, "why", **also)


@pytest.mark.parametrize("start", OrderStatus)
@pytest.mark.parametrize("to", OrderStatus)
def test_every_pair_of_states_is_allowed_or_a_conflict(session: Session, start: OrderStatus, to: OrderStatus) -> None:
    an_offer(session, "advice", stock=None)
    if start is DRAFT:
        order = save_draft(session, "ord_draft", an_open_order([("advice", 1)], run_id=""), {})
    else:
        order = open_order(session, an_open_order([("advice", 1)]))
        for step in SHORTEST[start]:
            order = moved(session, order, step)
    before = history_of(session, order.id)
    if to in ALLOWED[start]:
        assert moved(session, order, to).status is to
        last = history_of(session, order.id)[-1]
        assert (last.from_status, last.to_status, last.reason) == (start, to, "why")
    else:
        with pytest.raises(ConflictError) as caught:
            moved(session, order, to)
        assert caught.value.details == {"order_id": order.id, "status": start.value}
        assert history_of(session, order.id) == before
    found = find_order(session, order.id)
    assert found is not None
    assert found.status is (to if to in ALLOWED[start] else start)


def test_a_status_seen_before_somebody_else_moved_it_is_a_conflict(session: Session) -> None:
    seen = an_order_in(session, PLACED)
    STEPS["cancel"](session, seen.id)
    with pytest.raises(ConflictError):
        moved(session, seen, CONFIRMED)
    assert order_of(session, seen.id).status is CANCELLED


def test_the_database_knows_the_states(session: Session) -> None:
    order = an_order_in(session, PLACED)
    session.get_one(OrderRow, order.id).status = "lost"
    with pytest.raises(IntegrityError, match="ck_sales_order_status_known"):
        session.flush()


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(walk=st.lists(st.sampled_from(sorted(STEPS)), max_size=12))
def test_any_walk_is_a_path_in_the_table_and_is_kept(engine: Engine, walk: list[str]) -> None:
    with Session(engine) as session:
        order = an_order_in(session, PLACED)
        status = PLACED
        for step in walk:
            expected = TABLE[status][step]
            if expected is None:
                with pytest.raises(ConflictError):
                    STEPS[step](session, order.id)
            else:
                STEPS[step](session, order.id)
                status = expected
            assert order_of(session, order.id).status is status
        changes = history_of(session, order.id)
        assert (changes[0].from_status, changes[0].to_status) == (None, PLACED)
        for earlier, later in pairwise(changes):
            assert later.from_status is earlier.to_status
            assert later.to_status in ALLOWED[earlier.to_status]
        assert changes[-1].to_status is status
        session.rollback()
