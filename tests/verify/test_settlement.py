"""A world whose sellers were paid breaks nothing; what breaks it is found, invariant by invariant."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.verify.settled import settle
from zhongtai.verify import settlement


@pytest.fixture
def settled(world: Session) -> Session:
    if not world.scalar(text("SELECT count(*) FROM payout")):
        settle(world)
    return world


def broken(session: Session) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for check in settlement.CHECKS:
        result = check.run(session)
        if result.broken:
            found.setdefault(result.number, []).extend(result.broken)
    return found


def test_a_settled_world_breaks_nothing_and_every_check_sees_rows(settled: Session) -> None:
    assert broken(settled) == {}
    assert [check.number for check in settlement.CHECKS] == [29, 29, 33, 33, 33, 34, 35, 36, 37]
    assert [check.name for check in settlement.CHECKS if check.run(settled).rows == 0] == []


LINE = "(SELECT commission_line_id FROM commission_reversal LIMIT 1)"
PAID = "(SELECT id FROM payout WHERE seller_id = 's_one')"
BREAKS = {
    "a reversal took too little commission": (
        29,
        "UPDATE commission_reversal SET commission_minor = commission_minor - 1",
    ),
    "a reversal was lost": (29, "DELETE FROM commission_reversal"),
    "a reversal moved other money of the seller": (
        29,
        "UPDATE seller_transfer SET amount_minor = amount_minor + 1 WHERE kind = 'reversal'",
    ),
    "more was given back than was sold": (
        29,
        "UPDATE commission_line SET base_minor = 100, commission_minor = 1, tax_minor = 0 WHERE id = $LINE",
    ),
    "a frozen commission was changed": (
        33,
        "UPDATE commission_line SET commission_minor = commission_minor + 1 WHERE seller_id = 's_two'",
    ),
    "a channel fee came out of nowhere": (
        33,
        "UPDATE commission_line SET channel_fee_minor = 1 WHERE seller_id = 's_two'",
    ),
    "a frozen commission was cancelled": (
        33,
        "UPDATE commission_line SET status = 'cancelled' WHERE seller_id = 's_two'",
    ),
    "an earning is another than its line's": (
        33,
        "UPDATE seller_transfer SET amount_minor = amount_minor + 1 WHERE kind = 'earning'",
    ),
    "a payout is another than its transfers": (
        33,
        "UPDATE payout SET amount_minor = amount_minor + 1 WHERE id = $PAID",
    ),
    "the ledger lost a payout": (
        33,
        "DELETE FROM ledger_entry WHERE transfer_id IN (SELECT id FROM ledger_transfer WHERE subject = $PAID)",
    ),
    "a transfer was paid before it was due": (
        34,
        "UPDATE seller_transfer SET available_at = now() + interval '9 days' WHERE payout_id = $PAID",
    ),
    "a seller on hold was paid": (
        34,
        """INSERT INTO settlement_hold (id, business, seller_id, reason, placed_by, placed_at)
        VALUES ('h', 'retail', 's_one', 'test', 'op', '2020-01-01Z')""",
    ),
    "an order in dispute was paid": (
        34,
        """INSERT INTO settlement_dispute (id, business, order_id, reference, reason, status, opened_at)
        SELECT 'd', 'retail', order_id, 'd', 'test', 'open', '2020-01-01Z' FROM commission_line LIMIT 1""",
    ),
    "the bank paid twice": (34, "UPDATE simulated_bank_act SET acts = 2"),
    "the bank paid for a payout that was withdrawn": (34, "UPDATE payout SET status = 'withdrawn' WHERE id = $PAID"),
    "a payout was paid, its transfers were not": (
        34,
        "UPDATE seller_transfer SET status = 'claimed' WHERE status = 'paid'",
    ),
    "a payout was booked and never paid": (34, "UPDATE payout SET status = 'sent' WHERE id = $PAID"),
    "a payout was more than was due": (
        35,
        "UPDATE seller_transfer SET amount_minor = 1 WHERE payout_id = $PAID",
    ),
    "a second payout of the same money": (
        35,
        """INSERT INTO payout (id, business, batch_id, seller_id, currency, destination, amount_minor, earned_minor,
            taken_back_minor, transfers, status, attempts, planned_at)
        SELECT 'again', business, 'b', seller_id, currency, destination, amount_minor, earned_minor, taken_back_minor,
            transfers, 'planned', 0, clock_timestamp() FROM payout WHERE seller_id = 's_one'""",
    ),
    "a matched row changed its amount": (
        36,
        "UPDATE reconciliation_row SET amount_minor = amount_minor + 1 WHERE side = 'platform' AND standing = 'matched'",
    ),
    "a matched row lost its partner": (
        36,
        "UPDATE reconciliation_row SET partner_id = NULL WHERE side = 'platform' AND standing = 'matched'",
    ),
    "a row of a file was lost": (36, "DELETE FROM reconciliation_row WHERE mistake = 'duplicate'"),
    "a mistake has a partner that does not know it": (
        36,
        """UPDATE reconciliation_row SET standing = 'mistake', mistake = 'amount'
        WHERE side = 'provider' AND standing = 'matched'""",
    ),
    "a mistake was resolved by one person twice": (
        36,
        """UPDATE reconciliation_row SET resolution = 'ignore', resolved_reason = 'test', proposed_by = 'ann',
            resolved_by = 'ann', resolved_at = now() WHERE mistake = 'duplicate'""",
    ),
    "the net of a payout is another": (
        37,
        "UPDATE reconciliation_row SET amount_minor = amount_minor + 1 WHERE side IN ('provider_payout', 'bank')",
    ),
    "the bank credited another amount": (37, "UPDATE reconciliation_row SET amount_minor = 1 WHERE side = 'bank'"),
}


@pytest.mark.parametrize(("number", "sql"), BREAKS.values(), ids=list(BREAKS))
def test_a_break_is_found(settled: Session, number: int, sql: str) -> None:
    for table in ("ledger_entry", "ledger_transfer"):
        settled.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
    settled.execute(text("ALTER TABLE commission_line DROP CONSTRAINT ck_commission_line_fee_within_base"))

    meant = sql.replace("$PAID", PAID).replace("$LINE", LINE)
    assert settled.execute(text(meant)).rowcount > 0  # type: ignore[attr-defined]

    assert number in broken(settled)
