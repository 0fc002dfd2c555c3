"""What others see of limits: what may be used or spent, what is left of it, and what an order takes of it.

A limit belongs to a rule (written in its document) or to a campaign (its budgets, kept in the database, topped up by
people). Both are counted alike. Amounts are uses, or minor units of `currency`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Counts = Literal["uses", "spend"]
Per = Literal["buyer", "code", "store"]
Period = Literal["day", "week", "month", "year"]
ClaimStatus = Literal["held", "secured", "redeemed", "released", "expired"]


class Contract(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Limit(Contract):
    """One limit, by whoever declared it: `owner` is `rule:<rule set>/<rule>` or `campaign:<id>`."""

    owner: str
    name: str
    """How a person knows it: the rule's or the campaign's name."""
    counts: Counts
    most: int = Field(ge=0)
    per: tuple[Per, ...] = ()
    period: Period | None = None
    zone: str | None = None
    partial: bool = True
    currency: str | None = None
    """Whose money a budget counts; None counts each currency for itself (rules), or uses."""
    budget_id: str | None = None
    """The campaign's budget; None for a limit written in a rule."""


class Bearing(Contract):
    """A limit, and the rules of a cart that draw on it."""

    limit: Limit
    rule_ids: tuple[str, ...]


class Occasion(Contract):
    """Who asks, where and when: what decides which counter of a limit counts."""

    business: str
    buyer_id: str | None = None
    codes: dict[str, str] = Field(default_factory=dict)
    """The code with which each rule was opened, by rule id."""
    store: str = ""
    currency: str
    at: datetime
    time_zone: str = "UTC"


class Counter(Contract):
    """One counter of a limit: for a buyer, a code, a store, a period, as far as the limit tells them apart."""

    id: str
    owner: str
    counts: Counts
    most: int
    key: str
    """What it counts for, such as `buyer=usr_1 day=2026-11-25`, for people and for logs."""
    name: str
    partial: bool = True
    rule_ids: tuple[str, ...] = ()
    is_barred: bool = False
    """Nothing can be counted: a limit per buyer for a guest, a budget of another currency."""
    budget_id: str | None = None


class CounterState(Contract):
    """What is left of a counter now."""

    counter: Counter
    used: int
    left: int


class LimitUse(Contract):
    """What an order takes of one counter: one use, or what the rules that draw on it gave; `parts` by rule."""

    counter: Counter
    amount: int = Field(gt=0)
    parts: dict[str, int]


class LimitClaim(Contract):
    """A claim of an order on a counter."""

    order_id: str
    counter_id: str
    owner: str
    counts: Counts
    amount: int
    returned: int
    status: ClaimStatus
    parts: dict[str, int]
    expires_at: datetime
