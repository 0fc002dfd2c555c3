"""Checks of a rule's limits: what they count, for whom, in which periods, and that each is there once."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from capabilities.kernel.decision import Decision
from rules.document import Rule, RuleLimit
from rules.limit_sentence import PER, PERIODS
from rules.problem import Problem, Severity, block

MOST = 10**15


def check_limits(decision: Decision, rule: Rule) -> Iterator[Problem]:
    """Everything wrong with the rule's limits and campaign."""
    if decision.hit_policy != "collect" and (rule.limits or rule.campaign is not None):
        yield block(
            rule,
            "limits",
            "limits_unknown",
            f"Rules of {decision.en} decide, they give nothing that could be counted.",
            f"{decision.zh}的规则只做决定，没有可计数的优惠。",
            "Remove the limits and the campaign.",
            "请删除限制和活动。",
        )
        return
    if rule.campaign is not None and not rule.campaign.strip():
        yield block(
            rule,
            "campaign",
            "campaign_empty",
            "The rule belongs to a campaign but names none.",
            "规则属于活动，但未填写活动。",
            "Write the campaign's id, or none.",
            "请填写活动标识，或取消。",
        )
    seen: set[tuple[object, ...]] = set()
    for number, limit in enumerate(rule.limits):
        yield from _limit(rule, limit, f"limits[{number}]")
        shape = (limit.counts, frozenset(limit.per), limit.period, limit.zone)
        if shape in seen:
            yield block(
                rule,
                f"limits[{number}]",
                "limit_repeated",
                "Two limits of the rule count the same.",
                "规则有两条计数方式相同的限制。",
                "Keep the smaller one.",
                "请只保留较小的一条。",
            )
        seen.add(shape)


def _limit(rule: Rule, limit: RuleLimit, at: str) -> Iterator[Problem]:
    known = limit.counts in ("uses", "spend") and limit.partial in ("allowed", "refused")
    if not known or set(limit.per) - set(PER) or (limit.period is not None and limit.period not in PERIODS):
        yield block(
            rule,
            at,
            "limit_wrong",
            "The limit counts something that does not exist.",
            "限制的计数方式无效。",
            "Choose uses or spend; per buyer, code or store; per day, week, month or year.",
            "请选择次数或金额；按买家、优惠码或店铺；按天、周、月或年。",
        )
        return
    if not 0 <= limit.most <= MOST:
        yield block(
            rule,
            f"{at}.most",
            "limit_size_wrong",
            "The limit's size is not possible.",
            "限制的数值无效。",
            "Write a number that is not negative.",
            "请填写非负数。",
        )
    elif limit.most == 0:
        yield Problem(
            Severity.WARN,
            rule.id,
            f"{at}.most",
            "limit_zero",
            "A limit of nothing: the rule never gives anything.",
            "限制为零：规则永远不会生效。",
            "Raise the limit, or switch the rule off.",
            "请提高限制，或停用规则。",
        )
    if limit.zone is not None and not _is_zone(limit.zone):
        yield block(
            rule,
            f"{at}.zone",
            "zone_unknown",
            f"There is no time zone {limit.zone!r}.",
            f"没有时区“{limit.zone}”。",
            "Write a zone such as Asia/Shanghai.",
            "请填写时区，例如 Asia/Shanghai。",
        )
    if "code" in limit.per and rule.coupon is None:
        yield block(
            rule,
            f"{at}.per",
            "limit_without_code",
            "The limit counts each code, but the rule asks for none.",
            "限制按优惠码计数，但规则不需要优惠码。",
            "Ask for a coupon, or count otherwise.",
            "请要求优惠码，或改用其他计数方式。",
        )


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return False
    return True
