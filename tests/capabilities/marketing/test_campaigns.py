"""Campaigns: what they are now, budgets and their changes, how they burn down and how long they last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from capabilities.kernel.errors import ConflictError, InvalidError, MissingError, RefusedError
from capabilities.kernel.outbox import events_of
from capabilities.marketing.campaigns import Budget, ChangeCampaign, CreateCampaign, NewBudget, TopUp
from capabilities.marketing.counting import counters_of, uses_of
from capabilities.marketing.limits import Bearing, Limit, Occasion
from capabilities.marketing.models import BudgetRow, CampaignRow
from capabilities.marketing.queries_campaigns import (
    budget_changes,
    budgets_to_watch,
    burn_down,
    campaign_counts,
    campaign_of,
    campaigns_page,
)
from capabilities.marketing.service_campaigns import change_campaign, create_campaign, top_up
from capabilities.marketing.service_limits import claim_limits, release_limits
from tests.builders import a_business

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
MONEY = NewBudget(counts="spend", most=1_000_00, currency="CNY")


@pytest.fixture
def shop(session: Session) -> Session:
    a_business(session)
    return session


def create(session: Session, campaign_id: str = "spring", *budgets: NewBudget, **about: object) -> None:
    said = {"business": "retail", "campaign_id": campaign_id, "name_en": campaign_id.title(), "budgets": budgets}
    create_campaign(session, CreateCampaign.model_validate(said | about), "editor")


def act(session: Session, what: str, campaign_id: str = "spring") -> str:
    request = ChangeCampaign.model_validate({"business": "retail", "campaign_id": campaign_id, "act": what})
    return change_campaign(session, request, "editor").status


def budget_of(session: Session) -> Budget:
    return campaign_of(session, "retail", "spring").budgets[0]


def spend(session: Session, order_id: str, amount: int) -> None:
    budget = budget_of(session)
    limit = Limit(
        owner="campaign:spring",
        name="Spring",
        counts=budget.counts,
        most=budget.most,
        per=budget.per,
        period=budget.period,
        zone=budget.zone,
        currency=budget.currency,
        budget_id=budget.id,
    )
    occasion = Occasion(
        business="retail", currency="CNY", at=datetime.now(UTC), buyer_id="ann", time_zone="Asia/Shanghai"
    )
    counters = counters_of([Bearing(limit=limit, rule_ids=("r1",))], occasion)
    claim_limits(session, order_id, "quo_1", "retail", uses_of(counters, {"r1": amount}))


def test_a_campaign_is_draft_scheduled_live_paused_and_ended(shop: Session) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        create(shop, from_at=NOW + timedelta(days=1), until_at=NOW + timedelta(days=3))
        assert campaign_of(shop, "retail", "spring").status == "draft"
        assert act(shop, "start") == "scheduled"
        clock.shift(timedelta(days=1))
        assert campaign_of(shop, "retail", "spring").status == "live"
        assert act(shop, "pause") == "paused"
        assert act(shop, "pause") == "paused"
        assert act(shop, "start") == "live"
        clock.shift(timedelta(days=2))
        assert campaign_of(shop, "retail", "spring").status == "ended"


def test_what_is_ended_stays_so_and_says_so(shop: Session) -> None:
    create(shop)
    act(shop, "end")
    with pytest.raises(RefusedError) as caught:
        act(shop, "start")
    assert caught.value.code == "marketing.campaign_not_started"
    assert caught.value.message == "The campaign spring is ended: that cannot follow."
    with pytest.raises(MissingError):
        act(shop, "start", "autumn")


def test_the_same_campaign_again_is_the_same_and_another_under_its_id_conflicts(shop: Session) -> None:
    create(shop, "spring", MONEY)
    create(shop, "spring", MONEY)
    assert len(shop.scalars(select(BudgetRow)).all()) == 1
    with pytest.raises(ConflictError) as caught:
        create(shop, "spring", MONEY, name_en="Other")
    assert caught.value.code == "marketing.campaign_exists"


def test_a_window_that_is_empty_and_money_of_no_currency_are_refused(shop: Session) -> None:
    with pytest.raises(InvalidError) as caught:
        create(shop, from_at=NOW, until_at=NOW)
    assert caught.value.code == "marketing.window_empty"
    with pytest.raises(InvalidError) as caught:
        create(shop, "spring", NewBudget(counts="spend", most=1))
    assert caught.value.details == {"field": "budgets.0.currency"}


def test_a_top_up_happens_once_and_its_history_only_grows(shop: Session) -> None:
    create(shop, "spring", MONEY)
    request = TopUp(
        business="retail",
        budget_id=budget_of(shop).id,
        amount=500_00,
        reason="goes well",
        request_id="run_1",
        approved_by="ben",
    )
    for _ in range(2):
        change = top_up(shop, request, "ann")
    assert (change.most_after, change.actor, change.approved_by) == (1_500_00, "ann", "ben")
    assert budget_of(shop).most == 1_500_00
    history = budget_changes(shop, "retail", budget_of(shop).id)
    assert sorted((one.amount, one.reason) for one in history) == [(500_00, "goes well"), (1_000_00, "created")]
    campaign = shop.scalars(select(CampaignRow.id)).one()
    assert [one.type for one in events_of(shop, campaign)] == ["campaign.created", "budget.topped_up"]
    with pytest.raises(RefusedError) as caught:
        top_up(shop, request.model_copy(update={"amount": -1_500_01, "request_id": "run_2"}), "ann")
    assert caught.value.mend == "It has 150000 now."
    with pytest.raises(IntegrityError, match="append-only"):
        shop.execute(text("UPDATE campaign_budget_change SET amount = 0"))


def test_a_budget_burns_down_by_the_hour_and_says_how_long_it_lasts(shop: Session) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        create(shop, "spring", MONEY)
        act(shop, "start")
        assert burn_down(shop, "retail", budget_of(shop).id).points == ()
        spend(shop, "ord_1", 100_00)
        clock.shift(timedelta(hours=2))
        spend(shop, "ord_2", 200_00)
        spend(shop, "ord_3", 1_00)
        release_limits(shop, "ord_3")
        clock.shift(timedelta(hours=1))

        burn = burn_down(shop, "retail", budget_of(shop).id)

    assert (burn.step, burn.budget.used, burn.budget.left) == ("hour", 300_00, 700_00)
    assert [(point.at.astimezone(UTC).hour, point.taken, point.used) for point in burn.points] == [
        (10, 100_00, 100_00),
        (11, 0, 100_00),
        (12, 200_00, 300_00),
        (13, 0, 300_00),
    ]
    assert burn.rate_per_hour == 100_00
    assert burn.lasts_until == NOW + timedelta(hours=10)
    assert not burn.is_used_up


def test_a_budget_that_outlasts_its_day_names_no_end_and_begins_anew(shop: Session) -> None:
    with time_machine.travel(datetime(2026, 11, 25, 14, tzinfo=UTC), tick=False) as clock:
        create(shop, "spring", MONEY.model_copy(update={"period": "day"}))
        act(shop, "start")
        spend(shop, "ord_1", 100_00)
        burn = burn_down(shop, "retail", budget_of(shop).id)
        assert (burn.budget.used, burn.lasts_until) == (100_00, None)
        clock.shift(timedelta(hours=2))  # 24:00 in Shanghai
        assert budget_of(shop).used == 0
        assert burn_down(shop, "retail", budget_of(shop).id).points == ()


def test_today_is_warned_of_what_is_used_up_or_soon_will_be(shop: Session) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        create(shop, "spring", MONEY)
        act(shop, "start")
        assert budgets_to_watch(shop, "retail") == []
        spend(shop, "ord_1", 900_00)
        clock.shift(timedelta(hours=1))
        found = budgets_to_watch(shop, "retail")
        assert [(campaign.id, burn.is_used_up) for campaign, burn in found] == [("spring", False)]
        spend(shop, "ord_2", 100_00)
        assert [burn.is_used_up for _, burn in budgets_to_watch(shop, "retail")] == [True]


def test_pages_filter_by_status_and_name_and_go_on_by_cursor(shop: Session) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        for name in ("one", "two", "three"):
            create(shop, name)
            clock.shift(timedelta(minutes=1))
        act(shop, "start", "two")
        assert campaign_counts(shop, "retail") == {"draft": 2, "scheduled": 0, "live": 1, "paused": 0, "ended": 0}
        for status, names in {"draft": ["three", "one"], "live": ["two"], "ended": []}.items():
            page = campaigns_page(shop, "retail", status=status)  # type: ignore[arg-type]
            assert [campaign.id for campaign in page.campaigns] == names
        assert [c.id for c in campaigns_page(shop, "retail", find="T").campaigns] == ["three", "two"]
        first = campaigns_page(shop, "retail", limit=2)
        rest = campaigns_page(shop, "retail", limit=2, after=first.cursor)
        assert [c.id for c in (*first.campaigns, *rest.campaigns)] == ["three", "two", "one"]
        assert rest.cursor is None
        assert campaigns_page(shop, "travel").campaigns == ()
