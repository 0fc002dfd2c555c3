"""What a commission is: the fee model, what a sale is asked it for, the frozen line, and what a refund gives back of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, model_validator

from capabilities.kernel.errors import InvalidError
from capabilities.kernel.money import Currency
from capabilities.settlement.shape import Contract

Bound = Literal["lowest", "highest", "base"]


class FeeTier(Contract):
    """From `above_minor` on, this share is taken of what lies in the tier; `flat_minor` once it is entered."""

    above_minor: int = Field(ge=0)
    rate_bps: int = Field(default=0, ge=0, le=10_000)
    flat_minor: int = Field(default=0, ge=0)


class CommissionRate(Contract):
    """How a commission is worked out: shares and flat parts, then floor and cap, then tax on it. Enough of it may be zero.

    `tiers` are graduated: by the amount of the line, or by what the seller sold before it in the period (`volume`).
    `tax_rate_bps` is the tax on the commission itself, `channel_*` the provider's fee which the seller bears,
    `withheld_bps` a tax withheld from what the seller earns. `reason` says where the rate comes from.
    """

    rate_bps: int = Field(default=0, ge=0, le=10_000)
    per_unit_minor: int = Field(default=0, ge=0)
    per_order_minor: int = Field(default=0, ge=0)
    tiers: tuple[FeeTier, ...] = Field(default=(), max_length=20)
    tiers_by: Literal["amount", "volume"] = "amount"
    lowest_minor: int = Field(default=0, ge=0)
    highest_minor: int | None = Field(default=None, ge=0)
    tax_rate_bps: int = Field(default=0, ge=0, le=10_000)
    channel_rate_bps: int = Field(default=0, ge=0, le=10_000)
    channel_flat_minor: int = Field(default=0, ge=0)
    withheld_bps: int = Field(default=0, ge=0, le=10_000)
    reason: str

    @model_validator(mode="after")
    def _tiers_rise(self) -> CommissionRate:
        starts = [tier.above_minor for tier in self.tiers]
        if starts != sorted(set(starts)):
            raise InvalidError("settlement.tiers_unordered", "The tiers of a fee begin at rising amounts, each once.")
        return self


class StoredRate(Contract):
    """A row of the table of rates. None means any; a category covers everything below it."""

    id: str
    seller_id: str | None
    category: str | None
    currency: Currency | None = None
    rate: CommissionRate


class DeclareRate(Contract):
    """Enter a rate, or change the one of that place. None means any seller, any category, any currency."""

    business: str
    seller_id: str | None = None
    category: str | None = None
    currency: Currency | None = None
    rate: CommissionRate


class SoldLine(Contract):
    """A line of a sale as far as commission cares: what the seller gets for it before any fee, without tax.

    `rate` is what rules decided for it (with the release that did), None where the stored rates decide.
    `is_first` marks the line that bears what is taken once an order; `volume_minor` is what the seller sold before it.
    """

    line_id: str
    seller_id: str
    category: str
    quantity: int = Field(gt=0)
    base_minor: int = Field(ge=0)
    currency: Currency | None = None
    rate: CommissionRate | None = None
    release_id: str | None = None
    is_first: bool = True
    volume_minor: int = Field(default=0, ge=0)


class FreezeCommission(Contract):
    """Freeze the commission of a sale; the same order gives the same lines, whatever the rates are by then."""

    business: str
    scenario: str | None = None
    order_id: str
    currency: Currency
    lines: tuple[SoldLine, ...]


class CommissionLine(Contract):
    """A commission as it was frozen: base, rate, what came of it, what held it back, and where the rate came from.

    base = seller net + commission + tax on it + channel fee + withheld tax.
    """

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
    channel_fee_minor: int = 0
    withheld_minor: int = 0
    bounded_by: Bound | None
    release_id: str | None = None
    status: Literal["frozen", "cancelled"]
    frozen_at: datetime
    cancelled_at: datetime | None

    @property
    def fees(self) -> Fees:
        return Fees(
            base_minor=self.base_minor,
            commission_minor=self.commission_minor,
            tax_minor=self.tax_minor,
            channel_fee_minor=self.channel_fee_minor,
            withheld_minor=self.withheld_minor,
        )

    @property
    def seller_net_minor(self) -> int:
        return self.fees.seller_net_minor


class Fees(Contract):
    """A base and what is taken of it; the rest is the seller's. As a difference it may be negative: a kept line gained."""

    base_minor: int
    commission_minor: int
    tax_minor: int = 0
    channel_fee_minor: int = 0
    withheld_minor: int = 0

    @property
    def taken_minor(self) -> int:
        return self.commission_minor + self.tax_minor + self.channel_fee_minor + self.withheld_minor

    @property
    def seller_net_minor(self) -> int:
        return self.base_minor - self.taken_minor

    def __sub__(self, other: Fees) -> Fees:
        mine, theirs = self.model_dump(), other.model_dump()
        return Fees(**{name: mine[name] - theirs[name] for name in mine})


class GivenBack(Contract):
    """What a refund gives back of a line: its untaxed part, after discount. Negative: the kept line costs more now."""

    line_id: str
    base_minor: int


class ReverseCommission(Contract):
    """Take back commission and earning of what a refund gives back; the same refund twice changes nothing."""

    refund_id: str
    order_id: str
    lines: tuple[GivenBack, ...]


class CommissionReversal(Contract):
    """What one refund took back of one line, each part as a difference. `is_reinstated`: the refund came to nothing."""

    id: str
    business: str
    refund_id: str
    order_id: str
    line_id: str
    seller_id: str
    currency: Currency
    fees: Fees
    is_reinstated: bool
    reversed_at: datetime

    @property
    def seller_net_minor(self) -> int:
        return self.fees.seller_net_minor
