"""The amounts of a payment are a pure fold over its events."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities.payment.contract import PaymentAmounts, PaymentEvent, PaymentEventKind, PaymentStatus
from capabilities.payment.fold import AUTHORIZATION, CHARGE, amounts, open_references, status

K = PaymentEventKind
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def told(kind: K, amount: int, reference: str = "r", minute: int = 0, *, is_counted: bool = True) -> PaymentEvent:
    return PaymentEvent(
        kind=kind,
        reference=reference,
        amount_minor=amount,
        occurred_at=NOON + timedelta(minutes=minute),
        is_counted=is_counted,
    )


CASES = {
    "a success counts": ([told(K.AUTHORIZATION_SUCCESS, 11)], {"authorized_minor": 11}),
    "a request is pending": ([told(K.AUTHORIZATION_REQUEST, 11)], {"authorize_pending_minor": 11}),
    "a failed request is nothing": (
        [told(K.AUTHORIZATION_REQUEST, 11), told(K.AUTHORIZATION_FAILURE, 11, minute=1)],
        {},
    ),
    "a newer failure takes a success back": (
        [told(K.AUTHORIZATION_SUCCESS, 11), told(K.AUTHORIZATION_FAILURE, 11, minute=1)],
        {},
    ),
    "an older failure does not": (
        [told(K.AUTHORIZATION_SUCCESS, 11, minute=1), told(K.AUTHORIZATION_FAILURE, 11)],
        {"authorized_minor": 11},
    ),
    "a failure of another reference does not": (
        [told(K.AUTHORIZATION_SUCCESS, 11), told(K.AUTHORIZATION_FAILURE, 11, "other", minute=1)],
        {"authorized_minor": 11},
    ),
    "the newest adjustment replaces what was authorized": (
        [
            told(K.AUTHORIZATION_SUCCESS, 11),
            told(K.AUTHORIZATION_ADJUSTMENT, 100, "a", minute=2),
            told(K.AUTHORIZATION_ADJUSTMENT, 11, "b", minute=1),
        ],
        {"authorized_minor": 100},
    ),
    "an authorization after an adjustment adds to it": (
        [told(K.AUTHORIZATION_ADJUSTMENT, 100, "a"), told(K.AUTHORIZATION_SUCCESS, 11, minute=1)],
        {"authorized_minor": 111},
    ),
    "a chargeback takes from what is charged": (
        [told(K.CHARGE_SUCCESS, 11, "a"), told(K.CHARGE_SUCCESS, 12, "b"), told(K.CHARGEBACK, 10, "c", minute=1)],
        {"charged_minor": 13},
    ),
    "a chargeback that is won is charged again": (
        [
            told(K.CHARGE_SUCCESS, 23, "a"),
            told(K.CHARGEBACK, 10, "c", minute=1),
            told(K.CHARGEBACK_REVERSAL, 10, "c", minute=2),
        ],
        {"charged_minor": 23},
    ),
    "a refund can be asked before its charge is known": (
        [told(K.REFUND_REQUEST, 11)],
        {"refund_pending_minor": 11, "charged_minor": -11},
    ),
    "a failed refund is nothing": ([told(K.REFUND_REQUEST, 11), told(K.REFUND_FAILURE, 11, minute=1)], {}),
    "a reversal takes a refund back": (
        [
            told(K.REFUND_SUCCESS, 11, "a"),
            told(K.REFUND_SUCCESS, 12, "b"),
            told(K.REFUND_REVERSAL, 10, "c", minute=1),
            told(K.CHARGE_SUCCESS, 40, "d"),
        ],
        {"charged_minor": 27, "refunded_minor": 13},
    ),
    "everything takes from what came before it": (
        [
            told(K.AUTHORIZATION_SUCCESS, 250, "a"),
            told(K.CHARGE_SUCCESS, 200, "b"),
            told(K.CHARGE_REQUEST, 50, "c"),
            told(K.REFUND_SUCCESS, 30, "d"),
            told(K.REFUND_REQUEST, 15, "e"),
        ],
        {
            "authorized_minor": 0,
            "charged_minor": 155,
            "charge_pending_minor": 50,
            "refunded_minor": 30,
            "refund_pending_minor": 15,
        },
    ),
    "a cancel takes from what is authorized": (
        [told(K.AUTHORIZATION_SUCCESS, 100), told(K.CANCEL_SUCCESS, 60, "c"), told(K.CANCEL_REQUEST, 10, "d")],
        {"authorized_minor": 30, "cancelled_minor": 60, "cancel_pending_minor": 10},
    ),
    "what is excluded is ignored": (
        [told(K.AUTHORIZATION_SUCCESS, 11), told(K.CHARGE_SUCCESS, 11, "c", is_counted=False)],
        {"authorized_minor": 11},
    ),
    "a charge without authorization takes from nothing": ([told(K.CHARGE_SUCCESS, 11)], {"charged_minor": 11}),
}


@pytest.mark.parametrize(("events", "expected"), CASES.values(), ids=CASES.keys())
def test_amounts_are_what_the_events_add_up_to(events, expected):
    assert amounts(events) == PaymentAmounts(**expected)


EVENTS = st.builds(
    told,
    st.sampled_from(list(K)),
    st.integers(0, 1_000),
    st.sampled_from(["a", "b", "c"]),
    st.integers(0, 4),
    is_counted=st.booleans(),
)


@given(st.lists(EVENTS, max_size=12), st.data())
def test_any_order_of_arrival_and_any_duplicates_give_the_same(events, data):
    again = data.draw(st.lists(st.sampled_from(events), max_size=6)) if events else []
    shuffled = data.draw(st.permutations(events + again))

    assert amounts(shuffled) == amounts(events)


@given(st.lists(EVENTS, max_size=12))
def test_nothing_but_charged_and_refunded_falls_below_zero(events):
    sums = amounts(events).model_dump()
    del sums["charged_minor"], sums["refunded_minor"]

    assert min(sums.values()) >= 0


def test_a_reference_is_open_until_it_is_answered():
    events = [told(K.CHARGE_REQUEST, 5, "a"), told(K.CHARGE_REQUEST, 5, "b"), told(K.CHARGE_FAILURE, 5, "b", 1)]

    assert open_references(events, CHARGE) == ["a"]
    assert open_references(events, AUTHORIZATION) == []


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], PaymentStatus.PENDING),
        ([told(K.AUTHORIZATION_REQUEST, 10)], PaymentStatus.PENDING),
        ([told(K.AUTHORIZATION_FAILURE, 10)], PaymentStatus.DECLINED),
        ([told(K.AUTHORIZATION_SUCCESS, 10)], PaymentStatus.AUTHORIZED),
        ([told(K.AUTHORIZATION_SUCCESS, 10), told(K.CHARGE_REQUEST, 10, "c")], PaymentStatus.PENDING),
        ([told(K.AUTHORIZATION_SUCCESS, 10), told(K.CHARGE_SUCCESS, 10, "c")], PaymentStatus.CAPTURED),
        ([told(K.AUTHORIZATION_SUCCESS, 10), told(K.CANCEL_SUCCESS, 10, "c")], PaymentStatus.VOIDED),
        ([told(K.CHARGE_SUCCESS, 10), told(K.REFUND_SUCCESS, 4, "c")], PaymentStatus.PARTLY_REFUNDED),
        ([told(K.CHARGE_SUCCESS, 10), told(K.REFUND_SUCCESS, 10, "c")], PaymentStatus.REFUNDED),
    ],
)
def test_the_status_is_a_word_for_the_amounts(events, expected):
    assert status(10, events) is expected


def test_a_payment_of_nothing_is_due_nothing():
    assert status(0, []) is PaymentStatus.NOTHING_DUE
