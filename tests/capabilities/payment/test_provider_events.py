"""Messages of providers: kept once, applied once, in any order, and before their payment too."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import orjson
import pytest
import time_machine
from sqlalchemy import select

from capabilities.kernel.clock import now
from capabilities.kernel.errors import InvalidError, RefusedError
from capabilities.kernel.identity import PLATFORM
from capabilities.kernel.outbox import events_of as outbox_of
from capabilities.kernel.settings import settings
from capabilities.payment import intents
from capabilities.payment.contract import PaymentEventKind, ProviderEventStatus
from capabilities.payment.models import PaymentEventRow, SimulatedMessageRow
from capabilities.payment.provider_events import apply_waiting, keep_message, provider_events_page
from capabilities.payment.providers.simulator_messages import charge_back, post_due, read_simulated, signed, tell
from capabilities.payment.queries import payment_of_order, payment_of_reference, timeline_of_order
from capabilities.payment.service import payment_id_of
from tests.capabilities.payment.test_refunds import ORIGIN, Desk

K = PaymentEventKind


@pytest.fixture(autouse=True)
def with_secret(monkeypatch):
    monkeypatch.setattr(settings(), "secret_key", "a secret of tests")


class Endpoint:
    """Our side of the messages, without the web."""

    def __init__(self, sessions):
        self.sessions, self.kept = sessions, []

    def __call__(self, headers, body):
        message = read_simulated(headers, body)
        with self.sessions.begin() as session:
            self.kept.append(keep_message(session, message))
        return 200


@pytest.fixture
def endpoint(sessions):
    return Endpoint(sessions)


def paid(sessions, method="sim_hook", amount=1_000):
    return Desk(sessions, (method, amount)).sell()


def posted(sessions):
    """Every message of the simulator as it would be sent now."""
    with sessions() as session:
        rows = session.scalars(select(SimulatedMessageRow).order_by(SimulatedMessageRow.due_at)).all()
        return [(row.id, row.type, orjson.dumps(row.body)) for row in rows]


def amounts(sessions, order_id="ord_1"):
    with sessions() as session:
        return payment_of_order(session, order_id).amounts


def page(sessions, business="retail", **narrowed):
    with sessions() as session:
        return provider_events_page(session, business, **narrowed).events


def test_what_a_message_says_of_what_is_known_changes_nothing(sessions, simulator, endpoint):
    paid(sessions)
    before = amounts(sessions)

    assert post_due(sessions, endpoint) == 2
    assert amounts(sessions) == before
    assert [(event.type, event.status, event.order_id) for event in page(sessions)] == [
        ("capture.succeeded", "applied", "ord_1"),
        ("authorization.succeeded", "applied", "ord_1"),
    ]
    with sessions() as session:
        assert len(session.scalars(select(PaymentEventRow)).all()) == 4  # two requests, two answers: the same facts


def test_ten_deliveries_have_one_effect(sessions, simulator, endpoint):
    order = paid(sessions)
    with sessions.begin() as session:
        charge_back(session, order.payments()[0].id, 300)
    ((message_id, _, body),) = [one for one in posted(sessions) if one[1] == "chargeback.opened"]
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: endpoint(signed(message_id, body, now()), body), range(10)))

    assert answers == [200] * 10
    assert sorted(kept.is_new for kept in endpoint.kept) == [False] * 9 + [True]
    assert amounts(sessions).charged_minor == 700
    assert [event.deliveries for event in page(sessions)] == [10]
    with sessions() as session:
        told = [event.type for event in outbox_of(session, "ord_1")]
        assert told == ["payment.charged_back"]


def test_any_order_of_arrival_gives_the_same(sessions, simulator, endpoint):
    order = paid(sessions)
    order.refund(400)
    with sessions.begin() as session:
        charge_back(session, order.payments()[0].id, 300)
    expected = None
    for seed in range(4):
        messages = posted(sessions)
        random.Random(seed).shuffle(messages)
        for message_id, _, body in messages:
            endpoint(signed(f"{message_id}-{seed}", body, now()), body)
        expected = expected or amounts(sessions)
        assert amounts(sessions) == expected
    assert (expected.charged_minor, expected.refunded_minor) == (300, 400)


def test_one_that_precedes_its_payment_is_kept_and_applied_when_it_appears(sessions, simulator, endpoint):
    order = Desk(sessions, ("sim_hook", 1_000))
    with sessions.begin() as session:
        body = {
            "type": "authorization.succeeded",
            "timestamp": now().isoformat(),
            "data": {
                "business": "retail",
                "payment_id": payment_id_of("ord_1"),
                "reference": "early",
                "amount_minor": 1_000,
                "currency": "CNY",
            },
        }
        tell(session, business="retail", type="authorization.succeeded", body=body)
    post_due(sessions, endpoint)
    assert [event.status for event in page(sessions)] == ["waiting"]
    with sessions.begin() as session:
        assert apply_waiting(session) == []

    with sessions.begin() as session:
        intents.intend_authorization(session, *order.requests, key="authorize", origin=ORIGIN)
    with sessions.begin() as session:
        assert [kept.status for kept in apply_waiting(session)] == [ProviderEventStatus.APPLIED]
    with sessions.begin() as session:
        assert apply_waiting(session) == []
    assert amounts(sessions).authorized_minor == 1_000


def test_a_type_nobody_knows_is_kept_as_ignored(sessions, simulator, endpoint):
    with sessions.begin() as session:
        tell(session, business="retail", type="account.updated", body={"type": "account.updated", "data": {}})

    assert post_due(sessions, endpoint) == 1
    assert [(event.type, event.status) for event in page(sessions, PLATFORM)] == [("account.updated", "ignored")]


def test_a_message_in_another_currency_is_not_about_this_payment(sessions, simulator, endpoint):
    paid(sessions)
    message_id, _, body = posted(sessions)[0]
    body = body.replace(b'"CNY"', b'"USD"')
    endpoint(signed(message_id, body, now()), body)

    assert [(event.status, event.reason) for event in page(sessions)] == [("ignored", "currency")]


@pytest.mark.parametrize(
    "forged",
    [
        lambda headers, body: (headers, body + b" "),
        lambda headers, body: (headers | {"webhook-id": "another"}, body),
        lambda headers, body: (headers | {"webhook-signature": "v1,AAAA"}, body),
        lambda headers, body: (headers | {"webhook-signature": "nonsense"}, body),
        lambda headers, body: (headers | {"webhook-timestamp": "soon"}, body),
        lambda headers, body: ({}, body),
    ],
)
def test_a_forged_message_is_refused_and_leaves_no_trace(sessions, simulator, endpoint, forged):
    paid(sessions)
    message_id, _, body = posted(sessions)[0]
    headers, body = forged(signed(message_id, body, now()), body)
    with pytest.raises(RefusedError) as error:
        endpoint(headers, body)

    assert error.value.code == "payment.signature_invalid"
    assert page(sessions) == ()


@pytest.mark.parametrize("minutes", [-6, 6])
def test_an_old_message_and_one_from_the_future_are_refused(sessions, simulator, endpoint, minutes):
    paid(sessions)
    message_id, _, body = posted(sessions)[0]
    headers = signed(message_id, body, now() + timedelta(minutes=minutes))
    with pytest.raises(RefusedError):
        endpoint(headers, body)
    assert page(sessions) == ()


def test_a_signed_message_that_cannot_be_meant_is_invalid(sessions, simulator, endpoint):
    body = b'{"type": "capture.succeeded", "timestamp": "today", "data": {}}'
    with pytest.raises(InvalidError) as error:
        endpoint(signed("msg_1", body, now()), body)
    assert error.value.code == "payment.message_unreadable"


def test_what_is_not_taken_is_sent_again_later(sessions, simulator, endpoint):
    paid(sessions)
    assert post_due(sessions, lambda headers, body: 503) == 0
    assert post_due(sessions, endpoint) == 0
    with time_machine.travel(now() + timedelta(seconds=30)):
        assert post_due(sessions, endpoint) == 2


@pytest.mark.parametrize(("method", "copies"), [("sim_hook_twice", 4), ("sim_hook_shuffled", 2)])
def test_a_script_sends_twice_or_in_another_order(sessions, simulator, endpoint, method, copies):
    paid(sessions, method)
    with time_machine.travel(now() + timedelta(seconds=30)):
        assert post_due(sessions, endpoint) == copies
    if method == "sim_hook_shuffled":
        assert [event.type for event in page(sessions)][::-1] == ["capture.succeeded", "authorization.succeeded"]


def test_scripts_charge_back_and_reverse_refunds_by_themselves(sessions, simulator, endpoint):
    order = paid(sessions, "sim_chargeback_late_60000+refund_reversed_late_5000")
    order.refund(400)
    assert amounts(sessions).refunded_minor == 400
    with time_machine.travel(now() + timedelta(seconds=10)):
        post_due(sessions, endpoint)
        assert (amounts(sessions).charged_minor, amounts(sessions).refunded_minor) == (1_000, 0)
    with time_machine.travel(now() + timedelta(seconds=90)):
        post_due(sessions, endpoint)
        assert amounts(sessions).charged_minor == 0
    with sessions() as session:
        told = {event.type: event.data for event in outbox_of(session, "ord_1")}
    assert told["payment.refund_reversed"]["refund_id"] == "rfd_1"
    assert told["payment.charged_back"]["amount_minor"] == 1_000


def test_a_payment_is_found_by_what_the_provider_calls_it_and_its_timeline_says_who_told(sessions, simulator, endpoint):
    order = paid(sessions)
    (captured,) = order.told(K.CHARGE_SUCCESS)
    with sessions() as session:
        assert payment_of_reference(session, captured.provider_id).order_id == "ord_1"
        assert payment_of_reference(session, captured.reference).order_id == "ord_1"
        assert payment_of_reference(session, "nobody") is None
        assert [(entry.kind, entry.actor) for entry in timeline_of_order(session, "ord_1")] == [
            (K.AUTHORIZATION_REQUEST, "tester"),
            (K.AUTHORIZATION_SUCCESS, "tester"),
            (K.CHARGE_REQUEST, "tester"),
            (K.CHARGE_SUCCESS, "tester"),
        ]
