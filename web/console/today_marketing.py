"""What marketing puts on Today: budgets that are used up or will be within a day, lots whose codes run out."""

from __future__ import annotations

from sqlalchemy.orm import Session

from capabilities.marketing.queries_campaigns import budgets_to_watch
from capabilities.marketing.queries_coupons import lots_to_watch
from web.access.permissions import Action
from web.console.formats import weekday
from web.console.today_matters import Matter
from web.console.visit import Visit


def marketing_matters(session: Session, visit: Visit) -> tuple[Matter, ...]:
    """Worst first; each leads to the budget or the lot that it counts."""
    here, found = visit.business.business, []
    zh = visit.operator.language == "zh"
    if visit.may(Action.SEE_CAMPAIGNS.value):
        for campaign, burn in budgets_to_watch(session, here):
            name = campaign.name_zh if zh and campaign.name_zh else campaign.name_en
            href = f"{visit.path}/marketing/campaigns/{campaign.id}#b-{burn.budget.id}"
            if burn.is_used_up:
                found.append(Matter("bad", "budget_gone", 1, name, "", None, href))
            else:
                until = weekday(burn.lasts_until, visit.business.zone, visit.operator.language.value)
                found.append(Matter("warn", "budget_soon", 1, name, "", None, href, until=until))
    if visit.may(Action.SEE_COUPONS.value):
        for lot, left in lots_to_watch(session, here):
            href = f"{visit.path}/marketing/coupons/lots/{lot.id}"
            found.append(Matter("warn", "lot", left, lot.id, "", None, href))
    return tuple(sorted(found, key=lambda matter: matter.look != "bad"))
