"""Invariants 1 to 8: the ledger."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from capabilities.account.service import linked_id_of
from zhongtai.verify.checking import Check, Examination, Statement

TRANSFERS = "SELECT count(*) FROM ledger_transfer"

ZERO = Statement(
    1,
    "Each transfer and each currency sums to zero",
    TRANSFERS,
    """
    WITH posted AS (
        SELECT transfer_id, layer, currency, sum(CASE side WHEN 'debit' THEN amount_minor ELSE -amount_minor END) AS off
        FROM ledger_entry GROUP BY transfer_id, layer, currency
    ), expected AS (
        SELECT t.id, t.debit_account_id, t.credit_account_id, t.currency,
               CASE WHEN t.phase IN ('single', 'post') THEN t.amount_minor ELSE 0 END AS posted,
               CASE t.phase WHEN 'pending' THEN t.amount_minor WHEN 'single' THEN 0 ELSE -p.amount_minor END AS pending
        FROM ledger_transfer t LEFT JOIN ledger_transfer p ON p.id = t.pending_id
    ), found AS (
        SELECT transfer_id, account_id, side, currency,
               sum(amount_minor) FILTER (WHERE layer = 'posted') AS posted,
               sum(amount_minor) FILTER (WHERE layer = 'pending') AS pending
        FROM ledger_entry GROUP BY transfer_id, account_id, side, currency
    )
    SELECT 'transfer ' || transfer_id || ' (' || layer || ') is off by ' || off || ' ' || currency FROM posted WHERE off <> 0
    UNION ALL
    SELECT 'transfer ' || e.id || ' says another amount than its ' || s.side || ' entry'
    FROM expected e CROSS JOIN (VALUES ('debit'), ('credit')) AS s (side)
    LEFT JOIN found f ON f.transfer_id = e.id AND f.side = s.side AND f.currency = e.currency
        AND f.account_id = CASE s.side WHEN 'debit' THEN e.debit_account_id ELSE e.credit_account_id END
    WHERE coalesce(f.posted, 0) <> e.posted OR coalesce(f.pending, 0) <> e.pending
    UNION ALL
    SELECT 'entry of an unknown transfer ' || n.transfer_id FROM ledger_entry n
    WHERE NOT EXISTS (SELECT 1 FROM ledger_transfer t WHERE t.id = n.transfer_id)
    UNION ALL
    SELECT business || ' is off by ' || sum(debits_posted_minor - credits_posted_minor) || ' ' || a.currency
    FROM ledger_balance JOIN (SELECT id, currency FROM ledger_account) a ON a.id = account_id
    GROUP BY business, a.currency HAVING sum(debits_posted_minor - credits_posted_minor) <> 0
    """,
)

APPEND_ONLY = Statement(
    2,
    "Postings are immutable; a correction names what it corrects",
    TRANSFERS,
    """
    SELECT 'the trigger that keeps ' || want.name || ' append-only is missing or off'
    FROM (VALUES ('ledger_transfer'), ('ledger_entry'), ('payment_event')) AS want (name)
    WHERE NOT EXISTS (
        SELECT 1 FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relname = want.name AND t.tgname = want.name || '_is_append_only' AND t.tgenabled IN ('O', 'A')
    )
    UNION ALL
    SELECT 'transfer ' || c.id || ' corrects ' || c.corrects_id || ', which is not its mirror'
    FROM ledger_transfer c LEFT JOIN ledger_transfer t ON t.id = c.corrects_id
    WHERE c.corrects_id IS NOT NULL AND (t.id IS NULL OR t.currency <> c.currency OR t.amount_minor < c.amount_minor
        OR t.debit_account_id <> c.credit_account_id OR t.credit_account_id <> c.debit_account_id)
    """,
)

LIMITS = Statement(
    3,
    "No balance limit is broken, pending counted",
    "SELECT count(*) FROM ledger_account WHERE lowest_minor IS NOT NULL",
    """
    SELECT 'account ' || a.id || ' (' || a.kind || ' ' || a.party || ') stands ' || a.lowest_minor - stand.available
        || ' below its limit'
    FROM ledger_account a CROSS JOIN LATERAL (
        SELECT coalesce(sum(CASE
            WHEN layer = 'posted' THEN CASE WHEN (a.side = 'asset') = (side = 'debit') THEN amount_minor ELSE -amount_minor END
            WHEN (a.side = 'asset') = (side = 'credit') THEN -amount_minor ELSE 0 END), 0) AS available
        FROM ledger_entry WHERE account_id = a.id
    ) AS stand
    WHERE a.lowest_minor IS NOT NULL AND stand.available < a.lowest_minor
    UNION ALL
    SELECT 'account ' || a.id || ' has lost its limit' FROM ledger_account a JOIN ledger_balance b ON b.account_id = a.id
    WHERE a.lowest_minor IS DISTINCT FROM b.lowest_minor
    """,
)

ONE_BODY = Statement(
    4,
    "An id stands for one body",
    TRANSFERS,
    """
    SELECT 'transfer ' || id || ' stands ' || count(*) || ' times' FROM ledger_transfer GROUP BY id HAVING count(*) > 1
    UNION ALL
    SELECT 'ids of transfers are not unique any more' WHERE NOT EXISTS (
        SELECT 1 FROM pg_constraint WHERE conrelid = 'ledger_transfer'::regclass AND contype = 'p')
    UNION ALL
    SELECT 'transfer ' || id || ' has no body hash' FROM ledger_transfer WHERE length(body_sha256) <> 64
    """,
)

RESOLVED_ONCE = Statement(
    6,
    "A pending transfer is resolved once, and posted for no more than it held",
    "SELECT count(*) FROM ledger_transfer WHERE phase = 'pending'",
    """
    SELECT 'pending transfer ' || pending_id || ' is resolved ' || count(*) || ' times'
    FROM ledger_transfer WHERE pending_id IS NOT NULL GROUP BY pending_id HAVING count(*) > 1
    UNION ALL
    SELECT 'transfer ' || r.id || ' resolves ' || r.pending_id || ', which '
        || CASE WHEN p.id IS NULL THEN 'does not exist' WHEN p.phase <> 'pending' THEN 'is not pending'
            WHEN r.amount_minor > p.amount_minor THEN 'held less' ELSE 'had run out' END
    FROM ledger_transfer r LEFT JOIN ledger_transfer p ON p.id = r.pending_id
    WHERE r.pending_id IS NOT NULL AND (p.id IS NULL OR p.phase <> 'pending' OR r.amount_minor > p.amount_minor
        OR (r.phase = 'post' AND p.expires_at <= r.created_at))
    UNION ALL
    SELECT 'order ' || o.number || ' is ' || o.status || ', and its pending transfer ' || p.id || ' still waits'
    FROM sales_order o JOIN ledger_transfer p ON p.subject = o.id AND p.phase = 'pending'
    WHERE NOT EXISTS (SELECT 1 FROM ledger_transfer r WHERE r.pending_id = p.id)
        AND NOT EXISTS (SELECT 1 FROM process_run u WHERE u.id = o.run_id AND u.status <> 'ended')
    """,
)

REBUILT = Statement(
    7,
    "Balances rebuilt from the entries equal the stored ones",
    "SELECT count(*) FROM ledger_account",
    """
    WITH stored AS (
        SELECT account_id, sum(debits_posted_minor) AS dp, sum(credits_posted_minor) AS cp,
               sum(debits_pending_minor) AS dq, sum(credits_pending_minor) AS cq
        FROM ledger_balance GROUP BY account_id
    ), rebuilt AS (
        SELECT account_id,
               coalesce(sum(amount_minor) FILTER (WHERE side = 'debit' AND layer = 'posted'), 0) AS dp,
               coalesce(sum(amount_minor) FILTER (WHERE side = 'credit' AND layer = 'posted'), 0) AS cp,
               coalesce(sum(amount_minor) FILTER (WHERE side = 'debit' AND layer = 'pending'), 0) AS dq,
               coalesce(sum(amount_minor) FILTER (WHERE side = 'credit' AND layer = 'pending'), 0) AS cq
        FROM ledger_entry GROUP BY account_id
    )
    SELECT 'account ' || coalesce(s.account_id, r.account_id) || ': stored ' || coalesce(s.dp - s.cp, 0)
        || ', rebuilt ' || coalesce(r.dp - r.cp, 0)
        || ', pending ' || coalesce(s.dq - s.cq, 0) || ' and ' || coalesce(r.dq - r.cq, 0)
    FROM stored s FULL JOIN rebuilt r USING (account_id)
    WHERE (coalesce(s.dp, 0), coalesce(s.cp, 0), coalesce(s.dq, 0), coalesce(s.cq, 0))
        <> (coalesce(r.dp, 0), coalesce(r.cp, 0), coalesce(r.dq, 0), coalesce(r.cq, 0))
    """,
)

ONE_CURRENCY = Statement(
    8,
    "No transfer crosses currencies or businesses without an exchange pair",
    TRANSFERS,
    """
    SELECT 'transfer ' || t.id || ' in ' || t.currency || ' touches account ' || a.id || ' in ' || a.currency
    FROM ledger_transfer t JOIN ledger_account a ON a.id IN (t.debit_account_id, t.credit_account_id)
    WHERE a.currency <> t.currency OR a.business <> t.business
    UNION ALL
    SELECT 'entry of ' || n.transfer_id || ' is in ' || n.currency
    FROM ledger_entry n JOIN ledger_account a ON a.id = n.account_id
    WHERE n.currency <> a.currency OR n.business <> a.business
    UNION ALL
    SELECT 'linked set ' || t.linked_id || ' moves several currencies without exchanging them'
    FROM ledger_transfer t
    LEFT JOIN ledger_account x ON x.id IN (t.debit_account_id, t.credit_account_id) AND x.kind = 'exchange'
    WHERE t.phase <> 'expire'
    GROUP BY t.linked_id HAVING count(DISTINCT t.currency) > 1 AND count(x.id) < count(DISTINCT t.currency)
    """,
)


def _sets(session: Session) -> Iterator[str | None]:
    """A set's id follows from its members: with one missing or added it would be another."""
    found = session.execute(
        text("SELECT linked_id, array_agg(id) FROM ledger_transfer GROUP BY linked_id").execution_options(
            yield_per=1_000
        )
    )
    for linked_id, members in found:
        whole = linked_id_of(members) == linked_id
        yield None if whole else f"linked set {linked_id} is not whole: {len(members)} transfers are left"


WHOLE_SETS = Examination(5, "Linked sets are whole", _sets)

CHECKS: tuple[Check, ...] = (ZERO, APPEND_ONLY, LIMITS, ONE_BODY, WHOLE_SETS, RESOLVED_ONCE, REBUILT, ONE_CURRENCY)
