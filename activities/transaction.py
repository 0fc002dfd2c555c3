"""Steps about orders and stock. Here a quote of marketing becomes an order of transaction: neither knows the other."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from activities.journal.queries import find_run
from capabilities.kernel.outbox import publish
from capabilities.marketing.contract import Quote
from capabilities.marketing.queries import quote_of
from capabilities.marketing.service_claims import extend_claims
from capabilities.payment.queries import payments_of_order
from capabilities.transaction import service
from capabilities.transaction.contract import (
    CheckoutRequest,
    CloseOrder,
    ConfirmOrder,
    Hold,
    OfferKind,
    OpenOrder,
    OpenOrderLine,
    Order,
    OrderStatus,
    SourceShare,
)
from capabilities.transaction.seller_orders import save_seller_orders, sellers_of, split_over_sellers
from capabilities.user.contract import AdmittedBuyer
from capabilities.user.service import count_order


class StepType(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OpenRequest(StepType):
    """The checkout as asked, who buys, and the quote it was priced with."""

    checkout: CheckoutRequest
    buyer: AdmittedBuyer
    quote_id: str


class OpenedOrder(StepType):
    """The order as later steps need it."""

    order_id: str
    number: str
    currency: str
    total_minor: int
    sources: int = 0
    """How many sources of payment were named; none where one method pays all."""


class OrderReference(StepType):
    """An order by its id."""

    order_id: str


class HoldForReview(StepType):
    """`reason` is what the rules of risk said, where they said something, `also` what those of prices did."""

    order_id: str
    reason: str | None = Field(default=None, max_length=500)
    also: str | None = Field(default=None, max_length=500)


class CloseRequest(StepType):
    """`reason` is the code of the error that ended the checkout, or a word of the person who did."""

    order_id: str
    reason: str | None = Field(default=None, max_length=500)
    is_cancelled: bool = False


class OrderStanding(StepType):
    """An order's status after a step; None where there is no such order, so nothing to undo."""

    order_id: str
    status: OrderStatus | None


class HeldForReview(OrderStanding):
    """The order on hold, and why."""

    reason: str


class ReleasedStock(StepType):
    """How many reservations were given back."""

    released: int


class ConfirmRequest(StepType):
    """The order, and the payment that was captured for it."""

    order_id: str
    payment_id: str | None = None


class ConfirmedOrder(StepType):
    """The order, confirmed."""

    order_id: str
    number: str
    status: OrderStatus
    confirmed_at: datetime


@operation("transaction.open", en="Open the order", zh="创建订单")
def open_order(session: Session, context: StepContext, request: OpenRequest) -> OpenedOrder:
    """Place the order as quoted; that the quote is what the buyer agreed to, pricing has seen to."""
    quote = quote_of(session, request.quote_id)
    order = service.open_order(session, _command(context, request, quote))
    return OpenedOrder(
        order_id=order.id,
        number=order.number,
        currency=order.currency,
        total_minor=order.total_minor,
        sources=len(request.checkout.payments),
    )


@operation("transaction.close", en="Close the order", zh="关闭订单")
def close_order(session: Session, context: StepContext, request: CloseRequest) -> OrderStanding:
    """The undo of opening: refused, expired or cancelled, and its stock given back. A confirmed order stays.

    An undo is bound when the order opens, before anything went wrong: the reason is what the run ended with.
    """
    reason = request.reason or _why_it_ended(session, context.run_id) or "The checkout was undone and stopped."
    closed = service.close_order(session, CloseOrder(**request.model_dump() | {"reason": reason}))
    return OrderStanding(order_id=request.order_id, status=None if closed is None else closed.status)


def _why_it_ended(session: Session, run_id: str) -> str | None:
    run = find_run(session, run_id)
    return str(run.error["message"]) if run is not None and run.error else None


@operation("transaction.hold_stock", en="Hold the stock", zh="预留库存")
def hold_stock(session: Session, context: StepContext, request: OrderReference) -> Hold:  # noqa: ARG001
    """All pieces of the order or none."""
    return service.hold_stock(session, request.order_id)


@operation("transaction.release_stock", en="Release the stock", zh="释放库存")
def release_stock(session: Session, context: StepContext, request: OrderReference) -> ReleasedStock:  # noqa: ARG001
    """The undo of holding; what is committed or was released stays so."""
    return ReleasedStock(released=service.release_stock(session, request.order_id))


@operation("transaction.put_on_hold", en="Hold the order for review", zh="订单待审")
def put_on_hold(session: Session, context: StepContext, request: HoldForReview) -> HeldForReview:  # noqa: ARG001
    """A person has to look at the order before it goes on; pieces and coupons are kept for it as long as that takes."""
    reason = "; ".join(filter(None, (request.reason, request.also)))[:500] or "A person looks at this order."
    order = service.put_on_hold(session, request.order_id, reason)
    extend_claims(session, order.id, service.review_ends_at(order))
    return HeldForReview(order_id=order.id, status=order.status, reason=reason)


@operation("transaction.take_off_hold", en="Let the order go on", zh="订单放行")
def take_off_hold(session: Session, context: StepContext, request: OrderReference) -> OrderStanding:  # noqa: ARG001
    """A person has looked at the order and lets it go on."""
    order = service.take_off_hold(session, request.order_id)
    extend_claims(session, order.id, service.payment_ends_at(order))
    return OrderStanding(order_id=order.id, status=order.status)


@operation("transaction.confirm", en="Confirm the order", zh="确认订单")
def confirm_order(session: Session, context: StepContext, request: ConfirmRequest) -> ConfirmedOrder:
    """Commit the stock, confirm, count the buyer's order, and tell the world. A second time changes nothing."""
    order, is_new = service.confirm_order(
        session, ConfirmOrder(order_id=request.order_id, payment_id=request.payment_id)
    )
    service.commit_stock(session, order.id)
    if is_new:
        _share_over_sellers(session, order)
        if order.buyer_id is not None:
            count_order(
                session,
                order.business,
                order.buyer_id,
                total_minor=order.total_minor,
                currency=order.currency,
                at=order.confirmed_at,
            )
        publish(session, business=order.business, type="order.confirmed", subject=order.id, data=_event(order, context))
    assert order.confirmed_at is not None  # noqa: S101 - a check constraint holds it; this tells the type checker
    return ConfirmedOrder(order_id=order.id, number=order.number, status=order.status, confirmed_at=order.confirmed_at)


def _share_over_sellers(session: Session, order: Order) -> None:
    """Where several sell, each has a part of the order; one seller's part is the order itself."""
    if len(sellers_of(order)) > 1:
        sources = [
            SourceShare(payment_id=payment.id, method=payment.method, amount_minor=payment.amount_minor)
            for payment in payments_of_order(session, order.id)
        ]
        save_seller_orders(session, split_over_sellers(order, sources))


def _event(order: Order, context: StepContext) -> dict[str, str | int | None]:
    return {
        "order_id": order.id,
        "number": order.number,
        "buyer_id": order.buyer_id,
        "payment_id": order.payment_id,
        "currency": order.currency,
        "total_minor": order.total_minor,
        "run_id": order.run_id,
        "correlation_id": context.correlation_id,
    }


def _command(context: StepContext, request: OpenRequest, quote: Quote) -> OpenOrder:
    """The quote in transaction's own words."""
    return order_as_quoted(request.checkout, quote, run_id=context.run_id, buyer_id=request.buyer.buyer_id)


def order_as_quoted(checkout: CheckoutRequest, quote: Quote, *, run_id: str, buyer_id: str | None) -> OpenOrder:
    """An order, or a draft without a run, as its quote prices it."""
    shared = ("quantity", "unit_price_minor", "gross_minor", "discount_minor", "net_minor")
    taxes = ("tax_rate_bps", "tax_minor", "total_minor")
    totals = ("goods_gross_minor", "discount_minor", "delivery_minor", "fee_minor", "tax_minor", "total_minor")
    return OpenOrder(
        run_id=run_id,
        business=checkout.business,
        scenario=checkout.scenario,
        channel=checkout.channel,
        country=checkout.country,
        buyer_id=buyer_id,
        currency=quote.currency,
        prices_include_tax=quote.prices_include_tax,
        quote_id=quote.id,
        draft_id=checkout.draft_id,
        attributes=checkout.attributes,
        tags=tuple(dict.fromkeys(reward.text for reward in quote.rewards if reward.kind == "tag" and reward.text)),
        **{name: getattr(quote, name) for name in totals},
        lines=tuple(
            OpenOrderLine(
                line_id=line.id,
                sku=line.sku,
                kind=OfferKind(line.kind),
                is_gift=line.is_gift,
                **{name: getattr(line, name) for name in (*shared, *taxes)},
            )
            for line in quote.lines
        ),
    )
