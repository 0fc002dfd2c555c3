"""The decision `settlement.maturing`: how long a seller waits for its money, and what is kept in reserve of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from capabilities.kernel.decision import Decision, Effect, FactGroup, Grain, Word, declare


class MaturingOrderFacts(FactGroup):
    """The order the money comes from."""

    channel: Annotated[str, Word("channel", "渠道")]
    country: Annotated[str, Word("country", "国家", "ISO 3166 code of the destination", "目的地国家代码")]
    currency: Annotated[str, Word("currency", "币种", "ISO 4217 code", "ISO 4217 代码")]
    amount_minor: Annotated[
        int, Word("seller's part", "卖家应得", "What the seller gets of the order", "卖家在本单应得金额")
    ]


class MaturingSellerFacts(FactGroup):
    """Who is to be paid."""

    id: Annotated[str, Word("seller", "卖家")]


class PayAfter(Effect):
    """Pay so many business days after something happened to the order."""

    kind: Literal["pay_after"] = "pay_after"
    days: Annotated[int, Field(ge=0, le=365), Word("business days", "工作日数", unit="days")]
    starts: Annotated[
        Literal["confirmed", "fulfilled", "completed"],
        Word(
            "counted from",
            "起算于",
            choices={
                "confirmed": ("order confirmed", "订单确认"),
                "fulfilled": ("order handed over", "订单发货"),
                "completed": ("order completed", "订单完成"),
            },
        ),
    ] = "confirmed"


class KeepReserve(Effect):
    """Keep a share back for so many days, against what may still be refunded or disputed."""

    kind: Literal["keep_reserve"] = "keep_reserve"
    rate_bps: Annotated[int, Field(ge=0, le=10_000), Word("share", "比例")]
    days: Annotated[int, Field(ge=1, le=730), Word("days", "天数", unit="days")]


MATURING = declare(
    Decision(
        name="settlement.maturing",
        en="Waiting time of sellers",
        zh="卖家账期",
        grains=(
            Grain(
                "order",
                "the seller's part of an order",
                "卖家在订单中的部分",
                {"order": MaturingOrderFacts, "seller": MaturingSellerFacts},
            ),
        ),
        effects=(PayAfter, KeepReserve),
        stages={10: ("terms", "账期")},
    )
)
