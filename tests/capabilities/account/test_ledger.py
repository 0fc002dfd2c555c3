"""The ledger: sets move whole or not at all, once; nothing written is ever changed; balances follow from entries."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from pydantic import ValidationError
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import DBAPIError

from capabilities.account.contract import AccountKind, AccountRef, Exchange, Origin, Phase, TransferRequest
from capabilities.account.models import SLOTS, BalanceRow, EntryRow, TransferRow
from capabilities.account.queries import balance_of, entries_of, transfers_of, trial_balance
from capabilities.account.service import expire_pending, post_transfers
from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, InvalidError, MissingError, RefusedError

ORIGIN = Origin(actor="tester", correlation_id="cor_1")


def account(kind: AccountKind, party: str = "", currency: str = "CNY", business: str = "retail") -> AccountRef:
    return AccountRef(business=business, kind=kind, party=party, currency=currency)


BANK = account(AccountKind.BANK)
TRANSIT = account(AccountKind.SALES_IN_TRANSIT)
WALLET = account(AccountKind.BUYER_WALLET, "ann")
OTHER_WALLET = account(AccountKind.BUYER_WALLET, "bob")


def move(
    id_: str, debit: AccountRef, credit: AccountRef, amount: int, phase: Phase = Phase.SINGLE, **more
) -> TransferRequest:
    return TransferRequest(
        id=id_, debit=debit, credit=credit, amount_minor=amount, phase=phase, subject="s", reason="test", **more
    )


def resolve(id_: str, phase: Phase, pending_id: str, amount: int | None = None) -> TransferRequest:
    return TransferRequest(id=id_, phase=phase, pending_id=pending_id, amount_minor=amount, subject="s", reason="test")


def post(session, *requests):
    return post_transfers(session, requests, origin=ORIGIN)


def top_up(session, wallet=WALLET, amount=60, id_="top-up"):
    return post(session, move(id_, BANK, wallet, amount))


def counted(session):
    return tuple(session.execute(select(func.count()).select_from(row)).scalar_one() for row in (TransferRow, EntryRow))


def test_a_transfer_debits_one_account_and_credits_another(session):
    (made,) = post(session, move("t1", BANK, WALLET, 60))

    assert (made.amount_minor, made.phase, made.actor, made.correlation_id) == (60, "single", "tester", "cor_1")
    assert (balance_of(session, BANK).minor, balance_of(session, WALLET).minor) == (60, 60)
    assert [(entry.kind, entry.side, entry.layer, entry.amount_minor) for entry in entries_of(session, "s")] == [
        ("bank", "debit", "posted", 60),
        ("buyer_wallet", "credit", "posted", 60),
    ]


def test_the_same_id_and_body_give_the_same_result_and_nothing_new(session):
    first = top_up(session)
    before = counted(session)

    assert top_up(session) == first
    assert counted(session) == before
    assert balance_of(session, WALLET).minor == 60


def test_the_same_id_with_another_body_is_an_error_and_changes_nothing(session):
    top_up(session)
    with pytest.raises(ConflictError) as error:
        top_up(session, amount=61)
    assert error.value.code == "account.transfer_reused"
    assert balance_of(session, WALLET).minor == 60


def test_a_set_of_which_a_part_exists_is_an_error_and_changes_nothing(session):
    top_up(session)
    with pytest.raises(ConflictError):
        post(session, move("top-up", BANK, WALLET, 60), move("t2", BANK, WALLET, 1))
    assert balance_of(session, WALLET).minor == 60


def test_of_two_sends_of_50_from_60_the_second_is_refused_and_nothing_moved(session):
    top_up(session)
    post(session, move("send 1", WALLET, OTHER_WALLET, 50))
    before = counted(session)
    with pytest.raises(RefusedError) as error:
        post(session, move("send 2", WALLET, OTHER_WALLET, 50))

    assert error.value.code == "account.limit_exceeded"
    assert counted(session) == before
    assert (balance_of(session, WALLET).minor, balance_of(session, OTHER_WALLET).minor) == (10, 50)
    post(session, move("send 3", WALLET, OTHER_WALLET, 10))
    assert balance_of(session, WALLET).minor == 0


def test_a_linked_set_moves_whole_or_not_at_all(session):
    top_up(session)
    with pytest.raises(RefusedError):
        post(session, move("a", BANK, OTHER_WALLET, 5), move("b", WALLET, BANK, 61))
    assert balance_of(session, OTHER_WALLET).minor == 0

    made = post(session, move("c", BANK, OTHER_WALLET, 5), move("d", WALLET, BANK, 60))
    assert made[0].linked_id == made[1].linked_id
    assert (balance_of(session, OTHER_WALLET).minor, balance_of(session, WALLET).minor) == (5, 0)


def test_what_is_pending_counts_against_the_limit(session):
    top_up(session)
    post(session, move("hold", WALLET, BANK, 50, Phase.PENDING))

    assert (balance_of(session, WALLET).minor, balance_of(session, WALLET).available_minor) == (60, 10)
    with pytest.raises(RefusedError):
        post(session, move("send", WALLET, BANK, 11))
    post(session, resolve("void", Phase.VOID, "hold"))
    post(session, move("send", WALLET, BANK, 11))
    assert balance_of(session, WALLET).available_minor == 49


def test_what_is_pending_to_come_in_cannot_be_spent(session):
    post(session, move("coming", BANK, WALLET, 60, Phase.PENDING))
    with pytest.raises(RefusedError):
        post(session, move("send", WALLET, BANK, 1))


@pytest.mark.parametrize(("posted", "left"), [(None, 10), (20, 40)])
def test_a_pending_transfer_is_posted_in_full_or_in_part(session, posted, left):
    top_up(session)
    post(session, move("hold", WALLET, BANK, 50, Phase.PENDING))
    (made,) = post(session, resolve("post", Phase.POST, "hold", posted))

    assert made.amount_minor == (posted or 50)
    assert (balance_of(session, WALLET).minor, balance_of(session, WALLET).available_minor) == (left, left)


def test_a_pending_transfer_is_resolved_once(session):
    top_up(session)
    post(session, move("hold", WALLET, BANK, 50, Phase.PENDING))
    post(session, resolve("post", Phase.POST, "hold"))
    for phase in (Phase.POST, Phase.VOID):
        with pytest.raises(ConflictError) as error:
            post(session, resolve("again", phase, "hold"))
        assert error.value.code == "account.pending_resolved"
    assert post(session, resolve("post", Phase.POST, "hold"))[0].id == "post"


def test_more_than_pending_cannot_be_posted(session):
    top_up(session)
    post(session, move("hold", WALLET, BANK, 50, Phase.PENDING))
    with pytest.raises(RefusedError) as error:
        post(session, resolve("post", Phase.POST, "hold", 51))
    assert error.value.code == "account.posted_too_much"


def test_only_a_pending_transfer_can_be_resolved(session):
    top_up(session)
    for id_ in ("top-up", "nowhere"):
        with pytest.raises(MissingError):
            post(session, resolve("post", Phase.POST, id_))


def test_a_pending_transfer_runs_out(session):
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with time_machine.travel(noon, tick=False):
        top_up(session)
        post(session, move("hold", WALLET, BANK, 50, Phase.PENDING, expires_at=noon + timedelta(minutes=15)))
        assert expire_pending(session, origin=ORIGIN) == 0
    with time_machine.travel(noon + timedelta(minutes=15), tick=False):
        with pytest.raises(ConflictError) as error:
            post(session, resolve("late", Phase.POST, "hold"))
        assert error.value.code == "account.pending_expired"
        assert expire_pending(session, origin=ORIGIN) == 1
        assert expire_pending(session, origin=ORIGIN) == 0
    assert balance_of(session, WALLET).available_minor == 60


def test_nothing_expires_before_its_time(session):
    top_up(session)
    post(session, move("hold", WALLET, BANK, 50, Phase.PENDING))
    with pytest.raises(ConflictError) as error:
        post(session, resolve("early", Phase.EXPIRE, "hold"))
    assert error.value.code == "account.pending_not_expired"


def test_a_balance_can_be_asked_for_at_any_moment(session):
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for minute, amount in enumerate((60, 7)):
        with time_machine.travel(noon + timedelta(minutes=minute), tick=False):
            post(session, move(f"t{minute}", BANK, WALLET, amount))
    with time_machine.travel(noon + timedelta(minutes=2), tick=False):
        post(session, move("hold", WALLET, BANK, 50, Phase.PENDING))

    seen = [
        balance_of(session, WALLET, at=noon + timedelta(minutes=m, seconds=s)) for m, s in ((-1, 59), (0, 0), (1, 0))
    ]
    assert [balance.minor for balance in seen] == [0, 60, 67]
    assert balance_of(session, WALLET, at=noon + timedelta(minutes=2)) == balance_of(session, WALLET)


def test_a_correction_names_what_it_corrects_once(session):
    post(session, move("t", BANK, TRANSIT, 5))
    post(session, move("c", TRANSIT, BANK, 5, corrects_id="t"))
    assert [transfer.corrects_id for transfer in transfers_of(session, "s")] == [None, "t"]
    assert balance_of(session, BANK).minor == 0
    with pytest.raises(ConflictError):
        post(session, move("c2", TRANSIT, BANK, 5, corrects_id="t"))


def test_accounts_of_two_currencies_cannot_share_a_transfer(session):
    with pytest.raises((InvalidError, ValidationError), match="one currency"):
        move("t", BANK, account(AccountKind.BUYER_WALLET, "ann", "EUR"), 5)


EURO_WALLET = account(AccountKind.BUYER_WALLET, "ann", "EUR")
EXCHANGES = {code: account(AccountKind.EXCHANGE, currency=code) for code in ("CNY", "EUR")}
RATE = Exchange(other_id="in", numerator=2, denominator=15)


def pair(amount=60, other=8, rate=RATE, phase=Phase.SINGLE, **more):
    return (
        move("out", WALLET, EXCHANGES["CNY"], amount, phase, exchange=rate, **more),
        move("in", EXCHANGES["EUR"], EURO_WALLET, other, phase, exchange=RATE.of_other("out"), **more),
    )


def test_currencies_are_exchanged_by_a_linked_pair_that_carries_the_rate(session):
    top_up(session)
    out, into = post(session, *pair())

    assert (balance_of(session, WALLET).minor, balance_of(session, EURO_WALLET).minor) == (0, 8)
    assert {page.currency: page.difference_minor for page in trial_balance(session, "retail")} == {"CNY": 0, "EUR": 0}
    assert (out.exchange.numerator, out.exchange.denominator, out.exchange.other_id) == (2, 15, "in")
    assert (into.exchange.numerator, into.exchange.denominator, into.exchange.other_id) == (15, 2, "out")
    assert post(session, *pair()) == (out, into)


@pytest.mark.parametrize(
    "requests",
    [
        lambda: pair()[:1],
        lambda: pair(rate=None),
        lambda: pair(rate=Exchange(other_id="in", numerator=1, denominator=7)),
        lambda: pair(rate=Exchange(other_id="elsewhere", numerator=2, denominator=15)),
        lambda: pair(other=9),
        lambda: pair(amount=68),
        lambda: (pair()[0], pair(phase=Phase.PENDING)[1]),
        lambda: (pair()[0], move("in", EURO_WALLET, EXCHANGES["EUR"], 8, exchange=RATE.of_other("out"))),
        lambda: (move("x", BANK, WALLET, 1, exchange=RATE),),
    ],
)
def test_half_an_exchange_or_one_at_another_rate_is_refused(session, requests):
    top_up(session, amount=100)
    with pytest.raises(InvalidError) as error:
        post(session, *requests())
    assert error.value.code == "account.exchange_unpaired"
    assert balance_of(session, WALLET).available_minor == 100


def test_a_reserved_exchange_is_resolved_as_a_pair_at_its_rate(session):
    top_up(session)
    post(session, *pair(phase=Phase.PENDING))
    for halves in (
        (resolve("p1", Phase.POST, "out"),),
        (resolve("p1", Phase.POST, "out"), resolve("p2", Phase.VOID, "in")),
        (resolve("p1", Phase.POST, "out", 60), resolve("p2", Phase.POST, "in", 4)),
    ):
        with pytest.raises(InvalidError) as error:
            post(session, *halves)
        assert error.value.code == "account.exchange_unpaired"
    post(session, resolve("p1", Phase.POST, "out", 30), resolve("p2", Phase.POST, "in", 4))
    assert (balance_of(session, WALLET).available_minor, balance_of(session, EURO_WALLET).minor) == (30, 4)


def test_a_reserved_exchange_runs_out_as_a_pair(session):
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with time_machine.travel(noon, tick=False):
        top_up(session)
        post(session, *pair(phase=Phase.PENDING, expires_at=noon + timedelta(minutes=15)))
    with time_machine.travel(noon + timedelta(minutes=15), tick=False):
        assert expire_pending(session, origin=ORIGIN) == 2
    assert (balance_of(session, WALLET).available_minor, balance_of(session, EURO_WALLET).credits_pending_minor) == (
        60,
        0,
    )


@pytest.mark.parametrize(
    "made",
    [
        lambda: TransferRequest(id="t", debit=BANK, amount_minor=1, subject="s", reason="r"),
        lambda: move("t", BANK, BANK, 1),
        lambda: TransferRequest(id="t", phase=Phase.POST, subject="s", reason="r"),
        lambda: move("t", BANK, WALLET, 0),
        lambda: move("t", BANK, WALLET, -1),
        lambda: move("t", BANK, WALLET, 10**15 + 1),
    ],
)
def test_a_transfer_that_cannot_be_meant_is_invalid(made):
    with pytest.raises((InvalidError, ValidationError)):
        made()


def test_a_set_is_not_empty_and_names_each_id_once(session):
    for requests in ([], [move("t", BANK, WALLET, 1), move("t", BANK, WALLET, 1)]):
        with pytest.raises(InvalidError):
            post_transfers(session, requests, origin=ORIGIN)


@pytest.mark.parametrize("table", ["ledger_transfer", "ledger_entry"])
@pytest.mark.parametrize("change", ["UPDATE {} SET business = 'x'", "DELETE FROM {}"])
def test_what_is_written_can_neither_be_changed_nor_deleted(session, table, change):
    top_up(session)
    with pytest.raises(DBAPIError, match="append-only"):
        session.execute(text(change.format(table)))


@pytest.mark.parametrize("amounts", [(5, 4), (5, -5)])
def test_the_database_refuses_entries_that_do_not_sum_to_zero(session, amounts):
    same = {"transfer_id": "x", "layer": "pending", "account_id": "a", "currency": "CNY", "business": "retail"}
    rows = [
        {**same, "side": side, "amount_minor": amount, "created_at": now()}
        for side, amount in zip(("debit", "credit"), amounts, strict=True)
    ]
    with pytest.raises(DBAPIError, match="sum to zero"):
        session.execute(insert(EntryRow).values(rows))


def test_the_database_holds_the_limit_itself(session):
    top_up(session)
    with pytest.raises(DBAPIError, match="limit_held"):
        session.execute(text("UPDATE ledger_balance SET debits_posted_minor = 61 WHERE lowest_minor IS NOT NULL"))


def test_fifty_threads_post_on_one_hot_account(sessions):
    def sell(number: int) -> None:
        with sessions.begin() as session:
            post(session, move(f"t{number}", BANK, TRANSIT, number + 1))

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(sell, range(200)))
    with sessions() as session:
        assert balance_of(session, BANK).minor == balance_of(session, TRANSIT).minor == 200 * 201 // 2
        slots = session.execute(select(func.count()).where(BalanceRow.account_id == BANK.id)).scalar_one()
        assert 1 < slots <= SLOTS


def test_a_limit_holds_however_many_send_at_once(sessions):
    with sessions.begin() as session:
        top_up(session, amount=100)

    def send(number: int) -> bool:
        try:
            with sessions.begin() as session:
                post(session, move(f"send {number}", WALLET, OTHER_WALLET, 10))
        except RefusedError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        sent = list(pool.map(send, range(40)))
    with sessions() as session:
        assert sent.count(True) == 10
        assert (balance_of(session, WALLET).minor, balance_of(session, OTHER_WALLET).minor) == (0, 100)


def test_the_same_set_posted_by_many_at_once_is_made_once(sessions):
    def sell(_: int) -> str:
        with sessions.begin() as session:
            return post(session, move("a", BANK, TRANSIT, 3), move("b", BANK, TRANSIT, 4))[0].id

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(sell, range(32))) == {"a"}
    with sessions() as session:
        assert balance_of(session, BANK).minor == 7


def test_half_a_set_cannot_be_committed_when_the_other_half_was_made_meanwhile(sessions):
    def overlapping() -> str:
        with sessions() as session:
            try:
                post(session, move("b", BANK, TRANSIT, 4), move("c", BANK, TRANSIT, 5))
            except ConflictError as error:
                session.commit()  # whatever the caller does
                return error.code
        return "made"

    with ThreadPoolExecutor(1) as pool, sessions() as first:
        post(first, move("a", BANK, TRANSIT, 3), move("b", BANK, TRANSIT, 4))
        waiting = pool.submit(overlapping)
        until_somebody_waits(first)
        first.commit()
        assert waiting.result() == "account.transfer_raced"
    with sessions() as session:
        assert counted(session) == (2, 4)
        assert balance_of(session, BANK).minor == 7


def until_somebody_waits(session) -> None:
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while session.execute(waiting).scalar_one() == 0:
        session.execute(text("SELECT pg_sleep(0.02), pg_stat_clear_snapshot()"))


def test_a_pending_transfer_is_resolved_once_however_many_try(sessions):
    with sessions.begin() as session:
        post(session, move("hold", BANK, TRANSIT, 50, Phase.PENDING))

    def settle(number: int) -> bool:
        try:
            with sessions.begin() as session:
                post(session, resolve(f"r{number}", Phase.POST if number % 2 else Phase.VOID, "hold"))
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(settle, range(32))).count(True) == 1


def test_writers_who_meet_on_two_accounts_in_opposite_order_do_not_deadlock(sessions):
    with sessions.begin() as session:
        top_up(session, WALLET, 1_000, "a")
        top_up(session, OTHER_WALLET, 1_000, "b")

    def send(number: int) -> None:
        pair = (WALLET, OTHER_WALLET) if number % 2 else (OTHER_WALLET, WALLET)
        with sessions.begin() as session:
            post(session, move(f"t{number}", *pair, 1))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(send, range(100)))
    with sessions() as session:
        assert balance_of(session, WALLET).minor == 1_000
