"""Webhooks: where events are sent, what was sent and what came back, sent again by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from sqlalchemy.orm import Session

from activities.webhooks import queries, service
from activities.webhooks.models import DeliveryStatus, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import InvalidError, MissingError, PlatformError
from web.access.audit import record_act
from web.access.permissions import Action
from web.console.edge import ConsoleRoute
from web.console.money_frame import Narrowed, Refused, narrowed
from web.console.pages import go, page
from web.console.texts import N_
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)


STATUSES = tuple(status.value for status in DeliveryStatus)
DONE = {
    "paused": N_("Paused: what happens meanwhile is sent when it goes on."),
    "resumed": N_("It goes on where it stopped."),
    "resent": N_("It is sent again at once, under its own id."),
}


@dataclass(frozen=True)
class EndpointsPage:
    """`secret` is there once, right after it was made: endpoint, secret."""

    endpoints: tuple[WebhookEndpoint, ...]
    only_troubled: bool
    may_keep: bool
    who_keep: tuple[str, ...]
    secret: tuple[str, str] | None = None
    done: str | None = None
    refused: Refused | None = None
    typed_url: str = ""
    typed_types: str = ""
    typed_description: str = ""


@dataclass(frozen=True)
class DeliveriesPage:
    list: Narrowed
    deliveries: tuple[WebhookDelivery, ...]
    cursor: str | None
    endpoints: dict[str, str]
    statuses: tuple[str, ...]
    frame: None = None


@dataclass(frozen=True)
class DeliveryPage:
    delivery: WebhookDelivery
    endpoint: WebhookEndpoint | None
    attempts: tuple[WebhookAttempt, ...]
    may_resend: bool
    who_resend: tuple[str, ...]
    done: str | None


@router.get("/console/{business}/webhooks", name="webhooks")
def endpoints(visit: Annotated[Visit, Depends(Needs(Action.SEE_WEBHOOKS))], done: str = "") -> Response:
    with transaction() as session:
        context = _context(session, visit, done=DONE.get(done))
        return page(visit, "webhooks/endpoints.html", context)


def _context(
    session: Session,
    visit: Visit,
    *,
    secret: tuple[str, str] | None = None,
    done: str | None = None,
    refused: Refused | None = None,
) -> EndpointsPage:
    may_keep = visit.may(Action.KEEP_WEBHOOKS.value)
    only_troubled = bool(visit.request.query_params.get("troubled"))
    return EndpointsPage(
        endpoints=tuple(
            one
            for one in queries.endpoints_of(session, visit.business.business)
            if one.failing_since is not None or not only_troubled
        ),
        only_troubled=only_troubled,
        may_keep=may_keep,
        who_keep=() if may_keep else visit.who_may(Action.KEEP_WEBHOOKS.value),
        secret=secret,
        done=done,
        refused=refused,
        typed_url=visit.posted("url") if refused else "",
        typed_types=visit.posted("types") if refused else "",
        typed_description=visit.posted("description") if refused else "",
    )


@router.post("/console/{business}/webhooks", name="add_webhook")
def add_endpoint(visit: Annotated[Visit, Depends(Needs(Action.KEEP_WEBHOOKS))]) -> Response:
    """Tell that address of events from now on; its secret is shown on this answer and never again."""
    url, description = visit.posted("url")[:500], visit.posted("description")[:200]
    types = visit.posted("types").replace(",", " ").split() or ["*"]
    try:
        if urlsplit(url).scheme not in {"https", "http"}:
            raise InvalidError("console.input_wrong", N_("Write an address such as https://shop.example/hooks."))
        with transaction() as session:
            made = service.add_endpoint(
                session,
                visit.business.business,
                url,
                types[:50],
                actor=visit.operator.id,
                description=description,
            )
            _write_down(session, visit, "add", made.id, url=url)
            context = _context(session, visit, secret=(made.id, made.secret))
            return page(visit, "webhooks/endpoints.html", context, status=201)
    except (PlatformError, ValueError) as error:
        return _again(visit, error)


def _again(visit: Visit, error: PlatformError | ValueError) -> Response:
    if isinstance(error, PlatformError):
        refused = Refused.of(error)
    else:  # what is no address at all
        refused = Refused(N_("Write an address such as https://shop.example/hooks."), status=422)
    with transaction() as session:
        return page(visit, "webhooks/endpoints.html", _context(session, visit, refused=refused), status=refused.status)


@router.post("/console/{business}/webhooks/{endpoint_id}/secret", name="rotate_webhook")
def rotate(visit: Annotated[Visit, Depends(Needs(Action.KEEP_WEBHOOKS))], endpoint_id: str) -> Response:
    """A new secret, shown once; for a day both sign."""
    with transaction() as session:
        changed = service.rotate_secret(session, visit.business.business, endpoint_id)
        _write_down(session, visit, "rotate", endpoint_id)
        context = _context(session, visit, secret=(changed.id, changed.secret))
        return page(visit, "webhooks/endpoints.html", context)


@router.post("/console/{business}/webhooks/{endpoint_id}/state", name="switch_webhook")
def switch(visit: Annotated[Visit, Depends(Needs(Action.KEEP_WEBHOOKS))], endpoint_id: str) -> Response:
    """Pause an endpoint, or let it go on."""
    is_enabled = visit.posted("state") == "enabled"
    with transaction() as session:
        service.change_endpoint(session, visit.business.business, endpoint_id, is_enabled=is_enabled)
        _write_down(session, visit, "resume" if is_enabled else "pause", endpoint_id)
    return go(visit, f"{visit.path}/webhooks?done={'resumed' if is_enabled else 'paused'}")


@router.get("/console/{business}/webhooks/deliveries", name="webhook_deliveries")
def deliveries(visit: Annotated[Visit, Depends(Needs(Action.SEE_WEBHOOKS))]) -> Response:
    labels = {"status": N_("state"), "endpoint": N_("endpoint"), "subject": N_("about"), "type": N_("type")}
    found = narrowed(visit, f"{visit.path}/webhooks/deliveries", labels, {"status": "delivery"})
    with transaction() as session:
        listed = queries.deliveries_page(
            session,
            visit.business.business,
            endpoint_id=found.get("endpoint") or None,
            status=found.get("status") or None,
            subject=found.get("subject") or None,
            event_type=found.get("type") or None,
            after=found.get("cursor") or None,
        )
        known = {one.id: one.url for one in queries.endpoints_of(session, visit.business.business)}
        context = DeliveriesPage(found, listed.deliveries, listed.next_cursor, known, STATUSES)
        return page(visit, "webhooks/deliveries.html", context, block="deliveries")


@router.get("/console/{business}/webhooks/deliveries/{delivery_id}", name="webhook_delivery")
def delivery(
    visit: Annotated[Visit, Depends(Needs(Action.SEE_WEBHOOKS))], delivery_id: str, done: str = ""
) -> Response:
    """Every request that was sent for it, and what came back."""
    here = visit.business.business
    with transaction() as session:
        found = queries.delivery_of(session, here, delivery_id)
        if found is None:
            raise MissingError("webhook.delivery_unknown", f"There is no delivery {delivery_id[:64]!r}.")
        may_resend = visit.may(Action.RESEND_WEBHOOKS.value)
        context = DeliveryPage(
            delivery=found,
            endpoint=next((one for one in queries.endpoints_of(session, here) if one.id == found.endpoint_id), None),
            attempts=tuple(queries.attempts_of(session, delivery_id)),
            may_resend=may_resend,
            who_resend=() if may_resend else visit.who_may(Action.RESEND_WEBHOOKS.value),
            done=DONE.get(done),
        )
        return page(visit, "webhooks/delivery.html", context)


@router.post("/console/{business}/webhooks/deliveries/{delivery_id}/resend", name="resend_webhook")
def resend(visit: Annotated[Visit, Depends(Needs(Action.RESEND_WEBHOOKS))], delivery_id: str) -> Response:
    """Send the event once more; whoever has taken it knows it by its id."""
    with transaction() as session:
        service.resend(session, visit.business.business, delivery_id)
        _write_down(session, visit, "resend", delivery_id)
    return go(visit, f"{visit.path}/webhooks/deliveries/{delivery_id}?done=resent")


def _write_down(session: Session, visit: Visit, act: str, subject: str, **detail: str) -> None:
    record_act(
        session,
        business=visit.business.business,
        actor=visit.operator.id,
        action=f"webhooks.{act}",
        subject=subject,
        detail=detail,
    )
