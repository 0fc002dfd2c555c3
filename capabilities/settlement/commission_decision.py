"""The decision `settlement.commission`: what is taken of a line. The effects of the deciding rule make up one fee."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from capabilities.kernel.decision import Decision, Effect, FactGroup, FieldKind, Grain, Word, declare


class CommissionLineFacts(FactGroup):
    """What is sold."""

    category: Annotated[str, Word("category", "类目", kind=FieldKind.PATH)]
    amount_minor: Annotated[int, Word("amount without tax", "不含税金额", "After discounts", "扣除优惠后")]
    quantity: Annotated[int, Word("number of pieces", "件数", unit="pieces")]
    discount_minor: Annotated[int, Word("discount given", "优惠金额")] = 0


class CommissionOrderFacts(FactGroup):
    """The order it is part of."""

    channel: Annotated[str, Word("channel", "渠道")]
    country: Annotated[str, Word("country", "国家", "ISO 3166 code of the destination", "目的地国家代码")]
    currency: Annotated[str, Word("currency", "币种", "ISO 4217 code", "ISO 4217 代码")]
    discount_bps: Annotated[
        int, Word("share of discounts", "优惠占比", "Of the goods before discounts", "占折前商品金额")
    ] = 0


class CommissionSellerFacts(FactGroup):
    """Who sells it."""

    id: Annotated[str, Word("seller", "卖家")]
    volume_minor: Annotated[
        int,
        Word(
            "sold this month",
            "本月销售额",
            "Without tax, before this sale, in its currency",
            "不含税，本单之前，同币种",
        ),
    ] = 0


class CommissionPercent(Effect):
    """A share of the amount."""

    kind: Literal["commission_percent"] = "commission_percent"
    rate_bps: Annotated[int, Field(ge=0, le=10_000), Word("share", "比例")]


class CommissionPerUnit(Effect):
    """A flat part for every piece."""

    kind: Literal["commission_per_unit"] = "commission_per_unit"
    amount_minor: Annotated[int, Field(ge=0), Word("per piece", "每件")]


class CommissionPerOrder(Effect):
    """A flat part once an order and seller, on its first line."""

    kind: Literal["commission_per_order"] = "commission_per_order"
    amount_minor: Annotated[int, Field(ge=0), Word("per order", "每单")]


class CommissionTier(BaseModel):
    """The share of what lies above an amount, up to the next tier."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    above_minor: Annotated[int, Field(ge=0), Word("above", "高于")]
    rate_bps: Annotated[int, Field(ge=0, le=10_000), Word("share", "比例")]


class CommissionTiers(Effect):
    """Graduated shares: each of what lies in its tier."""

    kind: Literal["commission_tiers"] = "commission_tiers"
    tiers: Annotated[
        tuple[CommissionTier, ...], Word("tiers", "档位", kind=FieldKind.ROWS), Field(min_length=1, max_length=20)
    ]
    by: Annotated[
        Literal["amount", "volume"],
        Word(
            "counted by",
            "计量",
            choices={"amount": ("amount of the line", "本行金额"), "volume": ("seller's month", "卖家当月销售额")},
        ),
    ] = "amount"

    @model_validator(mode="after")
    def _rising(self) -> CommissionTiers:
        starts = [tier.above_minor for tier in self.tiers]
        if any(a >= b for a, b in pairwise(starts)):
            raise ValueError("tiers rise")
        return self


class CommissionFloor(Effect):
    """Never less than this."""

    kind: Literal["commission_floor"] = "commission_floor"
    amount_minor: Annotated[int, Field(ge=0), Word("at least", "最低")]


class CommissionCap(Effect):
    """Never more than this."""

    kind: Literal["commission_cap"] = "commission_cap"
    amount_minor: Annotated[int, Field(ge=0), Word("at most", "最高")]


class CommissionTax(Effect):
    """Tax on the commission, on top of it."""

    kind: Literal["commission_tax"] = "commission_tax"
    rate_bps: Annotated[int, Field(ge=0, le=10_000), Word("tax rate", "税率")]


class ChannelFee(Effect):
    """The provider's fee, as far as the seller bears it."""

    kind: Literal["channel_fee"] = "channel_fee"
    rate_bps: Annotated[int, Field(ge=0, le=10_000), Word("share", "比例")]
    amount_minor: Annotated[int, Field(ge=0), Word("per order", "每单")] = 0


class WithholdTax(Effect):
    """A tax withheld from what the seller earns."""

    kind: Literal["withhold_tax"] = "withhold_tax"
    rate_bps: Annotated[int, Field(ge=0, le=10_000), Word("rate", "税率")]


COMMISSION = declare(
    Decision(
        name="settlement.commission",
        en="Commission",
        zh="佣金",
        grains=(
            Grain(
                "line",
                "the line",
                "商品行",
                {"line": CommissionLineFacts, "order": CommissionOrderFacts, "seller": CommissionSellerFacts},
            ),
        ),
        effects=(
            CommissionPercent,
            CommissionPerUnit,
            CommissionPerOrder,
            CommissionTiers,
            CommissionFloor,
            CommissionCap,
            CommissionTax,
            ChannelFee,
            WithholdTax,
        ),
        stages={10: ("fees", "费用")},
    )
)
