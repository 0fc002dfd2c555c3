"""Tables of transactions (what happens after the sale stands in `after_sale_models`): sellers, offers, stock, orders and their lines, reservations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from capabilities.kernel.database import Base, BusinessRow, SmallInt


class SellerRow(Base):
    """Who sells an offer; settlement pays them."""

    __tablename__ = "seller"

    business: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    name_en: Mapped[str]
    name_zh: Mapped[str]


class OfferRow(Base):
    """What can be sold. `has_stock` False: never runs out, and nothing is reserved."""

    __tablename__ = "offer"
    __table_args__ = (
        CheckConstraint("unit_price_minor >= 0 AND floor_price_minor >= 0", name="price_not_negative"),
        CheckConstraint("floor_price_minor <= unit_price_minor", name="floor_below_price"),
        CheckConstraint("tax_rate_bps >= 0 AND weight_g >= 0", name="rate_not_negative"),
        CheckConstraint("kind IN ('goods', 'delivery')", name="kind_known"),
        Index("ix_offer_business_kind_category_sku", "business", "kind", "category", "sku"),
    )

    business: Mapped[str] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name_en: Mapped[str]
    name_zh: Mapped[str]
    description_en: Mapped[str]
    description_zh: Mapped[str]
    product: Mapped[str]
    category: Mapped[str]
    brand: Mapped[str]
    seller_id: Mapped[str]
    tags: Mapped[list[str]]
    attributes: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    currency: Mapped[str]
    unit_price_minor: Mapped[int]
    list_price_minor: Mapped[int | None]
    floor_price_minor: Mapped[int]
    tax_rate_bps: Mapped[int] = mapped_column(SmallInt)
    weight_g: Mapped[int]
    has_stock: Mapped[bool]


class StockRow(Base):
    """Pieces of an offer. Available = on hand − reserved; what is reserved are the held and secured reservations."""

    __tablename__ = "stock"
    __table_args__ = (
        CheckConstraint("reserved >= 0", name="reserved_not_negative"),
        CheckConstraint("on_hand >= reserved", name="available_not_negative"),
    )

    business: Mapped[str] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(primary_key=True)
    on_hand: Mapped[int]
    reserved: Mapped[int]


class OrderRow(BusinessRow, Base):
    """An order. `sequence` is drawn without waiting for anybody, so numbers may have gaps."""

    __tablename__ = "sales_order"
    __table_args__ = (
        UniqueConstraint("business", "number"),
        CheckConstraint(
            "goods_gross_minor + delivery_minor + fee_minor - discount_minor"
            " + CASE WHEN prices_include_tax THEN 0 ELSE tax_minor END = total_minor",
            name="total_adds_up",
        ),
        CheckConstraint(
            "goods_gross_minor >= 0 AND delivery_minor >= 0 AND fee_minor >= 0 AND discount_minor >= 0"
            " AND tax_minor >= 0 AND total_minor >= 0",
            name="amounts_not_negative",
        ),
        CheckConstraint(
            "status IN ('draft', 'placed', 'on_hold', 'confirmed', 'fulfilled', 'completed', 'refused', 'cancelled',"
            " 'expired')",
            name="status_known",
        ),
        CheckConstraint(
            "CASE WHEN status IN ('confirmed', 'fulfilled', 'completed') THEN confirmed_at IS NOT NULL"
            " ELSE status = 'cancelled' OR confirmed_at IS NULL END",
            name="confirmed_has_time",
        ),
        CheckConstraint("(relation IS NULL) = (parent_id IS NULL)", name="relation_has_parent"),
        Index("ix_sales_order_business_placed", "business", text("placed_at DESC"), text("id DESC")),
        Index("ix_sales_order_business_status_placed", "business", "status", text("placed_at DESC"), text("id DESC")),
        Index("ix_sales_order_business_buyer_placed", "business", "buyer_id", text("placed_at DESC"), text("id DESC")),
        Index("ix_sales_order_tags", "tags", postgresql_using="gin", postgresql_where=text("tags <> '[]'::jsonb")),
        Index("ix_sales_order_parent_id", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(index=True)
    sequence: Mapped[int] = mapped_column(Identity())
    number: Mapped[str]
    scenario: Mapped[str | None]
    channel: Mapped[str]
    country: Mapped[str]
    buyer_id: Mapped[str | None]
    status: Mapped[str]
    status_reason: Mapped[str | None]
    currency: Mapped[str]
    prices_include_tax: Mapped[bool]
    goods_gross_minor: Mapped[int]
    discount_minor: Mapped[int]
    delivery_minor: Mapped[int]
    tax_minor: Mapped[int]
    total_minor: Mapped[int]
    piece_count: Mapped[int]
    quote_id: Mapped[str]
    payment_id: Mapped[str | None]
    origin: Mapped[str]
    placed_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    fee_minor: Mapped[int] = mapped_column(server_default="0")
    parent_id: Mapped[str | None]
    relation: Mapped[str | None]
    attributes: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    tags: Mapped[list[str]] = mapped_column(server_default=text("'[]'"))
    draft: Mapped[dict[str, Any] | None]
    """What a draft asks for, as a checkout asks it; kept when it was placed."""
    completed_at: Mapped[datetime | None]


class OrderLineRow(BusinessRow, Base):
    """A line of an order with what it cost; names, seller and category as they were when it was sold."""

    __tablename__ = "sales_order_line"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("gross_minor - discount_minor = net_minor", name="net_adds_up"),
        CheckConstraint("total_minor IN (net_minor, net_minor + tax_minor)", name="total_adds_up"),
        CheckConstraint("fulfilled >= 0 AND cancelled >= 0 AND fulfilled + cancelled <= quantity", name="units_within"),
        CheckConstraint("returned >= 0 AND returned <= fulfilled", name="returned_within"),
        CheckConstraint("refunded >= 0 AND refunded <= quantity", name="refunded_within"),
        CheckConstraint("restocked >= 0 AND restocked <= cancelled + returned", name="restocked_within"),
        CheckConstraint(
            "gross_minor >= 0 AND discount_minor >= 0 AND net_minor >= 0 AND tax_minor >= 0",
            name="amounts_not_negative",
        ),
        Index("ix_sales_order_line_business_sku", "business", "sku", "order_id"),
    )

    order_id: Mapped[str] = mapped_column(primary_key=True)
    line_id: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(SmallInt)
    sku: Mapped[str]
    kind: Mapped[str]
    name_en: Mapped[str]
    name_zh: Mapped[str]
    seller_id: Mapped[str]
    category: Mapped[str]
    quantity: Mapped[int]
    unit_price_minor: Mapped[int]
    gross_minor: Mapped[int]
    discount_minor: Mapped[int]
    net_minor: Mapped[int]
    tax_rate_bps: Mapped[int] = mapped_column(SmallInt)
    tax_minor: Mapped[int]
    total_minor: Mapped[int]
    is_gift: Mapped[bool] = mapped_column(server_default=text("false"))
    fulfilled: Mapped[int] = mapped_column(server_default="0")
    cancelled: Mapped[int] = mapped_column(server_default="0")
    returned: Mapped[int] = mapped_column(server_default="0")
    refunded: Mapped[int] = mapped_column(server_default="0")
    restocked: Mapped[int] = mapped_column(server_default="0")


class OrderChangeRow(BusinessRow, Base):
    """A change of an order's status; rows are only added."""

    __tablename__ = "sales_order_change"
    __table_args__ = (Index("ix_sales_order_change_order_id_sequence", "order_id", "sequence"),)

    sequence: Mapped[int] = mapped_column(Identity(), primary_key=True)
    order_id: Mapped[str]
    from_status: Mapped[str | None]
    to_status: Mapped[str]
    reason: Mapped[str | None]
    at: Mapped[datetime]


class ReservationRow(BusinessRow, Base):
    """Pieces of a sku set aside for an order; one row a sku, kept for ever as the record of what became of them."""

    __tablename__ = "reservation"
    __table_args__ = (
        UniqueConstraint("order_id", "sku"),
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("status IN ('held', 'secured', 'committed', 'released', 'expired')", name="status_known"),
        Index("ix_reservation_overdue", "expires_at", postgresql_where=text("status = 'held'")),
        Index(
            "ix_reservation_open_of_sku",
            "business",
            "sku",
            postgresql_where=text("status IN ('held', 'secured')"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str]
    sku: Mapped[str]
    quantity: Mapped[int]
    status: Mapped[str]
    expires_at: Mapped[datetime]
    changed_at: Mapped[datetime]
