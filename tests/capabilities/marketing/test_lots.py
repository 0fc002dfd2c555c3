"""Coupons in numbers: lots, files, states with reasons, rewards, and what refunds restore."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel.errors import ConflictError, InvalidError, MissingError
from capabilities.marketing.contract import CreateCoupon, Reward
from capabilities.marketing.counting import counters_of, uses_of
from capabilities.marketing.coupon_files import import_coupons, lines_of
from capabilities.marketing.coupons import ChangeCoupons, CreateLot
from capabilities.marketing.limits import Bearing, Limit, Occasion
from capabilities.marketing.models import CouponClaimRow, CouponRow, LimitClaimRow
from capabilities.marketing.queries import coupon_states
from capabilities.marketing.queries_campaigns import counter_states
from capabilities.marketing.queries_coupons import (
    coupon_of,
    coupons_page,
    export_rows,
    lot_of,
    lots_page,
    uses_of_coupon,
)
from capabilities.marketing.service import claim_coupons, create_coupon, redeem_coupons
from capabilities.marketing.service_limits import claim_limits, redeem_limits
from capabilities.marketing.service_lots import change_coupons, make_codes, open_lot
from capabilities.marketing.service_returns import RefundedOrder, give_back, grant_rewards
from tests.capabilities.marketing.carts import a_cart, a_line, priced
from tests.capabilities.marketing.test_coupons import a_quote

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
HEAD = "code,opens,use_limit,buyer_id,valid_from,valid_until,after_refund,after_refund_days\r\n"


def a_lot(**about: object) -> CreateLot:
    said = {"business": "retail", "lot_id": "lot", "opens": "summer", "pattern": "S-****-****", "codes": 25}
    return CreateLot.model_validate(said | about)


def codes(session: Session) -> list[CouponRow]:
    return list(session.scalars(select(CouponRow).order_by(CouponRow.code_key)))


# --- lots -------------------------------------------------------------------------------------------------------


def test_a_lot_is_made_in_chunks_and_goes_on_where_it_was(session: Session) -> None:
    assert open_lot(session, a_lot(), "ann").status == "making"
    assert [make_codes(session, "retail", "lot", most=10).made for _ in range(4)] == [10, 20, 25, 25]
    assert open_lot(session, a_lot(), "ben").made == 25

    lot = lot_of(session, "retail", "lot")
    assert (lot.status, lot.made, lot.used, lot.opens, lot.created_by) == ("ready", 25, 0, "SUMMER", "ann")
    found = codes(session)
    assert len({row.code_key for row in found}) == 25
    assert {(row.opens, row.use_limit, row.used, row.buyer_id) for row in found} == {("SUMMER", 1, 0, None)}


def test_another_lot_under_the_name_conflicts_and_one_that_could_be_guessed_is_refused(session: Session) -> None:
    open_lot(session, a_lot(), "ann")
    with pytest.raises(ConflictError) as caught:
        open_lot(session, a_lot(codes=26), "ann")
    assert caught.value.code == "marketing.lot_exists"
    with pytest.raises(InvalidError) as refused:
        open_lot(session, a_lot(lot_id="other", pattern="SUMMER-##"), "ann")
    assert refused.value.code == "marketing.codes_guessable"
    with pytest.raises(InvalidError) as counted:
        open_lot(session, a_lot(lot_id="other", buyer_ids=("ann",)), "ann")
    assert counted.value.code == "marketing.lot_counts_differ"
    with pytest.raises(MissingError):
        make_codes(session, "retail", "other")


def test_each_buyer_gets_one_code_of_his_own(session: Session) -> None:
    buyers = tuple(f"buyer_{number}" for number in range(5))
    open_lot(session, a_lot(codes=5, buyer_ids=buyers), "ann")
    make_codes(session, "retail", "lot", most=3)
    make_codes(session, "retail", "lot", most=3)

    assert sorted(row.buyer_id or "" for row in codes(session)) == sorted(buyers)
    mine = coupons_page(session, "retail", buyer_id="buyer_3").coupons[0].code
    assert coupon_states(session, "retail", [mine], NOW, buyer_id="buyer_3")[mine].state == "usable"
    state = coupon_states(session, "retail", [mine], NOW, buyer_id="buyer_4")[mine]
    assert (state.state, state.condition, state.opens) == ("inactive", "wrong_buyer", "SUMMER")


def test_many_workers_make_a_lot_once(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        open_lot(session, a_lot(codes=200), "ann")

    def work() -> None:
        for _ in range(10):
            with sessions.begin() as session:
                make_codes(session, "retail", "lot", most=9)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with sessions() as session:
        assert lot_of(session, "retail", "lot").made == 200
        assert session.scalar(select(func.count()).select_from(CouponRow)) == 200


def test_codes_and_lots_are_paused_resumed_and_void_with_the_reason(session: Session) -> None:
    open_lot(session, a_lot(codes=3), "ann")
    make_codes(session, "retail", "lot")
    one = codes(session)[0].code

    def change(act: str, **about: str) -> int:
        return change_coupons(session, ChangeCoupons.model_validate({"business": "retail", "act": act} | about), "ann")

    assert change("pause", code=one, reason="Seen on a forum.") == 1
    assert change("pause", code=one) == 0
    paused = coupon_of(session, "retail", one)
    assert (paused.condition, paused.reason) == ("paused", f"The coupon {one} is paused. Seen on a forum.")
    assert change("resume", code=one) == 1
    assert coupon_of(session, "retail", one).condition == "active"
    assert change("void", lot_id="lot", reason="Printed wrongly.") == 3
    assert change("resume", lot_id="lot") == 0
    assert lot_of(session, "retail", "lot").status == "void"
    assert {line.condition for line in coupons_page(session, "retail").coupons} == {"void"}
    with pytest.raises(MissingError):
        change("void", code="NOBODY")
    with pytest.raises(InvalidError):
        change("void")


def test_pages_of_lots_and_codes(session: Session) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        for lot_id in ("one", "two"):
            open_lot(session, a_lot(lot_id=lot_id, codes=3), "ann")
            make_codes(session, "retail", lot_id)
            clock.shift(timedelta(minutes=1))
        create_coupon(session, CreateCoupon(business="retail", code="LATE", valid_until=NOW))
        create_coupon(session, CreateCoupon(business="retail", code="GONE", use_limit=0))

        assert [lot.id for lot in lots_page(session, "retail").lots] == ["two", "one"]
        assert [lot.id for lot in lots_page(session, "retail", find="on").lots] == ["one"]
        first = coupons_page(session, "retail", lot_id="one", limit=2)
        rest = coupons_page(session, "retail", lot_id="one", limit=2, after=first.cursor)
        assert len({line.code for line in (*first.coupons, *rest.coupons)}) == 3
        assert rest.cursor is None
        for condition, count in {"expired": 1, "used_up": 1, "active": 6, "not_yet_valid": 0, "void": 0}.items():
            page = coupons_page(session, "retail", condition=condition)  # type: ignore[arg-type]
            assert len(page.coupons) == count, condition
            assert {line.condition for line in page.coupons} <= {condition}
        assert [line.code for line in coupons_page(session, "retail", find="la").coupons] == ["LATE"]


# --- files ------------------------------------------------------------------------------------------------------


def test_a_file_is_taken_row_by_row_and_bad_rows_are_told_by_line(session: Session) -> None:
    text = HEAD + (
        "ONE,summer,5,,,2026-12-31T00:00:00+08:00,restore_within,14\r\n"
        "two,,,ann,,,,\r\n"
        ",,,,,,,\r\n"
        "THREE,,many,,,,,\r\n"
        "FOUR,,,,2026-12-31,,,\r\n"
        "FIVE,,,,,,never,\r\n"
        "one,,,,,,,\r\n"
        "SIX,,,,,,,,more\r\n"
    )
    for added, already in ((2, 0), (0, 2)):
        report = import_coupons(session, "retail", "\ufeff" + text)
        assert (report.added, report.already) == (added, already)
        assert [bad.line for bad in report.bad] == [4, 5, 6, 7, 8, 9]
    assert report.bad[0].message == "code: Field required"
    assert report.bad[2].message == "valid_from: a time with an offset, such as 2026-12-01T00:00:00+08:00."
    assert report.bad[4].message == "There is a coupon one in retail already."
    one = coupon_of(session, "retail", "one")
    assert (one.opens, one.use_limit, one.after_refund, one.after_refund_days) == ("SUMMER", 5, "restore_within", 14)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "The column code is missing."), ("code,colour\r\nA,red\r\n", "Unknown columns: colour.")],
)
def test_a_file_that_is_none_is_refused_whole(session: Session, text: str, message: str) -> None:
    with pytest.raises(InvalidError) as caught:
        import_coupons(session, "retail", text)
    assert caught.value.message == message


def test_what_is_exported_is_imported_again_and_no_cell_is_a_formula(session: Session) -> None:
    create_coupon(session, CreateCoupon(business="retail", code="=1+2", use_limit=3, valid_until=NOW))
    create_coupon(session, CreateCoupon(business="retail", code="PLAIN", opens="X", buyer_id="ann"))
    text = "".join(lines_of(export_rows(session, "retail")))

    assert "'=1+2" in text
    assert (import_coupons(session, "travel", text).added, import_coupons(session, "retail", text).already) == (2, 2)
    assert coupon_of(session, "travel", "=1+2").valid_until == NOW


# --- rewards and refunds ----------------------------------------------------------------------------------------


def a_reward(kind: str, **about: object) -> Reward:
    said = {"kind": kind, "rule_id": "r1", "rule_name": "R", "release_id": "rel_1", "effect_index": 0}
    return Reward.model_validate(said | about)


def a_promise(*rewards: Reward):
    return priced(a_cart(a_line())).model_copy(update={"rewards": rewards, "business": "retail"})


def refunded(session: Session, refund_id: str = "rfd_1", part: int = 0, *, whole: bool = False, **given: int):
    order = RefundedOrder(refund_id, "ord_1", given, part, 100_00, is_whole=whole)
    return give_back(session, order, restores_uses=whole)


def test_rewards_are_granted_once_and_a_code_is_the_buyers_own(session: Session) -> None:
    promise = a_promise(
        a_reward("points", points=120),
        a_reward("cashback", amount_minor=5_00),
        a_reward("coupon", pool="THANKS", units=2, valid_days=30),
        a_reward("tag", text="vip"),
    )
    with time_machine.travel(NOW, tick=False):
        granted = grant_rewards(session, "ord_1", "ann", promise)
        assert grant_rewards(session, "ord_1", "ann", promise) == granted
        assert grant_rewards(session, "ord_2", None, promise).points == 0

    assert (granted.points, granted.cashback_minor, len(granted.coupons)) == (120, 5_00, 2)
    coupon = coupon_of(session, "retail", granted.coupons[0], NOW)
    assert coupon.code.startswith("THANKS-")
    assert (coupon.opens, coupon.buyer_id, coupon.use_limit) == ("THANKS", "ann", 1)
    assert coupon.valid_until == NOW + timedelta(days=30)
    assert len(codes(session)) == 2


def test_points_go_back_by_the_share_refunded_and_in_all_exactly(session: Session) -> None:
    promise = a_promise(a_reward("points", points=7), a_reward("coupon", pool="THANKS", units=1))
    granted = grant_rewards(session, "ord_1", "ann", promise)

    first = refunded(session, "rfd_1", 33_33)
    assert (first.points, refunded(session, "rfd_1", 33_33).points) == (2, 0)
    assert refunded(session, "rfd_2", 66_66).points == 3
    assert coupon_of(session, "retail", granted.coupons[0]).condition == "active"
    assert refunded(session, "rfd_3", 100_00, whole=True).points == 2
    assert coupon_of(session, "retail", granted.coupons[0]).condition == "void"


def test_a_budget_gets_its_share_back_once_a_refund_and_never_more_than_it_gave(session: Session) -> None:
    limits = [
        Limit(owner="rule:s/r1", name="R", counts="spend", most=100_00),
        Limit(owner="rule:s/r1", name="R", counts="uses", most=5),
    ]
    occasion = Occasion(business="retail", currency="CNY", at=NOW, buyer_id="ann")
    counters = counters_of([Bearing(limit=limit, rule_ids=("r1",)) for limit in limits], occasion)
    claim_limits(session, "ord_1", "quo_1", "retail", uses_of(counters, {"r1": 10_00}))
    redeem_limits(session, "ord_1")

    def used() -> dict[str, int]:
        return {state.counter.counts: state.used for state in counter_states(session, counters).values()}

    for _ in range(2):
        assert refunded(session, "rfd_1", r1=3_33, other=9_99).budget == 3_33
    assert used() == {"spend": 6_67, "uses": 1}
    assert refunded(session, "rfd_2", r1=0).budget == 0
    for _ in range(2):
        last = refunded(session, "rfd_3", 100_00, whole=True, r1=9_00)
        assert (last.budget, last.uses) == (6_67, 1)
    assert used() == {"spend": 0, "uses": 0}
    assert set(session.scalars(select(LimitClaimRow.status))) == {"redeemed"}


@pytest.mark.parametrize(
    ("policy", "days", "after", "status"),
    [
        ("keep", None, 0, "redeemed"),
        ("restore", None, 400, "restored"),
        ("restore_within", 14, 13, "restored"),
        ("restore_within", 14, 15, "redeemed"),
    ],
)
def test_a_coupon_comes_back_by_its_policy_when_all_is_given_back(
    session: Session, policy: str, days: int | None, after: int, status: str
) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        about = {"business": "retail", "code": "SPRING", "use_limit": 1}
        create_coupon(session, CreateCoupon.model_validate(about | {"after_refund": policy, "after_refund_days": days}))
        claim_coupons(session, "ord_1", a_quote(session, "SPRING"))
        redeem_coupons(session, "ord_1")
        clock.shift(timedelta(days=after))
        assert refunded(session, "rfd_1", 50_00).coupons == 0
        restored = [refunded(session, "rfd_2", 100_00, whole=True).coupons for _ in range(2)]

    assert restored == [int(status == "restored"), 0]
    assert session.scalars(select(CouponClaimRow.status)).one() == status
    assert coupon_of(session, "retail", "SPRING").used == int(status == "redeemed")
    assert [use.status for use in uses_of_coupon(session, "retail", "spring")] == [status]


def test_refunds_at_the_same_time_give_a_budget_back_exactly(sessions: sessionmaker[Session]) -> None:
    limit = Limit(owner="rule:s/r1", name="R", counts="spend", most=100_00)
    occasion = Occasion(business="retail", currency="CNY", at=NOW, buyer_id="ann")
    counters = counters_of([Bearing(limit=limit, rule_ids=("r1",))], occasion)
    with sessions.begin() as session:
        claim_limits(session, "ord_1", "quo_1", "retail", uses_of(counters, {"r1": 10_00}))
        redeem_limits(session, "ord_1")
        session.execute(update(LimitClaimRow).values(status="redeemed"))

    def work(number: int) -> None:
        with sessions.begin() as session:
            refunded(session, f"rfd_{number % 4}", r1=3_00)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with sessions() as session:
        assert session.scalars(select(LimitClaimRow.returned)).one() == 10_00
        assert counter_states(session, counters)[counters[0].id].used == 0
