"""The history of offers' own prices: what was asked for a piece, from when on. Rows are only added."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Identity, Index, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from capabilities.kernel.clock import now
from capabilities.kernel.database import Base, BusinessRow
from capabilities.transaction.contract import DeclareOffer


class OfferPriceRow(BusinessRow, Base):
    """An offer's own price from `recorded_at` on, until the next row of the same sku."""

    __tablename__ = "offer_price"
    __table_args__ = (Index("ix_offer_price_sku", "business", "sku", "sequence"),)

    sequence: Mapped[int] = mapped_column(Identity(), primary_key=True)
    sku: Mapped[str]
    currency: Mapped[str]
    unit_price_minor: Mapped[int]
    recorded_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """What was asked for a piece from a moment until (without) another."""

    unit_price_minor: int
    begins: datetime
    ends: datetime | None


def own_prices(session: Session, business: str, skus: Iterable[str], currency: str) -> dict[str, list[OwnPrice]]:
    """The offers' own prices in a currency, each since when and until when, by sku, oldest first."""
    next_at = func.lead(OfferPriceRow.recorded_at).over(partition_by=OfferPriceRow.sku, order_by=OfferPriceRow.sequence)
    found: dict[str, list[OwnPrice]] = {}
    rows = session.execute(
        select(OfferPriceRow, next_at)
        .where(OfferPriceRow.business == business, OfferPriceRow.sku.in_(sorted(set(skus))))
        .order_by(OfferPriceRow.sequence)
    )
    for row, ends in rows:
        if row.currency == currency:
            found.setdefault(row.sku, []).append(OwnPrice(row.unit_price_minor, row.recorded_at, ends))
    return found


def record_offer_price(session: Session, business: str, sku: str, currency: str, unit_price_minor: int) -> None:
    """Write the price down where it is another than the one before."""
    last = session.execute(
        select(OfferPriceRow.currency, OfferPriceRow.unit_price_minor)
        .where(OfferPriceRow.business == business, OfferPriceRow.sku == sku)
        .order_by(OfferPriceRow.sequence.desc())
        .limit(1)
    ).one_or_none()
    if last is None or (last.currency, last.unit_price_minor) != (currency, unit_price_minor):
        session.execute(
            insert(OfferPriceRow).values(
                business=business,
                sku=sku,
                currency=currency,
                unit_price_minor=unit_price_minor,
                recorded_at=now(),
            )
        )


def record_first_prices(session: Session, offers: Sequence[DeclareOffer]) -> None:
    """Write down the prices of offers that had none before."""
    at = now()
    rows = [
        {name: getattr(offer, name) for name in ("business", "sku", "currency", "unit_price_minor")}
        | {"recorded_at": at}
        for offer in offers
    ]
    if rows:
        session.execute(insert(OfferPriceRow).values(rows))
