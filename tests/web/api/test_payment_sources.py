"""A cart paid from several sources, through the API."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from capabilities.kernel.database import transaction
from capabilities.payment.queries import payments_of_order
from tests.web.api.conftest import a_cart, keyed
from zhongtai.verify import verify


def broken():
    with transaction() as session:
        return {result.number: result.broken for result in verify(session) if result.broken}


def paid(order_id):
    with transaction() as session:
        return [(p.method, p.status.value, p.amounts.charged_minor) for p in payments_of_order(session, order_id)]


async def test_two_cards_pay_a_cart_together(worker, shop):
    cart = a_cart(payments=[{"method": "sim_ok", "amount_minor": 50_00}, {"method": "sim_twice"}])
    answer = await shop.post("/checkouts", json=cart, headers=keyed())

    assert (answer.status_code, answer.json()["total_minor"]) == (201, 220_00)
    assert paid(answer.json()["order_id"]) == [("sim_ok", "captured", 50_00), ("sim_twice", "captured", 170_00)]
    again = await shop.post("/checkouts", json=cart, headers=keyed())
    assert (again.status_code, again.content) == (201, answer.content)
    assert broken() == {}


@pytest.mark.parametrize(
    ("second", "kept"), [("sim_declined", ["voided", "declined"]), ("sim_capture_declined", ["refunded", "voided"])]
)
async def test_the_no_of_one_card_leaves_no_money_anywhere(worker, shop, second, kept):
    cart = a_cart(payments=[{"method": "sim_ok", "amount_minor": 50_00}, {"method": second}])
    answer = await shop.post("/checkouts", json=cart, headers=keyed())

    assert answer.status_code == 402
    told = paid(answer.json()["order_id"])
    assert [status for _, status, _ in told] == kept
    assert [charged for _, _, charged in told] == [0, 0]
    assert broken() == {}


async def test_amounts_that_are_not_the_total_are_refused_and_nothing_is_written(worker, shop, written):
    before = written()
    cart = a_cart(payments=[{"method": "sim_ok", "amount_minor": 219_99}])
    answer = await shop.post("/checkouts", json=cart, headers=keyed())

    assert (answer.status_code, answer.json()["code"]) == (422, "payment.sources_do_not_add_up")
    assert written() == before


@pytest.mark.parametrize(
    "payments",
    [
        [{"method": "sim_ok"}, {"method": "sim_ok"}],
        [{"method": "gift_card", "amount_minor": 5}],
        [{"method": "wallet"}],
        [{"method": "sim_ok", "amount_minor": -1}],
        [{"method": "sim_ok", "amount_minor": 1}] * 9,
    ],
)
async def test_sources_that_cannot_be_meant_are_invalid(shop, payments):
    answer = await shop.post("/checkouts", json=a_cart(payments=payments), headers=keyed())
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")


async def test_a_gift_cards_code_is_kept_nowhere(worker, shop, placed):
    code = "7K2M-94QX-TT0B-VW3E"
    cart = a_cart(payments=[{"method": "gift_card", "code": code, "amount_minor": 5_00}, {"method": "sim_ok"}])
    answer = await shop.post("/checkouts", json=cart, headers=keyed())

    assert answer.status_code >= 400
    with placed() as session:
        kept = session.execute(text("SELECT input::text FROM process_run")).scalars().all()
    assert kept
    assert all(code not in one and code.replace("-", "") not in one for one in kept)
