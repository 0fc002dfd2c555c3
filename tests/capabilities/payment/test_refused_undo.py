"""A provider that says no to an undo keeps the no under its key: the next try asks anew."""

import pytest

from capabilities.kernel.errors import UnavailableError
from capabilities.payment import intents
from capabilities.payment.contract import PaymentAmounts, PaymentStatus
from capabilities.payment.intents import resumed
from tests.capabilities.payment.test_intents import ORIGIN, TOTAL, Till


@pytest.fixture
def till(sessions, simulator):
    return Till(sessions)


def test_a_refund_the_provider_refuses_is_not_taken_for_one(till, simulator, monkeypatch):
    till.authorize()
    till.capture()
    monkeypatch.setattr(simulator, "_impossible", lambda session, call: "account_closed")
    till.refund()

    assert till.payment().amounts == PaymentAmounts(charged_minor=TOTAL)
    assert till.acts()[2:] == [("refund", "declined", 1, 0)]


def test_a_refund_the_provider_refused_is_asked_for_anew_under_a_key_of_its_own(till):
    till.authorize("sim_refund1_declined")
    till.capture()
    till.refund()
    for _ in range(2):
        till.refund()

    assert till.payment().amounts == PaymentAmounts(refunded_minor=TOTAL)
    assert till.acts()[2:] == [("refund", "declined", 1, 0), ("refund", "succeeded", 1, 1)]


def test_a_void_the_provider_declined_is_asked_for_anew_under_a_key_of_its_own(till, sessions):
    till.authorize("sim_void1_declined")
    with sessions.begin() as session:
        intent = intents.intend_void(session, till.order_id, key="void", origin=ORIGIN)
    with pytest.raises(UnavailableError) as error:
        till._finish(intent, intents.ask)
    assert (error.value.code, error.value.details["reason"]) == ("payment.void_refused", "card_declined")

    payment = till._finish(resumed(intent), intents.ask)

    assert (payment.status, payment.amounts) == (PaymentStatus.VOIDED, PaymentAmounts(cancelled_minor=TOTAL))
    voids = [(outcome, calls, acts) for action, outcome, calls, acts in till.acts() if action == "void"]
    assert voids == [("declined", 1, 0), ("succeeded", 1, 1)]
