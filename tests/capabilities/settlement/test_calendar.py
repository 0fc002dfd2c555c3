"""When sellers are paid: business days of a country, days kept closed, and the day as it begins where the business is."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from capabilities.kernel.clock import now
from capabilities.settlement.calendar import business_day_after, calendar_days_later, due_at, is_business_day
from capabilities.settlement.contract import DueDay, Maturing
from capabilities.settlement.models_payout import SellerTransferRow
from capabilities.settlement.queries_payout import due_calendar, timeless, transfers_of_order
from capabilities.settlement.service_holds import close_day
from capabilities.settlement.service_transfers import Started, book, mature, start_times
from tests.capabilities.settlement.sellers import a_refund, a_sale, planned

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("country", "start", "days", "expected"),
    [
        ("CN", date(2026, 3, 6), 1, date(2026, 3, 9)),  # over a weekend
        ("CN", date(2026, 9, 30), 1, date(2026, 10, 8)),  # over the national holidays
        ("CN", date(2026, 10, 9), 1, date(2026, 10, 10)),  # a Saturday that is worked
        ("DE", date(2026, 12, 23), 2, date(2026, 12, 28)),  # over Christmas
        ("SA", date(2026, 3, 5), 1, date(2026, 3, 8)),  # the weekend is Friday and Saturday
        ("ZZ", date(2026, 3, 6), 1, date(2026, 3, 9)),  # a country nobody has listed has weekends only
        ("CN", date(2026, 3, 7), 0, date(2026, 3, 9)),
    ],
)
def test_business_days_skip_weekends_and_public_holidays(country, start, days, expected):
    assert business_day_after(start, days, country) == expected


def test_a_day_kept_closed_is_no_business_day():
    closed = {date(2026, 3, 9)}

    assert not is_business_day(date(2026, 3, 9), "CN", closed)
    assert business_day_after(date(2026, 3, 6), 1, "CN", closed) == date(2026, 3, 10)


def test_the_day_is_the_one_of_the_zone_also_when_clocks_change():
    late = datetime(2026, 3, 2, 20, tzinfo=UTC)  # already the third in Shanghai

    assert due_at(late, 1, zone=SHANGHAI, country="CN") == datetime(2026, 3, 3, 16, tzinfo=UTC)
    before_the_change = datetime(2026, 3, 27, 12, tzinfo=UTC)
    assert due_at(before_the_change, 1, zone=BERLIN, country="DE") == datetime(2026, 3, 29, 22, tzinfo=UTC)
    assert due_at(late, 0, zone=SHANGHAI, country="CN") == late
    assert calendar_days_later(late, 1, zone=SHANGHAI) == datetime(2026, 3, 3, 16, tzinfo=UTC)


def test_money_falls_due_when_its_business_day_begins_and_not_before(session, time_machine):
    time_machine.move_to("2026-03-06T15:00:00+08:00", tick=False)
    a_sale(session, "o1", terms=Maturing(days=1))
    close_day(session, "retail", date(2026, 3, 9), "stocktaking")
    a_sale(session, "o2", terms=Maturing(days=1))

    calendar = due_calendar(session, "retail", first=date(2026, 3, 1), last=date(2026, 3, 31))

    about = {"currency": "CNY", "transfers": 1, "sellers": 1, "amount_minor": 90_00}
    assert calendar == (DueDay(day=date(2026, 3, 9), **about), DueDay(day=date(2026, 3, 10), **about))
    time_machine.move_to("2026-03-08T23:59:59+08:00", tick=False)
    assert (mature(session, "retail").matured, planned(session, "r1").batch) == (0, None)
    time_machine.move_to("2026-03-09T00:00:00+08:00", tick=False)
    assert mature(session, "retail").matured == 1
    assert planned(session, "r2").batch.payouts[0].amount_minor == 90_00


def test_what_has_not_begun_waits_without_a_day(session):
    a_sale(session, "o1", terms=None)
    book(session, "retail")
    assert timeless(session, "retail", limit=10) == (("o1", "s_one", 90_00),)

    assert start_times(session, "retail", [Started("o1", "s_one", Maturing(starts="completed"), None)]) == 0

    assert due_calendar(session, "retail", first=date(2026, 1, 1), last=date(2026, 1, 2))[0].day is None
    assert start_times(session, "retail", [Started("o1", "s_one", Maturing(days=0), now())]) == 1
    assert timeless(session, "retail", limit=10) == ()


def test_a_refund_before_the_money_is_due_waits_with_it(session):
    a_sale(session, "o1", terms=Maturing(days=5))

    a_refund(session, "o1", "r1", 40_00)

    earning, reversal = transfers_of_order(session, "o1")
    assert (reversal.amount_minor, reversal.status) == (-36_00, "waiting")
    assert reversal.available_at == earning.available_at


def test_a_sale_is_booked_once(session):
    a_sale(session, "o1", terms=None)

    assert (book(session, "retail"), book(session, "retail")) == (1, 0)
    assert len(session.scalars(select(SellerTransferRow)).all()) == 1
