"""Customers: the list, one with tier, segments, consents, orders and value, what they hold and owe, and their data to take."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from activities.exporting import export_of
from capabilities.account.contract import AccountKind, AccountRef
from capabilities.account.queries import balance_of
from capabilities.account.queries_stored import gift_cards_page, stored_balance_of
from capabilities.account.stored import GiftCard, StoredBalance
from capabilities.kernel.clock import now
from capabilities.kernel.database import transaction
from capabilities.kernel.identity import BusinessIdentity
from capabilities.payment.schedule import Due, DueFilters, DueStatus, Owed
from capabilities.payment.schedule_queries import dues_page, owed_of
from capabilities.transaction.buyer_history import OpenMatter, open_matters
from capabilities.transaction.contract import OrderFilters, OrderSummary
from capabilities.transaction.queries import orders_page
from capabilities.user.contract import (
    Buyer,
    BuyerFilters,
    BuyerPage,
    BuyerStatus,
    Consent,
    Purpose,
    Segment,
    Tier,
    TierChange,
)
from capabilities.user.queries import (
    buyer_of,
    buyers_page,
    consent_history,
    consents_of,
    count_buyers,
    find_buyer,
    segments_of,
    tier_history,
)
from web.access.audit import record_act
from web.access.permissions import Action
from web.access.queries import names_of
from web.console.act_dues import due_day
from web.console.became import Became, became_of
from web.console.edge import ConsoleRoute
from web.console.lists import Listing, asked, listing
from web.console.pages import HEADERS, page
from web.console.texts import N_
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)

FILTERS = {"q": N_("text"), "status": N_("state"), "tier": N_("tier"), "segment": N_("segment")}
PURPOSES = {
    Purpose.MARKETING: N_("marketing"),
    Purpose.ANALYTICS: N_("analytics"),
    Purpose.PROFILING: N_("profiling"),
}


@dataclass(frozen=True)
class CustomersPage:
    """The list; names and addresses only for those who may act on customers."""

    buyers: tuple[Buyer, ...]
    listing: Listing
    segments: tuple[tuple[str, str], ...]
    count: int
    shows_names: bool
    currency: str


@dataclass(frozen=True, slots=True)
class ConsentLine:
    """What the buyer said about one purpose, or that nobody asked."""

    purpose: str
    label: str
    state: str
    said: Consent | None


@dataclass(frozen=True)
class CustomerPage:
    """One customer with all that belongs to them."""

    buyer: Buyer
    shows_names: bool
    segments: tuple[str, ...]
    tiers: tuple[tuple[TierChange, str], ...]
    consents: tuple[ConsentLine, ...]
    said: tuple[tuple[Consent, str, str], ...]
    orders: tuple[OrderSummary, ...]
    stored: StoredBalance
    owed_wallet_minor: int
    cards: tuple[GiftCard, ...]
    dues: tuple[tuple[Due, str], ...]
    owed: Owed
    matters: tuple[OpenMatter, ...]
    may_change: bool
    who_change: tuple[str, ...]
    currency: str
    became: Became | None


@router.get("/console/{business}/customers", name="customers")
def customers(visit: Annotated[Visit, Depends(Needs(Action.SEE_CUSTOMERS))]) -> Response:
    query = asked(visit)
    shows_names = visit.may(Action.CHANGE_CUSTOMERS.value)
    filters = _filters(visit, query)
    zh = visit.operator.language == "zh"
    with transaction() as session:
        if filters.search and not shows_names:  # who may not see names does not find by them either
            one = find_buyer(session, filters.business, filters.search)
            found = BuyerPage(buyers=(one,) if one else (), next_cursor=None)
            count = len(found.buyers)
        else:
            found = buyers_page(session, filters.business, filters=filters, after=query.get("cursor"), limit=50)
            count = count_buyers(session, filters)
        segments = tuple(
            (one.code, one.name_zh if zh else one.name_en) for one in segments_of(session, filters.business)
        )
    shown = listing(
        f"{visit.path}/customers",
        query,
        FILTERS,
        next_cursor=found.next_cursor,
        badges={"status": "buyer", "tier": "tier"},
    )
    context = CustomersPage(found.buyers, shown, segments, count, shows_names, visit.business.currency)
    return page(visit, "customers/list.html", context, block="customers")


def _filters(visit: Visit, query: dict[str, str]) -> BuyerFilters:
    status, tier = query.get("status", ""), query.get("tier", "")
    return BuyerFilters(
        business=visit.business.business,
        search=query.get("q", "")[:200] or None,
        tiers=(Tier(tier),) if tier in Tier.__members__.values() else (),
        statuses=(BuyerStatus(status),) if status in BuyerStatus.__members__.values() else (),
        segment=query.get("segment"),
    )


@router.get("/console/{business}/customers/{buyer_id}", name="customer")
def customer(visit: Annotated[Visit, Depends(Needs(Action.SEE_CUSTOMERS))], buyer_id: str) -> Response:
    here, currency = visit.business.business, visit.business.currency
    may_change = visit.may(Action.CHANGE_CUSTOMERS.value)
    with transaction() as session:
        buyer = buyer_of(session, here, buyer_id)
        tiers = tier_history(session, here, buyer.id, limit=20)
        said = consent_history(session, here, buyer.id)
        names = names_of(session, {one.actor for one in tiers} | {one.actor for one in said})
        segments = {one.code: one for one in segments_of(session, here)}
        newest = consents_of(session, here, buyer.id)
        open_dues = DueFilters(business=here, buyer_id=buyer.id, statuses=(DueStatus.OPEN, DueStatus.COLLECTING))
        dues = dues_page(session, open_dues, limit=50).dues
        wallet = AccountRef(business=here, kind=AccountKind.BUYER_WALLET, party=buyer.id, currency=currency)
        context = CustomerPage(
            buyer=buyer,
            shows_names=may_change,
            segments=tuple(_segment(visit, segments.get(code), code) for code in buyer.segments),
            tiers=tuple((one, names.get(one.actor, one.actor)) for one in tiers),
            consents=tuple(_consent(visit, purpose, newest.get(purpose)) for purpose in Purpose),
            said=tuple((one, PURPOSES[one.purpose], names.get(one.actor, one.actor)) for one in said[:20]),
            orders=orders_page(session, OrderFilters(business=here, buyer_id=buyer.id), limit=10).orders,
            stored=stored_balance_of(session, BusinessIdentity(here), buyer.id, currency),
            owed_wallet_minor=balance_of(session, wallet).minor,
            cards=gift_cards_page(session, here, search=buyer.id, limit=10).cards,
            dues=tuple((due, due_day(visit, due)) for due in dues),
            owed=owed_of(session, here, buyer.id, currency, at=now()),
            matters=open_matters(session, here, buyer.id),
            may_change=may_change,
            who_change=() if may_change else visit.who_may(Action.CHANGE_CUSTOMERS.value),
            currency=currency,
            became=became_of(session, visit, visit.request.query_params.get("ran")),
        )
    return page(visit, "customers/customer.html", context)


@router.get("/console/{business}/customers/{buyer_id}/export", name="customer_export")
def export(visit: Annotated[Visit, Depends(Needs(Action.ERASE_CUSTOMERS))], buyer_id: str) -> Response:
    """Everything kept about a buyer as one file; that it was taken stands in the audit."""
    here = visit.business.business
    with transaction() as session:
        document = export_of(session, here, buyer_id)
        record_act(
            session, business=here, actor=visit.operator.id, action="customers.export", subject=document["buyer"]["id"]
        )
    text = json.dumps(document, indent=2, ensure_ascii=False)
    headers = {**HEADERS, "Content-Disposition": 'attachment; filename="customer.json"'}
    return Response(text, media_type="application/json", headers=headers)


def _segment(visit: Visit, found: Segment | None, code: str) -> str:
    if found is None:
        return code
    return found.name_zh if visit.operator.language == "zh" else found.name_en


def _consent(visit: Visit, purpose: Purpose, said: Consent | None) -> ConsentLine:  # noqa: ARG001
    state = "never_asked" if said is None else "given" if said.is_given else "withdrawn"
    return ConsentLine(purpose.value, PURPOSES[purpose], state, said)
