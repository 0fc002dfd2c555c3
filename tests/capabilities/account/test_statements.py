"""Balances at any moment, closed days, statements, and what pages ask."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import func, select, text

from capabilities.account.contract import AccountKind, Phase
from capabilities.account.days import close_day
from capabilities.account.models import CheckpointRow
from capabilities.account.postings import reason
from capabilities.account.queries import balance_at, balance_of, trial_balance
from capabilities.account.queries_reports import (
    account_of,
    accounts_page,
    count_open_pending,
    money_of,
    out_of_balance,
    statement_csv,
    statement_page,
    transfer_of,
)
from capabilities.kernel.errors import ConflictError, InvalidError, MissingError
from tests.capabilities.account.ledgers import BANK, OTHER_WALLET, TRANSIT, WALLET, move, post, resolve

DAY = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def books(session):
    """Ten moves an hour apart over three days; the wallet grows by 10, 20, 30 … and pays 5 each second time."""
    for number in range(10):
        with time_machine.travel(DAY + 7 * HOUR * number, tick=False):
            post(session, move(f"in{number}", BANK, WALLET, 10 * (number + 1), subject=f"order {number}"))
            if number % 2:
                post(session, move(f"out{number}", WALLET, TRANSIT, 5, reason=reason("sale.wallet")))
    return session


def truth(number: int) -> int:
    """The wallet after so many moves."""
    return sum(10 * (n + 1) - (5 if n % 2 else 0) for n in range(number))


def test_a_balance_at_any_moment_is_exact_with_and_without_closed_days(books):
    moments = [DAY - HOUR, *(DAY + 7 * HOUR * number + extra for number in range(10) for extra in (0 * HOUR, HOUR))]
    wanted = [0, *(truth(number + 1) for number in range(10) for _ in (0, 1))]
    assert [balance_at(books, WALLET, at).minor for at in moments] == wanted

    with time_machine.travel(DAY + timedelta(days=9), tick=False):
        assert [close_day(books, ends_at=DAY + timedelta(days=n)) for n in (1, 2, 2, 4)] == [True, True, False, True]
    assert (
        books.scalar(select(func.count()).select_from(CheckpointRow).where(CheckpointRow.account_id == WALLET.id)) == 3
    )
    assert [balance_at(books, WALLET, at).minor for at in moments] == wanted
    assert balance_at(books, WALLET, DAY + timedelta(days=8)) == balance_of(books, WALLET)


def test_a_closed_day_takes_no_entry(books):
    with time_machine.travel(DAY + timedelta(days=9), tick=False):
        assert close_day(books, ends_at=DAY + timedelta(days=5))
    with time_machine.travel(DAY + timedelta(days=4), tick=False), pytest.raises(ConflictError) as error:
        post(books, move("late", BANK, TRANSIT, 1))
    assert error.value.code == "account.day_closed"


def test_a_day_closes_by_itself_a_while_after_midnight_and_once(books):
    midnight = DAY + timedelta(days=3)
    with time_machine.travel(midnight + timedelta(minutes=9), tick=False):
        assert close_day(books) is False
        with pytest.raises(InvalidError):
            close_day(books, ends_at=midnight)
    with time_machine.travel(midnight + timedelta(minutes=10), tick=False):
        assert [close_day(books) for _ in range(2)] == [True, False]


def test_a_day_is_not_closed_while_somebody_may_still_write_in_it(sessions, engine):
    with engine.connect() as writer:
        writer.execute(text("SELECT 1"))  # a transaction that began before the end of the day, as the database sees it
        with time_machine.travel(datetime.now(UTC) + timedelta(days=2), tick=False), sessions.begin() as session:
            assert close_day(session) is False
        writer.rollback()
        with time_machine.travel(datetime.now(UTC) + timedelta(days=2), tick=False), sessions.begin() as session:
            assert close_day(session) is True


def test_a_statement_begins_with_its_opening_and_ends_with_its_closing(books):
    page = statement_page(books, WALLET.id, starts_at=DAY + 7 * HOUR, ends_at=DAY + 21 * HOUR)

    assert (page.opening_minor, page.debits_minor, page.credits_minor, page.closing_minor) == (10, 5, 50, 55)
    assert [(entry.transfer_id, entry.side, entry.amount_minor, entry.balance_minor) for entry in page.entries] == [
        ("in1", "credit", 20, 30),
        ("out1", "debit", 5, 25),
        ("in2", "credit", 30, 55),
    ]
    assert [entry.other_kind for entry in page.entries] == ["bank", "sales_in_transit", "bank"]
    assert page.next_cursor is None


def test_an_assets_statement_grows_by_debits(books):
    page = statement_page(books, BANK.id)
    assert (page.opening_minor, page.closing_minor) == (0, 550)
    assert [entry.balance_minor for entry in page.entries][:3] == [10, 30, 60]


def test_pages_of_a_statement_join_without_gap_or_repeat(books):
    whole = statement_page(books, WALLET.id, ends_at=DAY + timedelta(days=9))
    cursor, entries, carried = None, [], []
    while True:
        page = statement_page(books, WALLET.id, cursor, ends_at=DAY + timedelta(days=9), limit=4)
        entries += page.entries
        carried.append(page.carried_minor)
        assert page.closing_minor == whole.closing_minor == truth(10)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert tuple(entries) == whole.entries
    assert carried == [0, entries[3].balance_minor, entries[7].balance_minor, entries[11].balance_minor]


def test_a_statement_as_csv_has_every_entry_and_both_edges(books):
    lines = list(statement_csv(books, WALLET.id, starts_at=DAY + 7 * HOUR, ends_at=DAY + 21 * HOUR, locale="zh"))

    assert lines[0] == "time,transfer,subject,reason,other account,party,debit,credit,balance,currency\r\n"
    assert lines[1] == f"{(DAY + 7 * HOUR).isoformat()},,,opening,,,,,0.10,CNY\r\n"
    assert lines[3] == f"{(DAY + 7 * HOUR).isoformat()},out1,s,钱包支付,在途销售,,0.05,,0.25,CNY\r\n"
    assert lines[-1] == f"{(DAY + 21 * HOUR).isoformat()},,,closing,,,,,0.55,CNY\r\n"
    assert len(lines) == 6


def test_a_spreadsheet_takes_nothing_for_a_formula(session):
    post(session, move("t", BANK, WALLET, 1, subject="=1+1", reason="@x"))
    line = list(statement_csv(session, WALLET.id))[2]
    assert line.split(",")[2:4] == ["'=1+1", "'@x"]


def test_a_statement_of_no_account_or_of_another_business_is_missing(books):
    for ask in (statement_page, account_of):
        for id_, business in (("nowhere", "retail"), (WALLET.id, "finance")):
            with pytest.raises(MissingError):
                ask(books, id_, business=business)


def test_the_trial_balance_of_a_moment_is_the_books_of_that_moment(books):
    (page,) = trial_balance(books, "retail", at=DAY + 7 * HOUR)
    assert {ref.kind.value: balance.minor for ref, balance in page.balances} == {
        "bank": 30,
        "buyer_wallet": 25,
        "sales_in_transit": 5,
    }
    assert (page.debits_minor, page.credits_minor) == (35, 35)
    assert trial_balance(books, "retail", at=DAY + timedelta(days=9)) == trial_balance(books, "retail")


def test_accounts_are_listed_by_kind_party_and_currency_and_found(books):
    post(books, move("t", BANK, OTHER_WALLET, 1))
    first = accounts_page(books, "retail", limit=2)
    rest = accounts_page(books, "retail", first.next_cursor, limit=2)

    assert [(one.account.kind.value, one.account.party) for one in (*first.accounts, *rest.accounts)] == [
        ("bank", ""),
        ("buyer_wallet", "ann"),
        ("buyer_wallet", "bob"),
        ("sales_in_transit", ""),
    ]
    assert rest.next_cursor is None
    assert first.accounts[1].balance == balance_of(books, WALLET)
    assert (first.accounts[0].lowest_minor, first.accounts[1].lowest_minor) == (None, 0)

    def parties(**narrowed):
        return [
            (one.account.kind.value, one.account.party) for one in accounts_page(books, "retail", **narrowed).accounts
        ]

    assert parties(search="bo") == [("buyer_wallet", "bob")]
    assert (
        parties(search="钱包")
        == parties(kind=AccountKind.BUYER_WALLET)
        == [("buyer_wallet", "ann"), ("buyer_wallet", "bob")]
    )
    assert parties(search=BANK.id) == [("bank", "")]
    assert parties(currency="EUR") == parties(search="%") == []
    assert accounts_page(books, "finance").accounts == ()


def test_a_transfer_shows_both_sides_and_what_became_of_it(session):
    post(session, move("top", BANK, WALLET, 60))
    post(session, move("hold", WALLET, BANK, 50, Phase.PENDING), move("other", BANK, TRANSIT, 1))
    post(session, resolve("post", Phase.POST, "hold", 20))

    seen = transfer_of(session, "hold", business="retail")
    assert (seen.debit, seen.credit, seen.resolved_by, seen.linked) == (WALLET, BANK, "post", ("other",))
    with pytest.raises(MissingError):
        transfer_of(session, "hold", business="finance")


def test_the_money_of_a_subject_is_told_in_time_with_sides(session):
    post(session, move("top", BANK, WALLET, 60, subject="elsewhere"))
    with time_machine.travel(DAY, tick=False):
        post(session, move("hold", WALLET, TRANSIT, 50, Phase.PENDING))
    with time_machine.travel(DAY + HOUR, tick=False):
        post(session, resolve("post", Phase.POST, "hold"))
    with time_machine.travel(DAY + 2 * HOUR, tick=False):
        post(session, move("back", TRANSIT, WALLET, 50, corrects_id="post"))

    moves = money_of(session, "s")
    assert [
        (one.transfer_id, one.phase.value, one.amount_minor, one.resolved_by, one.corrected_by) for one in moves
    ] == [
        ("hold", "pending", 50, "post", None),
        ("post", "post", 50, None, "back"),
        ("back", "single", 50, None, None),
    ]
    assert (moves[2].debit, moves[2].credit) == (TRANSIT, WALLET)


def test_reservations_that_wait_are_counted(session):
    post(session, move("top", BANK, WALLET, 60))
    post(session, move("a", WALLET, BANK, 5, Phase.PENDING), move("b", WALLET, BANK, 6, Phase.PENDING))
    post(session, resolve("void", Phase.VOID, "a"))
    assert (count_open_pending(session, "retail"), count_open_pending(session, "finance")) == (1, 0)


def test_what_is_out_of_balance_is_found(books):
    assert out_of_balance(books, "retail") == ()
    books.execute(text(f"UPDATE ledger_balance SET credits_posted_minor = 999 WHERE account_id = '{WALLET.id}'"))  # noqa: S608
    found = out_of_balance(books, "retail")
    assert [(one.account_id, one.rebuilt_minor) for one in found] == [(WALLET.id, -truth(10)), (None, 0)]
