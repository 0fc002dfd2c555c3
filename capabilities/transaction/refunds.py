"""Writes of refunds: requested, decided, carried out. Their units are taken off the lines when they are asked for.

The order is locked while shares are computed and units are reserved, and a line counts its refunded units under a
condition: no unit is given back twice, whoever asks at the same time. A refund that is refused or fails frees its units.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError
from capabilities.transaction.acts import lock_order
from capabilities.transaction.after_sale import (
    Refund,
    RefundKind,
    RefundLine,
    RefundPreview,
    RefundRequest,
    RefundStatus,
    SourceShare,
)
from capabilities.transaction.after_sale_models import RefundChangeRow, RefundLineRow, RefundRow, ReturnRow
from capabilities.transaction.contract import OfferKind, Order, OrderStatus
from capabilities.transaction.models import OrderLineRow
from capabilities.transaction.refund_queries import find_refund, refund_of
from capabilities.transaction.refundable import refunded_as
from capabilities.transaction.unit_queries import units_of
from capabilities.transaction.units import change_units, settle_status

REQUESTED, APPROVED, PROCESSING, SUCCEEDED, REFUSED, FAILED, REVERSED = RefundStatus

ALLOWED_REFUNDS: Mapping[RefundStatus, frozenset[RefundStatus]] = {
    REQUESTED: frozenset({APPROVED, REFUSED, FAILED}),
    APPROVED: frozenset({PROCESSING, REFUSED, FAILED}),
    PROCESSING: frozenset({SUCCEEDED, FAILED}),
    SUCCEEDED: frozenset({REVERSED}),
    REFUSED: frozenset(),
    FAILED: frozenset(),
    REVERSED: frozenset(),
}
"""Which status of a refund may follow which."""


# --- a refund's life --------------------------------------------------------------------------------------------


def open_refund(
    session: Session,
    refund_id: str,
    request: RefundRequest,
    preview: RefundPreview,
    *,
    actor: str,
) -> Refund:
    """Ask for a refund as previewed in this transaction, the order being locked; its units are reserved now."""
    known = find_refund(session, refund_id)
    if known is not None:
        return require_same(session, known, request)
    order = lock_order(session, request.order_id)
    count = session.scalar(select(func.count()).where(RefundRow.order_id == order.id)) or 0
    plain = {"kind", "after_return", "total_minor", "fee_minor", "unpaid_minor", "due_minor"}
    session.execute(
        insert(RefundRow).values(
            id=refund_id,
            business=order.business,
            order_id=order.id,
            number=f"{order.number}-R{count + 1}",
            status=REQUESTED.value,
            reason=request.reason,
            currency=order.currency,
            prices_include_tax=order.prices_include_tax,
            **preview.model_dump(mode="json", include=plain),
            tax_minor=sum(line.tax_minor for line in preview.lines),
            destination=request.destination,
            delivery=request.delivery,
            fees=request.fees,
            return_id=request.return_id,
            request_sha256=_request_sha256(request),
            sources=[share.model_dump(mode="json") for share in preview.sources],
            requested_by=actor,
            requested_at=now(),
        )
    )
    _insert_lines(session, order, refund_id, request, preview.lines)
    _write_change(session, order.business, refund_id, None, REQUESTED, request.reason or None, actor)
    if request.return_id is not None:
        session.execute(
            update(ReturnRow)
            .where(ReturnRow.id == request.return_id, ReturnRow.order_id == order.id)
            .values(refund_id=refund_id)
        )
    return refund_of(session, refund_id)


def require_same(session: Session, known: Refund, request: RefundRequest) -> Refund:
    """The refund that was opened under this id, or a conflict where it is for something else."""
    row = session.get_one(RefundRow, known.id)
    if row.request_sha256 != _request_sha256(request):
        raise ConflictError(
            "transaction.key_reused",
            f"Refund {known.number} was asked for something else.",
            mend="Take a new key for what is new.",
            refund_id=known.id,
        )
    return known


def approve_refund(session: Session, refund_id: str, *, actor: str, reason: str | None = None) -> tuple[Refund, bool]:
    """Let it go on."""
    return _move(session, refund_id, APPROVED, actor, reason, decided_by=actor, decided_at=now())


def start_refund(session: Session, refund_id: str, *, actor: str) -> tuple[Refund, bool]:
    """From now the sources are asked: it can fail, but not be refused any more."""
    return _move(session, refund_id, PROCESSING, actor, None)


def refuse_refund(session: Session, refund_id: str, *, actor: str, reason: str) -> tuple[Refund, bool]:
    """Say no; its units are free again."""
    return _free(session, refund_id, REFUSED, actor, reason)


def fail_refund(session: Session, refund_id: str, *, actor: str, reason: str) -> tuple[Refund, bool]:
    """It came to nothing; its units are free again."""
    return _free(session, refund_id, FAILED, actor, reason)


def complete_refund(
    session: Session, refund_id: str, *, actor: str, sources: Sequence[SourceShare] | None = None
) -> tuple[Refund, bool]:
    """The money is back. `sources` say where it really went; cancelled units may now make the order's status."""
    refund = refund_of(session, refund_id)
    order = lock_order(session, refund.order_id)
    if refund.status is APPROVED:
        _move(session, refund_id, PROCESSING, actor, None)
    told = {} if sources is None else {"sources": [share.model_dump(mode="json") for share in sources]}
    done, is_new = _move(session, refund_id, SUCCEEDED, actor, None, completed_at=now(), **told)
    if is_new:
        settle_status(session, order, done.reason or None)
    return done, is_new


def reverse_refund(session: Session, refund_id: str, *, actor: str, reason: str) -> tuple[Refund, bool]:
    """The money that was given back came back to us: the order keeps again what the refund had taken off."""
    return _free(session, refund_id, REVERSED, actor, reason)


def _free(session: Session, refund_id: str, to: RefundStatus, actor: str, reason: str) -> tuple[Refund, bool]:
    """End a refund that gives nothing. Units it had cancelled are open again, unless the order went on without them."""
    order = lock_order(session, refund_of(session, refund_id).order_id)
    decided = {"decided_by": actor, "decided_at": now()} if to is REFUSED else {}
    done, is_new = _move(session, refund_id, to, actor, reason, **decided)
    if not is_new:
        return done, False
    rows = session.scalars(
        select(RefundLineRow).where(RefundLineRow.refund_id == refund_id).order_by(RefundLineRow.position)
    ).all()
    for row in rows:
        if row.units:
            session.execute(
                update(OrderLineRow)
                .where(OrderLineRow.order_id == order.id, OrderLineRow.line_id == row.line_id)
                .values(refunded=OrderLineRow.refunded - row.units)
                .execution_options(synchronize_session=False)
            )
        if row.cancelled_units and to is not REVERSED and order.status is OrderStatus.CONFIRMED:
            change_units(session, order, row.line_id, cancelled=-row.cancelled_units)
    return done, True


def _insert_lines(
    session: Session, order: Order, refund_id: str, request: RefundRequest, lines: Sequence[RefundLine]
) -> None:
    cancelled_before = refunded_as(session, order.id, RefundKind.CANCELLATION)
    units = {line.line_id: line for line in units_of(session, order.id)}
    rows: list[dict[str, Any]] = []
    for position, line in enumerate(lines):
        newly = 0
        if request.kind is RefundKind.CANCELLATION and line.kind == OfferKind.GOODS:
            # units that were cancelled already, and not given back yet, come first
            waiting = units[line.line_id].cancelled - cancelled_before.get(line.line_id, 0)
            newly = max(0, line.units - max(0, waiting))
        if line.units:
            _reserve(session, order, line)
        if newly:
            change_units(session, order, line.line_id, cancelled=newly)
        rows.append(
            line.model_dump(mode="json")
            | {
                "business": order.business,
                "refund_id": refund_id,
                "order_id": order.id,
                "position": position,
                "cancelled_units": newly,
            }
        )
    if rows:
        session.execute(insert(RefundLineRow), rows)


def _reserve(session: Session, order: Order, line: RefundLine) -> None:
    """Count the units as refunded, if nobody else did since the shares were computed."""
    taken = session.scalar(
        update(OrderLineRow)
        .where(
            OrderLineRow.order_id == order.id,
            OrderLineRow.line_id == line.line_id,
            OrderLineRow.refunded == line.units_before,
            OrderLineRow.refunded + line.units <= OrderLineRow.quantity,
        )
        .values(refunded=OrderLineRow.refunded + line.units)
        .returning(OrderLineRow.line_id)
        .execution_options(synchronize_session=False)
    )
    if taken is None:
        raise ConflictError(
            "transaction.units_taken",
            f"Units of line {line.line_id} were given back meanwhile.",
            mend="Ask for the preview again.",
            order_id=order.id,
            line_id=line.line_id,
        )


def _move(
    session: Session, refund_id: str, to: RefundStatus, actor: str, reason: str | None, **also: Any
) -> tuple[Refund, bool]:
    """Move the refund; it being there already is no change, coming from elsewhere a conflict."""
    before = refund_of(session, refund_id)
    if before.status is to:
        return before, False
    moved = None
    if to in ALLOWED_REFUNDS[before.status]:
        moved = session.scalar(
            update(RefundRow)
            .where(RefundRow.id == refund_id, RefundRow.status == before.status.value)
            .values(status=to.value, status_reason=reason, **also)
            .returning(RefundRow.id)
            .execution_options(synchronize_session=False)
        )
    if moved is None:
        raise ConflictError(
            "transaction.refund_status_conflict",
            f"Refund {before.number} is {before.status.value} and cannot become {to.value}.",
            mend="Look at the refund again: somebody else has decided about it.",
            refund_id=refund_id,
            status=before.status.value,
        )
    _write_change(session, before.business, refund_id, before.status, to, reason, actor)
    return refund_of(session, refund_id), True


def _write_change(
    session: Session,
    business: str,
    refund_id: str,
    before: RefundStatus | None,
    to: RefundStatus,
    reason: str | None,
    actor: str,
) -> None:
    session.execute(
        insert(RefundChangeRow).values(
            business=business,
            refund_id=refund_id,
            from_status=None if before is None else before.value,
            to_status=to.value,
            reason=reason,
            actor=actor,
            at=now(),
        )
    )


def _request_sha256(request: RefundRequest) -> str:
    return hashlib.sha256(json.dumps(request.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()
