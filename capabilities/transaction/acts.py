"""What is done to an order after it was placed, each once: the order is locked, and its key remembers the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, MissingError
from capabilities.kernel.ids import derived_id
from capabilities.transaction.after_sale_models import ActRow
from capabilities.transaction.contract import Order
from capabilities.transaction.models import OrderRow
from capabilities.transaction.queries import find_order

Answer = TypeVar("Answer", bound=BaseModel)


def lock_order(session: Session, order_id: str) -> Order:
    """The order as it stands, and nobody else changes its units, refunds or status until this transaction ends."""
    session.execute(select(OrderRow.id).where(OrderRow.id == order_id).with_for_update())
    order = find_order(session, order_id)
    if order is None:
        raise MissingError("transaction.order_unknown", f"There is no order {order_id!r}.", order_id=order_id)
    return order


def once(
    session: Session,
    order: Order,
    *,
    kind: str,
    key: str,
    request: dict[str, Any],
    actor: str,
    answer_type: type[Answer],
    act: Callable[[], Answer],
) -> Answer:
    """Do it, or give the answer it got before; the same key for something else is a conflict. The order is locked."""
    known = session.scalars(
        select(ActRow).where(ActRow.order_id == order.id, ActRow.kind == kind, ActRow.key == key)
    ).one_or_none()
    if known is not None:
        if known.request != request:
            raise ConflictError(
                "transaction.key_reused",
                "The same key was used for something else on this order.",
                mend="Take a new key for what is new.",
                order_id=order.id,
            )
        return answer_type.model_validate(known.answer)
    answer = act()
    session.execute(
        insert(ActRow).values(
            id=derived_id("act", order.id, kind, key),
            business=order.business,
            order_id=order.id,
            kind=kind,
            key=key,
            request=request,
            answer=answer.model_dump(mode="json"),
            actor=actor,
            at=now(),
        )
    )
    return answer
