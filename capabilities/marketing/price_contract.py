"""What others see of price lists: lists, their prices by quantity, what is resolved of them, and the history of prices.

Amounts are minor units of the list's currency, for one piece.

**Which price holds** for a sku, a quantity (all pieces of the sku in the cart), a channel, a buyer and a moment: of the
lists in force that fit, the most specific: for a group of buyers (tier or segment) and a channel, then for a group, then
for a channel, then general. Of equally specific ones the higher priority, then the lower price, then the code that comes
first. In a list the price of the largest quantity that is reached; a list that asks for more pieces does not price the
sku. Where no list does, the offer's own price holds, in the offer's own currency.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from capabilities.kernel.money import Currency

MAX_PRICE_MINOR = 100_000_000_000
MAX_ENTRIES = 50_000
"""Prices a change may bring at once."""

ListCode = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class PriceType(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PriceListTerms(PriceType):
    """Whom a list is for and when. `valid_until` is exclusive; None means without end."""

    code: ListCode
    name_en: str = Field(min_length=1, max_length=100)
    name_zh: str = Field(min_length=1, max_length=100)
    currency: Currency
    channel: str | None = Field(default=None, min_length=1, max_length=40)
    tier: str | None = Field(default=None, min_length=1, max_length=40)
    segment: str | None = Field(default=None, min_length=1, max_length=64)
    priority: int = Field(default=0, ge=-1_000_000, le=1_000_000)
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    is_active: bool = True

    @model_validator(mode="after")
    def _in_order(self) -> PriceListTerms:
        for at in (self.valid_from, self.valid_until):
            if at is not None and at.tzinfo is None:
                raise ValueError("times name their zone")
        if self.valid_from is not None and self.valid_until is not None and self.valid_from >= self.valid_until:
            raise ValueError("valid_from lies before valid_until")
        if self.tier is not None and self.segment is not None:
            raise ValueError("a list is for a tier or for a segment, not for both")
        return self


class SavePriceList(PriceType):
    """Enter a list, or change its terms; its currency stays what it was."""

    business: str
    terms: PriceListTerms
    reason: str = Field(min_length=1, max_length=500)
    actor: str


class PriceEntry(PriceType):
    """The price of a sku from a quantity on. `was_price_minor` is the price shown crossed out, where there is one."""

    sku: str = Field(min_length=1, max_length=64)
    from_quantity: int = Field(default=1, ge=1, le=1_000_000)
    unit_price_minor: int = Field(ge=0, le=MAX_PRICE_MINOR)
    floor_price_minor: int | None = Field(default=None, ge=0)
    was_price_minor: int | None = Field(default=None, ge=0, le=MAX_PRICE_MINOR)

    @model_validator(mode="after")
    def _floor_below(self) -> PriceEntry:
        if self.floor_price_minor is not None and self.floor_price_minor > self.unit_price_minor:
            raise ValueError("the floor price lies at or below the price")
        return self


class EntryKey(PriceType):
    """Which price of a list."""

    sku: str
    from_quantity: int = 1


class SetPrices(PriceType):
    """Change prices of a list: enter or replace some, remove some. `replace_all` removes what is not named."""

    business: str
    code: ListCode
    prices: tuple[PriceEntry, ...] = Field(default=(), max_length=MAX_ENTRIES)
    remove: tuple[EntryKey, ...] = Field(default=(), max_length=MAX_ENTRIES)
    replace_all: bool = False
    reason: str = Field(min_length=1, max_length=500)
    actor: str


class ChangedPrices(PriceType):
    """How many prices are other ones now; `unchanged` were named and stood so already."""

    code: str
    changed: int
    removed: int
    unchanged: int


class PriceList(PriceType):
    """A list with its terms. `prices` counts them."""

    id: str
    business: str
    terms: PriceListTerms
    prices: int
    changed_at: datetime
    changed_by: str


class PriceChange(PriceType):
    """One line of the history: from `recorded_at` on, the price from `starts_at` until `ends_at`; None: no price any more."""

    sku: str
    list_code: str
    currency: str
    from_quantity: int
    unit_price_minor: int | None
    starts_at: datetime
    ends_at: datetime | None
    reason: str
    actor: str
    recorded_at: datetime


class PriceQuestion(PriceType):
    """Whose prices: the channel, the group and the currency asked for. `quantities` by sku."""

    currency: Currency
    channel: str
    tier: str | None = None
    segments: tuple[str, ...] = ()
    at: datetime
    quantities: dict[str, int]


class ListedPrice(PriceType):
    """The price a list gives, and where it stands."""

    sku: str
    list_code: str
    currency: str
    from_quantity: int
    unit_price_minor: int
    floor_price_minor: int | None
    was_price_minor: int | None


class PriceEntryPage(PriceType):
    """One page of a list's prices by sku and quantity; `next_cursor` is None on the last."""

    entries: tuple[PriceEntry, ...]
    next_cursor: str | None


class RowProblem(PriceType):
    """What is wrong with one line of a file; the first line is 1."""

    line: int
    field: str
    message: str
