"""Tables of price lists, and the history of every price that held."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Identity, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from capabilities.kernel.database import Base, BusinessRow


class PriceListRow(BusinessRow, Base):
    """A list: whom its prices are for, and when."""

    __tablename__ = "price_list"
    __table_args__ = (
        UniqueConstraint("business", "code"),
        CheckConstraint("tier IS NULL OR segment IS NULL", name="one_group"),
        CheckConstraint("valid_from < valid_until", name="valid_in_order"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str]
    name_en: Mapped[str]
    name_zh: Mapped[str]
    currency: Mapped[str]
    channel: Mapped[str | None]
    tier: Mapped[str | None]
    segment: Mapped[str | None]
    priority: Mapped[int]
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    is_active: Mapped[bool]
    changed_at: Mapped[datetime]
    changed_by: Mapped[str]


class PriceEntryRow(BusinessRow, Base):
    """The price of a sku in a list, from a quantity on."""

    __tablename__ = "price_entry"
    __table_args__ = (
        CheckConstraint("from_quantity >= 1", name="quantity_positive"),
        CheckConstraint("unit_price_minor >= 0", name="price_not_negative"),
        CheckConstraint("floor_price_minor BETWEEN 0 AND unit_price_minor", name="floor_below_price"),
        Index("ix_price_entry_business_sku", "business", "sku"),
    )

    list_id: Mapped[str] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(primary_key=True)
    from_quantity: Mapped[int] = mapped_column(primary_key=True)
    unit_price_minor: Mapped[int]
    floor_price_minor: Mapped[int | None]
    was_price_minor: Mapped[int | None]


class PriceChangeRow(BusinessRow, Base):
    """A price from the moment it was recorded, between its start and its end; rows are only added.

    Of one list, sku and quantity the row recorded last holds. `unit_price_minor` None: no price any more.
    """

    __tablename__ = "price_change"
    __table_args__ = (Index("ix_price_change_sku", "business", "sku", "list_id", "from_quantity", "sequence"),)

    sequence: Mapped[int] = mapped_column(Identity(), primary_key=True)
    list_id: Mapped[str]
    sku: Mapped[str]
    currency: Mapped[str]
    from_quantity: Mapped[int]
    unit_price_minor: Mapped[int | None]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    reason: Mapped[str]
    actor: Mapped[str]
    recorded_at: Mapped[datetime]
