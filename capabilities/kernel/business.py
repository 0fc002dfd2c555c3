"""The registry of lines of business: a row each, so that a new one needs no code."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from capabilities.kernel.database import Base
from capabilities.kernel.errors import MissingError


class Business(Base):
    """A line of business: its names, money, zone and tax manner. `locale` formats money and dates for its operators."""

    __tablename__ = "business"

    business: Mapped[str] = mapped_column(primary_key=True)
    name_en: Mapped[str]
    name_zh: Mapped[str]
    currency: Mapped[str]
    country: Mapped[str]
    time_zone: Mapped[str]
    locale: Mapped[str]
    prices_include_tax: Mapped[bool]
    created_at: Mapped[datetime]
    price_lists: Mapped[str | None]
    """Changes with every change of a price list, to a value never used before; None while there was none. Whoever prices
    a cart reads this row anyway, so what is kept of the lists is never old, and no list costs no statement."""

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


def business_of(session: Session, code: str) -> Business:
    """The line of business; `MissingError` where there is none of that code."""
    found = session.get(Business, code)
    if found is None:
        raise MissingError("business.unknown", f"There is no line of business {code!r}.")
    return found


def all_businesses(session: Session) -> list[Business]:
    """Every line of business, by code."""
    return list(session.scalars(select(Business).order_by(Business.business)))
