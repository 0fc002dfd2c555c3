"""Whole refunds against the database: discounted, taxed orders of two sellers and two sources, given back in any sequence."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from activities.refunds import RefundStanding
from capabilities.kernel.clock import now
from capabilities.payment.models import PaymentEventRow
from capabilities.payment.queries import payments_of_order
from capabilities.transaction.contract import CheckoutLine, CheckoutRequest, OfferKind, Order, Refund
from capabilities.transaction.queries import order_of, refund_of, refunds_of
from capabilities.transaction.unit_queries import units_of
from tests.activities.test_refunds import pay, run
from tests.builders import a_business, an_offer, live_rules
from zhongtai.verify import after_sale, orders

BUYER = {"buyer_id": None, "tier": "standard", "order_number": 1}
SKUS = ("tea", "mug", "pot")


def _world(session: Session, *, inclusive: bool, after_return: str, threshold: int) -> None:
    a_business(session, prices_include_tax=inclusive)
    an_offer(session, "tea", price=19_99, stock=50, tax_rate_bps=1300)
    an_offer(session, "mug", price=33_33, stock=50, seller="s_two", tax_rate_bps=600)
    an_offer(session, "pot", price=7, stock=50, seller="s_two", tax_rate_bps=2300)
    an_offer(session, "post", kind=OfferKind.DELIVERY, stock=None, price=9_99, tax_rate_bps=900)
    tenth = {"kind": "percent_off", "rate_bps": 1_050, "apply": "across"}
    rule = {
        "id": "r1",
        "name": "Spend more",
        "when": {"all": [{"field": "order.subtotal_minor", "op": "gte", "value": threshold}]},
        "effects": [tenth],
    }
    few = {
        "id": "r2",
        "name": "3.33 off",
        "when": {"all": []},
        "effects": [{"kind": "amount_off", "amount_minor": 3_33, "apply": "across"}],
    }
    live_rules(session, rule, few, options={"after_return": after_return})


def _sold(session: Session, quantities: list[int], first_source: int) -> Order:
    lines = tuple(CheckoutLine(sku=sku, quantity=count) for sku, count in zip(SKUS, quantities, strict=True) if count)
    checkout = CheckoutRequest(business="retail", currency="CNY", lines=lines, delivery_sku="post")
    wanted = checkout.model_dump(mode="json")
    priced = run(session, "marketing.price", "sale", checkout=wanted, buyer=BUYER)
    opened = run(session, "transaction.open", "sale", checkout=wanted, buyer=BUYER, quote_id=priced.quote_id)
    run(session, "transaction.hold_stock", "sale", order_id=opened.order_id)
    part = opened.total_minor * first_source // 100
    pay(session, opened.order_id, part)
    pay(session, opened.order_id, opened.total_minor - part, position=1)
    run(session, "transaction.confirm", "sale", order_id=opened.order_id, payment_id=f"pay_{opened.order_id}_0")
    return order_of(session, opened.order_id)


def _give_back(session: Session, refund: Refund) -> None:
    """What the payment step does: each source is told, in its own share."""
    for share in refund.sources:
        about = {"business": "retail", "payment_id": share.payment_id, "reference": refund.id, "is_counted": True}
        for kind in ("refund_request", "refund_success"):
            event = PaymentEventRow(
                **about,
                kind=kind,
                amount_minor=share.amount_minor,
                occurred_at=now(),
                recorded_at=now(),
                actor="test",
                correlation_id="corr_1",
            )
            session.add(event)
    session.flush()


@pytest.mark.parametrize("after_return", ["keep", "re_evaluate", "claw_back"])
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_sequence_gives_back_exactly_what_was_paid(engine: Engine, after_return: str, data: st.DataObject) -> None:
    with Session(engine) as session:
        inclusive = data.draw(st.booleans())
        threshold = data.draw(st.sampled_from([0, 50_00, 150_00]))
        _world(session, inclusive=inclusive, after_return=after_return, threshold=threshold)
        quantities = data.draw(st.lists(st.integers(0, 4), min_size=3, max_size=3).filter(any))
        order = _sold(session, quantities, data.draw(st.integers(1, 99)))
        run(session, "transaction.fulfil", "sale", order_id=order.id)
        round_number = 0
        while any(line.kept for line in units_of(session, order.id, kind=None)):
            round_number += 1
            left = [line for line in units_of(session, order.id) if line.kept]
            with_delivery = any(line.kept for line in units_of(session, order.id, kind=OfferKind.DELIVERY))
            least = 0 if with_delivery else 1
            some = st.lists(st.sampled_from(left), min_size=least, unique_by=lambda line: line.line_id)
            chosen = data.draw(some) if left else []
            asked = {
                "order_id": order.id,
                "kind": "return",
                "lines": [{"line_id": line.line_id, "units": data.draw(st.integers(1, line.kept))} for line in chosen],
                "delivery": not chosen,
            }
            shown = run(session, "transaction.assess_refund", f"r{round_number}", **asked)
            opened: RefundStanding = run(
                session, "transaction.open_refund", f"r{round_number}", request=asked, sha256=shown.sha256
            )
            assert (opened.total_minor, opened.unpaid_minor) == (shown.total_minor, 0)
            run(session, "transaction.approve_refund", refund_id=opened.refund_id)
            _give_back(session, refund_of(session, opened.refund_id))
            run(session, "transaction.complete_refund", refund_id=opened.refund_id)
        _all_is_back(session, order)
        session.rollback()


def _all_is_back(session: Session, order: Order) -> None:
    by_line, by_rate, by_seller, tax = Counter[str](), Counter[int](), Counter[str](), Counter[int]()
    for refund in refunds_of(session, order.id):
        for line in refund.lines:
            by_line[line.line_id] += line.total_minor
            by_rate[line.tax_rate_bps] += line.total_minor
            tax[line.tax_rate_bps] += line.tax_minor
            by_seller[line.seller_id] += line.total_minor
    assert by_line == Counter({line.line_id: line.total_minor for line in order.lines})
    for rate in {line.tax_rate_bps for line in order.lines}:
        of_rate = [line for line in order.lines if line.tax_rate_bps == rate]
        assert (by_rate[rate], tax[rate]) == (
            sum(line.total_minor for line in of_rate),
            sum(line.tax_minor for line in of_rate),
        )
    for seller in {line.seller_id for line in order.lines}:
        assert by_seller[seller] == sum(line.total_minor for line in order.lines if line.seller_id == seller)
    assert [payment.left_minor for payment in payments_of_order(session, order.id)] == [0, 0]
    for check in (*after_sale.CHECKS, orders.ADDS_UP, orders.NOT_NEGATIVE):
        if check is not after_sale.AGREED:
            assert check.run(session).broken == []
