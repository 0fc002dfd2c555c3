"""The decision `user.tier`: which tier a buyer has earned. Part of the contract; segments ask about the same facts."""

from __future__ import annotations

from typing import Annotated, Literal

from capabilities.kernel.decision import Decision, Effect, FactGroup, Grain, Word, declare
from capabilities.kernel.tiers import TIERS


class StandingFacts(FactGroup):
    """What is known of a buyer when their tier and segments are worked out; money in the currency of the business."""

    lifetime_minor: Annotated[
        int, Word("spent in all", "累计消费", "Confirmed orders, less what was refunded", "已确认订单金额减去退款")
    ] = 0
    last_year_minor: Annotated[
        int,
        Word("spent in 365 days", "近 365 天消费", "Confirmed orders of the last 365 days, less refunds", "已扣除退款"),
    ] = 0
    orders: Annotated[int, Word("confirmed orders", "已确认订单数", unit="orders")] = 0
    days_since_joined: Annotated[int, Word("days since joining", "注册天数", unit="days")] = 0
    days_since_order: Annotated[
        int | None, Word("days since the last order", "距上次下单天数", "Missing before the first order", unit="days")
    ] = None
    refunded_bps: Annotated[
        int, Word("share refunded", "退款比例", "Of everything ever ordered, by money", "按累计下单金额计算")
    ] = 0
    tags: Annotated[tuple[str, ...], Word("buyer tags", "买家标签")] = ()
    tier: Annotated[str, Word("tier so far", "当前等级", choices=TIERS)] = "standard"


class SetTier(Effect):
    """Give the buyer this tier. While `valid_days` last it can rise, but not fall."""

    kind: Literal["set_tier"] = "set_tier"
    tier: Annotated[Literal["standard", "silver", "gold", "vip"], Word("tier", "等级", choices=TIERS)]
    reason: Annotated[str, Word("reason", "原因")]
    valid_days: Annotated[
        int | None, Word("kept for at least", "至少保留", "Empty: worked out anew each time", unit="days")
    ] = None


TIER = declare(
    Decision(
        name="user.tier",
        en="Buyer tier",
        zh="会员等级",
        grains=(Grain("order", "the buyer", "买家", {"buyer": StandingFacts}),),
        effects=(SetTier,),
        otherwise="keep",
        stages={10: ("classification", "评级")},
    )
)
