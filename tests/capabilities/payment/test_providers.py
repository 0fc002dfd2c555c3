"""What every provider keeps: once a key, the same answer again, found by its key, never more than there is."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import orjson
import pytest
import stripe
from sqlalchemy.orm import sessionmaker

from capabilities.kernel.clock import now
from capabilities.kernel.errors import InvalidError, MissingError, RefusedError, UnavailableError
from capabilities.kernel.settings import settings
from capabilities.payment.extensions import provider_of_method
from capabilities.payment.providers.protocol import Action, Outcome, ProviderCall
from capabilities.payment.providers.signatures import stripe_signature
from capabilities.payment.providers.simulator import Simulator
from capabilities.payment.providers.stripe import Stripe, stripe_client
from capabilities.payment.providers.stripe_messages import read_stripe
from tests.capabilities.payment.stripe_account import Account
from tests.conftest import free_port
from zhongtai.processes import stop_process
from zhongtai.stripe_mock import find_stripe_mock, start_stripe_mock

SECRET = "whsec_test"


@pytest.fixture(scope="module")
def mock_base(tmp_path_factory):
    """A stripe-mock of this module, on a free port."""
    port = free_port()
    process = start_stripe_mock(find_stripe_mock(print), port=port, log_file=tmp_path_factory.mktemp("stripe") / "log")
    yield f"http://127.0.0.1:{port}"
    stop_process(process)


@pytest.fixture
def account(mock_base, monkeypatch):
    monkeypatch.setattr(settings(), "stripe_api_key", "sk_test_123")
    monkeypatch.setattr(settings(), "stripe_webhook_secret", SECRET)
    monkeypatch.setattr(settings(), "stripe_api_base", mock_base)
    account = Account(mock_base)
    yield account
    account.close()


@pytest.fixture
def on_stripe(account):
    return Stripe(lambda: stripe_client(settings(), account))


@pytest.fixture(params=["simulator", "stripe"])
def maker(request, sessions, engine):
    """A provider, with methods of its that work and that are declined."""
    if request.param == "simulator":
        return SimpleNamespace(provider=Simulator(lambda: sessionmaker(engine)), ok="sim_ok", declined="sim_declined")
    found = request.getfixturevalue("on_stripe")
    return SimpleNamespace(provider=found, ok="pm_card_visa", declined="pm_card_chargeDeclined")


def call(action, key, amount=1_000, method="sim_ok", about=None, about_id=None) -> ProviderCall:
    return ProviderCall(
        key=key,
        action=action,
        business="retail",
        payment_id="pay_1",
        method=method,
        currency="EUR",
        amount_minor=amount,
        authorization_key=about,
        authorization_id=about_id,
    )


def sent(maker, action, key, amount=1_000, about=None, *, knows_id=True):
    """The one answer; `about` is the report of the authorization."""
    order = call(
        action,
        key,
        amount,
        maker.ok,
        about.key if about else None,
        about.provider_id if about and knows_id else None,
    )
    (report,) = maker.provider.send(order)
    return order, report


def authorized(maker):
    return sent(maker, Action.AUTHORIZE, "aut_1")[1]


def test_an_authorization_is_captured_and_given_back_in_parts(maker):
    authorization = authorized(maker)
    _, capture = sent(maker, Action.CAPTURE, "cap_1", 1_000, authorization)
    _, part = sent(maker, Action.REFUND, "ref_1", 400, authorization)
    _, rest = sent(maker, Action.REFUND, "ref_2", 600, authorization)
    _, over = sent(maker, Action.REFUND, "ref_3", 1, authorization)

    told = [authorization, capture, part, rest, over]
    assert [report.outcome for report in told] == [Outcome.SUCCEEDED] * 4 + [Outcome.DECLINED]
    assert [report.amount_minor for report in told[:4]] == [1_000, 1_000, 400, 600]
    assert [report.key for report in told] == ["aut_1", "cap_1", "ref_1", "ref_2", "ref_3"]
    assert over.reason in {"more_than_captured", "charge_already_refunded"}


def test_a_decline_is_an_answer_and_can_be_looked_up(maker):
    order = call(Action.AUTHORIZE, "aut_1", method=maker.declined)
    (report,) = maker.provider.send(order)

    assert (report.outcome, bool(report.reason)) == (Outcome.DECLINED, True)
    assert maker.provider.look_up(order).outcome is Outcome.DECLINED


@pytest.mark.parametrize("knows_id", [True, False])
def test_the_same_key_again_does_nothing_more_and_says_the_same(maker, knows_id):
    authorization = authorized(maker)
    for action, key in ((Action.CAPTURE, "cap_1"), (Action.REFUND, "ref_1")):
        _, first = sent(maker, action, key, 1_000, authorization, knows_id=knows_id)
        _, second = sent(maker, action, key, 1_000, authorization, knows_id=knows_id)
        assert first.model_dump(exclude={"occurred_at"}) == second.model_dump(exclude={"occurred_at"})
        assert first.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("knows_id", [True, False])
def test_what_was_done_is_found_by_its_key_and_what_was_not_is_not(maker, knows_id):
    authorization = authorized(maker)
    about = (authorization.key, authorization.provider_id if knows_id else None)
    for action, key in ((Action.CAPTURE, "cap_1"), (Action.REFUND, "ref_1")):
        order = call(action, key, 1_000, maker.ok, *about)
        assert maker.provider.look_up(order) is None
        (report,) = maker.provider.send(order)
        found = maker.provider.look_up(order)
        assert (found.outcome, found.key, found.amount_minor) == (report.outcome, key, 1_000)
    assert maker.provider.look_up(call(Action.AUTHORIZE, "aut_1", method=maker.ok)).outcome is Outcome.SUCCEEDED
    assert maker.provider.look_up(call(Action.AUTHORIZE, "aut_none", method=maker.ok)) is None


def test_what_is_voided_cannot_be_captured(maker):
    authorization = authorized(maker)
    void, report = sent(maker, Action.VOID, "voi_1", 1_000, authorization)
    _, capture = sent(maker, Action.CAPTURE, "cap_1", 1_000, authorization)

    assert (report.outcome, capture.outcome) == (Outcome.SUCCEEDED, Outcome.DECLINED)
    assert maker.provider.look_up(void).outcome is Outcome.SUCCEEDED


def test_what_is_captured_cannot_be_voided(maker):
    authorization = authorized(maker)
    sent(maker, Action.CAPTURE, "cap_1", 1_000, authorization)
    assert sent(maker, Action.VOID, "voi_1", 1_000, authorization)[1].outcome is Outcome.DECLINED


def test_more_than_authorized_cannot_be_captured(maker):
    authorization = authorized(maker)
    assert sent(maker, Action.CAPTURE, "cap_1", 1_001, authorization)[1].outcome is Outcome.DECLINED
    assert sent(maker, Action.CAPTURE, "cap_2", 1_000, authorization)[1].outcome is Outcome.SUCCEEDED


def test_a_void_of_what_never_arrived_keeps_it_from_arriving(maker):
    maker.provider.send(call(Action.VOID, "voi_1", 1_000, maker.ok, "aut_late"))
    late = call(Action.AUTHORIZE, "aut_late", method=maker.ok)
    try:
        answer = maker.provider.send(late)[0].outcome.value
    except InvalidError as error:
        answer = error.code
    assert answer in {"declined", "payment.key_reused"}
    assert maker.provider.look_up(late).reason == "voided_before_arrival"


# --- Stripe alone -----------------------------------------------------------------------------------------------


def test_stripe_takes_its_methods_only_where_it_is_set_up(account, monkeypatch):
    assert provider_of_method.default("pm_card_visa") == "stripe"
    monkeypatch.setattr(settings(), "stripe_api_key", None)
    with pytest.raises(InvalidError) as error:
        provider_of_method.default("pm_card_visa")
    assert error.value.code == "payment.method_unknown"
    with pytest.raises(UnavailableError) as off:
        Stripe().look_up(call(Action.AUTHORIZE, "aut_1"))
    assert off.value.code == "payment.stripe_off"


@pytest.mark.parametrize(
    ("status", "error", "raised", "code"),
    [
        (401, {"type": "invalid_request_error", "message": "No."}, UnavailableError, "payment.stripe_key_refused"),
        (429, {"type": "rate_limit_error", "message": "Slow."}, UnavailableError, "payment.provider_silent"),
        (500, {"type": "api_error", "message": "Oops."}, UnavailableError, "payment.provider_silent"),
        (
            400,
            {"type": "invalid_request_error", "message": "No such PaymentMethod.", "param": "payment_method"},
            InvalidError,
            "payment.request_invalid",
        ),
        (400, {"type": "idempotency_error", "message": "Other."}, InvalidError, "payment.key_reused"),
    ],
)
def test_stripes_errors_are_ours(on_stripe, account, status, error, raised, code):
    account.broken.append((error, status))
    with pytest.raises(raised) as told:
        on_stripe.send(call(Action.AUTHORIZE, "aut_1", method="pm_card_visa"))

    assert (told.value.code, bool(told.value.mend)) == (code, code != "payment.key_reused")


def test_an_invalid_request_says_which_parameter(on_stripe, account):
    account.broken.append(({"type": "invalid_request_error", "message": "No.", "param": "amount"}, 400))
    with pytest.raises(InvalidError) as told:
        on_stripe.send(call(Action.AUTHORIZE, "aut_1", method="pm_card_visa"))
    assert told.value.details["parameter"] == "amount"


def test_an_authorization_that_is_not_found_yet_is_tried_again(on_stripe):
    with pytest.raises(UnavailableError) as told:
        on_stripe.send(call(Action.CAPTURE, "cap_1", about="aut_none"))
    assert told.value.code == "payment.authorization_not_found"


# --- messages of Stripe -----------------------------------------------------------------------------------------

INTENT = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 1_000,
    "amount_capturable": 1_000,
    "amount_received": 900,
    "currency": "eur",
    "metadata": {"key": "aut_1", "capture_key": "cap_1", "payment_id": "pay_1", "business": "retail"},
}
REFUND = {
    "id": "re_1",
    "object": "refund",
    "amount": 400,
    "currency": "eur",
    "payment_intent": "pi_1",
    "metadata": {"key": "ref_1", "payment_id": "pay_1"},
}
DISPUTE = {"id": "dp_1", "object": "dispute", "amount": 300, "currency": "eur", "payment_intent": "pi_1"}


def read(kind, thing, *, secret=SECRET, at=None, body=None):
    content = {"id": "evt_1", "type": kind, "created": 1_780_000_000, "data": {"object": thing}}
    body = body or orjson.dumps(content)
    return read_stripe(SECRET, {"Stripe-Signature": stripe_signature(secret, body, at or now())}, body)


@pytest.mark.parametrize(
    ("kind", "thing", "effect"),
    [
        ("payment_intent.amount_capturable_updated", INTENT, ("authorization_success", "aut_1", 1_000, "pay_1")),
        ("payment_intent.payment_failed", INTENT, ("authorization_failure", "aut_1", 1_000, "pay_1")),
        ("payment_intent.succeeded", INTENT, ("charge_success", "cap_1", 900, "pay_1")),
        (
            "payment_intent.canceled",
            INTENT | {"cancellation_reason": "automatic"},
            ("cancel_success", "pi_1", 1_000, "pay_1"),
        ),
        ("refund.updated", REFUND | {"status": "succeeded"}, ("refund_success", "ref_1", 400, "pay_1")),
        ("refund.failed", REFUND | {"status": "failed"}, ("refund_failure", "ref_1", 400, "pay_1")),
        ("charge.dispute.funds_withdrawn", DISPUTE, ("chargeback", "dp_1", 300, "pi_1")),
        ("charge.dispute.created", DISPUTE, (None, "dp_1", 300, "pi_1")),
    ],
)
def test_events_of_stripe_are_read_as_what_they_say_of_a_payment(kind, thing, effect):
    message = read(kind, thing)

    told = message.effect
    assert (told.kind, told.reference, told.amount_minor, message.payment_ref) == effect
    assert (message.message_id, told.currency) == ("evt_1", "EUR")


@pytest.mark.parametrize(
    ("kind", "thing"),
    [
        ("customer.created", {"id": "cus_1", "object": "customer"}),
        ("payment_intent.canceled", INTENT | {"cancellation_reason": "abandoned"}),
        ("refund.created", REFUND | {"status": "pending"}),
    ],
)
def test_events_of_no_meaning_here_have_no_effect(kind, thing):
    assert read(kind, thing).effect is None


def test_the_end_of_a_dispute_says_how_it_ended():
    assert read("charge.dispute.closed", DISPUTE | {"status": "won"}).effect.told == "payment.dispute_won"


def test_the_signature_is_the_one_the_stripe_package_makes_and_checks():
    body = b'{"id": "evt_1", "object": "event"}'
    header = stripe_signature(SECRET, body, now())

    assert stripe.WebhookSignature.verify_header(body.decode(), header, SECRET, 300)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_old_and_future_messages_of_stripe_are_refused(minutes):
    with pytest.raises(RefusedError) as error:
        read("customer.created", {}, at=now() + timedelta(minutes=minutes))
    assert error.value.code == "payment.message_too_old"


def test_forged_messages_of_stripe_are_refused():
    body = b'{"id": "evt_1"}'
    signed = stripe_signature("whsec_other", body, now())
    for headers in ({}, {"stripe-signature": "t=1"}, {"stripe-signature": "t=x,v1=y"}, {"stripe-signature": signed}):
        with pytest.raises(RefusedError) as error:
            read_stripe(SECRET, headers, body)
        assert error.value.code == "payment.signature_invalid"


def test_without_a_secret_messages_of_stripe_are_not_taken():
    with pytest.raises(MissingError):
        read_stripe(None, {}, b"{}")


def test_a_signed_message_of_stripe_that_cannot_be_meant_is_invalid():
    with pytest.raises(InvalidError):
        read("payment_intent.succeeded", {"id": "pi_1"})
