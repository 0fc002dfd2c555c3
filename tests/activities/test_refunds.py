"""Steps of refunds, cancellations, fulfilment and returns on a sold order: each once, and the preview is the result."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from activities.catalogue import StepContext, find_operation
from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, PlatformError, RefusedError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.outbox import events_of
from capabilities.payment.models import PaymentEventRow, PaymentRow
from capabilities.transaction.contract import ConfirmOrder, FulfilmentStatus, OpenOrder, OrderStatus, RefundStatus
from capabilities.transaction.queries import history_of, order_of, refund_history_of, refund_of, refunds_of
from capabilities.transaction.service import (
    commit_stock,
    confirm_order,
    hold_stock,
    open_order,
    secure_stock,
)
from capabilities.transaction.unit_queries import fulfilment_status, units_of
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
    opened = run(session, "transaction.open_refund", request=asked(order_id, 2, "cancellation"))
    assert (opened.total_minor, opened.unpaid_minor, opened.due_minor) == (180_00, 170_00, 10_00)


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
