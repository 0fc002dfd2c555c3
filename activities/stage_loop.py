"""The stage loop: where rules, which decide, and marketing, which computes, meet. Pure apart from the rule engine.

For each stage: facts of the state so far, the rules that hold for them, and what those do to the prices.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from pydantic import TypeAdapter, ValidationError

from capabilities.kernel.errors import InvalidError
from capabilities.marketing.contract import (
    Cart,
    CouponState,
    CouponUse,
    FiredRule,
    GroupMode,
    PricingOptions,
    PromotionEffect,
)
from capabilities.marketing.pricing import State, apply_stage, begin, line_facts, normal_code, order_facts
from rules.deciding import eligible, fire
from rules.document import GroupRules
from rules.queries import LiveRelease

Facts = Mapping[str, Any]

_EFFECTS: TypeAdapter[tuple[PromotionEffect, ...]] = TypeAdapter(tuple[PromotionEffect, ...])
PREPARED_KEPT = 64


@dataclass(frozen=True, slots=True)
class PricedCart:
    """A cart after all stages, and the state each stage began with."""

    state: State
    began_with: Mapping[int, State]
    coupons: Mapping[str, CouponUse]
    """Codes that could not be used, by code in capitals, with the reason."""


class PreparedRelease:
    """A release in marketing's own types, rule by rule as rules are first needed; shared by content in a process."""

    def __init__(self, release: LiveRelease) -> None:
        document = release.document
        self.release_id = release.release_id
        self.rule_set_id = release.rule_set_id
        self.document = document
        self.options = options_of(document.options)
        active = [rule for rule in document.rules if rule.enabled]
        self.stages = frozenset(rule.stage for rule in active)
        self.line_stages = frozenset(rule.stage for rule in active if rule.grain == "line")
        self.coupon_codes = frozenset(normal_code(rule.coupon) for rule in active if rule.coupon)
        self._fired: dict[int, FiredRule] = {}

    def fired_rule(self, position: int) -> FiredRule:
        """The rule at that position as marketing knows it, not yet aimed at any line."""
        found = self._fired.get(position)
        if found is None:
            found = self._fired[position] = self._convert(position)
        return found

    def _convert(self, position: int) -> FiredRule:
        rule = self.document.rules[position]
        group = self.document.groups.get(rule.group, GroupRules())
        try:
            return FiredRule.model_validate(
                {
                    "rule_id": rule.id,
                    "name": rule.name,
                    "rule_set_id": self.rule_set_id,
                    "release_id": self.release_id,
                    "grain": rule.grain,
                    "stage": rule.stage,
                    "priority": rule.priority,
                    "position": position,
                    "group": rule.group,
                    "mode": GroupMode(group.mode),
                    "best_per": group.best_per,
                    "exclusive": rule.exclusive,
                    "excludes": rule.excludes,
                    "coupon_code": rule.coupon,
                    "effects": _EFFECTS.validate_python([dict(effect) for effect in rule.effects]),
                }
            )
        except ValidationError as error:
            raise InvalidError(
                "marketing.rule_unusable",
                f"The rule {rule.name or rule.id} has an effect or a setting that pricing does not know.",
                mend="Check the rule set; checks run before publishing keep such rules out.",
                rule_id=rule.id,
                problems=[f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()],
            ) from None


_prepared: OrderedDict[tuple[str, str], PreparedRelease] = OrderedDict()
_prepared_lock = Lock()


def prepared(release: LiveRelease) -> PreparedRelease:
    """The release in marketing's types; releases never change, so by id."""
    key = (release.rule_set_id, release.release_id)
    with _prepared_lock:
        found = _prepared.get(key)
        if found is None:
            found = _prepared[key] = PreparedRelease(release)
        _prepared.move_to_end(key)
        while len(_prepared) > PREPARED_KEPT:
            _prepared.popitem(last=False)
        return found


def options_of(options: Mapping[str, Any]) -> PricingOptions:
    """The pricing options a document declares; `InvalidError` names the option that is not one."""
    try:
        return PricingOptions.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidError(
            "marketing.option_unknown",
            f"The option {'.'.join(map(str, first['loc']))} cannot be used: {first['msg']}.",
            field=f"options.{'.'.join(map(str, first['loc']))}",
        ) from None


def run_stages(
    cart: Cart, releases: Sequence[LiveRelease], coupon_states: Mapping[str, CouponState] | None = None
) -> PricedCart:
    """Price a cart through all stages of the releases.

    The options of the first release hold for the cart. `coupon_states` tells of coupons by code in capitals; a code
    without a coupon may be used where a rule asks for it, and is unknown where none does.
    """
    ready = [(prepared(release), release) for release in releases]
    usable, refused = _coupons(cart, [one for one, _ in ready], coupon_states or {})
    state = begin(cart, ready[0][0].options if ready else None, usable_coupons=usable)
    began_with: dict[int, State] = {}
    for stage in sorted(frozenset().union(*(one.stages for one, _ in ready))):
        began_with[stage] = state
        fired: list[FiredRule] = []
        first_position = 0
        for one, release in ready:
            fired.extend(_fired_in(state, stage, one, release, first_position=first_position))
            first_position += len(release.document.rules)
        state = apply_stage(state, stage, fired)
    return PricedCart(state, began_with, refused)


def _fired_in(
    state: State, stage: int, one: PreparedRelease, release: LiveRelease, *, first_position: int
) -> Iterable[FiredRule]:
    """Rules of one release that hold in this stage and may act: order rules once, line rules with the lines they hold for."""
    if stage not in one.stages:
        return
    lines_by_position: dict[int, list[str]] = {
        position: [] for position in fire(release.compiled, "order", order_facts(state), stage)
    }
    if stage in one.line_stages:
        for position in state.goods:
            for number in fire(release.compiled, "line", line_facts(state, position.id), stage):
                lines_by_position.setdefault(number, []).append(position.id)
    cart = state.cart
    for number in sorted(lines_by_position):
        rule = one.document.rules[number]
        # the coupon is left to marketing, which tells "no coupon" from "did not hold"
        codes = cart.coupon_codes if rule.coupon is None else (*cart.coupon_codes, rule.coupon)
        if eligible(rule, cart.at, codes, cart.buyer.id, cart.time_zone):
            changes = {"line_ids": tuple(lines_by_position[number]), "position": first_position + number}
            yield one.fired_rule(number).model_copy(update=changes)


def _coupons(
    cart: Cart, releases: Sequence[PreparedRelease], states: Mapping[str, CouponState]
) -> tuple[set[str], dict[str, CouponUse]]:
    named = frozenset().union(*(release.coupon_codes for release in releases))
    usable: set[str] = set()
    refused: dict[str, CouponUse] = {}
    for code in dict.fromkeys(normal_code(code) for code in cart.coupon_codes):
        state = states.get(code)
        if state is None and code in named:
            usable.add(code)
        elif state is None or state.state == "unknown":
            refused[code] = CouponUse(code=code, state="unknown", reason=f"There is no coupon {code}.")
        elif state.state == "usable":
            usable.add(code)
        else:
            refused[code] = CouponUse(code=code, state=state.state, reason=state.reason)
    return usable, refused
