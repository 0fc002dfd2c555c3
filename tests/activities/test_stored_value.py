"""Gift cards, points and wallets as sources of a payment: reserved, posted, voided, given back; never a cent too much."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.orm import Session, sessionmaker

from activities import stored_value
from activities.stored_value import points_at
from capabilities.account.contract import AccountKind as K
from capabilities.account.extensions import point_value
from capabilities.account.gift_cards import expire_gift_cards, freeze_gift_card
from capabilities.account.models import GiftCardRow
from capabilities.account.queries import balance_of
from capabilities.account.queries_reports import money_of_order
from capabilities.account.queries_stored import gift_card_of
from capabilities.account.stored import PointValue, StoredMethod, StoredSource
from capabilities.kernel.clock import now
from capabilities.kernel.errors import RefusedError
from capabilities.kernel.identity import BusinessIdentity
from tests.activities.selling import (
    CODE,
    ORIGIN,
    a_card,
    an_order,
    balances,
    context,
    points,
    ref,
    refund,
    run,
    sell,
    sources,
    wallet,
)

PAID = (("gift_card", 50_00), ("points", 20_00), ("wallet", 5_00), ("sim_ok", 195_00))


@pytest.fixture
def purse(session: Session) -> Session:
    """A gift card of 60.00, 3,000 points worth 30.00, 8.00 in the wallet."""
    a_card(session, 60_00)
    points(session, 3_000)
    wallet(session, 8_00)
    return session


def test_a_sale_from_four_sources_leaves_nothing_in_transit(purse: Session) -> None:
    order = an_order(purse)
    sell(purse, order, PAID)

    (card,) = (party.split()[1] for party in balances(purse) if party.startswith("gift_card gc_"))
    assert balances(purse) == {
        "provider_clearing": 195_00,
        f"gift_card {card}": 10_00,
        "buyer_wallet ann": 3_00,
        "exchange": -10_00,
        "gift_card_promotion": 60_00,
        "marketing_expense": 38_00,
        "seller_payable s_one": 256_50,
        "commission_revenue": 13_50,
    }
    assert balances(purse, "PTS") == {"points ann": 1_000, "exchange": 1_000}
    assert balance_of(purse, ref(K.SALES_IN_TRANSIT)).credits_pending_minor == 0


def test_reserving_posting_and_voiding_twice_is_doing_it_once(purse: Session) -> None:
    order = an_order(purse)
    stored = sources(order, PAID)
    assert stored_value.reserve(purse, context(), order, stored) == stored_value.reserve(
        purse, context(), order, stored
    )
    assert balance_of(purse, ref(K.BUYER_WALLET, "ann")).available_minor == 3_00
    posted = stored_value.post(purse, context(), order)
    assert stored_value.post(purse, context(), order) == posted
    assert len(posted) == 4


def test_voiding_sets_everything_free_once(purse: Session) -> None:
    order = an_order(purse)
    before = balances(purse)
    stored_value.reserve(purse, context(), order, sources(order, PAID))
    voided = stored_value.void(purse, context(), order)
    assert len(voided) == 4
    assert stored_value.void(purse, context(), order) == voided
    assert stored_value.post(purse, context(), order) == ()
    assert balances(purse) == before
    assert balance_of(purse, ref(K.POINTS, "ann", "PTS")).available_minor == 3_000


def test_undo_after_posting_takes_it_back_transfer_by_transfer(purse: Session) -> None:
    order = an_order(purse)
    before = balances(purse)
    stored_value.reserve(purse, context(), order, sources(order, PAID))
    stored_value.post(purse, context(), order)
    assert len(stored_value.void(purse, context(), order)) == 4
    stored_value.void(purse, context(), order)
    assert (balances(purse), balances(purse, "PTS")) == (before, {"points ann": 3_000, "exchange": 3_000})
    corrected = [one for one in money_of_order(purse, order.id) if one.corrects_id]
    assert len(corrected) == 4


def test_a_whole_sale_is_undone_in_the_order_of_the_steps(purse: Session) -> None:
    before = balances(purse), balances(purse, "PTS")
    order = an_order(purse)
    sell(purse, order, PAID)
    run(purse, "account.reverse_sale", order_id=order.id)
    assert stored_value.void(purse, context(), order) == ()
    run(purse, "account.void_sale", order_id=order.id)
    assert (balances(purse), balances(purse, "PTS")) == before


@pytest.mark.parametrize(
    ("method", "amount", "code"),
    [
        ("gift_card", 60_01, "account.limit_exceeded"),
        ("points", 30_01, "account.limit_exceeded"),
        ("wallet", 8_01, "account.limit_exceeded"),
    ],
)
def test_more_than_there_is_is_refused_and_nothing_is_reserved(
    purse: Session, method: str, amount: int, code: str
) -> None:
    order = an_order(purse)
    paid = [("wallet", 1_00), (method, amount)] if method != "wallet" else [(method, amount)]
    with pytest.raises(RefusedError) as error:
        stored_value.reserve(purse, context(), order, sources(order, paid))
    assert error.value.code == code
    assert balance_of(purse, ref(K.BUYER_WALLET, "ann")).available_minor == 8_00


def test_a_frozen_card_cannot_be_spent_and_a_guest_has_no_points(session: Session) -> None:
    card_id = a_card(session, 60_00)
    order = an_order(session)
    freeze_gift_card(session, card_id, reason="lost")
    with pytest.raises(RefusedError) as error:
        stored_value.reserve(session, context(), order, sources(order, [("gift_card", 1)]))
    assert error.value.code == "account.card_unusable"
    guest = order.model_copy(update={"buyer_id": None})
    with pytest.raises(RefusedError) as error:
        stored_value.reserve(session, context(), guest, sources(guest, [("points", 1)]))
    assert error.value.code == "account.buyer_unknown"


def test_points_worth_more_than_a_cent_pay_exactly_and_come_back_exactly(session: Session, monkeypatch) -> None:
    worth = {BusinessIdentity("retail"): lambda currency: PointValue(currency=currency, numerator=300, denominator=7)}
    monkeypatch.setattr(point_value, "_realizations", dict(point_value._realizations) | worth)
    points(session, 1_000)
    order = an_order(session, pieces=7, price=10_01)
    paid = (("points", 50_00), ("sim_ok", 7 * 10_01 - 50_00))
    sell(session, order, paid)
    assert balances(session, "PTS")["points ann"] == 1_000 - 117  # 5,000 × 7 / 300, rounded up

    for number in range(7):
        asked = refund(session, order, f"r{number}", lines=[{"line_id": "l1", "units": 1}])
        run(session, "account.post_refund", f"r{number}", refund_id=asked)
    assert balances(session, "PTS")["points ann"] == 1_000
    assert "provider_clearing" not in balances(session)


def test_a_share_worth_less_than_a_point_goes_to_the_wallet(session: Session, monkeypatch) -> None:
    worth = {BusinessIdentity("retail"): lambda currency: PointValue(currency=currency, numerator=1_000, denominator=1)}
    monkeypatch.setattr(point_value, "_realizations", dict(point_value._realizations) | worth)
    points(session, 5)
    order = an_order(session, pieces=10, price=1_00)
    sell(session, order, (("points", 10_00),))
    for number in range(10):
        asked = refund(session, order, f"r{number}", lines=[{"line_id": "l1", "units": 1}])
        run(session, "account.post_refund", f"r{number}", refund_id=asked)
    found = balances(session)
    assert balances(session, "PTS")["points ann"] in (4, 5)
    assert found.get("buyer_wallet ann", 0) <= 10_00
    assert "sales_in_transit" not in found


def test_a_gift_card_that_expired_meanwhile_gets_its_money_back_and_lives_again(purse: Session) -> None:
    order = an_order(purse, pieces=1, price=50_00)
    sell(purse, order, (("gift_card", 50_00),))
    card = purse.query(GiftCardRow).one()
    card.expires_at = now()
    purse.flush()
    expire_gift_cards(purse, origin=ORIGIN)
    assert gift_card_of(purse, card.id).state == "expired"

    asked = refund(purse, order, "r", lines=[{"line_id": "l1", "units": 1}])
    run(purse, "account.post_refund", refund_id=asked)
    assert (gift_card_of(purse, card.id).state, gift_card_of(purse, card.id).balance_minor) == ("active", 50_00)


def test_thirty_two_checkouts_share_one_gift_card_to_the_last_cent(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        card_id = a_card(session, 100_00)
        orders = [an_order(session, pieces=1, price=9_00, run_id=f"run_{number}") for number in range(32)]

    def buy(number: int) -> bool:
        order = orders[number]
        source = StoredSource(
            payment_id=f"pay_{order.id}", method=StoredMethod.GIFT_CARD, amount_minor=9_00, reference=CODE
        )
        try:
            with sessions.begin() as session:
                stored_value.reserve(session, context(), order, [source])
            with sessions.begin() as session:
                stored_value.post(session, context(), order)
        except RefusedError:
            return False
        return True

    with ThreadPoolExecutor(32) as pool:
        bought = list(pool.map(buy, range(32)))
    with sessions() as session:
        assert bought.count(True) == 11
        assert gift_card_of(session, card_id).balance_minor == 1_00


@pytest.mark.parametrize(
    ("points_", "value", "given", "back"), [(117, 5_000, 5_000, 117), (117, 5_000, 2_500, 59), (3, 7, 1, 0)]
)
def test_points_belong_to_the_money_they_paid_half_up(points_: int, value: int, given: int, back: int) -> None:
    assert points_at(points_, value, given) == back
