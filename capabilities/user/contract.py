"""What others see of users: buyers, and what admitting one answers."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Contract(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Tier(StrEnum):
    """How well we know a buyer, lowest first."""

    STANDARD = "standard"
    SILVER = "silver"
    GOLD = "gold"
    VIP = "vip"


class BuyerStatus(StrEnum):
    """Suspended buyers are refused at admission."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class Buyer(Contract):
    """A buyer of one line of business. `order_count` counts confirmed orders."""

    business: str
    id: str
    name: str
    email: str | None
    tier: Tier
    tags: tuple[str, ...]
    segments: tuple[str, ...]
    status: BuyerStatus
    status_reason: str | None
    order_count: int
    joined_at: datetime


class EnrolBuyer(Contract):
    """Enter a buyer, or change what is known of one; status and order count of a known buyer stay as they are."""

    business: str = Field(max_length=40)
    id: str = Field(min_length=1, max_length=64)
    name: str = Field(min_length=1, max_length=200)
    email: str | None = Field(default=None, max_length=320)
    tier: Tier = Tier.STANDARD
    tags: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    joined_at: datetime | None = None


class AdmitBuyer(Contract):
    """Who wants to buy; no `buyer_id` means a guest."""

    business: str
    buyer_id: str | None = None


class AdmittedBuyer(Contract):
    """The buyer as a checkout knows them. `order_number` is 1 for the first order."""

    buyer_id: str | None = None
    tier: str = Tier.STANDARD.value
    tags: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    order_number: int = 1
    is_guest: bool = False


class BuyerPage(Contract):
    """One page of buyers; `next_cursor` is None on the last."""

    buyers: tuple[Buyer, ...]
    next_cursor: str | None
