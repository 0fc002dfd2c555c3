"""Gifts, surcharges and older versions of pricing, from live rules to the quote that is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from sqlalchemy import event
from sqlalchemy.orm import Session

from activities import transaction  # noqa: F401 - imported for the operations it declares
from activities.catalogue import StepContext, find_operation
from activities.explaining import explain_quote, is_reproduced
from activities.pricing import quote_for
from capabilities.kernel.identity import BusinessIdentity
from capabilities.marketing.contract import Cart, CartLine, Quote
from capabilities.marketing.pricing import begin, content_sha256, finish
from capabilities.marketing.queries import cart_of
from capabilities.marketing.service import save_quote
from capabilities.transaction.contract import CheckoutLine, CheckoutRequest, OfferKind
from capabilities.transaction.queries import offers_of, order_of
from capabilities.user.contract import AdmittedBuyer
from tests.builders import a_business, an_offer, live_rules

NOW = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)
GUEST = AdmittedBuyer()


@pytest.fixture
def shop(session: Session) -> Session:
    a_business(session)
    an_offer(session, "tea", price=100_00, stock=10)
    an_offer(session, "cup", price=12_00, stock=1)
    an_offer(session, "spoon", price=3_00, stock=5)
    return session


def rules(session: Session, *found: dict[str, Any]) -> None:
    named = [{"id": f"r{i}", "name": f"rule {i}", "when": {"all": []}} | rule for i, rule in enumerate(found, start=1)]
    live_rules(session, *named)


def quoted(session: Session, quantity: int = 1, sku: str = "tea", **about: Any) -> Quote:
    lines = (CheckoutLine(sku=sku, quantity=quantity),)
    checkout = CheckoutRequest(business="retail", currency="CNY", lines=lines, **about)
    with time_machine.travel(NOW, tick=False):
        return quote_for(session, checkout, GUEST)


def test_a_gift_has_the_price_of_its_offer_and_costs_nothing(shop: Session) -> None:
    rules(shop, {"effects": [{"kind": "gift", "skus": ["cup"]}]})

    gift = next(line for line in quoted(shop).lines if line.is_gift)

    assert (gift.sku, gift.gross_minor, gift.discount_minor, gift.total_minor) == ("cup", 12_00, 12_00, 0)


def test_what_the_buyer_orders_is_not_given_away_as_well(shop: Session) -> None:
    rules(shop, {"effects": [{"kind": "gift", "skus": ["cup"]}]})

    assert not any(line.is_gift for line in quoted(shop, sku="cup").lines)


def test_of_two_gifts_the_chosen_one_is_given(shop: Session) -> None:
    rules(shop, {"effects": [{"kind": "gift", "skus": ["cup", "spoon"]}]})

    waiting, chosen = quoted(shop), quoted(shop, gift_choices={"r1": "spoon"})

    assert [gift.chosen for gift in waiting.gifts] == [None]
    assert [outcome.outcome for outcome in waiting.outcomes] == ["awaits_choice"]
    assert [line.sku for line in chosen.lines if line.is_gift] == ["spoon"]
    unknown = quoted(shop, gift_choices={"r1": "tea"})
    assert unknown.total_minor == waiting.total_minor


def test_why_an_otherwise_was_taken_is_told_with_what_failed(shop: Session) -> None:
    many = {"all": [{"field": "order.quantity", "op": "gte", "value": 3}]}
    fee = [{"kind": "surcharge", "amount_minor": 5_00}]
    rules(shop, {"when": many, "effects": [{"kind": "percent_off", "rate_bps": 1_000}], "otherwise": fee})
    quote = quoted(shop, 2)
    cart = Cart.model_validate(
        {"business": "retail", "currency": "CNY", "at": NOW, "time_zone": "Asia/Shanghai", "lines": ()}
        | {"lines": (CartLine(id="l1", sku="tea", quantity=2, unit_price_minor=100_00),)}
    )
    save_quote(shop, quote, cart, {})

    (verdict,) = explain_quote(shop, quote.id).verdicts

    assert quote.fee_minor == 5_00
    assert (verdict.outcome, verdict.is_otherwise) == ("applied", True)
    assert verdict.failed is not None
    assert verdict.failed.difference == 1


def test_a_quote_of_the_first_version_is_still_the_quote_it_was(shop: Session) -> None:
    cart = Cart(
        business="retail",
        currency="CNY",
        at=NOW,
        lines=(CartLine(id="l1", sku="tea", quantity=2, unit_price_minor=100_00),),
    )
    old = finish(begin(cart), quote_id="quo_old", created_at=NOW, expires_at=NOW, algorithm="pricing-1")

    # as the first version wrote it, byte for byte
    assert old.content_sha256 == "0a665feabacd57c16d2f983a7da1cb34ae7de33fff688588a02247a55acf9e51"
    save_quote(shop, old, cart, {})
    assert cart_of(shop, "quo_old") == cart
    assert is_reproduced(shop, "quo_old")
    newer = old.model_copy(update={"algorithm": "pricing-9"})
    save_quote(shop, newer.model_copy(update={"id": "quo_new", "content_sha256": content_sha256(newer)}), cart, {})
    assert not is_reproduced(shop, "quo_new")


def test_an_order_has_the_gift_and_the_surcharge_as_lines_and_takes_the_gift_from_stock(shop: Session) -> None:
    fee = {"kind": "surcharge", "amount_minor": 5_00}
    rules(shop, {"effects": [{"kind": "gift", "skus": ["cup"]}, fee]})
    checkout = CheckoutRequest(business="retail", currency="CNY", lines=(CheckoutLine(sku="tea", quantity=2),))
    asked, buyer = checkout.model_dump(mode="json"), GUEST.model_dump(mode="json")

    priced = step(shop, "marketing.price", checkout=asked, buyer=buyer)
    opened = step(shop, "transaction.open", checkout=asked, buyer=buyer, quote_id=priced["quote_id"])
    held = step(shop, "transaction.hold_stock", order_id=opened["order_id"])
    step(shop, "transaction.confirm", order_id=opened["order_id"], payment_id="pay_1")

    order = order_of(shop, opened["order_id"])
    lines = {line.sku: line for line in order.lines}
    assert (order.goods_gross_minor, order.fee_minor, order.discount_minor) == (212_00, 5_00, 12_00)
    assert order.total_minor == 205_00 == opened["total_minor"]
    assert (lines["cup"].is_gift, lines["cup"].total_minor, lines["fee"].kind) == (True, 0, OfferKind.FEE)
    assert held["held"] == 2
    assert offers_of(shop, "retail", ["cup"])["cup"].available_units == 0
    assert is_reproduced(shop, priced["quote_id"])


def step(session: Session, name: str, **request: Any) -> dict[str, Any]:
    """An operation, as the interpreter runs it."""
    operation = find_operation(name)
    assert operation.run is not None
    context = StepContext("run_1", name, f"run_1/{name}", BusinessIdentity("retail"), "api:test", "corr_1")
    return operation.run(session, context, operation.request.model_validate(request)).model_dump()


def test_rules_without_gifts_ask_for_no_offers(shop: Session) -> None:
    rules(shop, {"effects": [{"kind": "percent_off", "rate_bps": 1_000}]})
    asked = statements_of(shop, lambda: quoted(shop))
    rules(shop, {"effects": [{"kind": "gift", "skus": ["cup"]}]})

    assert len(statements_of(shop, lambda: quoted(shop))) == len(asked) + 1


def statements_of(session: Session, act: Callable[[], object]) -> list[str]:
    """The statements an act sends."""
    act()  # what is remembered between calls is remembered
    sent: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", count)
    try:
        act()
    finally:
        event.remove(engine, "before_cursor_execute", count)
    return sent
