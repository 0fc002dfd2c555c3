"""What people do with campaigns: plan one, start, pause or end it, ask for a larger budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from capabilities.kernel.database import transaction
from capabilities.kernel.errors import MissingError, PlatformError
from capabilities.kernel.ids import new_id
from capabilities.marketing.campaigns import Budget
from capabilities.marketing.queries_campaigns import budget_of, campaign_of
from web.access.permissions import Action
from web.console.acts import perform
from web.console.campaigns import TOP_UP, show_campaign
from web.console.edge import STATUS, ConsoleRoute
from web.console.pages import page
from web.console.texts import N_
from web.console.typed import Typed
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)

BUDGETS = (1, 2, 3)
"""The form offers so many budgets; one left blank is none."""
FIELDS = ("campaign_id", "name_en", "name_zh", "from_at", "until_at")
PERS = ("buyer", "code", "store")
PERIODS = ("day", "week", "month", "year")


@dataclass(frozen=True)
class NewCampaignPage:
    typed: Typed
    key: str
    budgets: tuple[int, ...] = BUDGETS
    pers: tuple[str, ...] = PERS
    periods: tuple[str, ...] = PERIODS


@router.get("/console/{business}/marketing/new-campaign", name="new_campaign")
def new_campaign(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_CAMPAIGNS))]) -> Response:
    return _form(visit, Typed(visit, FIELDS))


@router.post("/console/{business}/marketing/new-campaign", name="create_campaign")
async def create_campaign(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_CAMPAIGNS))]) -> Response:
    """Plan a campaign; it is a draft until somebody starts it."""
    typed = Typed(visit, FIELDS)
    body = _read_campaign(visit, typed)
    if typed.is_good:
        try:
            subject = str(body["campaign_id"])
            back = f"{visit.path}/marketing/campaigns/{subject}"
            return await perform(visit, process="create_campaign", body=body, subject=subject, back=back)
        except PlatformError as error:
            typed.refused(error)
    return await run_in_threadpool(_form, visit, typed, 422)


def _form(visit: Visit, typed: Typed, status: int = 200) -> Response:
    return page(
        visit, "marketing/campaign_new.html", NewCampaignPage(typed, new_id("act")), block="main", status=status
    )


def _read_campaign(visit: Visit, typed: Typed) -> dict[str, Any]:
    campaign_id = typed.text("campaign_id", most=64, needed=True)
    if campaign_id and not (campaign_id[0].isalnum() and all(c.isalnum() or c in "_.-" for c in campaign_id)):
        typed.wrong("campaign_id", N_("Letters, digits, dots and dashes, such as spring-2027."))
    if not campaign_id.isascii():
        typed.wrong("campaign_id", N_("Letters, digits, dots and dashes, such as spring-2027."))
    begins, ends = typed.moment("from_at"), typed.moment("until_at")
    if begins is not None and ends is not None and ends <= begins:
        typed.wrong("until_at", N_("The end is not after the beginning."))
    budgets = [_read_budget(visit, typed, number) for number in BUDGETS if typed.get(f"most{number}")]
    return {
        "business": visit.business.business,
        "campaign_id": campaign_id,
        "name_en": typed.text("name_en", most=120, needed=True),
        "name_zh": typed.text("name_zh", most=120),
        "from_at": begins and begins.isoformat(),
        "until_at": ends and ends.isoformat(),
        "budgets": budgets,
    }


def _read_budget(visit: Visit, typed: Typed, number: int) -> dict[str, Any]:
    counts = "uses" if typed.get(f"counts{number}") == "uses" else "spend"
    currency = visit.business.currency
    name = f"most{number}"
    most = typed.number(name, most=10**12) if counts == "uses" else typed.money(name, currency)
    period = typed.get(f"period{number}")
    return {
        "counts": counts,
        "most": most or 0,
        "per": [one for one in PERS if one in typed.all(f"per{number}")],
        "period": period if period in PERIODS else None,
        "partial": typed.get(f"partial{number}") != "refused",
        "currency": currency if counts == "spend" else None,
    }


@router.post("/console/{business}/marketing/campaigns/{campaign_id}/change", name="change_campaign")
async def change_campaign(
    visit: Annotated[Visit, Depends(Needs(Action.CHANGE_CAMPAIGNS))], campaign_id: str
) -> Response:
    """Start, pause or end it: from then on its rules act, or do not."""
    await run_in_threadpool(_require_campaign, visit, campaign_id)
    typed = Typed(visit, ("act", "reason"))
    body = {
        "business": visit.business.business,
        "campaign_id": campaign_id,
        "act": typed.choice("act", ("start", "pause", "end")),
        "reason": typed.text("reason", most=500),
    }
    if typed.get("act") in ("pause", "end") and not typed.get("reason"):
        typed.wrong("reason", N_("Say why: it stands in the history."))
    return await _run(visit, campaign_id, "change_campaign", body, typed)


@router.post("/console/{business}/marketing/campaigns/{campaign_id}/top-up", name="ask_top_up")
async def ask_top_up(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_CAMPAIGNS))], campaign_id: str) -> Response:
    """Ask for more (or less); a second person decides."""
    typed = Typed(visit, ("budget_id", "amount", "why"))
    budget = await run_in_threadpool(_budget, visit, campaign_id, typed.get("budget_id"))
    if budget.counts == "spend":
        amount = typed.money("amount", budget.currency or visit.business.currency, least=-(10**15), needed=True)
    else:
        amount = typed.number("amount", least=-(10**12), needed=True)
    reason = typed.text("why", most=500)
    if not reason:
        typed.wrong("why", N_("Say why: whoever decides reads it."))
    if amount == 0:
        typed.wrong("amount", N_("This changes nothing."))
    body = {
        "business": visit.business.business,
        "budget_id": budget.id,
        "amount": amount or 0,
        "reason": reason,
    }
    return await _run(visit, campaign_id, TOP_UP, body, typed)


async def _run(visit: Visit, campaign_id: str, process: str, body: dict[str, Any], typed: Typed) -> Response:
    status = 422
    if typed.is_good:
        try:
            back = f"{visit.path}/marketing/campaigns/{campaign_id}"
            audited = {"reason": body.get("reason", "")}
            return await perform(visit, process=process, body=body, subject=campaign_id, back=back, audited=audited)
        except PlatformError as error:
            typed.refused(error)
            status = STATUS[error.kind]
    return await run_in_threadpool(_again, visit, campaign_id, typed, status)


def _again(visit: Visit, campaign_id: str, typed: Typed, status: int) -> Response:
    return show_campaign(visit, campaign_id, typed=typed, status=status)


def _require_campaign(visit: Visit, campaign_id: str) -> None:
    with transaction() as session:
        campaign_of(session, visit.business.business, campaign_id)


def _budget(visit: Visit, campaign_id: str, budget_id: str) -> Budget:
    with transaction() as session:
        campaign, budget = budget_of(session, visit.business.business, budget_id)
    if campaign.id != campaign_id:
        raise MissingError("marketing.budget_unknown", f"{campaign_id} has no budget {budget_id}.")
    return budget
