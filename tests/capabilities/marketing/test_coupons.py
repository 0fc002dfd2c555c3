"""Claims on coupons: exactly N, each given back once, nothing secured that has run out."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel.errors import ConflictError, PlatformError, RefusedError
from capabilities.marketing.contract import AmountOff, CouponStatus, CreateCoupon
from capabilities.marketing.models import CouponClaimRow, CouponRow
from capabilities.marketing.queries import claims_of, coupon_states
from capabilities.marketing.service import (
    claim_coupons,
    create_coupon,
    expire_claims,
    extend_claims,
    redeem_coupons,
    release_coupons,
    save_quote,
    secure_coupons,
    set_coupon_status,
)
from tests.capabilities.marketing.carts import a_cart, a_line, a_rule, priced

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)


def a_coupon(session: Session, code: str = "SPRING", limit: int | None = 1, **about: object) -> None:
    create_coupon(session, CreateCoupon(business="retail", code=code, use_limit=limit, **about))


def a_quote(session: Session, *codes: str, quote_id: str = "quo_1") -> str:
    """A stored quote that applied these coupons."""
    cart = a_cart(a_line(), coupon_codes=codes)
    rules = [a_rule(n, AmountOff(amount_minor=100), coupon_code=code) for n, code in enumerate(codes)]
    quote = priced(cart, *rules).model_copy(update={"id": quote_id})
    assert [use.state for use in quote.coupons] == ["applied"] * len(codes)
    save_quote(session, quote, cart)
    return quote_id


def used(session: Session, code: str = "SPRING") -> int:
    return session.scalars(select(CouponRow.used).where(CouponRow.code_key == code)).one()


def test_a_claim_is_held_secured_and_redeemed_and_counts_one_use(session: Session) -> None:
    a_coupon(session, limit=5)
    quote_id = a_quote(session, "spring")

    assert claim_coupons(session, "ord_1", quote_id) == 1
    assert [claim.status for claim in claims_of(session, "ord_1")] == ["held"]
    assert secure_coupons(session, "ord_1") == 1
    assert [claim.status for claim in claims_of(session, "ord_1")] == ["secured"]
    assert redeem_coupons(session, "ord_1") == 1
    assert [claim.status for claim in claims_of(session, "ord_1")] == ["redeemed"]
    assert used(session) == 1


def test_every_step_twice_is_the_same_as_once(session: Session) -> None:
    a_coupon(session, limit=5)
    quote_id = a_quote(session, "SPRING")

    for step in (
        lambda: claim_coupons(session, "ord_1", quote_id),
        lambda: secure_coupons(session, "ord_1"),
        lambda: redeem_coupons(session, "ord_1"),
    ):
        assert step() == step() == 1
    assert claim_coupons(session, "ord_1", quote_id) == 1
    assert used(session) == 1


def test_a_use_is_given_back_once_and_a_redeemed_one_never(session: Session) -> None:
    a_coupon(session, limit=5)
    quote_id = a_quote(session, "SPRING")
    claim_coupons(session, "ord_1", quote_id)
    claim_coupons(session, "ord_2", quote_id)
    redeem_coupons(session, "ord_2")

    assert release_coupons(session, "ord_1") == 1
    assert release_coupons(session, "ord_1") == 0
    assert release_coupons(session, "ord_2") == 0
    assert release_coupons(session, "ord_3") == 0
    assert used(session) == 1


def test_a_coupon_used_up_refuses_with_the_reason_and_claims_none_of_the_others(session: Session) -> None:
    a_coupon(session, "AUTUMN", limit=9)
    a_coupon(session, "SPRING", limit=1)
    claim_coupons(session, "ord_1", a_quote(session, "SPRING"))

    with pytest.raises(ConflictError) as caught:
        claim_coupons(session, "ord_2", a_quote(session, "AUTUMN", "SPRING", quote_id="quo_2"))

    assert caught.value.code == "marketing.coupon_used_up"
    assert caught.value.message == "All 1 uses of the coupon SPRING are taken."
    assert caught.value.details == {"coupon": "SPRING", "reason": "used_up"}
    assert claims_of(session, "ord_2") == []
    assert used(session, "AUTUMN") == 0


def test_a_coupon_paused_since_the_quote_refuses(session: Session) -> None:
    a_coupon(session)
    quote_id = a_quote(session, "SPRING")
    set_coupon_status(session, "retail", "spring", CouponStatus.PAUSED)

    with pytest.raises(ConflictError) as caught:
        claim_coupons(session, "ord_1", quote_id)

    assert caught.value.code == "marketing.coupon_inactive"
    assert used(session) == 0


def test_a_claim_given_back_is_not_claimed_again_by_the_same_order(session: Session) -> None:
    a_coupon(session, limit=5)
    quote_id = a_quote(session, "SPRING")
    claim_coupons(session, "ord_1", quote_id)
    release_coupons(session, "ord_1")

    with pytest.raises(ConflictError) as caught:
        claim_coupons(session, "ord_1", quote_id)

    assert caught.value.code == "marketing.claim_ended"
    assert used(session) == 0


def test_a_code_that_only_a_rule_names_needs_no_claim(session: Session) -> None:
    assert claim_coupons(session, "ord_1", a_quote(session, "FREE-FOR-ALL")) == 0
    assert secure_coupons(session, "ord_1") == 0
    assert redeem_coupons(session, "ord_1") == 0


def test_a_claim_that_ran_out_is_neither_secured_nor_redeemed(session: Session) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        a_coupon(session)
        claim_coupons(session, "ord_1", a_quote(session, "SPRING"))
        clock.shift(timedelta(minutes=15))

        for step in (secure_coupons, redeem_coupons):
            with pytest.raises(RefusedError) as caught:
                step(session, "ord_1")
            assert caught.value.code == "marketing.claim_expired"
            assert caught.value.details == {"coupons": ["SPRING"]}


def test_a_secured_claim_never_runs_out_and_an_extended_one_later(session: Session) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        a_coupon(session, limit=3)
        for order_id in ("ord_1", "ord_2", "ord_3"):
            claim_coupons(session, order_id, a_quote(session, "SPRING"))
        secure_coupons(session, "ord_1")
        assert extend_claims(session, "ord_2", NOW + timedelta(hours=72)) == 1
        clock.shift(timedelta(hours=1))

        assert expire_claims(session) == 1
        assert expire_claims(session) == 0
        assert [claims_of(session, f"ord_{n}")[0].status for n in (1, 2, 3)] == ["secured", "held", "expired"]
        assert used(session) == 2


def test_a_claim_that_ran_out_does_not_block_the_next_buyer(session: Session) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        a_coupon(session, limit=1)
        claim_coupons(session, "ord_1", a_quote(session, "SPRING"))
        clock.shift(timedelta(minutes=15))

        assert claim_coupons(session, "ord_2", "quo_1") == 1
        assert used(session) == 1


def test_states_tell_why_a_coupon_cannot_be_used(session: Session) -> None:
    a_coupon(session, "OPEN", limit=None)
    a_coupon(session, "NONE", limit=0)
    a_coupon(session, "PAUSED", status=CouponStatus.PAUSED)
    a_coupon(session, "EARLY", valid_from=NOW + timedelta(days=1))
    a_coupon(session, "LATE", valid_until=NOW)

    states = coupon_states(session, "retail", [" open", "NONE", "paused", "EARLY", "LATE", "UNKNOWN"], NOW)

    assert {code: state.state for code, state in states.items()} == {
        "OPEN": "usable",
        "NONE": "used_up",
        "PAUSED": "inactive",
        "EARLY": "inactive",
        "LATE": "inactive",
    }
    assert states["LATE"].reason == "The coupon LATE was valid until 2026-11-25 10:00 UTC."
    assert coupon_states(session, "finance", ["OPEN"], NOW) == {}


def test_a_code_exists_once_whatever_its_case(session: Session) -> None:
    a_coupon(session, "Spring")

    with pytest.raises(ConflictError) as caught:
        a_coupon(session, "sPRING")

    assert caught.value.code == "marketing.coupon_exists"


def test_sixty_at_once_take_exactly_the_twenty_uses_there_are(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        a_coupon(session, limit=20)
        quote_id = a_quote(session, "SPRING")
    outcomes: Counter[str] = Counter()
    start = threading.Barrier(60)

    def buy(number: int) -> None:
        start.wait()
        try:
            with sessions.begin() as session:
                claim_coupons(session, f"ord_{number}", quote_id)
            outcomes["claimed"] += 1
        except PlatformError as error:
            outcomes[error.code] += 1

    threads = [threading.Thread(target=buy, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes == {"claimed": 20, "marketing.coupon_used_up": 40}
    with sessions() as session:
        assert used(session) == 20
        assert len(session.scalars(select(CouponClaimRow.id)).all()) == 20


def test_the_same_order_at_once_from_many_sides_is_one_use(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        a_coupon(session, limit=20)
        quote_id = a_quote(session, "SPRING")
    start = threading.Barrier(12)
    released: list[int] = []

    def claim() -> None:
        start.wait()
        with sessions.begin() as session:
            claim_coupons(session, "ord_1", quote_id)

    def release() -> None:
        start.wait()
        with sessions.begin() as session:
            released.append(release_coupons(session, "ord_1"))

    for work in (claim, release):
        threads = [threading.Thread(target=work) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        start.reset()
        with sessions() as session:
            assert used(session) == (1 if work is claim else 0)

    assert sum(released) >= 1
    with sessions() as session:
        assert [claim.status for claim in claims_of(session, "ord_1")] == ["released"]


def test_an_undo_never_waits_for_a_coupon_somebody_is_claiming(sessions: sessionmaker[Session]) -> None:
    """It holds locks on stock that the other may want next: waiting for each other would cost one of them its checkout."""
    with sessions.begin() as session:
        a_coupon(session, limit=2)
        quote_id = a_quote(session, "SPRING")
        claim_coupons(session, "ord_1", quote_id)

    with sessions.begin() as other:
        claim_coupons(other, "ord_2", quote_id)
        with sessions.begin() as session:
            session.execute(text("SET LOCAL lock_timeout = '100ms'"))
            assert release_coupons(session, "ord_1") == 1
            assert release_coupons(session, "ord_1") == 0
            assert expire_claims(session) == 0

    with sessions.begin() as session:
        assert used(session) == 2
        with pytest.raises(RefusedError):
            secure_coupons(session, "ord_1")
        assert claim_coupons(session, "ord_3", quote_id) == 1
        assert used(session) == 2
        assert [claims_of(session, f"ord_{n}")[0].status for n in (1, 2, 3)] == ["expired", "held", "held"]
