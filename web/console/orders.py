"""Orders: the list, and one order as one story: lines, money, why this price, its process, what happened when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from sqlalchemy.orm import Session

from activities.explaining import explain_quote
from capabilities.account.contract import Entry
from capabilities.account.queries import entries_of
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import InvalidError, MissingError
from capabilities.settlement.contract import CommissionLine
from capabilities.settlement.queries import commissions_of
from capabilities.transaction.contract import (
    Order,
    OrderFilters,
    OrderStatus,
    OrderSummary,
    Reservation,
)
from capabilities.transaction.queries import order_of, orders_page, reservations_of, seller_names
from rules.queries import release_of
from web.access.permissions import Action
from web.console.became import Became, became_of
from web.console.edge import ConsoleRoute
from web.console.order_parts import OrderParts, parts_of_order
from web.console.order_story import StoryLine, order_story
from web.console.pages import page
from web.console.receipts import Receipt, Told, receipt
from web.console.rule_input import read_moment
from web.console.rule_sets import wording_for
from web.console.texts import N_
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)

PROMOTIONS = "marketing.promotions"
NOTES = {
    "released": N_("Released: the process goes on and asks for the money."),
    "rejected": N_("Rejected: the order is closed and what it held is free again."),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter as a chip: removing it leads to `without`."""

    label: str
    value: str
    without: str


@dataclass(frozen=True)
class OrdersPage:
    """The list; everything that narrows it stands in the address."""

    orders: tuple[OrderSummary, ...]
    query: dict[str, str]
    chips: tuple[Filter, ...]
    statuses: tuple[str, ...]
    next_href: str | None
    first_href: str | None
    error: str | None


@dataclass(frozen=True)
class OrderPage:
    """One order with all that belongs to it."""

    order: Order
    receipt: Receipt | None
    is_reproduced: bool
    releases: tuple[tuple[str, int, str], ...]
    parts: OrderParts
    story: tuple[StoryLine, ...]
    entries: tuple[Entry, ...]
    commissions: tuple[CommissionLine, ...]
    reservations: tuple[Reservation, ...]
    sellers: dict[str, str]
    may_review: bool
    who_review: tuple[str, ...]
    became: Became | None = None
    done: str | None = None
    error: str | None = None
    error_mend: str | None = None

    @property
    def is_in_review(self) -> bool:
        return self.order.status is OrderStatus.ON_HOLD


@router.get("/console/{business}/orders", name="orders")
def orders(visit: Annotated[Visit, Depends(Needs(Action.SEE_ORDERS))]) -> Response:
    query = {name: value.strip() for name, value in visit.request.query_params.items() if value.strip()}
    error = None
    try:
        filters = _filters(visit, query)
        with transaction() as session:
            found = orders_page(session, filters, query.get("cursor"), limit=50)
        listed, next_cursor = found.orders, found.next_cursor
    except InvalidError as refusal:
        listed, next_cursor, error = (), None, refusal.message
    base = f"{visit.path}/orders"
    narrowed = {name: value for name, value in query.items() if name != "cursor"}
    context = OrdersPage(
        orders=listed,
        query=query,
        chips=tuple(
            Filter(label, narrowed[name], _link(base, {n: v for n, v in narrowed.items() if n != name}))
            for name, label in FILTERS.items()
            if name in narrowed
        ),
        statuses=tuple(status.value for status in OrderStatus),
        next_href=_link(base, {**narrowed, "cursor": next_cursor}) if next_cursor else None,
        first_href=_link(base, narrowed) if "cursor" in query else None,
        error=error,
    )
    return page(visit, "orders/list.html", context, block="orders", status=422 if error else 200)


FILTERS = {
    "q": N_("text"),
    "status": N_("state"),
    "from": N_("from"),
    "until": N_("until"),
    "buyer": N_("buyer"),
    "sku": N_("SKU"),
}


def _filters(visit: Visit, query: dict[str, str]) -> OrderFilters:
    zone = visit.business.zone
    until = read_moment(query.get("until", ""), zone, field="until")
    status = query.get("status", "")
    return OrderFilters(
        business=visit.business.business,
        statuses=(OrderStatus(status),) if status in OrderStatus.__members__.values() else (),
        buyer_id=query.get("buyer"),
        sku=query.get("sku"),
        placed_from=read_moment(query.get("from", ""), zone, field="from"),
        placed_until=until + timedelta(days=1) if until else None,
        text=query.get("q", "")[:200] or None,
    )


def _link(base: str, query: dict[str, str]) -> str:
    return f"{base}?{urlencode(query)}" if query else base


@router.get("/console/{business}/orders/{order_id}", name="order")
def order_page(
    visit: Annotated[Visit, Depends(Needs(Action.SEE_ORDERS))], order_id: str, done: str | None = None
) -> Response:
    return show_order(visit, order_id, done=NOTES.get(done or ""))


def show_order(
    visit: Visit,
    order_id: str,
    *,
    done: str | None = None,
    error: str | None = None,
    error_mend: str | None = None,
    status: int = 200,
) -> Response:
    with transaction() as session:
        order = order_of(session, order_id, business=visit.business.business)
        explained, reproduced, releases = _explained(session, visit, order)
        language = visit.operator.language
        names = seller_names(session, order.business)
        sellers = {code: zh if language == "zh" else en for code, (en, zh) in names.items()}
        may_review = visit.may(Action.REVIEW_ORDERS.value)
        context = OrderPage(
            order=order,
            receipt=explained,
            is_reproduced=reproduced,
            releases=releases,
            parts=parts_of_order(session, visit, order),
            story=order_story(session, visit, order, sellers, with_ledger=visit.may(Action.SEE_MONEY.value)),
            entries=entries_of(session, order_id),
            commissions=commissions_of(session, order_id),
            reservations=tuple(reservations_of(session, order_id)),
            sellers=sellers,
            may_review=may_review,
            who_review=() if may_review else visit.who_may(Action.REVIEW_ORDERS.value),
            became=became_of(session, visit, visit.request.query_params.get("ran")),
            done=done,
            error=error,
            error_mend=error_mend,
        )
    return page(visit, "orders/order.html", context, block="order", status=status)


def _explained(
    session: Session, visit: Visit, order: Order
) -> tuple[Receipt | None, bool, tuple[tuple[str, int, str], ...]]:
    """The receipt with its reasons; None for an order that was imported or priced before quotes were kept."""
    try:
        explanation = explain_quote(session, order.quote_id)
    except MissingError:
        return None, False, ()
    told: dict[str, Told] = {}
    releases = []
    for release_id in explanation.quote.release_ids:
        release = release_of(session, release_id)
        href = f"{visit.path}/rules/{release.rule_set_id}"
        told[release_id] = Told({rule.id: rule for rule in release.document.rules}, href, release.number)
        releases.append((release_id, release.number, f"{href}/releases"))
    wording = wording_for(visit, PROMOTIONS)
    names = {line.sku: wording.either(line.name_en, line.name_zh) for line in order.lines}
    found = receipt(explanation.quote, explanation.verdicts, names, told, wording)
    return found, explanation.is_reproduced, tuple(releases)
