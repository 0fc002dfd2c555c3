"""What is due when: the arithmetic of terms, and dues that are collected once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel.errors import ConflictError, InvalidError, RefusedError
from capabilities.kernel.outbox import events_of
from capabilities.payment import schedule_service as service
from capabilities.payment.schedule import DueFilters, DueStatus, DueWhen, PlannedDue, dues_of, less_owed, terms_of
from capabilities.payment.schedule_queries import (
    due_of,
    dues_page,
    dues_to_collect,
    owed_of,
    owed_of_order,
    schedule_of,
)
from capabilities.payment.terms import AllNow, Deposit, Instalments, OnDelivery, RefuseTerms

AT = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
"""In Shanghai it is four in the morning of the 26th."""

ZONE = "Asia/Shanghai"


def planned(*amounts: int, first_day: int = 1) -> list[PlannedDue]:
    return [
        PlannedDue(when=DueWhen.AT, amount_minor=amount, due_at=AT + timedelta(days=first_day + place))
        for place, amount in enumerate(amounts)
    ]


def written(session: Session, order_id: str, dues: list[PlannedDue], buyer_id: str | None = "b-1") -> None:
    service.write_schedule(
        session, business="finance", order_id=order_id, buyer_id=buyer_id, currency="CNY", planned=dues
    )


# --- arithmetic -------------------------------------------------------------------------------------------------


def test_without_terms_all_is_due_now() -> None:
    assert terms_of([]) == AllNow()
    assert dues_of(AllNow(), 1_000, at=AT, zone=ZONE) == (PlannedDue(when=DueWhen.NOW, amount_minor=1_000),)


def test_three_instalments_of_a_hundred_begin_now_and_fall_at_nine_of_the_business() -> None:
    dues = dues_of(Instalments(count=3, days_between=30), 10_000, at=AT, zone=ZONE)
    assert [(due.when, due.amount_minor) for due in dues] == [
        (DueWhen.NOW, 3_334),
        (DueWhen.AT, 3_333),
        (DueWhen.AT, 3_333),
    ]
    assert [due.due_at for due in dues] == [
        None,
        datetime(2026, 12, 26, 1, 0, tzinfo=UTC),
        datetime(2027, 1, 25, 1, 0, tzinfo=UTC),
    ]


def test_instalments_may_begin_after_one_interval() -> None:
    dues = dues_of(Instalments(count=2, days_between=7, first_now=False), 101, at=AT, zone="UTC")
    assert [(due.when, due.amount_minor, due.due_at) for due in dues] == [
        (DueWhen.AT, 51, datetime(2026, 12, 2, 9, tzinfo=UTC)),
        (DueWhen.AT, 50, datetime(2026, 12, 9, 9, tzinfo=UTC)),
    ]


def test_a_deposit_leaves_the_balance_for_a_day_before_the_service() -> None:
    terms = Deposit(rate_bps=3_000, days_before=14)
    assert dues_of(terms, 99_999, at=AT, zone=ZONE, service_date=date(2027, 1, 20)) == (
        PlannedDue(when=DueWhen.NOW, amount_minor=30_000),
        PlannedDue(when=DueWhen.AT, amount_minor=69_999, due_at=datetime(2027, 1, 6, 1, tzinfo=UTC)),
    )


def test_a_deposit_whose_balance_would_be_due_already_is_paid_whole() -> None:
    terms = Deposit(rate_bps=3_000, days_before=14)
    # fourteen days before the tenth of December is the 26th of November, which has begun in Shanghai
    assert dues_of(terms, 500, at=AT, zone=ZONE, service_date=date(2026, 12, 10)) == (
        PlannedDue(when=DueWhen.NOW, amount_minor=500),
    )


def test_a_deposit_without_a_day_of_service_is_a_mistake_of_the_rules() -> None:
    with pytest.raises(InvalidError) as refused:
        dues_of(Deposit(rate_bps=3_000, days_before=14), 500, at=AT, zone=ZONE)
    assert refused.value.code == "payment.service_date_missing"


def test_cash_on_delivery_has_a_limit() -> None:
    assert dues_of(OnDelivery(most_minor=500), 500, at=AT, zone=ZONE) == (
        PlannedDue(when=DueWhen.ON_DELIVERY, amount_minor=500),
    )
    with pytest.raises(RefusedError) as refused:
        dues_of(OnDelivery(most_minor=500), 501, at=AT, zone=ZONE)
    assert refused.value.code == "payment.terms_refused"


def test_refused_terms_say_why() -> None:
    with pytest.raises(RefusedError) as refused:
        dues_of(RefuseTerms(reason="No credit for guests."), 500, at=AT, zone=ZONE)
    assert refused.value.message == "No credit for guests."


def test_what_costs_nothing_is_never_due() -> None:
    assert dues_of(Instalments(count=3), 0, at=AT, zone=ZONE) == ()


@given(total=st.integers(1, 10**9), count=st.integers(2, 60), first_now=st.booleans())
def test_instalments_add_up_to_the_total_and_differ_by_one_at_most(total: int, count: int, *, first_now: bool) -> None:
    dues = dues_of(Instalments(count=count, first_now=first_now), total, at=AT, zone=ZONE)
    amounts = [due.amount_minor for due in dues]
    assert sum(amounts) == total
    assert max(amounts) - min(amounts) <= 1
    days = [due.due_at for due in dues if due.due_at is not None]
    assert all(later - earlier == timedelta(days=30) for earlier, later in pairwise(days))


# --- dues that are written --------------------------------------------------------------------------------------


def test_a_schedule_is_written_once(session: Session) -> None:
    written(session, "ord_1", planned(50, 50))
    written(session, "ord_1", planned(50, 50))
    assert [due.amount_minor for due in schedule_of(session, "ord_1")] == [50, 50]
    with pytest.raises(ConflictError):
        written(session, "ord_1", planned(60, 40))


def test_the_confirmed_order_has_paid_what_was_due_now_and_waits_for_the_rest(session: Session) -> None:
    written(session, "ord_2", [PlannedDue(when=DueWhen.NOW, amount_minor=40), *planned(30, 30)])
    assert dues_to_collect(session, at=AT + timedelta(days=9), limit=10) == ()
    service.start_schedule(session, "ord_2", payment_id="pay_1")
    first, second, third = schedule_of(session, "ord_2")
    assert (first.status, first.payment_id) == (DueStatus.PAID, "pay_1")
    assert owed_of_order(session, "ord_2") == 60
    assert dues_to_collect(session, at=AT + timedelta(days=1), limit=10) == (second,)
    assert dues_to_collect(session, at=AT + timedelta(days=9), limit=10) == (second, third)


def test_a_claim_is_settled_once_and_told_once(session: Session) -> None:
    written(session, "ord_3", planned(30, 70))
    (claimed,) = service.claim_dues(session, "ord_3", claim="c-1", positions=[1])
    assert (claimed.position, claimed.status) == (1, DueStatus.COLLECTING)
    assert service.claim_dues(session, "ord_3", claim="c-1", positions=[1]) == (claimed,)
    service.settle_dues(session, "c-1", payment_id="pay_2", by="provider")
    service.settle_dues(session, "c-1", payment_id="pay_2", by="provider")
    assert due_of(session, "ord_3", 1).status is DueStatus.PAID
    assert [event.type for event in events_of(session, "ord_3")] == ["payment.due_paid"]
    with pytest.raises(ConflictError):
        service.claim_dues(session, "ord_3", claim="c-2", positions=[1])


def test_paying_early_claims_all_that_is_open(session: Session) -> None:
    written(session, "ord_4", planned(10, 20, 30))
    service.claim_dues(session, "ord_4", claim="c-0", positions=[0])
    service.settle_dues(session, "c-0", payment_id=None, by="provider")
    assert [due.amount_minor for due in service.claim_dues(session, "ord_4", claim="c-all")] == [20, 30]


def test_a_declined_due_is_tried_on_three_days_and_then_waits_for_a_person(session: Session) -> None:
    written(session, "ord_5", planned(10))
    service.start_schedule(session, "ord_5", payment_id=None)
    for attempt in range(1, 4):
        with time_machine.travel(AT + timedelta(days=attempt), tick=False):
            service.claim_dues(session, "ord_5", claim=f"c-{attempt}", positions=[0])
            assert service.reopen_dues(session, f"c-{attempt}", reason="insufficient_funds", is_declined=True) == 1
    due = due_of(session, "ord_5", 0)
    assert (due.attempts, due.next_try_at, due.reason) == (3, None, "insufficient_funds")
    first = schedule_of(session, "ord_5")[0]
    assert first.status is DueStatus.OPEN


def test_a_refund_of_what_was_never_paid_shrinks_the_last_dues(session: Session) -> None:
    written(session, "ord_6", planned(40, 30, 30))
    service.owe_less(session, "ord_6", 50)
    assert [(due.amount_minor, due.status) for due in schedule_of(session, "ord_6")] == [
        (40, DueStatus.OPEN),
        (10, DueStatus.OPEN),
        (0, DueStatus.CANCELLED),
    ]
    with pytest.raises(RefusedError):
        service.owe_less(session, "ord_6", 51)
    assert owed_of_order(session, "ord_6") == 50


def test_a_due_that_is_being_collected_does_not_shrink(session: Session) -> None:
    written(session, "ord_7", planned(40, 30))
    service.claim_dues(session, "ord_7", claim="c-7", positions=[1])
    assert less_owed(schedule_of(session, "ord_7"), 40) == {0: 0}
    with pytest.raises(RefusedError):
        less_owed(schedule_of(session, "ord_7"), 41)


def test_what_a_buyer_owes_counts_all_orders_and_what_is_late(session: Session) -> None:
    written(session, "ord_8", planned(10, 20), buyer_id="b-8")
    written(session, "ord_9", planned(5), buyer_id="b-8")
    owed = owed_of(session, "finance", "b-8", "CNY", at=AT + timedelta(days=1, seconds=1))
    assert (owed.owed_minor, owed.overdue_minor) == (35, 15)


def test_pages_of_dues_go_by_their_day_and_leave_none_out(session: Session) -> None:
    written(session, "ord_10", [*planned(1, 2), PlannedDue(when=DueWhen.ON_DELIVERY, amount_minor=3)], buyer_id="b-10")
    written(session, "ord_11", planned(4, 5), buyer_id="b-10")
    filters = DueFilters(business="finance", buyer_id="b-10")
    seen: list[int] = []
    after = None
    while True:
        page = dues_page(session, filters, after=after, limit=2)
        seen += [due.amount_minor for due in page.dues]
        after = page.next_cursor
        if after is None:
            break
    assert seen == [1, 4, 2, 5, 3]


def test_a_written_off_due_is_owed_no_longer(session: Session) -> None:
    written(session, "ord_12", planned(10))
    service.claim_dues(session, "ord_12", claim="w-1", positions=[0])
    service.write_off(session, "ord_12", 0, claim="w-1", reason="bankrupt")
    assert service.write_off(session, "ord_12", 0, claim="w-1", reason="bankrupt").status is DueStatus.WRITTEN_OFF
    assert owed_of_order(session, "ord_12") == 0


def test_of_sixteen_who_collect_one_due_at_once_one_does(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        written(session, "ord_race", planned(100), buyer_id=None)

    def collect(number: int) -> bool:
        try:
            with sessions.begin() as session:
                service.claim_dues(session, "ord_race", claim=f"race-{number}", positions=[0])
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(collect, range(16))) == 1
