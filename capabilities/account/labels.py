"""What the kinds of accounts are called, in English and Chinese; pages read this map."""

from __future__ import annotations

from collections.abc import Mapping

from capabilities.account.contract import AccountKind

LABELS: Mapping[AccountKind, tuple[str, str]] = {
    AccountKind.PROVIDER_CLEARING: ("provider clearing", "支付通道清算"),
    AccountKind.SALES_IN_TRANSIT: ("sales in transit", "在途销售"),
    AccountKind.SELLER_PAYABLE: ("seller payable", "应付商家"),
    AccountKind.COMMISSION_REVENUE: ("commission revenue", "佣金收入"),
    AccountKind.TAX_PAYABLE: ("tax payable", "应交税费"),
    AccountKind.DELIVERY_REVENUE: ("delivery revenue", "配送收入"),
    AccountKind.BUYER_WALLET: ("buyer wallet", "买家钱包"),
    AccountKind.BANK: ("bank", "银行存款"),
    AccountKind.EXCHANGE: ("currency exchange", "货币兑换"),
    AccountKind.FEE_REVENUE: ("surcharge revenue", "附加费收入"),
    AccountKind.REFUND_FEE_REVENUE: ("refund fee revenue", "退款手续费收入"),
    AccountKind.BREAKAGE_REVENUE: ("breakage revenue", "过期收入"),
    AccountKind.GIFT_CARD: ("gift card", "礼品卡"),
    AccountKind.POINTS: ("points", "积分"),
    AccountKind.BUYER_DEBT: ("buyer debt", "买家欠款"),
    AccountKind.BUYER_RECEIVABLE: ("buyer receivable", "应收买家"),
    AccountKind.COURIER_CLEARING: ("courier clearing", "代收货款清算"),
    AccountKind.SELLER_RESERVE: ("seller reserve", "商家保证金"),
    AccountKind.WITHHELD_TAX: ("withheld tax", "代扣税款"),
    AccountKind.CHARGEBACKS: ("chargebacks", "拒付"),
    AccountKind.PROVIDER_FEES: ("provider fees", "通道手续费"),
    AccountKind.MARKETING_EXPENSE: ("marketing expense", "营销费用"),
    AccountKind.GIFT_CARD_PROMOTION: ("gift card promotion", "礼品卡赠送费用"),
    AccountKind.WRITE_OFFS: ("write-offs", "核销损失"),
}


def label(kind: AccountKind, locale: str) -> str:
    """What accounts of this kind are called."""
    return LABELS[kind][1 if locale.startswith("zh") else 0]
