"""The receipt: the JSON body a confirmed checkout is answered with, put together from order, quote and payment."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from activities.transaction import OrderReference
from capabilities.marketing.contract import Quote
from capabilities.marketing.queries import find_quote
from capabilities.payment.queries import payments_of_order
from capabilities.transaction.contract import OfferKind, Order, OrderLine, OrderStatus
from capabilities.transaction.queries import order_of


class ReceiptType(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ReceiptAdjustment(ReceiptType):
    """What one rule took off a line; `release_id` names the release that decided."""

    rule_id: str
    rule_name: str
    release_id: str
    coupon_code: str | None
    amount_minor: int


class ReceiptLine(ReceiptType):
    """A line or the delivery, with what each rule took off."""

    line_id: str
    kind: OfferKind
    sku: str
    name_en: str
    name_zh: str
    quantity: int
    unit_price_minor: int
    gross_minor: int
    discount_minor: int
    net_minor: int
    tax_rate_bps: int
    tax_minor: int
    total_minor: int
    is_gift: bool = False
    adjustments: tuple[ReceiptAdjustment, ...]


class ReceiptCoupon(ReceiptType):
    """A code the buyer entered, and what became of it."""

    code: str
    state: str


class ReceiptPayment(ReceiptType):
    """A payment of the order, and how it stands."""

    payment_id: str
    method: str
    status: str
    amount_minor: int = 0


class Receipt(ReceiptType):
    """An order as its buyer sees it; imported ones have no quote, so no adjustments. goods + delivery + fee − discount (+ tax where prices exclude it) = total."""

    order_id: str
    run_id: str
    number: str
    business: str
    status: OrderStatus
    buyer_id: str | None
    currency: str
    prices_include_tax: bool
    goods_gross_minor: int
    discount_minor: int
    delivery_minor: int
    fee_minor: int = 0
    tax_minor: int
    total_minor: int
    lines: tuple[ReceiptLine, ...]
    coupons: tuple[ReceiptCoupon, ...]
    payment: ReceiptPayment | None
    payments: tuple[ReceiptPayment, ...] = ()
    """All sources in their recorded order; `payment` is the first."""
    origin: Literal["checkout", "import"]
    placed_at: datetime
    confirmed_at: datetime | None


@operation("transaction.receipt", en="Write the receipt", zh="生成回执", changes=False)
def write_receipt(session: Session, context: StepContext, request: OrderReference) -> Receipt:  # noqa: ARG001 - one signature for all steps
    """The order with lines, adjustments, coupons and payment, as they stand in this transaction."""
    return receipt_of(session, request.order_id)


def receipt_of(session: Session, order_id: str, *, business: str | None = None) -> Receipt:
    """The receipt of an order; `MissingError` where there is none, or not for `business` when one is named."""
    order = order_of(session, order_id, business=business)
    quote = find_quote(session, order.quote_id)
    payments = tuple(
        ReceiptPayment(
            payment_id=payment.id, method=payment.method, status=payment.status, amount_minor=payment.amount_minor
        )
        for payment in payments_of_order(session, order_id)
    )
    shared = set(Receipt.model_fields) & set(Order.model_fields) - {"lines"}
    return Receipt(
        **{name: getattr(order, name) for name in shared},
        order_id=order.id,
        lines=tuple(_line(line, quote) for line in order.lines),
        coupons=tuple(ReceiptCoupon(code=use.code, state=use.state) for use in quote.coupons) if quote else (),
        payment=payments[0] if payments else None,
        payments=payments,
    )


def _line(line: OrderLine, quote: Quote | None) -> ReceiptLine:
    shared = set(ReceiptLine.model_fields) - {"adjustments"}
    quoted = next((found for found in quote.lines if found.id == line.line_id), None) if quote else None
    return ReceiptLine(
        **{name: getattr(line, name) for name in shared},
        adjustments=tuple(
            ReceiptAdjustment(
                rule_id=adjustment.rule_id,
                rule_name=adjustment.rule_name,
                release_id=adjustment.release_id,
                coupon_code=adjustment.coupon_code,
                amount_minor=adjustment.given_minor,
            )
            for adjustment in (quoted.adjustments if quoted else ())
            if adjustment.given_minor
        ),
    )
