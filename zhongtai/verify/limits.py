"""Invariants 21, 22, 26 and 28 for limits, budgets and lots: within the limit, given back once, apart, and pro rata."""

from __future__ import annotations

from zhongtai.verify.checking import Check, Statement

AT_REST = "NOT EXISTS (SELECT 1 FROM process_run r WHERE r.id = o.run_id AND r.status <> 'ended')"
LIMIT_CLAIMS = "SELECT count(*) FROM limit_claim"

COUNTED = Statement(
    21,
    "A counter of a limit is what its claims took, and within what the limit allows",
    "SELECT count(*) FROM limit_counter",
    """
    SELECT 'counter ' || c.id || '/' || c.slot || ' of ' || c.owner || ': ' || c.used || ' counted, ' || taken.amount
        || ' claimed, ' || c.most || ' allowed'
    FROM limit_counter c CROSS JOIN LATERAL (
        SELECT coalesce(sum(k.amount - k.returned), 0) AS amount FROM limit_claim k
        WHERE k.counter_id = c.id AND k.slot = c.slot AND k.status IN ('held', 'secured', 'redeemed')
    ) AS taken
    WHERE c.used <> taken.amount OR c.used > c.most OR c.used < 0
    UNION ALL
    SELECT 'counter ' || c.id || ' of ' || c.owner || ': its slots allow ' || sum(c.most) || ', its limit ' || max(c.total)
    FROM limit_counter c GROUP BY c.id, c.owner
    HAVING max(c.total) <> min(c.total) OR bool_or(c.is_over) <> bool_and(c.is_over)
        OR CASE WHEN bool_or(c.is_over) THEN sum(c.used) <> sum(c.most) ELSE sum(c.most) <> max(c.total) END
    UNION ALL
    SELECT 'claim ' || k.id || ' is of no counter' FROM limit_claim k
    WHERE NOT EXISTS (SELECT 1 FROM limit_counter c WHERE c.id = k.counter_id AND c.slot = k.slot)
    """,
)

PLANNED = Statement(
    21,
    "A budget is the sum of its changes, a lot has as many codes as it counts, and their histories only grow",
    "SELECT (SELECT count(*) FROM campaign_budget) + (SELECT count(*) FROM coupon_lot)",
    """
    SELECT 'budget ' || b.id || ' allows ' || b.most || ', its changes sum to ' || changed.amount
    FROM campaign_budget b CROSS JOIN LATERAL (
        SELECT coalesce(sum(h.amount), 0) AS amount FROM campaign_budget_change h WHERE h.budget_id = b.id
    ) AS changed
    WHERE b.most <> changed.amount
    UNION ALL
    SELECT 'lot ' || l.name || ' counts ' || l.made || ' codes of ' || l.wanted || ', ' || there.codes || ' are there'
    FROM coupon_lot l CROSS JOIN LATERAL (SELECT count(*) AS codes FROM coupon c WHERE c.lot_id = l.id) AS there
    WHERE l.made <> there.codes OR l.made > l.wanted OR (l.status = 'ready' AND l.made < l.wanted)
    UNION ALL
    SELECT 'the rows of ' || want.name || ' can be changed'
    FROM (VALUES ('campaign_budget_change'), ('limit_return')) AS want (name)
    WHERE NOT EXISTS (
        SELECT 1 FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relname = want.name AND t.tgname = want.name || '_is_append_only' AND t.tgenabled IN ('O', 'A'))
    """,
)

TAKEN = Statement(
    22,
    "What an order took of limits it keeps when confirmed, gives back when closed, and what came back came back once",
    LIMIT_CLAIMS,
    f"""
    SELECT 'order ' || o.number || ' is ' || o.status || ', and what it took of ' || k.owner || ' is ' || k.status
    FROM limit_claim k JOIN sales_order o ON o.id = k.order_id
    WHERE {AT_REST} AND k.status NOT IN ('expired', 'released')
        AND NOT (o.confirmed_at IS NOT NULL AND k.status = 'redeemed')
    UNION ALL
    SELECT 'claim ' || k.id || ' counts ' || k.returned || ' given back, its refunds ' || back.amount
    FROM limit_claim k CROSS JOIN LATERAL (
        SELECT coalesce(sum(r.amount), 0) AS amount FROM limit_return r WHERE r.claim_id = k.id
    ) AS back
    WHERE k.returned <> back.amount OR k.returned > k.amount
    UNION ALL
    SELECT 'claim ' || k.id || ' is of no order' FROM limit_claim k
    WHERE NOT EXISTS (SELECT 1 FROM sales_order o WHERE o.id = k.order_id)
    UNION ALL
    SELECT 'order ' || o.number || ' used the limited rule ' || (u ->> 'rule_id') || ' without taking a use'
    FROM (
        SELECT release_id, d ->> 'id' AS rule_id FROM rule_release, jsonb_array_elements(document -> 'rules') AS d
        WHERE jsonb_path_exists(d, '$.limits[*] ? (@.counts == "uses")')
    ) AS limited
    JOIN quote q ON q.release_ids ? limited.release_id JOIN sales_order o ON o.quote_id = q.id
    CROSS JOIN LATERAL jsonb_array_elements(q.body -> 'outcomes') AS u
    WHERE o.confirmed_at IS NOT NULL AND o.origin <> 'import' AND u ->> 'rule_id' = limited.rule_id
        AND u ->> 'release_id' = limited.release_id AND u ->> 'outcome' IN ('applied', 'capped') AND NOT EXISTS (
            SELECT 1 FROM limit_claim k WHERE k.order_id = o.id AND k.status = 'redeemed' AND k.counts = 'uses'
                AND k.parts ? limited.rule_id)
    """,  # noqa: S608 - all of it is ours
)

APART = Statement(
    26,
    "Limits, budgets, lots and rewards of one business never serve another",
    LIMIT_CLAIMS,
    """
    SELECT 'claim ' || k.id || ' of ' || k.business || ' counts in ' || c.business || ' for an order of ' || o.business
    FROM limit_claim k JOIN limit_counter c ON c.id = k.counter_id AND c.slot = k.slot
    JOIN sales_order o ON o.id = k.order_id
    WHERE k.business <> o.business OR c.business <> o.business
    UNION ALL
    SELECT 'counter ' || c.id || ' of ' || c.business || ' counts a budget of ' || b.business
    FROM limit_counter c JOIN campaign_budget b ON b.id = c.budget_id WHERE c.business <> b.business
    UNION ALL
    SELECT 'budget ' || b.id || ' of ' || b.business || ' is of a campaign of ' || m.business
    FROM campaign_budget b JOIN campaign m ON m.id = b.campaign_id WHERE b.business <> m.business
    UNION ALL
    SELECT 'code ' || c.code || ' of ' || c.business || ' is of a lot of ' || l.business
    FROM coupon c JOIN coupon_lot l ON l.id = c.lot_id WHERE c.business <> l.business
    UNION ALL
    SELECT 'reward ' || w.id || ' of ' || w.business || ' is of an order of ' || o.business
    FROM order_reward w JOIN sales_order o ON o.id = w.order_id WHERE w.business <> o.business
    """,
)

PRO_RATA = Statement(
    28,
    "A refund gives its discounts' share back to the budgets, uses and coupons by policy",
    "SELECT count(*) FROM limit_claim WHERE counts = 'spend'",
    """
    SELECT 'claim ' || k.id || ' of ' || k.owner || ' gave back ' || k.returned || ', its refunds owe ' || owed.amount
    FROM limit_claim k CROSS JOIN LATERAL (
        SELECT least(k.amount, coalesce(sum(greatest(0, one.amount)), 0)) AS amount FROM (
            SELECT (
                SELECT coalesce(sum((a ->> 'given_minor')::bigint), 0)
                FROM refund_line l CROSS JOIN LATERAL jsonb_array_elements(l.adjustments) AS a
                WHERE l.refund_id = f.id AND k.parts ? (a ->> 'rule_id')
            ) AS amount
            FROM refund f WHERE f.order_id = k.order_id AND f.status IN ('succeeded', 'reversed')
        ) AS one
    ) AS owed
    WHERE k.counts = 'spend' AND k.status = 'redeemed' AND k.returned <> owed.amount
        AND NOT EXISTS (SELECT 1 FROM refund f WHERE f.order_id = k.order_id AND f.status = 'processing')
    UNION ALL
    SELECT 'claim ' || k.id || ' gave back a use of ' || k.owner || ' without a refund' FROM limit_claim k
    WHERE k.counts = 'uses' AND k.returned > 0
        AND NOT EXISTS (SELECT 1 FROM refund f WHERE f.order_id = k.order_id AND f.status IN ('processing', 'succeeded', 'reversed'))
    UNION ALL
    SELECT 'the use of ' || k.code || ' was restored, its policy is ' || c.after_refund
    FROM coupon_claim k JOIN coupon c ON c.id = k.coupon_id WHERE k.status = 'restored' AND c.after_refund = 'keep'
    """,
)

CHECKS: tuple[Check, ...] = (COUNTED, PLANNED, TAKEN, APART, PRO_RATA)
