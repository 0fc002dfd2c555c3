"""Effects on the prices of units and deliveries: percent, amount, a price, and prices by tiers."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from capabilities.kernel.decision import Effect, FieldKind, Word
from capabilities.marketing.promotion_words import (
    APPLY,
    TARGET,
    Amount,
    Max,
    MaxLine,
    MaxUnit,
    MaxUnits,
    Partial,
    Rate,
    Select,
    SelectUnits,
    Target,
    exactly_one,
    require_rising,
)

Selecting = TypeVar("Selecting", "PercentOff", "AmountOff", "SetPrice")


class PercentOff(Effect):
    """Percent off lines or deliveries. `max_units` limits the units of a line (apply each), `max_minor` the order."""

    kind: Literal["percent_off"] = "percent_off"
    rate_bps: Annotated[
        int, Word("percent", "折扣率", "10 % takes a tenth off", "10% 即打九折", unit="%"), Field(gt=0, le=100_000)
    ]
    apply: Annotated[Literal["each", "across"], Word("applied", "计算方式", choices=APPLY)] = "each"
    target: Target = "lines"
    select: Select = "all"
    select_units: SelectUnits = None
    max_units: MaxUnits = None
    max_unit_minor: MaxUnit = None
    max_line_minor: MaxLine = None
    max_minor: Max = None
    partial: Partial = "allowed"

    @model_validator(mode="after")
    def _selected(self) -> PercentOff:
        return _selects(self)


class AmountOff(Effect):
    """An amount off: each unit (apply each), or once over all lines, split by their weights (across)."""

    kind: Literal["amount_off"] = "amount_off"
    amount_minor: Annotated[int, Word("amount", "金额"), Field(gt=0)]
    apply: Annotated[
        Literal["each", "across"],
        Word(
            "applied",
            "计算方式",
            choices={"each": ("off each unit", "每件"), "across": ("once, across all of them", "整单一次")},
        ),
    ] = "across"
    target: Target = "lines"
    select: Select = "all"
    select_units: SelectUnits = None
    max_units: MaxUnits = None
    max_unit_minor: MaxUnit = None
    max_line_minor: MaxLine = None
    max_minor: Max = None
    partial: Partial = "allowed"

    @model_validator(mode="after")
    def _selected(self) -> AmountOff:
        return _selects(self)


class SetPrice(Effect):
    """A unit price, or the price of a delivery. It lowers; where it may raise, what it raises is a surcharge."""

    kind: Literal["set_price"] = "set_price"
    price_minor: Annotated[int, Word("price", "价格"), Field(ge=0)]
    target: Annotated[Literal["lines", "delivery", "fee"], Word("of", "作用于", choices=TARGET)] = "lines"
    select: Select = "all"
    select_units: SelectUnits = None
    raises: Annotated[
        Literal["never", "as_surcharge"],
        Word(
            "where the price is lower",
            "原价更低时",
            choices={"never": ("leave it", "保持原价"), "as_surcharge": ("add a surcharge", "收取附加费")},
        ),
    ] = "never"
    max_unit_minor: MaxUnit = None
    max_line_minor: MaxLine = None
    max_minor: Max = None
    partial: Partial = "allowed"

    @model_validator(mode="after")
    def _selected(self) -> SetPrice:
        return _selects(self)


class FreeDelivery(Effect):
    """Delivery costs nothing."""

    kind: Literal["free_delivery"] = "free_delivery"
    max_minor: Annotated[int | None, Word("at most an order", "每单封顶"), Field(ge=0)] = None
    partial: Partial = "allowed"


def _selects(effect: Selecting) -> Selecting:
    if (effect.select == "all") != (effect.select_units is None):
        raise ValueError("say how many units where not every unit is meant, and only then")
    return effect


# --- tiers ------------------------------------------------------------------------------------------------------


class PriceTier(BaseModel):
    """A tier of a price by quantity: up to how many pieces (the last one without end), what each costs, and once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    up_to: Annotated[
        int | None, Word("up to", "至", "Blank: without end", "留空表示以上", unit="pieces"), Field(gt=0)
    ] = None
    unit_minor: Annotated[int, Word("each", "单价"), Field(ge=0)] = 0
    per_units: Annotated[int, Word("for so many", "每几件", unit="pieces"), Field(gt=0)] = 1
    flat_minor: Annotated[int, Word("once", "固定费用"), Field(ge=0)] = 0


class TierPrice(Effect):
    """A price by quantity: graduated (each piece at its tier), volume (all at the tier reached), or by the package."""

    kind: Literal["tier_price"] = "tier_price"
    mode: Annotated[
        Literal["graduated", "volume", "package"],
        Word(
            "counted",
            "计价方式",
            choices={
                "graduated": ("each piece at the price of its tier", "分段累进"),
                "volume": ("all pieces at the price of the tier reached", "按总量档位"),
                "package": ("by whole packages, rounded up", "按包计价，不足一包按一包"),
            },
        ),
    ]
    tiers: Annotated[
        tuple[PriceTier, ...], Word("tiers", "档位", kind=FieldKind.ROWS), Field(min_length=1, max_length=50)
    ]
    package_units: Annotated[int, Word("pieces in a package", "每包件数", unit="pieces"), Field(gt=0)] = 1
    first_free: Annotated[int, Word("first pieces free", "前几件免费", unit="pieces"), Field(ge=0)] = 0
    apply: Annotated[
        Literal["each", "across"],
        Word(
            "quantity of",
            "数量按",
            choices={"each": ("each line", "每行"), "across": ("all of them together", "合计")},
        ),
    ] = "each"
    max_line_minor: MaxLine = None
    max_minor: Max = None
    partial: Partial = "allowed"

    @model_validator(mode="after")
    def _rising(self) -> TierPrice:
        require_rising([tier.up_to for tier in self.tiers])
        return self


class SpendTier(BaseModel):
    """From how much is spent, what comes off: percent or an amount."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    from_minor: Annotated[int, Word("from", "满"), Field(gt=0)]
    rate_bps: Rate = None
    amount_minor: Amount = None

    @model_validator(mode="after")
    def _one(self) -> SpendTier:
        exactly_one(self, "rate_bps", "amount_minor")
        return self


class SpendTiers(Effect):
    """More off for more spent: the highest tier reached gives, once, or an amount again for each time it is reached."""

    kind: Literal["spend_tiers"] = "spend_tiers"
    tiers: Annotated[
        tuple[SpendTier, ...], Word("tiers", "档位", kind=FieldKind.ROWS), Field(min_length=1, max_length=50)
    ]
    each_time: Annotated[
        Literal["once", "each_time"],
        Word(
            "given",
            "次数",
            choices={"once": ("once", "一次"), "each_time": ("for each time the amount is reached", "每满即减")},
        ),
    ] = "once"
    target: Target = "lines"
    max_line_minor: MaxLine = None
    max_minor: Max = None
    partial: Partial = "allowed"

    @model_validator(mode="after")
    def _rising(self) -> SpendTiers:
        froms = [tier.from_minor for tier in self.tiers]
        if any(a >= b for a, b in pairwise(froms)):
            raise ValueError("tiers rise")
        return self
