"""Words that several effects of promotions share: what they aim at, which units, caps, and selectors of lines."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, PlainSerializer

from capabilities.kernel.decision import Word
from capabilities.kernel.expression import Group, Test, condition_from_json, condition_to_json


def _condition(body: Any) -> Any:
    return body if isinstance(body, Test | Group) else condition_from_json(body, at="of")


Selector = Annotated[
    Any,
    BeforeValidator(_condition),
    PlainSerializer(condition_to_json, return_type=dict),
]
"""A condition on the facts of a line: the lines it holds for are meant."""


APPLY = {"each": ("on each line", "逐行"), "across": ("across all of them together", "合计分摊")}
TARGET = {"lines": ("goods", "商品"), "delivery": ("delivery", "运费"), "fee": ("surcharges", "附加费")}
PARTIAL = {"allowed": ("or as much as there is room for", "可部分优惠"), "refused": ("or nothing", "不足则不优惠")}
SELECT = {
    "all": ("every unit", "全部"),
    "cheapest": ("the cheapest units", "最便宜的"),
    "dearest": ("the dearest units", "最贵的"),
    "every_nth": ("every nth unit, from the dearest down", "由高到低每第 n 件"),
}
WHICH = {"cheapest": ("the cheapest units", "最便宜的"), "dearest": ("the dearest units", "最贵的")}
SETS = {
    "complete": ("complete sets only", "仅完整组合"),
    "as_many": ("the last set may be incomplete", "最后一组可不完整"),
}

Select = Annotated[Literal["all", "cheapest", "dearest", "every_nth"], Word("of the units", "选取", choices=SELECT)]
SelectUnits = Annotated[int | None, Word("how many, or every how many", "件数或间隔", unit="pieces"), Field(gt=0)]
Target = Annotated[Literal["lines", "delivery", "fee"], Word("on", "作用于", choices=TARGET)]
MaxUnits = Annotated[int | None, Word("at most units a line", "每行最多件数", unit="pieces"), Field(gt=0)]
MaxUnit = Annotated[int | None, Word("at most a unit", "每件封顶"), Field(ge=0)]
MaxLine = Annotated[int | None, Word("at most a line", "每行封顶"), Field(ge=0)]
Max = Annotated[int | None, Word("at most an order", "每单封顶"), Field(ge=0)]
Partial = Annotated[
    Literal["allowed", "refused"],
    Word(
        "where there is less room",
        "额度不足时",
        "Where floor prices, the price itself or a budget leave less than the whole",
        "底价、价格本身或预算不足时",
        choices=PARTIAL,
    ),
]
Rate = Annotated[int | None, Word("percent", "折扣率", unit="%"), Field(gt=0, le=100_000)]
Amount = Annotated[int | None, Word("amount", "金额"), Field(gt=0)]
Price = Annotated[int | None, Word("price", "价格"), Field(ge=0)]
Which = Annotated[
    Literal["cheapest", "dearest"] | None,
    Word("units that get it", "优惠件", "Blank: as the rule set declares", "留空则按规则集选项", choices=WHICH),
]
Sets = Annotated[Literal["complete", "as_many"], Word("sets", "组合", choices=SETS)]
RepeatMost = Annotated[
    int | None,
    Word("at most", "最多", "Blank: as the rule set declares", "留空则按规则集选项", unit="sets"),
    Field(gt=0),
]


def exactly_one(effect: BaseModel, *names: str) -> None:
    """Refuse a contract where none or several of these are given."""
    if sum(getattr(effect, name) is not None for name in names) != 1:
        raise ValueError(f"write exactly one of {', '.join(names)}")


def require_rising(ends: list[int | None]) -> None:
    """Refuse tiers that do not rise, or whose last one has an end."""
    closed = [end for end in ends[:-1] if end is not None]
    last = ends[-1]
    if len(closed) != len(ends) - 1:
        raise ValueError("only the last tier is without end")
    if last is not None:
        raise ValueError("the last tier is without end")
    if any(a >= b for a, b in pairwise(closed)):
        raise ValueError("tiers rise")
