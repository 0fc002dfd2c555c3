"""The decision `payment.terms`: whether an order is paid at once, in parts, or when it is delivered. Part of the contract."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from capabilities.kernel.decision import Decision, Effect, FactGroup, Grain, Word, declare
from capabilities.kernel.tiers import TIERS

WHOLE_BPS = 10_000
MOST_INSTALMENTS = 60


class TermsOrderFacts(FactGroup):
    """What the terms know of the order."""

    total_minor: Annotated[int, Word("order total", "订单总额", "What the buyer is asked to pay", "买家应付金额")]
    payment_method: Annotated[str, Word("payment method", "支付方式")] = ""
    delivery_sku: Annotated[str | None, Word("delivery method", "配送方式")] = None
    channel: Annotated[str, Word("channel", "渠道")] = "web"
    country: Annotated[str, Word("country", "国家", "ISO 3166 code of the destination", "目的地国家代码")] = "CN"
    plan: Annotated[
        str | None,
        Word("plan asked for", "申请的分期方案", "The plan the buyer chose, such as `6`", "买家选择的方案，如 `6`"),
    ] = None
    days_until_service: Annotated[
        int | None,
        Word("days until the service", "距服务天数", "Of what has a date: days from now", "有日期的商品：距今天数"),
    ] = None


class TermsBuyerFacts(FactGroup):
    """What the terms know of the buyer."""

    tier: Annotated[
        str | None,
        Word(
            "buyer tier",
            "会员等级",
            choices=TIERS,
        ),
    ] = None
    is_guest: Annotated[bool, Word("is a guest", "游客")] = False
    order_number: Annotated[int, Word("nth order", "第几单", "1 for the first order", "首单为 1")] = 1
    owed_minor: Annotated[
        int, Word("owes already", "未还金额", "Open dues of earlier orders", "此前订单尚未支付的金额")
    ] = 0
    overdue_minor: Annotated[int, Word("overdue", "逾期金额", "Dues whose day has passed", "已过到期日的金额")] = 0


class AllNow(Effect):
    """Everything is paid at once."""

    kind: Literal["all_now"] = "all_now"


class Deposit(Effect):
    """A share now, the balance so many days before the service; at once where that day has passed already."""

    kind: Literal["deposit"] = "deposit"
    rate_bps: Annotated[
        int,
        Word("deposit", "定金比例", "The share that is paid now", "现在支付的比例", unit="%"),
        Field(gt=0, lt=WHOLE_BPS),
    ]
    days_before: Annotated[
        int,
        Word("balance due, days before", "尾款提前天数", "Days before the service", "服务日前的天数", unit="days"),
        Field(ge=0, le=365),
    ]


class Instalments(Effect):
    """Equal parts, the first of them now or after one interval; without interest."""

    kind: Literal["instalments"] = "instalments"
    count: Annotated[int, Word("instalments", "期数"), Field(ge=2, le=MOST_INSTALMENTS)]
    days_between: Annotated[int, Word("days between", "间隔天数", unit="days"), Field(ge=1, le=366)] = 30
    first_now: Annotated[bool, Word("the first now", "首期立即支付")] = True


class OnDelivery(Effect):
    """Paid in cash to whoever delivers; `most_minor` is the largest total this is allowed for."""

    kind: Literal["on_delivery"] = "on_delivery"
    most_minor: Annotated[int | None, Word("at most", "最高金额"), Field(gt=0)] = None


class RefuseTerms(Effect):
    """No such terms for this buyer and order."""

    kind: Literal["refuse"] = "refuse"
    reason: Annotated[str, Word("reason", "原因")]


TermsEffect = Annotated[AllNow | Deposit | Instalments | OnDelivery | RefuseTerms, Field(discriminator="kind")]

TERMS = declare(
    Decision(
        name="payment.terms",
        en="Payment terms",
        zh="付款条件",
        grains=(Grain("order", "the order", "订单", {"order": TermsOrderFacts, "buyer": TermsBuyerFacts}),),
        effects=(AllNow, Deposit, Instalments, OnDelivery, RefuseTerms),
        otherwise="all_now",
        stages={10: ("terms", "付款条件")},
    )
)
