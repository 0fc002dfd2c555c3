"""Operations of commission: frozen at sale by rules or rates, taken back by refunds."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from activities.settlement_requests import (
    CancelFreezeResponse,
    FreezeRequest,
    FreezeResponse,
    RateRequest,
    RateResponse,
    RefundOfSale,
    ReverseResponse,
)
from activities.settlement_rules import rated_by_rules
from capabilities.kernel.identity import BusinessIdentity
from capabilities.settlement import service, service_transfers
from capabilities.settlement.commission_decision import COMMISSION
from capabilities.settlement.contract import (
    CommissionReversal,
    DeclareRate,
    FreezeCommission,
    GivenBack,
    ReverseCommission,
    SoldLine,
)
from capabilities.settlement.queries import rates_at, rates_revision
from capabilities.transaction.contract import OfferKind, Order, OrderLine
from capabilities.transaction.queries import order_of
from capabilities.transaction.refund_queries import refund_of
from rules.queries import live_release_id, release_to_decide


@operation("settlement.freeze", en="Freeze the commission", zh="锁定佣金")
def freeze(session: Session, context: StepContext, request: FreezeRequest) -> FreezeResponse:
    """Freeze the commission of every line of goods: by the live rules where there are any, else by the stored rates."""
    del context
    order = order_of(session, request.order_id)
    identity = BusinessIdentity(order.business, order.scenario)
    release_id, revision = session.execute(_terms(identity)).one()
    sale = sale_of(order)
    if release_id is not None and sale.lines:
        release = release_to_decide(session, release_id)
        sale = sale.model_copy(update={"lines": rated_by_rules(session, order, sale, release)})
    frozen = service.freeze_commission(session, sale, rates=rates_at(session, order.business, revision))
    return FreezeResponse(lines=len(frozen), commission_minor=sum(line.commission_minor for line in frozen))


@operation("settlement.cancel_freeze", en="Cancel the frozen commission", zh="取消锁定佣金")
def cancel_freeze(session: Session, context: StepContext, request: FreezeRequest) -> CancelFreezeResponse:
    """Cancel what was frozen; nothing where nothing was."""
    del context
    return CancelFreezeResponse(cancelled=service.cancel_freeze(session, request.order_id))


@operation("settlement.reverse", en="Take commission and earning back", zh="冲回佣金与卖家收入")
def reverse(session: Session, context: StepContext, request: RefundOfSale) -> ReverseResponse:
    """Take back, line by line, what the refund gives back of commission and of the seller's earning; once a refund."""
    del context
    refund = refund_of(session, request.refund_id)
    given = tuple(
        GivenBack(line_id=line.line_id, base_minor=line.total_minor - line.tax_minor)
        for line in refund.lines
        if line.kind == OfferKind.GOODS
    )
    asked = ReverseCommission(refund_id=refund.id, order_id=refund.order_id, lines=given)
    return _told(service_transfers.reverse(session, asked))


@operation("settlement.reinstate", en="Give commission and earning again", zh="恢复佣金与卖家收入")
def reinstate(session: Session, context: StepContext, request: RefundOfSale) -> ReverseResponse:
    """The refund came to nothing: what it took back stands again, exactly; nothing where it took nothing."""
    del context
    return _told(service_transfers.reinstate(session, request.refund_id))


@operation("settlement.declare_rate", en="Declare a commission rate", zh="登记佣金费率")
def declare_rate(session: Session, context: StepContext, request: RateRequest) -> RateResponse:
    """Enter a rate, or change the one of that place; what was sold before keeps the rate it was sold at."""
    asked = DeclareRate(business=context.identity.business, **dict(request))
    return RateResponse(rate_id=service.declare_rate(session, asked))


@lru_cache(maxsize=256)
def _terms(identity: BusinessIdentity) -> Select[str | None, str]:
    """What decides about commissions now, in one statement: the live release, and the revision of the stored rates."""
    return select(live_release_id(COMMISSION.name, identity), rates_revision(identity.business))


def _told(reversals: Iterable[CommissionReversal]) -> ReverseResponse:
    found = tuple(reversals)
    return ReverseResponse(
        lines=len(found),
        commission_minor=sum(reversal.fees.commission_minor for reversal in found),
        seller_minor=sum(reversal.seller_net_minor for reversal in found),
    )


def sale_of(order: Order) -> FreezeCommission:
    """An order as commission sees it: lines of goods, net of discount and tax. Delivery earns no seller anything."""
    seen: set[str] = set()
    lines = []
    for line in order.lines:
        if line.kind is OfferKind.GOODS:
            lines.append(
                SoldLine(
                    line_id=line.line_id,
                    seller_id=line.seller_id,
                    category=line.category,
                    quantity=line.quantity,
                    base_minor=untaxed(line),
                    currency=order.currency,
                    is_first=line.seller_id not in seen,
                )
            )
            seen.add(line.seller_id)
    return FreezeCommission(
        business=order.business,
        scenario=order.scenario,
        order_id=order.id,
        currency=order.currency,
        lines=tuple(lines),
    )


def untaxed(line: OrderLine) -> int:
    """What a line brings without tax, whether its price includes tax or not."""
    return line.total_minor - line.tax_minor
