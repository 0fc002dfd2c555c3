"""Everything that is kept about a buyer, as they may ask for it: one document of plain JSON."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from capabilities.account.contract import POINTS_CURRENCY, AccountKind, AccountRef
from capabilities.account.queries import balance_of
from capabilities.kernel.business import business_of
from capabilities.kernel.clock import now
from capabilities.transaction.contract import OrderFilters
from capabilities.transaction.queries import order_of, orders_page, refunds_of
from capabilities.user.queries import buyer_of, consent_history, tier_history


def export_of(session: Session, business: str, buyer_id: str) -> dict[str, Any]:
    """The buyer's own data, tiers, consents, orders with their refunds, points and wallet. `MissingError` for nobody."""
    buyer = buyer_of(session, business, buyer_id)
    own = business_of(session, business)
    return {
        "business": business,
        "exported_at": now().isoformat(),
        "buyer": buyer.model_dump(mode="json"),
        "tiers": [
            change.model_dump(mode="json", exclude={"actor"}) for change in tier_history(session, business, buyer_id)
        ],
        "consents": [
            said.model_dump(mode="json", exclude={"actor"}) for said in consent_history(session, business, buyer_id)
        ],
        "points": _balance(session, business, buyer_id, AccountKind.POINTS, POINTS_CURRENCY),
        "wallet": {
            "currency": own.currency,
            "balance_minor": _balance(session, business, buyer_id, AccountKind.BUYER_WALLET, own.currency),
        },
        "orders": list(_orders(session, business, buyer_id)),
    }


def _balance(session: Session, business: str, buyer_id: str, kind: AccountKind, currency: str) -> int:
    return balance_of(session, AccountRef(business=business, kind=kind, party=buyer_id, currency=currency)).minor


def _orders(session: Session, business: str, buyer_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    filters = OrderFilters(business=business, buyer_id=buyer_id)
    while True:
        page = orders_page(session, filters, cursor, limit=200)
        for summary in page.orders:
            order = order_of(session, summary.id).model_dump(mode="json", exclude={"run_id"})
            refunds = [refund.model_dump(mode="json") for refund in refunds_of(session, summary.id)]
            found.append(order | {"refunds": refunds})
        cursor = page.next_cursor
        if cursor is None:
            return found
