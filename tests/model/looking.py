"""What the database says, in one statement each: what happened, and what stands in the books."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.model.model import Line, Place, Source, Taken

HAPPENED = text("""
SELECT 'order' AS what, id, 0 AS place, placed_at AS at FROM sales_order WHERE confirmed_at IS NOT NULL
UNION ALL SELECT 'dispute', id, 1, opened_at FROM settlement_dispute
UNION ALL SELECT 'opened', id, 1, requested_at FROM refund
UNION ALL SELECT 'shared', refund_id, 2, min(created_at) FROM payment_refund_share GROUP BY refund_id
UNION ALL SELECT 'asked', reference, 2, created_at FROM payment_refund_share WHERE attempt > 1
UNION ALL SELECT 'declined', e.reference, 2, e.recorded_at FROM payment_event e
    WHERE e.kind = 'refund_failure' AND EXISTS (SELECT 1 FROM payment_refund_share s WHERE s.reference = e.reference)
UNION ALL SELECT 'failed', id, 3, requested_at FROM refund WHERE status IN ('failed', 'refused')
UNION ALL SELECT 'refund', id, 3, completed_at FROM refund WHERE status = 'succeeded'
UNION ALL SELECT status, id, 4, opened_at FROM settlement_dispute WHERE status <> 'open'
UNION ALL SELECT 'payout', id, 5, closed_at FROM payout WHERE status = 'paid' AND closed_at IS NOT NULL
UNION ALL SELECT 'due', order_id || '/' || position, 0, paid_at FROM payment_due WHERE status = 'paid' AND "when" <> 'now'
ORDER BY place, at, id
""")

BOOKS = text("""
SELECT a.business, a.kind, CASE WHEN a.kind IN ('seller_payable', 'buyer_receivable') THEN a.party ELSE '' END AS party,
       sum(CASE a.side WHEN 'asset' THEN b.debits_posted_minor - b.credits_posted_minor
           ELSE b.credits_posted_minor - b.debits_posted_minor END) AS minor
FROM ledger_balance b JOIN ledger_account a ON a.id = b.account_id
GROUP BY 1, 2, 3
""")

COUNTED = text("""
SELECT 'coupon' AS what, business, '' AS sku, used AS counted, 0 AS more FROM coupon WHERE code = 'TENTH'
UNION ALL SELECT 'budget', business, '', sum(used), 0 FROM limit_counter GROUP BY business
UNION ALL SELECT 'stock', s.business, s.sku, s.on_hand, s.reserved FROM stock s
UNION ALL SELECT 'restocked', o.business, l.sku, sum(l.restocked), 0
    FROM sales_order_line l JOIN sales_order o ON o.id = l.order_id WHERE o.confirmed_at IS NOT NULL GROUP BY 2, 3
""")


def happened(session: Session) -> list[tuple[str, str]]:
    """Everything that has happened to money, in an order in which it can be told."""
    return [(row.what, row.id) for row in session.execute(HAPPENED)]


def books(session: Session) -> Counter[Place]:
    """Posted balances, each in the direction in which it grows."""
    return Counter({(row.business, row.kind, row.party): int(row.minor) for row in session.execute(BOOKS)})


def counted(session: Session) -> dict[tuple[str, str, str], tuple[int, int]]:
    """Counters: what, business, sku → counted and, of stock, reserved."""
    found = session.execute(COUNTED)
    return {(row.what, row.business, row.sku): (int(row.counted), int(row.more)) for row in found}


def order_as_sold(session: Session, order_id: str) -> tuple[str, dict[str, tuple[str, Line]], list[Source], int]:
    """A confirmed order: its business, its lines by id, what paid it, and what of it is due later."""
    lines = {}
    for row in session.execute(
        text("""
        SELECT l.line_id, l.sku, l.quantity, l.net_minor, l.tax_minor, l.total_minor, o.business
        FROM sales_order_line l JOIN sales_order o ON o.id = l.order_id WHERE l.order_id = :id ORDER BY l.line_id
        """),
        {"id": order_id},
    ):
        lines[row.line_id] = (row.business, Line(row.sku, row.quantity, row.net_minor, row.tax_minor, row.total_minor))
    business = next(iter(lines.values()))[0]
    sources = [
        Source(row.method, row.amount_minor)
        for row in session.execute(
            text("SELECT method, amount_minor FROM payment WHERE order_id = :id ORDER BY position"), {"id": order_id}
        )
    ]
    owed = session.scalar(
        text("""
        SELECT coalesce(sum(amount_minor), 0) FROM payment_due
        WHERE order_id = :id AND "when" <> 'now' AND status IN ('open', 'collecting')
        """),
        {"id": order_id},
    )
    return business, {key: (line.sku, line) for key, (_, line) in lines.items()}, sources, int(owed or 0)


def refund_as_given(session: Session, refund_id: str) -> tuple[Any, dict[str, Taken]]:
    """A refund's row and what it took off each line."""
    row = session.execute(
        text("SELECT order_id, kind, total_minor, due_minor, unpaid_minor FROM refund WHERE id = :id"),
        {"id": refund_id},
    ).one()
    lines = session.execute(
        text("""
        SELECT line_id, units, net_minor, tax_minor, total_minor, (
            SELECT coalesce(sum((a ->> 'given_minor')::bigint), 0) FROM jsonb_array_elements(adjustments) AS a
            WHERE a ->> 'rule_id' = 'r_off') AS given
        FROM refund_line WHERE refund_id = :id
        """),
        {"id": refund_id},
    )
    taken = {
        line.line_id: Taken(line.units, line.net_minor, line.tax_minor, line.total_minor, int(line.given))
        for line in lines
    }
    return row, taken


def shares_given(session: Session, refund_id: str) -> list[int]:
    """What each source of the refund's order gave back for it, in the recorded order."""
    found = session.execute(
        text("""
        SELECT coalesce(sum(s.amount_minor) FILTER (WHERE s.refund_id = :id), 0) AS minor
        FROM refund r JOIN payment p ON p.order_id = r.order_id
        LEFT JOIN payment_refund_share s ON s.payment_id = p.id AND s.refund_id = r.id
        WHERE r.id = :id GROUP BY p.id, p.position ORDER BY p.position
        """),
        {"id": refund_id},
    )
    return [int(row.minor) for row in found]


def share_of(session: Session, reference: str) -> Any:
    """A share of a refund by its key: which refund and order, the place of its source, the amount."""
    return session.execute(
        text("""
        SELECT s.refund_id, s.order_id, s.amount_minor, p.position, (
            SELECT count(*) FROM payment q WHERE q.order_id = p.order_id AND q.position < p.position) AS place
        FROM payment_refund_share s JOIN payment p ON p.id = s.payment_id WHERE s.reference = :reference
        """),
        {"reference": reference},
    ).one()
