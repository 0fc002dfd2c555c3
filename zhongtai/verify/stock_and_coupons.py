"""Invariants 21, 22, 26, 31 and 32: coupons and stock, under any concurrency, and nobody's rules for another."""

from __future__ import annotations

from zhongtai.verify.checking import Check, Statement

CLAIMS = "SELECT count(*) FROM coupon_claim"
AT_REST = "NOT EXISTS (SELECT 1 FROM process_run r WHERE r.id = o.run_id AND r.status <> 'ended')"

WITHIN_LIMIT = Statement(
    21,
    "A coupon is used no more often than its limit, and its count is its claims",
    "SELECT count(*) FROM coupon",
    """
    SELECT 'coupon ' || c.business || '/' || c.code || ': ' || c.used || ' counted, ' || taken.uses || ' claimed, limit '
        || coalesce(c.use_limit::text, 'none')
    FROM coupon c CROSS JOIN LATERAL (
        SELECT count(*) AS uses FROM coupon_claim k
        WHERE k.coupon_id = c.id AND k.status IN ('held', 'secured', 'redeemed')
    ) AS taken
    WHERE c.used <> taken.uses OR taken.uses > c.use_limit
    """,
)

RESTORED = Statement(
    22,
    "What an order claimed it redeems when confirmed, and gives back when closed",
    CLAIMS,
    f"""
    SELECT 'order ' || o.number || ' is ' || o.status || ', and its use of ' || k.code || ' is ' || k.status
    FROM coupon_claim k JOIN sales_order o ON o.id = k.order_id
    WHERE {AT_REST} AND k.status NOT IN ('expired', 'released')
        AND NOT (o.confirmed_at IS NOT NULL AND k.status IN ('redeemed', 'restored'))
    UNION ALL
    SELECT 'order ' || o.number || ' used ' || (u ->> 'code') || ' without redeeming it'
    FROM sales_order o JOIN quote q ON q.id = o.quote_id
    CROSS JOIN LATERAL jsonb_array_elements(q.body -> 'coupons') AS u
    JOIN coupon c ON c.business = o.business AND c.code_key = u ->> 'code'
    WHERE o.confirmed_at IS NOT NULL AND o.origin <> 'import' AND u ->> 'state' = 'applied' AND NOT EXISTS (
        SELECT 1 FROM coupon_claim k
        WHERE k.order_id = o.id AND k.coupon_id = c.id AND k.status IN ('redeemed', 'restored'))
    UNION ALL
    SELECT 'claim ' || k.id || ' is of no order' FROM coupon_claim k
    WHERE NOT EXISTS (SELECT 1 FROM sales_order o WHERE o.id = k.order_id)
    """,  # noqa: S608 - all of it is ours
)

APART = Statement(
    26,
    "Rules, coupons and money of one business never touch another",
    "SELECT count(*) FROM quote",
    """
    SELECT 'quote ' || q.id || ' of ' || q.business || ' was decided by ' || coalesce(r.business, 'no release')
    FROM quote q CROSS JOIN LATERAL jsonb_array_elements_text(q.release_ids) AS used (release_id)
    LEFT JOIN rule_release r ON r.release_id = used.release_id
    WHERE r.business IS NULL OR r.business NOT IN (q.business, 'platform')
    UNION ALL
    SELECT 'order ' || o.number || ' of ' || o.business || ' was priced for ' || q.business
    FROM sales_order o JOIN quote q ON q.id = o.quote_id WHERE q.business <> o.business
    UNION ALL
    SELECT 'payment ' || p.id || ' of ' || p.business || ' pays an order of ' || o.business
    FROM payment p JOIN sales_order o ON o.id = p.order_id WHERE p.business <> o.business OR p.currency <> o.currency
    UNION ALL
    SELECT 'claim ' || k.id || ' of ' || k.business || ' is for an order of ' || o.business
    FROM coupon_claim k JOIN coupon c ON c.id = k.coupon_id JOIN sales_order o ON o.id = k.order_id
    WHERE k.business <> o.business OR c.business <> o.business
    UNION ALL
    SELECT 'transfer ' || t.id || ' of ' || t.business || ' is about an order of ' || o.business
    FROM ledger_transfer t JOIN sales_order o ON o.id = t.subject WHERE t.business <> o.business
    """,
)

STOCKED = Statement(
    31,
    "On hand and available are never below zero; what is reserved are the open reservations",
    "SELECT count(*) FROM stock",
    """
    SELECT 'stock of ' || s.business || '/' || s.sku || ': ' || s.on_hand || ' on hand, ' || s.reserved
        || ' reserved, open reservations ' || open.pieces
    FROM stock s CROSS JOIN LATERAL (
        SELECT coalesce(sum(quantity), 0) AS pieces FROM reservation v
        WHERE v.business = s.business AND v.sku = s.sku AND v.status IN ('held', 'secured')
    ) AS open
    WHERE s.on_hand < 0 OR s.on_hand < s.reserved OR s.reserved <> open.pieces
    UNION ALL
    SELECT 'reservation ' || v.id || ' is of no stock' FROM reservation v
    WHERE NOT EXISTS (SELECT 1 FROM stock s WHERE s.business = v.business AND s.sku = v.sku)
    """,
)

RESERVED = Statement(
    32,
    "A confirmed order took its pieces, a closed one gave them back",
    "SELECT count(*) FROM reservation",
    f"""
    SELECT 'order ' || o.number || ' is ' || o.status || ', and its reservation of ' || v.sku || ' is ' || v.status
    FROM reservation v JOIN sales_order o ON o.id = v.order_id
    WHERE {AT_REST} AND NOT CASE WHEN o.confirmed_at IS NOT NULL THEN v.status = 'committed'
        ELSE v.status IN ('released', 'expired') END
    UNION ALL
    SELECT 'reservation ' || v.id || ' is of no order' FROM reservation v
    WHERE NOT EXISTS (SELECT 1 FROM sales_order o WHERE o.id = v.order_id)
    UNION ALL
    SELECT 'order ' || o.number || ' took ' || coalesce(sum(v.quantity), 0) || ' of ' || l.sku || ', it sold ' || l.quantity
    FROM sales_order o JOIN (
        SELECT order_id, sku, sum(quantity) AS quantity FROM sales_order_line GROUP BY order_id, sku
    ) AS l ON l.order_id = o.id
    JOIN offer f ON f.business = o.business AND f.sku = l.sku AND f.has_stock
    LEFT JOIN reservation v ON v.order_id = o.id AND v.sku = l.sku AND v.status = 'committed'
    WHERE o.confirmed_at IS NOT NULL AND o.origin <> 'import'
    GROUP BY o.number, l.sku, l.quantity HAVING coalesce(sum(v.quantity), 0) <> l.quantity
    """,  # noqa: S608 - all of it is ours
)

CHECKS: tuple[Check, ...] = (WITHIN_LIMIT, RESTORED, APART, STOCKED, RESERVED)
