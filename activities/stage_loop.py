"""The stage loop: where rules, which decide, and marketing, which computes, meet. Pure apart from the rule engine.

For each stage: facts of the state so far, the rules that hold for them, and what those do to the prices.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from pydantic import TypeAdapter, ValidationError

from activities.hinting import hint_of
from activities.rule_money import is_foreign, positions_of_amounts
from capabilities.kernel.errors import InvalidError
from capabilities.kernel.expression import AGGREGATE_PREFIX, tests_of
from capabilities.marketing.contract import (
    Allowance,
    Cart,
    CouponState,
    CouponUse,
    FiredRule,
    GroupMode,
    Hint,
    PricingOptions,
    PromotionEffect,
)
from capabilities.marketing.pricing import (
    State,
    apply_stage,
    begin,
    learn_aggregates,
    line_facts,
    normal_code,
    order_facts,
)
from rules.deciding import eligible, fire
from rules.document import GroupRules, Rule, RuleSetDocument
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
    hints: tuple[Hint, ...] = ()
    opened: tuple[str, ...] = ()
    """Words of rules that codes of lots open."""


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
        self.aggregates = _aggregates_by_stage(active)
        self.otherwise = _by_stage(document, lambda rule: bool(rule.otherwise))
        self.hinting = _by_stage(document, lambda rule: any(e.get("kind") == "upsell_hint" for e in rule.effects))
        self.gift_skus = frozenset(
            sku
            for rule in active
            for effect in (*rule.effects, *rule.otherwise)
            if effect.get("kind") == "gift"
            for sku in effect.get("skus", ())
        )
        self.of_amounts = positions_of_amounts(document.rules)
        self._fired: dict[tuple[int, bool], FiredRule] = {}

    def fired_rule(self, position: int, *, otherwise: bool = False) -> FiredRule:
        """The rule at that position as marketing knows it, not yet aimed at any line."""
        found = self._fired.get((position, otherwise))
        if found is None:
            found = self._fired[position, otherwise] = self._convert(position, otherwise=otherwise)
        return found

    def _convert(self, position: int, *, otherwise: bool) -> FiredRule:
        rule = self.document.rules[position]
        effects = rule.otherwise if otherwise else rule.effects
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
                    "campaign": rule.campaign,
                    "effects": _EFFECTS.validate_python([dict(effect) for effect in effects]),
                    "is_otherwise": otherwise,
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


def _by_stage(document: RuleSetDocument, is_meant: Callable[[Rule], bool]) -> dict[int, tuple[int, ...]]:
    """Positions of the enabled rules that are meant, by stage."""
    found: dict[int, list[int]] = {}
    for position, rule in enumerate(document.rules):
        if rule.enabled and is_meant(rule):
            found.setdefault(rule.stage, []).append(position)
    return {stage: tuple(positions) for stage, positions in found.items()}


def _aggregates_by_stage(active: Sequence[Rule]) -> dict[int, tuple[str, ...]]:
    """Facts over lines that the rules of each stage ask for."""
    found: dict[int, dict[str, None]] = {}
    for rule in active:
        for test in tests_of(rule.when):
            if test.field.startswith(AGGREGATE_PREFIX):
                found.setdefault(rule.stage, {})[test.field] = None
    return {stage: tuple(names) for stage, names in found.items()}


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
    cart: Cart,
    releases: Sequence[LiveRelease],
    coupon_states: Mapping[str, CouponState] | None = None,
    allowances: Iterable[Allowance] = (),
) -> PricedCart:
    """Price a cart through all stages of the releases.

    The options of the first release hold for the cart. `coupon_states` tells of coupons by code in capitals; a code
    without a coupon may be used where a rule asks for it, and is unknown where none does. `allowances` say what limits
    and budgets leave the rules they name.
    """
    opened = _opened(coupon_states or {})
    ready = [(prepared(release), release) for release in releases]
    usable, refused = _coupons(cart, [one for one, _ in ready], coupon_states or {})
    state = begin(
        cart,
        ready[0][0].options if ready else None,
        usable_coupons=usable,
        allowances={allowance.rule_id: allowance for allowance in allowances},
    )
    began_with: dict[int, State] = {}
    for stage in sorted(frozenset().union(*(one.stages for one, _ in ready))):
        began_with[stage] = state
        fired: list[FiredRule] = []
        first_position = 0
        for one, release in ready:
            fired.extend(_fired_in(state, stage, one, release, opened, first_position=first_position))
            first_position += len(release.document.rules)
        state = apply_stage(state, stage, fired)
    return PricedCart(state, began_with, refused, _hints(state, began_with, ready), tuple(opened))


def _hints(
    state: State, began_with: Mapping[int, State], ready: Sequence[tuple[PreparedRelease, LiveRelease]]
) -> tuple[Hint, ...]:
    """What is missing for the rules that say so where they nearly hold: those that hint, and no others, are asked."""
    done = {rule.rule_id for rule in state.acted if not rule.is_otherwise}
    found: list[Hint] = []
    for one, _ in ready:
        for stage, positions in sorted(one.hinting.items()):
            for position in positions:
                rule = one.document.rules[position]
                is_meant = not (is_foreign(state.cart) and position in one.of_amounts)
                if is_meant and rule.id not in done and rule.grain == "order":
                    found.extend(hint_of(rule, one.fired_rule(position), one.document.decision, began_with[stage]))
    return tuple(found)


def _fired_in(
    state: State,
    stage: int,
    one: PreparedRelease,
    release: LiveRelease,
    opened: Mapping[str, str],
    *,
    first_position: int,
) -> Iterable[FiredRule]:
    """Rules of one release that hold in this stage and may act: order rules once, line rules with the lines they hold for."""
    if stage not in one.stages:
        return
    if stage in one.aggregates:
        learn_aggregates(state, one.aggregates[stage])
    lines_by_position: dict[int, list[str]] = {
        position: [] for position in fire(release.compiled, "order", order_facts(state), stage)
    }
    if stage in one.line_stages:
        for position in state.goods:
            for number in fire(release.compiled, "line", line_facts(state, position.id), stage):
                lines_by_position.setdefault(number, []).append(position.id)
    cart = state.cart
    otherwise = frozenset(one.otherwise.get(stage, ())) - lines_by_position.keys()
    foreign = one.of_amounts if is_foreign(cart) else frozenset[int]()
    for number in sorted({*lines_by_position, *otherwise} - foreign):
        rule = one.document.rules[number]
        # the coupon is left to marketing, which tells "no coupon" from "did not hold"
        codes = cart.coupon_codes if rule.coupon is None else (*cart.coupon_codes, rule.coupon)
        if eligible(rule, cart.at, codes, cart.buyer.id, cart.time_zone):
            changes: dict[str, Any] = {
                "line_ids": tuple(
                    lines_by_position.get(number) or ((p.id for p in state.goods) if rule.grain == "line" else ())
                ),
                "position": first_position + number,
            }
            if rule.coupon is not None and opened:
                changes["coupon_code"] = opened.get(normal_code(rule.coupon), rule.coupon)
            yield one.fired_rule(number, otherwise=number in otherwise).model_copy(update=changes)


def _opened(states: Mapping[str, CouponState]) -> dict[str, str]:
    """The code that opens what rules ask for, by that word: of several codes of one lot the first."""
    return {
        state.opens: code
        for code, state in sorted(states.items(), reverse=True)
        if state.opens is not None and state.state == "usable"
    }


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
