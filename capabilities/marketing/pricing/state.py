"""The state of a cart while it is priced: what each line and delivery costs, and what it has been given so far."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from capabilities.kernel.errors import InvalidError
from capabilities.marketing.contract import (
    Allowance,
    Cart,
    FiredOutcome,
    FiredRule,
    OfferedGift,
    PricingOptions,
    QuoteMessage,
    Reward,
)

ALGORITHM = "pricing-2"
"""Version of the arithmetic; stored with every quote, raised whenever the same input may give another result."""

KNOWN_ALGORITHMS = ("pricing-1", ALGORITHM)
"""Versions whose quotes still come out the same: what `pricing-1` knew, this one computes alike."""

CappedBy = Literal["max", "line", "unit", "floor", "price", "budget"]


@dataclass(frozen=True, slots=True)
class Position:
    """A line, a delivery or a surcharge (both of quantity 1): gross = unit price × quantity, net = gross − given.

    `set_units` of its units are used up by sets; `set_given_minor` of what was given belongs to those units alone.
    """

    id: str
    kind: Literal["goods", "delivery", "fee"]
    sku: str
    quantity: int
    unit_price_minor: int
    floor_price_minor: int
    tax_rate_bps: int
    given_minor: int = 0
    set_units: int = 0
    set_given_minor: int = 0
    is_gift: bool = False
    rule_id: str | None = None
    """Of gifts and surcharges: the rule they are due to."""

    @property
    def gross_minor(self) -> int:
        return self.unit_price_minor * self.quantity

    @property
    def net_minor(self) -> int:
        return self.unit_price_minor * self.quantity - self.given_minor

    @property
    def room_minor(self) -> int:
        """What can still come off: never below the floor price, never below zero."""
        return max(0, self.net_minor - self.floor_price_minor * self.quantity)

    def units_within(self, max_units: int | None) -> int:
        return self.quantity if max_units is None else min(self.quantity, max_units)

    def units_net_minor(self, units: int) -> int:
        """What `units` of the line still cost: what was given counts against them whole, never below zero."""
        return max(0, units * self.unit_price_minor - self.given_minor)

    @property
    def free_units(self) -> int:
        """Units no set has used up."""
        return self.quantity - self.set_units

    @property
    def spread_minor(self) -> int:
        """What the line costs apart from what sets gave to their own units: every unit is worth its share of it."""
        return self.gross_minor - self.given_minor + self.set_given_minor

    def less(self, amount_minor: int) -> Position:
        """The same position with more given."""
        return replace(self, given_minor=self.given_minor + amount_minor)

    def after(self, grant: Grant) -> Position:
        """The same position with what a grant gives and uses up."""
        if not grant.set_units:
            return self.less(grant.given_minor)
        return replace(
            self,
            given_minor=self.given_minor + grant.given_minor,
            set_units=self.set_units + grant.set_units,
            set_given_minor=self.set_given_minor + grant.given_minor,
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """What one effect does to one position: `wished` before caps, floor and room, `given` what comes off.

    `exact` is what was wished before rounding, as numerator and denominator.
    """

    position_id: str
    base_minor: int
    wished_minor: int
    given_minor: int
    units: int
    exact: tuple[int, int]
    capped_by: CappedBy | None = None
    set_units: int = 0
    """Units this uses up for sets: those that get it and those that earn it."""


@dataclass(frozen=True, slots=True)
class Applied:
    """A grant that came off the price, and which effect of which rule it was."""

    rule: FiredRule
    effect_index: int
    grant: Grant


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a fired rule; `by` names the rule that excluded or beat it."""

    rule: FiredRule
    outcome: FiredOutcome
    by: str | None = None
    wished_minor: int = 0
    given_minor: int = 0
    limited_by: str | None = None


@dataclass(frozen=True)
class State:
    """A cart, priced so far. `positions` by id, in the canonical order: lines by id, then deliveries by id."""

    cart: Cart
    options: PricingOptions
    positions: Mapping[str, Position]
    usable_coupons: frozenset[str]
    allowances: Mapping[str, Allowance] = field(default_factory=dict)
    applied: tuple[Applied, ...] = ()
    endings: tuple[Ending, ...] = ()
    closed_by: FiredRule | None = None
    """The rule that is exclusive for the whole order, once it has been admitted."""
    rewards: tuple[Reward, ...] = ()
    messages: tuple[QuoteMessage, ...] = ()
    gifts: tuple[OfferedGift, ...] = ()
    acted: tuple[FiredRule, ...] = ()
    """Rules that did something, in the order they did it."""
    fact_cache: dict[str, object] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def goods(self) -> tuple[Position, ...]:
        """The lines somebody ordered; gifts are none."""
        return tuple(p for p in self.positions.values() if p.kind == "goods" and not p.is_gift)

    @cached_property
    def deliveries(self) -> tuple[Position, ...]:
        return tuple(position for position in self.positions.values() if position.kind == "delivery")

    @cached_property
    def fees(self) -> tuple[Position, ...]:
        """Surcharges, in the order rules asked for them."""
        return tuple(position for position in self.positions.values() if position.kind == "fee")


def normal_code(code: str) -> str:
    """A coupon code as it is compared: without surrounding blanks, in capitals."""
    return code.strip().upper()


def natural_key(position_id: str) -> tuple[tuple[int, int, str], ...]:
    """Order of ids as people read them (`l2` before `l10`), whatever order the lines are stored in."""
    parts = re.split(r"([0-9]+)", position_id)
    numbered = tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part)
    return (*numbered, (2, 0, position_id))


def begin(
    cart: Cart,
    options: PricingOptions | None = None,
    *,
    usable_coupons: Collection[str] | None = None,
    allowances: Mapping[str, Allowance] | None = None,
) -> State:
    """The state before the first stage.

    `usable_coupons` are those of the cart's codes that may be used now; all of them where it is None. `allowances` say
    what limits and budgets leave a rule, by its id; a rule without one is unlimited. Two lines with the same id raise
    `InvalidError`.
    """
    lines = sorted(cart.lines, key=lambda line: natural_key(line.id))
    deliveries = sorted(cart.deliveries, key=lambda delivery: natural_key(delivery.id))
    positions = {
        line.id: Position(
            line.id,
            "goods",
            line.sku,
            line.quantity,
            line.unit_price_minor,
            line.floor_price_minor,
            line.tax_rate_bps,
        )
        for line in lines
    } | {
        delivery.id: Position(delivery.id, "delivery", delivery.sku, 1, delivery.price_minor, 0, delivery.tax_rate_bps)
        for delivery in deliveries
    }
    if len(positions) < len(lines) + len(deliveries):
        raise InvalidError("marketing.line_repeated", "Two lines of the cart have the same id.", field="lines")
    entered = frozenset(normal_code(code) for code in cart.coupon_codes)
    usable = entered if usable_coupons is None else entered & {normal_code(code) for code in usable_coupons}
    return State(cart, options or PricingOptions(), positions, usable, dict(allowances or {}))
