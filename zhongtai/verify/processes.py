"""Invariants 38 to 40: processes end or stand on somebody's list; everything says who, why and by which release."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from web.access.audit import first_break
from zhongtai.verify.checking import IMPORTED, Check, Examination, Statement

ON_A_LIST = Statement(
    38,
    "Every started process ends or stands on somebody's list",
    "SELECT count(*) FROM process_run",
    # who is at work writes a row at least every few minutes; a wait says for what, a stuck run says where and why
    """
    SELECT 'run ' || id || ' is ' || status || ' since ' || updated_at::timestamp(0) || ' UTC and nobody is told'
    FROM process_run
    WHERE status IN ('starting', 'running', 'undoing') AND updated_at < now() - interval '5 minutes'
    UNION ALL
    SELECT 'run ' || id || ' waits for nothing' FROM process_run
    WHERE status = 'waiting' AND waiting_for IS NULL AND waiting_until IS NULL
    UNION ALL
    SELECT 'run ' || id || ' waits past ' || waiting_until::timestamp(0) || ' UTC' FROM process_run
    WHERE status = 'waiting' AND waiting_until < now() - interval '5 minutes'
    UNION ALL
    SELECT 'run ' || id || ' is stuck without step or error' FROM process_run
    WHERE status = 'stuck' AND (step IS NULL OR error IS NULL)
    UNION ALL
    SELECT 'run ' || id || ' ended without outcome' FROM process_run
    WHERE status = 'ended' AND (outcome IS NULL OR ended_at IS NULL)
    UNION ALL
    SELECT 'run ' || r.id || ' ended with step ' || s.path || ' still asking outside'
    FROM process_run r JOIN process_step s ON s.run_id = r.id
    WHERE r.status = 'ended' AND s.status = 'started' AND s.undone_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM process_step later WHERE later.run_id = s.run_id AND later.path = s.path
            AND later.iteration = s.iteration AND later.revision > s.revision)
    UNION ALL
    SELECT 'order ' || o.number || ' is ' || o.status || ', and its run is '
        || CASE WHEN r.id IS NULL THEN 'unknown' ELSE 'over' END
    FROM sales_order o LEFT JOIN process_run r ON r.id = o.run_id
    WHERE o.origin <> 'import' AND o.run_id <> '' AND (r.id IS NULL OR (r.status = 'ended' AND o.status IN ('placed', 'on_hold')))
    """,
    left_out=IMPORTED,
)


ANSWERED = Statement(
    38,
    "Whoever asked was answered, and with what became of the order",
    "SELECT count(*) FROM idempotency",
    """
    SELECT 'run ' || r.id || ' has ended, and its caller was never answered'
    FROM process_run r JOIN idempotency i ON i.run_id = r.id
    JOIN process_definition d ON d.sha256 = r.definition_sha256
    WHERE r.status = 'ended' AND i.answer_status IS NULL AND d.body ~ '"(reply|raise)":'
    UNION ALL
    SELECT 'run ' || i.run_id || ' was answered ' || i.answer_status || ', and its order ' || o.number || ' is ' || o.status
    FROM idempotency i JOIN sales_order o ON o.run_id = i.run_id AND o.origin <> 'import'
    WHERE (i.answer_status = 201 AND o.status <> 'confirmed') OR (i.answer_status >= 400 AND o.status = 'confirmed')
    UNION ALL
    SELECT 'run ' || i.run_id || ' was answered 201, and has no order' FROM idempotency i
    JOIN process_run r ON r.id = i.run_id AND r.process = 'checkout'
    WHERE i.answer_status = 201 AND NOT EXISTS (SELECT 1 FROM sales_order o WHERE o.run_id = i.run_id)
    """,
)


def _definitions(session: Session) -> Iterator[str | None]:
    """A run keeps the definition it started with, to the byte."""
    found = session.execute(text("SELECT sha256, body FROM process_definition")).all()
    for sha256, body in found:
        same = hashlib.sha256(body.encode()).hexdigest() == sha256
        yield None if same else f"definition {sha256[:12]} was changed"
    lost = text("""
        SELECT DISTINCT definition_sha256 FROM process_run r
        WHERE NOT EXISTS (SELECT 1 FROM process_definition d WHERE d.sha256 = r.definition_sha256)
    """)
    for (sha256,) in session.execute(lost):
        yield f"definition {sha256[:12]} is lost, and runs were started with it"


TRACED = Statement(
    40,
    "Every decision and money movement carries identity, release, actor, reason and correlation",
    "SELECT (SELECT count(*) FROM ledger_transfer) + (SELECT count(*) FROM payment_event)"
    " + (SELECT count(*) FROM process_step WHERE kind = 'decide') + (SELECT count(*) FROM rule_publication)",
    """
    SELECT 'transfer ' || id || ' does not say who, why or in which run' FROM ledger_transfer
    WHERE '' IN (trim(business), trim(actor), trim(reason), trim(correlation_id))
    UNION ALL
    SELECT 'payment event ' || sequence || ' does not say who or in which run' FROM payment_event
    WHERE '' IN (trim(business), trim(actor), trim(correlation_id))
    UNION ALL
    SELECT 'publication ' || sequence || ' does not say who or of what' FROM rule_publication
    WHERE '' IN (trim(business), trim(actor), trim(release_id))
    UNION ALL
    SELECT 'decision ' || s.path || ' of run ' || s.run_id || ' was made by no release that is kept' FROM process_step s
    WHERE s.kind = 'decide' AND s.status = 'done' AND s.response ->> 'release_id' IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM rule_release r WHERE r.release_id = s.response ->> 'release_id')
    UNION ALL
    SELECT 'quote ' || q.id || ': an adjustment of ' || coalesce(a ->> 'release_id', 'no release') FROM quote q,
        jsonb_array_elements(q.body -> 'lines') AS l, jsonb_array_elements(l -> 'adjustments') AS a
    WHERE NOT q.release_ids @> jsonb_build_array(a ->> 'release_id') OR a ->> 'rule_id' IS NULL
    UNION ALL
    SELECT 'order ' || o.number || ' moved money under another run than its own' FROM sales_order o
    JOIN process_run r ON r.id = o.run_id JOIN ledger_transfer t ON t.subject = o.id
    WHERE t.correlation_id <> r.correlation_id
    """,
)


def _audit(session: Session) -> Iterator[str | None]:
    entries = int(session.execute(text("SELECT count(*) FROM audit_entry")).scalar_one())
    torn = first_break(session)
    yield from [None] * max(0, entries - (torn is not None))
    if torn is not None:
        yield f"the audit chain is torn at entry {torn}"


CHECKS: tuple[Check, ...] = (
    ON_A_LIST,
    ANSWERED,
    Examination(39, "A run keeps the definition it started with", _definitions),
    TRACED,
    Examination(40, "The audit chain is whole", _audit),
)
