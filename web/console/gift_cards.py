"""Gift cards: the list, one card with its statement, a new one whose code is shown once; freeze, thaw, top up."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from capabilities.account.queries_reports import statement_page
from capabilities.account.queries_stored import gift_card_of, gift_cards_page
from capabilities.account.reports import StatementPage
from capabilities.account.stored import (
    CODE_LENGTH,
    CODE_LETTERS,
    Funding,
    GiftCard,
    GiftCardState,
    card_account,
    card_reference,
    plain_code,
    shown_code,
)
from capabilities.kernel.clock import now
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import PlatformError
from capabilities.kernel.ids import new_id
from capabilities.user.queries import find_buyer
from web.access.permissions import Action
from web.console.acts import perform, run_act
from web.console.became import Became, became_of
from web.console.campaigns import link, who_may
from web.console.edge import STATUS, ConsoleRoute
from web.console.pages import page
from web.console.texts import N_
from web.console.typed import Typed
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)

FIELDS = ("amount", "funding", "buyer_id", "expires_at", "reason")
FUNDINGS = tuple(one.value for one in Funding)


@dataclass(frozen=True)
class GiftCardsPage:
    cards: tuple[GiftCard, ...]
    state: str
    find: str
    next_href: str | None
    first_href: str | None
    who_change: tuple[str, ...]
    states: tuple[str, ...] = tuple(one.value for one in GiftCardState)


@dataclass(frozen=True)
class NewCardPage:
    """The form carries the code it would issue, so that sent twice it issues one card; shown to nobody before."""

    typed: Typed
    key: str
    code: str
    issued: bool = False
    amount_minor: int = 0
    card_id: str | None = None
    run_id: str = ""


@dataclass(frozen=True)
class GiftCardPage:
    card: GiftCard
    statement: StatementPage
    typed: Typed
    key: str
    became: Became | None
    who_change: tuple[str, ...]


@router.get("/console/{business}/marketing/gift-cards", name="gift_cards")
def gift_cards(
    visit: Annotated[Visit, Depends(Needs(Action.SEE_GIFT_CARDS))],
    state: str = "",
    q: str = "",
    cursor: str | None = None,
) -> Response:
    base, find = f"{visit.path}/marketing/gift-cards", q.strip()[:100]
    chosen = GiftCardState(state) if state in GiftCardState.__members__.values() else None
    kept = {name: value for name, value in (("state", chosen.value if chosen else ""), ("q", find)) if value}
    with transaction() as session:
        found = gift_cards_page(session, visit.business.business, cursor or None, state=chosen, search=find)
    context = GiftCardsPage(
        found.cards,
        chosen.value if chosen else "",
        find,
        link(base, kept | {"cursor": found.next_cursor}) if found.next_cursor else None,
        link(base, kept) if cursor else None,
        who_may(visit, Action.CHANGE_GIFT_CARDS),
    )
    return page(visit, "marketing/gift_cards.html", context, block="cards")


@router.get("/console/{business}/marketing/new-gift-card", name="new_gift_card")
def new_gift_card(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_GIFT_CARDS))]) -> Response:
    return _form(visit, Typed(visit, FIELDS))


@router.post("/console/{business}/marketing/new-gift-card", name="issue_gift_card")
async def issue_gift_card(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_GIFT_CARDS))]) -> Response:
    """Issue it and show its code, here and never again; the process only gets the code's reference."""
    typed = Typed(visit, FIELDS)
    amount = typed.money("amount", visit.business.currency, least=1, needed=True)
    funding = typed.choice("funding", FUNDINGS)
    expires = typed.moment("expires_at")
    if expires is not None and expires <= now():
        typed.wrong("expires_at", N_("This is past."))
    reason = typed.text("reason", most=200, needed=True)
    buyer = typed.text("buyer_id", most=64)
    if buyer and not await run_in_threadpool(_is_known, visit, buyer):
        typed.wrong("buyer_id", N_("Nobody is known by this id; see the list of customers."))
    status = 422
    if typed.is_good:
        try:
            code = plain_code(visit.posted("code"))
            body: dict[str, Any] = {
                "reference": card_reference(code),
                "last4": code[-4:],
                "currency": visit.business.currency,
                "amount_minor": amount,
                "funding": funding,
                "buyer_id": buyer or None,
                "subject": reason,
                "expires_at": expires and expires.isoformat(),
            }
            ran = await run_act(
                visit, process="issue_gift_card", body=body, subject=body["reference"], audited={"reason": reason}
            )
        except PlatformError as error:
            typed.refused(error)
            status = STATUS[error.kind]
        else:
            card_id = None if ran.answer is None else json.loads(ran.answer.body).get("card_id")
            context = NewCardPage(
                typed,
                "",
                shown_code(code),
                issued=True,
                amount_minor=amount or 0,
                card_id=card_id,
                run_id=ran.run_id,
            )
            return page(visit, "marketing/gift_card_new.html", context, block="main")
    return await run_in_threadpool(_form, visit, typed, status)


def _form(visit: Visit, typed: Typed, status: int = 200) -> Response:
    code = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
    context = NewCardPage(typed, new_id("act"), code)
    return page(visit, "marketing/gift_card_new.html", context, block="main", status=status)


def _is_known(visit: Visit, buyer_id: str) -> bool:
    with transaction() as session:
        return find_buyer(session, visit.business.business, buyer_id) is not None


@router.get("/console/{business}/marketing/gift-cards/{card_id}", name="gift_card")
def gift_card(
    visit: Annotated[Visit, Depends(Needs(Action.SEE_GIFT_CARDS))], card_id: str, ran: str | None = None
) -> Response:
    return show_card(visit, card_id, ran=ran)


def show_card(
    visit: Visit, card_id: str, *, typed: Typed | None = None, ran: str | None = None, status: int = 200
) -> Response:
    """One card with every movement of its money."""
    with transaction() as session:
        card = gift_card_of(session, card_id, business=visit.business.business)
        account = card_account(card.business, card.id, card.currency)
        context = GiftCardPage(
            card=card,
            statement=statement_page(session, account.id, business=card.business, limit=200),
            typed=typed or Typed(visit, ("reason", "amount", "funding")),
            key=new_id("act"),
            became=became_of(session, visit, ran),
            who_change=who_may(visit, Action.CHANGE_GIFT_CARDS),
        )
    return page(visit, "marketing/gift_card.html", context, block="card", status=status)


@router.post("/console/{business}/marketing/gift-cards/{card_id}/freeze", name="freeze_gift_card")
async def freeze(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_GIFT_CARDS))], card_id: str) -> Response:
    """Nothing can be spent from it until it is thawed."""
    return await _change_state(visit, card_id, "freeze_gift_card")


@router.post("/console/{business}/marketing/gift-cards/{card_id}/thaw", name="thaw_gift_card")
async def thaw(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_GIFT_CARDS))], card_id: str) -> Response:
    """It can be spent again."""
    return await _change_state(visit, card_id, "thaw_gift_card")


async def _change_state(visit: Visit, card_id: str, process: str) -> Response:
    typed = Typed(visit, ("reason", "amount", "funding"))
    await run_in_threadpool(_card, visit, card_id)
    reason = typed.text("reason", most=200)
    if not reason:
        typed.wrong("reason", N_("Say why: it stands with the card and in the audit."))
    return await _do(visit, card_id, process, {"card_id": card_id, "reason": reason}, typed, reason)


@router.post("/console/{business}/marketing/gift-cards/{card_id}/top-up", name="top_up_gift_card")
async def top_up(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_GIFT_CARDS))], card_id: str) -> Response:
    """More money on an active card."""
    typed = Typed(visit, ("reason", "amount", "funding"))
    card = await run_in_threadpool(_card, visit, card_id)
    amount = typed.money("amount", card.currency, least=1, needed=True)
    funding = typed.choice("funding", FUNDINGS)
    body = {"card_id": card_id, "amount_minor": amount, "funding": funding}
    return await _do(visit, card_id, "top_up_gift_card", body, typed, "")


async def _do(visit: Visit, card_id: str, process: str, body: dict[str, Any], typed: Typed, reason: str) -> Response:
    status = 422
    if typed.is_good:
        back = f"{visit.path}/marketing/gift-cards/{card_id}"
        audited = {"reason": reason} if reason else {}
        try:
            return await perform(visit, process=process, body=body, subject=card_id, back=back, audited=audited)
        except PlatformError as error:
            typed.refused(error)
            status = STATUS[error.kind]
    return await run_in_threadpool(show_card, visit, card_id, typed=typed, status=status)


def _card(visit: Visit, card_id: str) -> GiftCard:
    with transaction() as session:
        return gift_card_of(session, card_id, business=visit.business.business)
