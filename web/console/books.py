"""People, audit: who may do what, who did what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from capabilities.kernel.database import transaction
from web.access.audit import entries_page, first_break
from web.access.contract import OperatorSeen, Role
from web.access.models import AuditEntry
from web.access.permissions import PERMISSIONS, Action
from web.access.queries import names_of, people
from web.console.edge import ConsoleRoute
from web.console.pages import page
from web.console.texts import N_
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)

ACTION_WORDS = {
    Action.SEE_TODAY: N_("see the first page"),
    Action.SEE_RULES: N_("read rules"),
    Action.TRY_RULES: N_("try rules on a cart"),
    Action.EDIT_RULES: N_("change drafts"),
    Action.SUBMIT_RULES: N_("submit drafts"),
    Action.APPROVE_RULES: N_("approve others' drafts"),
    Action.ROLL_BACK_RULES: N_("roll back"),
    Action.SEE_ORDERS: N_("see orders"),
    Action.REVIEW_ORDERS: N_("release or reject orders"),
    Action.REFUND_ORDERS: N_("give money back"),
    Action.CHANGE_ORDERS: N_("hand over, cancel, change and take back orders"),
    Action.SEE_CUSTOMERS: N_("see customers"),
    Action.CHANGE_CUSTOMERS: N_("suspend customers, set tiers, record consents"),
    Action.ERASE_CUSTOMERS: N_("export and erase customers' data"),
    Action.DECIDE_APPROVALS: N_("decide what processes ask of one's role"),
    Action.SEE_CAMPAIGNS: N_("see campaigns"),
    Action.CHANGE_CAMPAIGNS: N_("plan and pause campaigns, ask for budget"),
    Action.SEE_COUPONS: N_("see coupons"),
    Action.CHANGE_COUPONS: N_("make, import, export, pause and void coupons"),
    Action.SEE_PRICES: N_("see price lists"),
    Action.CHANGE_PRICES: N_("change price lists"),
    Action.SEE_GIFT_CARDS: N_("see gift cards"),
    Action.CHANGE_GIFT_CARDS: N_("issue, freeze and top up gift cards"),
    Action.GRANT_POINTS: N_("grant points"),
    Action.SEE_PROCESSES: N_("see processes"),
    Action.REPAIR_PROCESSES: N_("mend processes"),
    Action.SEE_MONEY: N_("see the ledger"),
    Action.CORRECT_LEDGER: N_("ask for corrections of the ledger"),
    Action.RUN_PAYOUTS: N_("plan, retry and withdraw payouts"),
    Action.HOLD_MONEY: N_("keep sellers' money back"),
    Action.SET_SETTLEMENT: N_("declare commission rates, sellers' accounts and closed days"),
    Action.ISSUE_STATEMENTS: N_("issue sellers' statements"),
    Action.RECONCILE: N_("take in statements and resolve mistakes"),
    Action.SEE_WEBHOOKS: N_("see webhooks"),
    Action.KEEP_WEBHOOKS: N_("add and pause webhooks, change their secrets"),
    Action.RESEND_WEBHOOKS: N_("send webhooks again"),
    Action.SEE_APPROVALS: N_("see approvals"),
    Action.SEE_CATALOGUE: N_("see the catalogue"),
    Action.SEE_PEOPLE: N_("see people and roles"),
    Action.SEE_AUDIT: N_("read the audit"),
}


@dataclass(frozen=True)
class PeoplePage:
    people: tuple[OperatorSeen, ...]
    roles: tuple[Role, ...]
    table: tuple[tuple[str, tuple[bool, ...]], ...]


@dataclass(frozen=True)
class AuditPage:
    """`broken_at` is the first entry that does not fit the chain; None where it is whole."""

    entries: tuple[AuditEntry, ...]
    names: dict[str, str]
    broken_at: int | None
    older_href: str | None


@router.get("/console/{business}/people", name="people")
def people_page(visit: Annotated[Visit, Depends(Needs(Action.SEE_PEOPLE))]) -> Response:
    with transaction() as session:
        found = people(session, visit.business.business)
    table = tuple(
        (ACTION_WORDS[action], tuple(role in PERMISSIONS.get(action, ()) for role in Role)) for action in Action
    )
    return page(visit, "people.html", PeoplePage(tuple(found), tuple(Role), table))


@router.get("/console/{business}/audit", name="audit")
def audit_page(visit: Annotated[Visit, Depends(Needs(Action.SEE_AUDIT))], before: int | None = None) -> Response:
    with transaction() as session:
        entries = entries_page(session, visit.business.business, before=before, limit=50)
        broken_at = first_break(session)
        names = names_of(session, {entry.actor for entry in entries} | {entry.subject for entry in entries})
    older = f"{visit.path}/audit?before={entries[-1].sequence}" if len(entries) == 50 else None
    return page(visit, "audit.html", AuditPage(tuple(entries), names, broken_at, older))
