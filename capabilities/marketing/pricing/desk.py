"""The prices while a stage is worked through: rules are tried on them, and by the mode of their group taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from capabilities.marketing.contract import FiredRule, Gift, GiftOffer, OfferedGift
from capabilities.marketing.pricing.effects import Ground, grants_of
from capabilities.marketing.pricing.facts import line_facts
from capabilities.marketing.pricing.fees import Fees, raise_of, surcharge_of
from capabilities.marketing.pricing.recording import message_of, reward_of
from capabilities.marketing.pricing.state import Applied, Ending, Grant, Position, State
from capabilities.marketing.pricing.trial import Trial, within_budget

RECORDED = frozenset({"points", "cashback", "issue_coupon", "message", "tag", "hold", "upsell_hint"})
FEE_SKU = "fee"


class Desk:
    """What a stage has done so far."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._goods = tuple(position.id for position in state.goods)
        self._deliveries = tuple(position.id for position in state.deliveries)
        self._order = {position_id: i for i, position_id in enumerate(state.positions)}
        self._offers: dict[str, GiftOffer] = {offer.sku: offer for offer in state.cart.gift_offers}
        self._choices = {choice.rule_id: choice.sku for choice in state.cart.gift_choices}
        self.positions: dict[str, Position] = dict(state.positions)
        self.applied: list[Applied] = []
        self.endings: list[Ending] = []
        self.rewards: list[Any] = []
        self.messages: list[Any] = []
        self.gifts: list[OfferedGift] = []
        self.acted: list[FiredRule] = []

    def apply_group(self, group: Sequence[FiredRule]) -> None:
        """Apply a group by its mode: all, the best, the first that gives something, or the first and no other."""
        first = group[0]
        if first.mode.value == "stack":
            for rule in group:
                self._take(self._try(rule))
        elif first.mode.value == "first":
            self._apply_first(group)
        elif first.mode.value == "exclusive":
            self._take(self._try(first))
            self.endings.extend(Ending(rule, "excluded", first.rule_id) for rule in group[1:])
        elif first.best_per == "order":
            self._apply_best(group)
        else:
            self._apply_best_per_line(group)

    # --- trying -------------------------------------------------------------------------------------------------

    def _try(self, rule: FiredRule) -> Trial:
        """Work out a rule's effects, each on what the one before it left; nothing is changed."""
        trial = Trial(rule)
        for index, effect in enumerate(rule.effects):
            if effect.kind in RECORDED:
                self._record(trial, index, effect)
            elif effect.kind == "gift":
                self._try_gift(trial, index, effect)
            elif not self._try_prices(trial, index, effect):
                return Trial(rule, wished_minor=trial.wished_minor, limited_by=trial.limited_by)
        return trial

    def _try_prices(self, trial: Trial, index: int, effect: Any) -> bool:
        """Take what the effect gives and asks; False where a budget does not cover it and a part is refused."""
        ground = self._ground(trial, effect)
        if effect.kind == "surcharge":
            self._add_fees(trial, index, surcharge_of(effect, ground))
            return True
        grants: Sequence[Grant] = grants_of(effect, ground)
        allowance = self._state.allowances.get(trial.rule.rule_id)
        if allowance is not None and allowance.money_left_minor is not None:
            left = allowance.money_left_minor - trial.given_minor
            within = within_budget(grants, left, allowance, self._state.options.remainder)
            if within is None:
                trial.wished_minor += sum(grant.wished_minor for grant in grants)
                trial.limited_by = allowance.by
                return False
            if within is not grants:
                trial.limited_by = allowance.by
            grants = within
        trial.take(index, grants, self.positions)
        if effect.kind == "set_price":
            self._add_fees(trial, index, raise_of(effect, ground))
        return True

    def _ground(self, trial: Trial, effect: Any) -> Ground:
        def now(position_id: str) -> Position:
            return trial.after.get(position_id) or self.positions[position_id]

        state = self._state
        return Ground(
            [now(i) for i in self._targets(trial, effect)],
            state.options,
            state.cart.prices_include_tax,
            [now(i) for i in self._goods],
            lambda line_id: line_facts(state, line_id),
        )

    def _targets(self, trial: Trial, effect: Any) -> Sequence[str]:
        rule, target = trial.rule, getattr(effect, "target", "lines")
        if effect.kind == "free_delivery" or target == "delivery":
            return self._deliveries
        if target == "fee":
            known = {**self.positions, **trial.after}
            return [position_id for position_id, position in known.items() if position.kind == "fee"]
        if rule.grain == "order" and not rule.line_ids:
            return self._goods
        return sorted(rule.line_ids, key=self._order.__getitem__)

    def _add_fees(self, trial: Trial, index: int, fees: Fees) -> None:
        for rate, amount in fees.items():
            position_id = f"fee-{trial.rule.rule_id}-{index}-{rate}"
            trial.fees_minor += amount
            trial.after[position_id] = Position(
                position_id, "fee", FEE_SKU, 1, amount, 0, rate, rule_id=trial.rule.rule_id
            )

    def _try_gift(self, trial: Trial, index: int, effect: Gift) -> None:
        """A line that costs nothing; of several only the one the buyer chose, of one that cannot be had nothing."""
        rule = trial.rule
        there = [sku for sku in effect.skus if self._can_have(sku, effect.units)]
        if not there:
            return
        chosen = there[0] if len(there) == 1 else self._choices.get(rule.rule_id)
        chosen = chosen if chosen in there else None
        offered = OfferedGift(
            rule_id=rule.rule_id,
            rule_name=rule.name,
            effect_index=index,
            skus=tuple(there),
            units=effect.units,
            chosen=chosen,
        )
        if chosen is None:
            trial.gifts.append(offered)
            return
        offer = self._offers[chosen]
        worth = offer.unit_price_minor * effect.units
        allowance = self._state.allowances.get(rule.rule_id)
        left = None if allowance is None else allowance.money_left_minor
        if allowance is not None and left is not None and trial.given_minor + worth > left:
            # a piece is given whole or not at all
            trial.wished_minor += worth
            trial.limited_by = allowance.by
            return
        position_id = f"gift-{rule.rule_id}-{index}"
        position = Position(
            position_id,
            "goods",
            chosen,
            effect.units,
            offer.unit_price_minor,
            0,
            offer.tax_rate_bps,
            is_gift=True,
            rule_id=rule.rule_id,
        )
        trial.gifts.append(offered)
        trial.after[position_id] = position
        trial.take(index, [Grant(position_id, worth, worth, worth, effect.units, (worth, 1))], {})

    def _can_have(self, sku: str, units: int) -> bool:
        offer = self._offers.get(sku)
        return offer is not None and (offer.available_units is None or offer.available_units >= units)

    def _record(self, trial: Trial, index: int, effect: Any) -> None:
        if effect.kind == "message":
            trial.messages.append(message_of(trial.rule, effect))
            return
        net = sum((trial.after.get(i) or self.positions[i]).net_minor for i in self._targets(trial, effect))
        reward = reward_of(trial.rule, index, effect, net, self._state.options)
        if reward is not None:
            trial.rewards.append(reward)

    # --- taking -------------------------------------------------------------------------------------------------

    def _take(self, trial: Trial) -> None:
        self.positions.update(trial.after)
        self.applied.extend(trial.applied)
        self.rewards.extend(trial.rewards)
        self.messages.extend(trial.messages)
        self.gifts.extend(trial.gifts)
        self.endings.append(trial.ending())
        if trial.does_something:
            self.acted.append(trial.rule)

    def _apply_first(self, group: Sequence[FiredRule]) -> None:
        winner: FiredRule | None = None
        for rule in group:
            trial = self._try(rule)
            if winner is not None:
                self.endings.append(trial.lost_to(winner))
            else:
                self._take(trial)
                winner = rule if trial.does_something else None

    def _apply_best(self, group: Sequence[FiredRule]) -> None:
        trials = [self._try(rule) for rule in group]
        best = max(trials, key=lambda trial: trial.worth_minor)  # the first of equals, and they come by rank
        self._take(best)
        self.endings.extend(trial.lost_to(best.rule) for trial in trials if trial is not best)

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
            if not won and not (trial.does_something and not trial.given_minor):
                self.endings.append(trial.lost_to(trials[beaten_by].rule))
                continue
            after = {a.grant.position_id: trial.after[a.grant.position_id] for a in won}
            fees = {i: position for i, position in trial.after.items() if position.kind == "fee"}
            wished = sum(a.grant.wished_minor for a in won)
            given = sum(a.grant.given_minor for a in won)
            self._take(
                Trial(
                    trial.rule,
                    won,
                    after | fees,
                    wished,
                    given,
                    trial.fees_minor,
                    trial.rewards,
                    trial.messages,
                    trial.gifts,
                    trial.limited_by,
                )
            )


def _worth_by_position(trial: Trial) -> dict[str, int]:
    worth: dict[str, int] = {}
    for applied in trial.applied:
        position_id = applied.grant.position_id
        worth[position_id] = worth.get(position_id, 0) + applied.grant.given_minor
    return worth
