"""Points and cashback: granted once, taken back as far as they are there, the rest owed; expired oldest first."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capabilities.account.contract import AccountKind
from capabilities.account.extensions import points_life_days
from capabilities.account.points import (
    expire_points,
    grant_cashback,
    grant_points,
    take_back_cashback,
    take_back_points,
)
from capabilities.account.queries import balance_of, trial_balance
from capabilities.account.queries_stored import stored_balance_of, value_of_points
from capabilities.account.stored import (
    GrantCashback,
    GrantPoints,
    PointValue,
    TakeBackCashback,
    TakeBackPoints,
    points_of,
    wallet_of,
)
from capabilities.kernel.clock import now
from capabilities.kernel.identity import BusinessIdentity
from tests.capabilities.account.ledgers import ORIGIN, TRANSIT, account, move, post

RETAIL = BusinessIdentity("retail")
ABOUT = {"business": "retail", "buyer_id": "ann", "currency": "CNY", "subject": "order"}


def earn(session, points, key="k"):
    return grant_points(session, GrantPoints(key=key, points=points, **ABOUT), origin=ORIGIN)


def lose(session, points, key="k"):
    return take_back_points(session, TakeBackPoints(key=key, points=points, **ABOUT), origin=ORIGIN)


def spend(session, points, id_="spent"):
    """Points leave by an exchange pair, as a payment takes them."""
    value = value_of_points(RETAIL, "CNY")
    post(
        session,
        move(
            id_,
            points_of("retail", "ann"),
            account(AccountKind.EXCHANGE, currency="PTS"),
            points,
            exchange=value.exchange(f"{id_}v"),
        ),
        move(
            f"{id_}v", account(AccountKind.EXCHANGE), TRANSIT, points, exchange=value.exchange(f"{id_}v").of_other(id_)
        ),
    )


def stands(session):
    found = stored_balance_of(session, RETAIL, "ann", "CNY")
    assert [page.difference_minor for page in trial_balance(session, "retail")] == [0, 0]
    return found


def test_points_earned_cost_what_they_are_worth_and_are_granted_once(session):
    first = earn(session, 250)
    assert earn(session, 250) == first
    found = stands(session)
    assert (found.points, found.points_worth_minor, found.debt_points) == (250, 250, 0)
    assert balance_of(session, account(AccountKind.MARKETING_EXPENSE)).minor == 250
    assert balance_of(session, account(AccountKind.EXCHANGE)).minor == -250


def test_points_taken_back_are_gone_and_cost_nothing(session):
    earn(session, 250)
    first = lose(session, 100)
    assert lose(session, 100) == first
    assert stands(session).points == 150
    assert balance_of(session, account(AccountKind.MARKETING_EXPENSE)).minor == 150


def test_points_that_were_spent_meanwhile_become_a_debt_that_the_next_ones_settle(session):
    earn(session, 250)
    spend(session, 200)
    lose(session, 250)
    assert (stands(session).points, stands(session).debt_points) == (0, 200)

    earn(session, 150, "k2")
    assert (stands(session).points, stands(session).debt_points) == (0, 50)
    earn(session, 150, "k3")
    assert (stands(session).points, stands(session).debt_points) == (100, 0)
    assert balance_of(session, account(AccountKind.MARKETING_EXPENSE)).minor == 300


def test_cashback_is_granted_taken_back_and_owed_likewise(session):
    about = ABOUT | {"amount_minor": 10_00}
    first = grant_cashback(session, GrantCashback(key="k", **about), origin=ORIGIN)
    assert grant_cashback(session, GrantCashback(key="k", **about), origin=ORIGIN) == first
    post(session, move("spent", wallet_of("retail", "ann", "CNY"), TRANSIT, 7_00))
    for _ in range(2):
        take_back_cashback(session, TakeBackCashback(key="k", **about), origin=ORIGIN)
    found = stored_balance_of(session, RETAIL, "ann", "CNY")
    assert (found.wallet_minor, found.debt_minor) == (0, 7_00)

    grant_cashback(session, GrantCashback(key="k2", **about), origin=ORIGIN)
    found = stored_balance_of(session, RETAIL, "ann", "CNY")
    assert (found.wallet_minor, found.debt_minor) == (3_00, 0)
    assert balance_of(session, account(AccountKind.MARKETING_EXPENSE)).minor == 10_00


def test_points_expire_the_oldest_first_and_what_was_spent_is_the_oldest(session, monkeypatch):
    ways = dict(points_life_days._realizations) | {RETAIL: lambda: 30}
    monkeypatch.setattr(points_life_days, "_realizations", ways)
    start = now()
    for day, points in ((0, 100), (20, 50)):
        with time_machine.travel(start + timedelta(days=day), tick=False):
            earn(session, points, f"k{day}")
    with time_machine.travel(start + timedelta(days=25), tick=False):
        spend(session, 70)
        assert expire_points(session, RETAIL, "CNY", origin=ORIGIN) == 0
    with time_machine.travel(start + timedelta(days=31), tick=False):
        assert [expire_points(session, RETAIL, "CNY", origin=ORIGIN) for _ in range(2)] == [30, 0]
    assert stands(session).points == 50
    with time_machine.travel(start + timedelta(days=51), tick=False):
        assert expire_points(session, RETAIL, "CNY", origin=ORIGIN) == 50
    assert balance_of(session, account(AccountKind.BREAKAGE_REVENUE)).minor == 80


def test_where_nothing_is_said_points_live_for_ever(session):
    earn(session, 10)
    with time_machine.travel(now() + timedelta(days=9_999), tick=False):
        assert expire_points(session, RETAIL, "CNY", origin=ORIGIN) == 0


@given(st.integers(1, 10**9), st.integers(1, 500), st.integers(1, 500))
def test_points_that_pay_an_amount_are_enough_and_not_one_too_many(amount, numerator, denominator):
    value = PointValue(currency="CNY", numerator=numerator, denominator=denominator)
    points = value.points_for(amount)
    assert value.spendable_minor(points) >= amount > value.spendable_minor(points - 1) or points == 1
    assert value.exchange("x").fits(points, amount)
    assert value.exchange("x").fits(points, value.worth_of(points))


@given(st.lists(st.tuples(st.sampled_from(["earn", "lose", "spend"]), st.integers(1, 60)), max_size=12))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_walk_of_points_leaves_what_a_small_model_says(session, walk):
    have = owe = 0
    with session.begin_nested() as savepoint:
        for number, (what, points) in enumerate(walk):
            if what == "earn":
                earn(session, points, f"k{number}")
                settled = min(owe, points)
                have, owe = have + points - settled, owe - settled
            elif what == "lose":
                lose(session, points, f"k{number}")
                taken = min(have, points)
                have, owe = have - taken, owe + points - taken
            elif have:
                spend(session, min(points, have), f"s{number}")
                have -= min(points, have)
        found = stored_balance_of(session, RETAIL, "ann", "CNY")
        assert (found.points, found.debt_points) == (have, owe)
        savepoint.rollback()


def test_points_granted_and_taken_back_by_many_at_once_are_exact(sessions):
    with sessions.begin() as session:
        earn(session, 100, "first")

    def walk(number: int) -> None:
        with sessions.begin() as session:
            earn(session, 7, f"k{number // 2}") if number % 2 else lose(session, 30, f"k{number // 2}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(walk, range(20)))
    with sessions() as session:
        found = stored_balance_of(session, RETAIL, "ann", "CNY")
        assert found.points - found.debt_points == 100 + 10 * 7 - 10 * 30
        assert found.points == 0 or found.debt_points == 0


@pytest.mark.parametrize(("points", "worth"), [(1, 1), (3, 2), (5, 3)])
def test_points_worth_half_a_cent_cost_at_least_one(points, worth):
    assert PointValue(currency="CNY", numerator=1, denominator=2).worth_of(points) == worth


def test_points_that_two_workers_expire_at_once_expire_once(sessions, monkeypatch):
    ways = dict(points_life_days._realizations) | {RETAIL: lambda: 30}
    monkeypatch.setattr(points_life_days, "_realizations", ways)
    start = now()
    with sessions.begin() as session:
        with time_machine.travel(start - timedelta(days=40), tick=False):
            earn(session, 100, "old")
        earn(session, 300, "new")

    def expire(_):
        with sessions.begin() as session:
            return expire_points(session, RETAIL, "CNY", origin=ORIGIN)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(expire, range(4))) == [0, 0, 0, 100]
    with sessions() as session:
        assert stands(session).points == 300
