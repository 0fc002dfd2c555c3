"""Invariants 14 to 18: prices and taxes of orders, to the cent."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from activities.explaining import is_reproduced
from capabilities.kernel.errors import PlatformError
from zhongtai.verify.checking import IMPORTED, Check, Examination, Statement

ORDERS = "SELECT count(*) FROM sales_order WHERE origin <> 'import'"
QUOTES = "SELECT count(*) FROM quote"
QUOTE_LINES = "quote q CROSS JOIN LATERAL jsonb_array_elements(q.body -> 'lines') AS l"

ADDS_UP = Statement(
    14,
    "Lines, delivery, fees, discounts and tax add up to the total",
    ORDERS,
    """
    SELECT 'order ' || o.number || ' says ' || o.total_minor || ', its lines ' || coalesce(s.total, 0)
    FROM sales_order o LEFT JOIN LATERAL (
        SELECT sum(gross_minor) FILTER (WHERE kind = 'goods') AS goods,
               sum(gross_minor) FILTER (WHERE kind = 'fee') AS fee,
               sum(gross_minor) FILTER (WHERE kind = 'delivery') AS delivery,
               sum(discount_minor) AS discount, sum(tax_minor) AS tax, sum(total_minor) AS total
        FROM sales_order_line WHERE order_id = o.id
    ) AS s ON true
    WHERE o.origin <> 'import' AND (
        (o.goods_gross_minor, o.delivery_minor, o.fee_minor, o.discount_minor, o.tax_minor, o.total_minor)
        <> (coalesce(s.goods, 0), coalesce(s.delivery, 0), coalesce(s.fee, 0), coalesce(s.discount, 0),
            coalesce(s.tax, 0), coalesce(s.total, 0))
        OR o.goods_gross_minor + o.delivery_minor + o.fee_minor - o.discount_minor
            + CASE WHEN o.prices_include_tax THEN 0 ELSE o.tax_minor END <> o.total_minor)
    UNION ALL
    SELECT 'line ' || l.line_id || ' of order ' || o.number || ' does not add up'
    FROM sales_order_line l JOIN sales_order o ON o.id = l.order_id
    WHERE o.origin <> 'import' AND (l.gross_minor <> l.unit_price_minor * l.quantity
        OR l.net_minor <> l.gross_minor - l.discount_minor
        OR l.total_minor <> l.net_minor + CASE WHEN o.prices_include_tax THEN 0 ELSE l.tax_minor END)
    """,
    left_out=IMPORTED,
)

ALLOCATED = Statement(
    15,
    "Shares of a discount sum to it, none above its line, none below a floor price",
    QUOTES,
    f"""
    SELECT 'quote ' || q.id || ' line ' || (l ->> 'id') || ' gives ' || (l ->> 'discount_minor') || ' of '
        || (l ->> 'gross_minor') || ', its adjustments ' || given.minor
    FROM {QUOTE_LINES} CROSS JOIN LATERAL (
        SELECT coalesce(sum((a ->> 'given_minor')::bigint), 0) AS minor
        FROM jsonb_array_elements(l -> 'adjustments') AS a
    ) AS given
    WHERE given.minor <> (l ->> 'discount_minor')::bigint OR (l ->> 'discount_minor')::bigint > (l ->> 'gross_minor')::bigint
    UNION ALL
    SELECT 'quote ' || q.id || ' line ' || (l ->> 'id') || ' is sold below its floor'
    FROM {QUOTE_LINES} JOIN LATERAL jsonb_array_elements(q.cart -> 'lines') AS c ON c ->> 'id' = l ->> 'id'
    WHERE (l ->> 'discount_minor')::bigint > 0 AND l ->> 'kind' = 'goods'
        AND (l ->> 'net_minor')::bigint < (c ->> 'floor_price_minor')::bigint * (c ->> 'quantity')::bigint
    UNION ALL
    SELECT 'quote ' || q.id || ': rule ' || (u ->> 'rule_id') || ' gave ' || (u ->> 'given_minor') || ', its lines '
        || given.minor
    FROM quote q CROSS JOIN LATERAL jsonb_array_elements(q.body -> 'outcomes') AS u CROSS JOIN LATERAL (
        SELECT coalesce(sum((a ->> 'given_minor')::bigint), 0) AS minor
        FROM jsonb_array_elements(q.body -> 'lines') AS l, jsonb_array_elements(l -> 'adjustments') AS a
        WHERE a ->> 'rule_id' = u ->> 'rule_id' AND a ->> 'release_id' = u ->> 'release_id'
    ) AS given
    WHERE u ->> 'outcome' IN ('applied', 'capped') AND (u ->> 'given_minor')::bigint <> given.minor
    UNION ALL
    SELECT 'order ' || o.number || ' line ' || ol.line_id || ' is not the line of its quote'
    FROM sales_order o JOIN sales_order_line ol ON ol.order_id = o.id JOIN quote q ON q.id = o.quote_id
    LEFT JOIN LATERAL jsonb_array_elements(q.body -> 'lines') AS l ON l ->> 'id' = ol.line_id
    WHERE o.origin <> 'import' AND (l IS NULL OR (ol.sku, ol.quantity, ol.discount_minor, ol.net_minor, ol.tax_minor)
        <> (l ->> 'sku', (l ->> 'quantity')::bigint, (l ->> 'discount_minor')::bigint, (l ->> 'net_minor')::bigint,
            (l ->> 'tax_minor')::bigint))
    """,  # noqa: S608 - all of it is ours
)

NOT_NEGATIVE = Statement(
    16,
    "No price, line, delivery, order or stock is negative",
    "SELECT (SELECT count(*) FROM offer) + (SELECT count(*) FROM stock) + (SELECT count(*) FROM sales_order_line)",
    """
    SELECT 'offer ' || business || '/' || sku FROM offer WHERE least(unit_price_minor, floor_price_minor) < 0
    UNION ALL SELECT 'stock of ' || business || '/' || sku FROM stock WHERE least(on_hand, reserved) < 0
    UNION ALL SELECT 'order ' || number FROM sales_order
        WHERE least(goods_gross_minor, delivery_minor, fee_minor, discount_minor, tax_minor, total_minor) < 0
    UNION ALL SELECT 'line ' || line_id || ' of ' || order_id FROM sales_order_line
        WHERE least(unit_price_minor, gross_minor, discount_minor, net_minor, tax_minor, total_minor,
            fulfilled, cancelled, returned, refunded, restocked) < 0
    UNION ALL SELECT 'refund ' || number FROM refund WHERE least(total_minor, due_minor, fee_minor, unpaid_minor) < 0
    UNION ALL SELECT 'refund line ' || line_id || ' of ' || refund_id FROM refund_line
        WHERE least(kept_net_minor, kept_tax_minor, units) < 0
    UNION ALL SELECT 'seller order ' || number FROM seller_order
        WHERE least(goods_gross_minor, discount_minor, delivery_minor, fee_minor, tax_minor, total_minor) < 0
    """,
)

TAXED = Statement(
    17,
    "Tax follows the discounted base under the declared rounding",
    QUOTES,
    # exact where the release declares the defaults, else within one unit a piece of the exact fraction
    f"""
    SELECT 'quote ' || t.id || ' line ' || t.line_id || ': tax ' || t.tax || ' of ' || t.net || ' at ' || t.rate
    FROM (
        SELECT q.id, l ->> 'id' AS line_id, (l ->> 'net_minor')::numeric AS net, (l ->> 'tax_rate_bps')::numeric AS rate,
               (l ->> 'tax_minor')::numeric AS tax, (l ->> 'quantity')::numeric AS pieces,
               (q.body ->> 'prices_include_tax')::boolean AS included,
               coalesce(d.declared, 'linehalf_up') AS declared,
               jsonb_array_length(q.body -> 'lines') AS lines
        FROM {QUOTE_LINES}
        LEFT JOIN (
            SELECT r.release_id, coalesce(r.document -> 'options' ->> 'tax_rounding', 'line')
                || coalesce(r.document -> 'options' ->> 'rounding', 'half_up') AS declared
            FROM rule_release r OFFSET 0
        ) AS d ON d.release_id = q.release_ids ->> 0
    ) AS t
    CROSS JOIN LATERAL (SELECT t.net * t.rate / (10000 + CASE WHEN t.included THEN t.rate ELSE 0 END) AS tax) AS exact
    WHERE CASE WHEN t.declared = 'linehalf_up' THEN t.tax <> floor(exact.tax + 0.5)
               ELSE abs(t.tax - exact.tax) >= greatest(1, t.pieces, t.lines) END
    """,  # noqa: S608 - all of it is ours
)


def _priced_again(session: Session) -> Iterator[str | None]:
    # a draft binds nobody: its quote is kept when a run places it
    placed = "SELECT number, quote_id FROM sales_order WHERE origin <> 'import' AND run_id <> '' ORDER BY id"
    found = session.execute(text(placed)).all()
    for number, quote_id in found:
        try:
            same = is_reproduced(session, quote_id)
        except PlatformError as error:
            yield f"order {number} cannot be priced again: {error.message}"
        else:
            yield None if same else f"order {number} comes out otherwise when it is priced again"


CHECKS: tuple[Check, ...] = (
    ADDS_UP,
    ALLOCATED,
    NOT_NEGATIVE,
    TAXED,
    Examination(18, "Priced again with its own cart and releases, an order gives the same bytes", _priced_again),
)
