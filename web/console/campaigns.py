"""Campaigns: the list with what is left of budgets, one campaign with its burn-down, its rules and its history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from activities.journal.approvals import ApprovalSeen, approvals_page
from capabilities.kernel.clock import now
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import MissingError
from capabilities.kernel.ids import derived_id, new_id
from capabilities.kernel.outbox import OutboxEvent, events_of
from capabilities.marketing.campaigns import Budget, BudgetChange, Campaign, CampaignStatus
from capabilities.marketing.queries_campaigns import (
    budget_changes,
    burn_down,
    campaign_counts,
    campaign_of,
    campaigns_page,
)
from rules.document import RuleLimit
from rules.limit_sentence import Language, limit_sentence
from web.access.contract import Role
from web.access.permissions import Action
from web.access.queries import names_of, people_with
from web.console.became import Became, became_of
from web.console.burning_chart import BurnChart, burn_chart
from web.console.edge import ConsoleRoute
from web.console.pages import go, page
from web.console.rule_links import RuleLink, rules_where
from web.console.typed import Typed
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)

STATUSES: tuple[CampaignStatus, ...] = ("live", "scheduled", "paused", "draft", "ended")
TOP_UP = "top_up_budget"


@dataclass(frozen=True, slots=True)
class BudgetView:
    """A budget with its limit in words; `share` is how much of it is left, in percent."""

    budget: Budget
    words: str
    share: int | None

    @property
    def look(self) -> str:
        """By what is left: used up, near its end, well."""
        if self.share is None:
            return "mute"
        return "bad" if self.budget.left == 0 else "warn" if self.share <= 10 else "ok"


@dataclass(frozen=True, slots=True)
class CampaignRow:
    campaign: Campaign
    budgets: tuple[BudgetView, ...]


@dataclass(frozen=True)
class CampaignsPage:
    rows: tuple[CampaignRow, ...]
    counts: tuple[tuple[str, int, str], ...]
    status: str
    find: str
    next_href: str | None
    first_href: str | None
    became: Became | None
    who_change: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BudgetPart:
    """One budget of the page: how it burns, and every change of it."""

    view: BudgetView
    chart: BurnChart | None
    lasts_until: datetime | None
    is_used_up: bool
    changes: tuple[BudgetChange, ...]


@dataclass(frozen=True)
class CampaignPage:
    campaign: Campaign
    budgets: tuple[BudgetPart, ...]
    rules: tuple[RuleLink, ...]
    events: tuple[OutboxEvent, ...]
    waiting: tuple[ApprovalSeen, ...]
    names: dict[str, str]
    acts: tuple[str, ...]
    who_change: tuple[str, ...]
    who_approve: tuple[str, ...]
    typed: Typed
    key: str
    became: Became | None


@router.get("/console/{business}/marketing", name="marketing")
def marketing(visit: Annotated[Visit, Depends(Needs(Action.SEE_CAMPAIGNS))]) -> Response:
    return RedirectResponse(f"{visit.path}/marketing/campaigns", status_code=303)


@router.get("/console/{business}/marketing/campaigns", name="campaigns")
def campaigns(
    visit: Annotated[Visit, Depends(Needs(Action.SEE_CAMPAIGNS))],
    status: str = "",
    q: str = "",
    cursor: str | None = None,
    ran: str | None = None,
) -> Response:
    """The list, by state and by a part of the name; both stand in the address."""
    here, base = visit.business.business, f"{visit.path}/marketing/campaigns"
    chosen = next((one for one in STATUSES if one == status), None)
    find = q.strip()[:100]
    with transaction() as session:
        found = campaigns_page(session, here, status=chosen, find=find, after=cursor or None)
        counted = campaign_counts(session, here)
        happened = became_of(session, visit, ran)
    kept = {name: value for name, value in (("status", chosen or ""), ("q", find)) if value}
    context = CampaignsPage(
        rows=tuple(
            CampaignRow(one, tuple(budget_view(visit, budget) for budget in one.budgets)) for one in found.campaigns
        ),
        counts=tuple((one, counted[one], link(base, kept | {"status": one})) for one in STATUSES if counted[one]),
        status=chosen or "",
        find=find,
        next_href=link(base, kept | {"cursor": found.cursor}) if found.cursor else None,
        first_href=link(base, kept) if cursor else None,
        became=happened,
        who_change=who_may(visit, Action.CHANGE_CAMPAIGNS),
    )
    return page(visit, "marketing/campaigns.html", context, block="campaigns")


@router.get("/console/{business}/marketing/campaigns/{campaign_id}", name="campaign")
def campaign_page(
    visit: Annotated[Visit, Depends(Needs(Action.SEE_CAMPAIGNS))], campaign_id: str, ran: str | None = None
) -> Response:
    try:
        return show_campaign(visit, campaign_id, ran=ran)
    except MissingError:
        if ran is None:
            raise
        return go(visit, f"{visit.path}/marketing/campaigns?ran={ran}")  # it is still being planned; the list says so


def show_campaign(
    visit: Visit, campaign_id: str, *, typed: Typed | None = None, ran: str | None = None, status: int = 200
) -> Response:
    """One campaign; `typed` is a form that was refused, `ran` what was just set going."""
    here, at = visit.business.business, now()
    with transaction() as session:
        campaign = campaign_of(session, here, campaign_id, at)
        parts = tuple(_part(session, visit, budget, at) for budget in campaign.budgets)
        events = tuple(reversed(events_of(session, derived_id("cmp", here, campaign_id))))
        waiting = _waiting(session, here, campaign_id)
        people = {change.actor for part in parts for change in part.changes}
        people |= {change.approved_by or "" for part in parts for change in part.changes}
        people |= {str(event.data.get("actor", "")) for event in events} | {one.asked_by for one in waiting}
        context = CampaignPage(
            campaign=campaign,
            budgets=parts,
            rules=rules_where(session, visit, lambda rule: rule.campaign == campaign_id),
            events=events,
            waiting=waiting,
            names=names_of(session, people | {campaign.created_by}),
            acts=_acts(campaign),
            who_change=who_may(visit, Action.CHANGE_CAMPAIGNS),
            who_approve=_approvers(session, visit),
            typed=typed or Typed(visit),
            key=new_id("act"),
            became=became_of(session, visit, ran),
        )
    return page(visit, "marketing/campaign.html", context, block="campaign", status=status)


def budget_view(visit: Visit, budget: Budget) -> BudgetView:
    """The budget in words, with the share that is left."""
    limit = RuleLimit(
        counts=budget.counts,
        most=budget.most,
        per=budget.per,
        period=budget.period,
        zone=budget.zone,
        partial="allowed" if budget.partial else "refused",
    )
    language: Language = "zh" if visit.operator.language == "zh" else "en"
    words = limit_sentence(limit, language, budget.currency or visit.business.currency)
    share = None if budget.left is None else 0 if not budget.most else min(100, budget.left * 100 // budget.most)
    return BudgetView(budget, words, share)


def _part(session: Session, visit: Visit, budget: Budget, at: datetime) -> BudgetPart:
    burn = burn_down(session, visit.business.business, budget.id, at=at)
    return BudgetPart(
        budget_view(visit, budget),
        burn_chart(burn, at),
        burn.lasts_until,
        burn.is_used_up,
        budget_changes(session, visit.business.business, budget.id),
    )


def _waiting(session: Session, business: str, campaign_id: str) -> tuple[ApprovalSeen, ...]:
    """Top-ups of this campaign that a second person has not decided yet."""
    found = approvals_page(session, business, is_open=True, limit=200).approvals
    return tuple(one for one in found if one.process == TOP_UP and one.shows.get("campaign") == campaign_id)


def _acts(campaign: Campaign) -> tuple[str, ...]:
    """What a person can do with the campaign as it stands."""
    return {
        "draft": ("start", "end"),
        "scheduled": ("pause", "end"),
        "live": ("pause", "end"),
        "paused": ("start", "end"),
        "ended": (),
    }[campaign.status]


def _approvers(session: Session, visit: Visit) -> tuple[str, ...]:
    """Who can agree to what this person asks for: never the person."""
    found = people_with(session, visit.business.business, frozenset({Role.APPROVER, Role.ADMIN}))
    return tuple(one.name for one in found if one.id != visit.operator.id)


def who_may(visit: Visit, action: Action) -> tuple[str, ...]:
    """Who can, where this person cannot."""
    return () if visit.may(action.value) else visit.who_may(action.value)


def link(base: str, query: dict[str, str]) -> str:
    """An address with what narrows a list."""
    return f"{base}?{urlencode(query)}" if query else base
