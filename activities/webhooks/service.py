"""Endpoints and what is due to them: everything but the sending. Nothing here commits."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from sqlalchemy import and_, exists, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from activities.webhooks.addresses import Resolve, resolve, target_of
from activities.webhooks.models import (
    DeliveryStatus,
    EndpointStatus,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
)
from activities.webhooks.secret import new_seed
from capabilities.kernel.clock import now
from capabilities.kernel.errors import InvalidError, MissingError, RefusedError
from capabilities.kernel.ids import new_id
from capabilities.kernel.outbox import OLDEST_RUNNING, OutboxEvent, cloud_event, publish
from capabilities.kernel.settings import settings

MOST_ENDPOINTS = 20
ROTATION = timedelta(hours=24)
"""How long the old secret signs beside the new one."""

FIRST_DELAY = timedelta(seconds=5)
LONGEST_DELAY = timedelta(hours=12)
GROWTH = 4
GIVE_UP_AFTER = timedelta(days=5)
"""An event that was not taken for so long is failed; an endpoint that took nothing for so long is disabled."""

LEASE = timedelta(seconds=60)
READ_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request to be sent: whose, where, what, signed with which secrets."""

    delivery_id: str
    endpoint_id: str
    business: str
    event_id: str
    url: str
    secrets: tuple[str, ...]
    body: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a request: a status, or the error that kept one from coming."""

    status: int | None
    took_ms: int
    answer: str
    error: str | None = None

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def add_endpoint(
    session: Session,
    business: str,
    url: str,
    event_types: Sequence[str],
    *,
    actor: str,
    description: str = "",
    look_up: Resolve = resolve,
) -> WebhookEndpoint:
    """Tell that URL of events from now on. Its secret is to be shown once."""
    target_of(url, allow_loopback=settings().demo, look_up=look_up)
    held = session.scalar(select(func.count()).where(WebhookEndpoint.business == business)) or 0
    if held >= MOST_ENDPOINTS:
        raise RefusedError(
            "webhook.endpoints_exhausted",
            f"{business} has {held} endpoints already.",
            mend="Remove one that is no longer used.",
        )
    place = session.execute(
        select(OutboxEvent.transaction_id, OutboxEvent.sequence)
        .where(OutboxEvent.business == business, OutboxEvent.transaction_id < OLDEST_RUNNING)
        .order_by(OutboxEvent.transaction_id.desc(), OutboxEvent.sequence.desc())
        .limit(1)
    ).one_or_none()
    endpoint = WebhookEndpoint(
        id=new_id("whe"),
        business=business,
        url=url,
        description=description,
        event_types=_types(event_types),
        seed=new_seed(),
        status=EndpointStatus.ENABLED,
        read_transaction=place.transaction_id if place is not None else 0,
        read_sequence=place.sequence if place is not None else 0,
        created_by=actor,
        created_at=now(),
    )
    session.add(endpoint)
    session.flush()
    return endpoint


def change_endpoint(
    session: Session,
    business: str,
    endpoint_id: str,
    *,
    url: str | None = None,
    event_types: Sequence[str] | None = None,
    is_enabled: bool | None = None,
    look_up: Resolve = resolve,
) -> WebhookEndpoint:
    """Change where or what is sent, or whether anything is; enabling goes on where it stopped."""
    endpoint = endpoint_of(session, business, endpoint_id, lock=True)
    if url is not None:
        target_of(url, allow_loopback=settings().demo, look_up=look_up)
        endpoint.url = url
    if event_types is not None:
        endpoint.event_types = _types(event_types)
    if is_enabled is not None:
        endpoint.status = EndpointStatus.ENABLED if is_enabled else EndpointStatus.DISABLED
        endpoint.status_reason = None if is_enabled else "by hand"
        endpoint.failing_since = None
    session.flush()
    return endpoint


def rotate_secret(session: Session, business: str, endpoint_id: str) -> WebhookEndpoint:
    """A new secret; the one before signs beside it for a day."""
    endpoint = endpoint_of(session, business, endpoint_id, lock=True)
    endpoint.previous_seed, endpoint.seed = endpoint.seed, new_seed()
    endpoint.previous_secret_until = now() + ROTATION
    session.flush()
    return endpoint


def endpoint_of(session: Session, business: str, endpoint_id: str, *, lock: bool = False) -> WebhookEndpoint:
    """The endpoint. Raises `MissingError` when the business has none of that id."""
    wanted = select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id, WebhookEndpoint.business == business)
    found = session.scalars(wanted.with_for_update() if lock else wanted).one_or_none()
    if found is None:
        raise MissingError("webhook.endpoint_unknown", f"{business} has no endpoint {endpoint_id[:64]!r}.")
    return found


def resend(session: Session, business: str, delivery_id: str) -> WebhookDelivery:
    """Send an event again, at once, under its own id: whoever has taken it before knows it by that."""
    found = session.scalars(
        select(WebhookDelivery)
        .where(WebhookDelivery.id == delivery_id, WebhookDelivery.business == business)
        .with_for_update()
    ).one_or_none()
    if found is None:
        raise MissingError("webhook.delivery_unknown", f"{business} has no delivery {delivery_id[:64]!r}.")
    if found.status != DeliveryStatus.PENDING:
        found.status, found.delivered_at, found.is_resent = DeliveryStatus.PENDING, None, True
        found.created_at = now()
    found.next_attempt_at, found.leased_until = now(), None
    session.flush()
    return found


def read_on(session: Session, *, limit: int = READ_AT_ONCE) -> int:
    """Give endpoints the events that came since; how many were looked at. Endpoints others read for are passed over."""
    endpoints = session.scalars(
        select(WebhookEndpoint)
        .where(WebhookEndpoint.status == EndpointStatus.ENABLED)
        .order_by(WebhookEndpoint.id)
        .with_for_update(skip_locked=True)
    ).all()
    return sum(_read_for(session, endpoint, limit) for endpoint in endpoints)


def _read_for(session: Session, endpoint: WebhookEndpoint, limit: int) -> int:
    place = tuple_(OutboxEvent.transaction_id, OutboxEvent.sequence)
    events = session.scalars(
        select(OutboxEvent)
        .where(
            OutboxEvent.business == endpoint.business,
            OutboxEvent.transaction_id < OLDEST_RUNNING,
            place > (endpoint.read_transaction, endpoint.read_sequence),
        )
        .order_by(OutboxEvent.transaction_id, OutboxEvent.sequence)
        .limit(limit)
    ).all()
    if not events:
        return 0
    moment = now()
    rows = [
        {
            "id": new_id("whd"),
            "business": endpoint.business,
            "endpoint_id": endpoint.id,
            "event_id": event.id,
            "type": event.type,
            "subject": event.subject,
            "position": event.sequence,
            "status": DeliveryStatus.PENDING,
            "attempts": 0,
            "next_attempt_at": moment,
            "is_resent": False,
            "created_at": moment,
        }
        for event in events
        if is_wanted(event.type, endpoint.event_types)
    ]
    if rows:
        session.execute(insert(WebhookDelivery).on_conflict_do_nothing(), rows)
    endpoint.read_transaction, endpoint.read_sequence = events[-1].transaction_id, events[-1].sequence
    session.flush()
    return len(events)


def lease_due(session: Session, *, limit: int = 20) -> list[Outgoing]:
    """Take what is due and nobody else sends: of each subject only its oldest event, so that order is kept."""
    moment = now()
    earlier = aliased(WebhookDelivery)
    held_back = exists().where(
        earlier.endpoint_id == WebhookDelivery.endpoint_id,
        earlier.subject == WebhookDelivery.subject,
        earlier.status == DeliveryStatus.PENDING,
        earlier.position < WebhookDelivery.position,
        earlier.is_resent.is_(False),
    )
    found = session.execute(
        select(WebhookDelivery, WebhookEndpoint)
        .join(
            WebhookEndpoint,
            and_(WebhookEndpoint.id == WebhookDelivery.endpoint_id, WebhookEndpoint.status == EndpointStatus.ENABLED),
        )
        .where(
            WebhookDelivery.status == DeliveryStatus.PENDING,
            WebhookDelivery.next_attempt_at <= moment,
            or_(WebhookDelivery.leased_until.is_(None), WebhookDelivery.leased_until < moment),
            or_(WebhookDelivery.is_resent, ~held_back),
        )
        .order_by(WebhookDelivery.next_attempt_at, WebhookDelivery.position)
        .limit(limit)
        .with_for_update(of=WebhookDelivery, skip_locked=True)
    ).all()
    events = {
        event.id: event
        for event in session.scalars(select(OutboxEvent).where(OutboxEvent.id.in_([row[0].event_id for row in found])))
    }
    leased = []
    for delivery, endpoint in found:
        delivery.leased_until, delivery.attempts = moment + LEASE, delivery.attempts + 1
        leased.append(_outgoing(delivery, endpoint, events[delivery.event_id], moment))
    session.flush()
    return leased


def record(session: Session, outgoing: Outgoing, sent: Sent) -> None:
    """Log the attempt, and what follows from it: done, tried again later, given up, or an endpoint disabled."""
    moment = now()
    session.add(
        WebhookAttempt(
            business=outgoing.business,
            delivery_id=outgoing.delivery_id,
            endpoint_id=outgoing.endpoint_id,
            attempt=outgoing.attempt,
            status=sent.status,
            took_ms=sent.took_ms,
            answer=sent.answer,
            error=sent.error,
            sent_at=moment,
        )
    )
    delivery = session.get_one(WebhookDelivery, outgoing.delivery_id, with_for_update=True)
    delivery.last_status, delivery.last_error, delivery.leased_until = sent.status, sent.error, None
    if sent.is_taken:
        delivery.status, delivery.delivered_at = DeliveryStatus.DELIVERED, moment
        session.execute(
            update(WebhookEndpoint)
            .where(WebhookEndpoint.id == outgoing.endpoint_id, WebhookEndpoint.failing_since.is_not(None))
            .values(failing_since=None)
        )
    elif delivery.status == DeliveryStatus.PENDING:
        delivery.next_attempt_at = moment + delay_after(outgoing.attempt)
        if moment - delivery.created_at >= GIVE_UP_AFTER:
            delivery.status = DeliveryStatus.FAILED
        _note_failing(session, outgoing, sent, moment)
    session.flush()


def _note_failing(session: Session, outgoing: Outgoing, sent: Sent, moment: datetime) -> None:
    endpoint = session.get_one(WebhookEndpoint, outgoing.endpoint_id, with_for_update=True)
    endpoint.failing_since = endpoint.failing_since or moment
    is_gone = sent.status == 410
    if endpoint.status == EndpointStatus.ENABLED and (is_gone or moment - endpoint.failing_since >= GIVE_UP_AFTER):
        endpoint.status = EndpointStatus.DISABLED
        endpoint.status_reason = "gone" if is_gone else f"nothing was taken for {GIVE_UP_AFTER.days} days"
        publish(
            session,
            business=endpoint.business,
            type="webhook.endpoint_disabled",
            subject=endpoint.id,
            data={"url": endpoint.url, "reason": endpoint.status_reason},
        )


def delay_after(attempt: int, *, chance: float | None = None) -> timedelta:
    """How long until the next attempt: four times longer each, up to half a day, a fifth earlier or later by chance."""
    grown: timedelta = min(FIRST_DELAY * int(GROWTH ** min(attempt - 1, 10)), LONGEST_DELAY)
    spread = random.random() if chance is None else chance  # noqa: S311 - spreads load, guards nothing
    return grown * (0.8 + 0.4 * spread)


def is_wanted(event_type: str, wanted: Sequence[str]) -> bool:
    """Whether a filter takes events of the type."""
    return any(
        one in ("*", event_type) or (one.endswith(".*") and event_type.startswith(one.removesuffix("*")))
        for one in wanted
    )


def _outgoing(delivery: WebhookDelivery, endpoint: WebhookEndpoint, event: OutboxEvent, moment: datetime) -> Outgoing:
    live = [endpoint.secret]
    until = endpoint.previous_secret_until
    if endpoint.previous_secret is not None and until is not None and until > moment:
        live.append(endpoint.previous_secret)
    return Outgoing(
        delivery.id,
        endpoint.id,
        endpoint.business,
        event.id,
        endpoint.url,
        tuple(live),
        cloud_event_text(event),
        delivery.attempts,
    )


def cloud_event_text(event: OutboxEvent) -> str:
    """The body: the same bytes at every attempt."""
    return orjson.dumps(cloud_event(event)).decode()


def _types(wanted: Sequence[str]) -> list[str]:
    found = sorted(set(wanted))
    if not found or len(found) > 50 or any(not _is_type(one) for one in found):
        raise InvalidError(
            "webhook.event_types_unreadable",
            "Event types are names such as order.confirmed, groups such as order.*, or *.",
            mend="Say `*` for all of them.",
            field="body.event_types",
        )
    return found


def _is_type(one: str) -> bool:
    plain = one.removesuffix(".*")
    return one == "*" or (len(one) <= 80 and all(part.isidentifier() for part in plain.split(".")))
