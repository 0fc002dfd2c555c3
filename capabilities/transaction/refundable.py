"""What can still be given back of an order: what its lines keep, and which units a request may mean."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from capabilities.kernel.errors import InvalidError, RefusedError
from capabilities.transaction.after_sale import (
    LineUnits,
    RefundAdjustment,
    RefundKind,
    RefundPreview,
    RefundRequest,
)
from capabilities.transaction.after_sale_models import RefundLineRow, RefundRow
from capabilities.transaction.contract import SOLD, OfferKind, Order, OrderStatus
from capabilities.transaction.refund_queries import GONE
from capabilities.transaction.refunding import KeptLine, LineAmounts
from capabilities.transaction.unit_queries import returns_of, units_of


def kept_lines(
    session: Session, order: Order, adjustments: Mapping[str, tuple[RefundAdjustment, ...]]
) -> tuple[KeptLine, ...]:
    """The order's lines with what is kept of them after its live refunds; `adjustments` say which rule gave what."""
    units = {line.line_id: line for line in units_of(session, order.id, kind=None)}
    rows = session.scalars(
        select(RefundLineRow)
        .join(RefundRow, RefundRow.id == RefundLineRow.refund_id)
        .where(RefundRow.order_id == order.id, RefundRow.status.not_in(GONE))
    ).all()
    lines = []
    for line in order.lines:
        gone = [row for row in rows if row.line_id == line.line_id]
        sold = LineAmounts(
            net_minor=line.net_minor,
            tax_minor=line.tax_minor,
            discount_minor=line.discount_minor,
            adjustments=adjustments.get(line.line_id, ()),
        )
        kept = LineAmounts(
            net_minor=sold.net_minor - sum(row.net_minor for row in gone),
            tax_minor=sold.tax_minor - sum(row.tax_minor for row in gone),
            discount_minor=sold.discount_minor - sum(row.discount_minor for row in gone),
            adjustments=_adjustments_left(sold.adjustments, gone),
        )
        lines.append(
            KeptLine(
                line_id=line.line_id,
                sku=line.sku,
                kind=line.kind.value,
                seller_id=line.seller_id,
                tax_rate_bps=line.tax_rate_bps,
                quantity=line.quantity,
                refunded=units[line.line_id].refunded,
                sold=sold,
                kept=kept,
            )
        )
    return tuple(lines)


def _adjustments_left(sold: Sequence[RefundAdjustment], gone: Sequence[RefundLineRow]) -> tuple[RefundAdjustment, ...]:
    left = {(found.rule_id, found.coupon_code, found.effect_index): found for found in sold}
    for row in gone:
        for raw in row.adjustments:
            taken = RefundAdjustment.model_validate(raw)
            key = (taken.rule_id, taken.coupon_code, taken.effect_index)
            before = left.get(key, taken.model_copy(update={"given_minor": 0}))
            left[key] = before.model_copy(update={"given_minor": before.given_minor - taken.given_minor})
    return tuple(left.values())


def require_refundable(session: Session, order: Order, request: RefundRequest) -> dict[str, int]:
    """The units a request means, by line: those it names, and the delivery and fees where it asks for them.

    `RefusedError` where the order was never paid, where units were not handed over (a return) or were (a cancellation).
    """
    if order.status not in SOLD | {OrderStatus.CANCELLED} or order.confirmed_at is None or order.origin == "import":
        raise RefusedError(
            "transaction.refund_unpaid",
            f"Nothing was paid for order {order.number}, so nothing can be given back.",
            order_id=order.id,
        )
    if (request.amount_minor is None) == (not request.lines and not request.delivery and not request.fees):
        raise RefusedError(
            "transaction.refund_empty",
            "A refund names units, the delivery or the fees, or an amount alone.",
            mend="Say what is to be given back.",
            field="lines",
        )
    if request.return_id is not None and request.return_id not in {made.id for made in returns_of(session, order.id)}:
        raise InvalidError(
            "transaction.return_of_another",
            f"Order {order.number} has no return {request.return_id[:64]!r}.",
            mend="Name a return of this order, or none.",
            field="return_id",
        )
    lines = units_of(session, order.id, kind=None)
    wanted: dict[str, int] = {}
    for named in request.lines:
        wanted[named.line_id] = wanted.get(named.line_id, 0) + named.units
    kinds = {line.line_id: line.kind for line in order.lines}
    cancelled_before = refunded_as(session, order.id, RefundKind.CANCELLATION)
    for line in lines:
        asked = wanted.get(line.line_id, 0)
        kind = kinds[line.line_id]
        if (request.delivery and kind is OfferKind.DELIVERY) or (request.fees and kind is OfferKind.FEE):
            wanted[line.line_id] = line.kept
        elif asked and kind is OfferKind.GOODS:
            _require_units_of(request.kind, line, asked, cancelled_before.get(line.line_id, 0))
    return {line_id: units for line_id, units in wanted.items() if units}


def _require_units_of(kind: RefundKind, line: LineUnits, asked: int, cancelled_before: int) -> None:
    """A cancellation gives back units that were not handed over, everything else those that were."""
    not_handed_over = line.quantity - line.fulfilled - cancelled_before
    handed_over = line.fulfilled - (line.refunded - cancelled_before)
    left = not_handed_over if kind is RefundKind.CANCELLATION else handed_over
    if asked > left:
        is_cancellation = kind is RefundKind.CANCELLATION
        raise RefusedError(
            "transaction.units_not_refundable",
            f"Of line {line.line_id} {asked} units were asked; {left} are "
            + ("not handed over and not given back." if is_cancellation else "handed over and not given back."),
            mend="What was handed over is returned, what was not is cancelled."
            if left < line.kept
            else "Ask for fewer units.",
            line_id=line.line_id,
            asked=asked,
            left=left,
        )


def refunded_as(session: Session, order_id: str, kind: RefundKind) -> dict[str, int]:
    rows = session.execute(
        select(RefundLineRow.line_id, func.sum(RefundLineRow.units))
        .join(RefundRow, RefundRow.id == RefundLineRow.refund_id)
        .where(RefundRow.order_id == order_id, RefundRow.status.not_in(GONE), RefundRow.kind == kind.value)
        .group_by(RefundLineRow.line_id)
    )
    return {line_id: int(units) for line_id, units in rows}


def preview_sha256(request: RefundRequest, preview: RefundPreview) -> str:
    """What was asked and what it gives, as one hash: an approval is for exactly this."""
    shown = preview.model_dump(mode="json", exclude={"sha256", "fee_minor", "due_minor", "sources"})
    body = {"request": request.model_dump(mode="json"), "preview": shown}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
