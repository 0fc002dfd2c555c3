"""Money from buyers: payments, and what providers told us by themselves. What is due later stands with the orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from capabilities.kernel.database import transaction
from capabilities.kernel.errors import InvalidError
from capabilities.kernel.identity import PLATFORM
from capabilities.payment.contract import (
    Payment,
    PaymentFilters,
    ProviderEvent,
    ProviderEventStatus,
    SourceKind,
)
from capabilities.payment.provider_events import provider_events_page
from capabilities.payment.queries import payments_page
from web.access.permissions import Action
from web.console.edge import ConsoleRoute
from web.console.lists import stretch
from web.console.money_frame import Frame, Narrowed, chosen, frame_of, narrowed
from web.console.pages import page
from web.console.texts import N_
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)


EVENT_STATUSES = {status.value: status for status in ProviderEventStatus}
SOURCES = {kind.value: kind for kind in SourceKind}


@dataclass(frozen=True)
class PaymentsPage:
    frame: Frame
    list: Narrowed
    payments: tuple[Payment, ...]
    cursor: str | None
    kinds: tuple[str, ...]
    error: str | None


@dataclass(frozen=True)
class MessagesPage:
    frame: Frame
    list: Narrowed
    events: tuple[ProviderEvent, ...]
    cursor: str | None
    statuses: tuple[str, ...]


@router.get("/console/{business}/money/payments", name="payments")
def payments(visit: Annotated[Visit, Depends(Needs(Action.SEE_MONEY))]) -> Response:
    labels = {
        "q": N_("text"),
        "kind": N_("kind"),
        "provider": N_("provider"),
        "from": N_("from"),
        "until": N_("until"),
    }
    found = narrowed(visit, f"{visit.path}/money/payments", labels, {"kind": "source"})
    starts, ends, error = None, None, None
    try:
        starts, ends = stretch(visit, found.query)
    except InvalidError as refusal:
        error = refusal.message
    filters = PaymentFilters(
        business=visit.business.business,
        kinds=chosen(SOURCES, found.get("kind")),
        provider=found.get("provider") or None,
        created_from=starts,
        created_until=ends,
        text=found.get("q") or None,
    )
    with transaction() as session:
        listed = payments_page(session, filters, after=found.get("cursor") or None)
        frame = frame_of(session, visit, "payments")
        context = PaymentsPage(frame, found, listed.payments, listed.next_cursor, tuple(SOURCES), error)
    return page(visit, "money/payments.html", context, block="payments", status=422 if error else 200)


@router.get("/console/{business}/money/messages", name="provider_messages")
def messages(visit: Annotated[Visit, Depends(Needs(Action.SEE_MONEY))]) -> Response:
    """What providers told us: kept once by their id, applied once; those whose payment is not known stand apart."""
    labels = {
        "status": N_("state"),
        "provider": N_("provider"),
        "order": N_("order"),
        "unknown": N_("payment not known"),
    }
    found = narrowed(visit, f"{visit.path}/money/messages", labels, {"status": "provider_event", "unknown": "only"})
    with transaction() as session:
        listed = provider_events_page(
            session,
            PLATFORM if found.get("unknown") else visit.business.business,
            provider=found.get("provider") or None,
            status=(*chosen(EVENT_STATUSES, found.get("status")), None)[0],
            order_id=found.get("order") or None,
            after=found.get("cursor") or None,
        )
        context = MessagesPage(
            frame_of(session, visit, "messages"), found, listed.events, listed.next_cursor, tuple(EVENT_STATUSES)
        )
    return page(visit, "money/messages.html", context, block="messages")
