"""Invariants 38 to 40: processes end or stand on somebody's list; everything says who, why and by which release."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from web.access.audit import first_break
from workflows.language.definition import steps_of
from workflows.language.snapshot import snapshot_of_text
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
    SELECT 'run ' || r.id || ' waits for an approval that nobody is asked for' FROM process_run r
    WHERE r.status = 'waiting' AND r.waiting_for = 'approval' AND NOT EXISTS (
        SELECT 1 FROM process_approval a WHERE a.run_id = r.id AND a.path = r.step)
    UNION ALL
    SELECT 'run ' || r.id || ' waits for a part that is over' FROM process_run r
    WHERE r.status = 'waiting' AND r.waiting_for = 'process' AND r.updated_at < now() - interval '5 minutes'
        AND NOT EXISTS (SELECT 1 FROM process_run part WHERE part.parent_run_id = r.id AND part.status <> 'ended')
    UNION ALL
    SELECT 'run ' || r.id || ' is a part of a run that is unknown' FROM process_run r
    WHERE r.parent_run_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM process_run p WHERE p.id = r.parent_run_id)
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
    WHERE (i.answer_status = 201) <> (o.confirmed_at IS NOT NULL) AND (i.answer_status = 201 OR i.answer_status >= 400)
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
    yield from _strangers(session, {row.sha256: row.body for row in found})


def _strangers(session: Session, bodies: dict[str, str]) -> Iterator[str]:
    """A run has done no step that the definition it began with does not have: nothing was published under its feet."""
    done = text("""
        SELECT DISTINCT r.definition_sha256, s.path, min(r.id)
        FROM process_run r JOIN process_step s ON s.run_id = r.id
        WHERE s.path NOT LIKE 'undo%' AND s.path <> 'interpreter' GROUP BY 1, 2
    """)
    known: dict[str, set[str]] = {}
    for sha256, path, run_id in session.execute(done):
        if sha256 in bodies and sha256 not in known:
            steps = steps_of(snapshot_of_text(bodies[sha256]).definition.steps)
            known[sha256] = {step.name for step in steps}
        if sha256 in known and path not in known[sha256]:
            yield f"run {run_id} did {path}, which its definition {sha256[:12]} does not have"


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
    JOIN ledger_transfer t ON t.subject = o.id
    WHERE t.actor NOT LIKE 'system%' AND NOT EXISTS (
        SELECT 1 FROM process_run r WHERE r.correlation_id = t.correlation_id AND (r.id = o.run_id OR r.subject = o.id))
    UNION ALL
    SELECT 'refund ' || number || ' does not say who asked or decided, or why' FROM refund
    WHERE trim(requested_by) = '' OR (kind <> 'chargeback' AND trim(reason) = '' AND requested_by NOT LIKE 'api:%')
        OR (status IN ('approved', 'processing', 'succeeded', 'refused', 'reversed') AND coalesce(trim(decided_by), '') = '')
    UNION ALL
    SELECT 'payout batch ' || id || ' was approved by whoever planned it' FROM payout_batch WHERE approved_by = planned_by
    UNION ALL
    SELECT 'approval ' || id || ' was decided without a name or a reason, or by whoever asked' FROM process_approval
    WHERE decision IS NOT NULL AND (coalesce(trim(decided_by), '') = '' OR coalesce(trim(reason), '') = ''
        OR decided_by = asked_by OR decided_at IS NULL)
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
