"""One stage: of the rules that fired, which stand (exclusion, groups), and what they do to the prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from capabilities.marketing.contract import FiredRule, PromotionEffect
from capabilities.marketing.pricing.effects import Ground, grants_of
from capabilities.marketing.pricing.exclusion import admit, rank
from capabilities.marketing.pricing.state import Applied, Ending, Position, State, begin, normal_code


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
    desk = _Desk(state)
    for group in _groups(standing):
        desk.apply_group(group)
    return replace(
        state,
        positions=desk.positions,
        applied=(*state.applied, *desk.applied),
        endings=(*state.endings, *sorted((*endings, *desk.endings), key=lambda ending: rank(ending.rule))),
        fact_cache={},
    )


def _contenders(state: State, rules: Sequence[FiredRule], endings: list[Ending]) -> list[FiredRule]:
    """Rules not ruled out before the stage begins: by a coupon that is not there, or by a rule that gave earlier.

    Across stages a declared pair excludes the later rule, whichever of the two declared it: what was given stays.
    """
    standing = {one.rule.rule_id: one.rule for one in state.applied if one.grant.given_minor}
    excluded_by = {other: rule.rule_id for rule in standing.values() for other in rule.excludes}
    highest = min(standing.values(), key=rank, default=None)
    contenders = []
    for rule in rules:
        by = excluded_by.get(rule.rule_id) or next((x for x in rule.excludes if x in standing), None)
        if rule.coupon_code is not None and normal_code(rule.coupon_code) not in state.usable_coupons:
            endings.append(Ending(rule, "no_coupon"))
        elif state.closed_by is not None and not _displaces(rule, state.closed_by):
            endings.append(Ending(rule, "excluded", state.closed_by.rule_id))
        elif by is not None:
            endings.append(Ending(rule, "excluded", by))
        elif _is_outranked(state, rule, highest):
            endings.append(Ending(rule, "excluded", highest.rule_id if highest else None))
        else:
            contenders.append(rule)
    return contenders


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
    fresh = begin(state.cart, state.options, usable_coupons=state.usable_coupons)
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


@dataclass(slots=True)
class _Trial:
    """What a rule would do alone, on the prices as they are now."""

    rule: FiredRule
    applied: list[Applied]
    after: dict[str, Position]
    wished_minor: int
    given_minor: int = field(default=0)


class _Desk:
    """The prices while a stage is worked through."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._goods = tuple(position.id for position in state.goods)
        self._deliveries = tuple(position.id for position in state.deliveries)
        self._order = {position_id: i for i, position_id in enumerate(state.positions)}
        self.positions: dict[str, Position] = dict(state.positions)
        self.applied: list[Applied] = []
        self.endings: list[Ending] = []

    def apply_group(self, group: Sequence[FiredRule]) -> None:
        """Apply a group by its mode: all, the best, or the first that gives something."""
        first = group[0]
        if first.mode.value == "stack":
            for rule in group:
                self._take(self._try(rule))
        elif first.mode.value == "first":
            self._apply_first(group)
        elif first.best_per == "order":
            self._apply_best(group)
        else:
            self._apply_best_per_line(group)

    def _try(self, rule: FiredRule) -> _Trial:
        """Work out a rule's effects, each on what the one before it left; nothing is changed."""
        trial = _Trial(rule, [], {}, 0)
        for index, effect in enumerate(rule.effects):
            positions = [trial.after.get(i) or self.positions[i] for i in self._targets(rule, effect)]
            for grant in grants_of(effect, Ground(positions, self._state.options, self._state.cart.prices_include_tax)):
                trial.wished_minor += grant.wished_minor
                trial.given_minor += grant.given_minor
                trial.applied.append(Applied(rule, index, grant))
                if grant.given_minor:
                    before = trial.after.get(grant.position_id) or self.positions[grant.position_id]
                    trial.after[grant.position_id] = before.less(grant.given_minor)
        return trial

    def _targets(self, rule: FiredRule, effect: PromotionEffect) -> Sequence[str]:
        if effect.kind == "free_delivery" or getattr(effect, "target", "lines") == "delivery":
            return self._deliveries
        if rule.grain == "order" and not rule.line_ids:
            return self._goods
        return sorted(rule.line_ids, key=self._order.__getitem__)

    def _take(self, trial: _Trial) -> None:
        self.positions.update(trial.after)
        self.applied.extend(trial.applied)
        self.endings.append(_ending(trial))

    def _apply_first(self, group: Sequence[FiredRule]) -> None:
        winner: FiredRule | None = None
        for rule in group:
            trial = self._try(rule)
            if winner is not None:
                self.endings.append(_lost(trial, winner))
            else:
                self._take(trial)
                winner = rule if trial.given_minor else None

    def _apply_best(self, group: Sequence[FiredRule]) -> None:
        trials = [self._try(rule) for rule in group]
        best = max(trials, key=lambda trial: trial.given_minor)  # the first of equals, and they come by rank
        self._take(best)
        self.endings.extend(_lost(trial, best.rule) for trial in trials if trial is not best)

    def _apply_best_per_line(self, group: Sequence[FiredRule]) -> None:
        trials = [self._try(rule) for rule in group]
        best: dict[str, tuple[int, int]] = {}
        for number, trial in enumerate(trials):
            for position_id, worth in _worth_by_position(trial).items():
                if worth > best.get(position_id, (0, 0))[0]:
                    best[position_id] = (worth, number)
        for number, trial in enumerate(trials):
            won = [a for a in trial.applied if best.get(a.grant.position_id, (0, -1))[1] == number]
            beaten_by = next(
                (best[a.grant.position_id][1] for a in trial.applied if a.grant.position_id in best), number
            )
            if not won:
                self.endings.append(_lost(trial, trials[beaten_by].rule))
                continue
            after = {a.grant.position_id: trial.after[a.grant.position_id] for a in won}
            wished = sum(a.grant.wished_minor for a in won)
            self._take(_Trial(trial.rule, won, after, wished, sum(a.grant.given_minor for a in won)))


def _worth_by_position(trial: _Trial) -> dict[str, int]:
    worth: dict[str, int] = {}
    for applied in trial.applied:
        position_id = applied.grant.position_id
        worth[position_id] = worth.get(position_id, 0) + applied.grant.given_minor
    return worth


def _ending(trial: _Trial) -> Ending:
    if trial.given_minor:
        outcome = "applied" if trial.given_minor >= trial.wished_minor else "capped"
    else:
        outcome = "no_room" if trial.wished_minor else "gave_nothing"
    return Ending(trial.rule, outcome, None, trial.wished_minor, trial.given_minor)  # type: ignore[arg-type]


def _lost(trial: _Trial, winner: FiredRule) -> Ending:
    if not trial.given_minor:
        return _ending(trial)
    return Ending(trial.rule, "lost_in_group", winner.rule_id, trial.wished_minor, trial.given_minor)
