"""Sellers' money: where each stands, one seller's movements, statements as files, where it is paid, commission rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from capabilities.kernel.database import transaction
from capabilities.kernel.errors import InvalidError, MissingError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.settlement.contract import (
    Destination,
    Hold,
    IssuedStatement,
    Maturing,
    SellerBalance,
    SellerTransfer,
    StoredRate,
    TransferFilters,
    TransferStatus,
)
from capabilities.settlement.extensions import maturing
from capabilities.settlement.queries import rates_of
from capabilities.settlement.queries_payout import balances_of, destinations_of, holds_of, transfers_page
from capabilities.settlement.queries_statement import statements_page
from capabilities.settlement.statement_files import statement_file
from web.access.permissions import Action
from web.console.edge import ConsoleRoute
from web.console.money_frame import (
    Frame,
    Narrowed,
    Refused,
    chosen,
    frame_of,
    narrowed,
    read_bps,
    read_day,
    read_minor,
    run,
)
from web.console.pages import page
from web.console.texts import N_
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)

STATUSES = {status.value: status for status in TransferStatus}


@dataclass(frozen=True)
class SellersPage:
    frame: Frame
    balances: tuple[SellerBalance, ...]


@dataclass(frozen=True)
class SellerPage:
    frame: Frame
    seller_id: str
    balances: tuple[SellerBalance, ...]
    list: Narrowed
    transfers: tuple[SellerTransfer, ...]
    cursor: str | None
    statuses: tuple[str, ...]
    holds: tuple[Hold, ...]
    statements: tuple[IssuedStatement, ...]
    destinations: tuple[Destination, ...]
    rates: tuple[StoredRate, ...]
    currencies: tuple[str, ...]
    may_hold: bool
    who_hold: tuple[str, ...]
    may_issue: bool
    who_issue: tuple[str, ...]
    may_set: bool
    who_set: tuple[str, ...]


@dataclass(frozen=True)
class RatesPage:
    """`standard` is how long money waits where no rule says otherwise."""

    frame: Frame
    rates: tuple[StoredRate, ...]
    standard: Maturing
    may_set: bool
    who_set: tuple[str, ...]


@router.get("/console/{business}/money/sellers", name="settlement_sellers")
def sellers(visit: Annotated[Visit, Depends(Needs(Action.SEE_MONEY))]) -> Response:
    with transaction() as session:
        found = balances_of(session, visit.business.business)
        context = SellersPage(frame_of(session, visit, "sellers"), found)
    return page(visit, "money/sellers.html", context)


@router.get("/console/{business}/money/sellers/{seller_id}", name="settlement_seller")
def seller(visit: Annotated[Visit, Depends(Needs(Action.SEE_MONEY))], seller_id: str) -> Response:
    return show_seller(visit, seller_id)


def show_seller(visit: Visit, seller_id: str, refused: Refused | None = None) -> Response:
    here = visit.business.business
    found = narrowed(
        visit, f"{visit.path}/money/sellers/{seller_id}", {"status": N_("state")}, {"status": "seller_transfer"}
    )
    with transaction() as session:
        frame = frame_of(session, visit, "sellers", refused)
        balances = balances_of(session, here, seller_id=seller_id)
        if seller_id not in frame.sellers and not balances:
            raise MissingError("settlement.seller_unknown", f"There is no seller {seller_id[:64]!r}.")
        filters = TransferFilters(business=here, seller_id=seller_id, statuses=chosen(STATUSES, found.get("status")))
        listed = transfers_page(session, filters, after=found.get("cursor") or None)
        statements, _ = statements_page(session, here, seller_id=seller_id, limit=20)
        acts = {
            name: (visit.may(action.value), () if visit.may(action.value) else visit.who_may(action.value))
            for name, action in (
                ("hold", Action.HOLD_MONEY),
                ("issue", Action.ISSUE_STATEMENTS),
                ("set", Action.SET_SETTLEMENT),
            )
        }
        context = SellerPage(
            frame=frame,
            seller_id=seller_id,
            balances=balances,
            list=found,
            transfers=listed.transfers,
            cursor=listed.next_cursor,
            statuses=tuple(STATUSES),
            holds=tuple(hold for hold in holds_of(session, here) if hold.seller_id == seller_id),
            statements=statements,
            destinations=destinations_of(session, here, seller_id),
            rates=tuple(one for one in rates_of(session, here) if one.seller_id in (None, seller_id)),
            currencies=tuple(one.currency for one in balances) or (visit.business.currency,),
            may_hold=acts["hold"][0],
            who_hold=acts["hold"][1],
            may_issue=acts["issue"][0],
            who_issue=acts["issue"][1],
            may_set=acts["set"][0],
            who_set=acts["set"][1],
        )
    return page(visit, "money/seller.html", context, block="movements", status=refused.status if refused else 200)


@router.post("/console/{business}/money/sellers/{seller_id}/statements", name="issue_statement")
async def issue_statement(visit: Annotated[Visit, Depends(Needs(Action.ISSUE_STATEMENTS))], seller_id: str) -> Response:
    """Issue a seller's statement over days, both included; the same days again are the same statement."""

    def read() -> dict[str, Any]:
        first, last = read_day(visit.posted("first_day"), "first_day"), read_day(visit.posted("last_day"), "last_day")
        if last < first:
            raise InvalidError("console.input_wrong", N_("The last day is before the first."), field="last_day")
        return {"seller_id": seller_id, "currency": visit.posted("currency"), "first_day": first, "last_day": last}

    return await _of_seller(visit, seller_id, "issue_statement", read)


@router.post("/console/{business}/money/sellers/{seller_id}/destination", name="declare_destination")
async def declare_destination(
    visit: Annotated[Visit, Depends(Needs(Action.SET_SETTLEMENT))], seller_id: str
) -> Response:
    """Say where a seller is paid; payouts that are not sent yet go there too."""

    def read() -> dict[str, Any]:
        currency, destination = visit.posted("currency"), visit.posted("destination")[:64]
        if not destination:
            raise InvalidError("console.input_wrong", N_("Write the account."), field="destination")
        least = read_minor(visit.posted("minimum"), currency, "minimum")
        return {"seller_id": seller_id, "currency": currency, "destination": destination, "minimum_minor": least}

    return await _of_seller(visit, seller_id, "declare_destination", read)


async def _of_seller(visit: Visit, seller_id: str, process: str, read: Any) -> Response:
    return await run(
        visit,
        process,
        read,
        to=f"{visit.path}/money/sellers/{seller_id}",
        show=lambda refused: show_seller(visit, seller_id, refused),
        subject=seller_id,
    )


@router.get("/console/{business}/money/statements/{statement_id}.{form}", name="statement_file")
def download_statement(
    visit: Annotated[Visit, Depends(Needs(Action.SEE_MONEY))], statement_id: str, form: Literal["csv", "xlsx"]
) -> Response:
    """An issued statement as a file in the person's language: the same bytes whenever it is asked for."""
    with transaction() as session:
        file = statement_file(
            session, visit.business.business, statement_id, form=form, language=visit.operator.language.value
        )
    named = {"content-disposition": f'attachment; filename="{file.name}"'}
    return Response(file.content, media_type=file.media_type, headers=named)


@router.get("/console/{business}/money/rates", name="commission_rates")
def rates(visit: Annotated[Visit, Depends(Needs(Action.SEE_MONEY))]) -> Response:
    return show_rates(visit)


def show_rates(visit: Visit, refused: Refused | None = None) -> Response:
    here = visit.business.business
    with transaction() as session:
        may_set = visit.may(Action.SET_SETTLEMENT.value)
        context = RatesPage(
            frame=frame_of(session, visit, "rates", refused),
            rates=rates_of(session, here),
            standard=maturing.for_identity(BusinessIdentity(here))(),
            may_set=may_set,
            who_set=() if may_set else visit.who_may(Action.SET_SETTLEMENT.value),
        )
    return page(visit, "money/rates.html", context, status=refused.status if refused else 200)


@router.post("/console/{business}/money/rates", name="declare_rate")
async def declare_rate(visit: Annotated[Visit, Depends(Needs(Action.SET_SETTLEMENT))]) -> Response:
    """Enter a rate, or change the one of that place; what was sold before keeps the rate it was sold at."""

    def read() -> dict[str, Any]:
        currency = visit.posted("currency").upper()
        spoken = currency or visit.business.currency
        reason = visit.posted("reason")[:190]
        if not reason:
            raise InvalidError("console.input_wrong", N_("Say where the rate comes from."), field="reason")
        rate = {
            "rate_bps": read_bps(visit.posted("rate"), "rate"),
            "per_unit_minor": read_minor(visit.posted("per_unit"), spoken, "per_unit") or 0,
            "per_order_minor": read_minor(visit.posted("per_order"), spoken, "per_order") or 0,
            "lowest_minor": read_minor(visit.posted("lowest"), spoken, "lowest") or 0,
            "highest_minor": read_minor(visit.posted("highest"), spoken, "highest"),
            "tax_rate_bps": read_bps(visit.posted("tax"), "tax"),
            "channel_rate_bps": read_bps(visit.posted("channel"), "channel"),
            "withheld_bps": read_bps(visit.posted("withheld"), "withheld"),
            "reason": reason,
        }
        return {
            "seller_id": visit.posted("seller") or None,
            "category": visit.posted("category")[:200] or None,
            "currency": currency or None,
            "rate": rate,
        }

    return await run(
        visit,
        "declare_rate",
        read,
        to=f"{visit.path}/money/rates",
        show=lambda refused: show_rates(visit, refused),
        subject=visit.posted("seller") or visit.business.business,
    )
