"""Offers and orders as others read them: resolved, listed, filtered, paged."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import InvalidError
from capabilities.transaction.contract import (
    CheckoutLine,
    CheckoutRequest,
    CloseOrder,
    OfferKind,
    OrderFilters,
    OrderStatus,
)
from capabilities.transaction.models import OrderRow
from capabilities.transaction.queries import (
    categories_of,
    count_orders,
    list_offers,
    offers_of,
    order_of,
    orders_page,
    resolve_checkout,
)
from capabilities.transaction.service import close_order, open_order
from tests.builders import an_offer, an_open_order


def checkout(*lines: tuple[str, int], currency: str = "CNY", delivery: str | None = None) -> CheckoutRequest:
    return CheckoutRequest(
        business="retail",
        currency=currency,
        lines=tuple(CheckoutLine(sku=sku, quantity=quantity) for sku, quantity in lines),
        delivery_sku=delivery,
    )


def refused(session: Session, request: CheckoutRequest) -> InvalidError:
    with pytest.raises(InvalidError) as caught:
        resolve_checkout(session, request)
    return caught.value


def test_a_checkout_is_resolved_line_by_line(session: Session) -> None:
    an_offer(session, "tea")
    an_offer(session, "post", kind=OfferKind.DELIVERY, stock=None)
    resolved = resolve_checkout(session, checkout(("tea", 2), ("tea", 1), delivery="post"))
    assert [(line.line_id, line.offer.sku, line.quantity) for line in resolved.lines] == [
        ("l1", "tea", 2),
        ("l2", "tea", 1),
    ]
    assert resolved.delivery is not None
    assert resolved.delivery.sku == "post"


def test_all_unknown_skus_are_named_at_once_with_their_lines(session: Session) -> None:
    an_offer(session, "tea")
    an_offer(session, "abroad", business="tourism")
    error = refused(session, checkout(("none", 1), ("tea", 1), ("abroad", 1), delivery="fly"))
    assert error.code == "transaction.sku_unknown"
    assert error.message == "retail does not sell none, abroad, fly."
    assert error.details["unknown"] == [
        {"line": 1, "sku": "none"},
        {"line": 3, "sku": "abroad"},
        {"line": "delivery", "sku": "fly"},
    ]


def test_an_unknown_delivery_alone_names_its_field(session: Session) -> None:
    an_offer(session, "tea")
    assert refused(session, checkout(("tea", 1), delivery="fly")).details["field"] == "delivery_sku"


def test_a_delivery_is_not_a_line_and_goods_are_no_delivery(session: Session) -> None:
    an_offer(session, "tea")
    an_offer(session, "post", kind=OfferKind.DELIVERY, stock=None)
    as_line = refused(session, checkout(("tea", 1), ("post", 1)))
    as_delivery = refused(session, checkout(("tea", 1), delivery="tea"))
    assert (as_line.code, as_line.details["field"]) == ("transaction.kind_wrong", "lines")
    assert (as_delivery.code, as_delivery.details["field"]) == ("transaction.kind_wrong", "delivery_sku")


def test_another_currency_says_which_one_it_is_sold_in(session: Session) -> None:
    an_offer(session, "tea")
    error = refused(session, checkout(("tea", 1), currency="EUR"))
    assert (error.code, error.mend) == ("transaction.currency_wrong", "Ask in CNY.")
    assert error.details == {"field": "currency", "skus": ["tea"], "currency": "CNY"}


def test_an_order_beyond_all_measure_is_invalid(session: Session) -> None:
    an_offer(session, "gold", price=10**11)
    assert refused(session, checkout(("gold", 100_000))).code == "transaction.total_too_large"


def test_offers_are_listed_by_category_and_sku_in_pages(session: Session) -> None:
    for sku, category in (("b", "food/tea"), ("a", "food/tea"), ("c", "books"), ("d", "food/teapots")):
        an_offer(session, sku, category=category)
    an_offer(session, "e", business="tourism")
    first = list_offers(session, "retail", limit=3)
    rest = list_offers(session, "retail", after=first.next_cursor, limit=3)
    assert [offer.sku for offer in first.offers] == ["c", "a", "b"]
    assert [offer.sku for offer in rest.offers] == ["d"]
    assert rest.next_cursor is None


def test_a_category_includes_what_is_below_it_and_nothing_beside_it(session: Session) -> None:
    for sku, category in (("a", "food/tea"), ("b", "food/tea/bags"), ("c", "food/teapots"), ("d", "food")):
        an_offer(session, sku, category=category)
    assert [offer.sku for offer in list_offers(session, "retail", category="food/tea").offers] == ["a", "b"]
    assert categories_of(session, "retail") == ["food", "food/tea", "food/tea/bags", "food/teapots"]


def test_offers_are_found_in_both_languages_and_by_kind(session: Session) -> None:
    an_offer(session, "tea")
    an_offer(session, "post", kind=OfferKind.DELIVERY, stock=None)
    assert [offer.sku for offer in list_offers(session, "retail", search="TEA (EN").offers] == ["tea"]
    assert [offer.sku for offer in list_offers(session, "retail", search="tea（中").offers] == ["tea"]
    assert list_offers(session, "retail", search="tea_").offers == ()
    assert [offer.sku for offer in list_offers(session, "retail", kind=OfferKind.DELIVERY).offers] == ["post"]


def test_offers_of_unknown_skus_are_absent(session: Session) -> None:
    an_offer(session, "tea")
    assert list(offers_of(session, "retail", ["tea", "none", "tea"])) == ["tea"]


def some_orders(session: Session, count: int) -> list[str]:
    """Orders a minute apart, the newest first."""
    ids = []
    for number in range(count):
        order = open_order(session, an_open_order([("tea", 1)], run_id=f"run_{number}", buyer_id=f"b_{number % 2}"))
        at = now() - timedelta(minutes=count - number)
        session.execute(update(OrderRow).where(OrderRow.id == order.id).values(placed_at=at))
        ids.append(order.id)
    return ids[::-1]


def listed(session: Session, **filters: object) -> list[str]:
    page = orders_page(session, OrderFilters.model_validate({"business": "retail", **filters}), limit=200)
    return [order.id for order in page.orders]


def test_orders_are_narrowed_by_each_filter(session: Session) -> None:
    an_offer(session, "tea")
    an_offer(session, "cup")
    newest = some_orders(session, 4)
    cups = open_order(session, an_open_order([("cup", 3)], run_id="cups"))
    close_order(session, CloseOrder(order_id=newest[1]))
    assert listed(session, statuses=(OrderStatus.REFUSED,)) == [newest[1]]
    assert listed(session, buyer_id="b_0") == [newest[1], newest[3]]
    assert listed(session, sku="cup") == [cups.id]
    assert listed(session, number=cups.number.lower()) == [cups.id]
    assert listed(session, text=cups.number[-4:]) == [cups.id]
    assert listed(session, text="cup（中") == [cups.id]
    assert listed(session, text=newest[2]) == [newest[2]]
    assert listed(session, text="  ") == [cups.id, *newest]
    assert listed(session, origin="import") == []
    ago = now() - timedelta(minutes=2, seconds=30)
    assert listed(session, placed_until=ago) == newest[2:]
    assert listed(session, placed_from=ago) == [cups.id, *newest[:2]]
    assert count_orders(session, OrderFilters(business="retail")) == 5
    assert count_orders(session, OrderFilters(business="retail"), at_most=3) == 3
    assert listed(session, business="tourism") == []


def test_lines_that_were_taken_back_are_read_anew(session: Session) -> None:
    an_offer(session, "tea")
    for quantity in (1, 2):
        savepoint = session.begin_nested()
        order = open_order(session, an_open_order([("tea", quantity)]))
        assert [line.quantity for line in order_of(session, order.id).lines] == [quantity]
        savepoint.rollback()


def test_a_summary_counts_pieces_of_goods(session: Session) -> None:
    an_offer(session, "tea")
    an_offer(session, "post", kind=OfferKind.DELIVERY, stock=None)
    open_order(session, an_open_order([("tea", 3), ("post", 1)]))
    (order,) = orders_page(session, OrderFilters(business="retail")).orders
    assert order.piece_count == 3


@settings(max_examples=20)
@given(limit=st.integers(1, 6), same=st.booleans())
def test_pages_of_orders_give_each_once_even_when_placed_at_once(engine: Engine, limit: int, same: bool) -> None:
    with Session(engine) as session:
        an_offer(session, "tea")
        some_orders(session, 5)
        if same:
            session.execute(update(OrderRow).values(placed_at=now()))
        cursor, seen = None, []
        while True:
            page = orders_page(session, OrderFilters(business="retail"), cursor, limit=limit)
            seen += [order.id for order in page.orders]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == listed(session)
        assert len(set(seen)) == 5
        session.rollback()
