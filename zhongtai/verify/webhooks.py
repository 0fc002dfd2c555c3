"""Invariant 12, the other way round: a front-end is told of an event in order, under one id, until it has taken it."""

from __future__ import annotations

from zhongtai.verify.checking import Check, Statement

TOLD = Statement(
    12,
    "An event is told once to whoever wants it, in the order of its subject, and the log says what came back",
    "SELECT (SELECT count(*) FROM webhook_delivery) + (SELECT count(*) FROM outbox_event)",
    """
    SELECT 'delivery ' || d.id || ' is of an event that did not happen, or that happened to somebody else'
    FROM webhook_delivery d LEFT JOIN outbox_event e ON e.id = d.event_id
    WHERE e.id IS NULL OR e.business <> d.business OR e.subject <> d.subject OR e.sequence <> d.position
    UNION ALL
    SELECT 'delivery ' || d.id || ' counts as delivered, and no attempt was taken' FROM webhook_delivery d
    WHERE d.status = 'delivered' AND NOT EXISTS (
        SELECT 1 FROM webhook_attempt a WHERE a.delivery_id = d.id AND a.status BETWEEN 200 AND 299)
    UNION ALL
    SELECT 'delivery ' || late.id || ' of ' || late.subject || ' went out before ' || early.id
    FROM webhook_delivery late JOIN webhook_delivery early ON early.endpoint_id = late.endpoint_id
        AND early.subject = late.subject AND early.position < late.position
    WHERE late.attempts > 0 AND NOT late.is_resent AND early.status = 'pending' AND NOT early.is_resent
    UNION ALL
    SELECT 'delivery ' || d.id || ' has waited since ' || d.next_attempt_at::timestamp(0) || ' UTC' FROM webhook_delivery d
    JOIN webhook_endpoint w ON w.id = d.endpoint_id AND w.status = 'enabled'
    WHERE d.status = 'pending' AND d.next_attempt_at < now() - interval '1 day' AND NOT EXISTS (
        SELECT 1 FROM webhook_delivery early WHERE early.endpoint_id = d.endpoint_id AND early.subject = d.subject
            AND early.status = 'pending' AND early.position < d.position)
    """,
)

CHECKS: tuple[Check, ...] = (TOLD,)
