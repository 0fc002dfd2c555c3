"""What front-ends say, in English and Chinese: the words all share, and those of one. A test holds templates and texts together."""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES = {"en": "English", "zh": "中文"}

TEXTS: dict[str, tuple[str, str]] = {
    "skip": ("Skip to content", "跳到正文"),
    "orders": ("My orders", "我的订单"),
    "language": ("Language", "语言"),
    "theme": ("Appearance", "外观"),
    "theme.device": ("As the device", "跟随系统"),
    "theme.light": ("Light", "浅色"),
    "theme.dark": ("Dark", "深色"),
    "back": ("Back to the shop", "返回商店"),
    "free": ("Free", "免费"),
    "buyer": ("Who buys", "购买者"),
    "buyer.guest": ("Guest", "游客"),
    "tier.standard": ("Standard", "普通"),
    "tier.silver": ("Silver", "银卡"),
    "tier.gold": ("Gold", "金卡"),
    "tier.vip": ("VIP", "贵宾"),
    "method": ("Payment", "支付方式"),
    "method.sim_ok": ("Card that works", "正常的卡"),
    "method.sim_late_2000": ("Card that answers late", "响应缓慢的卡"),
    "method.sim_declined": ("Card that is declined", "会被拒绝的卡"),
    "method.sim_timeout": ("Bank that does not answer", "银行无响应"),
    "method.test": ("A test shop: no money moves.", "演示商店：不会真正扣款。"),
    "sum": ("Summary", "金额明细"),
    "sum.goods": ("Goods", "商品"),
    "sum.delivery": ("Delivery", "运费"),
    "sum.tax": ("Tax", "税费"),
    "sum.tax_included": ("Tax, included", "税费（已含）"),
    "sum.total": ("Total", "合计"),
    "sum.saved": ("You save {amount}", "已省 {amount}"),
    "pay": ("Pay {amount}", "支付 {amount}"),
    "pay.busy": ("Paying…", "支付中……"),
    "problem.total_changed": (
        "The total has changed since you looked. Please check it and pay again.",
        "金额已发生变化，请核对后再次支付。",
    ),
    "problem.declined": ("The payment was declined. Nothing was charged.", "支付被拒绝，未扣款。"),
    "problem.away": (
        "The shop cannot reach its platform. Your cart is kept; please try again in a moment.",
        "商店暂时无法连接平台，购物车已保留，请稍后再试。",
    ),
    "problem.unknown_outcome": (
        "We do not know yet whether it went through. Pay again: the same purchase is never charged twice.",
        "暂时无法确认是否成功。请再次点击支付：同一笔购买绝不会重复扣款。",
    ),
    "problem.other": ("That did not work.", "操作未成功。"),
    "problem.not_found": ("There is no such page.", "没有这个页面。"),
    "problem.not_found_text": ("It may have been sold, moved, or never existed.", "可能已售完、移动，或从未存在。"),
    "problem.foreign": ("This request did not come from the shop.", "该请求并非来自本商店。"),
    "order.title": ("Order {number}", "订单 {number}"),
    "order.placed": ("Placed", "下单时间"),
    "order.none": ("No orders from this browser yet.", "此浏览器还没有订单。"),
    "status.placed": ("Placed", "已下单"),
    "status.on_hold": ("Being checked", "审核中"),
    "status.confirmed": ("Confirmed", "已确认"),
    "status.refused": ("Refused", "已拒绝"),
    "status.cancelled": ("Cancelled", "已取消"),
    "status.expired": ("Expired", "已过期"),
    "wait.title": ("One moment", "请稍候"),
    "wait.running": ("We are waiting for the bank's answer.", "正在等待银行答复。"),
    "wait.in_review": (
        "Somebody of ours looks at your order. You need not wait here.",
        "工作人员正在审核订单，无需在此等候。",
    ),
    "wait.text": (
        "This page asks again by itself. You can also come back to it under “My orders”.",
        "本页会自动刷新，也可稍后在“我的订单”中查看。",
    ),
    "wait.again": ("Ask again", "再次查询"),
    "foot": ("A shop that knows its platform only by the public API.", "仅通过公开 API 使用平台的商店示例。"),
    "status.fulfilled": ("Delivered", "已送达"),
    "status.completed": ("Completed", "已完成"),
    "status.draft": ("Draft", "草稿"),
    "nav.own": ("Yours", "我的"),
    "update": ("Update", "更新"),
    "delivery": ("Delivery", "配送"),
    "sum.fees": ("Surcharges", "附加费"),
    "problem.stock": ("Something of it has just sold out.", "所选内容刚刚售罄。"),
    "problem.too_many": ("One order may take at most {most} of it.", "每单最多 {most}。"),
    "order.thanks": ("Thank you. It is yours.", "谢谢，购买成功。"),
    "order.nothing": ("Nothing was charged.", "未扣款。"),
    "plan.title": ("Payment plan", "付款计划"),
    "plan.caption": ("What is due when", "各期应付金额与日期"),
    "plan.when": ("When", "日期"),
    "plan.state": ("State", "状态"),
    "plan.amount": ("Amount", "金额"),
    "plan.owed": ("{amount} still to pay", "待付 {amount}"),
    "plan.done": ("Everything is paid.", "已全部付清。"),
    "plan.from": ("From which card", "付款卡"),
    "plan.pay_next": ("Pay the next: {amount}", "支付下一期 {amount}"),
    "plan.pay_all": ("Pay all of it: {amount}", "全部付清 {amount}"),
    "plan.tried": (
        "The card was declined; we try again, or pay with another one.",
        "扣款被拒，我们会再试，也可换卡支付。",
    ),
    "due.now": ("Now", "现在"),
    "due.on_delivery": ("On delivery, in cash", "货到付现金"),
    "due.open": ("Open", "待付"),
    "due.overdue": ("Overdue", "已逾期"),
    "due.paid": ("Paid", "已付"),
    "due.collecting": ("Being paid", "扣款中"),
    "due.cancelled": ("Cancelled", "已取消"),
    "due.written_off": ("Written off", "已核销"),
    "said.paid": ("Paid. Thank you.", "已支付，谢谢。"),
    "said.declined": ("The card was declined; nothing was charged. Try another one.", "卡被拒绝，未扣款，请换一张卡。"),
    "said.running": ("The bank has not answered yet. Look again in a moment.", "银行尚未答复，请稍后查看。"),
    "said.gone": ("That was not open any more.", "该款项已不在待付状态。"),
    "said.unknown": (
        "We do not know yet whether it went through. Look again in a moment.",
        "暂时无法确认是否成功，请稍后查看。",
    ),
    "said.cancelled": ("Cancelled. What you get back is on its way.", "已取消，退款正在处理。"),
    "said.not_cancelled": ("It could not be cancelled.", "无法取消。"),
}
"""Every shared text by key: English, Chinese."""


class Texts:
    """The words of a front-end: its own, else the shared ones."""

    def __init__(self, own: Mapping[str, tuple[str, str]]) -> None:
        self.all = TEXTS | dict(own)

    def of(self, language: str, key: str, **values: object) -> str:
        """The text in the language, its named places filled."""
        english, chinese = self.all[key]
        text = chinese if language == "zh" else english
        return text.format(**values) if values else text
