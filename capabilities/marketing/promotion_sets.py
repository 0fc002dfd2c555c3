"""Effects on sets of units: buy some and get some, bundles, gifts. A piece counts in one set only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from capabilities.kernel.decision import Effect, FieldKind, Word
from capabilities.marketing.promotion_words import (
    Max,
    MaxLine,
    MaxUnit,
    Partial,
    RepeatMost,
    Selector,
    Sets,
    Which,
    exactly_one,
)


class BuyGet(Effect):
    """Buy pieces (or spend an amount) of some lines, get pieces of the same or others cheaper. Pieces count once."""

    kind: Literal["buy_get"] = "buy_get"
    buy: Annotated[Selector | None, Word("buy of", "购买", kind=FieldKind.SELECTOR)] = None
    buy_units: Annotated[int | None, Word("buy pieces", "购买件数", unit="pieces"), Field(gt=0)] = None
    buy_minor: Annotated[int | None, Word("or spend", "或消费满"), Field(gt=0)] = None
    get: Annotated[
        Selector | None,
        Word("get of", "获得", "Blank: of the same", "留空表示同类", kind=FieldKind.SELECTOR),
    ] = None
    get_units: Annotated[int, Word("get pieces", "获得件数", unit="pieces"), Field(gt=0)] = 1
    rate_bps: Annotated[int | None, Word("at percent off", "折扣率", unit="%"), Field(gt=0, le=100_000)] = None
    amount_minor: Annotated[int | None, Word("or at an amount off each", "或每件立减"), Field(gt=0)] = None
    price_minor: Annotated[int | None, Word("or at a price each", "或每件价格"), Field(ge=0)] = None
    which: Which = None
    sets: Sets = "complete"
    repeat_most: RepeatMost = None
    max_unit_minor: MaxUnit = None
    max_line_minor: MaxLine = None
    max_minor: Max = None
    partial: Partial = "allowed"

    @model_validator(mode="after")
    def _one_of_each(self) -> BuyGet:
        exactly_one(self, "buy_units", "buy_minor")
        exactly_one(self, "rate_bps", "amount_minor", "price_minor")
        return self


class BundlePart(BaseModel):
    """So many pieces of these lines."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    units: Annotated[int, Word("pieces", "件数", unit="pieces"), Field(gt=0)] = 1
    of: Annotated[Selector | None, Word("of", "商品", kind=FieldKind.SELECTOR)] = None


class Bundle(Effect):
    """Pieces that are cheaper together: a price for the set, percent off it, or the cheapest of it free."""

    kind: Literal["bundle"] = "bundle"
    parts: Annotated[
        tuple[BundlePart, ...], Word("set", "组合", kind=FieldKind.ROWS), Field(min_length=1, max_length=10)
    ]
    price_minor: Annotated[int | None, Word("for a price", "组合价"), Field(ge=0)] = None
    rate_bps: Annotated[int | None, Word("or at percent off", "或折扣率", unit="%"), Field(gt=0, le=100_000)] = None
    cheapest_free: Annotated[int | None, Word("or the cheapest free", "或最便宜的免费", unit="pieces"), Field(gt=0)] = (
        None
    )
    repeat_most: RepeatMost = None
    max_line_minor: MaxLine = None
    max_minor: Max = None
    partial: Partial = "allowed"

    @model_validator(mode="after")
    def _one_worth(self) -> Bundle:
        exactly_one(self, "price_minor", "rate_bps", "cheapest_free")
        if self.cheapest_free is not None and (len(self.parts) > 1 or self.cheapest_free >= self.parts[0].units):
            raise ValueError("the cheapest are free of one kind of goods, and fewer than the set has")
        return self


class Gift(Effect):
    """A piece that costs nothing, as a line of its own, as long as it is earned. Of several the buyer chooses one."""

    kind: Literal["gift"] = "gift"
    skus: Annotated[
        tuple[str, ...], Word("gift, or a choice of", "赠品（可多选一）"), Field(min_length=1, max_length=20)
    ]
    units: Annotated[int, Word("pieces", "件数", unit="pieces"), Field(gt=0)] = 1
