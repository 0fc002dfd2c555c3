"""Gift cards: issued once with their money, named by what says nothing of their code, frozen, expired."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select, text

from capabilities.account.contract import AccountKind, Phase
from capabilities.account.extensions import gift_card_life_days
from capabilities.account.gift_cards import (
    expire_gift_cards,
    freeze_gift_card,
    issue_gift_card,
    new_code,
    revive,
    spendable_card,
    thaw_gift_card,
    top_up_gift_card,
)
from capabilities.account.models import GiftCardRow
from capabilities.account.queries import balance_of
from capabilities.account.queries_stored import count_gift_cards, gift_card_of, gift_cards_page
from capabilities.account.stored import (
    Funding,
    GiftCardState,
    IssueGiftCard,
    TopUpGiftCard,
    card_account,
    card_reference,
    plain_code,
    shown_code,
)
from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, InvalidError, MissingError, RefusedError
from capabilities.kernel.identity import BusinessIdentity
from tests.capabilities.account.ledgers import ORIGIN, TRANSIT, account, move, post, resolve

CODE = "K7Q2M9X4B0C1D3E5"


def issue(session, amount=50_00, *, key="k", code=CODE, **more):
    request = IssueGiftCard(
        key=key,
        business="retail",
        reference=card_reference(code),
        last4=code[-4:],
        currency="CNY",
        amount_minor=amount,
        subject="order",
        **more,
    )
    return issue_gift_card(session, request, origin=ORIGIN)


def test_a_card_given_away_costs_promotion_and_one_sold_is_money(session):
    given = issue(session)
    sold = issue(session, 30_00, key="k2", code=new_code(), funding=Funding.PROVIDER)

    assert (given.balance_minor, given.available_minor, given.state, given.last4) == (50_00, 50_00, "active", "D3E5")
    assert balance_of(session, account(AccountKind.GIFT_CARD_PROMOTION)).minor == 50_00
    assert balance_of(session, account(AccountKind.PROVIDER_CLEARING)).minor == 30_00
    assert sold.expires_at == sold.issued_at + timedelta(days=3 * 365)


def test_the_same_key_issues_one_card_and_another_request_under_it_is_refused(session):
    first = issue(session)
    assert issue(session) == first
    with pytest.raises(ConflictError) as error:
        issue(session, 51_00)
    assert error.value.code == "account.card_reused"
    with pytest.raises(ConflictError) as error:
        issue(session, key="other")
    assert error.value.code == "account.code_taken"
    assert gift_card_of(session, first.id).balance_minor == 50_00


def test_a_code_is_found_however_it_is_typed_and_stands_nowhere(session):
    card = issue(session)
    for typed in (CODE, "k7q2-m9x4-b0c1-d3e5", " K7Q2 M9X4 BOCI D3E5 ", card_reference(CODE)):
        assert spendable_card(session, "retail", typed, "CNY").id == card.id
    stored = session.execute(text("SELECT row_to_json(g)::text FROM gift_card g")).scalar_one()
    assert CODE not in stored
    assert shown_code(CODE) == "K7Q2-M9X4-B0C1-D3E5"
    assert plain_code(new_code()) != new_code()


@pytest.mark.parametrize("code", ["K7Q2M9X4B0C1D3E", "k7q2m9x4b0c1d3e5", "K7Q2M9X4B0C1D3EO"])
def test_what_is_no_code_is_invalid(code):
    with pytest.raises(InvalidError):
        plain_code(code)


def test_a_guess_learns_nothing(session):
    card = issue(session)
    freeze_gift_card(session, card.id, reason="lost")
    old = issue(session, key="old", code="1111222233334444", expires_at=now() - timedelta(seconds=1))
    told = set()
    for business, code, currency in (
        ("retail", CODE, "CNY"),
        ("retail", "1111222233334444", "CNY"),
        ("retail", "ZZZZZZZZZZZZZZZZ", "CNY"),
        ("finance", CODE, "CNY"),
        ("retail", CODE, "EUR"),
    ):
        with pytest.raises(RefusedError) as error:
            spendable_card(session, business, code, currency)
        told.add((error.value.code, error.value.message))
    assert told == {("account.card_unusable", "This gift card cannot be used here.")}
    assert gift_card_of(session, old.id).balance_minor == 50_00


def test_a_frozen_card_is_thawed_and_each_says_whether_it_did_anything(session):
    card = issue(session)
    assert [freeze_gift_card(session, card.id, reason="lost") for _ in range(2)] == [True, False]
    assert gift_card_of(session, card.id).state_reason == "lost"
    with pytest.raises(RefusedError):
        top_up_gift_card(session, TopUpGiftCard(key="t", card_id=card.id, amount_minor=1), origin=ORIGIN)
    assert [thaw_gift_card(session, card.id, reason="found") for _ in range(2)] == [True, False]
    assert spendable_card(session, "retail", CODE, "CNY").state_reason == "found"
    with pytest.raises(MissingError):
        freeze_gift_card(session, "nowhere", reason="x")


def test_a_card_is_topped_up_once_a_key(session):
    card = issue(session)
    for _ in range(2):
        topped = top_up_gift_card(
            session, TopUpGiftCard(key="t", card_id=card.id, amount_minor=5_00, funding=Funding.BANK), origin=ORIGIN
        )
    assert (topped.balance_minor, topped.initial_minor) == (55_00, 50_00)
    assert balance_of(session, account(AccountKind.BANK)).minor == 5_00


def test_an_expired_card_becomes_revenue_once_and_what_is_reserved_waits(session):
    card = issue(session, expires_at=now() + timedelta(days=1))
    ref = card_account("retail", card.id, "CNY")
    post(session, move("hold", ref, TRANSIT, 20_00, Phase.PENDING))
    with time_machine.travel(now() + timedelta(days=2)):
        assert expire_gift_cards(session, origin=ORIGIN) == 0
        post(session, resolve("posted", Phase.POST, "hold"))
        assert [expire_gift_cards(session, origin=ORIGIN) for _ in range(2)] == [1, 0]
    assert balance_of(session, account(AccountKind.BREAKAGE_REVENUE)).minor == 30_00
    assert (gift_card_of(session, card.id).state, gift_card_of(session, card.id).balance_minor) == ("expired", 0)
    with pytest.raises(RefusedError):
        thaw_gift_card(session, card.id, reason="please")


def test_a_card_that_gets_money_back_after_it_expired_lives_again(session):
    card = issue(session, expires_at=now() - timedelta(days=1))
    expire_gift_cards(session, origin=ORIGIN)
    revive(session, card.id)
    assert gift_card_of(session, card.id).state is GiftCardState.ACTIVE
    assert spendable_card(session, "retail", CODE, "CNY").id == card.id


def test_how_long_a_card_lives_is_the_business_own(session, monkeypatch):
    ways = dict(gift_card_life_days._realizations) | {BusinessIdentity("retail"): lambda: None}
    monkeypatch.setattr(gift_card_life_days, "_realizations", ways)
    assert issue(session).expires_at is None


def test_cards_are_listed_newest_first_and_found_by_their_last_letters(session):
    cards = []
    for number in range(3):
        with time_machine.travel(now() + timedelta(minutes=number), tick=False):
            cards.append(issue(session, key=f"k{number}", code=f"111122223333444{number}", buyer_id=f"b{number}"))
    freeze_gift_card(session, cards[0].id, reason="lost")
    first = gift_cards_page(session, "retail", limit=2)
    rest = gift_cards_page(session, "retail", first.next_cursor, limit=2)

    assert [card.id for card in (*first.cards, *rest.cards)] == [cards[2].id, cards[1].id, cards[0].id]
    assert rest.next_cursor is None
    assert [card.id for card in gift_cards_page(session, "retail", search="4441").cards] == [cards[1].id]
    assert [card.id for card in gift_cards_page(session, "retail", search="b2").cards] == [cards[2].id]
    assert [card.id for card in gift_cards_page(session, "retail", state=GiftCardState.FROZEN).cards] == [cards[0].id]
    assert (count_gift_cards(session, "retail", GiftCardState.ACTIVE), gift_cards_page(session, "finance").cards) == (
        2,
        (),
    )


def test_thirty_two_threads_spend_a_card_and_not_a_cent_more_than_it_has(sessions):
    with sessions.begin() as session:
        card = issue(session, 100)

    def spend(number: int) -> bool:
        try:
            with sessions.begin() as session:
                spendable_card(session, "retail", CODE, "CNY")
                post(session, move(f"spend{number}", card_account("retail", card.id, "CNY"), TRANSIT, 7, Phase.PENDING))
            with sessions.begin() as session:
                post(session, resolve(f"done{number}", Phase.POST if number % 4 else Phase.VOID, f"spend{number}"))
        except RefusedError:
            return False
        return number % 4 != 0

    with ThreadPoolExecutor(32) as pool:
        spent = list(pool.map(spend, range(96))).count(True)
    with sessions() as session:
        balance = balance_of(session, card_account("retail", card.id, "CNY"))
        assert (balance.minor, balance.available_minor) == (100 - 7 * spent, 100 - 7 * spent)
        assert 0 <= balance.minor < 100


def test_a_card_issued_by_many_at_once_is_one(sessions):
    def once(_: int) -> str:
        with sessions.begin() as session:
            return issue(session).id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(once, range(16)))) == 1
    with sessions() as session:
        (row,) = session.scalars(select(GiftCardRow)).all()
        assert gift_card_of(session, row.id).balance_minor == 50_00
