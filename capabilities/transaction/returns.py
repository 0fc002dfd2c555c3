"""Writes of returns: asked for, received unit by unit (restocked or discarded), closed; or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, RefusedError
from capabilities.kernel.ids import derived_id
from capabilities.transaction.acts import lock_order, once
from capabilities.transaction.after_sale import Contract, Return, ReturnStatus, UnitsOfLine
from capabilities.transaction.after_sale_models import ReturnLineRow, ReturnRow
from capabilities.transaction.contract import Order, OrderStatus
from capabilities.transaction.unit_queries import return_of, units_of
from capabilities.transaction.units import change_units, put_back, require_status

REQUESTED, RECEIVED, CLOSED, REFUSED = ReturnStatus

ALLOWED_RETURNS: Mapping[ReturnStatus, frozenset[ReturnStatus]] = {
    REQUESTED: frozenset({RECEIVED, REFUSED}),
    RECEIVED: frozenset({CLOSED}),
    CLOSED: frozenset(),
    REFUSED: frozenset(),
}
"""Which status of a return may follow which."""


class ReceivedLine(Contract):
    """What arrived of a line: units to sell again, and units to throw away."""

    line_id: str
    restock: int = Field(default=0, ge=0)
    discard: int = Field(default=0, ge=0)


def request_return(
    session: Session, order_id: str, *, key: str, lines: Sequence[UnitsOfLine], reason: str
) -> tuple[Return, bool]:
    """Ask to send units back; True where this call did it. Units handed over that no other return names."""
    order = lock_order(session, order_id)
    return_id = derived_id("ret", order.id, key)
    if session.get(ReturnRow, return_id) is not None:
        return return_of(session, return_id), False
    require_status(order, OrderStatus.CONFIRMED, OrderStatus.FULFILLED, OrderStatus.COMPLETED)
    _require_returnable(session, order, lines)
    count = session.scalar(select(func.count()).where(ReturnRow.order_id == order.id)) or 0
    session.execute(
        insert(ReturnRow).values(
            id=return_id,
            business=order.business,
            order_id=order.id,
            number=f"{order.number}-T{count + 1}",
            status=REQUESTED.value,
            reason=reason,
            requested_at=now(),
        )
    )
    skus = {line.line_id: line.sku for line in order.lines}
    session.execute(
        insert(ReturnLineRow),
        [
            {
                "business": order.business,
                "return_id": return_id,
                "line_id": line.line_id,
                "sku": skus[line.line_id],
                "units": line.units,
                "received": 0,
                "restocked": 0,
            }
            for line in lines
        ],
    )
    return return_of(session, return_id), True


def receive_return(
    session: Session, return_id: str, *, key: str, lines: Sequence[ReceivedLine] = (), actor: str
) -> Return:
    """What arrived: units to sell again go on the shelf. No lines: all that was announced, to sell again."""
    known = return_of(session, return_id)
    order = lock_order(session, known.order_id)

    def act() -> Return:
        found = return_of(session, return_id)
        arrived = list(lines) or [ReceivedLine(line_id=line.line_id, restock=line.units) for line in found.lines]
        announced = {line.line_id: line for line in found.lines}
        for line in arrived:
            units = line.restock + line.discard
            if line.line_id not in announced or units > announced[line.line_id].units:
                raise RefusedError(
                    "transaction.return_exceeded",
                    f"Of line {line.line_id} more arrived than was announced.",
                    mend="Ask for another return for what else arrived.",
                    line_id=line.line_id,
                )
            if units:
                change_units(session, order, line.line_id, returned=units)
                session.execute(
                    update(ReturnLineRow)
                    .where(ReturnLineRow.return_id == return_id, ReturnLineRow.line_id == line.line_id)
                    .values(received=units, restocked=line.restock)
                )
        skus = {line.line_id: line.sku for line in found.lines}
        put_back(session, order, {line.line_id: line.restock for line in arrived}, skus)
        return _move(session, found, RECEIVED, None, received_at=now())

    asked = {"return_id": return_id, "lines": [line.model_dump() for line in lines]}
    return once(session, order, kind="receive_return", key=key, request=asked, actor=actor, answer_type=Return, act=act)


def name_exchange(session: Session, return_id: str, draft_id: str) -> None:
    """Which order goes out instead of what comes back."""
    session.execute(update(ReturnRow).where(ReturnRow.id == return_id).values(exchange_order_id=draft_id))


def refuse_return(session: Session, return_id: str, *, reason: str) -> tuple[Return, bool]:
    """Nothing may come back."""
    return _moved(session, return_id, REFUSED, reason)


def close_return(session: Session, return_id: str, *, reason: str | None = None) -> tuple[Return, bool]:
    """All of it is settled."""
    return _moved(session, return_id, CLOSED, reason, closed_at=now())


def _moved(session: Session, return_id: str, to: ReturnStatus, reason: str | None, **also: Any) -> tuple[Return, bool]:
    lock_order(session, return_of(session, return_id).order_id)
    known = return_of(session, return_id)
    if known.status is to:
        return known, False
    return _move(session, known, to, reason, **also), True


def _move(session: Session, known: Return, to: ReturnStatus, reason: str | None, **also: Any) -> Return:
    moved = None
    if to in ALLOWED_RETURNS[known.status]:
        moved = session.scalar(
            update(ReturnRow)
            .where(ReturnRow.id == known.id, ReturnRow.status == known.status.value)
            .values(status=to.value, status_reason=reason, **also)
            .returning(ReturnRow.id)
            .execution_options(synchronize_session=False)
        )
    if moved is None:
        raise ConflictError(
            "transaction.return_status_conflict",
            f"Return {known.number} is {known.status.value} and cannot become {to.value}.",
            mend="Look at the return again: somebody else has decided about it.",
            return_id=known.id,
            status=known.status.value,
        )
    return return_of(session, known.id)


def _require_returnable(session: Session, order: Order, lines: Sequence[UnitsOfLine]) -> None:
    rows = session.execute(
        select(ReturnLineRow.line_id, func.sum(ReturnLineRow.units))
        .join(ReturnRow, ReturnRow.id == ReturnLineRow.return_id)
        .where(ReturnRow.order_id == order.id, ReturnRow.status == REQUESTED.value)
        .group_by(ReturnLineRow.line_id)
    )
    announced = {line_id: int(asked) for line_id, asked in rows}
    units = {line.line_id: line for line in units_of(session, order.id)}
    if not lines or len({line.line_id for line in lines}) < len(lines):
        raise RefusedError("transaction.return_empty", "A return names units, each line once.", field="lines")
    for line in lines:
        found = units.get(line.line_id)
        left = 0 if found is None else found.fulfilled - found.returned - announced.get(line.line_id, 0)
        if line.units > left:
            raise RefusedError(
                "transaction.units_not_returnable",
                f"Of line {line.line_id} {line.units} units were asked; {left} were handed over and are not coming back.",
                mend="Ask for fewer units.",
                line_id=line.line_id,
                asked=line.units,
                left=left,
            )
