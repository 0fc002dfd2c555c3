"""Draft orders: a saved cart, an operator's offer, the new goods of an exchange. Editable, and placed by a checkout."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, MissingError
from capabilities.transaction.contract import OpenOrder, Order, OrderStatus
from capabilities.transaction.models import OrderLineRow, OrderRow
from capabilities.transaction.offer_queries import offers_of
from capabilities.transaction.order_rows import (
    INSERT_LINES,
    insert_orders,
    line_values,
    order_values,
    require_few_enough,
    require_offers,
)
from capabilities.transaction.queries import find_order, keep_order, line_from
from capabilities.transaction.states import move_order

Relation = Literal["exchange", "addition"]


def save_draft(
    session: Session,
    draft_id: str,
    priced: OpenOrder,
    asked: dict[str, Any],
    *,
    parent_id: str | None = None,
    relation: Relation | None = None,
) -> Order:
    """Keep a draft as it is priced now; saved again, it is changed. Nothing is held, claimed or asked of anybody."""
    offers = offers_of(session, priced.business, [line.sku for line in priced.lines])
    require_offers(priced, offers)
    require_few_enough(priced, offers)
    known = _locked(session, draft_id)
    if known is None:
        insert_orders(session, [(draft_id, priced, now(), OrderStatus.DRAFT)], offers)
        about = {"draft": asked, "parent_id": parent_id, "relation": relation}
        session.execute(update(OrderRow).where(OrderRow.id == draft_id).values(about))
    else:
        _require_draft(known, priced.business)
        _rewrite(session, known, priced, {"draft": asked})
    found = find_order(session, draft_id)
    assert found is not None  # noqa: S101 - it was just written; this tells the type checker
    return found


def place_draft(session: Session, request: OpenOrder) -> Order:
    """A checkout places the draft, at the prices it agreed to; the same run finds it placed, another one is refused."""
    draft_id = request.draft_id or ""
    known = _locked(session, draft_id)
    if known is None:
        raise MissingError("transaction.draft_unknown", f"There is no draft {draft_id!r}.", draft_id=draft_id)
    if known.run_id == request.run_id:
        return known
    _require_draft(known, request.business)
    offers = offers_of(session, request.business, [line.sku for line in request.lines])
    require_offers(request, offers)
    require_few_enough(request, offers)
    placed = _rewrite(session, known, request, {"placed_at": now()})
    return move_order(session, placed, OrderStatus.PLACED, None)


def draft_request_of(session: Session, draft_id: str) -> dict[str, Any] | None:
    """What a draft asks for, as a checkout asks it; None for an order that never was one."""
    return session.scalar(select(OrderRow.draft).where(OrderRow.id == draft_id))


def _locked(session: Session, draft_id: str) -> Order | None:
    session.execute(select(OrderRow.id).where(OrderRow.id == draft_id).with_for_update())
    return find_order(session, draft_id)


def _require_draft(known: Order, business: str) -> None:
    if known.business != business:
        raise MissingError("transaction.draft_unknown", f"There is no draft {known.id!r}.", draft_id=known.id)
    if known.status is not OrderStatus.DRAFT:
        raise ConflictError(
            "transaction.draft_placed",
            f"Order {known.number} is no draft any more: it is {known.status.value}.",
            mend="Look at the order.",
            order_id=known.id,
            status=known.status.value,
        )


def _rewrite(session: Session, known: Order, priced: OpenOrder, also: dict[str, Any]) -> Order:
    """The draft's amounts and lines anew; number, origin and what it belongs to stay."""
    offers = offers_of(session, priced.business, [line.sku for line in priced.lines])
    values = order_values(known.id, priced, known.placed_at, OrderStatus.DRAFT, 0, offers)
    for name in ("id", "sequence", "number", "status", "business", "placed_at"):
        del values[name]
    lines = line_values(known.id, priced, offers)
    session.execute(update(OrderRow).where(OrderRow.id == known.id).values(values | also))
    session.execute(delete(OrderLineRow).where(OrderLineRow.order_id == known.id))
    session.execute(INSERT_LINES, lines)
    # lines of a draft do change: what this transaction has read of them is forgotten
    keep_order(session, known.model_copy(update={"lines": tuple(line_from(OrderLineRow(**line)) for line in lines)}))
    found = find_order(session, known.id)
    assert found is not None  # noqa: S101 - it is locked by us; this tells the type checker
    return found


def change_attributes(session: Session, order: Order, attributes: dict[str, str]) -> Order:
    """Address and the like: those named are changed, an empty one is taken away."""
    left = {name: value for name, value in (order.attributes | attributes).items() if value}
    session.execute(update(OrderRow).where(OrderRow.id == order.id).values(attributes=left))
    changed = order.model_copy(update={"attributes": left})
    keep_order(session, changed)
    return changed
