"""Webhooks out: signed, in order per subject, retried, never into our own network, at least once whatever dies."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session, sessionmaker
from standardwebhooks import Webhook, WebhookVerificationError

from activities.webhooks import queries, sending, service
from activities.webhooks.addresses import target_of
from activities.webhooks.models import WebhookDelivery, WebhookEndpoint
from activities.webhooks.service import Outgoing, Sent
from capabilities.kernel.errors import InvalidError, MissingError, UnavailableError
from capabilities.kernel.outbox import OutboxEvent, publish
from capabilities.kernel.settings import settings
from tests.webhooks.receiving import Receiver, receiving

Sessions = sessionmaker[Session]


@pytest.fixture(autouse=True)
def demo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only in demo mode may a webhook go to this very machine."""
    monkeypatch.setenv("ZHONGTAI_DEMO", "true")
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def endpoint(sessions: Sessions, url: str, *types: str, business: str = "retail") -> WebhookEndpoint:
    with sessions.begin() as session:
        return service.add_endpoint(session, business, url, types or ("*",), actor="user:op")


def happen(sessions: Sessions, *events: tuple[str, str], business: str = "retail") -> None:
    """Subject and type of what happens, each in a transaction of its own."""
    for subject, kind in events:
        with sessions.begin() as session:
            publish(session, business=business, type=kind, subject=subject, data={"of": subject})


def pass_time(sessions: Sessions, by: timedelta) -> None:
    """As if so much time had passed since everything that was written."""
    with sessions.begin() as session:
        session.execute(
            update(WebhookDelivery).values(
                next_attempt_at=WebhookDelivery.next_attempt_at - by,
                created_at=WebhookDelivery.created_at - by,
                leased_until=WebhookDelivery.leased_until - by,
            )
        )
        session.execute(
            update(WebhookEndpoint).values(
                failing_since=WebhookEndpoint.failing_since - by,
                previous_secret_until=WebhookEndpoint.previous_secret_until - by,
            )
        )


def deliveries(sessions: Sessions) -> list[WebhookDelivery]:
    with sessions() as session:
        return list(session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.position)))


def the_endpoint(sessions: Sessions) -> WebhookEndpoint:
    with sessions() as session:
        return session.scalars(select(WebhookEndpoint)).one()


# --- what is sent


def test_an_event_is_sent_signed_as_standard_webhooks_say(sessions: Sessions, receiver: Receiver) -> None:
    secret = endpoint(sessions, receiver.url).secret
    happen(sessions, ("ord_1", "order.confirmed"))
    assert sending.deliver(sessions) == 1
    ((headers, body),) = receiver.requests
    event = Webhook(secret).verify(body, headers)
    with sessions() as session:
        written = session.scalars(select(OutboxEvent)).one()
    assert headers["webhook-id"] == event["id"] == written.id
    assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert (event["source"], event["type"], event["subject"], event["data"]) == (
        "/businesses/retail", "order.confirmed", "ord_1", {"of": "ord_1"},
    )  # fmt: skip
    assert datetime.fromisoformat(event["time"]) == written.occurred_at
    with sessions() as session:
        kept = session.execute(text("SELECT secret, previous_secret FROM webhook_endpoint")).one()
    assert (secret[:6], kept.previous_secret) == ("whsec_", None)
    assert secret.removeprefix("whsec_") not in kept.secret, "who reads the database can sign nothing"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body.replace(b"ord_1", b"ord_2"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 43 + "=").verify(body, headers)


def test_a_secret_is_of_its_installation_and_one_that_was_kept_goes_on(
    sessions: Sessions, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = endpoint(sessions, receiver.url)
    here = made.secret
    monkeypatch.setattr(settings(), "secret_key", "another installation's")
    assert made.secret != here
    monkeypatch.setattr(settings(), "secret_key", None)
    with pytest.raises(UnavailableError, match="has none"):
        made.secret  # noqa: B018
    kept = "whsec_" + "A" * 43 + "="
    with sessions.begin() as session:
        session.execute(update(WebhookEndpoint).values(seed=kept))
    assert the_endpoint(sessions).secret == kept


def test_each_event_is_sent_once_and_only_to_its_own_business(sessions: Sessions, receiver: Receiver) -> None:
    happen(sessions, ("ord_0", "order.confirmed"))  # before there was an endpoint
    endpoint(sessions, receiver.url)
    happen(sessions, ("ord_1", "order.confirmed"))
    happen(sessions, ("ord_9", "order.confirmed"), business="finance")
    assert sending.deliver(sessions) == 1
    assert sending.deliver(sessions) == 0
    assert receiver.told() == [("ord_1", "order.confirmed")]


def test_filters_take_types_groups_or_everything(sessions: Sessions, receiver: Receiver) -> None:
    endpoint(sessions, receiver.url, "order.confirmed", "refund.*")
    happen(sessions, ("a", "order.confirmed"), ("b", "order.cancelled"), ("c", "refund.succeeded"), ("d", "refunds.x"))
    sending.deliver(sessions)
    assert sorted(receiver.told()) == [("a", "order.confirmed"), ("c", "refund.succeeded")]


def test_both_live_secrets_sign_until_the_old_one_has_ended(sessions: Sessions, receiver: Receiver) -> None:
    old = endpoint(sessions, receiver.url).secret
    with sessions.begin() as session:
        new = service.rotate_secret(session, "retail", the_endpoint(sessions).id).secret
    happen(sessions, ("a", "order.confirmed"))
    sending.deliver(sessions)
    headers, body = receiver.requests[0]
    assert Webhook(old).verify(body, headers) == Webhook(new).verify(body, headers)
    pass_time(sessions, timedelta(hours=25))
    happen(sessions, ("b", "order.confirmed"))
    sending.deliver(sessions)
    headers, body = receiver.requests[1]
    assert Webhook(new).verify(body, headers)["subject"] == "b"
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(body, headers)


# --- failure, order, giving up


def test_an_event_not_taken_holds_back_the_later_ones_of_its_order_and_no_others(
    sessions: Sessions, receiver: Receiver
) -> None:
    endpoint(sessions, receiver.url)
    is_well = False
    receiver.answer = lambda event: (204, b"") if is_well or event["subject"] != "a" else (500, b"broken")
    happen(sessions, ("a", "order.placed"), ("b", "order.placed"), ("a", "order.confirmed"), ("b", "order.confirmed"))
    sending.deliver(sessions)
    assert Counter(receiver.told()) == Counter([("a", "order.placed"), ("b", "order.placed"), ("b", "order.confirmed")])
    assert [one.status for one in deliveries(sessions)] == ["pending", "delivered", "pending", "delivered"]
    assert (deliveries(sessions)[0].last_status, deliveries(sessions)[0].attempts) == (500, 1)
    receiver.requests.clear()
    assert sending.deliver(sessions) == 0, "it is not due yet"
    is_well = True
    pass_time(sessions, timedelta(minutes=1))
    sending.deliver(sessions)
    assert receiver.told() == [("a", "order.placed"), ("a", "order.confirmed")]


def test_the_log_keeps_status_time_and_the_first_bytes_of_every_attempt(sessions: Sessions, receiver: Receiver) -> None:
    endpoint(sessions, receiver.url)
    answers = iter([(500, b"x" * 5_000), (204, b"")])
    receiver.answer = lambda event: next(answers)
    happen(sessions, ("a", "order.placed"))
    sending.deliver(sessions)
    pass_time(sessions, timedelta(minutes=1))
    sending.deliver(sessions)
    with sessions() as session:
        first, second = queries.attempts_of(session, deliveries(sessions)[0].id)
    assert (first.attempt, first.status, first.answer, first.error) == (1, 500, "x" * 400, None)
    assert (second.attempt, second.status, second.answer) == (2, 204, "")
    assert first.took_ms >= 0
    assert receiver.requests[0][0]["webhook-id"] == receiver.requests[1][0]["webhook-id"]
    assert receiver.requests[0][1] == receiver.requests[1][1]


def test_a_redirect_is_not_followed_but_tried_again(sessions: Sessions, receiver: Receiver) -> None:
    endpoint(sessions, receiver.url)
    receiver.answer = lambda event: (302, b"")
    happen(sessions, ("a", "order.placed"))
    sending.deliver(sessions)
    assert len(receiver.requests) == 1
    assert deliveries(sessions)[0].last_status == 302


def test_waiting_grows_with_every_attempt_up_to_half_a_day_and_is_spread_by_chance() -> None:
    middle = [service.delay_after(attempt, chance=0.5) for attempt in range(1, 12)]
    assert middle[:4] == [timedelta(seconds=s) for s in (5, 20, 80, 320)]
    assert middle[-1] == timedelta(hours=12)
    assert service.delay_after(3, chance=0.0) == timedelta(seconds=64)
    assert service.delay_after(3, chance=1.0) == timedelta(seconds=96)


def test_after_days_an_event_is_failed_the_endpoint_disabled_and_somebody_is_told(
    sessions: Sessions, receiver: Receiver
) -> None:
    endpoint(sessions, receiver.url, "order.*")
    receiver.answer = lambda event: (503, b"")
    happen(sessions, ("a", "order.placed"))
    sending.deliver(sessions)
    with sessions() as session:
        assert queries.count_troubled(session, "retail") == {"disabled": 0, "failing": 1, "failed": 0}
    pass_time(sessions, timedelta(days=5))
    sending.deliver(sessions)
    found = the_endpoint(sessions)
    assert (found.status, found.status_reason) == ("disabled", "nothing was taken for 5 days")
    assert deliveries(sessions)[0].status == "failed"
    with sessions() as session:
        told = session.scalars(select(OutboxEvent).where(OutboxEvent.type == "webhook.endpoint_disabled")).one()
        assert queries.count_troubled(session, "retail") == {"disabled": 1, "failing": 0, "failed": 1}
    assert told.data["url"] == receiver.url
    happen(sessions, ("a", "order.confirmed"))
    assert sending.deliver(sessions) == 0
    # once it is enabled again it goes on where it stopped; what was given up holds nothing back
    receiver.answer = lambda event: (200, b"")
    receiver.requests.clear()
    with sessions.begin() as session:
        service.change_endpoint(session, "retail", found.id, is_enabled=True)
    sending.deliver(sessions)
    assert receiver.told() == [("a", "order.confirmed")]


def test_an_endpoint_that_says_it_is_gone_is_disabled_at_once(sessions: Sessions, receiver: Receiver) -> None:
    endpoint(sessions, receiver.url)
    receiver.answer = lambda event: (410, b"")
    happen(sessions, ("a", "order.placed"))
    sending.deliver(sessions)
    assert (the_endpoint(sessions).status, the_endpoint(sessions).status_reason) == ("disabled", "gone")


def test_one_sent_again_by_hand_keeps_its_id_and_holds_nothing_back(sessions: Sessions, receiver: Receiver) -> None:
    endpoint(sessions, receiver.url)
    happen(sessions, ("a", "order.placed"))
    sending.deliver(sessions)
    receiver.answer = lambda event: (500, b"") if event["type"] == "order.placed" else (204, b"")
    with sessions.begin() as session:
        service.resend(session, "retail", deliveries(sessions)[0].id)
    happen(sessions, ("a", "order.confirmed"))
    sending.deliver(sessions)
    assert Counter(receiver.told()) == Counter({("a", "order.placed"): 2, ("a", "order.confirmed"): 1})
    ids = {headers["webhook-id"] for headers, body in receiver.requests if b"order.placed" in body}
    assert len(ids) == 1
    with sessions.begin() as session, pytest.raises(MissingError):
        service.resend(session, "finance", deliveries(sessions)[0].id)


# --- who sends


def test_a_sender_that_dies_between_sending_and_recording_leaves_it_to_be_sent_again(
    sessions: Sessions, receiver: Receiver
) -> None:
    endpoint(sessions, receiver.url)
    happen(sessions, ("a", "order.placed"), ("a", "order.confirmed"))

    def dying(outgoing: Outgoing) -> Sent:
        sending.send(outgoing)
        raise SystemExit

    with pytest.raises(SystemExit):
        sending.deliver(sessions, sender=dying)
    assert receiver.told() == [("a", "order.placed")]
    assert sending.deliver(sessions) == 0, "it is still leased"
    pass_time(sessions, service.LEASE + timedelta(seconds=1))
    sending.deliver(sessions)
    assert receiver.told() == [("a", "order.placed"), ("a", "order.placed"), ("a", "order.confirmed")]
    assert receiver.requests[0][0]["webhook-id"] == receiver.requests[1][0]["webhook-id"]


def test_several_senders_at_once_send_each_event_once_and_in_order(sessions: Sessions, receiver: Receiver) -> None:
    endpoint(sessions, receiver.url)
    expected = [(subject, f"order.n{n}") for n in range(6) for subject in "abcde"]
    happen(sessions, *expected)
    start = threading.Barrier(4)

    def sender() -> None:
        start.wait()
        for _ in range(30):
            sending.deliver(sessions, at_once=2)

    threads = [threading.Thread(target=sender) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(receiver.told()) == Counter(expected)
    for subject in "abcde":
        assert [kind for one, kind in receiver.told() if one == subject] == [f"order.n{n}" for n in range(6)]


# --- where it may go


def looked_up(*addresses: str) -> Any:
    return lambda host, port: list(addresses)


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("http://shop.example/hooks", ("93.184.216.34",)),
        ("https://shop.example/hooks", ("10.0.0.7",)),
        ("https://shop.example/hooks", ("93.184.216.34", "192.168.1.1")),
        ("https://shop.example/hooks", ("169.254.169.254",)),
        ("https://shop.example/hooks", ("::ffff:10.0.0.7",)),
        ("https://shop.example/hooks", ("fd00::1",)),
        ("https://shop.example/hooks", ("2002:0a00:0007::1",)),
        ("https://shop.example/hooks", ("0.0.0.0",)),  # noqa: S104 - an address that is refused
        ("https://shop.example/hooks", ("224.0.0.1",)),
        ("https://shop.example/hooks", ("100.64.0.1",)),
        ("https://user:word@shop.example/", ("93.184.216.34",)),
        ("ftp://shop.example/", ("93.184.216.34",)),
        ("https://", ()),
        ("https://shop.example:99999/", ("93.184.216.34",)),
        ("https://shop.example/" + "x" * 500, ("93.184.216.34",)),
        ("nonsense", ()),
    ],
)
@pytest.mark.parametrize("allow_loopback", [False, True])
def test_nothing_is_sent_into_a_network_of_ours_or_in_the_clear(
    url: str, addresses: tuple[str, ...], allow_loopback: bool
) -> None:
    with pytest.raises(InvalidError):
        target_of(url, allow_loopback=allow_loopback, look_up=looked_up(*addresses))


def test_this_machine_is_reached_in_demo_mode_only() -> None:
    assert target_of("http://localhost:9/x", allow_loopback=True, look_up=looked_up("127.0.0.1")).port == 9
    with pytest.raises(InvalidError, match="https only"):
        target_of("http://localhost:9/x", allow_loopback=False, look_up=looked_up("127.0.0.1"))
    with pytest.raises(InvalidError, match="not a public address"):
        target_of("https://localhost/x", allow_loopback=False, look_up=looked_up("127.0.0.1"))


def test_the_address_that_was_checked_is_the_one_connected_to() -> None:
    target = target_of("https://shop.example/a?b=1", allow_loopback=False, look_up=looked_up("93.184.216.34"))
    assert (target.request_url, target.host_header) == ("https://93.184.216.34:443/a?b=1", "shop.example")


def test_a_name_that_has_come_to_mean_our_own_network_is_not_sent_to() -> None:
    outgoing = Outgoing("d", "e", "retail", "evt", "https://shop.example/", ("whsec_AAAA",), "{}", 1)
    sent = sending.send(outgoing, look_up=looked_up("10.0.0.7"))
    assert (sent.status, sent.error) == (None, "shop.example is not a public address.")


def test_an_endpoint_that_drips_is_given_up_after_the_limit(receiver: Receiver) -> None:
    slow = threading.Event()

    def drip(event: dict[str, Any]) -> tuple[int, bytes]:
        slow.wait(5)
        return 204, b""

    receiver.answer = drip
    outgoing = Outgoing("d", "e", "retail", "evt", receiver.url, ("whsec_AAAA",), "{}", 1)
    sent = sending.send(outgoing, limit_s=0.2)
    slow.set()
    assert (sent.status, sent.error) == (None, "No answer within 0.2 s.")


@pytest.mark.parametrize("types", [(), ("order..x",), ("Order confirmed",), ("x" * 81,), ("*.order",)])
def test_types_that_are_none_are_refused(sessions: Sessions, types: tuple[str, ...]) -> None:
    with sessions.begin() as session, pytest.raises(InvalidError, match="Event types are names"):
        service.add_endpoint(session, "retail", "http://127.0.0.1:9/", types, actor="user:op")
