"""Each way the ledger, gift cards and points can be broken is found; a sound world of them breaks nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from capabilities.account.contract import AccountKind, TransferRequest
from capabilities.account.days import close_day
from capabilities.account.gift_cards import expire_gift_cards
from capabilities.account.models import GiftCardRow
from capabilities.account.service import correct, limit_account, post_transfers
from capabilities.account.stored import wallet_of
from capabilities.kernel.clock import now
from tests.activities.selling import ORIGIN, a_card, an_order, points, ref, refund, run, sell, wallet
from zhongtai.verify import ledger

DAY = datetime(2026, 3, 1, 10, tzinfo=UTC)

BREAKS = [
    (2, "a transfer is corrected by two", ["ALTER TABLE ledger_transfer DROP CONSTRAINT uq_ledger_transfer_corrects_id", "UPDATE ledger_transfer SET corrects_id = 'wrong' WHERE corrects_id IS NULL AND id = 'other'"]),
    (2, "a reservation is corrected", ["UPDATE ledger_transfer SET phase = 'pending' WHERE id = 'wrong'"]),
    (2, "an entry was dated otherwise", ["UPDATE ledger_entry SET created_at = created_at + interval '1 second' WHERE transfer_id = 'wrong'"]),
    (2, "closed days are open again", ["ALTER TABLE ledger_entry DISABLE TRIGGER ledger_entry_sums_to_zero"]),
    (3, "a ceiling was passed", ["UPDATE ledger_account SET highest_minor = 1 WHERE kind = 'buyer_wallet'", "ALTER TABLE ledger_balance DROP CONSTRAINT ck_ledger_balance_ceiling_held", "UPDATE ledger_balance SET highest_minor = 1 WHERE highest_minor IS NOT NULL"]),
    (3, "a ceiling was lost", ["UPDATE ledger_balance SET highest_minor = NULL"]),
    (3, "an account with a limit was spread", ["INSERT INTO ledger_balance (account_id, slot, business, side, lowest_minor, debits_posted_minor, credits_posted_minor, debits_pending_minor, credits_pending_minor) SELECT account_id, 1, business, side, lowest_minor, 0, 0, 0, 0 FROM ledger_balance WHERE highest_minor IS NOT NULL"]),
    (5, "a set lost a member", ["DELETE FROM ledger_transfer WHERE id = (SELECT min(id) FROM ledger_transfer WHERE exchange_id IS NOT NULL)"]),
    (7, "a sum of a closed day was changed", ["UPDATE ledger_checkpoint SET credits_posted_minor = credits_posted_minor + 1"]),
    (7, "a sum of a closed day was lost", ["DELETE FROM ledger_checkpoint WHERE account_id = (SELECT min(account_id) FROM ledger_checkpoint)"]),
    (7, "a gift card says more than was loaded", ["UPDATE gift_card SET initial_minor = initial_minor + 1 WHERE state = 'active'"]),
    (7, "a gift card expired with money on it", ["UPDATE gift_card SET state = 'expired' WHERE state = 'active'"]),
    (7, "a gift card was lost", ["DELETE FROM gift_card WHERE state = 'active'"]),
    (7, "a gift card is of another business", ["UPDATE gift_card SET business = 'finance' WHERE state = 'active'"]),
    (7, "points came from nowhere", ["UPDATE ledger_balance SET credits_posted_minor = credits_posted_minor + 1 WHERE account_id = (SELECT id FROM ledger_account WHERE kind = 'points')"]),
    (8, "half of an exchange is alone", ["UPDATE ledger_transfer SET exchange_id = NULL, rate_numerator = NULL, rate_denominator = NULL WHERE reason = 'sale.points'"]),
    (8, "the halves are not of one set", ["UPDATE ledger_transfer SET linked_id = 'elsewhere' WHERE reason = 'sale.points'"]),
    (8, "the halves carry two rates", ["UPDATE ledger_transfer SET rate_numerator = 7 WHERE reason = 'sale.points'"]),
    (8, "an exchange is off its rate", ["UPDATE ledger_transfer SET rate_numerator = 2 * rate_numerator WHERE reason = 'sale.points'", "UPDATE ledger_transfer SET rate_denominator = 2 * rate_denominator WHERE reason = 'sale.points_value'"]),
    (8, "an exchange in one currency", ["UPDATE ledger_transfer SET currency = 'CNY' WHERE reason = 'sale.points'"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def sound_world(engine: Engine) -> Iterator[Session]:
    """A sale from four sources and a part refund, an expired card, a correction, a ceiling, two closed days; never committed."""
    with Session(engine, expire_on_commit=False) as session:
        with time_machine.travel(DAY, tick=False):
            a_card(session, 60_00)
            points(session, 3_000)
            wallet(session, 8_00)
            order = an_order(session)
            sell(session, order, (("gift_card", 50_00), ("points", 20_00), ("wallet", 5_00), ("sim_ok", 195_00)))
        with time_machine.travel(DAY + timedelta(days=1), tick=False):
            asked = refund(session, order, "r", lines=[{"line_id": "l1", "units": 1}])
            run(session, "account.post_refund", refund_id=asked)
            a_card(session, 10_00, "1111222233334444")
            session.query(GiftCardRow).filter_by(last4="4444").one().expires_at = now()
            session.flush()
            expire_gift_cards(session, origin=ORIGIN)
            about = {"subject": "s", "reason": "test", "amount_minor": 3}
            bank, fees = ref(AccountKind.BANK), ref(AccountKind.FEE_REVENUE)
            for id_ in ("wrong", "other"):
                post_transfers(session, [TransferRequest(id=id_, debit=bank, credit=fees, **about)], origin=ORIGIN)
            correct(session, ["wrong"], reason="typed twice", origin=ORIGIN)
            limit_account(session, wallet_of("retail", "ann", "CNY"), lowest_minor=0, highest_minor=900_00)
        with time_machine.travel(DAY + timedelta(days=9), tick=False):
            for days in (1, 2):
                assert close_day(session, ends_at=DAY.replace(hour=0) + timedelta(days=days))
        yield session
        session.rollback()


@pytest.fixture
def world(sound_world: Session) -> Iterator[Session]:
    with sound_world.begin_nested() as savepoint:
        yield sound_world
        savepoint.rollback()
    sound_world.expire_all()


def broken(session: Session) -> dict[int, list[str]]:
    found = [check.run(session) for check in ledger.CHECKS]
    return {result.number: result.broken for result in found if result.broken}


def test_a_sound_world_breaks_nothing(world: Session) -> None:
    assert broken(world) == {}
    assert [check.run(world).rows > 0 for check in ledger.CHECKS] == [True] * 8


@pytest.mark.parametrize(("number", "made", "statements"), BREAKS, ids=[made for _, made, _ in BREAKS])
def test_a_break_is_found(world: Session, number: int, made: str, statements: list[str]) -> None:
    world.execute(text("SET LOCAL session_replication_role = replica"))  # past the triggers that guard the tables
    for statement in statements:
        assert world.execute(text(statement)).rowcount != 0, made
    assert number in broken(world), broken(world)
