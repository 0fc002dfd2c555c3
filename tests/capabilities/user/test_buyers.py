"""Buyers: enrolled, admitted, refused, counted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel.errors import InvalidError, MissingError, RefusedError
from capabilities.user.contract import AdmitBuyer, BuyerStatus, EnrolBuyer, Tier
from capabilities.user.extensions import guest_tier
from capabilities.user.queries import buyer_of, buyers_page
from capabilities.user.service import admit_buyer, count_order, enrol_buyer, reinstate_buyer, suspend_buyer


def enrolled(session: Session, buyer_id: str = "b_1", business: str = "retail", **more: object) -> str:
    request = EnrolBuyer.model_validate({"business": business, "id": buyer_id, "name": f"Name {buyer_id}", **more})
    return enrol_buyer(session, request).id


def test_an_admitted_buyer_brings_tier_tags_and_the_number_of_this_order(session: Session) -> None:
    enrolled(session, tier=Tier.GOLD, tags=("student",), segments=("tea",))
    count_order(session, "retail", "b_1")
    admitted = admit_buyer(session, AdmitBuyer(business="retail", buyer_id="b_1"))
    assert admitted.model_dump() == {
        "buyer_id": "b_1",
        "tier": "gold",
        "tags": ("student",),
        "segments": ("tea",),
        "order_number": 2,
        "is_guest": False,
        "first_order_at": admitted.first_order_at,
        "lifetime_value_minor": 0,
        "birthday": None,
    }
    assert admitted.first_order_at is not None


def test_a_guest_is_admitted_without_a_name(session: Session) -> None:
    admitted = admit_buyer(session, AdmitBuyer(business="retail"))
    assert (admitted.buyer_id, admitted.tier, admitted.order_number, admitted.is_guest) == (None, "standard", 1, True)


def test_a_business_may_refuse_guests(session: Session) -> None:
    guest_tier.realize("members-only-test")(lambda: None)
    with pytest.raises(RefusedError) as caught:
        admit_buyer(session, AdmitBuyer(business="members-only-test"))
    assert caught.value.code == "user.guest_refused"


def test_a_suspended_buyer_is_refused_until_reinstated(session: Session) -> None:
    enrolled(session)
    suspended = suspend_buyer(session, "retail", "b_1", "chargebacks")
    assert (suspended.status, suspended.status_reason) == (BuyerStatus.SUSPENDED, "chargebacks")
    with pytest.raises(RefusedError) as caught:
        admit_buyer(session, AdmitBuyer(business="retail", buyer_id="b_1"))
    assert caught.value.code == "user.suspended"
    assert caught.value.mend
    assert "chargebacks" not in str(caught.value.as_dict())
    assert reinstate_buyer(session, "retail", "b_1").status is BuyerStatus.ACTIVE
    assert admit_buyer(session, AdmitBuyer(business="retail", buyer_id="b_1")).buyer_id == "b_1"


def test_an_unknown_buyer_is_invalid(session: Session) -> None:
    with pytest.raises(InvalidError) as caught:
        admit_buyer(session, AdmitBuyer(business="retail", buyer_id="nobody"))
    assert (caught.value.code, caught.value.details["field"]) == ("user.unknown", "buyer_id")


def test_a_buyer_of_one_business_is_unknown_in_another(session: Session) -> None:
    enrolled(session, tier=Tier.VIP)
    with pytest.raises(InvalidError):
        admit_buyer(session, AdmitBuyer(business="tourism", buyer_id="b_1"))
    enrolled(session, business="tourism")
    assert buyer_of(session, "tourism", "b_1").tier is Tier.STANDARD
    assert buyer_of(session, "retail", "b_1").tier is Tier.VIP


def test_enrolling_again_changes_what_is_known_but_not_status_and_count(session: Session) -> None:
    enrolled(session)
    count_order(session, "retail", "b_1")
    suspend_buyer(session, "retail", "b_1", "x")
    joined_at = buyer_of(session, "retail", "b_1").joined_at
    enrolled(session, tier=Tier.SILVER)
    buyer = buyer_of(session, "retail", "b_1")
    assert (buyer.tier, buyer.status, buyer.order_count, buyer.joined_at) == (
        Tier.SILVER,
        BuyerStatus.SUSPENDED,
        1,
        joined_at,
    )


def test_what_does_not_exist_is_missing(session: Session) -> None:
    for attempt in (
        lambda: buyer_of(session, "retail", "nobody"),
        lambda: count_order(session, "retail", "nobody"),
        lambda: suspend_buyer(session, "retail", "nobody", "x"),
    ):
        with pytest.raises(MissingError, match="nobody"):
            attempt()


def test_orders_counted_at_once_are_all_counted(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        enrolled(session)

    def confirm(_: int) -> None:
        with sessions.begin() as session:
            count_order(session, "retail", "b_1")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(confirm, range(40)))
    with sessions() as session:
        assert buyer_of(session, "retail", "b_1").order_count == 40


def test_pages_go_through_all_buyers_once(session: Session) -> None:
    ids = [enrolled(session, f"b_{number:02d}") for number in range(7)]
    enrolled(session, "b_03", business="tourism")
    seen: list[str] = []
    cursor = None
    while True:
        page = buyers_page(session, "retail", after=cursor, limit=3)
        seen += [buyer.id for buyer in page.buyers]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ids


def test_buyers_are_found_by_part_of_name_or_address(session: Session) -> None:
    enrolled(session, "b_1", name="Li Na 李娜", email="li.na@example.com")
    enrolled(session, "b_2", name="100 % Tea", email="x@example.com")
    enrolled(session, "b_3", name="100 Teas")
    assert [buyer.id for buyer in buyers_page(session, "retail", search="李").buyers] == ["b_1"]
    assert [buyer.id for buyer in buyers_page(session, "retail", search="LI.NA@").buyers] == ["b_1"]
    assert [buyer.id for buyer in buyers_page(session, "retail", search="0 %").buyers] == ["b_2"]
