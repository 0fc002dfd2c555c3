"""Opening, confirming and closing orders."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from capabilities.kernel.errors import ConflictError, InvalidError, MissingError, RefusedError
from capabilities.transaction.contract import (
    CloseOrder,
    ConfirmOrder,
    DeclareOffer,
    DeclareSeller,
    ImportOrder,
    OfferKind,
    OrderStatus,
    ReservationStatus,
)
from capabilities.transaction.extensions import most_units
from capabilities.transaction.queries import history_of, offers_of, order_of, reservations_of, seller_names
from capabilities.transaction.service import (
    close_order,
    confirm_order,
    declare_offer,
    declare_seller,
    hold_stock,
    import_order,
    import_orders,
    open_order,
    receive_stock,
    secure_stock,
)
from tests.builders import an_offer, an_open_order


def available(session: Session, sku: str = "tea") -> int | None:
    return offers_of(session, "retail", [sku])[sku].available_units


def test_an_order_keeps_lines_names_and_amounts(session: Session) -> None:
    an_offer(session, "tea")
    an_offer(session, "cup", seller="s_two", category="home/cups")
    order = open_order(session, an_open_order([("tea", 2), ("cup", 1)], price=25_50, buyer_id="b_1"))
    assert order == order_of(session, order.id)
    assert order.status is OrderStatus.PLACED
    assert order.total_minor == 76_50
    assert [(line.sku, line.name_zh, line.seller_id, line.category) for line in order.lines] == [
        ("tea", "tea（中）", "s_one", "food/drinks/tea"),
        ("cup", "cup（中）", "s_two", "home/cups"),
    ]


def test_the_same_run_finds_its_order_instead_of_opening_a_second(session: Session) -> None:
    an_offer(session)
    first = open_order(session, an_open_order())
    again = open_order(session, an_open_order([("tea", 5)]))
    assert again == first
    assert session.scalar(text("SELECT count(*) FROM sales_order")) == 1


def test_order_numbers_name_business_month_and_sequence(session: Session) -> None:
    an_offer(session)
    first = open_order(session, an_open_order(run_id="run_1"))
    second = open_order(session, an_open_order(run_id="run_2"))
    prefix, month, sequence = first.number.split("-")
    assert (prefix, month) == ("RET", f"{first.placed_at:%y%m}")
    assert second.number == f"RET-{month}-{int(sequence) + 1:06d}"


def test_an_offer_that_went_meanwhile_is_a_conflict(session: Session) -> None:
    an_offer(session)
    with pytest.raises(ConflictError) as caught:
        open_order(session, an_open_order([("tea", 1), ("gone", 1)]))
    assert caught.value.code == "transaction.offer_gone"
    assert caught.value.details == {"skus": ["gone"]}


def test_the_database_refuses_totals_that_do_not_add_up(session: Session) -> None:
    an_offer(session)
    wrong = an_open_order().model_copy(update={"total_minor": 99_99})
    with pytest.raises(IntegrityError, match="ck_sales_order_total_adds_up"):
        open_order(session, wrong)


def test_the_database_refuses_a_line_whose_discount_is_lost(session: Session) -> None:
    an_offer(session)
    wrong = an_open_order()
    line = wrong.lines[0].model_copy(update={"discount_minor": 1})
    with pytest.raises(IntegrityError, match="ck_sales_order_line_net_adds_up"):
        open_order(session, wrong.model_copy(update={"lines": (line,)}))


def test_exclusive_tax_is_part_of_the_total(session: Session) -> None:
    an_offer(session)
    plain = an_open_order()
    line = plain.lines[0].model_copy(update={"tax_minor": 19_00, "total_minor": 119_00})
    order = open_order(
        session,
        plain.model_copy(
            update={"prices_include_tax": False, "tax_minor": 19_00, "total_minor": 119_00, "lines": (line,)}
        ),
    )
    assert order.total_minor == 119_00


def test_a_confirmed_order_has_its_payment_and_time(session: Session) -> None:
    an_offer(session)
    order = open_order(session, an_open_order())
    confirmed, is_new = confirm_order(session, ConfirmOrder(order_id=order.id, payment_id="pay_1"))
    assert is_new
    assert (confirmed.status, confirmed.payment_id) == (OrderStatus.CONFIRMED, "pay_1")
    assert confirmed.confirmed_at is not None


def test_confirming_again_changes_nothing(session: Session) -> None:
    an_offer(session)
    order = open_order(session, an_open_order())
    first, _ = confirm_order(session, ConfirmOrder(order_id=order.id, payment_id="pay_1"))
    again, is_new = confirm_order(session, ConfirmOrder(order_id=order.id, payment_id="pay_1"))
    assert (again, is_new) == (first, False)
    with pytest.raises(ConflictError):
        confirm_order(session, ConfirmOrder(order_id=order.id, payment_id="pay_2"))


def test_closing_gives_back_what_the_order_holds(session: Session) -> None:
    an_offer(session, stock=10)
    order = open_order(session, an_open_order([("tea", 4)]))
    hold_stock(session, order.id)
    secure_stock(session, order.id)
    assert available(session) == 6
    closed = close_order(session, CloseOrder(order_id=order.id, reason="payment.declined"))
    assert closed is not None
    assert (closed.status, closed.status_reason) == (OrderStatus.REFUSED, "payment.declined")
    assert available(session) == 10
    assert [row.status for row in reservations_of(session, order.id)] == [ReservationStatus.RELEASED]


def test_closing_twice_or_nothing_is_no_change(session: Session) -> None:
    an_offer(session)
    order = open_order(session, an_open_order())
    first = close_order(session, CloseOrder(order_id=order.id, reason="one", is_cancelled=True))
    assert close_order(session, CloseOrder(order_id=order.id, reason="two")) == first
    assert close_order(session, CloseOrder(order_id="ord_none")) is None
    assert first is not None
    assert first.status is OrderStatus.CANCELLED


def test_a_confirmed_order_is_not_closed(session: Session) -> None:
    an_offer(session)
    order = open_order(session, an_open_order())
    confirm_order(session, ConfirmOrder(order_id=order.id))
    left = close_order(session, CloseOrder(order_id=order.id, reason="late"))
    assert left is not None
    assert left.status is OrderStatus.CONFIRMED


def test_every_change_of_status_is_kept(session: Session) -> None:
    an_offer(session)
    order = open_order(session, an_open_order())
    close_order(session, CloseOrder(order_id=order.id, reason="payment.declined"))
    assert [(change.from_status, change.to_status, change.reason) for change in history_of(session, order.id)] == [
        (None, OrderStatus.PLACED, None),
        (OrderStatus.PLACED, OrderStatus.REFUSED, "payment.declined"),
    ]


def test_a_business_may_limit_the_pieces_of_an_order(session: Session) -> None:
    an_offer(session, business="limited-test")
    most_units.realize("limited-test")(lambda offer: 3)
    with pytest.raises(RefusedError) as caught:
        open_order(session, an_open_order([("tea", 2), ("tea", 2)], business="limited-test"))
    assert caught.value.code == "transaction.quantity_over_limit"
    assert caught.value.details == {"sku": "tea", "asked": 4, "most": 3}


def test_an_unknown_order_is_missing(session: Session) -> None:
    with pytest.raises(MissingError) as caught:
        order_of(session, "ord_none")
    assert caught.value.code == "transaction.order_unknown"


def test_an_order_is_missing_for_another_business(session: Session) -> None:
    an_offer(session)
    order = open_order(session, an_open_order())
    assert order_of(session, order.id, business="retail") == order
    with pytest.raises(MissingError):
        order_of(session, order.id, business="tourism")


def imported(number: int) -> ImportOrder:
    plain = an_open_order([("tea", 2)], run_id=f"basket-{number}")
    return ImportOrder(**plain.model_dump(), placed_at=datetime(2017, 1, number, 10, tzinfo=UTC))


def test_imported_orders_are_confirmed_in_the_past_and_hold_nothing(session: Session) -> None:
    an_offer(session, stock=10)
    order = order_of(session, import_order(session, imported(5)))
    assert (order.origin, order.status, order.placed_at.year) == ("import", OrderStatus.CONFIRMED, 2017)
    assert order.confirmed_at == order.placed_at
    assert available(session) == 10


def test_importing_again_changes_nothing(session: Session) -> None:
    an_offer(session)
    first = import_orders(session, [imported(1), imported(2)])
    again = import_orders(session, [imported(1), imported(2), imported(3)])
    assert again[:2] == first
    assert session.scalar(text("SELECT count(*) FROM sales_order")) == 3


def test_declaring_an_offer_again_changes_it_but_not_its_stock(session: Session) -> None:
    an_offer(session, price=10_00, stock=7)
    an_offer(session, price=12_00, stock=100)
    offer = offers_of(session, "retail", ["tea"])["tea"]
    assert (offer.unit_price_minor, offer.available_units) == (12_00, 7)


def test_a_floor_above_the_price_is_invalid(session: Session) -> None:
    request = DeclareOffer(
        business="retail",
        sku="x",
        name_en="X",
        name_zh="某",
        seller_id="s",
        currency="CNY",
        unit_price_minor=10,
        floor_price_minor=11,
        tax_rate_bps=0,
    )
    with pytest.raises(InvalidError) as caught:
        declare_offer(session, request)
    assert caught.value.code == "transaction.floor_above_price"


def test_offers_without_stock_never_run_out(session: Session) -> None:
    an_offer(session, "post", kind=OfferKind.DELIVERY, stock=None)
    assert available(session, "post") is None


def test_a_seller_can_be_renamed(session: Session) -> None:
    declare_seller(session, DeclareSeller(business="retail", id="s", name_en="Old", name_zh="旧"))
    declare_seller(session, DeclareSeller(business="retail", id="s", name_en="New", name_zh="新"))
    assert seller_names(session, "retail") == {"s": ("New", "新")}


def test_stock_is_never_written_off_below_what_is_reserved(session: Session) -> None:
    an_offer(session, stock=5)
    order = open_order(session, an_open_order([("tea", 3)]))
    hold_stock(session, order.id)
    assert receive_stock(session, "retail", "tea", 10) == 15
    with pytest.raises(ConflictError) as caught:
        receive_stock(session, "retail", "tea", -13)
    assert caught.value.code == "transaction.stock_short"
    assert receive_stock(session, "retail", "tea", -12) == 3
