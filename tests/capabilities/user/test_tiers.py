"""Tiers by hand and by rules, segments, consents: each change written down once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from capabilities.kernel.errors import ConflictError, InvalidError
from capabilities.kernel.outbox import events_of
from capabilities.user.consents import record_consent
from capabilities.user.contract import (
    AdmitBuyer,
    BuyerFilters,
    ChangeMembers,
    DecidedTier,
    DefineSegment,
    EnrolBuyer,
    GiveConsent,
    OverrideTier,
    Purpose,
    Tier,
    TierSource,
)
from capabilities.user.queries import (
    buyer_of,
    buyers_page,
    consent_history,
    consents_of,
    count_buyers,
    members_of,
    segments_of,
    tier_history,
)
from capabilities.user.segments import change_members, define_segment, refresh_segments
from capabilities.user.service import admit_buyer, enrol_buyer
from capabilities.user.tiers import earn_tier, lock_buyer, override_tier

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def ann(session: Session) -> str:
    return enrol_buyer(session, EnrolBuyer(business="retail", id="ann", name="Ann", tier=Tier.SILVER)).id


def earned(session: Session, tier: Tier | None, at: datetime, days: int | None = None) -> bool:
    decided = DecidedTier(tier=tier, reason="spent enough", valid_days=days, release_id="rel_1")
    return earn_tier(session, lock_buyer(session, "retail", "ann"), decided, at, "system")


def set_by_hand(session: Session, tier: Tier | None, until: datetime | None = None) -> bool:
    request = OverrideTier(business="retail", buyer_id="ann", tier=tier, reason="a friend", until=until, actor="op")
    return override_tier(session, request)


def told(session: Session) -> list[tuple[str | None, str, str]]:
    return [
        (None if change.from_tier is None else change.from_tier.value, change.to_tier.value, change.source.value)
        for change in tier_history(session, "retail", "ann")
    ]


def test_the_rules_raise_a_tier_and_it_is_written_down_once(session: Session, ann: str) -> None:
    assert earned(session, Tier.GOLD, NOON)
    assert not earned(session, Tier.GOLD, NOON)
    assert buyer_of(session, "retail", ann).tier is Tier.GOLD
    (change,) = tier_history(session, "retail", ann)
    assert (change.from_tier, change.to_tier, change.reason, change.release_id) == (
        None,
        Tier.GOLD,
        "spent enough",
        "rel_1",
    )


def test_a_tier_that_is_sure_rises_but_does_not_fall_before_its_time(session: Session, ann: str) -> None:
    earned(session, Tier.GOLD, NOON, days=30)
    assert not earned(session, Tier.STANDARD, NOON + 29 * DAY)
    assert earned(session, Tier.VIP, NOON + 29 * DAY, days=1)
    assert not earned(session, None, NOON + 29 * DAY)
    assert earned(session, None, NOON + 30 * DAY)
    assert told(session) == [("vip", "standard", "rules"), ("gold", "vip", "rules"), (None, "gold", "rules")]


def test_without_a_word_of_the_rules_an_enrolled_tier_stays(session: Session, ann: str) -> None:
    earned(session, None, NOON)
    assert buyer_of(session, "retail", ann).tier is Tier.SILVER


def test_what_a_person_set_goes_before_the_rules_until_its_time(session: Session, ann: str) -> None:
    with time_machine.travel(NOON, tick=False):
        assert set_by_hand(session, Tier.VIP, NOON + DAY)
        assert not set_by_hand(session, Tier.VIP, NOON + DAY)
        earned(session, Tier.GOLD, NOON)
        buyer = buyer_of(session, "retail", ann)
        assert (buyer.tier, buyer.earned_tier, buyer.tier_source) == (Tier.VIP, Tier.GOLD, TierSource.PERSON)
        assert (buyer.tier_reason, buyer.tier_until) == ("a friend", NOON + DAY)
        assert admit_buyer(session, AdmitBuyer(business="retail", buyer_id=ann)).tier == "vip"
        assert count_buyers(session, BuyerFilters(business="retail", tiers=(Tier.VIP,))) == 1
    with time_machine.travel(NOON + DAY, tick=False):
        assert admit_buyer(session, AdmitBuyer(business="retail", buyer_id=ann)).tier == "gold"
        assert count_buyers(session, BuyerFilters(business="retail", tiers=(Tier.VIP,))) == 0
        earned(session, Tier.GOLD, NOON + DAY)
    assert told(session) == [("vip", "gold", "rules"), (None, "vip", "person")]
    assert [event.type for event in events_of(session, ann)] == ["buyer.tier_changed"]


def test_a_person_can_end_what_a_person_set(session: Session, ann: str) -> None:
    set_by_hand(session, Tier.VIP)
    assert set_by_hand(session, None)
    assert buyer_of(session, "retail", ann).tier is Tier.SILVER
    assert told(session) == [("vip", "silver", "person"), (None, "vip", "person")]


def test_a_tier_set_by_hand_ends_in_the_future(session: Session, ann: str) -> None:
    with time_machine.travel(NOON, tick=False), pytest.raises(InvalidError) as caught:
        set_by_hand(session, Tier.VIP, NOON)
    assert (caught.value.code, caught.value.details["field"]) == ("user.tier_ends_before", "until")


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM buyer_tier_change",
        "UPDATE buyer_tier_change SET to_tier = 'vip'",
        "UPDATE buyer_consent SET is_given = true",
        "DELETE FROM buyer_consent",
    ],
)
def test_histories_are_only_added_to(session: Session, ann: str, change: str) -> None:
    earned(session, Tier.GOLD, NOON)
    consent(session, is_given=False)
    with pytest.raises(DBAPIError, match="only added to"):
        session.execute(text(change))


def consent(session: Session, *, key: str = "k", purpose: Purpose = Purpose.MARKETING, is_given: bool = True) -> bool:
    said = GiveConsent(
        business="retail",
        buyer_id="ann",
        purpose=purpose,
        is_given=is_given,
        text_version="2026-01",
        actor="api",
        key=key,
    )
    return record_consent(session, said)[1]


def test_consent_is_the_newest_word_and_every_word_is_kept(session: Session, ann: str) -> None:
    assert consent(session, key="1")
    assert not consent(session, key="1")
    assert consent(session, key="2", is_given=False)
    assert consent(session, key="3", purpose=Purpose.ANALYTICS)
    newest = consents_of(session, "retail", ann)
    assert {purpose: said.is_given for purpose, said in newest.items()} == {
        Purpose.MARKETING: False,
        Purpose.ANALYTICS: True,
    }
    assert [(said.purpose.value, said.is_given) for said in consent_history(session, "retail", ann)] == [
        ("analytics", True),
        ("marketing", False),
        ("marketing", True),
    ]


def segment(session: Session, code: str = "big", **more: object) -> bool:
    request = {"business": "retail", "code": code, "name_en": code, "name_zh": code, "actor": "op"} | more
    return define_segment(session, DefineSegment.model_validate(request))


SPENT_100 = {"all": [{"field": "buyer.lifetime_minor", "op": "gte", "value": 100_00}]}


def refreshed(session: Session, lifetime: int) -> tuple[str, ...]:
    refresh_segments(session, lock_buyer(session, "retail", "ann"), {"buyer.lifetime_minor": lifetime})
    return buyer_of(session, "retail", "ann").segments


def test_buyers_come_into_a_segment_and_go_by_its_condition(session: Session, ann: str) -> None:
    enrol_buyer(session, EnrolBuyer(business="retail", id="ann", name="Ann", segments=("tea-lovers",)))
    assert segment(session, when=SPENT_100)
    assert not segment(session, when=SPENT_100)
    assert refreshed(session, 99_99) == ("tea-lovers",)
    assert refreshed(session, 100_00) == ("big", "tea-lovers")
    assert [
        page.id
        for page in buyers_page(session, "retail", filters=BuyerFilters(business="retail", segment="big")).buyers
    ] == ["ann"]
    assert [(found.code, found.members) for found in segments_of(session, "retail")] == [("big", 1)]
    segment(session, when=SPENT_100, is_active=False)
    assert refreshed(session, 100_00) == ("tea-lovers",)


def test_a_segment_that_needs_consent_holds_only_who_gave_it(session: Session, ann: str) -> None:
    segment(session, when=SPENT_100, needs_consent="profiling")
    assert refreshed(session, 100_00) == ()
    consent(session, key="1", purpose=Purpose.PROFILING)
    assert refreshed(session, 100_00) == ("big",)
    consent(session, key="2", purpose=Purpose.PROFILING, is_given=False)
    assert refreshed(session, 100_00) == ()


def test_a_list_begins_with_those_who_carry_its_name_and_is_changed_by_people(session: Session, ann: str) -> None:
    for buyer_id in ("bob", "cid"):
        enrol_buyer(session, EnrolBuyer(business="retail", id=buyer_id, name=buyer_id, segments=("press",)))
    segment(session, "press")
    assert members_of(session, "retail", "press") == ("bob", "cid")
    request = ChangeMembers(business="retail", code="press", add=("ann", "bob", "who"), remove=("cid",), actor="op")
    changed = change_members(session, request)
    assert (changed.added, changed.removed, changed.unknown) == (1, 1, ("who",))
    assert (change_members(session, request).added, change_members(session, request).removed) == (0, 0)
    assert members_of(session, "retail", "press") == ("ann", "bob")
    assert refreshed(session, 0) == ("press",)


def test_the_list_of_a_segment_with_a_condition_is_nobodys_to_change(session: Session, ann: str) -> None:
    segment(session, when=SPENT_100)
    with pytest.raises(ConflictError) as caught:
        change_members(session, ChangeMembers(business="retail", code="big", add=("ann",), actor="op"))
    assert caught.value.code == "user.segment_has_condition"
