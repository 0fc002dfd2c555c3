"""Holding, securing, committing, releasing and expiring stock; also by many at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import TypeVar

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, RefusedError
from capabilities.transaction.contract import CloseOrder, OrderStatus, ReservationStatus
from capabilities.transaction.models import ReservationRow, StockRow
from capabilities.transaction.queries import offers_of, reservations_of
from capabilities.transaction.service import (
    close_order,
    commit_stock,
    expire_reservations,
    hold_stock,
    open_order,
    put_on_hold,
    release_stock,
    secure_stock,
    take_off_hold,
)
from tests.builders import an_offer, an_open_order

Found = TypeVar("Found")


def order_for(session: Session, run: str, *pieces: tuple[str, int]) -> str:
    return open_order(session, an_open_order(pieces, run_id=run)).id


def available(session: Session, sku: str = "tea") -> int | None:
    return offers_of(session, "retail", [sku])[sku].available_units


def on_hand(session: Session, sku: str = "tea") -> int:
    row = session.get_one(StockRow, ("retail", sku), populate_existing=True)
    return row.on_hand


def statuses(session: Session, order_id: str) -> list[str]:
    return [row.status.value for row in reservations_of(session, order_id)]


def test_a_hold_takes_from_what_is_available_not_from_what_is_on_hand(session: Session) -> None:
    an_offer(session, stock=10)
    hold = hold_stock(session, order_for(session, "r", ("tea", 4)))
    assert hold.held == 1
    assert hold.expires_at is not None
    assert timedelta(minutes=14) < hold.expires_at - now() <= timedelta(minutes=15)
    assert (available(session), on_hand(session)) == (6, 10)


def test_lines_of_one_sku_share_a_reservation(session: Session) -> None:
    an_offer(session, stock=10)
    order_id = order_for(session, "r", ("tea", 4), ("tea", 3))
    assert hold_stock(session, order_id).held == 1
    assert [row.quantity for row in reservations_of(session, order_id)] == [7]


def test_holding_twice_holds_once(session: Session) -> None:
    an_offer(session, stock=10)
    order_id = order_for(session, "r", ("tea", 4))
    assert hold_stock(session, order_id) == hold_stock(session, order_id)
    assert available(session) == 6


def test_what_has_no_stock_needs_no_hold(session: Session) -> None:
    an_offer(session, "advice", stock=None)
    order_id = order_for(session, "r", ("advice", 4))
    assert hold_stock(session, order_id).model_dump() == {"held": 0, "expires_at": None}
    assert (secure_stock(session, order_id), commit_stock(session, order_id)) == (0, 0)


def test_a_shortage_names_every_short_sku_and_holds_nothing(session: Session) -> None:
    an_offer(session, "tea", stock=3)
    an_offer(session, "cup", stock=1)
    an_offer(session, "pot", stock=9)
    order_id = order_for(session, "r", ("tea", 4), ("pot", 1), ("cup", 2))
    with pytest.raises(ConflictError) as caught:
        hold_stock(session, order_id)
    assert caught.value.code == "transaction.stock_short"
    assert caught.value.message == "Of cup 2 were asked, 1 are available. 1 more of the order are short too."
    assert caught.value.details["short"] == [
        {"sku": "cup", "asked": 2, "available": 1},
        {"sku": "tea", "asked": 4, "available": 3},
    ]
    assert [available(session, sku) for sku in ("tea", "cup", "pot")] == [3, 1, 9]


def test_committed_pieces_leave_the_stock_once(session: Session) -> None:
    an_offer(session, stock=10)
    order_id = order_for(session, "r", ("tea", 4))
    hold_stock(session, order_id)
    assert secure_stock(session, order_id) == 1
    assert secure_stock(session, order_id) == 1
    assert commit_stock(session, order_id) == 1
    assert commit_stock(session, order_id) == 1
    assert (available(session), on_hand(session)) == (6, 6)
    assert release_stock(session, order_id) == 0
    assert statuses(session, order_id) == ["committed"]


def test_released_pieces_are_available_again_once(session: Session) -> None:
    an_offer(session, stock=10)
    order_id = order_for(session, "r", ("tea", 4))
    hold_stock(session, order_id)
    assert (release_stock(session, order_id), release_stock(session, order_id)) == (1, 0)
    assert (available(session), on_hand(session)) == (10, 10)


def test_a_hold_that_ran_out_cannot_be_secured_nor_committed(session: Session) -> None:
    an_offer(session, stock=10)
    order_id = order_for(session, "r", ("tea", 4))
    hold_stock(session, order_id)
    with time_machine.travel(now() + timedelta(minutes=16)):
        for attempt in (secure_stock, commit_stock):
            with pytest.raises(RefusedError) as caught:
                attempt(session, order_id)
            assert caught.value.code == "transaction.reservation_expired"
    assert statuses(session, order_id) == ["held"]


def test_a_secured_hold_does_not_expire(session: Session) -> None:
    an_offer(session, stock=10)
    order_id = order_for(session, "r", ("tea", 4))
    hold_stock(session, order_id)
    secure_stock(session, order_id)
    with time_machine.travel(now() + timedelta(days=2)):
        assert expire_reservations(session) == 0
        assert commit_stock(session, order_id) == 1
    assert on_hand(session) == 6


def test_an_order_that_costs_nothing_commits_without_securing(session: Session) -> None:
    an_offer(session, stock=10)
    order_id = order_for(session, "r", ("tea", 4))
    hold_stock(session, order_id)
    assert commit_stock(session, order_id) == 1


def test_the_sweeper_gives_back_what_ran_out_oldest_first(session: Session) -> None:
    an_offer(session, stock=10)
    first, second = order_for(session, "r1", ("tea", 2)), order_for(session, "r2", ("tea", 3))
    hold_stock(session, first)
    with time_machine.travel(now() + timedelta(minutes=5)):
        hold_stock(session, second)
    with time_machine.travel(now() + timedelta(hours=1)):
        assert expire_reservations(session, limit=1) == 1
        assert (statuses(session, first), statuses(session, second)) == (["expired"], ["held"])
        assert expire_reservations(session) == 1
        assert expire_reservations(session) == 0
    assert available(session) == 10


def test_a_short_stock_first_takes_back_what_ran_out(session: Session) -> None:
    an_offer(session, stock=5)
    left, wanted = order_for(session, "r1", ("tea", 4)), order_for(session, "r2", ("tea", 4))
    hold_stock(session, left)
    with pytest.raises(ConflictError):
        hold_stock(session, wanted)
    with time_machine.travel(now() + timedelta(minutes=16)):
        assert hold_stock(session, wanted).held == 1
    assert statuses(session, left) == ["expired"]
    assert available(session) == 1


def test_an_order_whose_hold_ran_out_closes_as_expired(session: Session) -> None:
    an_offer(session)
    order_id = order_for(session, "r", ("tea", 4))
    hold_stock(session, order_id)
    with time_machine.travel(now() + timedelta(minutes=16)):
        expire_reservations(session)
    closed = close_order(session, CloseOrder(order_id=order_id, reason="transaction.reservation_expired"))
    assert closed is not None
    assert closed.status is OrderStatus.EXPIRED


def test_an_order_on_hold_keeps_its_pieces_while_a_person_looks(session: Session) -> None:
    an_offer(session, stock=10)
    order_id = order_for(session, "r", ("tea", 4))
    hold_stock(session, order_id)
    put_on_hold(session, order_id, "above 20,000")
    put_on_hold(session, order_id, "above 20,000")
    with time_machine.travel(now() + timedelta(hours=48)):
        assert expire_reservations(session) == 0
        assert take_off_hold(session, order_id).status is OrderStatus.PLACED
        (row,) = reservations_of(session, order_id)
        assert row.expires_at - now() <= timedelta(minutes=15)
        assert secure_stock(session, order_id) == 1


def test_the_database_itself_refuses_negative_stock(session: Session) -> None:
    an_offer(session, stock=1)
    with pytest.raises(IntegrityError, match="ck_stock_available_not_negative"):
        session.execute(update(StockRow).values(reserved=2))


@pytest.mark.parametrize("end", ["hold", "close"])
def test_nothing_is_charged_for_an_order_that_is_not_open(session: Session, end: str) -> None:
    an_offer(session, "advice", stock=None)
    order_id = order_for(session, "r", ("advice", 1))
    if end == "hold":
        put_on_hold(session, order_id, "x")
    else:
        close_order(session, CloseOrder(order_id=order_id, is_cancelled=True))
    with pytest.raises(RefusedError) as caught:
        secure_stock(session, order_id)
    assert caught.value.code == "transaction.order_not_open"


# --- many at once -----------------------------------------------------------------------------------------------


def at_once(count: int, work: Callable[[int], Found]) -> list[Found]:
    """Run `work` in `count` threads that begin together."""
    start = Barrier(count)

    def begin(number: int) -> Found:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


def invariant_breaks(session: Session) -> int:
    """Stock rows whose `reserved` is not the sum of their held and secured reservations."""
    return int(
        session.scalar(
            text(
                "SELECT count(*) FROM stock s WHERE reserved <> coalesce((SELECT sum(quantity) FROM reservation r"
                " WHERE r.business = s.business AND r.sku = s.sku AND r.status IN ('held', 'secured')), 0)"
            )
        )
        or 0
    )


def test_fifty_buyers_of_the_last_twenty_pieces_buy_exactly_twenty(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        an_offer(session, stock=20)

    def buy(number: int) -> str:
        with sessions() as session:
            try:
                with session.begin():
                    order_id = order_for(session, f"run_{number}", ("tea", 1))
                    hold_stock(session, order_id)
                with session.begin():
                    secure_stock(session, order_id)
                with session.begin():
                    commit_stock(session, order_id)
            except ConflictError as short:
                return short.code
            return "bought"

    assert Counter(at_once(50, buy)) == {"bought": 20, "transaction.stock_short": 30}
    with sessions() as session:
        assert (on_hand(session), available(session)) == (0, 0)
        assert session.scalar(text("SELECT count(*) FROM sales_order")) == 20
        assert invariant_breaks(session) == 0


def test_orders_of_the_same_skus_in_any_order_never_wait_in_a_circle(sessions: sessionmaker[Session]) -> None:
    skus = [f"sku-{number}" for number in range(6)]
    with sessions.begin() as session:
        for sku in skus:
            an_offer(session, sku, stock=1_000)

    def buy(number: int) -> int:
        turned = skus[number % 6 :] + skus[: number % 6]
        if number % 2:
            turned.reverse()
        with sessions.begin() as session:
            order_id = order_for(session, f"run_{number}", *((sku, 1) for sku in turned))
            hold_stock(session, order_id)
        with sessions.begin() as session:
            return commit_stock(session, order_id) if number % 3 else release_stock(session, order_id)

    assert at_once(24, buy) == [6] * 24
    with sessions() as session:
        assert {on_hand(session, sku) for sku in skus} == {1_000 - 16}
        assert invariant_breaks(session) == 0


def test_of_expiry_and_securing_exactly_one_wins(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        an_offer(session, stock=100)
        orders = [order_for(session, f"run_{number}", ("tea", 2)) for number in range(20)]
        for order_id in orders:
            hold_stock(session, order_id)
        # they run out one after the other while the race is on
        for number, order_id in enumerate(orders):
            soon = update(ReservationRow).where(ReservationRow.order_id == order_id)
            session.execute(soon.values(expires_at=now() + timedelta(milliseconds=15 * number)))

    def race(number: int) -> str:
        with sessions.begin() as session:
            if number % 2:
                expire_reservations(session)
                return "swept"
        with sessions() as session:
            try:
                with session.begin():
                    secure_stock(session, orders[number // 2])
                with session.begin():
                    commit_stock(session, orders[number // 2])
            except RefusedError:
                return "expired"
            return "committed"

    with ThreadPoolExecutor(8) as pool:
        ends = Counter(end for end in pool.map(race, range(40)) if end != "swept")
    with sessions.begin() as session:
        session.execute(update(ReservationRow).where(ReservationRow.status == "held").values(expires_at=now()))
        expire_reservations(session)
        found = Counter(status for order_id in orders for status in statuses(session, order_id))
        assert found == Counter({k: v for k, v in ends.items() if v})
        assert on_hand(session) == 100 - 2 * ends["committed"]
        assert available(session) == on_hand(session)
        assert invariant_breaks(session) == 0


def test_a_hold_being_secured_is_not_taken_back_by_a_shortage(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        an_offer(session, stock=1)
        first, second = order_for(session, "r1", ("tea", 1)), order_for(session, "r2", ("tea", 1))
        hold_stock(session, first)
    with sessions() as securing:
        secure_stock(securing, first)
        with time_machine.travel(now() + timedelta(minutes=16)), sessions() as other, pytest.raises(ConflictError):
            hold_stock(other, second)
        securing.commit()
    with sessions() as session:
        assert statuses(session, first) == ["secured"]


def test_of_closing_and_securing_exactly_one_wins(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        an_offer(session, stock=100)
        orders = [order_for(session, f"run_{number}", ("tea", 1)) for number in range(12)]
        for order_id in orders:
            hold_stock(session, order_id)

    def race(number: int) -> str | None:
        order_id = orders[number // 2]
        with sessions() as session:
            if number % 2:
                with session.begin():
                    close_order(session, CloseOrder(order_id=order_id, is_cancelled=True))
                return None
            try:
                with session.begin():
                    secure_stock(session, order_id)
                    return statuses(session, order_id)[0]
            except RefusedError as refused:
                return refused.code

    ends = {end for end in at_once(24, race) if end}
    assert ends <= {"secured", "transaction.order_not_open"}
    with sessions() as session:
        assert {status for order_id in orders for status in statuses(session, order_id)} == {"released"}
        assert invariant_breaks(session) == 0


# --- any walk ---------------------------------------------------------------------------------------------------

STEPS = ("hold", "secure", "commit", "release", "later", "sweep")


@settings(max_examples=40)
@given(walk=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 2)), max_size=25))
def test_any_walk_keeps_stock_and_reservations_in_step(engine: Engine, walk: list[tuple[str, int]]) -> None:
    acts: dict[str, Callable[[Session, str], object]] = {
        "hold": hold_stock,
        "secure": secure_stock,
        "commit": commit_stock,
        "release": release_stock,
    }
    with Session(engine) as session, time_machine.travel(now(), tick=False) as clock:
        an_offer(session, stock=5)
        orders = [order_for(session, f"run_{number}", ("tea", number + 1)) for number in range(3)]
        for step, number in walk:
            before = [statuses(session, order_id) for order_id in orders]
            if step == "later":
                clock.shift(timedelta(minutes=6))
            elif step == "sweep":
                expire_reservations(session)
            else:
                try:
                    with session.begin_nested():
                        acts[step](session, orders[number])
                except (ConflictError, RefusedError):
                    assert [statuses(session, order_id) for order_id in orders] == before
            reserved = [row for order_id in orders for row in reservations_of(session, order_id)]
            gone = sum(row.quantity for row in reserved if row.status is ReservationStatus.COMMITTED)
            assert on_hand(session) == 5 - gone
            assert invariant_breaks(session) == 0
            for was, order_id in zip(before, orders, strict=True):
                if was in (["committed"], ["released"], ["expired"]):
                    assert statuses(session, order_id) == was
        session.rollback()
