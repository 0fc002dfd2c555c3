"""Invariants 29 and 33 to 37: commissions and sellers' money, payouts, reconciliation, to the cent."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from capabilities.settlement.commission import commission_of, kept_of
from capabilities.settlement.contract import CommissionRate, Fees
from zhongtai.verify.checking import IMPORTED, Check, Examination, Statement

SOLD = "o.origin <> 'import' AND o.confirmed_at IS NOT NULL"
"""Also what was cancelled later: what a refund has not taken back stays booked."""
FEES = tuple(Fees.model_fields)


def _shared_out(session: Session) -> Iterator[str | None]:
    """Each frozen line: what the rate makes of the base, and the line's untaxed amount as base."""
    found = session.execute(
        text("""
        SELECT c.*, l.total_minor - l.tax_minor AS untaxed
        FROM commission_line c LEFT JOIN sales_order_line l ON l.order_id = c.order_id AND l.line_id = c.line_id
        ORDER BY c.id
        """).execution_options(yield_per=1_000)
    )
    for row in found.mappings():
        rate = CommissionRate(**{name: row[name] for name in CommissionRate.model_fields})
        again = commission_of(
            rate,
            base_minor=row["base_minor"],
            quantity=row["quantity"],
            is_first=row["is_first"],
            volume_minor=row["volume_minor"],
        )
        names = ("commission_minor", "tax_minor", "channel_fee_minor", "withheld_minor", "bounded_by")
        same = all(getattr(again, name) == row[name] for name in names)
        whole = same and row["untaxed"] == row["base_minor"]
        yield (
            None if whole else f"order {row['order_id']} line {row['line_id']}: the frozen commission is not its rate's"
        )


def _reversed_per_line(session: Session) -> Iterator[str | None]:
    """Each line that refunds took from: what is left is the frozen commission's share of what is kept."""
    lines = session.execute(
        text("""
        SELECT c.id AS line, c.order_id, c.line_id, c.base_minor AS f_base_minor, c.commission_minor AS f_commission_minor,
               c.tax_minor AS f_tax_minor, c.channel_fee_minor AS f_channel_fee_minor, c.withheld_minor AS f_withheld_minor,
               r.base_minor, r.commission_minor, r.tax_minor, r.channel_fee_minor, r.withheld_minor,
               r.reinstated_at IS NOT NULL AS is_reinstated
        FROM commission_reversal r JOIN commission_line c ON c.id = r.commission_line_id
        ORDER BY c.id, r.reversed_at, r.id
        """).execution_options(yield_per=1_000)
    )
    for _, rows in groupby(lines.mappings(), key=lambda row: row["line"]):
        yield _reversed_wrongly(list(rows))


def _reversed_wrongly(rows: list[RowMapping]) -> str | None:
    first = rows[0]
    place = f"order {first['order_id']} line {first['line_id']}"
    frozen = Fees(**{name: first[f"f_{name}"] for name in FEES})
    kept = frozen
    for row in rows:
        if not row["is_reinstated"]:
            kept = kept - Fees(**{name: row[name] for name in FEES})
    if kept.base_minor < 0:
        return f"{place} gave back {-kept.base_minor} more than it brought"
    # a refund that came to nothing gives back what it took, which may differ by its own rounding
    is_exact = not any(row["is_reinstated"] for row in rows)
    if is_exact and kept != kept_of(frozen, kept.base_minor):
        return f"{place} keeps {kept.commission_minor} of its commission, not its share"
    return None


REVERSED = Statement(
    29,
    "A refund takes commission and earning back, of every line, once; sellers' transfers say the same",
    "SELECT count(*) FROM commission_reversal",
    """
    SELECT 'refund ' || f.number || ' took nothing back of line ' || l.line_id
    FROM refund f JOIN refund_line l ON l.refund_id = f.id
    JOIN commission_line c ON c.order_id = f.order_id AND c.line_id = l.line_id AND c.status = 'frozen'
    LEFT JOIN commission_reversal r ON r.refund_id = f.id AND r.commission_line_id = c.id AND r.reinstated_at IS NULL
    WHERE f.status = 'succeeded' AND l.total_minor - l.tax_minor <> coalesce(r.base_minor, 0)
    UNION ALL
    SELECT 'reversal ' || r.id || ' moved ' || coalesce(sum(t.amount_minor), 0) || ' of the seller''s money, not '
        || CASE WHEN r.reinstated_at IS NULL THEN -n.minor ELSE 0 END
    FROM commission_reversal r
    CROSS JOIN LATERAL (SELECT r.base_minor - r.commission_minor - r.tax_minor - r.channel_fee_minor
        - r.withheld_minor AS minor) AS n
    LEFT JOIN seller_transfer t ON t.refund_id = r.refund_id AND t.order_id = r.order_id AND t.line_id = r.line_id
    GROUP BY r.id, n.minor
    HAVING coalesce(sum(t.amount_minor), 0) <> CASE WHEN r.reinstated_at IS NULL THEN -n.minor ELSE 0 END
    """,
)

BOOKED = Statement(
    33,
    "What is sold and not refunded is shared out in the ledger: sellers, commission, tax, channel, delivery, fees",
    f"SELECT count(*) FROM sales_order o WHERE {SOLD}",  # noqa: S608 - all of it is ours
    f"""
    WITH kept AS (
        SELECT order_id, seller_id, base_minor, commission_minor, tax_minor, channel_fee_minor, withheld_minor
        FROM commission_line WHERE status = 'frozen'
        UNION ALL
        SELECT order_id, seller_id, -base_minor, -commission_minor, -tax_minor, -channel_fee_minor, -withheld_minor
        FROM commission_reversal WHERE reinstated_at IS NULL
    ), owed AS (
        SELECT order_id, 'seller_payable' AS kind, seller_id AS party,
               sum(base_minor - commission_minor - tax_minor - channel_fee_minor - withheld_minor) AS minor
        FROM kept GROUP BY order_id, seller_id
        UNION ALL
        SELECT order_id, 'commission_revenue', '', sum(commission_minor) FROM kept GROUP BY order_id
        UNION ALL
        SELECT order_id, 'withheld_tax', '', sum(withheld_minor) FROM kept GROUP BY order_id
        UNION ALL
        SELECT order_id, 'provider_fees', '', sum(channel_fee_minor) FROM kept GROUP BY order_id
        UNION ALL
        SELECT o.id, 'tax_payable', '', o.tax_minor
            + coalesce((SELECT sum(tax_minor) FROM kept k WHERE k.order_id = o.id), 0)
            - coalesce((SELECT sum(f.tax_minor) FROM refund f WHERE f.order_id = o.id AND f.status = 'succeeded'), 0)
        FROM sales_order o
        UNION ALL
        SELECT order_id, kind || '_revenue', '', sum(minor) FROM (
            SELECT order_id, kind, total_minor - tax_minor AS minor FROM sales_order_line WHERE kind <> 'goods'
            UNION ALL
            SELECT f.order_id, l.kind, l.tax_minor - l.total_minor FROM refund f JOIN refund_line l ON l.refund_id = f.id
            WHERE f.status = 'succeeded' AND l.kind <> 'goods'
        ) AS other GROUP BY order_id, kind
    ), booked AS (
        SELECT t.subject AS order_id, a.kind, a.party,
               sum(CASE n.side WHEN 'credit' THEN n.amount_minor ELSE -n.amount_minor END) AS minor
        FROM ledger_entry n JOIN ledger_transfer t ON t.id = n.transfer_id JOIN ledger_account a ON a.id = n.account_id
        WHERE n.layer = 'posted' AND t.reason NOT LIKE 'chargeback.fee%' GROUP BY t.subject, a.kind, a.party
    )
    SELECT 'order ' || o.number || ': ' || w.kind || ' ' || w.party || ' is owed ' || w.minor || ', booked '
        || coalesce(b.minor, 0)
    FROM sales_order o JOIN owed w ON w.order_id = o.id
    LEFT JOIN booked b ON b.order_id = w.order_id AND b.kind = w.kind AND b.party = w.party
    WHERE {SOLD} AND w.minor <> coalesce(b.minor, 0)
    UNION ALL
    SELECT 'order ' || o.number || ' left ' || b.minor || ' in transit' FROM sales_order o JOIN booked b
        ON b.order_id = o.id AND b.kind = 'sales_in_transit' WHERE o.origin <> 'import' AND b.minor <> 0
    UNION ALL
    SELECT 'order ' || o.number || ' is ' || o.status || ', but ' || b.kind || ' holds ' || b.minor
    FROM sales_order o JOIN booked b ON b.order_id = o.id AND b.kind <> 'sales_in_transit'
    WHERE o.origin <> 'import' AND o.confirmed_at IS NULL AND o.status NOT IN ('placed', 'on_hold') AND b.minor <> 0
    """,  # noqa: S608 - all of it is ours
    left_out=IMPORTED,
)

OWED = Statement(
    33,
    "What sellers earned, gave back and were paid is what the ledger owes them; a payout is the sum of its transfers",
    "SELECT count(*) FROM (SELECT DISTINCT business, seller_id, currency FROM commission_line) AS sellers",
    """
    WITH moved AS (
        SELECT business, seller_id, currency,
               base_minor - commission_minor - tax_minor - channel_fee_minor - withheld_minor AS minor
        FROM commission_line WHERE status = 'frozen'
        UNION ALL
        SELECT business, seller_id, currency,
               -(base_minor - commission_minor - tax_minor - channel_fee_minor - withheld_minor)
        FROM commission_reversal WHERE reinstated_at IS NULL
        UNION ALL
        SELECT business, seller_id, currency, -amount_minor FROM payout WHERE status = 'paid' AND closed_at IS NOT NULL
    ), owed AS (
        SELECT business, seller_id, currency, sum(minor) AS minor FROM moved GROUP BY business, seller_id, currency
    ), booked AS (
        SELECT a.business, a.party AS seller_id, a.currency,
               sum(CASE n.side WHEN 'credit' THEN n.amount_minor ELSE -n.amount_minor END) AS minor
        FROM ledger_entry n JOIN ledger_account a ON a.id = n.account_id
        WHERE n.layer = 'posted' AND a.kind IN ('seller_payable', 'seller_reserve')
        GROUP BY a.business, a.party, a.currency
    )
    SELECT 'seller ' || seller_id || ' is owed ' || coalesce(o.minor, 0) || ' ' || currency || ', the ledger says '
        || coalesce(b.minor, 0)
    FROM owed o FULL JOIN booked b USING (business, seller_id, currency)
    WHERE coalesce(o.minor, 0) <> coalesce(b.minor, 0)
    UNION ALL
    SELECT 'line ' || c.line_id || ' of ' || c.order_id || ' is booked, and its seller has ' || coalesce(t.minor, 0)
    FROM commission_line c
    CROSS JOIN LATERAL (SELECT c.base_minor - c.commission_minor - c.tax_minor - c.channel_fee_minor
        - c.withheld_minor AS minor) AS n
    LEFT JOIN LATERAL (SELECT sum(amount_minor) AS minor FROM seller_transfer t
        WHERE t.order_id = c.order_id AND t.line_id = c.line_id AND t.kind = 'earning') AS t ON true
    WHERE c.booked_at IS NOT NULL AND n.minor <> coalesce(t.minor, 0)
    UNION ALL
    SELECT 'payout ' || p.id || ' of ' || p.amount_minor || ' is made of ' || coalesce(t.minor, 0)
    FROM payout p LEFT JOIN LATERAL (SELECT sum(amount_minor) AS minor FROM seller_transfer
        WHERE payout_id = p.id) AS t ON true
    WHERE p.amount_minor <> p.earned_minor - p.taken_back_minor
       OR coalesce(t.minor, 0) <> CASE p.status WHEN 'withdrawn' THEN 0 ELSE p.amount_minor END
    """,
)

LIVE = "p.status <> 'withdrawn'"
OWED_BACK = """(t.amount_minor < 0 AND NOT EXISTS (SELECT 1 FROM seller_transfer e WHERE e.order_id = t.order_id
    AND e.line_id = t.line_id AND e.kind = 'earning' AND e.payout_id = t.payout_id))"""

IN_TIME = Statement(
    34,
    "Nothing is paid before it is due, on hold, in dispute, or twice",
    "SELECT count(*) FROM seller_transfer WHERE payout_id IS NOT NULL",
    f"""
    SELECT 'transfer ' || t.id || ' was claimed before it was due'
    FROM seller_transfer t JOIN payout p ON p.id = t.payout_id WHERE t.available_at > p.planned_at
    UNION ALL
    SELECT 'transfer ' || t.id || ' was paid while ' || h.id || ' held it'
    FROM seller_transfer t JOIN payout p ON p.id = t.payout_id AND {LIVE}
    JOIN settlement_hold h ON h.business = t.business AND (h.seller_id = t.seller_id OR h.order_id = t.order_id)
    WHERE h.placed_at < coalesce(p.sent_at, now()) AND coalesce(h.lifted_at, 'infinity') > p.planned_at
        AND NOT {OWED_BACK}
    UNION ALL
    SELECT 'transfer ' || t.id || ' was paid during the dispute ' || d.reference
    FROM seller_transfer t JOIN payout p ON p.id = t.payout_id AND {LIVE}
    JOIN settlement_dispute d ON d.order_id = t.order_id
    WHERE d.opened_at < coalesce(p.sent_at, now()) AND coalesce(d.closed_at, 'infinity') > p.planned_at
        AND NOT {OWED_BACK}
    UNION ALL
    SELECT 'the bank paid ' || key || ' ' || acts || ' times' FROM simulated_bank_act WHERE acts > 1
    UNION ALL
    SELECT 'the bank paid ' || a.amount_minor || ' for ' || a.key || ', which is ' || coalesce(p.status, 'unknown')
    FROM simulated_bank_act a LEFT JOIN payout p ON p.id = a.key
    WHERE a.acts > 0 AND (p.id IS NULL OR p.status NOT IN ('sent', 'paid') OR p.amount_minor <> a.amount_minor)
    UNION ALL
    SELECT 'payout ' || p.id || ' is ' || p.status || ', its transfers are ' || t.status
    FROM payout p JOIN seller_transfer t ON t.payout_id = p.id
    WHERE (p.closed_at IS NOT NULL AND p.status = 'paid') <> (t.status = 'paid')
    UNION ALL
    SELECT 'payout ' || p.id || ' left ' || coalesce(b.minor, 0) || ' of ' || p.amount_minor || ' in the ledger'
    FROM payout p LEFT JOIN LATERAL (
        SELECT sum(CASE n.side WHEN 'debit' THEN n.amount_minor ELSE -n.amount_minor END) AS minor
        FROM ledger_entry n JOIN ledger_transfer t ON t.id = n.transfer_id JOIN ledger_account a ON a.id = n.account_id
        WHERE t.subject = p.id AND n.layer = 'posted' AND a.kind = 'seller_payable'
    ) AS b ON true
    WHERE coalesce(b.minor, 0) <> CASE WHEN p.status = 'paid' AND p.closed_at IS NOT NULL THEN p.amount_minor ELSE 0 END
    """,  # noqa: S608 - all of it is ours
)

WITHIN = Statement(
    35,
    "A payout is no more than what was due when it was planned, less what was paid before",
    "SELECT count(*) FROM payout",
    f"""
    SELECT 'payout ' || p.id || ' of ' || p.amount_minor || ', due were ' || coalesce(due.minor, 0) - coalesce(gone.minor, 0)
    FROM payout p
    LEFT JOIN LATERAL (SELECT sum(t.amount_minor) AS minor FROM seller_transfer t
        WHERE t.business = p.business AND t.seller_id = p.seller_id AND t.currency = p.currency
            AND t.available_at <= p.planned_at AND t.booked_at <= p.planned_at) AS due ON true
    LEFT JOIN LATERAL (SELECT sum(e.amount_minor) AS minor FROM payout e
        WHERE e.business = p.business AND e.seller_id = p.seller_id AND e.currency = p.currency
            AND e.status <> 'withdrawn' AND (e.planned_at, e.id) < (p.planned_at, p.id)) AS gone ON true
    WHERE {LIVE} AND p.amount_minor > coalesce(due.minor, 0) - coalesce(gone.minor, 0)
    """,  # noqa: S608 - all of it is ours
)

PARTITION = Statement(
    36,
    "Every row of a statement and every act of ours stands in one place, with the partner that says the same",
    "SELECT count(*) FROM reconciliation_row",
    """
    SELECT 'row ' || r.id || ' is matched with ' || r.partner_id || ', which says something else'
    FROM reconciliation_row r LEFT JOIN reconciliation_row q ON q.id = r.partner_id
    WHERE r.standing = 'matched' AND r.partner_id IS NOT NULL AND (q.id IS NULL OR q.standing <> 'matched'
        OR q.partner_id IS DISTINCT FROM r.id OR q.side = r.side
        OR (q.key, q.currency, q.status, q.amount_minor) <> (r.key, r.currency, r.status, r.amount_minor))
    UNION ALL
    SELECT 'row ' || r.id || ' is matched with nobody, and moves ' || r.amount_minor
    FROM reconciliation_row r WHERE r.standing = 'matched' AND r.partner_id IS NULL AND r.status <> 'failed'
        AND r.amount_minor <> 0
    UNION ALL
    SELECT 'row ' || r.id || ' is a mistake (' || r.mistake || ') with a partner that does not know it'
    FROM reconciliation_row r LEFT JOIN reconciliation_row q ON q.id = r.partner_id
    WHERE r.mistake IN ('amount', 'fee', 'status', 'currency') AND r.resolved_at IS NULL
        AND (q.id IS NULL OR q.partner_id IS DISTINCT FROM r.id OR q.mistake IS DISTINCT FROM r.mistake)
    UNION ALL
    SELECT 'file ' || f.name || ' has ' || f.rows || ' rows, kept are ' || count(r.id)
    FROM reconciliation_file f LEFT JOIN reconciliation_row r ON r.file_id = f.id
    GROUP BY f.id HAVING count(r.id) <> f.rows
    UNION ALL
    SELECT 'row ' || id || ' is resolved (' || resolution || ') without a person and a reason'
    FROM reconciliation_row WHERE resolved_at IS NOT NULL AND (resolved_by IS NULL OR resolved_reason IS NULL
        OR resolved_by = proposed_by)
    """,
)

CREDITED = Statement(
    37,
    "What the provider says it paid out is the net of its rows, and what the bank credited",
    "SELECT count(*) FROM reconciliation_row WHERE side = 'provider_payout'",
    """
    SELECT 'payout ' || p.payout_reference || ' of ' || p.amount_minor || ' is the net of rows of ' || n.minor
    FROM reconciliation_row p CROSS JOIN LATERAL (
        SELECT coalesce(sum(r.amount_minor - coalesce(r.fee_minor, 0)) FILTER (
            WHERE r.status = 'succeeded' AND r.mistake IS DISTINCT FROM 'duplicate'), 0) AS minor
        FROM reconciliation_row r WHERE r.business = p.business AND r.provider = p.provider AND r.side = 'provider'
            AND r.payout_reference = p.payout_reference AND r.currency = p.currency
    ) AS n
    WHERE p.side = 'provider_payout' AND p.resolved_at IS NULL AND p.amount_minor <> n.minor
    UNION ALL
    SELECT 'payout ' || p.payout_reference || ' of ' || p.amount_minor || ' is matched with a credit of ' || b.amount_minor
    FROM reconciliation_row p JOIN reconciliation_row b ON b.id = p.partner_id
    WHERE p.side = 'provider_payout' AND p.standing = 'matched'
        AND (b.side <> 'bank' OR (b.amount_minor, b.currency) <> (p.amount_minor, p.currency))
    """,
)

CHECKS: tuple[Check, ...] = (
    Examination(29, "What is left of a commission is its share of what is kept", _reversed_per_line),
    REVERSED,
    Examination(33, "A frozen commission is its rate's, on the line without tax and discount", _shared_out),
    BOOKED,
    OWED,
    IN_TIME,
    WITHIN,
    PARTITION,
    CREDITED,
)

__all__ = ["CHECKS"]
