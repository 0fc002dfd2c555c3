"""What the front-end of instalment purchases says, in English and Chinese, beyond the words all front-ends share."""

from __future__ import annotations

TEXTS: dict[str, tuple[str, str]] = {
    "shop": ("Zhongtai Finance", "中台金服"),
    "tagline": ("Buy now, pay in parts", "先用后付，分期无忧"),
    "hero.title": ("Buy today. Pay in three, six or twelve parts.", "今天购买，分三、六或十二期付清。"),
    "hero.text": (
        "No interest and no fee. You see every date and every amount before you buy.",
        "零利息、零手续费。购买前即可看到每期日期与金额。",
    ),
    "nav.main": ("Categories", "分类"),
    "nav.all": ("Everything", "全部"),
    "category.advisory": ("Advice", "顾问服务"),
    "category.research": ("Research", "研究报告"),
    "category.credit": ("Credit", "信用"),
    "category.insurance": ("Insurance", "保险"),
    "category.tax": ("Tax & accounts", "财税"),
    "category.hardware": ("Terminals & hardware", "终端与硬件"),
    "category.metals": ("Gold & silver", "贵金属"),
    "category.education": ("Courses", "课程"),
    "goods.parts": ("in 12 parts of about {amount}", "分 12 期，每期约 {amount}"),
    "goods.once": ("at once or in 3 to 6 parts", "一次付清或分 3–6 期"),
    "sold_out": ("Sold out", "已售罄"),
    "choose": ("How would you like to pay?", "选择付款方式"),
    "pieces": ("Pieces", "数量"),
    "plan.3": ("3 instalments", "分 3 期"),
    "plan.6": ("6 instalments", "分 6 期"),
    "plan.12": ("12 instalments", "分 12 期"),
    "plan.all": ("All at once", "一次付清"),
    "plan.free": ("{amount} now, without interest", "今付 {amount}，免息"),
    "plan.once": ("{amount} now", "今付 {amount}"),
    "plan.refused": ("Not offered: {reason}", "不可选：{reason}"),
    "schedule": ("What you pay, and when", "付款日期与金额"),
    "review.hint": (
        "From ¥1,000 on a person looks at your credit before anything is charged.",
        "满 ¥1,000 的订单在扣款前由人工审核授信。",
    ),
    "buy": ("Buy: {amount} now", "购买：今付 {amount}"),
    "buy.not": ("This cannot be bought like that.", "无法按此方式购买。"),
    "wait.in_review": (
        "A person of ours looks at your credit. Nothing is charged before that.",
        "工作人员正在审核您的授信，此前不会扣款。",
    ),
    "order.what": ("What you bought", "所购内容"),
    "order.once": ("Paid at once: {amount}", "已一次付清 {amount}"),
    "order.again": ("Look at it again", "再次查看"),
}
"""Every text of this front-end by key: English, Chinese."""
