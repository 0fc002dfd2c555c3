"""Claims on limits: exactly N under any concurrency, each given back once, nothing secured that has run out."""

from __future__ import annotations

import threading
from collections import Counter as Tally
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel.errors import ConflictError, PlatformError, RefusedError
from capabilities.marketing.counting import counters_of, uses_of
from capabilities.marketing.limits import Bearing, Counter, Limit, LimitUse, Occasion
from capabilities.marketing.models import LimitClaimRow, LimitCounterRow
from capabilities.marketing.queries_campaigns import counter_states
from capabilities.marketing.service_limits import (
    claim_limits,
    expire_limits,
    extend_limits,
    redeem_limits,
    release_limits,
    secure_limits,
)

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)


def a_limit(counts: str = "uses", most: int = 1, **about: object) -> Limit:
    return Limit.model_validate({"owner": "rule:rls_1/r1", "name": "Rule 1", "counts": counts, "most": most} | about)


def an_occasion(**about: object) -> Occasion:
    return Occasion.model_validate({"business": "retail", "currency": "CNY", "at": NOW, "buyer_id": "ann"} | about)


def a_use(limit: Limit, amount: int = 1, **about: object) -> LimitUse:
    counters = counters_of([Bearing(limit=limit, rule_ids=("r1",))], an_occasion(**about))
    return uses_of(counters, {"r1": amount})[0]


def claim(session: Session, order_id: str, *uses: LimitUse) -> int:
    return claim_limits(session, order_id, "quo_1", "retail", uses)


def used(session: Session, counter: Counter) -> int:
    return counter_states(session, [counter])[counter.id].used


def statuses(session: Session) -> dict[str, str]:
    rows = session.execute(select(LimitClaimRow.order_id, LimitClaimRow.status))
    return {row.order_id: row.status for row in rows}


def slots(session: Session) -> list[tuple[int, int]]:
    found = select(LimitCounterRow.most, LimitCounterRow.used).order_by(LimitCounterRow.slot)
    return [(row.most, row.used) for row in session.execute(found)]


def at_once(sessions: sessionmaker[Session], work: list[object]) -> list[str]:
    """Every piece of work in a thread and transaction of its own, all begun together; what became of each."""
    ready = threading.Barrier(len(work))
    ended: list[str] = []

    def run(one: object) -> None:
        ready.wait()
        try:
            with sessions.begin() as session:
                one(session)  # type: ignore[operator]
            ended.append("done")
        except PlatformError as error:
            ended.append(error.code)

    threads = [threading.Thread(target=run, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ended


def test_a_claim_is_held_secured_and_redeemed_and_counts_once(session: Session) -> None:
    use = a_use(a_limit(most=5))

    for _ in range(2):
        assert claim(session, "ord_1", use) == 1
        assert secure_limits(session, "ord_1") == 1
    for _ in range(2):
        assert redeem_limits(session, "ord_1") == 1
    assert statuses(session) == {"ord_1": "redeemed"}
    assert used(session, use.counter) == 1
    assert release_limits(session, "ord_1") == 0


def test_the_budget_of_the_design(session: Session) -> None:
    """1,000: 200 and 500 make 700; of another, 900 and 100 make 1,000 and the third is refused."""
    first, second = a_limit("spend", 1_000_00), a_limit("spend", 1_000_00, owner="rule:rls_1/r2")
    for order_id, amount in (("ord_1", 200_00), ("ord_2", 500_00)):
        claim(session, order_id, a_use(first, amount))
    for order_id, amount in (("ord_3", 900_00), ("ord_4", 100_00)):
        claim(session, order_id, a_use(second, amount))

    with pytest.raises(ConflictError) as caught:
        claim(session, "ord_5", a_use(second, 100_00))

    assert used(session, a_use(first).counter) == 700_00
    assert used(session, a_use(second).counter) == 1_000_00
    assert caught.value.code == "marketing.limit_used_up"
    assert caught.value.message == "The budget of Rule 1 is used up."
    assert caught.value.details == {
        "limit": "Rule 1",
        "counts": "spend",
        "rule_ids": ["r1"],
        "left": 0,
        "asked": 100_00,
    }


def test_of_two_limits_the_second_used_up_takes_nothing_of_the_first(session: Session) -> None:
    wide, narrow = a_limit(most=9), a_limit(most=1, per=["buyer"])
    claim(session, "ord_1", a_use(wide), a_use(narrow))

    with pytest.raises(ConflictError):
        claim(session, "ord_2", a_use(wide), a_use(narrow))
    claim(session, "ord_3", a_use(wide, buyer_id="ben"), a_use(narrow, buyer_id="ben"))

    assert used(session, a_use(wide).counter) == 2
    assert statuses(session) == {"ord_1": "held", "ord_3": "held"}


def test_a_claim_given_back_is_free_again_once_and_not_for_the_same_order(session: Session) -> None:
    use = a_use(a_limit(most=1))
    claim(session, "ord_1", use)

    assert release_limits(session, "ord_1") == 1
    assert release_limits(session, "ord_1") == 0
    assert used(session, use.counter) == 0
    with pytest.raises(ConflictError) as caught:
        claim(session, "ord_1", use)
    assert caught.value.code == "marketing.claim_ended"
    assert claim(session, "ord_2", use) == 1


def test_what_ran_out_is_neither_secured_nor_redeemed_and_blocks_nobody(session: Session) -> None:
    use = a_use(a_limit(most=1))
    with time_machine.travel(NOW, tick=False) as clock:
        claim(session, "ord_1", use)
        clock.shift(timedelta(minutes=16))

        for step in (secure_limits, redeem_limits):
            with pytest.raises(RefusedError) as caught:
                step(session, "ord_1")
            assert caught.value.code == "marketing.claim_expired"
        assert claim(session, "ord_2", use) == 1
        assert statuses(session) == {"ord_1": "expired", "ord_2": "held"}
        assert used(session, use.counter) == 1


def test_a_secured_claim_never_runs_out_and_an_extended_one_later(session: Session) -> None:
    use = a_use(a_limit(most=3))
    with time_machine.travel(NOW, tick=False) as clock:
        for order_id in ("ord_1", "ord_2", "ord_3"):
            claim(session, order_id, use)
        secure_limits(session, "ord_1")
        assert extend_limits(session, "ord_2", NOW + timedelta(hours=72)) == 1
        clock.shift(timedelta(hours=1))

        assert expire_limits(session) == 1
        assert expire_limits(session) == 0
        assert statuses(session) == {"ord_1": "secured", "ord_2": "held", "ord_3": "expired"}
        assert used(session, use.counter) == 2


def test_a_day_ends_at_midnight_of_its_zone(session: Session) -> None:
    limit = a_limit(most=1, per=["buyer"], period="day", zone="Asia/Shanghai")
    before = datetime(2026, 11, 25, 15, 59, 59, tzinfo=UTC)
    midnight = datetime(2026, 11, 25, 16, tzinfo=UTC)
    claim(session, "ord_1", a_use(limit, at=before))

    with pytest.raises(ConflictError):
        claim(session, "ord_2", a_use(limit, at=before))
    assert claim(session, "ord_2", a_use(limit, at=midnight)) == 1
    assert a_use(limit, at=before).counter.key == "buyer=ann day=2026-11-25"
    assert a_use(limit, at=midnight).counter.key == "buyer=ann day=2026-11-26"


def test_codes_stores_and_currencies_are_counted_apart(session: Session) -> None:
    limit = a_limit("spend", 100, per=["code", "store"])
    places = [
        {"codes": {"r1": "A"}, "store": "web/"},
        {"codes": {"r1": "B"}, "store": "web/"},
        {"codes": {"r1": "A"}, "store": "app/"},
        {"codes": {"r1": "A"}, "store": "web/", "currency": "EUR"},
    ]
    for number, place in enumerate(places):
        claim(session, f"ord_{number}", a_use(limit, 100, **place))
    with pytest.raises(ConflictError):
        claim(session, "ord_9", a_use(limit, 100, **places[0]))


def test_a_guest_and_another_currency_get_nothing_of_what_cannot_be_counted(session: Session) -> None:
    for use in (
        a_use(a_limit(per=["buyer"]), buyer_id=None),
        a_use(a_limit("spend", 100, currency="EUR", budget_id="bdg_1")),
    ):
        assert counter_states(session, [use.counter])[use.counter.id].left == 0
        with pytest.raises(ConflictError) as caught:
            claim(session, "ord_1", use)
        assert caught.value.code == "marketing.limit_closed"


def test_a_raised_limit_gives_more_and_a_lowered_one_nothing_until_enough_came_back(session: Session) -> None:
    for order in range(4):
        claim(session, f"ord_{order}", a_use(a_limit(most=4)))
    claim(session, "ord_4", a_use(a_limit(most=5)))

    low = a_limit(most=4)
    assert counter_states(session, [a_use(low).counter])[a_use(low).counter.id].left == 0
    release_limits(session, "ord_0")
    with pytest.raises(ConflictError):
        claim(session, "ord_5", a_use(low))
    release_limits(session, "ord_1")
    assert claim(session, "ord_5", a_use(low)) == 1
    assert used(session, a_use(low).counter) == 4


def test_room_is_gathered_from_all_slots_when_none_has_enough(session: Session) -> None:
    limit = a_limit("spend", 1_000_00)
    claim(session, "ord_1", a_use(limit, 1_00))
    assert len(slots(session)) == 10
    claim(session, "ord_2", a_use(limit, 950_00))
    assert claim(session, "ord_3", a_use(limit, 49_00)) == 1
    assert sum(most for most, _ in slots(session)) == sum(taken for _, taken in slots(session)) == 1_000_00


def test_a_budget_that_grows_gets_the_slots_of_its_size(session: Session) -> None:
    small, large = a_limit("spend", 50_00), a_limit("spend", 5_000_00)
    claim(session, "ord_1", a_use(small, 50_00))
    assert slots(session) == [(50_00, 50_00)]

    claim(session, "ord_2", a_use(large, 1_00))
    claim(session, "ord_3", a_use(large, 4_949_00))

    assert len(slots(session)) == 16
    assert sum(most for most, _ in slots(session)) == used(session, a_use(large).counter) == 5_000_00
    with pytest.raises(ConflictError):
        claim(session, "ord_4", a_use(large, 1))


@pytest.mark.parametrize("most", [20, 400])
def test_n_of_ten_n_in_threads(sessions: sessionmaker[Session], most: int) -> None:
    """The counter of 400 has 16 slots; each thread is several checkouts, and exactly 400 get through."""
    limit = a_limit(most=most)
    each = most // 20

    def worker(number: int) -> object:
        def run(session: Session) -> None:
            del session
            for turn in range(each):
                try:
                    with sessions.begin() as own:
                        claim(own, f"ord_{number}_{turn}", a_use(limit))
                except ConflictError as error:
                    assert error.code == "marketing.limit_used_up"  # noqa: PT017 - in a thread

        return run

    assert at_once(sessions, [worker(number) for number in range(30)]) == ["done"] * 30
    with sessions() as session:
        assert len(statuses(session)) == min(most, 30 * each)
        assert used(session, a_use(limit).counter) == min(most, 30 * each)


def test_a_budget_in_money_is_spent_to_the_last_cent_and_no_further(sessions: sessionmaker[Session]) -> None:
    """40 checkouts of 30.00 to 69.00 want more than 1,000.00: what is left is less than the smallest refused."""
    limit = a_limit("spend", 1_000_00)
    amounts = [30_00 + 1_00 * number for number in range(40)]
    work = [
        lambda session, n=number, a=amount: claim(session, f"ord_{n}", a_use(limit, a))
        for number, amount in enumerate(amounts)
    ]

    ended = Tally(at_once(sessions, work))

    assert set(ended) == {"done", "marketing.limit_used_up"}
    with sessions() as session:
        taken = session.scalar(select(func.sum(LimitClaimRow.amount)))
        claimed = set(session.scalars(select(LimitClaimRow.order_id)))
        assert taken == used(session, a_use(limit).counter)
        assert taken <= 1_000_00
        refused = [amount for number, amount in enumerate(amounts) if f"ord_{number}" not in claimed]
        assert 1_000_00 - taken < max(refused)
        assert sum(most for most, _ in slots(session)) == 1_000_00


def test_expiry_and_redemption_of_one_claim_exclude_each_other(sessions: sessionmaker[Session]) -> None:
    use = a_use(a_limit(most=50))
    with sessions.begin() as session:
        for number in range(20):
            claim(session, f"ord_{number}", use)
        session.execute(update(LimitClaimRow).values(expires_at=text("now() + interval '40 milliseconds'")))

    work = [lambda session, n=number: redeem_limits(session, f"ord_{n}") for number in range(20)]
    ended = Tally(at_once(sessions, [*work, *[expire_limits] * 4]))
    with sessions.begin() as session:
        session.execute(text("SELECT pg_sleep(0.05)"))
        expire_limits(session)

    assert set(ended) <= {"done", "marketing.claim_expired"}
    with sessions() as session:
        found = Tally(statuses(session).values())
        assert set(found) <= {"redeemed", "expired"}
        assert found["redeemed"] == ended["done"] - 4
        assert used(session, use.counter) == found["redeemed"]


def test_a_claim_is_given_back_once_by_whoever_comes(sessions: sessionmaker[Session]) -> None:
    use = a_use(a_limit(most=500))
    with sessions.begin() as session:
        for number in range(5):
            claim(session, f"ord_{number}", use)

    work = [lambda session, n=number % 5: release_limits(session, f"ord_{n}") for number in range(20)]
    assert at_once(sessions, work) == ["done"] * 20
    with sessions.begin() as session:
        expire_limits(session)
    with sessions() as session:
        assert set(statuses(session).values()) <= {"released", "expired"}
        assert used(session, use.counter) == 0


def test_orders_that_take_of_several_counters_never_wait_in_a_circle(sessions: sessionmaker[Session]) -> None:
    limits = [a_limit(most=10_000, owner=f"rule:rls_1/r{number}") for number in range(5)]
    single = [a_limit(most=12, owner=f"rule:rls_1/s{number}") for number in range(3)]
    uses = [a_use(limit) for limit in (*limits, *single)]

    def one(session: Session, number: int) -> None:
        claim(session, f"ord_{number}", *(uses[number % 8 :] + uses[: number % 8]))

    work = [lambda session, n=number: one(session, n) for number in range(24)]
    assert Tally(at_once(sessions, work)) == {"done": 12, "marketing.limit_used_up": 12}
    with sessions() as session:
        assert [used(session, use.counter) for use in uses] == [12] * 8
