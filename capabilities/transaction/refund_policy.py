"""The decision `transaction.refund_policy`: whether a refund goes on by itself, waits for a person, or is refused."""

from __future__ import annotations

from typing import Annotated, Literal

from capabilities.kernel.decision import Decision, Effect, FactGroup, Grain, Word, declare
from capabilities.kernel.tiers import TIERS
from capabilities.transaction.after_sale import RefundKind

KINDS = {
    RefundKind.RETURN.value: ("goods came back", "退货"),
    RefundKind.CANCELLATION.value: ("not sent", "取消"),
    RefundKind.GOODWILL.value: ("goodwill", "善意补偿"),
    RefundKind.CHARGEBACK.value: ("taken by the bank", "银行拒付"),
}


class RefundFacts(FactGroup):
    """What the policy knows of the refund."""

    total_minor: Annotated[int, Word("refund amount", "退款金额", "Before a fee", "扣除手续费之前")]
    share_bps: Annotated[
        int, Word("share of the order", "占订单比例", "Of what was paid for the order", "占订单实付金额")
    ]
    kind: Annotated[str, Word("why", "退款类型", choices=KINDS)]
    with_delivery: Annotated[bool, Word("the delivery too", "含运费")] = False
    pieces: Annotated[int, Word("pieces given back", "退回件数", unit="pieces")] = 0
    tags: Annotated[tuple[str, ...], Word("tags of what comes back", "退回商品标签")] = ()


class RefundOrderFacts(FactGroup):
    """What the policy knows of the order."""

    total_minor: Annotated[int, Word("order total", "订单总额")]
    days_since_confirmed: Annotated[int, Word("days since the order", "下单后天数", unit="days")]
    days_since_delivered: Annotated[
        int | None,
        Word(
            "days since the last hand-over",
            "交付后天数",
            "Empty where nothing was handed over",
            "未交付则为空",
            unit="days",
        ),
    ] = None
    days_until_start: Annotated[
        int | None,
        Word(
            "days until it begins",
            "距开始天数",
            "From the order's own date, such as an arrival; empty without one",
            "按订单自带日期，如入住日；没有则为空",
            unit="days",
        ),
    ] = None
    refunds_before: Annotated[int, Word("refunds before", "此前退款次数", unit="times")] = 0
    is_paid_out: Annotated[bool, Word("seller was paid", "已向卖家打款")] = False
    channel: Annotated[str, Word("channel", "渠道")] = "web"
    country: Annotated[str, Word("country", "国家")] = ""


class RefundBuyerFacts(FactGroup):
    """What the policy knows of the buyer."""

    tier: Annotated[
        str | None,
        Word(
            "buyer tier",
            "会员等级",
            choices=TIERS,
        ),
    ] = None
    tags: Annotated[tuple[str, ...], Word("buyer tags", "买家标签")] = ()
    is_guest: Annotated[bool, Word("is a guest", "游客")] = False


FeeRate = Annotated[int, Word("fee", "手续费率", "Kept of what is given back", "从退款中扣除")]
FeeAmount = Annotated[int, Word("fixed fee", "固定手续费")]


class Auto(Effect):
    """Give back without asking a person; a fee may be kept."""

    kind: Literal["auto"] = "auto"
    fee_bps: FeeRate = 0
    fee_minor: FeeAmount = 0
    reason: Annotated[str, Word("reason", "原因")] = ""


class Ask(Effect):
    """A person decides; a fee may be kept."""

    kind: Literal["ask"] = "ask"
    fee_bps: FeeRate = 0
    fee_minor: FeeAmount = 0
    reason: Annotated[str, Word("reason", "原因")] = ""


class Refuse(Effect):
    """Give nothing back."""

    kind: Literal["refuse"] = "refuse"
    fee_bps: FeeRate = 0
    fee_minor: FeeAmount = 0
    reason: Annotated[str, Word("reason", "原因")]


REFUND_POLICY = declare(
    Decision(
        name="transaction.refund_policy",
        en="Refund policy",
        zh="退款政策",
        grains=(
            Grain(
                "refund",
                "the refund",
                "退款",
                {"refund": RefundFacts, "order": RefundOrderFacts, "buyer": RefundBuyerFacts},
            ),
        ),
        effects=(Auto, Ask, Refuse),
        otherwise="ask",
        stages={10: ("policy", "政策")},
    )
)
