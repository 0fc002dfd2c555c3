"""The decision `payment.routing`: which provider takes a payment, or that none does. Part of the contract."""

from __future__ import annotations

from typing import Annotated, Literal

from capabilities.kernel.decision import Decision, Effect, FactGroup, Grain, Word, declare
from capabilities.kernel.tiers import TIERS


class RoutedPaymentFacts(FactGroup):
    """What the routing knows of the payment and its order."""

    method: Annotated[str, Word("payment method", "支付方式")]
    amount_minor: Annotated[int, Word("amount to pay", "支付金额")]
    order_total_minor: Annotated[int, Word("order total", "订单总额")]
    currency: Annotated[str, Word("currency", "币种", "ISO 4217 code", "ISO 4217 代码")]
    country: Annotated[str, Word("country", "国家", "ISO 3166 code of the destination", "目的地国家代码")]
    channel: Annotated[str, Word("channel", "渠道")]
    sources: Annotated[
        int, Word("number of sources", "支付来源数", "1 unless the order is paid from several", "单一来源为 1")
    ]
    usual_provider: Annotated[
        str | None, Word("usual provider", "默认渠道", "The provider that takes this method", "此支付方式的默认渠道")
    ] = None
    silent_providers: Annotated[
        tuple[str, ...],
        Word(
            "providers that do not answer",
            "无响应的渠道",
            "Providers most of whose last answers did not come in time",
            "近期多数请求未及时响应的渠道",
        ),
    ] = ()


class RoutedBuyerFacts(FactGroup):
    """What the routing knows of the buyer."""

    tier: Annotated[
        str | None,
        Word(
            "buyer tier",
            "会员等级",
            choices=TIERS,
        ),
    ] = None
    is_guest: Annotated[bool, Word("is a guest", "游客")] = False


class UseProvider(Effect):
    """Let this provider take the payment."""

    kind: Literal["use_provider"] = "use_provider"
    provider: Annotated[
        str, Word("provider", "支付渠道", "Its name, such as simulator or stripe", "渠道名，如 simulator、stripe")
    ]


class RefusePayment(Effect):
    """Do not take this payment."""

    kind: Literal["refuse_payment"] = "refuse_payment"
    reason: Annotated[str, Word("reason", "原因")]


ROUTING = declare(
    Decision(
        name="payment.routing",
        en="Payment routing",
        zh="支付路由",
        grains=(Grain("payment", "the payment", "支付", {"payment": RoutedPaymentFacts, "buyer": RoutedBuyerFacts}),),
        effects=(UseProvider, RefusePayment),
        otherwise="usual_provider",
        stages={10: ("routing", "路由")},
    )
)
