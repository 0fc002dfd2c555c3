"""Operations of settlement."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from capabilities.settlement import service
from capabilities.settlement.contract import FreezeCommission, SoldLine
from capabilities.transaction.contract import OfferKind, Order, OrderLine
from capabilities.transaction.queries import order_of


class Part(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FreezeRequest(Part):
    order_id: str


class FreezeResponse(Part):
    """How many lines were frozen, and the commission on them without its tax."""

    lines: int
    commission_minor: int


class CancelFreezeResponse(Part):
    cancelled: int


@operation("settlement.freeze", en="Freeze the commission", zh="锁定佣金")
def freeze(session: Session, context: StepContext, request: FreezeRequest) -> FreezeResponse:
    """Freeze the commission of every line of goods."""
    del context
    order = order_of(session, request.order_id)
    frozen = service.freeze_commission(session, sale_of(order))
    return FreezeResponse(lines=len(frozen), commission_minor=sum(line.commission_minor for line in frozen))


@operation("settlement.cancel_freeze", en="Cancel the frozen commission", zh="取消锁定佣金")
def cancel_freeze(session: Session, context: StepContext, request: FreezeRequest) -> CancelFreezeResponse:
    """Cancel what was frozen; nothing where nothing was."""
    del context
    return CancelFreezeResponse(cancelled=service.cancel_freeze(session, request.order_id))


def sale_of(order: Order) -> FreezeCommission:
    """An order as commission sees it: lines of goods, net of discount and tax. Delivery earns no seller anything."""
    return FreezeCommission(
        business=order.business,
        scenario=order.scenario,
        order_id=order.id,
        currency=order.currency,
        lines=tuple(
            SoldLine(
                line_id=line.line_id,
                seller_id=line.seller_id,
                category=line.category,
                quantity=line.quantity,
                base_minor=untaxed(line),
            )
            for line in order.lines
            if line.kind is OfferKind.GOODS
        ),
    )


def untaxed(line: OrderLine) -> int:
    """What a line brings without tax, whether its price includes tax or not."""
    return line.total_minor - line.tax_minor
