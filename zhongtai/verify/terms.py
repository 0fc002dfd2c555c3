"""Invariants 19 and 33 of payment terms: dues add up to their order, and the ledger says what its buyer owes."""

from __future__ import annotations

from zhongtai.verify.checking import Check, Statement

SOLD = "o.origin <> 'import' AND o.confirmed_at IS NOT NULL"
ORDERS = f"SELECT count(*) FROM sales_order o WHERE {SOLD}"  # noqa: S608 - all of it is ours
OWED = "status IN ('open', 'collecting')"

ADD_UP = Statement(
    19,
    "What is due of an order adds up to its total, less what refunds took off; what was collected was captured",
    ORDERS,
    f"""
    SELECT 'order ' || o.number || ' of ' || o.total_minor || ' has dues of ' || d.planned
    FROM sales_order o JOIN LATERAL (
        SELECT sum(planned_minor) AS planned FROM payment_due WHERE order_id = o.id
    ) AS d ON d.planned <> o.total_minor
    WHERE {SOLD}
    UNION ALL
    SELECT 'order ' || o.number || ': refunds took ' || r.unpaid || ' off what is due, its dues are ' || d.less || ' less'
    FROM sales_order o
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(planned_minor - amount_minor), 0) AS less FROM payment_due WHERE order_id = o.id
    ) AS d
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(unpaid_minor), 0) AS unpaid FROM refund WHERE order_id = o.id AND status = 'succeeded'
    ) AS r
    WHERE {SOLD} AND r.unpaid <> d.less
    UNION ALL
    SELECT 'payment ' || p.id || ' of ' || p.amount_minor || ' paid dues of ' || d.minor
    FROM payment p JOIN LATERAL (
        SELECT sum(amount_minor) AS minor FROM payment_due WHERE payment_id = p.id AND status = 'paid' AND "when" <> 'now'
    ) AS d ON d.minor <> p.amount_minor
    UNION ALL
    SELECT 'due ' || d.position || ' of order ' || o.number || ' is ' || d.status || ', the order is ' || o.status
    FROM payment_due d JOIN sales_order o ON o.id = d.order_id
    WHERE o.confirmed_at IS NULL AND d.amount_minor > 0 AND (d.status IN ('paid', 'collecting', 'written_off')
        OR (d.status = 'open' AND NOT EXISTS (
            SELECT 1 FROM process_run u WHERE u.id = o.run_id AND u.status <> 'ended')))
    """,  # noqa: S608 - all of it is ours
)

RECEIVABLE = Statement(
    33,
    "What is still due of an order is what the ledger says that its buyer owes",
    ORDERS,
    f"""
    WITH owed AS (
        SELECT o.id AS order_id, coalesce((
            SELECT sum(amount_minor) FROM payment_due d WHERE d.order_id = o.id AND {OWED}), 0) AS minor
        FROM sales_order o WHERE {SOLD}
    ), booked AS (
        SELECT a.party AS order_id, sum(b.debits_posted_minor - b.credits_posted_minor) AS minor
        FROM ledger_account a JOIN ledger_balance b ON b.account_id = a.id WHERE a.kind = 'buyer_receivable'
        GROUP BY a.party
    )
    SELECT 'of order ' || coalesce(o.order_id, b.order_id) || ' ' || coalesce(o.minor, 0) || ' is due, the ledger says '
        || coalesce(b.minor, 0)
    FROM owed o FULL JOIN booked b USING (order_id) WHERE coalesce(o.minor, 0) <> coalesce(b.minor, 0)
    """,  # noqa: S608 - all of it is ours
)

CHECKS: tuple[Check, ...] = (ADD_UP, RECEIVABLE)
