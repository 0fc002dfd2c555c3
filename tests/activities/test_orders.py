"""The steps of a checkout that open, hold, confirm and close an order, and the receipt."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from pydantic import BaseModel
from sqlalchemy.orm import Session, sessionmaker

from activities import after_sale, receipt, refunds, transaction, user  # noqa: F401 - imported for the operations they declare
from activities.catalogue import StepContext, find_operation, operations
from activities.expiry import Expired, expire_overdue
from activities.journal.models import ProcessRun, RunStatus
from activities.pricing import PricedCheckout
from activities.receipt import Receipt, receipt_of
from activities.transaction import OpenedOrder
from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, MissingError, RefusedError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.outbox import events_of
from capabilities.transaction.contract import CheckoutLine, CheckoutRequest, OfferKind, OrderStatus
from capabilities.transaction.queries import offers_of, order_of, reservations_of
from capabilities.transaction.service import hold_stock, open_order
from capabilities.user.contract import AdmittedBuyer, EnrolBuyer, Tier
from capabilities.user.queries import buyer_of
from capabilities.user.service import enrol_buyer
from tests.builders import a_business, an_offer, an_open_order


def run(session: Session, name: str, run_id: str = "run_1", **request: object) -> BaseModel:
    """Run an operation as the interpreter does: by its name in the catalogue."""
    operation = find_operation(name)
    assert operation.run is not None
    context = StepContext(run_id, name, f"{run_id}/{name}", BusinessIdentity("retail"), "api:test", "corr_1")
    return operation.run(session, context, operation.request.model_validate(request))


@pytest.fixture
def shop(session: Session) -> Session:
    a_business(session)
    an_offer(session, "tea", price=100_00, stock=10)
    an_offer(session, "post", kind=OfferKind.DELIVERY, stock=None, price=8_00, tax_rate_bps=900)
    enrol_buyer(session, EnrolBuyer(business="retail", id="b_1", name="Li Na", tier=Tier.GOLD))
    return session


def checkout(quantity: int = 2) -> CheckoutRequest:
    return CheckoutRequest(
        business="retail",
        channel="shop",
        currency="CNY",
        buyer_id="b_1",
        lines=(CheckoutLine(sku="tea", quantity=quantity),),
        delivery_sku="post",
    )


def opened(session: Session, run_id: str = "run_1", quantity: int = 2) -> OpenedOrder:
    asked = checkout(quantity).model_dump(mode="json")
    buyer = run(session, "user.admit", run_id, business="retail", buyer_id="b_1")
    assert isinstance(buyer, AdmittedBuyer)
    priced = run(session, "marketing.price", run_id, checkout=asked, buyer=buyer.model_dump())
    assert isinstance(priced, PricedCheckout)
    order = run(session, "transaction.open", run_id, checkout=asked, buyer=buyer.model_dump(), quote_id=priced.quote_id)
    assert isinstance(order, OpenedOrder)
    return order


def test_an_order_is_opened_as_quoted(shop: Session) -> None:
    answer = opened(shop)
    order = order_of(shop, answer.order_id)
    assert (answer.total_minor, answer.currency, answer.number) == (208_00, "CNY", order.number)
    assert (order.run_id, order.buyer_id, order.channel) == ("run_1", "b_1", "shop")
    assert (order.goods_gross_minor, order.delivery_minor, order.tax_minor) == (200_00, 8_00, 23_01 + 66)
    assert [(line.line_id, line.kind, line.total_minor) for line in order.lines] == [
        ("l1", OfferKind.GOODS, 200_00),
        ("d1", OfferKind.DELIVERY, 8_00),
    ]


def test_the_same_run_opens_one_order(shop: Session) -> None:
    assert opened(shop) == opened(shop)
    assert opened(shop, "run_2").order_id != opened(shop).order_id


def test_a_confirmed_order_takes_the_stock_counts_for_the_buyer_and_tells_the_world_once(shop: Session) -> None:
    order_id = opened(shop).order_id
    assert run(shop, "transaction.hold_stock", order_id=order_id).model_dump()["held"] == 1
    first = run(shop, "transaction.confirm", order_id=order_id, payment_id="pay_1")
    again = run(shop, "transaction.confirm", order_id=order_id, payment_id="pay_1")
    assert again == first
    assert offers_of(shop, "retail", ["tea"])["tea"].available_units == 8
    assert buyer_of(shop, "retail", "b_1").order_count == 1
    (event,) = events_of(shop, order_id)
    assert event.type == "order.confirmed"
    assert event.data == {
        "order_id": order_id,
        "number": order_of(shop, order_id).number,
        "buyer_id": "b_1",
        "payment_id": "pay_1",
        "currency": "CNY",
        "total_minor": 208_00,
        "run_id": "run_1",
        "correlation_id": "corr_1",
    }


def test_an_order_whose_pieces_went_back_is_not_confirmed(shop: Session) -> None:
    order_id = opened(shop).order_id
    run(shop, "transaction.hold_stock", order_id=order_id)
    with time_machine.travel(now() + timedelta(minutes=16)), pytest.raises(RefusedError) as caught, shop.begin_nested():
        run(shop, "transaction.confirm", order_id=order_id, payment_id="pay_1")
    assert caught.value.code == "transaction.reservation_expired"
    assert order_of(shop, order_id).status is OrderStatus.PLACED


def test_closing_undoes_opening_and_holding(shop: Session) -> None:
    order_id = opened(shop).order_id
    run(shop, "transaction.hold_stock", order_id=order_id)
    closed = run(shop, "transaction.close", order_id=order_id, reason="payment.declined")
    assert closed.model_dump() == {"order_id": order_id, "status": OrderStatus.REFUSED}
    assert offers_of(shop, "retail", ["tea"])["tea"].available_units == 10


def test_an_order_closed_by_undo_says_what_the_run_ended_with(shop):
    order_id = opened(shop).order_id
    ended_with = {"code": "payment.declined", "message": "The payment was declined."}
    shop.add(
        ProcessRun(
            id="run_1",
            business="retail",
            process="checkout",
            definition_sha256="0",
            workflow_id="retail/checkout/1",
            status=RunStatus.UNDOING,
            error=ended_with,
            input={},
            turn=1,
            actor="api:test",
            correlation_id="corr_1",
            started_at=now(),
            updated_at=now(),
        )
    )
    shop.flush()
    run(shop, "transaction.close", order_id=order_id)
    assert order_of(shop, order_id).status_reason == "The payment was declined."


@pytest.mark.parametrize("name", ["transaction.close", "transaction.release_stock"])
def test_undoing_what_never_happened_is_nothing(session: Session, name: str) -> None:
    before = run(session, name, order_id="ord_none")
    assert before == run(session, name, order_id="ord_none")
    assert before.model_dump().get("status") is None
    assert before.model_dump().get("released", 0) == 0


def test_an_order_in_review_waits_and_goes_on(shop: Session) -> None:
    order_id = opened(shop).order_id
    run(shop, "transaction.hold_stock", order_id=order_id)
    held = run(shop, "transaction.put_on_hold", order_id=order_id, reason="large")
    assert held.model_dump()["status"] is OrderStatus.ON_HOLD
    with pytest.raises(ConflictError) as caught:
        run(shop, "transaction.confirm", order_id=order_id, payment_id="pay_1")
    assert caught.value.code == "transaction.status_conflict"
    assert run(shop, "transaction.take_off_hold", order_id=order_id).model_dump()["status"] is OrderStatus.PLACED


def test_what_is_held_for_a_review_is_held_longer_than_the_process_waits(shop: Session) -> None:
    order_id = opened(shop).order_id
    run(shop, "transaction.hold_stock", order_id=order_id)
    run(shop, "transaction.put_on_hold", order_id=order_id, reason="large")
    (waits,) = re.findall(r"within_s: (\d+)", Path("workflows/processes/checkout.yaml").read_text(encoding="utf-8"))
    (held,) = reservations_of(shop, order_id)
    assert held.expires_at > now() + timedelta(seconds=int(waits))


def test_an_order_that_is_too_large_for_the_shelf_says_how_much_is_there(shop: Session) -> None:
    order_id = opened(shop, quantity=11).order_id
    with pytest.raises(ConflictError) as caught:
        run(shop, "transaction.hold_stock", order_id=order_id)
    assert caught.value.details["short"] == [{"sku": "tea", "asked": 11, "available": 10}]


def test_the_receipt_says_what_was_bought(shop: Session) -> None:
    order_id = opened(shop).order_id
    run(shop, "transaction.hold_stock", order_id=order_id)
    run(shop, "transaction.confirm", order_id=order_id)
    found = run(shop, "transaction.receipt", order_id=order_id)
    assert isinstance(found, Receipt)
    assert (found.order_id, found.status, found.total_minor) == (order_id, OrderStatus.CONFIRMED, 208_00)
    assert found.payment is None
    assert [(line.sku, line.net_minor, line.tax_minor, line.adjustments) for line in found.lines] == [
        ("tea", 200_00, 23_01, ()),
        ("post", 8_00, 66, ()),
    ]
    with pytest.raises(MissingError):
        receipt_of(shop, order_id, business="tourism")


def test_every_step_that_changes_has_words_in_both_languages() -> None:
    mine = {name: entry for name, entry in operations().items() if name.split(".")[0] == "transaction"}
    assert set(mine) >= {
        "transaction.open",
        "transaction.close",
        "transaction.hold_stock",
        "transaction.release_stock",
        "transaction.put_on_hold",
        "transaction.take_off_hold",
        "transaction.confirm",
        "transaction.receipt",
    }
    reads = {name for name, entry in mine.items() if not entry.changes}
    assert reads >= {"transaction.receipt", "transaction.refund_receipt", "transaction.assess_refund"}
    assert not reads & {"transaction.open", "transaction.open_refund", "transaction.cancel", "transaction.fulfil"}
    assert all(entry.en and entry.zh for entry in mine.values())


def test_the_sweeper_gives_back_what_ran_out(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        an_offer(session, "tea", stock=10)
        order_id = open_order(session, an_open_order([("tea", 3)])).id
        hold_stock(session, order_id)
    assert expire_overdue(sessions) == Expired(reservations=0, claims=0)
    with time_machine.travel(now() + timedelta(minutes=16)):
        assert expire_overdue(sessions) == Expired(reservations=1, claims=0)
        assert expire_overdue(sessions) == Expired(reservations=0, claims=0)
    with sessions() as session:
        assert [row.status.value for row in reservations_of(session, order_id)] == ["expired"]
