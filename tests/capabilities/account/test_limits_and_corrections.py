"""Balances have a floor and a ceiling, pending counted; what was posted is taken back by naming it, once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from capabilities.account.contract import AccountKind, Exchange, Phase
from capabilities.account.queries import balance_of, find_transfer
from capabilities.account.service import correct, correction_id, limit_account
from capabilities.kernel.errors import ConflictError, InvalidError, MissingError, RefusedError
from tests.capabilities.account.ledgers import (
    BANK,
    ORIGIN,
    OTHER_WALLET,
    TRANSIT,
    WALLET,
    account,
    move,
    post,
    resolve,
)


def test_a_balance_may_not_rise_above_its_highest_pending_counted(session):
    post(session, move("t", BANK, WALLET, 60))
    limit_account(session, WALLET, lowest_minor=0, highest_minor=100)
    post(session, move("coming", BANK, WALLET, 30, Phase.PENDING))
    with pytest.raises(RefusedError) as error:
        post(session, move("more", BANK, WALLET, 11))

    assert (error.value.code, error.value.mend) == ("account.limit_exceeded", "Move less.")
    assert balance_of(session, WALLET).minor == 60
    post(session, move("fits", BANK, WALLET, 10))
    post(session, resolve("void", Phase.VOID, "coming"))
    post(session, move("fits now", BANK, WALLET, 30))
    assert balance_of(session, WALLET).minor == 100


def test_what_is_about_to_leave_makes_no_room_below_the_ceiling(session):
    post(session, move("t", BANK, WALLET, 60))
    limit_account(session, WALLET, lowest_minor=0, highest_minor=60)
    post(session, move("leaving", WALLET, BANK, 50, Phase.PENDING))
    with pytest.raises(RefusedError):
        post(session, move("more", BANK, WALLET, 1))


def test_an_asset_has_a_ceiling_too(session):
    owed = account(AccountKind.BUYER_RECEIVABLE, "order")
    post(session, move("t", owed, TRANSIT, 10))
    limit_account(session, owed, lowest_minor=0, highest_minor=25)
    post(session, move("reserved", owed, TRANSIT, 15, Phase.PENDING))
    with pytest.raises(RefusedError):
        post(session, move("more", owed, TRANSIT, 1))
    with pytest.raises(RefusedError):
        post(session, move("back", TRANSIT, owed, 11))
    post(session, move("back", TRANSIT, owed, 10))
    assert balance_of(session, owed).minor == 0


def test_a_limit_that_does_not_fit_is_refused_and_none_is_set_where_none_can_be(session):
    post(session, move("t", BANK, WALLET, 60))
    with pytest.raises(RefusedError) as error:
        limit_account(session, WALLET, lowest_minor=0, highest_minor=59)
    assert error.value.code == "account.limit_exceeded"
    for ref, limits, family in (
        (BANK, {"lowest_minor": 0}, InvalidError),
        (WALLET, {"lowest_minor": 5, "highest_minor": 4}, InvalidError),
        (OTHER_WALLET, {"lowest_minor": 0}, MissingError),
    ):
        with pytest.raises(family):
            limit_account(session, ref, **limits)


def test_an_account_keeps_its_own_limit_when_others_of_its_kind_are_opened(session):
    post(session, move("t", BANK, WALLET, 60))
    limit_account(session, WALLET, lowest_minor=50, highest_minor=70)
    post(session, move("both", WALLET, OTHER_WALLET, 10))
    with pytest.raises(RefusedError):
        post(session, move("send", WALLET, OTHER_WALLET, 1))


def test_the_database_holds_the_ceiling_itself(session):
    post(session, move("t", BANK, WALLET, 60))
    limit_account(session, WALLET, lowest_minor=0, highest_minor=60)
    with pytest.raises(DBAPIError, match="ceiling_held"):
        session.execute(text("UPDATE ledger_balance SET credits_posted_minor = 61 WHERE highest_minor IS NOT NULL"))


def test_a_first_spending_from_an_account_that_was_never_used_is_refused(session):
    with pytest.raises(RefusedError):
        post(session, move("t", WALLET, BANK, 1))
    post(session, move("u", BANK, WALLET, 1))
    assert balance_of(session, WALLET).minor == 1


def test_a_transfer_is_corrected_once_and_a_correction_can_be_corrected(session):
    post(session, move("t", BANK, TRANSIT, 5))
    (first,) = correct(session, ["t"], reason="wrong order", origin=ORIGIN)
    assert (first.id, first.corrects_id, first.amount_minor) == (correction_id("t"), "t", 5)
    assert correct(session, ["t"], reason="wrong order", origin=ORIGIN) == (first,)
    with pytest.raises(ConflictError) as error:
        post(session, move("by hand", TRANSIT, BANK, 5, corrects_id="t"))
    assert error.value.code == "account.corrected_already"

    (second,) = correct(session, [first.id], reason="it was right", origin=ORIGIN)
    assert second.corrects_id == first.id
    assert balance_of(session, BANK).minor == 5


def test_a_refused_correction_leaves_the_transaction_usable(session):
    post(session, move("t", BANK, TRANSIT, 5))
    post(session, move("c", TRANSIT, BANK, 5, corrects_id="t"))
    with pytest.raises(ConflictError):
        post(session, move("c2", TRANSIT, BANK, 5, corrects_id="t"))
    assert balance_of(session, BANK).minor == 0


@pytest.mark.parametrize(
    "request_",
    [
        lambda: move("c", BANK, TRANSIT, 5, corrects_id="t"),
        lambda: move("c", TRANSIT, BANK, 6, corrects_id="t"),
        lambda: move("c", TRANSIT, WALLET, 5, corrects_id="t"),
        lambda: move("c", TRANSIT, BANK, 5, Phase.PENDING, corrects_id="t"),
    ],
)
def test_a_correction_mirrors_what_it_corrects(session, request_):
    post(session, move("t", BANK, TRANSIT, 5))
    with pytest.raises(InvalidError) as error:
        post(session, request_())
    assert error.value.code == "account.correction_invalid"


def test_a_part_can_be_taken_back(session):
    post(session, move("t", BANK, TRANSIT, 5))
    post(session, move("c", TRANSIT, BANK, 2, corrects_id="t"))
    assert balance_of(session, BANK).minor == 3


def test_what_is_not_posted_cannot_be_corrected(session):
    post(session, move("hold", BANK, TRANSIT, 5, Phase.PENDING))
    for id_ in ("hold", "nowhere"):
        with pytest.raises(MissingError):
            correct(session, [id_], reason="x", origin=ORIGIN)


def test_both_halves_of_an_exchange_are_corrected_together_also_after_a_reservation(session):
    exchange = {code: account(AccountKind.EXCHANGE, currency=code) for code in ("CNY", "EUR")}
    euro_wallet = account(AccountKind.BUYER_WALLET, "ann", "EUR")
    rate = Exchange(other_id="in", numerator=1, denominator=8)
    post(session, move("top", BANK, WALLET, 80))
    post(
        session,
        move("out", WALLET, exchange["CNY"], 80, Phase.PENDING, exchange=rate),
        move("in", exchange["EUR"], euro_wallet, 10, Phase.PENDING, exchange=rate.of_other("out")),
    )
    post(session, resolve("p out", Phase.POST, "out"), resolve("p in", Phase.POST, "in"))
    with pytest.raises(InvalidError) as error:
        correct(session, ["p out"], reason="x", origin=ORIGIN)
    assert error.value.code == "account.exchange_unpaired"

    correct(session, ["p out", "p in"], reason="x", origin=ORIGIN)
    assert (balance_of(session, WALLET).minor, balance_of(session, euro_wallet).minor) == (80, 0)
    back = find_transfer(session, correction_id("p out"))
    assert (back.exchange.numerator, back.exchange.denominator) == (1, 8)


def test_of_many_who_correct_at_once_one_does(sessions):
    with sessions.begin() as session:
        post(session, move("t", BANK, TRANSIT, 5))

    def take_back(number: int) -> bool:
        try:
            with sessions.begin() as session:
                post(session, move(f"c{number}", TRANSIT, BANK, 5, corrects_id="t"))
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(take_back, range(16))).count(True) == 1
    with sessions() as session:
        assert balance_of(session, BANK).minor == 0
