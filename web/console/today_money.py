"""What money puts on Today: a ledger out of balance, payouts that failed, open mistakes, endpoints that take nothing."""

from __future__ import annotations

from sqlalchemy.orm import Session

from activities.webhooks.queries import count_troubled
from capabilities.account.queries_reports import unequal_sides
from capabilities.settlement.contract import PayoutStatus
from capabilities.settlement.queries_payout import payout_counts
from capabilities.settlement.queries_reconciliation import recon_counts
from web.access.permissions import Action
from web.console.formats import sums
from web.console.today_matters import Matter
from web.console.visit import Visit


def money_matters(session: Session, visit: Visit) -> tuple[Matter, ...]:
    """Worst first; each number leads to exactly the list it counts."""
    here, found = visit.business.business, []
    money = f"{visit.path}/money"
    if visit.may(Action.SEE_MONEY.value):
        found += [
            Matter("bad", "ledger", 1, currency, "", None, f"{money}/trial?check=1")
            for currency in unequal_sides(session, here)
        ]
        failed = payout_counts(session, here).get(PayoutStatus.FAILED, 0)
        if failed:
            found.append(Matter("bad", "payouts", failed, "", "", None, f"{money}/payouts?status=failed"))
        counts = recon_counts(session, here)
        if counts.open:
            about = sums(counts.open_minor)
            found.append(Matter("bad", "mistakes", counts.open, about, "", None, f"{money}/reconciliation/rows?open=1"))
    if visit.may(Action.SEE_WEBHOOKS.value):
        troubled = count_troubled(session, here)
        down = troubled["disabled"] + troubled["failing"]
        if down:
            found.append(Matter("bad", "endpoints", down, "", "", None, f"{visit.path}/webhooks?troubled=1"))
        if troubled["failed"]:
            href = f"{visit.path}/webhooks/deliveries?status=failed"
            found.append(Matter("warn", "given_up", troubled["failed"], "", "", None, href))
    return tuple(found)
