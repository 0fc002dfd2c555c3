"""The decision `transaction.risk`: whether an order goes on, waits for a person, or is refused. Part of the contract."""

from __future__ import annotations

from typing import Annotated, Literal

from capabilities.kernel.decision import Decision, Effect, FactGroup, Grain, Word, declare
from capabilities.kernel.tiers import TIERS


class RiskOrderFacts(FactGroup):
    """What the risk decision knows of the order."""

    total_minor: Annotated[int, Word("order total", "订单总额", "What the buyer is asked to pay", "买家应付金额")]
    discount_minor: Annotated[int, Word("discount given", "优惠金额")]
    quantity: Annotated[int, Word("number of pieces", "件数", unit="pieces")]
    lines: Annotated[int, Word("number of lines", "行数", unit="lines")]
    channel: Annotated[str, Word("channel", "渠道")]
    country: Annotated[str, Word("country", "国家", "ISO 3166 code of the destination", "目的地国家代码")]
    payment_method: Annotated[str, Word("payment method", "支付方式")]
    hour: Annotated[int, Word("hour of the day", "下单小时", unit="h")]


class RiskBuyerFacts(FactGroup):
    """What the risk decision knows of the buyer."""

    tier: Annotated[
        str | None,
        Word(
            "buyer tier",
            "会员等级",
            choices=TIERS,
        ),
    ] = None
    tags: Annotated[tuple[str, ...], Word("buyer tags", "买家标签")] = ()
    order_number: Annotated[int, Word("nth order", "第几单", "1 for the first order", "首单为 1")] = 1
    is_guest: Annotated[bool, Word("is a guest", "游客")] = False


class Approve(Effect):
    """Let the order go on."""

    kind: Literal["approve"] = "approve"


class Review(Effect):
    """Hold the order for a person."""

    kind: Literal["review"] = "review"
    reason: Annotated[str, Word("reason", "原因")]


class Reject(Effect):
    """Refuse the order."""

    kind: Literal["reject"] = "reject"
    reason: Annotated[str, Word("reason", "原因")]


RISK = declare(
    Decision(
        name="transaction.risk",
        en="Order risk",
        zh="订单风控",
        grains=(Grain("order", "the order", "订单", {"order": RiskOrderFacts, "buyer": RiskBuyerFacts}),),
        effects=(Approve, Review, Reject),
        otherwise="approve",
        stages={10: ("screening", "审核")},
    )
)
