"""Tiers and segments follow orders and refunds by the live rules: after the fact, once a night, and never twice at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session, sessionmaker

import activities.transaction
import activities.user  # noqa: F401 - both declare the steps asked for below
from activities.catalogue import StepContext, find_operation, operations
from activities.classifying import facts_of, standing_of
from activities.following import follow_buyers
from capabilities.kernel.clock import now
from capabilities.kernel.errors import InvalidError, MissingError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.outbox import publish
from capabilities.transaction.after_sale_models import RefundRow
from capabilities.transaction.contract import ImportOrder
from capabilities.transaction.models import OrderRow
from capabilities.transaction.service import import_order, open_order
from capabilities.user.contract import BuyerStands, BuyerStatus, EnrolBuyer, Tier
from capabilities.user.models import BuyerRow, ClassifyingRow
from capabilities.user.queries import buyer_of, tier_history
from capabilities.user.service import enrol_buyer
from tests.builders import a_business, an_offer, an_open_order, live_rules

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)
GOLD_FROM_500 = {
    "id": "r_gold",
    "name": "Gold from 500 a year",
    "stage": 10,
    "priority": 1,
    "when": {"all": [{"field": "buyer.last_year_minor", "op": "gte", "value": 500_00}]},
    "effects": [{"kind": "set_tier", "tier": "gold", "reason": "500 in a year"}],
}
ELSE_STANDARD = {
    "id": "r_standard",
    "name": "Else standard",
    "stage": 10,
    "when": {"all": []},
    "effects": [{"kind": "set_tier", "tier": "standard", "reason": "less than 500"}],
}


def a_shop(session: Session, *, rules: bool = True) -> None:
    a_business(session)
    an_offer(session, "tea")
    enrol_buyer(session, EnrolBuyer(business="retail", id="ann", name="Ann", joined_at=NOON - 400 * DAY))
    if rules:
        live_rules(session, GOLD_FROM_500, ELSE_STANDARD, decision="user.tier")


def bought(session: Session, run_id: str, at: datetime, price: int = 300_00) -> str:
    asked = an_open_order([("tea", 1)], run_id=run_id, price=price, buyer_id="ann").model_dump()
    return import_order(session, ImportOrder(**asked, placed_at=at))


def refunded(session: Session, order_id: str, amount: int, status: str = "succeeded") -> None:
    order = session.get_one(OrderRow, order_id)
    session.execute(
        insert(RefundRow).values(
            id=f"rf_{order_id}_{amount}", business="retail", order_id=order_id, number=f"R{amount}", kind="goodwill",
            status=status, reason="late", currency=order.currency, prices_include_tax=True, after_return="keep",
            total_minor=amount, tax_minor=0, fee_minor=0, unpaid_minor=0, due_minor=amount, destination="sources",
            delivery=False, fees=False, request_sha256="", sources=[], requested_by="op", requested_at=now(),
        )
    )  # fmt: skip


def run(session: Session, name: str, **request: Any) -> Any:
    operation = find_operation(name)
    context = StepContext("run", name, f"run/{name}", BusinessIdentity("retail"), "operator:op", "cor")
    return operation.run(session, context, operation.request.model_validate(request))


def test_the_facts_are_what_was_ordered_less_what_was_given_back(session: Session) -> None:
    a_shop(session)
    old = bought(session, "r1", NOON - 366 * DAY, 200_00)
    recent = bought(session, "r2", NOON - 10 * DAY, 300_00)
    refunded(session, old, 50_00)
    refunded(session, recent, 100_00)
    refunded(session, recent, 1_00, status="failed")
    row = session.get_one(BuyerRow, ("retail", "ann"))
    assert facts_of(row, standing_of(session, "retail", "ann", NOON)) == {
        "buyer.lifetime_minor": 350_00,
        "buyer.last_year_minor": 200_00,
        "buyer.orders": 2,
        "buyer.days_since_joined": 400,
        "buyer.days_since_order": 10,
        "buyer.refunded_bps": 3000,
        "buyer.tags": (),
        "buyer.tier": "standard",
    }


def test_the_rules_give_a_tier_and_a_refund_takes_it_back(session: Session) -> None:
    with time_machine.travel(NOON, tick=False):
        a_shop(session)
        bought(session, "r1", NOON - DAY)
        order = bought(session, "r2", NOON - DAY)
        stands = run(session, "user.reclassify", buyer_id="ann")
        assert stands == BuyerStands(
            buyer_id="ann", status=BuyerStatus.ACTIVE, tier=Tier.GOLD, segments=(), changed=True
        )
        assert not run(session, "user.reclassify", buyer_id="ann").changed
        refunded(session, order, 100_01)
        assert run(session, "user.reclassify", buyer_id="ann").tier is Tier.STANDARD
        buyer = buyer_of(session, "retail", "ann")
        assert (buyer.lifetime_value_minor, buyer.last_order_at) == (499_99, NOON - DAY)
    first = tier_history(session, "retail", "ann")[1]
    assert (first.to_tier, first.reason, first.actor) == (Tier.GOLD, "500 in a year", "operator:op")
    assert first.release_id


def test_without_rules_nobody_moves(session: Session) -> None:
    a_shop(session, rules=False)
    bought(session, "r1", now(), 9_000_00)
    assert run(session, "user.reclassify", buyer_id="ann").tier is Tier.STANDARD


def test_a_segment_asks_only_about_what_is_known(session: Session) -> None:
    a_shop(session)
    names = {"name_en": "Big", "name_zh": "大客户"}
    when = {"all": [{"field": "buyer.shoe_size", "op": "gte", "value": 40}]}
    with pytest.raises(InvalidError) as caught:
        run(session, "user.segment", code="big", when=when, **names)
    assert (caught.value.code, caught.value.details["field"]) == ("user.segment_condition_wrong", "when")
    with pytest.raises(InvalidError):
        run(
            session,
            "user.segment",
            code="big",
            when={"all": [{"field": "buyer.orders", "op": "gte", "value": "x"}]},
            **names,
        )


def test_members_put_on_a_list_carry_it_at_once(session: Session) -> None:
    a_shop(session)
    run(session, "user.segment", code="press", name_en="Press", name_zh="媒体")
    done = run(session, "user.change_members", code="press", add=["ann", "nobody"])
    assert (done.added, done.unknown) == (1, ("nobody",))
    assert buyer_of(session, "retail", "ann").segments == ("press",)
    run(session, "user.change_members", code="press", remove=["ann"])
    assert buyer_of(session, "retail", "ann").segments == ()


def test_consent_moves_the_segments_that_need_it_at_once(session: Session) -> None:
    a_shop(session)
    when = {"all": [{"field": "buyer.orders", "op": "gte", "value": 0}]}
    run(session, "user.segment", code="watched", name_en="W", name_zh="W", when=when, needs_consent="profiling")
    said = {"buyer_id": "ann", "purpose": "profiling", "is_given": True, "text_version": "v1"}
    assert run(session, "user.consent", **said).segments == ("watched",)


def test_suspended_and_restored_buyers_are_told_of_once(session: Session) -> None:
    a_shop(session)
    assert run(session, "user.suspend", buyer_id="ann", reason="fraud").changed
    assert not run(session, "user.suspend", buyer_id="ann", reason="fraud").changed
    assert run(session, "user.restore", buyer_id="ann", reason="a mistake").status is BuyerStatus.ACTIVE
    with pytest.raises(MissingError):
        run(session, "user.suspend", buyer_id="nobody", reason="x")


def test_a_buyer_suspended_meanwhile_still_gets_what_was_begun(session: Session) -> None:
    a_shop(session)
    order_id = open_order(session, an_open_order(buyer_id="ann")).id
    run(session, "user.suspend", buyer_id="ann", reason="fraud")
    run(session, "transaction.hold_stock", order_id=order_id)
    assert run(session, "transaction.confirm", order_id=order_id).status.value == "confirmed"
    buyer = buyer_of(session, "retail", "ann")
    assert (buyer.order_count, buyer.lifetime_value_minor, buyer.status) == (1, 100_00, BuyerStatus.SUSPENDED)


def test_an_order_in_another_currency_is_counted_but_not_added_up(session: Session) -> None:
    a_shop(session)
    asked = an_open_order(buyer_id="ann").model_copy(update={"currency": "EUR"})
    run(session, "transaction.confirm", order_id=open_order(session, asked).id)
    assert not run(session, "user.reclassify", buyer_id="ann").changed
    buyer = buyer_of(session, "retail", "ann")
    assert (buyer.order_count, buyer.lifetime_value_minor) == (1, 0)


def test_every_step_about_buyers_and_prices_has_words_in_both_languages() -> None:
    mine = {name: entry for name, entry in operations().items() if name.startswith("user.")}
    assert {"user.admit", "user.reclassify", "user.suspend", "user.restore", "user.consent"} <= set(mine)
    assert all(entry.en and entry.zh and entry.en != entry.zh for entry in mine.values())


# --- following --------------------------------------------------------------------------------------------------


def settled(sessions: sessionmaker[Session]) -> None:
    """Wait until the feed shows everything: transactions of other databases of the server hold it back too."""
    for _ in range(2_400):
        with sessions() as session:
            left = "SELECT count(*) FROM outbox_event WHERE transaction_id >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
            if session.scalar(text(left)) == 0:
                return
    raise AssertionError("the feed never became whole")


def test_a_confirmed_order_and_a_refund_are_followed_from_the_feed(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        a_shop(session)
        order = bought(session, "r1", now(), 600_00)
        publish(session, business="retail", type="order.confirmed", subject=order, data={"buyer_id": "ann"})
    settled(sessions)
    assert follow_buyers(sessions) == 1
    with sessions.begin() as session:
        assert buyer_of(session, "retail", "ann").tier is Tier.GOLD
        refunded(session, order, 300_00)
        publish(session, business="retail", type="refund.succeeded", subject=order, data={})
    settled(sessions)
    assert follow_buyers(sessions) == 1
    assert follow_buyers(sessions) == 0
    with sessions() as session:
        buyer = buyer_of(session, "retail", "ann")
        assert (buyer.tier, buyer.lifetime_value_minor) == (Tier.STANDARD, 300_00)


def test_a_changed_segment_works_everybody_out_anew(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        a_shop(session)
        for number in range(60):
            enrol_buyer(session, EnrolBuyer(business="retail", id=f"b{number:02}", name="B"))
        when = {"all": [{"field": "buyer.orders", "op": "eq", "value": 0}]}
        run(session, "user.segment", code="new", name_en="New", name_zh="新客", when=when)
    settled(sessions)
    assert follow_buyers(sessions) == 61
    with sessions() as session:
        carrying = select(BuyerRow.id).where(BuyerRow.segments.contains(["new"]))
        assert len(session.scalars(carrying).all()) == 61


def test_the_nightly_round_comes_once_a_day_of_the_business(sessions: sessionmaker[Session]) -> None:
    night = datetime(2026, 3, 10, 19, tzinfo=UTC)  # 3 in the morning of the 11th in Shanghai
    with sessions.begin() as session:
        a_shop(session)
        bought(session, "r1", night - 365 * DAY + timedelta(hours=1), 600_00)
        session.add(ClassifyingRow(business="retail", is_round_done=True, round_on="2026-03-09"))
        session.execute(text("UPDATE buyer SET tier = 'gold'"))
    with time_machine.travel(night, tick=False):
        assert follow_buyers(sessions) == 1
        assert follow_buyers(sessions) == 0
    with sessions() as session:
        assert buyer_of(session, "retail", "ann").tier is Tier.GOLD
    with time_machine.travel(night + DAY - timedelta(seconds=1), tick=False):
        assert follow_buyers(sessions) == 0
    with time_machine.travel(night + DAY, tick=False):
        assert follow_buyers(sessions) == 1
    with sessions() as session:
        assert buyer_of(session, "retail", "ann").tier is Tier.STANDARD


def test_workers_that_follow_at_once_change_a_tier_once(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        a_shop(session)
        order = bought(session, "r1", now(), 600_00)
        publish(session, business="retail", type="order.confirmed", subject=order, data={"buyer_id": "ann"})
    settled(sessions)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: follow_buyers(sessions), range(8)))
    assert sum(done) == 1
    with sessions() as session:
        assert [change.to_tier for change in tier_history(session, "retail", "ann")] == [Tier.GOLD]
