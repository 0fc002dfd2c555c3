"""Reads of campaigns: as they are now, in pages, how their budgets burn down, and what is left of counters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, tuple_
from sqlalchemy.orm import Session

from capabilities.kernel.business import business_of
from capabilities.kernel.clock import now
from capabilities.kernel.cursor import read_cursor, read_moment, write_cursor
from capabilities.kernel.errors import MissingError
from capabilities.marketing.burning import burn_down_of
from capabilities.marketing.campaigns import (
    Budget,
    BudgetChange,
    BurnDown,
    Campaign,
    CampaignPage,
    CampaignStatus,
)
from capabilities.marketing.limits import Counter, CounterState
from capabilities.marketing.models import (
    BudgetChangeRow,
    BudgetRow,
    CampaignRow,
    LimitClaimRow,
    LimitCounterRow,
    LimitReturnRow,
)
from capabilities.marketing.periods import period_bounds, period_key

OPEN = ("held", "secured", "redeemed")


def campaign_of(session: Session, business: str, name: str, at: datetime | None = None) -> Campaign:
    """A campaign by the id rules name it by; `MissingError` where there is none."""
    found = select(CampaignRow).where(CampaignRow.business == business, CampaignRow.name == name)
    row = session.scalars(found.execution_options(populate_existing=True)).one_or_none()
    if row is None:
        raise MissingError("marketing.campaign_unknown", f"There is no campaign {name} in {business}.")
    return _campaigns(session, business, [row], at or now())[0]


def campaigns_named(session: Session, business: str, names: Iterable[str], at: datetime) -> dict[str, Campaign]:
    """Campaigns by name, as rules need them: their budgets without what is used of them."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    found = select(CampaignRow).where(CampaignRow.business == business, CampaignRow.name.in_(wanted))
    rows = list(session.scalars(found.execution_options(populate_existing=True)))
    budgets = _budget_rows(session, [row.id for row in rows])
    return {row.name: _campaign(row, [_budget(b, 0, None) for b in budgets.get(row.id, [])], at) for row in rows}


def campaigns_page(
    session: Session,
    business: str,
    *,
    status: CampaignStatus | None = None,
    find: str = "",
    after: str | None = None,
    limit: int = 50,
    at: datetime | None = None,
) -> CampaignPage:
    """Campaigns, the newest first, by status and by a part of their names."""
    moment = at or now()
    wanted = select(CampaignRow).where(CampaignRow.business == business)
    if status is not None:
        wanted = wanted.where(_has_status(status, moment))
    if find:
        part = f"%{_escaped(find)}%"
        wanted = wanted.where(
            or_(
                CampaignRow.name.ilike(part, escape="\\"),
                CampaignRow.name_en.ilike(part, escape="\\"),
                CampaignRow.name_zh.ilike(part, escape="\\"),
            )
        )
    if after is not None:
        created_at, last = read_cursor(after, 2)
        wanted = wanted.where(tuple_(CampaignRow.created_at, CampaignRow.id) < (read_moment(created_at), last))
    ordered = wanted.order_by(CampaignRow.created_at.desc(), CampaignRow.id.desc()).limit(limit + 1)
    rows = list(session.scalars(ordered.execution_options(populate_existing=True)))
    cursor = write_cursor(rows[limit - 1].created_at.isoformat(), rows[limit - 1].id) if len(rows) > limit else None
    return CampaignPage(campaigns=tuple(_campaigns(session, business, rows[:limit], moment)), cursor=cursor)


def campaign_counts(session: Session, business: str, at: datetime | None = None) -> dict[CampaignStatus, int]:
    """How many campaigns have each status."""
    found = select(CampaignRow).where(CampaignRow.business == business)
    counts: dict[CampaignStatus, int] = {"draft": 0, "scheduled": 0, "live": 0, "paused": 0, "ended": 0}
    for row in session.scalars(found):
        counts[status_of(row, at or now())] += 1
    return counts


def status_of(row: CampaignRow, at: datetime) -> CampaignStatus:
    """What a campaign is now: what a person decided, and what its window says."""
    if row.state == "draft":
        return "draft"
    if row.state == "ended" or (row.until_at is not None and at >= row.until_at):
        return "ended"
    if row.state == "paused":
        return "paused"
    return "scheduled" if row.from_at is not None and at < row.from_at else "live"


def _has_status(status: CampaignStatus, at: datetime) -> ColumnElement[bool]:
    is_over = and_(CampaignRow.until_at.is_not(None), CampaignRow.until_at <= at)
    is_early = and_(CampaignRow.from_at.is_not(None), CampaignRow.from_at > at)
    return {
        "draft": CampaignRow.state == "draft",
        "ended": or_(CampaignRow.state == "ended", and_(CampaignRow.state != "draft", is_over)),
        "paused": and_(CampaignRow.state == "paused", ~is_over),
        "scheduled": and_(CampaignRow.state == "started", ~is_over, is_early),
        "live": and_(CampaignRow.state == "started", ~is_over, ~is_early),
    }[status]


def _escaped(find: str) -> str:
    return find.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


# --- budgets ----------------------------------------------------------------------------------------------------


def _campaigns(session: Session, business: str, rows: Sequence[CampaignRow], at: datetime) -> list[Campaign]:
    if not rows:
        return []
    budgets = _budget_rows(session, [row.id for row in rows])
    zone = business_of(session, business).time_zone
    used = _used(session, [one for some in budgets.values() for one in some], zone, at)
    return [
        _campaign(
            row, [_budget(b, used.get(b.id, 0), _left(b, used.get(b.id, 0))) for b in budgets.get(row.id, [])], at
        )
        for row in rows
    ]


def _budget_rows(session: Session, campaign_ids: Sequence[str]) -> dict[str, list[BudgetRow]]:
    found = select(BudgetRow).where(BudgetRow.campaign_id.in_(campaign_ids)).order_by(BudgetRow.position)
    by_campaign: dict[str, list[BudgetRow]] = {}
    for row in session.scalars(found.execution_options(populate_existing=True)):
        by_campaign.setdefault(row.campaign_id, []).append(row)
    return by_campaign


def _used(session: Session, budgets: Sequence[BudgetRow], zone: str, at: datetime) -> dict[str, int]:
    """What is used of each budget, of one by period in the present period."""
    if not budgets:
        return {}
    found = (
        select(LimitCounterRow.budget_id, LimitCounterRow.key, func.sum(LimitCounterRow.used).label("used"))
        .where(LimitCounterRow.budget_id.in_([budget.id for budget in budgets]))
        .group_by(LimitCounterRow.budget_id, LimitCounterRow.key)
    )
    by_id = {budget.id: budget for budget in budgets}
    used: dict[str, int] = {}
    for row in session.execute(found):
        budget = by_id[row.budget_id]
        if budget.period is None or period_key(budget.period, at, budget.zone or zone) in row.key.split(" "):  # type: ignore[arg-type]
            used[budget.id] = used.get(budget.id, 0) + int(row.used)
    return used


def _left(budget: BudgetRow, used: int) -> int | None:
    return None if budget.per else max(0, budget.most - used)


def _budget(row: BudgetRow, used: int, left: int | None) -> Budget:
    return Budget.model_validate(
        {
            "id": row.id,
            "counts": row.counts,
            "most": row.most,
            "per": row.per,
            "period": row.period,
            "zone": row.zone,
            "partial": row.is_partial,
            "currency": row.currency,
            "used": used,
            "left": left,
        }
    )


def _campaign(row: CampaignRow, budgets: Sequence[Budget], at: datetime) -> Campaign:
    return Campaign(
        id=row.name,
        business=row.business,
        name_en=row.name_en,
        name_zh=row.name_zh,
        status=status_of(row, at),
        from_at=row.from_at,
        until_at=row.until_at,
        budgets=tuple(budgets),
        created_by=row.created_by,
        created_at=row.created_at,
        changed_at=row.changed_at,
    )


def budget_of(session: Session, business: str, budget_id: str) -> tuple[Campaign, Budget]:
    """A budget as it is now, with its campaign; `MissingError` where there is none."""
    found = (
        select(CampaignRow.name)
        .join(BudgetRow, BudgetRow.campaign_id == CampaignRow.id)
        .where(BudgetRow.business == business, BudgetRow.id == budget_id)
    )
    name = session.scalar(found)
    if name is None:
        raise MissingError("marketing.budget_unknown", f"There is no budget {budget_id} in {business}.")
    campaign = campaign_of(session, business, name)
    return campaign, next(budget for budget in campaign.budgets if budget.id == budget_id)


def budget_changes(session: Session, business: str, budget_id: str) -> tuple[BudgetChange, ...]:
    """The history of a budget, the newest first."""
    found = (
        select(BudgetChangeRow)
        .where(BudgetChangeRow.business == business, BudgetChangeRow.budget_id == budget_id)
        .order_by(BudgetChangeRow.created_at.desc(), BudgetChangeRow.id)
    )
    return tuple(change_of(row) for row in session.scalars(found))


def change_of(row: BudgetChangeRow) -> BudgetChange:
    """A change as others see it."""
    return BudgetChange(
        budget_id=row.budget_id,
        amount=row.amount,
        most_after=row.most_after,
        actor=row.actor,
        reason=row.reason,
        at=row.created_at,
        approved_by=row.approved_by,
    )


# --- burn-down --------------------------------------------------------------------------------------------------


def burn_down(session: Session, business: str, budget_id: str, *, at: datetime | None = None) -> BurnDown:
    """The course of a budget (of one by period: of the present period) and how long it lasts; by hours up to three days."""
    moment = at or now()
    row = session.scalars(
        select(BudgetRow)
        .where(BudgetRow.business == business, BudgetRow.id == budget_id)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise MissingError("marketing.budget_unknown", f"There is no budget {budget_id} in {business}.")
    campaign = session.get_one(CampaignRow, row.campaign_id)
    zone = row.zone or business_of(session, business).time_zone
    used = _used(session, [row], zone, moment).get(row.id, 0)
    begins, ends = campaign.from_at, campaign.until_at
    if row.period is not None:
        period_begins, period_ends = period_bounds(row.period, moment, zone)  # type: ignore[arg-type]
        begins = period_begins if begins is None else max(begins, period_begins)
        ends = period_ends if ends is None else min(ends, period_ends)
    movements = _movements(session, row.id, begins if row.period is not None else None)
    return burn_down_of(_budget(row, used, _left(row, used)), movements, at=moment, zone=ZoneInfo(zone), ends_at=ends)


def _movements(session: Session, budget_id: str, since: datetime | None) -> list[tuple[datetime, int]]:
    """What was taken and what came back, by hour."""
    taken = _by_hour(LimitClaimRow, LimitClaimRow.amount, budget_id, since).where(LimitClaimRow.status.in_(OPEN))
    returned = _by_hour(LimitReturnRow, -LimitReturnRow.amount, budget_id, since)
    return [
        (row.hour, int(row.amount)) for wanted in (taken, returned) for row in session.execute(wanted) if row.amount
    ]


def _by_hour(
    table: type[LimitClaimRow | LimitReturnRow], amount: Any, budget_id: str, since: datetime | None
) -> Select[datetime, int]:
    hour = func.date_trunc("hour", table.created_at)
    counters = select(LimitCounterRow.id).where(LimitCounterRow.budget_id == budget_id)
    found = select(hour.label("hour"), func.sum(amount).label("amount")).where(table.counter_id.in_(counters))
    return (found if since is None else found.where(table.created_at >= since)).group_by(hour)


def budgets_to_watch(
    session: Session, business: str, *, within_h: int = 24, at: datetime | None = None
) -> list[tuple[Campaign, BurnDown]]:
    """Budgets of live campaigns that are used up, or will be within so many hours: what Today warns of."""
    moment = at or now()
    found: list[tuple[Campaign, BurnDown]] = []
    for campaign in campaigns_page(session, business, status="live", limit=200, at=moment).campaigns:
        for budget in campaign.budgets:
            if budget.left is None:
                continue
            burn = burn_down(session, business, budget.id, at=moment)
            soon = burn.lasts_until is not None and burn.lasts_until <= moment + timedelta(hours=within_h)
            if burn.is_used_up or soon:
                found.append((campaign, burn))
    return found


# --- counters ---------------------------------------------------------------------------------------------------


def counter_states(session: Session, counters: Sequence[Counter]) -> Mapping[str, CounterState]:
    """What is left of counters, by id, in one read; of one that nobody has taken from, everything."""
    if not counters:
        return {}
    found = (
        select(LimitCounterRow.id, func.sum(LimitCounterRow.used).label("used"))
        .where(LimitCounterRow.id.in_([counter.id for counter in counters]))
        .group_by(LimitCounterRow.id)
    )
    used = {row.id: int(row.used) for row in session.execute(found)}
    return {
        counter.id: CounterState(
            counter=counter,
            used=used.get(counter.id, 0),
            left=0 if counter.is_barred else max(0, counter.most - used.get(counter.id, 0)),
        )
        for counter in counters
    }
