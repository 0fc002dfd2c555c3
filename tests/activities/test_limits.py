"""From the quote to the claim: what limits leave is given, and no more; campaigns, lots, rewards and refunds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import event, select
from sqlalchemy.orm import Session, sessionmaker

from activities.catalogue import StepContext, find_operation
from activities.expiry import expire_overdue
from activities.pricing import PricedCheckout, PriceRequest, explain_quote, price, quote_for
from capabilities.kernel.errors import ConflictError, PlatformError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.marketing.campaigns import ChangeCampaign, CreateCampaign, NewBudget, TopUp
from capabilities.marketing.coupons import CreateLot
from capabilities.marketing.models import CouponRow, LimitClaimRow
from capabilities.marketing.queries import quote_of
from capabilities.marketing.queries_campaigns import burn_down, campaign_of
from capabilities.marketing.service_campaigns import change_campaign, create_campaign, top_up
from capabilities.marketing.service_lots import make_codes, open_lot
from capabilities.transaction.contract import CheckoutLine, CheckoutRequest
from capabilities.user.contract import AdmittedBuyer
from tests.builders import a_business, an_offer, live_rules
from workflows.worker import load_operations

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
HALF = {"kind": "percent_off", "rate_bps": 5000, "apply": "across"}
FIFTY = {"kind": "amount_off", "amount_minor": 50_00}


@pytest.fixture
def shop(session: Session) -> Session:
    load_operations()
    a_business(session)
    an_offer(session, "tea", price=100_00, stock=1_000)
    return session


def rule(rule_id: str = "half", effect: dict[str, Any] = HALF, **about: Any) -> dict[str, Any]:
    return {"id": rule_id, "name": rule_id.title(), "when": {"all": []}, "effects": [effect]} | about


def checkout(quantity: int = 1, **about: Any) -> CheckoutRequest:
    lines = (CheckoutLine(sku="tea", quantity=quantity),)
    return CheckoutRequest(business="retail", currency="CNY", lines=lines, **about)


def buyer(buyer_id: str | None = "ann") -> AdmittedBuyer:
    return AdmittedBuyer(buyer_id=buyer_id, tier="standard", order_number=1)


def context(key: str) -> StepContext:
    return StepContext(key, "price", f"{key}/price", BusinessIdentity("retail"), "api:test", key)


def priced(session: Session, key: str, quantity: int = 1, who: str | None = "ann", **about: Any) -> PricedCheckout:
    asked = checkout(quantity, buyer_id=who, **about)
    return price(session, context(key), PriceRequest(checkout=asked, buyer=buyer(who)))


def step(session: Session, name: str, **request: Any) -> Any:
    operation = find_operation(name)
    assert operation.run is not None
    return operation.run(session, context("run"), operation.request.model_validate(request))


def bought(session: Session, key: str, quantity: int = 1, who: str | None = "ann", **about: Any) -> int:
    """Price and claim; what was given."""
    answer = priced(session, key, quantity, who, **about)
    step(session, "marketing.claim", order_id=key, quote_id=answer.quote_id)
    return answer.discount_minor


def outcome(session: Session, quote_id: str) -> tuple[str, str | None]:
    found = quote_of(session, quote_id).outcomes[0]
    return found.outcome, found.limited_by


@contextmanager
def statements(session: Session) -> Iterator[list[str]]:
    told: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        del connection, cursor, rest
        told.append(statement)

    bind = session.connection()
    event.listen(bind, "before_cursor_execute", note)
    try:
        yield told
    finally:
        event.remove(bind, "before_cursor_execute", note)


def test_uses_are_given_until_they_are_used_up_then_the_price_is_the_full_one(shop: Session) -> None:
    live_rules(shop, rule(limits=[{"most": 2}]))

    assert [bought(shop, key) for key in ("o1", "o2", "o3")] == [50_00, 50_00, 0]
    third = priced(shop, "o3b")
    assert outcome(shop, third.quote_id) == ("limit_used_up", "Half")
    assert explain_quote(shop, third.quote_id).is_reproduced
    step(shop, "marketing.release", order_id="o1")
    assert bought(shop, "o4") == 50_00
    assert explain_quote(shop, third.quote_id).is_reproduced


@pytest.mark.parametrize(
    ("partial", "given"), [("allowed", [50_00, 50_00, 20_00, 0]), ("refused", [50_00, 50_00, 0, 0])]
)
def test_a_budget_that_covers_a_part_gives_the_part_or_nothing(shop: Session, partial: str, given: list[int]) -> None:
    live_rules(shop, rule(limits=[{"counts": "spend", "most": 120_00, "partial": partial}]))

    assert [bought(shop, f"o{number}") for number in range(4)] == given
    answer = priced(shop, "o9")
    assert explain_quote(shop, answer.quote_id).is_reproduced


def test_each_buyer_has_his_own_and_a_guest_none(shop: Session) -> None:
    live_rules(shop, rule(limits=[{"most": 1, "per": ["buyer"]}]))

    given = [bought(shop, f"o{n}", who=who) for n, who in enumerate(["ann", "ann", "ben", None])]
    assert given == [50_00, 0, 50_00, 0]


def test_a_day_begins_anew_at_midnight_of_the_business(shop: Session) -> None:
    live_rules(shop, rule(limits=[{"most": 1, "period": "day"}]))
    with time_machine.travel(datetime(2026, 11, 25, 15, 59, tzinfo=UTC), tick=False) as clock:
        assert [bought(shop, "o1"), bought(shop, "o2")] == [50_00, 0]
        clock.shift(timedelta(minutes=1))
        assert [bought(shop, "o3"), bought(shop, "o4")] == [50_00, 0]


def test_the_same_promotion_on_many_lines_is_one_use(shop: Session) -> None:
    an_offer(shop, "mug", price=10_00)
    live_rules(shop, rule(grain="line", stage=20, limits=[{"most": 2}]))
    lines = (CheckoutLine(sku="tea", quantity=3), CheckoutLine(sku="mug", quantity=2))
    request = checkout().model_copy(update={"lines": lines})
    answer = price(shop, context("o1"), PriceRequest(checkout=request, buyer=buyer()))
    step(shop, "marketing.claim", order_id="o1", quote_id=answer.quote_id)

    assert answer.discount_minor == 160_00
    assert [claim.amount for claim in shop.scalars(select(LimitClaimRow))] == [1]
    assert bought(shop, "o2") == 50_00
    assert bought(shop, "o3") == 0


def test_used_up_between_price_and_claim_refuses_naming_the_limit(shop: Session) -> None:
    live_rules(shop, rule(limits=[{"most": 1}]))
    first, second = priced(shop, "o1"), priced(shop, "o2")
    step(shop, "marketing.claim", order_id="o1", quote_id=first.quote_id)

    with pytest.raises(ConflictError) as caught:
        step(shop, "marketing.claim", order_id="o2", quote_id=second.quote_id)
    assert caught.value.code == "marketing.limit_used_up"
    assert caught.value.details["limit"] == "Half"


def test_the_next_best_of_a_group_is_given_when_the_best_is_used_up(shop: Session) -> None:
    groups = {"offers": {"mode": "best"}}
    tenth = {"kind": "percent_off", "rate_bps": 1000, "apply": "across"}
    best = rule(group="offers", limits=[{"most": 1}])
    live_rules(shop, best, rule("tenth", tenth, group="offers", limits=[{"most": 1}]), groups=groups)

    assert [bought(shop, key) for key in ("o1", "o2", "o3")] == [50_00, 10_00, 0]


def test_rules_without_limits_cost_no_statement(shop: Session) -> None:
    live_rules(shop, rule())
    priced(shop, "warm")
    shop.expire_all()
    with statements(shop) as plain:
        answer = priced(shop, "o1")
        step(shop, "marketing.claim", order_id="o1", quote_id=answer.quote_id)
    assert [text for text in plain if "limit_" in text or "campaign" in text] == []


# --- campaigns --------------------------------------------------------------------------------------------------


def a_campaign(session: Session, *budgets: NewBudget, start: bool = True, **about: Any) -> None:
    request = CreateCampaign(business="retail", campaign_id="spring", name_en="Spring", budgets=budgets, **about)
    create_campaign(session, request, "editor")
    if start:
        change_campaign(session, ChangeCampaign(business="retail", campaign_id="spring", act="start"), "editor")


def test_rules_of_a_campaign_act_only_while_it_is_live(shop: Session) -> None:
    live_rules(shop, rule(campaign="spring"))
    assert bought(shop, "o0") == 0
    a_campaign(shop, start=False)
    assert bought(shop, "o1") == 0
    for number, (act, given) in enumerate([("start", 50_00), ("pause", 0), ("start", 50_00), ("end", 0)]):
        change_campaign(shop, ChangeCampaign(business="retail", campaign_id="spring", act=act), "editor")
        assert bought(shop, f"p{number}") == given
    answer = priced(shop, "o9")
    assert outcome(shop, answer.quote_id) == ("limit_used_up", "spring")
    assert explain_quote(shop, answer.quote_id).is_reproduced


def test_two_rules_share_a_budget_and_a_top_up_gives_more(shop: Session) -> None:
    live_rules(shop, rule("one", FIFTY, priority=2, campaign="spring"), rule("two", FIFTY, campaign="spring"))
    a_campaign(shop, NewBudget(counts="spend", most=170_00, currency="CNY"))

    assert [bought(shop, key, 3) for key in ("o1", "o2", "o3")] == [100_00, 70_00, 0]
    budget = campaign_of(shop, "retail", "spring").budgets[0]
    assert (budget.used, budget.left) == (170_00, 0)
    for _ in range(2):
        request = TopUp(business="retail", budget_id=budget.id, amount=30_00, reason="goes well", request_id="1")
        assert top_up(shop, request, "approver").most_after == 200_00
    assert bought(shop, "o4", 3) == 30_00
    burn = burn_down(shop, "retail", budget.id)
    assert (burn.is_used_up, sum(point.taken for point in burn.points)) == (True, 200_00)


def test_exactly_n_of_many_buyers_get_through_whole_checkouts(sessions: sessionmaker[Session]) -> None:
    """Ten times as many checkouts as the budget holds, each with price and claim in its own transaction."""
    load_operations()
    with sessions.begin() as session:
        a_business(session)
        an_offer(session, "tea", price=100_00, stock=1_000)
        live_rules(session, rule(campaign="spring", limits=[{"most": 1, "per": ["buyer"]}]))
        a_campaign(session, NewBudget(counts="spend", most=200_00, currency="CNY"), NewBudget(counts="uses", most=100))
    given: list[int] = []
    ready = threading.Barrier(8)

    def buy(worker: int) -> None:
        ready.wait()
        for turn in range(5):
            while True:
                try:
                    with sessions.begin() as session:
                        key = f"o{worker}_{turn}"
                        discount = bought(session, key, who=f"buyer_{worker}_{turn}")
                    given.append(discount)
                    break
                except PlatformError as error:
                    assert error.code == "marketing.limit_used_up"  # noqa: PT017 - in a thread

    threads = [threading.Thread(target=buy, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(given) == [0] * 36 + [50_00] * 4
    with sessions() as session:
        assert [budget.used for budget in campaign_of(session, "retail", "spring").budgets] == [200_00, 4]


# --- lots -------------------------------------------------------------------------------------------------------


def test_every_code_of_a_lot_opens_the_rule_once(shop: Session) -> None:
    live_rules(shop, rule(coupon="SUMMER", limits=[{"most": 5, "per": ["code"]}]))
    open_lot(shop, CreateLot(business="retail", lot_id="l1", opens="summer", pattern="S-****-****", codes=2), "editor")
    make_codes(shop, "retail", "l1")
    one, two = shop.scalars(select(CouponRow.code))

    assert bought(shop, "o1", coupon_codes=(one.lower(),)) == 50_00
    answer = priced(shop, "o2", coupon_codes=(two,))
    quote = quote_of(shop, answer.quote_id)
    assert [(use.code, use.state) for use in quote.coupons] == [(two, "applied")]
    assert explain_quote(shop, answer.quote_id).is_reproduced
    with pytest.raises(ConflictError) as caught:
        priced(shop, "o3", coupon_codes=(one,))
    assert caught.value.code == "marketing.coupon_used_up"


def test_a_rule_that_a_code_of_a_lot_opens_says_what_else_it_wanted(shop: Session) -> None:
    wants = {"all": [{"field": "order.subtotal_minor", "op": "gte", "value": 150_00}]}
    live_rules(shop, rule(coupon="SUMMER", when=wants))
    open_lot(shop, CreateLot(business="retail", lot_id="l1", opens="SUMMER", pattern="S-****-****", codes=1), "editor")
    make_codes(shop, "retail", "l1")
    code = shop.scalars(select(CouponRow.code)).one()
    answer = priced(shop, "o1", coupon_codes=(code,), expected_total_minor=100_00)

    (verdict,) = explain_quote(shop, answer.quote_id).verdicts
    assert verdict.outcome == "not_matched"
    assert verdict.failed is not None
    assert verdict.failed.difference == 50_00


def test_a_code_of_one_buyer_is_of_no_use_to_another(shop: Session) -> None:
    live_rules(shop, rule(coupon="SUMMER"))
    lot = {"business": "retail", "lot_id": "l1", "opens": "SUMMER", "pattern": "S-****-****", "codes": 1}
    open_lot(shop, CreateLot(**lot, buyer_ids=("ann",)), "editor")
    make_codes(shop, "retail", "l1")
    code = shop.scalars(select(CouponRow.code)).one()

    assert bought(shop, "o1", who="ann", coupon_codes=(code,)) == 50_00
    quote = quote_for(shop, checkout(coupon_codes=(code,)), buyer("ben"))
    assert [(use.state, use.reason) for use in quote.coupons] == [
        ("inactive", f"The coupon {code} is for somebody else.")
    ]


# --- time -------------------------------------------------------------------------------------------------------


def test_what_is_not_paid_for_in_time_comes_back_by_the_sweeper(sessions: sessionmaker[Session]) -> None:
    load_operations()
    with time_machine.travel(NOW, tick=False) as clock:
        with sessions.begin() as session:
            a_business(session)
            an_offer(session, "tea", price=100_00, stock=10)
            live_rules(session, rule(limits=[{"most": 1}]))
            assert bought(session, "o1") == 50_00
        assert expire_overdue(sessions).claims == 0
        clock.shift(timedelta(minutes=16))
        assert expire_overdue(sessions).claims == 1
        assert expire_overdue(sessions).claims == 0
        with sessions.begin() as session:
            assert session.scalars(select(LimitClaimRow.status)).all() == ["expired"]
            assert bought(session, "o2") == 50_00
