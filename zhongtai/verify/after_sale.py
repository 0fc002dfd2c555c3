"""Invariants 14, 19, 20, 27 and 31 of what happens to orders: agreed, one a run, units, refunds and sellers' parts."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from capabilities.transaction.contract import OrderStatus
from capabilities.transaction.refund_queries import GONE
from capabilities.transaction.states import ALLOWED
from zhongtai.verify.checking import IMPORTED, Check, Examination, Statement

LIVE = "r.status NOT IN (" + ", ".join(f"'{status}'" for status in GONE) + ")"
SOLD_ONCE = "origin <> 'import' AND confirmed_at IS NOT NULL"
LINES_SOLD = f"SELECT count(*) FROM sales_order_line l JOIN sales_order o ON o.id = l.order_id WHERE o.{SOLD_ONCE}"  # noqa: S608

# orders confirmed before there were parts have none
PARTS = Statement(
    14,
    "The parts of several sellers add up to their order",
    f"SELECT count(*) FROM sales_order WHERE {SOLD_ONCE}",  # noqa: S608 - all of it is ours
    """
    SELECT 'order ' || o.number || ' of ' || o.total_minor || ' is shared over sellers as ' || s.total
    FROM sales_order o JOIN LATERAL (
        SELECT count(*) AS parts, sum(goods_gross_minor) AS goods, sum(discount_minor) AS discount,
               sum(delivery_minor) AS delivery, sum(fee_minor) AS fee, sum(tax_minor) AS tax, sum(total_minor) AS total
        FROM seller_order WHERE order_id = o.id
    ) AS s ON s.parts > 0
    WHERE (o.goods_gross_minor, o.discount_minor, o.delivery_minor, o.fee_minor, o.tax_minor, o.total_minor)
        <> (s.goods, s.discount, s.delivery, s.fee, s.tax, s.total)
    UNION ALL
    SELECT 'order ' || o.number || ' has goods of ' || g.sellers || ' sellers and ' || count(s.id) || ' parts'
    FROM sales_order o JOIN LATERAL (
        SELECT count(DISTINCT seller_id) AS sellers FROM sales_order_line WHERE order_id = o.id AND kind = 'goods'
    ) AS g ON g.sellers > 1 LEFT JOIN seller_order s ON s.order_id = o.id
    WHERE o.origin <> 'import' AND o.confirmed_at >= (
        SELECT min(first.confirmed_at) FROM sales_order first JOIN seller_order x ON x.order_id = first.id)
    GROUP BY o.id, o.number, g.sellers HAVING count(s.id) <> g.sellers
    UNION ALL
    SELECT 'seller order ' || number || ' does not add up: it is paid ' || paid.minor || ' of ' || total_minor
    FROM seller_order CROSS JOIN LATERAL (
        SELECT coalesce(sum((share ->> 'amount_minor')::bigint), 0) AS minor FROM jsonb_array_elements(sources) AS share
    ) AS paid WHERE paid.minor > total_minor
    """,
    left_out=IMPORTED,
)

AGREED = Statement(
    19,
    "What was ever confirmed costs what was quoted, and what its buyer was shown",
    f"SELECT count(*) FROM sales_order WHERE {SOLD_ONCE}",  # noqa: S608 - all of it is ours
    f"""
    SELECT 'order ' || o.number || ' of ' || o.total_minor || ' was ' || CASE
        WHEN q.id IS NULL THEN 'never quoted'
        WHEN q.total_minor <> o.total_minor THEN 'quoted ' || q.total_minor
        ELSE 'shown as ' || (r.input ->> 'expected_total_minor') END
    FROM sales_order o LEFT JOIN quote q ON q.id = o.quote_id LEFT JOIN process_run r ON r.id = o.run_id
    WHERE o.{SOLD_ONCE} AND (q.id IS NULL OR q.total_minor <> o.total_minor
        OR (r.input ->> 'expected_total_minor')::bigint <> o.total_minor)
    """,  # noqa: S608 - all of it is ours
    left_out=IMPORTED,
)

ONE_ORDER = Statement(
    20,
    "A run makes one order",
    "SELECT count(*) FROM sales_order WHERE origin <> 'import'",
    """
    SELECT 'run ' || run_id || ' made ' || count(*) || ' orders' FROM sales_order
    WHERE origin <> 'import' AND run_id <> '' GROUP BY run_id HAVING count(*) > 1
    """,
    left_out=IMPORTED,
)

REFUNDED = Statement(
    27,
    "A refund is the sum of its lines, its units are counted once, and kept + refunded = paid",
    LINES_SOLD,
    f"""
    SELECT 'refund ' || r.number || ' of ' || r.total_minor || ' gives ' || coalesce(s.total, 0) || ' by its lines'
    FROM refund r LEFT JOIN LATERAL (
        SELECT sum(total_minor) AS total, sum(tax_minor) AS tax FROM refund_line WHERE refund_id = r.id
    ) AS s ON true
    WHERE (r.total_minor, r.tax_minor) <> (coalesce(s.total, 0), coalesce(s.tax, 0))
        OR r.total_minor <> r.due_minor + r.fee_minor + r.unpaid_minor
    UNION ALL
    SELECT 'refund ' || r.number || ' is of no order of ' || r.business FROM refund r
    WHERE NOT EXISTS (SELECT 1 FROM sales_order o WHERE o.id = r.order_id AND o.business = r.business
        AND o.currency = r.currency AND o.confirmed_at IS NOT NULL)
    UNION ALL
    SELECT 'order ' || o.number || ' line ' || l.line_id || ': ' || l.refunded || ' of ' || l.quantity
        || ' units counted, ' || g.units || ' given back, ' || (l.total_minor - g.total) || ' kept'
    FROM sales_order_line l JOIN sales_order o ON o.id = l.order_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(f.units), 0) AS units, coalesce(sum(f.net_minor), 0) AS net,
               coalesce(sum(f.tax_minor), 0) AS tax, coalesce(sum(f.total_minor), 0) AS total
        FROM refund_line f JOIN refund r ON r.id = f.refund_id
        WHERE f.order_id = l.order_id AND f.line_id = l.line_id AND {LIVE}
    ) AS g
    WHERE l.refunded <> g.units
        OR (l.refunded = l.quantity AND (g.net, g.tax, g.total) <> (l.net_minor, l.tax_minor, l.total_minor))
    UNION ALL
    SELECT 'order ' || o.number || ' of ' || o.total_minor || ' gave back ' || g.total
    FROM sales_order o JOIN (
        SELECT order_id, sum(total_minor) AS total FROM refund r WHERE {LIVE} GROUP BY order_id
    ) AS g ON g.order_id = o.id WHERE g.total > o.total_minor
    UNION ALL
    SELECT 'refund ' || r.number || ' line ' || f.line_id || ' does not add up, or is not a line of its order'
    FROM refund_line f JOIN refund r ON r.id = f.refund_id
    LEFT JOIN sales_order_line l ON l.order_id = r.order_id AND l.line_id = f.line_id
    WHERE l.line_id IS NULL OR f.order_id <> r.order_id
        OR (l.sku, l.seller_id, l.tax_rate_bps, l.quantity) <> (f.sku, f.seller_id, f.tax_rate_bps, f.quantity)
        OR f.gross_minor - f.discount_minor <> f.net_minor
        OR f.total_minor <> f.net_minor + CASE WHEN r.prices_include_tax THEN 0 ELSE f.tax_minor END
    """,  # noqa: S608 - all of it is ours
)

UNIT_PRICE = Statement(
    27,
    "A unit is given back at its paid price: where discounts are kept, by cumulative shares",
    LINES_SOLD,
    # where goodwill was given or a refund came to nothing, what is kept is shared anew
    f"""
    SELECT 'order ' || o.number || ' line ' || l.line_id || ': ' || l.refunded || ' of ' || l.quantity || ' units of '
        || l.net_minor || ' gave ' || g.net
    FROM sales_order_line l JOIN sales_order o ON o.id = l.order_id
    JOIN LATERAL (
        SELECT sum(f.net_minor) AS net, sum(f.tax_minor) AS tax FROM refund_line f JOIN refund r ON r.id = f.refund_id
        WHERE f.order_id = l.order_id AND f.line_id = l.line_id
    ) AS g ON g.net IS NOT NULL
    WHERE NOT EXISTS (SELECT 1 FROM refund r WHERE r.order_id = o.id
            AND (NOT ({LIVE}) OR r.after_return <> 'keep' OR r.kind IN ('goodwill', 'chargeback')))
        AND NOT EXISTS (SELECT 1 FROM refund_line f WHERE f.order_id = o.id AND f.units = 0)
        AND (g.net <> (2 * l.net_minor * l.refunded + l.quantity) / (2 * l.quantity)
            OR g.tax <> (2 * l.tax_minor * l.refunded + l.quantity) / (2 * l.quantity))
    """,  # noqa: S608 - all of it is ours
)

UNITS = Statement(
    31,
    "Units of a line are open, handed over or cancelled, as its fulfilments, returns and refunds say",
    LINES_SOLD,
    f"""
    SELECT 'order ' || o.number || ' line ' || l.line_id || ': ' || l.fulfilled || ' handed over, fulfilments say '
        || f.units || '; ' || l.returned || ' returned, returns say ' || b.units
    FROM sales_order_line l JOIN sales_order o ON o.id = l.order_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(x.units), 0) AS units FROM fulfilment_line x JOIN fulfilment y ON y.id = x.fulfilment_id
        WHERE y.order_id = l.order_id AND x.line_id = l.line_id
    ) AS f
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(x.received), 0) AS units, coalesce(sum(x.restocked), 0) AS restocked
        FROM goods_return_line x JOIN goods_return y ON y.id = x.return_id
        WHERE y.order_id = l.order_id AND x.line_id = l.line_id
    ) AS b
    WHERE l.fulfilled <> f.units OR l.returned <> b.units OR l.fulfilled + l.cancelled > l.quantity
        OR l.restocked < b.restocked OR l.restocked - b.restocked > l.cancelled
    UNION ALL
    SELECT 'order ' || o.number || ' line ' || l.line_id || ' gave back more than was handed over or cancelled'
    FROM sales_order_line l JOIN sales_order o ON o.id = l.order_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(f.units) FILTER (WHERE r.kind = 'cancellation'), 0) AS cancelled,
               coalesce(sum(f.units) FILTER (WHERE r.kind <> 'cancellation'), 0) AS returned
        FROM refund_line f JOIN refund r ON r.id = f.refund_id
        WHERE f.order_id = l.order_id AND f.line_id = l.line_id AND {LIVE}
    ) AS g
    WHERE l.kind = 'goods' AND (g.cancelled > l.cancelled OR g.returned > l.fulfilled)
    UNION ALL
    SELECT 'order ' || o.number || ' is ' || o.status || ', and ' || u.open || ' units are open, ' || u.fulfilled
        || ' handed over'
    FROM sales_order o JOIN LATERAL (
        SELECT sum(quantity - fulfilled - cancelled) AS open, sum(fulfilled) AS fulfilled
        FROM sales_order_line WHERE order_id = o.id AND kind = 'goods'
    ) AS u ON u.open IS NOT NULL
    WHERE o.origin <> 'import' AND ((o.status IN ('fulfilled', 'completed') AND (u.open > 0 OR u.fulfilled = 0))
        OR (o.status = 'cancelled' AND o.confirmed_at IS NOT NULL AND (u.open > 0 OR u.fulfilled > 0)))
    """,  # noqa: S608 - all of it is ours
)


def _histories(session: Session) -> Iterator[str | None]:
    """Each step of each order is one of the table, and the last is where the order stands."""
    found = session.execute(
        text("""
        SELECT o.number, o.status, array_agg(c.from_status ORDER BY c.sequence) AS before,
               array_agg(c.to_status ORDER BY c.sequence) AS after
        FROM sales_order o LEFT JOIN sales_order_change c ON c.order_id = o.id GROUP BY o.id, o.number, o.status
        """).execution_options(yield_per=1_000)
    )
    for number, status, before, after in found:
        steps = list(zip(before, after, strict=True))
        whole = after[-1] == status and before[0] is None and list(before[1:]) == list(after[:-1])
        allowed = whole and all(OrderStatus(to) in ALLOWED[OrderStatus(start)] for start, to in steps[1:])
        yield None if allowed else f"order {number} is {status}, and its history does not lead there"


CHECKS: tuple[Check, ...] = (
    PARTS,
    AGREED,
    ONE_ORDER,
    Examination(20, "The history of an order leads to where it stands, by allowed steps", _histories),
    REFUNDED,
    UNIT_PRICE,
    UNITS,
)
