"""What front-ends were told is checked, and each break is found."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from activities.webhooks import service
from activities.webhooks.models import EndpointStatus, WebhookEndpoint
from activities.webhooks.service import Sent
from capabilities.kernel.clock import now
from capabilities.kernel.outbox import OutboxEvent, publish
from zhongtai.verify.webhooks import TOLD

SWAPPED = """
    UPDATE webhook_delivery
    SET attempts = 1, delivered_at = NULL, status = CASE status WHEN 'pending' THEN 'failed' ELSE 'pending' END
"""
"""The first event waits, and the one behind it went out."""


@pytest.fixture
def told(session: Session) -> Session:
    """An order's two events: the first taken at the second attempt, the second not yet."""
    endpoint = WebhookEndpoint(
        id="whe_1", business="retail", url="https://shop.example/", description="", event_types=["*"], seed="whsec_AAAA",
        status=EndpointStatus.ENABLED, read_transaction=0, read_sequence=0, created_by="user:op", created_at=now(),
    )  # fmt: skip
    session.add(endpoint)
    for kind in ("order.placed", "order.confirmed"):
        publish(session, business="retail", type=kind, subject="ord_1", data={})
        session.flush()
    # as if their transaction were over
    session.execute(text("UPDATE outbox_event SET transaction_id = 1"))
    session.expire_all()
    service.read_on(session)
    (first,) = service.lease_due(session)
    service.record(session, first, Sent(500, 3, "no"))
    session.execute(text("UPDATE webhook_delivery SET next_attempt_at = now()"))
    session.expire_all()
    (again,) = service.lease_due(session)
    service.record(session, again, Sent(204, 3, ""))
    return session


def test_what_was_told_in_order_holds(told: Session) -> None:
    result = TOLD.run(told)
    assert (result.broken, result.rows) == ([], 2 + len(told.scalars(select(OutboxEvent)).all()))


@pytest.mark.parametrize(
    ("made", "found"),
    [
        ("UPDATE webhook_delivery SET event_id = id", "did not happen"),
        ("UPDATE webhook_delivery SET subject = 'ord_2' WHERE status = 'pending'", "did not happen"),
        ("DELETE FROM webhook_attempt WHERE status = 204", "no attempt was taken"),
        (
            SWAPPED,
            "went out before",
        ),
        (
            "UPDATE webhook_delivery SET next_attempt_at = now() - interval '2 days' WHERE status = 'pending'",
            "has waited since",
        ),
    ],
)
def test_a_break_of_what_was_told_is_found(told: Session, made: str, found: str) -> None:
    assert told.execute(text(made)).rowcount > 0  # type: ignore[attr-defined]
    assert any(found in sentence for sentence in TOLD.run(told).broken), TOLD.run(told).broken
