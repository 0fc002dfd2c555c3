"""Reading endpoints, deliveries and attempts: the log page and the API."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities.webhooks.models import (
    DeliveryStatus,
    EndpointStatus,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
)

MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class DeliveriesPage:
    """Newest first; `next_cursor` is None on the last page."""

    deliveries: tuple[WebhookDelivery, ...]
    next_cursor: str | None


def endpoints_of(session: Session, business: str) -> list[WebhookEndpoint]:
    """The endpoints of a business, the oldest first."""
    wanted = select(WebhookEndpoint).where(WebhookEndpoint.business == business)
    return list(session.scalars(wanted.order_by(WebhookEndpoint.id)))


def deliveries_page(
    session: Session,
    business: str,
    *,
    endpoint_id: str | None = None,
    status: str | None = None,
    subject: str | None = None,
    event_type: str | None = None,
    after: str | None = None,
    limit: int = 50,
) -> DeliveriesPage:
    """A page of what was or is to be sent."""
    limit = max(1, min(limit, MAX_PAGE))
    wanted = select(WebhookDelivery).where(WebhookDelivery.business == business)
    for column, value in (
        (WebhookDelivery.endpoint_id, endpoint_id),
        (WebhookDelivery.status, status),
        (WebhookDelivery.subject, subject),
        (WebhookDelivery.type, event_type),
    ):
        if value is not None:
            wanted = wanted.where(column == value)
    if after is not None:
        wanted = wanted.where(WebhookDelivery.id < after)
    found = session.scalars(wanted.order_by(WebhookDelivery.id.desc()).limit(limit + 1)).all()
    return DeliveriesPage(tuple(found[:limit]), found[limit - 1].id if len(found) > limit else None)


def delivery_of(session: Session, business: str, delivery_id: str) -> WebhookDelivery | None:
    """One delivery of a business."""
    found = session.get(WebhookDelivery, delivery_id)
    return found if found is not None and found.business == business else None


def attempts_of(session: Session, delivery_id: str) -> list[WebhookAttempt]:
    """Every request that was sent for a delivery, oldest first."""
    wanted = select(WebhookAttempt).where(WebhookAttempt.delivery_id == delivery_id)
    return list(session.scalars(wanted.order_by(WebhookAttempt.id)))


def count_troubled(session: Session, business: str) -> dict[str, int]:
    """What somebody should look at: endpoints disabled by failure or failing now, deliveries given up."""
    disabled = select(func.count()).where(
        WebhookEndpoint.business == business,
        WebhookEndpoint.status == EndpointStatus.DISABLED,
        WebhookEndpoint.failing_since.is_not(None),
    )
    failing = select(func.count()).where(
        WebhookEndpoint.business == business,
        WebhookEndpoint.status == EndpointStatus.ENABLED,
        WebhookEndpoint.failing_since.is_not(None),
    )
    failed = select(func.count()).where(
        WebhookDelivery.business == business, WebhookDelivery.status == DeliveryStatus.FAILED
    )
    counted = {"disabled": disabled, "failing": failing, "failed": failed}
    return {name: session.scalar(wanted) or 0 for name, wanted in counted.items()}
