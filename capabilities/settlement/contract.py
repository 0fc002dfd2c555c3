"""What others see of settlement: what a sale is asked a commission for, at which rate, and the frozen line."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from capabilities.kernel.money import Currency


class Contract(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CommissionRate(Contract):
    """How a commission is worked out: a share of the base and a flat part a unit, then floor and cap.

    `tax_rate_bps` is the tax on the commission itself. `reason` says where the rate comes from.
    """

    rate_bps: int = Field(default=0, ge=0, le=10_000)
    per_unit_minor: int = Field(default=0, ge=0)
    lowest_minor: int = Field(default=0, ge=0)
    highest_minor: int | None = Field(default=None, ge=0)
    tax_rate_bps: int = Field(default=0, ge=0, le=10_000)
    reason: str


class StoredRate(Contract):
    """A row of the table of rates. None means any; a category covers everything below it."""

    id: str
    seller_id: str | None
    category: str | None
    rate: CommissionRate


class DeclareRate(Contract):
    """Enter a rate, or change the one of that place. None means any seller, any category."""

    business: str
    seller_id: str | None = None
    category: str | None = None
    rate: CommissionRate


class SoldLine(Contract):
    """A line of a sale as far as commission cares: what the seller gets for it before any fee, without tax."""

    line_id: str
    seller_id: str
    category: str
    quantity: int = Field(gt=0)
    base_minor: int = Field(ge=0)


class FreezeCommission(Contract):
    """Freeze the commission of a sale; the same order gives the same lines, whatever the rates are by then."""

    business: str
    scenario: str | None = None
    order_id: str
    currency: Currency
    lines: tuple[SoldLine, ...]


class CommissionLine(Contract):
    """A commission as it was frozen: base, rate, what came of it, what held it back, and where the rate came from."""

    id: str
    business: str
    order_id: str
    line_id: str
    seller_id: str
    currency: Currency
    quantity: int
    base_minor: int
    rate: CommissionRate
    commission_minor: int
    tax_minor: int
    bounded_by: Literal["lowest", "highest", "base"] | None
    status: Literal["frozen", "cancelled"]
    frozen_at: datetime
    cancelled_at: datetime | None

    @property
    def seller_net_minor(self) -> int:
        return self.base_minor - self.commission_minor - self.tax_minor
