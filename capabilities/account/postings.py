"""What every event of the business posts: one table of postings, from which every transfer outside tests is made.

The code of a posting is the reason its transfers carry, with what it is about as parameters; `told` says it in words.
`docs/postings.md` shows the same table to people, and a test keeps the two in step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from capabilities.account.contract import AccountKind, AccountRef, Exchange, Phase, TransferRequest
from capabilities.kernel.ids import derived_id

K = AccountKind


@dataclass(frozen=True, slots=True)
class Posting:
    """One line of the table: in which event, which kind of account is debited and which credited, and the reason in words."""

    code: str
    event: str
    debit: AccountKind
    credit: AccountKind
    en: str
    zh: str


def _table(*rows: tuple[str, str, AccountKind, AccountKind, str, str]) -> Mapping[str, Posting]:
    return {row[0]: Posting(*row) for row in rows}


POSTINGS: Mapping[str, Posting] = _table(
    # a sale: what is expected is reserved in the checkout's first transaction, posted and shared out in its last
    ("sale.reserved", "sale", K.PROVIDER_CLEARING, K.SALES_IN_TRANSIT, "sale reserved", "预记销售"),
    ("sale.gift_card", "sale", K.GIFT_CARD, K.SALES_IN_TRANSIT, "paid by gift card", "礼品卡支付"),
    ("sale.wallet", "sale", K.BUYER_WALLET, K.SALES_IN_TRANSIT, "paid from the wallet", "钱包支付"),
    ("sale.points", "sale", K.POINTS, K.EXCHANGE, "paid with points", "积分支付"),
    ("sale.points_value", "sale", K.EXCHANGE, K.SALES_IN_TRANSIT, "value of the points paid with", "积分抵扣金额"),
    ("sale.due_later", "sale", K.BUYER_RECEIVABLE, K.SALES_IN_TRANSIT, "due later", "待收款"),
    (
        "sale.seller",
        "sale",
        K.SALES_IN_TRANSIT,
        K.SELLER_PAYABLE,
        "seller {party}'s share of the sale",
        "商家 {party} 的销售份额",
    ),
    ("sale.commission", "sale", K.SALES_IN_TRANSIT, K.COMMISSION_REVENUE, "commission on the sale", "销售佣金"),
    ("sale.tax", "sale", K.SALES_IN_TRANSIT, K.TAX_PAYABLE, "tax on the sale and the commission", "销售及佣金税额"),
    ("sale.delivery", "sale", K.SALES_IN_TRANSIT, K.DELIVERY_REVENUE, "delivery", "配送收入"),
    ("sale.fee", "sale", K.SALES_IN_TRANSIT, K.FEE_REVENUE, "surcharges", "附加费"),
    (
        "sale.channel_fee",
        "sale",
        K.SALES_IN_TRANSIT,
        K.PROVIDER_FEES,
        "channel fee borne by the seller",
        "商家承担的通道费",
    ),
    ("sale.withheld", "sale", K.SALES_IN_TRANSIT, K.WITHHELD_TAX, "tax withheld from the seller", "代扣商家税款"),
    # a refund (also a cancellation, goodwill, or a lost chargeback): everybody's share comes back, the sources get it
    (
        "refund.seller",
        "refund",
        K.SELLER_PAYABLE,
        K.SALES_IN_TRANSIT,
        "seller {party}'s share taken back",
        "收回商家 {party} 的份额",
    ),
    ("refund.commission", "refund", K.COMMISSION_REVENUE, K.SALES_IN_TRANSIT, "commission given back", "退还佣金"),
    ("refund.tax", "refund", K.TAX_PAYABLE, K.SALES_IN_TRANSIT, "tax given back", "退还税额"),
    ("refund.delivery", "refund", K.DELIVERY_REVENUE, K.SALES_IN_TRANSIT, "delivery given back", "退还配送费"),
    ("refund.fee", "refund", K.FEE_REVENUE, K.SALES_IN_TRANSIT, "surcharges given back", "退还附加费"),
    (
        "refund.channel_fee",
        "refund",
        K.PROVIDER_FEES,
        K.SALES_IN_TRANSIT,
        "channel fee given back to the seller",
        "退还商家通道费",
    ),
    ("refund.withheld", "refund", K.WITHHELD_TAX, K.SALES_IN_TRANSIT, "withheld tax given back", "退还代扣税款"),
    ("refund.kept", "refund", K.SALES_IN_TRANSIT, K.REFUND_FEE_REVENUE, "refund fee", "退款手续费"),
    ("refund.paid", "refund", K.SALES_IN_TRANSIT, K.PROVIDER_CLEARING, "given back by the provider", "原路退回"),
    ("refund.gift_card", "refund", K.SALES_IN_TRANSIT, K.GIFT_CARD, "given back to the gift card", "退回礼品卡"),
    ("refund.wallet", "refund", K.SALES_IN_TRANSIT, K.BUYER_WALLET, "given back to the wallet", "退回钱包"),
    ("refund.points", "refund", K.EXCHANGE, K.POINTS, "points given back", "退回积分"),
    (
        "refund.points_value",
        "refund",
        K.SALES_IN_TRANSIT,
        K.EXCHANGE,
        "value of the points given back",
        "退回积分的金额",
    ),
    (
        "refund.owed_less",
        "refund",
        K.SALES_IN_TRANSIT,
        K.BUYER_RECEIVABLE,
        "taken off what was due later",
        "冲减待收款",
    ),
    ("refund.charged_back", "refund", K.SALES_IN_TRANSIT, K.CHARGEBACKS, "kept by the buyer's bank", "拒付损失"),
    # what is due later comes in
    ("due.provider", "instalment", K.PROVIDER_CLEARING, K.BUYER_RECEIVABLE, "part {due} collected", "第 {due} 期已收"),
    ("due.courier", "instalment", K.COURIER_CLEARING, K.BUYER_RECEIVABLE, "collected on delivery", "货到付款"),
    ("due.written_off", "instalment", K.WRITE_OFFS, K.BUYER_RECEIVABLE, "part {due} written off", "第 {due} 期核销"),
    # a chargeback
    ("chargeback.opened", "chargeback", K.CHARGEBACKS, K.PROVIDER_CLEARING, "taken by the buyer's bank", "拒付扣款"),
    ("chargeback.fee", "chargeback", K.PROVIDER_FEES, K.PROVIDER_CLEARING, "chargeback fee", "拒付手续费"),
    ("chargeback.won", "chargeback", K.PROVIDER_CLEARING, K.CHARGEBACKS, "chargeback won", "拒付申诉成功"),
    (
        "chargeback.lost",
        "chargeback",
        K.WRITE_OFFS,
        K.CHARGEBACKS,
        "chargeback lost, borne by us",
        "拒付损失由平台承担",
    ),
    # sellers are paid
    ("payout.sent", "payout", K.SELLER_PAYABLE, K.BANK, "payout to seller {party}", "向商家 {party} 打款"),
    ("payout.returned", "payout", K.BANK, K.SELLER_PAYABLE, "payout returned by the bank", "打款退回"),
    (
        "reserve.held",
        "reserve",
        K.SELLER_PAYABLE,
        K.SELLER_RESERVE,
        "kept back from seller {party}",
        "商家 {party} 保证金",
    ),
    (
        "reserve.released",
        "reserve",
        K.SELLER_RESERVE,
        K.SELLER_PAYABLE,
        "released to seller {party}",
        "释放商家 {party} 保证金",
    ),
    # statements of providers and couriers
    ("statement.fees", "statement", K.PROVIDER_FEES, K.PROVIDER_CLEARING, "provider's fees", "支付通道手续费"),
    ("statement.credited", "statement", K.BANK, K.PROVIDER_CLEARING, "provider's payout to the bank", "通道结算到账"),
    (
        "statement.collected",
        "statement",
        K.PROVIDER_CLEARING,
        K.BANK,
        "collected by the provider from the bank",
        "支付通道从银行扣收",
    ),
    ("statement.missing", "statement", K.WRITE_OFFS, K.PROVIDER_CLEARING, "difference written off", "差额核销"),
    ("statement.surplus", "statement", K.PROVIDER_CLEARING, K.WRITE_OFFS, "surplus taken in", "溢额入账"),
    ("courier.fees", "statement", K.PROVIDER_FEES, K.COURIER_CLEARING, "courier's fees", "代收手续费"),
    ("courier.credited", "statement", K.BANK, K.COURIER_CLEARING, "courier's payout to the bank", "代收货款到账"),
    (
        "courier.collected",
        "statement",
        K.COURIER_CLEARING,
        K.BANK,
        "collected by the courier from the bank",
        "代收方从银行扣收",
    ),
    ("courier.missing", "statement", K.WRITE_OFFS, K.COURIER_CLEARING, "difference written off", "差额核销"),
    ("courier.surplus", "statement", K.COURIER_CLEARING, K.WRITE_OFFS, "surplus taken in", "溢额入账"),
    # gift cards and wallets
    ("gift_card.given", "gift card", K.GIFT_CARD_PROMOTION, K.GIFT_CARD, "gift card given away", "赠送礼品卡"),
    ("gift_card.provider", "gift card", K.PROVIDER_CLEARING, K.GIFT_CARD, "gift card sold", "售出礼品卡"),
    ("gift_card.bank", "gift card", K.BANK, K.GIFT_CARD, "gift card paid by bank transfer", "银行转账购买礼品卡"),
    ("gift_card.expired", "gift card", K.GIFT_CARD, K.BREAKAGE_REVENUE, "gift card expired", "礼品卡过期"),
    ("wallet.cashback", "cashback", K.MARKETING_EXPENSE, K.BUYER_WALLET, "cashback", "返现"),
    ("wallet.settles", "cashback", K.MARKETING_EXPENSE, K.BUYER_DEBT, "cashback against what was owed", "返现抵欠款"),
    ("wallet.taken_back", "cashback", K.BUYER_WALLET, K.MARKETING_EXPENSE, "cashback taken back", "收回返现"),
    ("wallet.owed", "cashback", K.BUYER_DEBT, K.MARKETING_EXPENSE, "spent cashback, now owed", "已用返现转为欠款"),
    # points: each movement is an exchange pair, points in their own currency and what they are worth in money
    ("points.earned", "points", K.EXCHANGE, K.POINTS, "points earned", "获得积分"),
    ("points.earned_value", "points", K.MARKETING_EXPENSE, K.EXCHANGE, "cost of the points earned", "积分成本"),
    ("points.settles", "points", K.EXCHANGE, K.BUYER_DEBT, "points against what was owed", "积分抵欠"),
    (
        "points.settles_value",
        "points",
        K.MARKETING_EXPENSE,
        K.EXCHANGE,
        "cost of the points that were owed",
        "抵欠积分成本",
    ),
    ("points.taken_back", "points", K.POINTS, K.EXCHANGE, "points taken back", "收回积分"),
    (
        "points.taken_back_value",
        "points",
        K.EXCHANGE,
        K.MARKETING_EXPENSE,
        "cost of the points taken back",
        "收回积分成本",
    ),
    ("points.owed", "points", K.BUYER_DEBT, K.EXCHANGE, "spent points, now owed", "已用积分转为欠分"),
    ("points.owed_value", "points", K.EXCHANGE, K.MARKETING_EXPENSE, "cost of the points owed", "欠分成本"),
    ("points.expired", "points", K.POINTS, K.EXCHANGE, "points expired", "积分过期"),
    ("points.expired_value", "points", K.EXCHANGE, K.BREAKAGE_REVENUE, "value of the points expired", "过期积分价值"),
)

RESOLVED: Mapping[str, tuple[str, str]] = {
    "posted": ("posted: {what}", "入账：{what}"),
    "voided": ("voided: {what}", "撤销：{what}"),
    "corrected": ("taken back: {what}", "冲销：{what}"),
}
"""What became of a reservation, or of a transfer; the parameter `of` is the code of what it is about."""

PLAIN: Mapping[str, tuple[str, str]] = {
    "expired": ("expired", "已过期"),
    "sale posted": ("sale posted", "销售入账"),
    "sale reserved": ("sale reserved", "预记销售"),
    "sale voided": ("sale voided", "撤销预记"),
    "sale reversed": ("sale reversed", "冲销销售"),
}
"""Reasons without parameters, among them those the ledger carried before reasons were codes."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What transfers are about: whose books, which subject, and the parts their ids are derived from."""

    business: str
    currency: str
    subject: str
    ids: tuple[str, ...]

    def transfer(
        self,
        code: str,
        amount_minor: int,
        *,
        debit: str = "",
        credit: str = "",
        part: str | None = None,
        currency: str | None = None,
        phase: Phase = Phase.SINGLE,
        exchange: Exchange | None = None,
        expires_at: datetime | None = None,
        **parameters: str,
    ) -> TransferRequest:
        """A transfer of this posting; `debit` and `credit` are the parties, `part` tells it from others of its code."""
        posting = POSTINGS[code]
        named = parameters | ({"party": party} if (party := debit or credit) and "{party}" in posting.en else {})
        of = currency or self.currency
        return TransferRequest(
            id=self.id_of(code if part is None else part),
            phase=phase,
            debit=AccountRef(business=self.business, kind=posting.debit, party=debit, currency=of),
            credit=AccountRef(business=self.business, kind=posting.credit, party=credit, currency=of),
            amount_minor=amount_minor,
            exchange=exchange,
            expires_at=expires_at,
            subject=self.subject,
            reason=reason(code, **named),
        )

    def pair(
        self,
        codes: tuple[str, str],
        amounts: tuple[int, int],
        currencies: tuple[str, str],
        rate: tuple[int, int],
        *,
        parties: tuple[str, str] = ("", ""),
        part: str = "",
        **more: Any,
    ) -> list[TransferRequest]:
        """Two halves of an exchange. `rate`: one unit of the first currency is so many (numerator, denominator) of the second.

        The party of each half is that of the account beside the exchange.
        """
        first_id, second_id = (self.id_of(f"{part}{code}") for code in codes)
        first = Exchange(other_id=second_id, numerator=rate[0], denominator=rate[1])
        halves = (first, first.of_other(first_id))
        made = []
        for code, amount, currency, exchange, party in zip(codes, amounts, currencies, halves, parties, strict=True):
            to_debit, to_credit = ("", party) if POSTINGS[code].debit is K.EXCHANGE else (party, "")
            named: dict[str, Any] = {
                "debit": to_debit,
                "credit": to_credit,
                "currency": currency,
                "exchange": exchange,
            } | more
            made.append(self.transfer(code, amount, part=f"{part}{code}", **named))
        return made

    def id_of(self, part: str) -> str:
        """The id of the transfer of that part."""
        return derived_id("trf", *self.ids, part)

    def other_way(self, code: str, opposite: str, amount: int, **more: Any) -> list[TransferRequest]:
        """The transfer of `code`; a negative amount moves by `opposite`, nothing moves nothing."""
        if amount == 0:
            return []
        if amount > 0:
            return [self.transfer(code, amount, **more)]
        swapped = {"debit": more.pop("credit", ""), "credit": more.pop("debit", "")}
        return [self.transfer(opposite, -amount, **swapped, **more)]


@dataclass(frozen=True, slots=True)
class Told:
    """A reason taken apart."""

    code: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def reason(code: str, **parameters: str) -> str:
    """A reason as transfers carry it: the code, and what it is about."""
    return f"{code}?{urlencode(parameters)}" if parameters else code


def read_reason(text: str) -> Told:
    """The inverse of `reason`."""
    code, _, parameters = text.partition("?")
    return Told(code, dict(parse_qsl(parameters, keep_blank_values=True)))


def told(reason: str, locale: str, names: Mapping[str, str] | None = None) -> str:
    """A transfer's reason in words, in English or (`zh`) Chinese; `names` says what parties are called.

    What is no code of ours (a person's own reason for a correction) is said as it is.
    """
    read = read_reason(reason)
    words = {name: (names or {}).get(value, value) for name, value in read.parameters.items()}
    column = 1 if locale.startswith("zh") else 0
    if read.code in POSTINGS:
        posting = POSTINGS[read.code]
        return _filled((posting.en, posting.zh)[column], words)
    if read.code in RESOLVED:
        what = told(read.parameters.get("of", ""), locale, names)
        because = read.parameters.get("because")
        return _filled(RESOLVED[read.code][column], {"what": what}) + (f" ({because})" if because else "")
    return PLAIN.get(reason, (reason, reason))[column]


def _filled(text: str, words: Mapping[str, str]) -> str:
    for name, value in words.items():
        text = text.replace(f"{{{name}}}", value)
    return text
