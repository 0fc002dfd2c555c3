"""Closing the books day by day: sums of every account that moved are kept, so that an old balance is not counted from the
first entry on. A closed day takes no entry: a trigger refuses one that is dated in it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.account.models import DayRow
from capabilities.kernel.clock import now
from capabilities.kernel.errors import InvalidError
from capabilities.kernel.identity import PLATFORM

MARGIN = timedelta(minutes=10)
"""Clocks of two machines are nearer to each other than this."""

STILL_WRITING = text("""
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start <= :until
""")
KEEP_SUMS = text("""
INSERT INTO ledger_checkpoint (account_id, at, business, debits_posted_minor, credits_posted_minor,
    debits_pending_minor, credits_pending_minor)
SELECT moved.account_id, :ends_at, moved.business,
    coalesce(before.debits_posted_minor, 0) + moved.dp, coalesce(before.credits_posted_minor, 0) + moved.cp,
    coalesce(before.debits_pending_minor, 0) + moved.dq, coalesce(before.credits_pending_minor, 0) + moved.cq
FROM (
    SELECT account_id, min(business) AS business,
        coalesce(sum(amount_minor) FILTER (WHERE side = 'debit' AND layer = 'posted'), 0) AS dp,
        coalesce(sum(amount_minor) FILTER (WHERE side = 'credit' AND layer = 'posted'), 0) AS cp,
        coalesce(sum(amount_minor) FILTER (WHERE side = 'debit' AND layer = 'pending'), 0) AS dq,
        coalesce(sum(amount_minor) FILTER (WHERE side = 'credit' AND layer = 'pending'), 0) AS cq
    FROM ledger_entry
    WHERE created_at < :ends_at AND (CAST(:before AS timestamptz) IS NULL OR created_at >= :before)
    GROUP BY account_id
) AS moved
LEFT JOIN LATERAL (
    SELECT * FROM ledger_checkpoint c WHERE c.account_id = moved.account_id AND c.at < :ends_at ORDER BY c.at DESC LIMIT 1
) AS before ON true
ON CONFLICT DO NOTHING
""")
"""Sums of everything before the end of the day: of the last checkpoint, and what came since the last day that was closed."""


def close_day(session: Session, *, ends_at: datetime | None = None) -> bool:
    """Close all days up to `ends_at`, by default the last midnight (UTC); whether anything was done.

    False where it is closed already, or where somebody may still be writing an entry of that time: try again later.
    """
    moment = now()
    end = ends_at or moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if end > moment - MARGIN:
        if ends_at is None:
            return False
        raise InvalidError("account.day_not_over", "A day can be closed some minutes after its end, not before.")
    before = session.execute(select(DayRow.ends_at).order_by(DayRow.ends_at.desc()).limit(1)).scalar_one_or_none()
    if before is not None and before >= end:
        return False
    if session.execute(STILL_WRITING, {"until": end + MARGIN}).scalar_one():
        return False
    row = {"ends_at": end, "closed_at": moment, "business": PLATFORM}
    won = session.execute(insert(DayRow).values(row).on_conflict_do_nothing().returning(DayRow.ends_at)).first()
    if won is None:
        return False
    session.execute(KEEP_SUMS, {"ends_at": end, "before": before})
    return True
