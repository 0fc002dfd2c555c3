"""Effects that add: surcharges, and what is recorded on the quote and done by later steps."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from capabilities.kernel.decision import Effect, FieldKind, Word
from capabilities.marketing.promotion_words import Amount, Max, exactly_one, require_rising


class FeeTier(BaseModel):
    """A tier of a surcharge: up to how much of what is counted, and what it costs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    up_to: Annotated[int | None, Word("up to", "至", "Blank: without end", "留空表示以上"), Field(gt=0)] = None
    unit_minor: Annotated[int, Word("each", "每单位"), Field(ge=0)] = 0
    per_units: Annotated[int, Word("for so many", "每多少"), Field(gt=0)] = 1
    flat_minor: Annotated[int, Word("once", "固定费用"), Field(ge=0)] = 0


class Surcharge(Effect):
    """A fee on top, a line of its own: an amount, percent of the goods, or by tiers of pieces or weight."""

    kind: Literal["surcharge"] = "surcharge"
    amount_minor: Amount = None
    rate_bps: Annotated[
        int | None, Word("or percent of the goods", "或商品金额比例", unit="%"), Field(gt=0, le=100_000)
    ] = None
    tiers: Annotated[
        tuple[FeeTier, ...], Word("or by tiers", "或按档位", kind=FieldKind.ROWS), Field(max_length=50)
    ] = ()
    counted: Annotated[
        Literal["order", "line", "piece", "weight"],
        Word(
            "counted by",
            "计量",
            choices={
                "order": ("the order", "整单"),
                "line": ("the line", "行"),
                "piece": ("the piece", "件"),
                "weight": ("the gram", "克"),
            },
        ),
    ] = "order"
    mode: Annotated[
        Literal["graduated", "volume"],
        Word(
            "tiers count",
            "档位计价",
            choices={
                "graduated": ("each part at its tier", "分段累进"),
                "volume": ("all at the tier reached", "按总量档位"),
            },
        ),
    ] = "volume"
    tax_rate_bps: Annotated[
        int | None,
        Word("tax rate", "税率", "Blank: as the goods it is for", "留空则按所属商品", unit="%"),
        Field(ge=0, le=100_000),
    ] = None
    max_minor: Max = None

    @model_validator(mode="after")
    def _one_worth(self) -> Surcharge:
        if (self.amount_minor is not None) + (self.rate_bps is not None) + bool(self.tiers) != 1:
            raise ValueError("write exactly one of amount, percent and tiers")
        if self.tiers:
            require_rising([tier.up_to for tier in self.tiers])
        return self


# --- what is recorded and done later ----------------------------------------------------------------------------


class Points(Effect):
    """Points for the order: a number, or so many for each amount spent, times a multiple."""

    kind: Literal["points"] = "points"
    points: Annotated[int, Word("points", "积分"), Field(gt=0)]
    per_minor: Annotated[int | None, Word("for each", "每消费"), Field(gt=0)] = None
    multiple: Annotated[int, Word("times", "倍数"), Field(gt=0, le=1_000)] = 1
    max_points: Annotated[int | None, Word("at most points", "最多积分"), Field(gt=0)] = None


class Cashback(Effect):
    """Money back into the buyer's wallet once the order is complete: an amount, or percent of the goods."""

    kind: Literal["cashback"] = "cashback"
    amount_minor: Amount = None
    rate_bps: Annotated[
        int | None, Word("or percent of the goods", "或商品金额比例", unit="%"), Field(gt=0, le=10_000)
    ] = None
    max_minor: Max = None

    @model_validator(mode="after")
    def _one(self) -> Cashback:
        exactly_one(self, "amount_minor", "rate_bps")
        return self


class IssueCoupon(Effect):
    """A coupon for a later order."""

    kind: Literal["issue_coupon"] = "issue_coupon"
    pool: Annotated[str, Word("of the coupon pool", "券池"), Field(min_length=1, max_length=64)]
    units: Annotated[int, Word("coupons", "张数"), Field(gt=0, le=100)] = 1
    valid_days: Annotated[int | None, Word("valid for days", "有效天数"), Field(gt=0)] = None


class Message(Effect):
    """A sentence the buyer is shown."""

    kind: Literal["message"] = "message"
    en: Annotated[str, Word("in English", "英文"), Field(min_length=1, max_length=300)]
    zh: Annotated[str, Word("in Chinese", "中文"), Field(max_length=300)] = ""


class AddTag(Effect):
    """A tag on the order, for later rules and people."""

    kind: Literal["tag"] = "tag"
    tag: Annotated[str, Word("tag", "标签"), Field(min_length=1, max_length=64)]


class HoldForReview(Effect):
    """A person looks at the order before it goes on."""

    kind: Literal["hold"] = "hold"
    reason: Annotated[str, Word("reason", "原因"), Field(min_length=1, max_length=300)]


class UpsellHint(Effect):
    """Says what is missing, "12.00 more", where the rule nearly holds: only one number is short, by no more than this."""

    kind: Literal["upsell_hint"] = "upsell_hint"
    within_minor: Annotated[int | None, Word("where money is short by at most", "金额相差不超过"), Field(gt=0)] = None
    within_units: Annotated[
        int | None, Word("where pieces are short by at most", "件数相差不超过", unit="pieces"), Field(gt=0)
    ] = None
