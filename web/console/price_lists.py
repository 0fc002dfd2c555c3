"""Price lists: the list of lists, one with its prices and what held before, a new one, a change of whom it is for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response, StreamingResponse
from sqlalchemy.orm import Session

from activities.prices import Audience, ShownOffer, shown_offers
from capabilities.kernel.clock import now
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import MissingError, PlatformError
from capabilities.kernel.ids import new_id
from capabilities.marketing.price_contract import PriceEntry, PriceList
from capabilities.marketing.price_files import write_prices
from capabilities.marketing.price_queries import all_entries, entries_page, price_list_of, price_lists_of
from capabilities.transaction.queries import offers_of
from web.access.permissions import Action
from web.access.queries import names_of
from web.console.acts import perform
from web.console.became import Became, became_of
from web.console.campaigns import link, who_may
from web.console.edge import STATUS, ConsoleRoute
from web.console.pages import go, page
from web.console.texts import N_
from web.console.typed import Typed
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)

FIELDS = (
    "code",
    "name_en",
    "name_zh",
    "currency",
    "channel",
    "tier",
    "segment",
    "priority",
    "valid_from",
    "valid_until",
    "is_active",
    "reason",
)
AT_ONCE = 50


def state_of(listed: PriceList, at: datetime) -> str:
    """How a list stands: off, ahead, in force, over."""
    terms = listed.terms
    if not terms.is_active:
        return "off"
    if terms.valid_from is not None and at < terms.valid_from:
        return "ahead"
    return "over" if terms.valid_until is not None and at >= terms.valid_until else "in_force"


@dataclass(frozen=True)
class PriceListsPage:
    lists: tuple[tuple[PriceList, str], ...]
    names: dict[str, str]
    became: Became | None
    who_change: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EntryRow:
    """A price with the offer it is for; `offer` None where it is not sold any more."""

    entry: PriceEntry
    offer: ShownOffer | None


@dataclass(frozen=True)
class PriceListPage:
    listed: PriceList
    state: str
    rows: tuple[EntryRow, ...]
    find: str
    next_href: str | None
    first_href: str | None
    changed_by: str
    became: Became | None
    who_change: tuple[str, ...]


@dataclass(frozen=True)
class PriceListForm:
    """`listed` None: a new one."""

    typed: Typed
    key: str
    listed: PriceList | None


@router.get("/console/{business}/marketing/prices", name="price_lists")
def price_lists(visit: Annotated[Visit, Depends(Needs(Action.SEE_PRICES))], ran: str | None = None) -> Response:
    at = now()
    with transaction() as session:
        found = price_lists_of(session, visit.business.business)
        names = names_of(session, {one.changed_by for one in found})
        happened = became_of(session, visit, ran)
    lists = tuple((one, state_of(one, at)) for one in found)
    return page(
        visit, "marketing/prices.html", PriceListsPage(lists, names, happened, who_may(visit, Action.CHANGE_PRICES))
    )


@router.get("/console/{business}/marketing/prices/{code}", name="price_list")
def price_list(
    visit: Annotated[Visit, Depends(Needs(Action.SEE_PRICES))],
    code: str,
    q: str = "",
    cursor: str | None = None,
    ran: str | None = None,
) -> Response:
    """Its prices by sku, with the price the audience of the list would see crossed out and the lowest of thirty days."""
    base, find = f"{visit.path}/marketing/prices/{code}", q.strip()[:64]
    kept = {"q": find} if find else {}
    with transaction() as session:
        try:
            listed = price_list_of(session, visit.business.business, code)
        except MissingError:
            if ran is None:
                raise
            return go(visit, f"{visit.path}/marketing/prices?ran={ran}")  # it is still being entered
        found = entries_page(session, listed.id, sku=find or None, after=cursor or None, limit=AT_ONCE)
        context = PriceListPage(
            listed=listed,
            state=state_of(listed, now()),
            rows=_rows(session, listed, found.entries),
            find=find,
            next_href=link(base, kept | {"cursor": found.next_cursor}) if found.next_cursor else None,
            first_href=link(base, kept) if cursor else None,
            changed_by=names_of(session, {listed.changed_by}).get(listed.changed_by, listed.changed_by),
            became=became_of(session, visit, ran),
            who_change=who_may(visit, Action.CHANGE_PRICES),
        )
    return page(visit, "marketing/price_list.html", context, block="prices")


def _rows(session: Session, listed: PriceList, entries: tuple[PriceEntry, ...]) -> tuple[EntryRow, ...]:
    terms = listed.terms
    audience = Audience(
        channel=terms.channel or "web",
        currency=terms.currency,
        tier=terms.tier,
        segments=(terms.segment,) if terms.segment else (),
    )
    offers = offers_of(session, listed.business, sorted({entry.sku for entry in entries}))
    shown = {one.sku: one for one in shown_offers(session, listed.business, offers.values(), audience)}
    return tuple(EntryRow(entry, shown.get(entry.sku)) for entry in entries)


@router.get("/console/{business}/marketing/prices/{code}/export", name="export_prices")
def export_prices(visit: Annotated[Visit, Depends(Needs(Action.SEE_PRICES))], code: str) -> Response:
    """The prices as a file that imports as no change."""
    with transaction() as session:
        listed = price_list_of(session, visit.business.business, code)

    def lines() -> Iterator[str]:
        with transaction() as session:
            yield write_prices(all_entries(session, listed.id), listed.terms.currency)

    headers = {"Content-Disposition": f'attachment; filename="prices-{visit.business.business}-{code}.csv"'}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)


# --- whom it is for and when ------------------------------------------------------------------------------------


@router.get("/console/{business}/marketing/new-price-list", name="new_price_list")
def new_price_list(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_PRICES))]) -> Response:
    first = {"currency": visit.business.currency, "priority": "0", "is_active": "yes"}
    return _form(visit, Typed(visit, FIELDS, **first), None)


@router.post("/console/{business}/marketing/new-price-list", name="create_price_list")
async def create_price_list(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_PRICES))]) -> Response:
    return await _save(visit, Typed(visit, FIELDS), None)


@router.get("/console/{business}/marketing/prices/{code}/terms", name="price_list_terms")
def price_list_terms(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_PRICES))], code: str) -> Response:
    listed = _listed(visit, code)
    terms, zone = listed.terms, visit.business.zone
    first = {name: str(getattr(terms, name) or "") for name in FIELDS if name not in ("reason", "is_active")}
    for name in ("valid_from", "valid_until"):
        at: datetime | None = getattr(terms, name)
        first[name] = at.astimezone(zone).strftime("%Y-%m-%dT%H:%M") if at else ""
    first |= {"priority": str(terms.priority), "is_active": "yes" if terms.is_active else "no", "reason": ""}
    return _form(visit, Typed(visit, FIELDS, **first), listed)


@router.post("/console/{business}/marketing/prices/{code}/terms", name="save_price_list")
async def save_price_list(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_PRICES))], code: str) -> Response:
    listed = await run_in_threadpool(_listed, visit, code)
    return await _save(visit, Typed(visit, FIELDS), listed)


async def _save(visit: Visit, typed: Typed, listed: PriceList | None) -> Response:
    body = _read(typed, listed)
    if listed is None and "code" not in typed.errors and await run_in_threadpool(_exists, visit, typed.get("code")):
        typed.wrong("code", N_("There is a list of this name already."))
    status = 422
    if typed.is_good:
        code = body["terms"]["code"]
        back = f"{visit.path}/marketing/prices/{code}"
        audited = {"reason": body["reason"]}
        try:
            return await perform(visit, process="save_price_list", body=body, subject=code, back=back, audited=audited)
        except PlatformError as error:
            typed.refused(error)
            status = STATUS[error.kind]
    return await run_in_threadpool(_form, visit, typed, listed, status)


def _read(typed: Typed, listed: PriceList | None) -> dict[str, Any]:
    code = listed.terms.code if listed else typed.text("code", most=64, needed=True)
    if (
        not listed
        and code
        and not (code[0].isalnum() and all(c in "abcdefghijklmnopqrstuvwxyz0123456789_-" for c in code))
    ):
        typed.wrong("code", N_("Small letters, digits and dashes, such as winter-sale."))
    begins, ends = typed.moment("valid_from"), typed.moment("valid_until")
    if begins is not None and ends is not None and ends <= begins:
        typed.wrong("valid_until", N_("The end is not after the beginning."))
    tier, segment = typed.text("tier", most=40), typed.text("segment", most=64)
    if tier and segment:
        typed.wrong("segment", N_("A list is for a tier or for a segment, not for both."))
    currency = listed.terms.currency if listed else typed.text("currency", most=3, needed=True).upper()
    if currency and not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
        typed.wrong("currency", N_("Three letters, such as CNY."))
    terms = {
        "code": code,
        "name_en": typed.text("name_en", most=100, needed=True),
        "name_zh": typed.text("name_zh", most=100, needed=True),
        "currency": currency,
        "channel": typed.text("channel", most=40) or None,
        "tier": tier or None,
        "segment": segment or None,
        "priority": typed.number("priority", least=-1_000_000, most=1_000_000) or 0,
        "valid_from": begins and begins.isoformat(),
        "valid_until": ends and ends.isoformat(),
        "is_active": typed.get("is_active") != "no",
    }
    reason = typed.text("reason", most=500)
    if not reason:
        typed.wrong("reason", N_("Say why: it stands in the history of prices."))
    return {"terms": terms, "reason": reason}


def _form(visit: Visit, typed: Typed, listed: PriceList | None, status: int = 200) -> Response:
    context = PriceListForm(typed, new_id("act"), listed)
    return page(visit, "marketing/price_list_form.html", context, block="main", status=status)


def _listed(visit: Visit, code: str) -> PriceList:
    with transaction() as session:
        return price_list_of(session, visit.business.business, code)


def _exists(visit: Visit, code: str) -> bool:
    with transaction() as session:
        return any(one.terms.code == code for one in price_lists_of(session, visit.business.business))
