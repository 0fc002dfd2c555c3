"""Orders, and why they cost what they cost."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from activities.explaining import explain_quote
from activities.receipt import receipt_of
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import MissingError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.marketing.contract import Explanation
from capabilities.transaction.contract import UnitsOfLine
from capabilities.transaction.extensions import begins_on
from capabilities.transaction.queries import order_of
from capabilities.transaction.unit_queries import fulfilments_of, units_of
from web.api.access import may
from web.api.contracts import NOT_FOUND, OrderView
from web.api.keys import Client
from web.api.scope import missing, own_id

router = APIRouter(tags=["orders"], responses=NOT_FOUND)

Reader = Annotated[Client, Depends(may("orders.read"))]


@router.get("/orders/{order_id}", summary="Read an order")
def read_order(order_id: str, client: Reader) -> OrderView:
    """The order with its lines, what each rule took off them, its coupons and its payment, as they are now."""
    found = own_id(client, "order", order_id)
    with transaction() as session:
        try:
            order = order_of(session, found, business=client.business)
            receipt = receipt_of(session, found, business=client.business)
        except MissingError:
            raise missing(client, "order", order_id) from None
        begins = begins_on.for_identity(BusinessIdentity(order.business, order.scenario))(order)
        return OrderView(
            **receipt.model_dump(),
            status_reason=order.status_reason,
            attributes=order.attributes,
            tags=list(order.tags),
            begins_on=begins,
            open_units=[
                UnitsOfLine(line_id=line.line_id, units=line.open) for line in units_of(session, order.id) if line.open
            ],
            fulfilments=list(fulfilments_of(session, order.id)),
        )


@router.get("/orders/{order_id}/explanation", summary="Explain an order's price")
def explain_order(order_id: str, client: Reader) -> Explanation:
    """Why this price: the quote behind the order with every adjustment, and for each rule why it applied or did not.

    An imported order was not priced here: it has no explanation (404).
    """
    found = own_id(client, "order", order_id)
    with transaction() as session:
        try:
            order = order_of(session, found, business=client.business)
        except MissingError:
            raise missing(client, "order", order_id) from None
        return explain_quote(session, order.quote_id)
