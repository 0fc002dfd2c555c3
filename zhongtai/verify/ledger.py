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
        OR t.debit_account_id <> c.credit_account_id OR t.credit_account_id <> c.debit_account_id
        OR t.phase NOT IN ('single', 'post') OR c.phase <> 'single')
    UNION ALL
    SELECT 'transfer ' || corrects_id || ' is corrected ' || count(*) || ' times'
    FROM ledger_transfer WHERE corrects_id IS NOT NULL GROUP BY corrects_id HAVING count(*) > 1
    UNION ALL
    SELECT 'the trigger that keeps closed days closed is missing or off' WHERE NOT EXISTS (
        SELECT 1 FROM pg_trigger WHERE tgname = 'ledger_entry_sums_to_zero' AND tgenabled IN ('O', 'A'))
    UNION ALL
    SELECT 'entry of ' || e.transfer_id || ' is dated otherwise than its transfer'
    FROM ledger_entry e JOIN ledger_transfer t ON t.id = e.transfer_id WHERE e.created_at <> t.created_at
    """,
)

LIMITS = Statement(
    3,
    "No balance limit is broken, pending counted",
    "SELECT count(*) FROM ledger_account WHERE lowest_minor IS NOT NULL",
    """
    WITH stand AS (
        SELECT a.id, a.kind, a.party, a.lowest_minor, a.highest_minor,
            coalesce(sum(CASE WHEN grows THEN amount_minor ELSE -amount_minor END) FILTER (WHERE layer = 'posted'), 0) AS minor,
            coalesce(sum(amount_minor) FILTER (WHERE layer = 'pending' AND NOT grows), 0) AS leaving,
            coalesce(sum(amount_minor) FILTER (WHERE layer = 'pending' AND grows), 0) AS coming
        FROM ledger_account a LEFT JOIN (
            SELECT e.*, (b.side = 'asset') = (e.side = 'debit') AS grows FROM ledger_entry e JOIN ledger_account b ON b.id = e.account_id
        ) AS moved ON moved.account_id = a.id
        WHERE a.lowest_minor IS NOT NULL OR a.highest_minor IS NOT NULL GROUP BY a.id
    )
    SELECT 'account ' || id || ' (' || kind || ' ' || party || ') stands ' || lowest_minor - (minor - leaving)
        || ' below its limit'
    FROM stand WHERE minor - leaving < lowest_minor
    UNION ALL
    SELECT 'account ' || id || ' (' || kind || ' ' || party || ') stands ' || minor + coming - highest_minor
        || ' above its limit'
    FROM stand WHERE minor + coming > highest_minor
    UNION ALL
    SELECT 'account ' || a.id || ' has lost its limit' FROM ledger_account a JOIN ledger_balance b ON b.account_id = a.id
    WHERE a.lowest_minor IS DISTINCT FROM b.lowest_minor OR a.highest_minor IS DISTINCT FROM b.highest_minor
    UNION ALL
    SELECT 'account ' || account_id || ' has a limit and ' || count(*) || ' balance rows' FROM ledger_balance
    WHERE lowest_minor IS NOT NULL OR highest_minor IS NOT NULL GROUP BY account_id HAVING count(*) > 1
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
    UNION ALL
    SELECT 'account ' || k.account_id || ' at ' || k.at || ': kept '
        || k.debits_posted_minor - k.credits_posted_minor || ', rebuilt ' || r.dp - r.cp
    FROM ledger_checkpoint k CROSS JOIN LATERAL (
        SELECT coalesce(sum(amount_minor) FILTER (WHERE side = 'debit' AND layer = 'posted'), 0) AS dp,
               coalesce(sum(amount_minor) FILTER (WHERE side = 'credit' AND layer = 'posted'), 0) AS cp,
               coalesce(sum(amount_minor) FILTER (WHERE side = 'debit' AND layer = 'pending'), 0) AS dq,
               coalesce(sum(amount_minor) FILTER (WHERE side = 'credit' AND layer = 'pending'), 0) AS cq
        FROM ledger_entry WHERE account_id = k.account_id AND created_at < k.at
    ) AS r
    WHERE (k.debits_posted_minor, k.credits_posted_minor, k.debits_pending_minor, k.credits_pending_minor)
        <> (r.dp, r.cp, r.dq, r.cq)
    UNION ALL
    SELECT 'account ' || e.account_id || ' moved in the day that ended ' || d.ends_at || ', which kept no sum of it'
    FROM ledger_day d JOIN ledger_entry e
        ON e.created_at < d.ends_at AND e.created_at >= coalesce((SELECT max(b.ends_at) FROM ledger_day b
            WHERE b.ends_at < d.ends_at), '-infinity')
    WHERE NOT EXISTS (SELECT 1 FROM ledger_checkpoint k WHERE k.account_id = e.account_id AND k.at = d.ends_at)
    GROUP BY e.account_id, d.ends_at
    UNION ALL
    SELECT 'gift card ' || g.id || ' ' || CASE
        WHEN a.id IS NULL THEN 'has no account'
        WHEN g.state = 'expired' AND stand.minor <> 0 THEN 'has expired with ' || stand.minor || ' on it'
        ELSE 'was issued with ' || g.initial_minor || ', its account was loaded with ' || coalesce(loaded.minor, 0) END
    FROM gift_card g
    LEFT JOIN ledger_account a ON a.kind = 'gift_card' AND a.party = g.id AND a.business = g.business
        AND a.currency = g.currency
    LEFT JOIN LATERAL (
        SELECT coalesce(sum(credits_posted_minor - debits_posted_minor), 0) AS minor FROM ledger_balance WHERE account_id = a.id
    ) AS stand ON true
    LEFT JOIN LATERAL (
        SELECT amount_minor AS minor FROM ledger_transfer WHERE credit_account_id = a.id AND subject = g.id
        ORDER BY created_at, id LIMIT 1
    ) AS loaded ON true
    WHERE a.id IS NULL OR loaded.minor IS DISTINCT FROM g.initial_minor OR (g.state = 'expired' AND stand.minor <> 0)
    UNION ALL
    SELECT 'account ' || a.id || ' holds the money of a gift card that does not exist' FROM ledger_account a
    WHERE a.kind = 'gift_card' AND NOT EXISTS (
        SELECT 1 FROM gift_card g WHERE g.id = a.party AND g.business = a.business AND g.currency = a.currency)
    UNION ALL
    SELECT 'points of ' || a.business || ' and their exchange are ' || sum(b.credits_posted_minor - b.debits_posted_minor)
        || ' apart'
    FROM ledger_account a JOIN ledger_balance b ON b.account_id = a.id
    WHERE a.currency = 'PTS' GROUP BY a.business HAVING sum(b.credits_posted_minor - b.debits_posted_minor) <> 0
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
    SELECT 'transfer ' || t.id || ' exchanges currencies without its other half'
    FROM ledger_transfer t
    JOIN ledger_account d ON d.id = t.debit_account_id JOIN ledger_account c ON c.id = t.credit_account_id
    LEFT JOIN ledger_transfer o ON o.id = t.exchange_id
    LEFT JOIN ledger_account od ON od.id = o.debit_account_id
    WHERE (d.kind = 'exchange' OR c.kind = 'exchange' OR t.exchange_id IS NOT NULL) AND (
        o.id IS NULL OR o.exchange_id <> t.id OR o.linked_id <> t.linked_id OR o.currency = t.currency
        OR o.phase <> t.phase OR o.business <> t.business OR o.exchange_id IS NULL
        OR (d.kind = 'exchange') = (od.kind = 'exchange')
        OR (o.rate_numerator, o.rate_denominator) <> (t.rate_denominator, t.rate_numerator))
    UNION ALL
    SELECT 'transfer ' || t.id || ' is not at the rate it carries'
    FROM ledger_transfer t JOIN ledger_transfer o ON o.id = t.exchange_id
    WHERE abs(o.amount_minor::numeric * t.rate_denominator - t.amount_minor::numeric * t.rate_numerator)
        >= greatest(t.rate_numerator, t.rate_denominator)
    UNION ALL
    SELECT 'linked set ' || t.linked_id || ' moves several currencies without exchanging them'
    FROM ledger_transfer t WHERE t.phase <> 'expire'
    GROUP BY t.linked_id
    HAVING count(DISTINCT t.currency) > 1 AND count(DISTINCT t.currency) FILTER (WHERE t.exchange_id IS NOT NULL)
        < count(DISTINCT t.currency)
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
