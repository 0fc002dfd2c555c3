"""A limit in words, in English and in Chinese. Money is written with the code of its currency, which the caller knows."""

from __future__ import annotations

from typing import Literal

from capabilities.kernel.money import Money
from rules.document import RuleLimit

Language = Literal["en", "zh"]

PER: dict[str, tuple[str, str]] = {"buyer": ("buyer", "买家"), "code": ("code", "优惠码"), "store": ("store", "店铺")}
PERIODS: dict[str, tuple[str, str]] = {
    "day": ("day", "每天"),
    "week": ("week", "每周"),
    "month": ("month", "每月"),
    "year": ("year", "每年"),
}


def limit_sentence(limit: RuleLimit, language: Language, currency: str) -> str:
    """Such as "at most 3 times per buyer and day (Asia/Shanghai)", "at most CNY 1,000.00 in all, or nothing"."""
    return _english(limit, currency) if language == "en" else _chinese(limit, currency)


def _english(limit: RuleLimit, currency: str) -> str:
    if limit.counts == "uses":
        much = "once" if limit.most == 1 else f"{limit.most:,} times"
    else:
        much = _money(limit.most, currency)
    units = [PER[one][0] if one in PER else one for one in limit.per]
    if limit.period is not None:
        units.append(PERIODS[limit.period][0] if limit.period in PERIODS else limit.period)
    said = f"at most {much} {'per ' + ' and '.join(units) if units else 'in all'}"
    if limit.period is not None and limit.zone is not None:
        said += f" ({limit.zone})"
    return said + (", or nothing where less is left" if limit.counts == "spend" and limit.partial == "refused" else "")


def _chinese(limit: RuleLimit, currency: str) -> str:
    each = "、".join(PER[one][1] if one in PER else one for one in limit.per)
    who = f"每个{each}" if each else ""
    when = PERIODS[limit.period][1] if limit.period in PERIODS else limit.period or ""
    if limit.period is not None and limit.zone is not None:
        when += f"（{limit.zone}）"
    much = f"最多 {limit.most:,} 次" if limit.counts == "uses" else f"最多优惠 {_money(limit.most, currency)}"
    said = f"{who}{when}{much}" if who or when else f"总共{much}"
    return said + ("，不足则不优惠" if limit.counts == "spend" and limit.partial == "refused" else "")


def _money(minor: int, currency: str) -> str:
    whole, dot, cents = Money(minor, currency).decimal().partition(".")
    return f"{currency} {int(whole):,}{dot}{cents}"
