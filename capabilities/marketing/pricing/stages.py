"""One stage: of the rules that fired, which stand (exclusion, groups), and what they do to the prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from capabilities.marketing.contract import FiredRule
from capabilities.marketing.pricing.desk import Desk
from capabilities.marketing.pricing.exclusion import admit, rank
from capabilities.marketing.pricing.state import Ending, State, begin, normal_code


def apply_stage(state: State, stage: int, fired: Sequence[FiredRule]) -> State:
    """The state after the rules of one stage: combined, then applied by priority and listed order."""
    rules = [rule for rule in fired if rule.stage == stage]
    endings: list[Ending] = []
    contenders = _contenders(state, rules, endings)
    standing, struck = admit(contenders, state.options.exclusive)
    by_id = {rule.rule_id: rule for rule in contenders}
    endings.extend(Ending(by_id[struck_id], "excluded", by) for struck_id, by in struck.items())
    closing = next((rule for rule in standing if rule.exclusive == "order"), None)
    if closing is not None:
        state = _withdraw_all(state, closing)
    desk = Desk(state)
    for group in _groups(standing):
        desk.apply_group(group)
    return replace(
        state,
        positions=desk.positions,
        applied=(*state.applied, *desk.applied),
        endings=(*state.endings, *sorted((*endings, *desk.endings), key=lambda ending: rank(ending.rule))),
        rewards=(*state.rewards, *desk.rewards),
        messages=(*state.messages, *desk.messages),
        gifts=(*state.gifts, *desk.gifts),
        acted=(*state.acted, *desk.acted),
        fact_cache={},
    )


def _contenders(state: State, rules: Sequence[FiredRule], endings: list[Ending]) -> list[FiredRule]:
    """Rules not ruled out before the stage begins: by a coupon that is not there, or by a rule that gave earlier.

    Across stages a declared pair excludes the later rule, whichever of the two declared it: what was given stays.
    """
    standing = {rule.rule_id: rule for rule in state.acted}
    excluded_by = {other: rule.rule_id for rule in standing.values() for other in rule.excludes}
    highest = min(standing.values(), key=rank, default=None)
    contenders = []
    for rule in rules:
        by = excluded_by.get(rule.rule_id) or next((x for x in rule.excludes if x in standing), None)
        if rule.coupon_code is not None and normal_code(rule.coupon_code) not in state.usable_coupons:
            endings.append(Ending(rule, "no_coupon"))
        elif (used_up := _used_up(state, rule)) is not None:
            endings.append(used_up)
        elif state.closed_by is not None and not _displaces(rule, state.closed_by):
            endings.append(Ending(rule, "excluded", state.closed_by.rule_id))
        elif by is not None:
            endings.append(Ending(rule, "excluded", by))
        elif _is_outranked(state, rule, highest):
            endings.append(Ending(rule, "excluded", highest.rule_id if highest else None))
        else:
            contenders.append(rule)
    return contenders


def _used_up(state: State, rule: FiredRule) -> Ending | None:
    """The end of a rule whose limit leaves no use, or whose budget leaves no money."""
    allowance = state.allowances.get(rule.rule_id)
    if allowance is None:
        return None
    if allowance.uses_left is not None and allowance.uses_left <= 0:
        return Ending(rule, "limit_used_up", limited_by=allowance.by)
    if allowance.money_left_minor is not None and allowance.money_left_minor <= 0:
        return Ending(rule, "budget_used_up", limited_by=allowance.by)
    return None


def _displaces(rule: FiredRule, closed_by: FiredRule) -> bool:
    """Of two rules that are exclusive for the whole order, the one of higher priority."""
    return rule.exclusive == "order" and rule.priority > closed_by.priority


def _is_outranked(state: State, rule: FiredRule, highest: FiredRule | None) -> bool:
    """Under `by_priority` a rule exclusive for the whole order cannot stand beside an earlier one of higher priority."""
    return (
        state.options.exclusive == "by_priority"
        and rule.exclusive == "order"
        and highest is not None
        and highest.priority > rule.priority
    )


def _withdraw_all(state: State, closing: FiredRule) -> State:
    """A rule exclusive for the whole order takes back what earlier stages gave."""
    fresh = begin(state.cart, state.options, usable_coupons=state.usable_coupons, allowances=state.allowances)
    endings = tuple(
        Ending(ending.rule, "excluded", closing.rule_id) if ending.outcome in ("applied", "capped") else ending
        for ending in state.endings
    )
    return replace(fresh, endings=endings, closed_by=closing)


def _groups(standing: Sequence[FiredRule]) -> list[list[FiredRule]]:
    """Rules by group, each by rank; groups in the order of their best member (`standing` is by rank)."""
    groups: dict[tuple[str, str], list[FiredRule]] = {}
    for rule in standing:
        groups.setdefault((rule.rule_set_id, rule.group), []).append(rule)
    return list(groups.values())
