"""Drafts, changes with a dry run, exchanges, and orders of several sellers."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session

from activities.transaction import OpenedOrder
from capabilities.kernel.errors import ConflictError, RefusedError
from capabilities.transaction.contract import (
    CheckoutLine,
    CheckoutRequest,
    FulfilmentStatus,
    OfferKind,
    OrderStatus,
    RefundRequest,
    SourceShare,
)
from capabilities.transaction.queries import history_of, order_of, refund_of
from capabilities.transaction.seller_orders import seller_orders_of, split_over_sellers
from capabilities.transaction.unit_queries import return_of, units_of
from capabilities.user.contract import AdmittedBuyer, EnrolBuyer, Tier
from capabilities.user.service import enrol_buyer
from tests.activities.test_refunds import pay, run
from tests.builders import a_business, an_offer, live_rules

BUYER = AdmittedBuyer(buyer_id="b_1", tier="gold", order_number=1)
OFF = {"kind": "percent_off", "rate_bps": 1000, "apply": "across"}
FROM_300 = {
    "id": "r1",
    "name": "From 300",
    "when": {"all": [{"field": "order.subtotal_minor", "op": "gte", "value": 300_00}]},
    "effects": [OFF],
}


@pytest.fixture
def shop(session: Session) -> Session:
    a_business(session)
    an_offer(session, "tea", price=50_00, stock=20, tax_rate_bps=1300)
    an_offer(session, "mug", price=33_33, stock=20, seller="s_two", tax_rate_bps=600)
    an_offer(session, "post", kind=OfferKind.DELIVERY, stock=None, price=10_00, tax_rate_bps=900)
    an_offer(session, "express", kind=OfferKind.DELIVERY, stock=None, price=25_00, tax_rate_bps=900)
    enrol_buyer(session, EnrolBuyer(business="retail", id="b_1", name="Li Na", tier=Tier.GOLD))
    return session


def asked(*lines: tuple[str, int], delivery: str | None = "post", **more: Any) -> CheckoutRequest:
    return CheckoutRequest(
        business="retail",
        currency="CNY",
        buyer_id="b_1",
        delivery_sku=delivery,
        lines=tuple(CheckoutLine(sku=sku, quantity=quantity) for sku, quantity in lines),
        **more,
    )


def placed(session: Session, checkout: CheckoutRequest, key: str = "sale") -> OpenedOrder:
    buyer, wanted = BUYER.model_dump(), checkout.model_dump(mode="json")
    priced = run(session, "marketing.price", key, checkout=wanted, buyer=buyer)
    opened = run(session, "transaction.open", key, checkout=wanted, buyer=buyer, quote_id=priced.quote_id)
    run(session, "transaction.hold_stock", key, order_id=opened.order_id)
    return opened


def sold(session: Session, checkout: CheckoutRequest, key: str = "sale") -> str:
    opened = placed(session, checkout, key)
    pay(session, opened.order_id, opened.total_minor)
    run(session, "transaction.confirm", key, order_id=opened.order_id, payment_id=f"pay_{opened.order_id}_0")
    return opened.order_id


def refund_as_asked(session: Session, request: RefundRequest, sha256: str | None = None) -> int:
    """What the refund that follows gives back: it opens although its units are cancelled already."""
    assessed = run(session, "transaction.assess_refund", "refund", **request.model_dump(mode="json"))
    opened = run(session, "transaction.open_refund", "refund", request=request.model_dump(mode="json"), sha256=sha256)
    assert (opened.due_minor, sha256 or assessed.sha256) == (assessed.due_minor, assessed.sha256)
    return int(opened.due_minor)


# --- drafts -----------------------------------------------------------------------------------------------------


def test_a_draft_is_changed_then_placed_by_one_checkout(shop: Session) -> None:
    saved = run(shop, "transaction.save_draft", checkout=asked(("tea", 2)).model_dump(mode="json"))
    assert (saved.status, saved.total_minor) == (OrderStatus.DRAFT, 110_00)
    change = {
        "order_id": saved.order_id,
        "lines": [{"line_id": "l1", "quantity": 3}],
        "add": [{"sku": "mug", "quantity": 1}],
    }
    preview = run(shop, "transaction.preview_change", **change)
    assert (preview.total_before_minor, preview.total_after_minor, preview.to_pay_minor) == (110_00, 193_33, 0)
    for _ in range(2):
        applied = run(shop, "transaction.apply_change", change=change, sha256=preview.sha256)
        assert (applied.total_after_minor, applied.is_due, applied.addition_id) == (193_33, False, None)
    assert order_of(shop, saved.order_id).total_minor == 193_33
    checkout = asked(("tea", 3), ("mug", 1), draft_id=saved.order_id)
    opened = placed(shop, checkout)
    assert (opened.order_id, opened.total_minor, opened.number) == (saved.order_id, 193_33, saved.number)
    assert placed(shop, checkout) == opened, "the same run finds what it placed"
    with pytest.raises(ConflictError) as caught:
        placed(shop, checkout, "another")
    assert caught.value.code == "transaction.draft_placed"
    assert [change.to_status for change in history_of(shop, opened.order_id)] == [OrderStatus.DRAFT, OrderStatus.PLACED]


def test_a_draft_is_cancelled_and_never_placed(shop: Session) -> None:
    saved = run(shop, "transaction.save_draft", checkout=asked(("tea", 2)).model_dump(mode="json"))
    assert run(shop, "transaction.cancel", order_id=saved.order_id).status is OrderStatus.CANCELLED
    with pytest.raises(ConflictError):
        placed(shop, asked(("tea", 2), draft_id=saved.order_id))


# --- changes ----------------------------------------------------------------------------------------------------


def test_units_come_off_and_others_are_added(shop: Session) -> None:
    order_id = sold(shop, asked(("tea", 3)))
    change = {
        "order_id": order_id,
        "lines": [{"line_id": "l1", "quantity": 1}],
        "add": [{"sku": "mug", "quantity": 2}],
        "attributes": {"address": "2 New Street"},
    }
    preview = run(shop, "transaction.preview_change", **change)
    assert (preview.to_refund_minor, preview.to_pay_minor) == (100_00, 66_66)
    assert (preview.total_before_minor, preview.total_after_minor) == (160_00, 126_66)
    with pytest.raises(ConflictError) as stale:
        run(shop, "transaction.apply_change", change=change, sha256="0" * 64)
    assert stale.value.code == "transaction.change_stale"
    applied = run(shop, "transaction.apply_change", change=change, sha256=preview.sha256)
    assert run(shop, "transaction.apply_change", "again", change=change, sha256=preview.sha256) == applied
    assert refund_as_asked(shop, applied.refund_request, applied.refund_sha256) == 100_00
    addition = order_of(shop, applied.addition_id or "")
    assert (addition.status, addition.parent_id, addition.relation, addition.total_minor) == (
        OrderStatus.DRAFT,
        order_id,
        "addition",
        66_66,
    )
    (line,) = units_of(shop, order_id)
    assert (line.open, line.restocked) == (1, 2)
    assert order_of(shop, order_id).attributes == {"address": "2 New Street"}


@pytest.mark.parametrize(("declared", "expected"), [("keep", 225_00), ("re_evaluate", 220_00), ("claw_back", 220_00)])
def test_what_is_kept_is_priced_by_the_orders_own_release(shop: Session, declared: str, expected: int) -> None:
    live_rules(shop, FROM_300, options={"after_return": declared})
    order_id = sold(shop, asked(("tea", 6), delivery=None))
    live_rules(shop, FROM_300 | {"when": {"all": []}}, options={"after_return": declared})
    change = {"order_id": order_id, "lines": [{"line_id": "l1", "quantity": 1}]}
    assert run(shop, "transaction.preview_change", **change).to_refund_minor == expected
    today = run(shop, "transaction.preview_change", **change, pricing="today")
    assert today.to_refund_minor == 225_00, "today a tenth is off from the first unit"


def test_another_delivery_is_the_old_one_back_and_the_new_one_due(shop: Session) -> None:
    order_id = sold(shop, asked(("tea", 1)))
    change = {"order_id": order_id, "delivery_sku": "express"}
    preview = run(shop, "transaction.preview_change", **change)
    assert (preview.to_refund_minor, preview.to_pay_minor, preview.total_after_minor) == (10_00, 25_00, 75_00)
    applied = run(shop, "transaction.apply_change", change=change, sha256=preview.sha256)
    opened = placed(shop, asked(delivery="express", draft_id=applied.addition_id), "addition")
    assert (opened.order_id, opened.total_minor) == (applied.addition_id, 25_00)


def test_what_was_handed_over_is_not_taken_off(shop: Session) -> None:
    order_id = sold(shop, asked(("tea", 2)))
    run(shop, "transaction.fulfil", order_id=order_id, lines=[{"line_id": "l1", "units": 1}])
    with pytest.raises(RefusedError) as caught:
        run(shop, "transaction.preview_change", order_id=order_id, lines=[{"line_id": "l1", "quantity": 0}])
    assert (caught.value.code, caught.value.details["left"]) == ("transaction.units_not_open", 1)


# --- exchanges --------------------------------------------------------------------------------------------------


def test_an_exchange_says_what_is_due_and_does_it_once(shop: Session) -> None:
    order_id = sold(shop, asked(("mug", 2)))
    run(shop, "transaction.fulfil", order_id=order_id)
    wanted = {
        "order_id": order_id,
        "lines": [{"line_id": "l1", "units": 1}],
        "wanted": [{"sku": "tea", "quantity": 1}],
    }
    preview = run(shop, "transaction.preview_exchange", **wanted)
    assert (preview.worth_minor, preview.new_total_minor, preview.wallet_minor, preview.due_minor) == (
        33_33,
        50_00,
        33_33,
        16_67,
    )
    made = run(shop, "transaction.exchange", exchange=wanted, sha256=preview.sha256)
    assert run(shop, "transaction.exchange", "again", exchange=wanted, sha256=preview.sha256) == made
    back = return_of(shop, made.return_id)
    assert back.exchange_order_id == made.draft_id
    assert refund_as_asked(shop, made.refund_request) == 33_33
    refund = refund_of(shop, return_of(shop, made.return_id).refund_id or "")
    assert (refund.destination, refund.sources) == ("wallet", ())
    assert order_of(shop, made.draft_id).relation == "exchange"


# --- several sellers --------------------------------------------------------------------------------------------


def test_parts_of_sellers_add_up_amount_by_amount_and_source_by_source(shop: Session) -> None:
    live_rules(shop, FROM_300 | {"when": {"all": []}})
    opened = placed(shop, asked(("tea", 1), ("mug", 2)))
    order = order_of(shop, opened.order_id)
    sources = [
        SourceShare(payment_id=f"p{place}", method="sim_ok", amount_minor=amount)
        for place, amount in enumerate((33_34, order.total_minor - 33_34))
    ]
    parts = split_over_sellers(order, sources)
    columns = ("goods_gross_minor", "discount_minor", "delivery_minor", "fee_minor", "tax_minor", "total_minor")
    for column in columns:
        assert sum(getattr(part, column) for part in parts) == getattr(order, column)
    for part in parts:
        assert sum(share.amount_minor for share in part.sources) == part.total_minor
    for source in sources:
        given = [
            share.amount_minor for part in parts for share in part.sources if share.payment_id == source.payment_id
        ]
        assert sum(given) == source.amount_minor


def test_each_seller_hands_over_its_own_part(shop: Session) -> None:
    order_id = sold(shop, asked(("tea", 1), ("mug", 2)))
    run(shop, "transaction.fulfil", order_id=order_id, seller_id="s_two")
    first, second = seller_orders_of(shop, order_of(shop, order_id))
    number = order_of(shop, order_id).number
    assert [(part.seller_id, part.number, part.fulfilment) for part in (first, second)] == [
        ("s_one", f"{number}-S1", FulfilmentStatus.UNFULFILLED),
        ("s_two", f"{number}-S2", FulfilmentStatus.FULFILLED),
    ]
    assert first.total_minor + second.total_minor == order_of(shop, order_id).total_minor
    assert [share.amount_minor for share in first.sources] == [first.total_minor]


def test_an_order_of_one_seller_is_its_part(shop: Session) -> None:
    order_id = sold(shop, asked(("tea", 2)))
    (part,) = seller_orders_of(shop, order_of(shop, order_id))
    order = order_of(shop, order_id)
    assert (part.total_minor, part.number, part.delivery_minor) == (order.total_minor, order.number, 10_00)
