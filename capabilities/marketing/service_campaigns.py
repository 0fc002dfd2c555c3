"""Writes of campaigns: created, started, paused, ended; budgets topped up, each change kept. Nothing here commits."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, InvalidError, MissingError, RefusedError
from capabilities.kernel.ids import derived_id
from capabilities.kernel.outbox import publish
from capabilities.marketing.campaigns import (
    BudgetChange,
    Campaign,
    ChangeCampaign,
    CreateCampaign,
    NewBudget,
    TopUp,
)
from capabilities.marketing.models import BudgetChangeRow, BudgetRow, CampaignRow
from capabilities.marketing.queries_campaigns import campaign_of, change_of

ACTS = {
    "start": (("draft", "paused"), "started"),
    "pause": (("started",), "paused"),
    "end": (("draft", "started", "paused"), "ended"),
}


def create_campaign(session: Session, request: CreateCampaign, actor: str) -> Campaign:
    """A new campaign, a draft; the same again is the same, another under its id raises `ConflictError`."""
    _require_window(request)
    campaign_id = derived_id("cmp", request.business, request.campaign_id)
    row = {
        "id": campaign_id,
        "business": request.business,
        "name": request.campaign_id,
        "name_en": request.name_en,
        "name_zh": request.name_zh,
        "state": "draft",
        "from_at": request.from_at,
        "until_at": request.until_at,
        "created_by": actor,
        "created_at": now(),
        "changed_by": actor,
        "changed_at": now(),
    }
    is_new = session.scalar(insert(CampaignRow).values(row).on_conflict_do_nothing().returning(CampaignRow.id))
    if is_new is None:
        return _require_same(session, request)
    for position, budget in enumerate(request.budgets):
        _add_budget(session, request.business, campaign_id, position, budget, actor)
    session.flush()
    _tell(session, request.business, "campaign.created", request.campaign_id, actor)
    return campaign_of(session, request.business, request.campaign_id)


def _require_window(request: CreateCampaign) -> None:
    if request.from_at is not None and request.until_at is not None and request.from_at >= request.until_at:
        raise InvalidError(
            "marketing.window_empty", "The campaign ends before it begins.", mend="Set a later end.", field="until_at"
        )
    for number, budget in enumerate(request.budgets):
        if budget.counts == "spend" and budget.currency is None:
            raise InvalidError(
                "marketing.budget_currency_missing",
                "A budget of money says in which currency.",
                mend="Name the currency.",
                field=f"budgets.{number}.currency",
            )


def _require_same(session: Session, request: CreateCampaign) -> Campaign:
    known = campaign_of(session, request.business, request.campaign_id)
    planned = [(b.counts, sorted(b.per), b.period, b.zone, b.currency) for b in request.budgets]
    same = (
        (known.name_en, known.name_zh, known.from_at, known.until_at)
        == (request.name_en, request.name_zh, request.from_at, request.until_at)
    ) and [(b.counts, sorted(b.per), b.period, b.zone, b.currency) for b in known.budgets] == planned
    if same:
        return known
    raise ConflictError(
        "marketing.campaign_exists",
        f"There is another campaign {request.campaign_id} in {request.business} already.",
        mend="Choose another id.",
        field="campaign_id",
    )


def _add_budget(
    session: Session, business: str, campaign_id: str, position: int, budget: NewBudget, actor: str
) -> None:
    budget_id = derived_id("bdg", campaign_id, str(position))
    session.add(
        BudgetRow(
            id=budget_id,
            business=business,
            campaign_id=campaign_id,
            position=position,
            counts=budget.counts,
            most=budget.most,
            per=sorted(set(budget.per)),
            period=budget.period,
            zone=budget.zone,
            is_partial=budget.partial,
            currency=budget.currency if budget.counts == "spend" else None,
            created_at=now(),
            changed_at=now(),
        )
    )
    session.add(
        BudgetChangeRow(
            id=derived_id("bch", budget_id, "created"),
            business=business,
            budget_id=budget_id,
            amount=budget.most,
            most_after=budget.most,
            actor=actor,
            reason="created",
            created_at=now(),
        )
    )


def change_campaign(session: Session, request: ChangeCampaign, actor: str) -> Campaign:
    """Start, pause or end; what is so already stays so. What cannot follow raises `RefusedError`."""
    from_states, to = ACTS[request.act]
    changed = session.scalar(
        update(CampaignRow)
        .where(
            CampaignRow.business == request.business,
            CampaignRow.name == request.campaign_id,
            CampaignRow.state.in_(from_states),
        )
        .values(state=to, changed_by=actor, changed_at=now())
        .returning(CampaignRow.id)
        .execution_options(synchronize_session=False)
    )
    if changed is not None:
        _tell(session, request.business, f"campaign.{to}", request.campaign_id, actor, reason=request.reason)
    elif _state(session, request.business, request.campaign_id) != to:
        state = _state(session, request.business, request.campaign_id)
        raise RefusedError(
            f"marketing.campaign_not_{to}",
            f"The campaign {request.campaign_id} is {state}: that cannot follow.",
            mend="An ended campaign stays ended: create a new one.",
            campaign=request.campaign_id,
            state=state,
        )
    return campaign_of(session, request.business, request.campaign_id)


def _state(session: Session, business: str, name: str) -> str:
    state = session.scalar(select(CampaignRow.state).where(CampaignRow.business == business, CampaignRow.name == name))
    if state is None:
        raise MissingError("marketing.campaign_unknown", f"There is no campaign {name} in {business}.")
    return state


def top_up(session: Session, request: TopUp, actor: str) -> BudgetChange:
    """Change what a budget allows, once a request; the change stands in its history for good."""
    budget = session.scalars(
        select(BudgetRow)
        .where(BudgetRow.id == request.budget_id, BudgetRow.business == request.business)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if budget is None:
        raise MissingError("marketing.budget_unknown", f"There is no budget {request.budget_id} in {request.business}.")
    change_id = derived_id("bch", request.budget_id, request.request_id)
    known = session.get(BudgetChangeRow, change_id)
    if known is not None:
        return change_of(known)
    if request.amount == 0 or budget.most + request.amount < 0:
        raise RefusedError(
            "marketing.top_up_refused",
            "A budget changes by more than nothing, and never below zero.",
            mend=f"It has {budget.most} now.",
            most=budget.most,
        )
    budget.most += request.amount
    budget.changed_at = now()
    added = BudgetChangeRow(
        id=change_id,
        business=request.business,
        budget_id=budget.id,
        amount=request.amount,
        most_after=budget.most,
        actor=actor,
        approved_by=request.approved_by,
        reason=request.reason,
        created_at=now(),
    )
    session.add(added)
    session.flush()
    data = {"budget_id": budget.id, "amount": request.amount, "most": budget.most, "actor": actor}
    publish(session, business=request.business, type="budget.topped_up", subject=budget.campaign_id, data=data)
    return change_of(added)


def _tell(session: Session, business: str, kind: str, campaign: str, actor: str, *, reason: str = "") -> None:
    data = {"campaign": campaign, "actor": actor, "reason": reason}
    publish(session, business=business, type=kind, subject=derived_id("cmp", business, campaign), data=data)
