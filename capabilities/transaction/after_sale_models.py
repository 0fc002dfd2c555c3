"""Tables of what happens to an order after it was sold: fulfilments, returns, refunds, sellers' parts, changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from capabilities.kernel.database import Base, BusinessRow, SmallInt


class FulfilmentRow(BusinessRow, Base):
    """Units that were handed over together; `key` is the same whenever the same hand-over is told again."""

    __tablename__ = "fulfilment"
    __table_args__ = (UniqueConstraint("order_id", "key"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str]
    key: Mapped[str]
    carrier: Mapped[str | None]
    tracking: Mapped[str | None]
    actor: Mapped[str]
    fulfilled_at: Mapped[datetime]


class FulfilmentLineRow(BusinessRow, Base):
    """Units of a line in a fulfilment; rows are only added."""

    __tablename__ = "fulfilment_line"
    __table_args__ = (CheckConstraint("units > 0", name="units_positive"),)

    fulfilment_id: Mapped[str] = mapped_column(primary_key=True)
    line_id: Mapped[str] = mapped_column(primary_key=True)
    units: Mapped[int]


class ReturnRow(BusinessRow, Base):
    """Goods that come back."""

    __tablename__ = "goods_return"
    __table_args__ = (
        UniqueConstraint("business", "number"),
        CheckConstraint("status IN ('requested', 'received', 'closed', 'refused')", name="status_known"),
        Index("ix_goods_return_order_id", "order_id"),
        Index("ix_goods_return_business_requested", "business", text("requested_at DESC"), text("id DESC")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str]
    number: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str]
    status_reason: Mapped[str | None]
    refund_id: Mapped[str | None]
    exchange_order_id: Mapped[str | None]
    requested_at: Mapped[datetime]
    received_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class ReturnLineRow(BusinessRow, Base):
    """Units of a line that come back: asked, received, and of those put on the shelf again."""

    __tablename__ = "goods_return_line"
    __table_args__ = (
        CheckConstraint("units > 0 AND received >= 0 AND received <= units", name="received_within"),
        CheckConstraint("restocked >= 0 AND restocked <= received", name="restocked_within"),
    )

    return_id: Mapped[str] = mapped_column(primary_key=True)
    line_id: Mapped[str] = mapped_column(primary_key=True)
    sku: Mapped[str]
    units: Mapped[int]
    received: Mapped[int]
    restocked: Mapped[int]


class RefundRow(BusinessRow, Base):
    """A refund of an order. Its amounts never change; its status does, under a condition."""

    __tablename__ = "refund"
    __table_args__ = (
        UniqueConstraint("business", "number"),
        CheckConstraint(
            "total_minor >= 0 AND due_minor >= 0 AND fee_minor >= 0 AND unpaid_minor >= 0", name="positive"
        ),
        CheckConstraint("due_minor + fee_minor + unpaid_minor = total_minor", name="due_adds_up"),
        CheckConstraint(
            "status IN ('requested', 'approved', 'processing', 'succeeded', 'refused', 'failed', 'reversed')",
            name="status_known",
        ),
        CheckConstraint("kind IN ('return', 'cancellation', 'goodwill', 'chargeback')", name="kind_known"),
        Index("ix_refund_order_id", "order_id"),
        Index("ix_refund_business_requested", "business", text("requested_at DESC"), text("id DESC")),
        Index("ix_refund_business_status", "business", "status"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str]
    sequence: Mapped[int] = mapped_column(Identity())
    number: Mapped[str]
    kind: Mapped[str]
    status: Mapped[str]
    status_reason: Mapped[str | None]
    reason: Mapped[str]
    currency: Mapped[str]
    prices_include_tax: Mapped[bool]
    after_return: Mapped[str]
    total_minor: Mapped[int]
    tax_minor: Mapped[int]
    fee_minor: Mapped[int]
    unpaid_minor: Mapped[int]
    due_minor: Mapped[int]
    destination: Mapped[str]
    delivery: Mapped[bool]
    fees: Mapped[bool]
    return_id: Mapped[str | None]
    request_sha256: Mapped[str]
    sources: Mapped[list[Any]]
    requested_by: Mapped[str]
    decided_by: Mapped[str | None]
    requested_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]


class RefundLineRow(BusinessRow, Base):
    """What a refund takes off one line of the order; rows are only added. Amounts of a kept line may be negative."""

    __tablename__ = "refund_line"
    __table_args__ = (
        CheckConstraint("units >= 0 AND units_before >= 0 AND units_before + units <= quantity", name="units_within"),
        CheckConstraint("gross_minor - discount_minor = net_minor", name="net_adds_up"),
        CheckConstraint("total_minor IN (net_minor, net_minor + tax_minor)", name="total_adds_up"),
        CheckConstraint("kept_net_minor >= 0 AND kept_tax_minor >= 0", name="kept_not_negative"),
        CheckConstraint("cancelled_units >= 0 AND cancelled_units <= units", name="cancelled_within"),
    )

    refund_id: Mapped[str] = mapped_column(primary_key=True)
    line_id: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(SmallInt)
    order_id: Mapped[str] = mapped_column(index=True)
    sku: Mapped[str]
    kind: Mapped[str]
    seller_id: Mapped[str]
    tax_rate_bps: Mapped[int] = mapped_column(SmallInt)
    quantity: Mapped[int]
    units_before: Mapped[int]
    units: Mapped[int]
    cancelled_units: Mapped[int]
    gross_minor: Mapped[int]
    discount_minor: Mapped[int]
    net_minor: Mapped[int]
    tax_minor: Mapped[int]
    total_minor: Mapped[int]
    kept_net_minor: Mapped[int]
    kept_tax_minor: Mapped[int]
    adjustments: Mapped[list[Any]]


class RefundChangeRow(BusinessRow, Base):
    """A change of a refund's status; rows are only added."""

    __tablename__ = "refund_change"
    __table_args__ = (Index("ix_refund_change_refund_id_sequence", "refund_id", "sequence"),)

    sequence: Mapped[int] = mapped_column(Identity(), primary_key=True)
    refund_id: Mapped[str]
    from_status: Mapped[str | None]
    to_status: Mapped[str]
    reason: Mapped[str | None]
    actor: Mapped[str]
    at: Mapped[datetime]


class SellerOrderRow(BusinessRow, Base):
    """One seller's part of an order of several sellers; the parts add up to the order."""

    __tablename__ = "seller_order"
    __table_args__ = (
        UniqueConstraint("order_id", "seller_id"),
        CheckConstraint(
            "goods_gross_minor >= 0 AND discount_minor >= 0 AND delivery_minor >= 0 AND fee_minor >= 0"
            " AND tax_minor >= 0 AND total_minor >= 0",
            name="amounts_not_negative",
        ),
        Index("ix_seller_order_business_seller", "business", "seller_id", "order_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str]
    seller_id: Mapped[str]
    number: Mapped[str]
    currency: Mapped[str]
    goods_gross_minor: Mapped[int]
    discount_minor: Mapped[int]
    delivery_minor: Mapped[int]
    fee_minor: Mapped[int]
    tax_minor: Mapped[int]
    total_minor: Mapped[int]
    sources: Mapped[list[Any]]


class ActRow(BusinessRow, Base):
    """Something that was done to an order under a key, and what came of it: asked again, it is answered from here."""

    __tablename__ = "order_act"
    __table_args__ = (UniqueConstraint("order_id", "kind", "key"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str]
    kind: Mapped[str]
    key: Mapped[str]
    request: Mapped[dict[str, Any]]
    answer: Mapped[dict[str, Any]]
    actor: Mapped[str]
    at: Mapped[datetime]
