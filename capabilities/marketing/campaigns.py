"""What others see of campaigns: a name and a window for several rules, with budgets that burn down and can be topped up."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from capabilities.marketing.limits import Contract, Counts, Per, Period

CampaignStatus = Literal["draft", "scheduled", "live", "paused", "ended"]
"""`scheduled`, and `ended` by time, follow from the window; the others a person decided."""


class Budget(Contract):
    """A budget of a campaign: `most` in all, with every top-up; `used` and `left` of the counters of this moment.

    Of a budget per buyer, code or store `used` is the sum over all of them and `left` is None.
    """

    id: str
    counts: Counts
    most: int
    per: tuple[Per, ...] = ()
    period: Period | None = None
    zone: str | None = None
    partial: bool = True
    currency: str | None = None
    used: int = 0
    left: int | None = None


class NewBudget(Contract):
    """A budget as it is planned."""

    counts: Counts
    most: int = Field(ge=0, le=10**15)
    per: tuple[Per, ...] = ()
    period: Period | None = None
    zone: str | None = None
    partial: bool = True
    currency: str | None = None


class CreateCampaign(Contract):
    """A new campaign, a draft until it is started."""

    business: str
    campaign_id: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    name_en: str = Field(min_length=1, max_length=120)
    name_zh: str = Field(default="", max_length=120)
    from_at: datetime | None = None
    until_at: datetime | None = None
    budgets: tuple[NewBudget, ...] = ()


class ChangeCampaign(Contract):
    """What a person does with a campaign."""

    business: str
    campaign_id: str
    act: Literal["start", "pause", "end"]
    reason: str = ""


class AskTopUp(Contract):
    """More (or, with a negative amount, less) for a budget, as a person asks for it; a second person decides."""

    business: str
    budget_id: str
    amount: int
    reason: str = Field(min_length=1, max_length=500)


class TopUp(Contract):
    """More (or, with a negative amount, less) for a budget. `request_id` makes it happen once."""

    business: str
    budget_id: str
    amount: int
    reason: str = Field(min_length=1, max_length=500)
    request_id: str = Field(min_length=1, max_length=200)
    approved_by: str | None = None


class BudgetChange(Contract):
    """One change of a budget, as it stands in its history for good."""

    budget_id: str
    amount: int
    most_after: int
    actor: str
    reason: str
    at: datetime
    approved_by: str | None = None


class Campaign(Contract):
    """A campaign with its budgets as they are now."""

    id: str
    business: str
    name_en: str
    name_zh: str
    status: CampaignStatus
    from_at: datetime | None
    until_at: datetime | None
    budgets: tuple[Budget, ...]
    created_by: str
    created_at: datetime
    changed_at: datetime


class CampaignPage(Contract):
    campaigns: tuple[Campaign, ...]
    cursor: str | None


class BurnPoint(Contract):
    """What was taken, net of what came back, in the hour or day that begins at `at`; `used` is the sum up to its end."""

    at: datetime
    taken: int
    used: int


class BurnDown(Contract):
    """How a budget goes: its course, and when it will be gone if it goes on as in the last day."""

    budget: Budget
    step: Literal["hour", "day"]
    points: tuple[BurnPoint, ...]
    rate_per_hour: float
    lasts_until: datetime | None
    """None where nothing is being used, or the budget outlasts its period or campaign."""
    is_used_up: bool
