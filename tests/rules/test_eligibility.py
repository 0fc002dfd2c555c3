"""Windows in named zones, weekdays, hours over midnight, coupons, sticky shares of traffic."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rules.document import Rule, Window
from rules.eligibility import Ineligible, eligible, traffic_point, why_ineligible

FRIDAY_NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def reason(window: Window, at: datetime, zone: str = "UTC") -> Ineligible | None:
    return why_ineligible(Rule("r", "R", window=window), at, (), None, zone)


def test_the_start_is_inside_and_the_end_is_not():
    window = Window(from_at=datetime(2026, 11, 27, 12, tzinfo=UTC), until_at=datetime(2026, 11, 27, 13, tzinfo=UTC))
    assert reason(window, datetime(2026, 11, 27, 11, 59, 59, 999_999, UTC)) is Ineligible.BEFORE_WINDOW
    assert reason(window, FRIDAY_NOON) is None
    assert reason(window, datetime(2026, 11, 27, 12, 59, 59, 999_999, UTC)) is None
    assert reason(window, datetime(2026, 11, 27, 13, tzinfo=UTC)) is Ineligible.AFTER_WINDOW


def test_a_time_without_offset_is_read_in_the_windows_zone_else_in_the_business_zone():
    midnight = datetime(2026, 11, 28)  # noqa: DTZ001 - meant
    shanghai_midnight = datetime(2026, 11, 27, 16, tzinfo=UTC)
    assert reason(Window(from_at=midnight, zone="Asia/Shanghai"), shanghai_midnight) is None
    assert reason(Window(from_at=midnight), shanghai_midnight, "Asia/Shanghai") is None
    assert reason(Window(from_at=midnight), shanghai_midnight, "UTC") is Ineligible.BEFORE_WINDOW


def test_weekdays_are_those_of_the_zone():
    weekend = Window(weekdays=(6, 7))
    friday_evening = datetime(2026, 11, 27, 20, tzinfo=UTC)
    assert reason(weekend, friday_evening) is Ineligible.OTHER_DAY
    assert reason(weekend, friday_evening, "Asia/Shanghai") is None


def test_hours_over_midnight_belong_to_the_day_they_began_on():
    friday_night = Window(weekdays=(5,), hours=(22, 2))
    assert reason(friday_night, datetime(2026, 11, 27, 22, tzinfo=UTC)) is None
    assert reason(friday_night, datetime(2026, 11, 28, 1, 59, tzinfo=UTC)) is None
    assert reason(friday_night, datetime(2026, 11, 28, 2, tzinfo=UTC)) is Ineligible.OTHER_HOUR
    assert reason(friday_night, datetime(2026, 11, 28, 22, tzinfo=UTC)) is Ineligible.OTHER_DAY
    assert reason(friday_night, datetime(2026, 11, 27, 1, tzinfo=UTC)) is Ineligible.OTHER_DAY


def test_hours_may_end_at_midnight():
    evening = Window(hours=(18, 24))
    assert reason(evening, datetime(2026, 11, 27, 23, 59, tzinfo=UTC)) is None
    assert reason(evening, datetime(2026, 11, 28, 0, tzinfo=UTC)) is Ineligible.OTHER_HOUR


def test_a_coupon_is_asked_for_whatever_its_case():
    rule = Rule("r", "R", coupon="SAVE10")
    assert why_ineligible(rule, FRIDAY_NOON, (), None) is Ineligible.NO_COUPON
    assert eligible(rule, FRIDAY_NOON, ("other", "save10"), None)


def test_a_rule_switched_off_may_not_act():
    assert why_ineligible(Rule("r", "R", enabled=False), FRIDAY_NOON, (), None) is Ineligible.DISABLED


def test_a_share_of_traffic_is_sticky_and_about_as_large_as_said():
    rule = Rule("r_test", "R", traffic_bps=3_000)
    buyers = [f"buyer_{i}" for i in range(4_000)]
    given = {buyer for buyer in buyers if eligible(rule, FRIDAY_NOON, (), buyer)}
    assert given == {buyer for buyer in buyers if eligible(rule, datetime(2027, 1, 1, tzinfo=UTC), (), buyer)}
    assert 1_100 < len(given) < 1_300
    more = Rule("r_test", "R", traffic_bps=6_000)
    assert given <= {buyer for buyer in buyers if eligible(more, FRIDAY_NOON, (), buyer)}


def test_two_rules_draw_their_shares_independently():
    points = [(traffic_point("r_1", f"b{i}") < 5_000, traffic_point("r_2", f"b{i}") < 5_000) for i in range(4_000)]
    both = sum(1 for one, other in points if one and other)
    assert 850 < both < 1_150


def test_without_a_buyer_a_partial_share_is_not_given_and_a_whole_one_is():
    assert why_ineligible(Rule("r", "R", traffic_bps=9_999), FRIDAY_NOON, (), None) is Ineligible.OUTSIDE_TRAFFIC
    assert eligible(Rule("r", "R"), FRIDAY_NOON, (), None)


@pytest.mark.parametrize("key", ["a", "b", "买家"])
def test_traffic_points_lie_on_the_scale(key):
    assert 0 <= traffic_point("r", key) < 10_000
