"""Asking a provider: once a key, whatever happens on the way."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, InvalidError, UnavailableError
from capabilities.payment import asking, intents
from capabilities.payment.contract import PaymentAmounts, PaymentStatus, PreparePayment
from capabilities.payment.intents import PaymentStand, resumed, stand_of
from capabilities.payment.models import PaymentEventRow, SimulatedActRow
from capabilities.payment.queries import payment_of, payment_of_order
from capabilities.payment.service import Origin

ORIGIN = Origin(actor="tester", correlation_id="cor_1")
TOTAL = 4_575


class Till:
    """A process in small: intend, ask and record, each committed on its own."""

    def __init__(self, sessions, order_id="ord_1", total=TOTAL):
        self.sessions, self.order_id, self.total = sessions, order_id, total

    def _finish(self, intent, asking):
        answer = asking(intent)
        with self.sessions.begin() as session:
            return intents.record_answer(session, intent, answer, origin=ORIGIN)

    def intend_authorization(self, method="sim_ok", key="authorize"):
        asked = PreparePayment(
            business="retail", order_id=self.order_id, method=method, currency="CNY", amount_minor=self.total
        )
        with self.sessions.begin() as session:
            return intents.intend_authorization(session, asked, key=key, origin=ORIGIN)

    def intend_capture(self, key="capture"):
        with self.sessions.begin() as session:
            return intents.intend_capture(session, self.order_id, key=key, origin=ORIGIN)

    def authorize(self, method="sim_ok", key="authorize"):
        return self._finish(self.intend_authorization(method, key), intents.ask)

    def capture(self, key="capture"):
        return self._finish(self.intend_capture(key), intents.ask)

    def void(self, key="void"):
        with self.sessions.begin() as session:
            intent = intents.intend_void(session, self.order_id, key=key, origin=ORIGIN)
        return self._finish(intent, intents.ask)

    def refund(self, key="refund"):
        with self.sessions.begin() as session:
            intent = intents.intend_refund(session, self.order_id, key=key, origin=ORIGIN)
        return self._finish(intent, intents.ask)

    def find_out(self):
        with self.sessions.begin() as session:
            intent = intents.intend_finding_out(session, self.payment().id)
        return self._finish(intent, intents.find_out)

    def payment(self):
        with self.sessions() as session:
            return payment_of_order(session, self.order_id)

    def acts(self):
        """What the provider did: (action, outcome, calls, acts)."""
        with self.sessions() as session:
            rows = session.scalars(select(SimulatedActRow).order_by(SimulatedActRow.done_at, SimulatedActRow.action))
            return [(row.action, row.outcome, row.calls, row.acts) for row in rows]


@pytest.fixture
def till(sessions, simulator):
    return Till(sessions)


def test_a_payment_is_authorized_and_captured_in_full(till):
    assert till.authorize().amounts == PaymentAmounts(authorized_minor=TOTAL)
    captured = till.capture()

    assert captured.amounts == PaymentAmounts(charged_minor=TOTAL)
    assert captured.status is PaymentStatus.CAPTURED
    assert till.acts() == [("authorize", "succeeded", 1, 1), ("capture", "succeeded", 1, 1)]


def test_a_decline_is_a_result_with_its_reason(till):
    payment = till.authorize("sim_declined")

    assert stand_of(payment) is PaymentStand.DECLINED
    assert (payment.status, payment.status_reason) == (PaymentStatus.DECLINED, "card_declined")
    assert payment.amounts == PaymentAmounts()


def test_a_second_capture_changes_nothing(till):
    till.authorize()
    till.capture()
    again = till.capture(key="another step")

    assert again.amounts == PaymentAmounts(charged_minor=TOTAL)
    assert till.acts() == [("authorize", "succeeded", 1, 1), ("capture", "succeeded", 1, 1)]


def test_of_many_captures_at_once_one_takes_the_money(till):
    till.authorize()
    with ThreadPoolExecutor(8) as pool:
        stands = list(pool.map(lambda n: stand_of(till.capture(key=f"step {n}")), range(16)))

    assert set(stands) <= {PaymentStand.CAPTURED, PaymentStand.UNKNOWN}
    assert till.payment().amounts == PaymentAmounts(charged_minor=TOTAL)
    assert [(action, acts) for action, _, _, acts in till.acts()] == [("authorize", 1), ("capture", 1)]


def test_the_request_is_stored_before_the_call(till):
    intent = till.intend_authorization()

    assert till.acts() == []
    assert [(event.kind, event.reference) for event in till.payment().events] == [
        ("authorization_request", intent.call.key)
    ]


def test_an_attempt_that_broke_off_after_the_call_finds_the_answer_at_the_provider(till):
    till.authorize()
    intent = till.intend_capture()
    intents.ask(intent)  # and the worker dies before it records the answer

    payment = till._finish(resumed(intent), intents.ask)

    assert payment.amounts == PaymentAmounts(charged_minor=TOTAL)
    assert till.acts()[1] == ("capture", "succeeded", 1, 1)


def test_an_attempt_that_broke_off_before_the_call_is_sent(till):
    till.authorize()
    intent = till.intend_capture()

    assert till._finish(resumed(intent), intents.ask).status is PaymentStatus.CAPTURED
    assert till.acts()[1] == ("capture", "succeeded", 1, 1)


def test_a_key_sent_twice_all_the_same_moves_money_once(till, simulator):
    intent = till.intend_authorization()
    assert simulator.send(intent.call) == simulator.send(intent.call)

    assert till.acts() == [("authorize", "succeeded", 2, 1)]


def test_recording_an_answer_twice_changes_nothing(till):
    intent = till.intend_authorization()
    answer = intents.ask(intent)
    first, second = (till._finish(intent, lambda _: answer) for _ in range(2))

    assert first == second
    assert len(second.events) == 2


def test_an_answer_told_twice_is_one_event(till):
    till.authorize("sim_twice")
    payment = till.capture()

    assert payment.amounts == PaymentAmounts(charged_minor=TOTAL)
    assert len(payment.events) == 4


def test_a_lost_answer_is_unknown_until_the_provider_is_asked(till, short_limit):
    assert stand_of(till.authorize("sim_timeout_done")) is PaymentStand.UNKNOWN
    assert till.payment().amounts == PaymentAmounts(authorize_pending_minor=TOTAL)

    assert stand_of(till.find_out()) is PaymentStand.AUTHORIZED
    assert till.payment().amounts == PaymentAmounts(authorized_minor=TOTAL)
    assert till.acts() == [("authorize", "succeeded", 1, 1)]


def test_a_late_answer_is_unknown_then_found(till, short_limit):
    assert stand_of(till.authorize("sim_late_1500")) is PaymentStand.UNKNOWN
    with pytest.raises(UnavailableError) as error:
        till.find_out()
    assert error.value.code == "payment.outcome_unknown"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("capabilities.payment.providers.simulator.now", lambda: now() + timedelta(seconds=3))
        assert stand_of(till.find_out()) is PaymentStand.AUTHORIZED


def test_an_answer_within_the_limit_is_just_an_answer(till):
    assert stand_of(till.authorize("sim_late_20")) is PaymentStand.AUTHORIZED


def test_what_the_provider_never_heard_of_is_withdrawn_after_a_while_and_cannot_happen_later(
    till, simulator, monkeypatch, short_limit
):
    intent = till.intend_authorization("sim_timeout")
    assert stand_of(till._finish(intent, intents.ask)) is PaymentStand.UNKNOWN
    with pytest.raises(UnavailableError):
        till.find_out()

    monkeypatch.setattr(asking, "now", lambda: now() + timedelta(seconds=3))
    payment = till.find_out()

    assert (stand_of(payment), payment.status_reason) == (PaymentStand.DECLINED, "voided_before_arrival")
    late = simulator.send(intent.call.model_copy(update={"method": "sim_ok"}))
    assert [(report.outcome, report.reason) for report in late] == [("declined", "voided_before_arrival")]


def test_a_declined_capture_fails_and_the_authorization_can_be_voided(till):
    till.authorize("sim_capture_declined")
    payment = till.capture()
    assert stand_of(payment) is PaymentStand.FAILED
    assert payment.amounts == PaymentAmounts(authorized_minor=TOTAL)

    assert till.void().amounts == PaymentAmounts(cancelled_minor=TOTAL)


def test_an_open_capture_is_found(till, short_limit):
    till.authorize("sim_capture_timeout_done")
    assert stand_of(till.capture()) is PaymentStand.UNKNOWN
    assert stand_of(till.find_out()) is PaymentStand.CAPTURED
    assert till.acts()[1] == ("capture", "succeeded", 1, 1)


def test_undoing_an_unknown_capture_that_happened_gives_the_money_back(till, short_limit):
    till.authorize("sim_capture_timeout_done")
    till.capture()
    till.refund()
    payment = till.void()

    assert payment.amounts == PaymentAmounts(refunded_minor=TOTAL)
    assert [(action, acts) for action, _, _, acts in till.acts()] == [("authorize", 1), ("capture", 1), ("refund", 1)]


def test_undoing_an_unknown_capture_that_never_happened_refunds_nothing_and_voids(till, simulator, short_limit):
    till.authorize("sim_capture_timeout")
    intent = till.intend_capture()
    till._finish(intent, intents.ask)
    assert till.refund().amounts == PaymentAmounts(cancelled_minor=TOTAL)
    payment = till.void()

    assert payment.amounts == PaymentAmounts(cancelled_minor=TOTAL)
    late = simulator.send(intent.call.model_copy(update={"method": "sim_ok"}))
    assert [(report.outcome, report.reason) for report in late] == [("declined", "voided")]


def test_a_capture_that_arrives_while_it_is_undone_is_given_back(till, simulator, short_limit, monkeypatch):
    """The provider has not heard of it when it is asked, and takes the money a moment later."""
    till.authorize("sim_capture_timeout")
    intent = till.intend_capture()
    till._finish(intent, intents.ask)
    look_up = simulator.look_up

    def too_early(call):
        found = look_up(call)
        if call.key == intent.call.key and found is None:
            simulator.send(intent.call.model_copy(update={"method": "sim_ok"}))
        return found

    monkeypatch.setattr(simulator, "look_up", too_early)
    till.refund()
    payment = till.void()

    assert payment.amounts == PaymentAmounts(refunded_minor=TOTAL)
    assert [(action, acts) for action, outcome, _, acts in till.acts() if outcome == "succeeded"] == [
        ("authorize", 1),
        ("capture", 1),
        ("refund", 1),
    ]


def test_undoing_an_unknown_authorization_that_happened_voids_it(till, short_limit):
    till.authorize("sim_timeout_done")

    assert till.void().amounts == PaymentAmounts(cancelled_minor=TOTAL)


def test_undoing_an_unknown_authorization_that_never_arrived_keeps_it_from_arriving(till, simulator, short_limit):
    intent = till.intend_authorization("sim_timeout")
    till._finish(intent, intents.ask)

    assert till.void().amounts == PaymentAmounts()
    assert simulator.send(intent.call.model_copy(update={"method": "sim_ok"}))[0].outcome == "declined"


def test_undo_with_nothing_to_undo_asks_nobody(till):
    assert till.void() is None
    assert till.refund() is None
    till.authorize("sim_declined")

    assert till.void().amounts == PaymentAmounts()
    assert till.refund().amounts == PaymentAmounts()
    assert till.acts() == [("authorize", "declined", 1, 0)]


def test_undo_twice_is_undo_once(till):
    till.authorize()
    till.capture()
    for _ in range(2):
        till.refund()
        till.void()

    assert till.payment().amounts == PaymentAmounts(refunded_minor=TOTAL)
    assert till.payment().status is PaymentStatus.REFUNDED
    assert till.acts()[2:] == [("refund", "succeeded", 1, 1)]


def test_what_the_provider_is_still_working_on_is_not_undone_yet(till, short_limit):
    till.authorize("sim_capture_late_1500")
    till.capture()
    with pytest.raises(UnavailableError) as error:
        till.refund()
    assert error.value.code == "payment.still_processing"


def test_an_order_that_costs_nothing_asks_no_provider(sessions, simulator):
    till = Till(sessions, total=0)

    assert stand_of(till.authorize()) is PaymentStand.AUTHORIZED
    assert till.capture().status is PaymentStatus.NOTHING_DUE
    assert till.void().status is PaymentStatus.NOTHING_DUE
    assert till.acts() == []


def test_a_buyer_who_was_declined_may_try_another_method(till):
    till.authorize("sim_declined")
    payment = till.authorize("sim_ok", key="authorize again")

    assert (stand_of(payment), payment.method) == (PaymentStand.AUTHORIZED, "sim_ok")
    assert till.capture().amounts == PaymentAmounts(charged_minor=TOTAL)


def test_another_amount_for_the_same_order_conflicts(till):
    till.authorize()
    till.total += 1
    with pytest.raises(ConflictError) as error:
        till.authorize()
    assert error.value.code == "payment.amount_changed"


def test_an_unknown_method_is_invalid_and_nothing_is_written(till):
    for method in ("card", "sim_", "sim_late_", "sim_late_1234567", "sim_okay"):
        with pytest.raises(InvalidError) as error:
            till.authorize(method)
        assert error.value.code == "payment.method_unknown"
    assert till.payment() is None


@pytest.mark.parametrize("statement", ["UPDATE payment_event SET amount_minor = 1", "DELETE FROM payment_event"])
def test_events_can_neither_be_changed_nor_deleted(till, sessions, statement):
    till.authorize()
    with pytest.raises(DBAPIError, match="append-only"), sessions.begin() as session:
        session.execute(text(statement))
    with sessions() as session:
        assert session.execute(select(func.count()).select_from(PaymentEventRow)).scalar_one() == 2


def test_a_payment_can_be_asked_for_by_its_id(till, sessions):
    payment = till.authorize()
    with sessions() as session:
        assert payment_of(session, payment.id) == payment


def test_an_open_capture_asked_for_again_is_looked_up_and_not_sent_again(till, short_limit):
    till.authorize("sim_capture_timeout_done")
    till.capture()
    payment = till.capture(key="another step")

    assert payment.amounts == PaymentAmounts(charged_minor=TOTAL)
    assert till.acts()[1] == ("capture", "succeeded", 1, 1)


def test_what_is_asked_for_by_an_older_release_is_read_as_it_was(till):
    """An intent in the journal of a running process knows nothing of further payments."""
    intent = till.intend_authorization()
    old = intent.model_dump(mode="json", exclude={"others", "refund_id", "is_taken"})
    del old["call"]["authorization_id"]

    payment = till._finish(resumed(intents.Intent.model_validate(old)), intents.ask)
    assert payment.status is PaymentStatus.AUTHORIZED
