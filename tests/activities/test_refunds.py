"""Steps of refunds, cancellations, fulfilment and returns on a sold order: each once, and the preview is the result."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from activities.catalogue import StepContext, find_operation
from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, PlatformError, RefusedError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.outbox import events_of
from capabilities.payment.models import PaymentEventRow, PaymentRow
from capabilities.payment.schedule import DueWhen, PlannedDue
from capabilities.payment.schedule_service import write_schedule
from capabilities.transaction import refunds
from capabilities.transaction.after_sale import RefundFilters, RefundState
from capabilities.transaction.contract import ConfirmOrder, FulfilmentStatus, OpenOrder, OrderStatus, RefundStatus
from capabilities.transaction.queries import (
    history_of,
    order_of,
    refund_history_of,
    refund_of,
    refunds_of,
    refunds_page,
)
from capabilities.transaction.refund_queries import count_refunds
from capabilities.transaction.refunds import ALLOWED_REFUNDS
from capabilities.transaction.service import (
    commit_stock,
    confirm_order,
    hold_stock,
    open_order,
    secure_stock,
)
from capabilities.transaction.story_queries import standing_of, story_of, waiting_orders
from capabilities.transaction.unit_queries import fulfilment_status, returns_page, units_of
from tests.builders import a_business, an_offer, an_open_order
from workflows.worker import load_operations

load_operations()


def run(session: Session, name: str, key: str = "k1", **request: Any) -> Any:
    """Run an operation as the interpreter does; `key` is the step's."""
    operation = find_operation(name)
    assert operation.run is not None
    context = StepContext(f"run_{key}", name, f"{key}/{name}", BusinessIdentity("retail"), "api:test", "corr_1")
    return operation.run(session, context, operation.request.model_validate(request))


def sold(session: Session, pieces: int = 3, price: int = 90_00, *, run_id: str = "run_1", paid: bool = True) -> str:
    """A confirmed order of `pieces` of tea, its payment captured."""
    a_business(session)
    an_offer(session, "tea", stock=10)
    order = open_order(session, an_open_order([("tea", pieces)], run_id=run_id, price=price))
    hold_stock(session, order.id)
    secure_stock(session, order.id)
    confirm_order(session, ConfirmOrder(order_id=order.id, payment_id="pay_1"))
    commit_stock(session, order.id)
    if paid:
        pay(session, order.id, order.total_minor)
    return order.id


def pay(session: Session, order_id: str, amount: int, *, position: int = 0) -> None:
    payment = f"pay_{order_id}_{position}"
    session.add(
        PaymentRow(
            id=payment,
            business="retail",
            order_id=order_id,
            provider="simulator",
            method="sim_ok",
            currency="CNY",
            amount_minor=amount,
            position=position,
            created_at=now(),
        )
    )
    for kind in ("charge_request", "charge_success"):
        session.add(
            PaymentEventRow(
                business="retail",
                payment_id=payment,
                kind=kind,
                reference=f"{payment}/c",
                amount_minor=amount,
                occurred_at=now(),
                recorded_at=now(),
                is_counted=True,
                actor="test",
                correlation_id="corr_1",
            )
        )
    session.flush()


def asked(order_id: str, units: int = 1, kind: str = "return", **more: Any) -> dict[str, Any]:
    return {"order_id": order_id, "kind": kind, "lines": [{"line_id": "l1", "units": units}], "reason": "broken"} | more


def test_what_is_previewed_is_given_and_told(session: Session) -> None:
    order_id = sold(session)
    run(session, "transaction.fulfil", order_id=order_id)
    assessed = run(session, "transaction.assess_refund", **asked(order_id))
    assert (assessed.total_minor, assessed.due_minor, assessed.pieces, assessed.share_bps) == (90_00, 90_00, 1, 3333)
    assert (assessed.days_since_confirmed, assessed.days_since_delivered, assessed.is_paid_out) == (0, 0, False)
    opened = run(session, "transaction.open_refund", request=asked(order_id), sha256=assessed.sha256)
    assert (opened.total_minor, opened.due_minor, opened.status) == (90_00, 90_00, RefundStatus.REQUESTED)
    assert run(session, "transaction.open_refund", request=asked(order_id)) == opened
    with pytest.raises(ConflictError) as reused:
        run(session, "transaction.open_refund", request=asked(order_id, 2))
    assert reused.value.code == "transaction.key_reused"
    run(session, "transaction.approve_refund", refund_id=opened.refund_id, actor="user:ann")
    run(session, "transaction.start_refund", refund_id=opened.refund_id)
    done = run(session, "transaction.complete_refund", refund_id=opened.refund_id)
    assert run(session, "transaction.complete_refund", refund_id=opened.refund_id) == done
    refund = refund_of(session, opened.refund_id)
    assert (refund.status, refund.decided_by, refund.number) == (
        RefundStatus.SUCCEEDED,
        "user:ann",
        f"{order_of(session, order_id).number}-R1",
    )
    assert [(share.payment_id, share.amount_minor) for share in refund.sources] == [(f"pay_{order_id}_0", 90_00)]
    assert [change.to_status for change in refund_history_of(session, refund.id)] == [
        RefundStatus.REQUESTED,
        RefundStatus.APPROVED,
        RefundStatus.PROCESSING,
        RefundStatus.SUCCEEDED,
    ]
    told = [event.type for event in events_of(session, order_id) if event.type.startswith("refund.")]
    assert told == ["refund.requested", "refund.approved", "refund.processing", "refund.succeeded"]
    receipt = run(session, "transaction.refund_receipt", refund_id=refund.id)
    assert (receipt.total_minor, receipt.order_number) == (90_00, order_of(session, order_id).number)


def test_another_preview_than_the_one_shown_is_a_conflict(session: Session) -> None:
    order_id = sold(session)
    run(session, "transaction.fulfil", order_id=order_id)
    shown = run(session, "transaction.assess_refund", **asked(order_id))
    run(session, "transaction.open_refund", "other", request=asked(order_id))
    with pytest.raises(ConflictError) as caught:
        run(session, "transaction.open_refund", request=asked(order_id), sha256=shown.sha256)
    assert caught.value.code == "transaction.refund_changed"
    assert len(refunds_of(session, order_id)) == 1


def test_a_fee_is_kept_of_what_goes_back(session: Session) -> None:
    order_id = sold(session)
    effects = [{"kind": "auto", "fee_bps": 1000, "fee_minor": 1_00}]
    refund = asked(order_id, 3, "cancellation")
    opened = run(session, "transaction.open_refund", request=refund, effects=effects)
    assert (opened.total_minor, opened.fee_minor, opened.due_minor) == (270_00, 28_00, 242_00)


@pytest.mark.parametrize(
    ("request_of", "code"),
    [
        (lambda order: asked(order, 1), "transaction.units_not_refundable"),
        (lambda order: asked(order, 4, "cancellation"), "transaction.units_not_refundable"),
        (lambda order: {"order_id": order, "kind": "goodwill", "amount_minor": 270_01}, "transaction.refund_exceeded"),
        (lambda order: {"order_id": order, "kind": "goodwill"}, "transaction.refund_empty"),
        (lambda order: asked(order, 1, amount_minor=1), "transaction.refund_empty"),
    ],
)
def test_what_cannot_be_given_back_is_refused(
    session: Session, request_of: Callable[[str], dict[str, Any]], code: str
) -> None:
    order_id = sold(session)
    with pytest.raises(RefusedError) as caught:
        run(session, "transaction.open_refund", request=request_of(order_id))
    assert caught.value.code == code
    assert refunds_of(session, order_id) == ()


def test_an_order_that_was_never_paid_gives_nothing_back(session: Session) -> None:
    a_business(session)
    an_offer(session, "tea")
    order = open_order(session, an_open_order())
    with pytest.raises(RefusedError) as caught:
        run(session, "transaction.assess_refund", **asked(order.id))
    assert caught.value.code == "transaction.refund_unpaid"


def test_a_cancelled_unit_is_open_again_when_its_refund_is_refused(session: Session) -> None:
    order_id = sold(session)
    opened = run(session, "transaction.open_refund", request=asked(order_id, 2, "cancellation"))
    (line,) = units_of(session, order_id)
    assert (line.cancelled, line.refunded, line.open) == (2, 2, 1)
    run(session, "transaction.restock", order_id=order_id)
    assert _on_hand(session) == 7, "what nobody has decided about stays off the shelf"
    run(session, "transaction.refuse_refund", refund_id=opened.refund_id, reason="no")
    (line,) = units_of(session, order_id)
    assert (line.cancelled, line.refunded, line.open) == (0, 0, 3)


def test_cancelling_all_ends_the_order_and_fills_the_shelf_once(session: Session) -> None:
    order_id = sold(session)
    done = run(session, "transaction.cancel", order_id=order_id, reason="changed my mind")
    assert (done.status, [(line.line_id, line.units) for line in done.lines]) == (OrderStatus.CANCELLED, [("l1", 3)])
    assert run(session, "transaction.cancel", order_id=order_id, reason="changed my mind") == done
    for _ in range(2):
        run(session, "transaction.restock", order_id=order_id)
    run(session, "transaction.restock", "again", order_id=order_id)
    assert _on_hand(session) == 10
    opened = run(session, "transaction.open_refund", request=asked(order_id, 3, "cancellation"))
    assert opened.due_minor == 270_00
    last = history_of(session, order_id)[-1]
    assert (last.to_status, last.reason) == (OrderStatus.CANCELLED, "changed my mind")
    assert next(event.type for event in events_of(session, order_id)) == "order.cancelled"


def test_an_order_is_handed_over_in_parts_then_completed(session: Session) -> None:
    order_id = sold(session)
    first = run(session, "transaction.fulfil", order_id=order_id, lines=[{"line_id": "l1", "units": 2}], tracking="T1")
    assert (
        run(session, "transaction.fulfil", order_id=order_id, lines=[{"line_id": "l1", "units": 2}], tracking="T1")
        == first
    )
    assert fulfilment_status(units_of(session, order_id)) is FulfilmentStatus.PARTLY
    with pytest.raises(ConflictError):
        run(session, "transaction.complete", order_id=order_id)
    with pytest.raises(RefusedError) as short:
        run(session, "transaction.fulfil", "k2", order_id=order_id, lines=[{"line_id": "l1", "units": 2}])
    assert short.value.details["left"] == 1
    assert run(session, "transaction.fulfil", "k3", order_id=order_id).status is OrderStatus.FULFILLED
    assert run(session, "transaction.complete", order_id=order_id).status is OrderStatus.COMPLETED
    assert run(session, "transaction.complete", order_id=order_id).status is OrderStatus.COMPLETED
    assert [change.to_status for change in history_of(session, order_id)][-2:] == [
        OrderStatus.FULFILLED,
        OrderStatus.COMPLETED,
    ]


def test_a_return_comes_back_to_the_shelf_or_is_thrown_away(session: Session) -> None:
    order_id = sold(session)
    run(session, "transaction.fulfil", order_id=order_id)
    lines = [{"line_id": "l1", "units": 2}]
    made = run(session, "transaction.request_return", order_id=order_id, lines=lines, reason="too big")
    with pytest.raises(RefusedError) as caught:
        run(session, "transaction.request_return", "k2", order_id=order_id, lines=lines)
    assert (caught.value.code, caught.value.details["left"]) == ("transaction.units_not_returnable", 1)
    arrived = [{"line_id": "l1", "restock": 1, "discard": 1}]
    got = run(session, "transaction.receive_return", return_id=made.id, lines=arrived)
    assert run(session, "transaction.receive_return", return_id=made.id, lines=arrived) == got
    (line,) = units_of(session, order_id)
    assert (line.returned, line.restocked, _on_hand(session)) == (2, 1, 8)
    opened = run(session, "transaction.open_refund", request=asked(order_id, 2, return_id=made.id))
    closed = run(session, "transaction.close_return", return_id=made.id)
    assert (closed.status, closed.refund_id) == ("closed", opened.refund_id)
    run(session, "transaction.restock", order_id=order_id)
    assert _on_hand(session) == 8, "what was thrown away does not come back"


def test_two_sources_get_back_by_what_is_left_of_them(session: Session) -> None:
    order_id = sold(session, paid=False)
    pay(session, order_id, 100_00)
    pay(session, order_id, 170_00, position=1)
    preview = run(session, "transaction.assess_refund", order_id=order_id, kind="goodwill", amount_minor=27_01).preview
    assert [share.amount_minor for share in preview.sources] == [10_00, 17_01]


def test_what_was_never_paid_is_taken_off_first(session: Session) -> None:
    order_id = sold(session, paid=False)
    pay(session, order_id, 100_00)
    later = PlannedDue(when=DueWhen.AT, amount_minor=170_00, due_at=now() + timedelta(days=30))
    owed = {"business": "retail", "order_id": order_id, "buyer_id": None, "currency": "CNY"}
    write_schedule(session, **owed, planned=[later])
    opened = run(session, "transaction.open_refund", request=asked(order_id, 2, "cancellation"))
    assert (opened.total_minor, opened.unpaid_minor, opened.due_minor) == (180_00, 170_00, 10_00)


def test_a_refund_that_fails_frees_its_units_and_says_why(session: Session) -> None:
    order_id = sold(session)
    run(session, "transaction.fulfil", order_id=order_id)
    first = run(session, "transaction.open_refund", request=asked(order_id))
    second = run(session, "transaction.open_refund", "k2", request=asked(order_id))
    run(session, "transaction.approve_refund", refund_id=first.refund_id)
    failed = run(session, "transaction.fail_refund", refund_id=first.refund_id)
    assert run(session, "transaction.fail_refund", refund_id=first.refund_id) == failed
    assert refund_of(session, first.refund_id).status_reason == "The refund came to nothing."
    run(session, "transaction.approve_refund", refund_id=second.refund_id)
    run(session, "transaction.complete_refund", refund_id=second.refund_id)
    with pytest.raises(ConflictError) as caught:
        run(session, "transaction.fail_refund", refund_id=second.refund_id)
    assert caught.value.code == "transaction.refund_status_conflict"
    rest = run(session, "transaction.open_refund", "k3", request=asked(order_id, 2))
    assert (second.total_minor + rest.total_minor, units_of(session, order_id)[0].refunded) == (270_00, 3)


def test_money_that_came_back_to_us_is_kept_again(session: Session) -> None:
    order_id = sold(session)
    run(session, "transaction.fulfil", order_id=order_id)
    opened = run(session, "transaction.open_refund", request=asked(order_id, 3))
    run(session, "transaction.approve_refund", refund_id=opened.refund_id)
    run(session, "transaction.complete_refund", refund_id=opened.refund_id)
    assert standing_of(session, order_id).refunded is RefundState.REFUNDED
    run(session, "transaction.reverse_refund", refund_id=opened.refund_id, reason="account closed")
    standing = standing_of(session, order_id)
    assert (standing.refunded, standing.kept_minor, standing.units[0].refunded) == (RefundState.NONE, 270_00, 0)


@pytest.mark.parametrize("start", RefundStatus)
@pytest.mark.parametrize("to", RefundStatus)
def test_every_pair_of_a_refunds_states_is_allowed_or_a_conflict(
    session: Session, start: RefundStatus, to: RefundStatus
) -> None:
    order_id = sold(session)
    opened = run(session, "transaction.open_refund", request=asked(order_id, 1, "cancellation"))
    for step in WAYS[start]:
        ACTS[step](session, opened.refund_id)
    if to is RefundStatus.REQUESTED:
        return
    skips_processing = (start, to) == (RefundStatus.APPROVED, RefundStatus.SUCCEEDED)
    if to in ALLOWED_REFUNDS[start] or to is start or skips_processing:
        ACTS[to](session, opened.refund_id)
        assert refund_of(session, opened.refund_id).status is to
    else:
        with pytest.raises(ConflictError):
            ACTS[to](session, opened.refund_id)
        assert refund_of(session, opened.refund_id).status is start


ACTS: dict[RefundStatus, Callable[[Session, str], Any]] = {
    RefundStatus.APPROVED: lambda session, refund: refunds.approve_refund(session, refund, actor="ann"),
    RefundStatus.PROCESSING: lambda session, refund: refunds.start_refund(session, refund, actor="ann"),
    RefundStatus.SUCCEEDED: lambda session, refund: refunds.complete_refund(session, refund, actor="ann"),
    RefundStatus.REFUSED: lambda session, refund: refunds.refuse_refund(session, refund, actor="ann", reason="no"),
    RefundStatus.FAILED: lambda session, refund: refunds.fail_refund(session, refund, actor="ann", reason="no"),
    RefundStatus.REVERSED: lambda session, refund: refunds.reverse_refund(session, refund, actor="ann", reason="no"),
}
DONE = [RefundStatus.APPROVED, RefundStatus.PROCESSING, RefundStatus.SUCCEEDED]
WAYS: dict[RefundStatus, list[RefundStatus]] = {
    RefundStatus.REQUESTED: [],
    RefundStatus.APPROVED: DONE[:1],
    RefundStatus.PROCESSING: DONE[:2],
    RefundStatus.SUCCEEDED: DONE,
    RefundStatus.REFUSED: [RefundStatus.REFUSED],
    RefundStatus.FAILED: [RefundStatus.FAILED],
    RefundStatus.REVERSED: [*DONE, RefundStatus.REVERSED],
}


def test_the_story_and_the_counts_tell_what_happened_and_what_waits(session: Session) -> None:
    order_id = sold(session)
    run(session, "transaction.fulfil", order_id=order_id, lines=[{"line_id": "l1", "units": 1}], tracking="T1")
    back = run(session, "transaction.request_return", order_id=order_id, lines=[{"line_id": "l1", "units": 1}])
    opened = run(session, "transaction.open_refund", request=asked(order_id))
    waiting = waiting_orders(session, "retail")
    assert (waiting.to_hand_over, waiting.refunds_to_decide, waiting.returns_to_receive) == (1, 1, 1)
    run(session, "transaction.approve_refund", refund_id=opened.refund_id)
    run(session, "transaction.receive_return", return_id=back.id)
    waiting = waiting_orders(session, "retail")
    assert (waiting.refunds_to_decide, waiting.refunds_under_way, waiting.returns_to_close) == (0, 1, 1)
    told = [(entry.kind, entry.what) for entry in story_of(session, order_id)]
    assert told == [
        ("order", "placed"),
        ("order", "confirmed"),
        ("fulfilment", "handed_over"),
        ("return", "requested"),
        ("refund", "requested"),
        ("refund", "approved"),
        ("return", "received"),
    ]
    page = refunds_page(session, RefundFilters(business="retail", statuses=(RefundStatus.APPROVED,)))
    assert [found.id for found in page.refunds] == [opened.refund_id]
    assert count_refunds(session, RefundFilters(business="retail", text="broken")) == 1
    assert [found.id for found in returns_page(session, "retail").returns] == [back.id]


def test_pages_of_refunds_go_on_where_the_last_ended(session: Session) -> None:
    order_id = sold(session)
    ids = [
        run(session, "transaction.open_refund", f"k{n}", request=asked(order_id, 1, "cancellation")).refund_id
        for n in range(3)
    ]
    first = refunds_page(session, RefundFilters(business="retail", order_id=order_id), limit=2)
    second = refunds_page(session, RefundFilters(business="retail", order_id=order_id), first.next_cursor, limit=2)
    assert [found.id for found in (*first.refunds, *second.refunds)] == ids[::-1]
    assert second.next_cursor is None


def test_a_hold_is_extended_within_its_bound_and_not_once_it_ran_out(session: Session) -> None:
    a_business(session)
    an_offer(session, "tea", stock=10)
    order = open_order(session, an_open_order([("tea", 1)]))
    held = hold_stock(session, order.id)
    longer = run(session, "transaction.extend_reservation", order_id=order.id, minutes=60)
    assert held.expires_at is not None
    assert longer.expires_at > held.expires_at
    assert run(session, "transaction.extend_reservation", order_id=order.id, minutes=1).expires_at == longer.expires_at
    most = run(session, "transaction.extend_reservation", order_id=order.id, minutes=31 * 24 * 60)
    assert most.expires_at == order.placed_at + timedelta(days=8)
    with time_machine.travel(now() + timedelta(days=9)), pytest.raises(RefusedError) as caught:
        run(session, "transaction.extend_reservation", order_id=order.id, minutes=60)
    assert caught.value.code == "transaction.nothing_held"


def test_an_order_that_is_undone_says_why(session: Session) -> None:
    a_business(session)
    an_offer(session, "tea")
    order = open_order(session, an_open_order())
    run(session, "transaction.close", order_id=order.id)
    assert order_of(session, order.id).status_reason == "The checkout was undone and stopped."


# --- at the same time -------------------------------------------------------------------------------------------


def _on_hand(session: Session) -> int:
    return int(session.execute(text("SELECT on_hand FROM stock WHERE sku = 'tea'")).scalar_one())


def _together(sessions: sessionmaker[Session], acts: list[Callable[[Session], Any]]) -> list[Any]:
    def one(act: Callable[[Session], Any]) -> Any:
        try:
            with sessions() as session, session.begin():
                return act(session)
        except PlatformError as error:
            return error.code

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(one, acts))


def test_of_twenty_refunds_of_one_unit_one_is_opened(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        order_id = sold(session, 1)
        run(session, "transaction.fulfil", order_id=order_id)
    results = _together(
        sessions,
        [
            lambda session, key=f"t{n}": run(session, "transaction.open_refund", key, request=asked(order_id))  # type: ignore[misc]
            for n in range(20)
        ],
    )
    assert (
        sorted(str(found) for found in results if isinstance(found, str)) == ["transaction.units_not_refundable"] * 19
    )
    with sessions() as session:
        (refund,) = refunds_of(session, order_id)
        assert (refund.total_minor, units_of(session, order_id)[0].refunded) == (90_00, 1)


def test_of_handing_over_and_cancelling_the_last_unit_one_wins(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        order_id = sold(session, 1)
    _together(
        sessions,
        [
            lambda session: run(session, "transaction.fulfil", order_id=order_id),
            lambda session: run(session, "transaction.cancel", order_id=order_id),
        ],
    )
    with sessions() as session:
        (line,) = units_of(session, order_id)
        assert line.fulfilled + line.cancelled == 1
        expected = OrderStatus.FULFILLED if line.fulfilled else OrderStatus.CANCELLED
        assert order_of(session, order_id).status is expected


def _placed(sessions: sessionmaker[Session]) -> str:
    with sessions.begin() as session:
        a_business(session)
        an_offer(session, "tea", stock=10)
        placed: OpenOrder = an_open_order([("tea", 1)])
        order = open_order(session, placed)
        hold_stock(session, order.id)
        return order.id


def test_of_cancelling_and_confirming_one_wins(sessions: sessionmaker[Session]) -> None:
    order_id = _placed(sessions)

    def confirm(session: Session) -> None:
        secure_stock(session, order_id)
        confirm_order(session, ConfirmOrder(order_id=order_id, payment_id="pay_1"))
        commit_stock(session, order_id)

    _together(sessions, [confirm, lambda session: run(session, "transaction.cancel", order_id=order_id)])
    with sessions() as session:
        order = order_of(session, order_id)
        assert order.status is OrderStatus.CANCELLED, "cancelled before it was confirmed, or all its units after"
        assert _on_hand(session) == (9 if order.confirmed_at else 10)


def test_what_was_cancelled_is_not_captured(sessions: sessionmaker[Session]) -> None:
    order_id = _placed(sessions)
    with sessions.begin() as session:
        run(session, "transaction.cancel", order_id=order_id, reason="buyer asked")
    with sessions() as session, pytest.raises(RefusedError) as caught:
        secure_stock(session, order_id)
    assert caught.value.code == "transaction.order_not_open"
    with sessions() as session:
        assert order_of(session, order_id).status_reason == "buyer asked"
