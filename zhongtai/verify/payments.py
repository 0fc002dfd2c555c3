"""Invariants 9 to 13 and 20: payments, and that nobody pays twice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from sqlalchemy import text
from sqlalchemy.orm import Session

from capabilities.payment.contract import PaymentEvent, PaymentEventKind
from capabilities.payment.fold import amounts
from zhongtai.verify.checking import IMPORTED, Check, Examination, Statement

K = PaymentEventKind

PAYMENTS = "SELECT count(*) FROM payment"
EVENTS = """
SELECT payment_id, kind, reference, amount_minor, occurred_at, is_counted FROM payment_event
ORDER BY payment_id, sequence
"""

ENDED = "NOT EXISTS (SELECT 1 FROM process_run r WHERE r.id = o.run_id AND r.status <> 'ended')"
"""Of `sales_order o`: its process is over, so everything must be at rest."""


def _told(session: Session) -> Iterator[tuple[str, list[PaymentEvent]]]:
    """The events of every payment, payment by payment, as they were recorded."""
    rows = session.execute(text(EVENTS).execution_options(yield_per=1_000))
    for payment_id, events in groupby(rows, key=lambda row: str(row.payment_id)):
        yield (
            payment_id,
            [
                PaymentEvent(
                    kind=PaymentEventKind(row.kind),
                    reference=row.reference,
                    amount_minor=row.amount_minor,
                    occurred_at=row.occurred_at,
                    is_counted=row.is_counted,
                )
                for row in events
            ],
        )


def _refunded_within_captured(session: Session) -> Iterator[str | None]:
    for payment_id, events in _told(session):
        sums = amounts(events)
        # what was asked back before it was known to be taken is not given back yet
        missing = -(sums.charged_minor + sums.charge_pending_minor)
        yield f"payment {payment_id} gave back {missing} more than it took" if missing > 0 else None


def _captured_within_authorized(session: Session) -> Iterator[str | None]:
    for payment_id, events in _told(session):
        charges = amounts(e for e in events if e.kind in (K.CHARGE_REQUEST, K.CHARGE_SUCCESS, K.CHARGE_FAILURE))
        grants = [e for e in events if e.kind.startswith("authorization")]
        taken = charges.charged_minor + charges.charge_pending_minor
        granted = amounts(grants).authorized_minor
        over = grants and taken > granted
        yield f"payment {payment_id} took {taken} of {granted} authorized" if over else None


def _pure_fold(session: Session) -> Iterator[str | None]:
    for payment_id, events in _told(session):
        sums = amounts(events)
        same = amounts(reversed(events)) == sums and amounts([*events[::2], *events[1::2], *events]) == sums
        yield None if same else f"payment {payment_id} depends on the order in which its events came"


STORED_BEFORE_CALL = Statement(
    13,
    "The key is stored before the call, and what was done was asked for",
    "SELECT count(*) FROM simulated_provider_act",
    # a key made of an authorization's (`voi_`) withdraws what the provider never heard of: it takes nothing; what nobody
    # sent (`calls` 0) came back by itself, and what a provider told by itself needs no request of ours
    """
    SELECT 'the provider did ' || a.action || ' ' || a.key || ' which nobody asked for before'
    FROM simulated_provider_act a
    WHERE a.calls > 0 AND a.action <> 'void' AND NOT EXISTS (
        SELECT 1 FROM payment_event e WHERE e.payment_id = a.payment_id AND e.reference = a.key
            AND e.kind LIKE '%_request' AND e.recorded_at <= a.done_at)
    UNION ALL
    SELECT 'payment ' || e.payment_id || ' was told ' || e.kind || ' of ' || e.reference || ', which was never asked for'
    FROM payment_event e
    WHERE e.kind IN ('authorization_success', 'charge_success', 'refund_success') AND e.actor NOT LIKE 'provider:%'
        AND NOT EXISTS (
            SELECT 1 FROM payment_event r WHERE r.payment_id = e.payment_id AND r.reference = e.reference
                AND r.kind LIKE '%_request' AND r.sequence < e.sequence)
    UNION ALL
    SELECT 'the share ' || s.reference || ' of refund ' || s.refund_id || ' was never asked for'
    FROM payment_refund_share s
    WHERE NOT EXISTS (
        SELECT 1 FROM payment_event e WHERE e.payment_id = s.payment_id AND e.reference = s.reference
            AND e.kind = 'refund_request' AND e.amount_minor = s.amount_minor)
    """,
)

ONE_EFFECT = Statement(
    12,
    "A provider's message has effect once; one that precedes its payment is kept",
    "SELECT count(*) FROM provider_event",
    """
    SELECT 'message ' || message_id || ' of ' || provider || ' is kept ' || count(*) || ' times'
    FROM provider_event GROUP BY provider, message_id HAVING count(*) > 1
    UNION ALL
    SELECT 'message ' || m.message_id || ' says ' || (m.effect ->> 'kind') || ', and its payment does not know'
    FROM provider_event m
    WHERE m.status = 'applied' AND m.effect ->> 'kind' IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM payment_event e
        WHERE e.payment_id = m.payment_id AND e.kind = m.effect ->> 'kind' AND e.reference = m.effect ->> 'reference'
            AND e.amount_minor = (m.effect ->> 'amount_minor')::bigint)
    UNION ALL
    SELECT 'message ' || m.message_id || ' waits, and its payment ' || p.id || ' is there'
    FROM provider_event m JOIN payment p ON p.id = m.payment_ref AND p.provider = m.provider
    WHERE m.status = 'waiting' AND greatest(m.received_at, p.created_at) < now() - interval '5 minutes'
    UNION ALL
    SELECT 'payment ' || e.payment_id || ' was told ' || e.kind || ' by ' || e.actor || ' in no message that was applied'
    FROM payment_event e
    WHERE e.actor LIKE 'provider:%' AND NOT EXISTS (
        SELECT 1 FROM provider_event m WHERE m.id = e.correlation_id AND m.status = 'applied'
            AND m.payment_id = e.payment_id)
    """,
)

BACK_TO_SOURCE = Statement(
    30,
    "The order of sources is recorded, and no source is given back more than came from it",
    "SELECT (SELECT count(*) FROM payment) + (SELECT count(*) FROM payment_refund_share)",
    """
    SELECT 'refund ' || s.refund_id || ' gives back to payment ' || s.payment_id || ', which is of another order'
    FROM payment_refund_share s LEFT JOIN payment p ON p.id = s.payment_id
    WHERE p.order_id IS DISTINCT FROM s.order_id
    UNION ALL
    SELECT 'order ' || order_id || ' has two sources in place ' || position
    FROM payment GROUP BY order_id, position HAVING count(*) > 1
    UNION ALL
    SELECT 'payment ' || p.id || ' took ' || moved.taken || ' and has given ' || moved.given || ' back'
    FROM payment p CROSS JOIN LATERAL (
        SELECT coalesce(sum(amount_minor) FILTER (WHERE kind = 'charge_success'), 0) AS taken,
            coalesce(sum(amount_minor) FILTER (WHERE kind = 'refund_success'), 0) AS given
        FROM (
            SELECT DISTINCT ON (e.kind, e.reference) e.kind, e.amount_minor FROM payment_event e
            WHERE e.payment_id = p.id AND e.is_counted AND e.kind IN ('charge_success', 'refund_success')
                AND NOT EXISTS (
                    SELECT 1 FROM payment_event f WHERE f.payment_id = e.payment_id AND f.reference = e.reference
                        AND f.kind = replace(e.kind, 'success', 'failure') AND f.occurred_at > e.occurred_at)
            ORDER BY e.kind, e.reference, e.occurred_at DESC, e.amount_minor DESC
        ) AS known
    ) AS moved
    WHERE moved.given > moved.taken + (
        SELECT coalesce(sum(amount_minor), 0) FROM payment_event r
        WHERE r.payment_id = p.id AND r.kind = 'refund_reversal')
    """,
)

ONE_CAPTURE = Statement(
    20,
    "A cart completed twice is one order and one capture; what is closed keeps no money",
    "SELECT count(*) FROM sales_order WHERE origin <> 'import'",
    f"""
    SELECT 'run ' || run_id || ' made ' || count(*) || ' orders'
    FROM sales_order WHERE origin <> 'import' GROUP BY run_id HAVING count(*) > 1
    UNION ALL
    SELECT 'payment ' || payment_id || ' was captured ' || count(DISTINCT reference) || ' times'
    FROM payment_event WHERE kind = 'charge_success' GROUP BY payment_id HAVING count(DISTINCT reference) > 1
    UNION ALL
    SELECT 'the provider took money ' || sum(acts) || ' times for payment ' || payment_id
    FROM simulated_provider_act WHERE action = 'capture' GROUP BY payment_id HAVING sum(acts) > 1
    UNION ALL
    SELECT 'order ' || o.number || ' is ' || o.status || ', the provider keeps ' || kept.minor || ' of payment ' || p.id
        || ', and we know of ' || known.minor
    FROM sales_order o JOIN payment p ON p.order_id = o.id CROSS JOIN LATERAL (
        SELECT coalesce(sum(CASE action WHEN 'capture' THEN amount_minor WHEN 'refund' THEN -amount_minor ELSE 0 END), 0)
            AS minor
        FROM simulated_provider_act a WHERE a.payment_id = p.id AND a.outcome = 'succeeded'
    ) AS kept CROSS JOIN LATERAL (
        SELECT coalesce(sum(CASE kind WHEN 'charge_success' THEN amount_minor ELSE -amount_minor END), 0) AS minor
        FROM (SELECT DISTINCT kind, reference, amount_minor FROM payment_event e
            WHERE e.payment_id = p.id AND e.kind IN ('charge_success', 'refund_success')) AS told
    ) AS known
    WHERE p.provider = 'simulator' AND {ENDED} AND NOT EXISTS (
            SELECT 1 FROM payment_event r WHERE r.payment_id = p.id AND r.kind LIKE '%_request' AND NOT EXISTS (
                SELECT 1 FROM payment_event t WHERE t.payment_id = p.id AND t.reference = r.reference
                    AND t.kind NOT LIKE '%_request'))
        AND (kept.minor <> known.minor OR (o.confirmed_at IS NULL AND kept.minor <> 0))
    UNION ALL
    SELECT 'order ' || o.number || ' is ' || o.status || ', and its authorization still stands'
    FROM sales_order o JOIN payment p ON p.order_id = o.id
    JOIN simulated_provider_act a ON a.payment_id = p.id AND a.action = 'authorize' AND a.outcome = 'succeeded'
    WHERE {ENDED} AND o.confirmed_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM simulated_provider_act v WHERE v.authorization_key = a.key AND v.outcome = 'succeeded'
            AND v.action IN ('void', 'capture'))
    """,  # noqa: S608 - all of it is ours
    left_out=IMPORTED,
)

IN_TERMS = "EXISTS (SELECT 1 FROM payment_due d WHERE d.order_id = o.id)"
"""Of `sales_order o`: a part of it is due later, so what is captured follows its dues."""

AGREED = Statement(
    19,
    "What is confirmed was agreed, authorized, captured and posted: one amount",
    "SELECT count(*) FROM sales_order WHERE origin <> 'import' AND confirmed_at IS NOT NULL",
    f"""
    SELECT 'order ' || o.number || ' of ' || o.total_minor || ': ' || CASE
            WHEN q.id IS NULL THEN 'no quote'
            WHEN q.total_minor <> o.total_minor THEN 'quoted ' || q.total_minor
            WHEN (r.input ->> 'expected_total_minor')::bigint <> o.total_minor
                THEN 'the buyer was shown ' || (r.input ->> 'expected_total_minor')
            WHEN paid.asked <> o.total_minor THEN 'asked ' || paid.asked
            WHEN paid.charged <> o.total_minor THEN 'captured ' || paid.charged
            ELSE 'posted ' || posted.minor || ' of ' || paid.by_cards || ' of its cards' END
    FROM sales_order o
    LEFT JOIN quote q ON q.id = o.quote_id
    LEFT JOIN process_run r ON r.id = o.run_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(p.amount_minor), 0) AS asked, coalesce(sum(told.minor), 0) AS charged,
            coalesce(sum(told.minor) FILTER (WHERE p.method NOT IN ('gift_card', 'points', 'wallet')), 0) AS by_cards
        FROM payment p CROSS JOIN LATERAL (
            SELECT coalesce(sum(amount_minor), 0) AS minor
            FROM (SELECT DISTINCT reference, amount_minor FROM payment_event e
                WHERE e.payment_id = p.id AND e.kind = 'charge_success') AS one
        ) AS told
        WHERE p.order_id = o.id
    ) AS paid
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(n.amount_minor), 0) AS minor
        FROM ledger_transfer t JOIN ledger_entry n ON n.transfer_id = t.id JOIN ledger_account a ON a.id = n.account_id
        WHERE t.subject = o.id AND t.corrects_id IS NULL AND t.phase = 'post' AND n.layer = 'posted'
            AND n.side = 'debit' AND a.kind = 'provider_clearing'
    ) AS posted
    WHERE o.origin <> 'import' AND o.confirmed_at IS NOT NULL AND (
        q.id IS NULL OR q.total_minor <> o.total_minor
        OR (r.input ->> 'expected_total_minor')::bigint <> o.total_minor
        OR (NOT {IN_TERMS} AND (
            paid.asked <> o.total_minor OR paid.charged <> o.total_minor OR posted.minor <> paid.by_cards)))
    """,  # noqa: S608 - all of it is ours
    left_out=IMPORTED,
)

CHECKS: tuple[Check, ...] = (
    Examination(9, "Given back and pending is no more than taken", _refunded_within_captured),
    Examination(10, "Captured under an authorization is no more than authorized", _captured_within_authorized),
    Examination(11, "Amounts are a pure fold: order of arrival and duplicates change nothing", _pure_fold),
    ONE_EFFECT,
    STORED_BEFORE_CALL,
    AGREED,
    ONE_CAPTURE,
    BACK_TO_SOURCE,
)
