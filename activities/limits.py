"""Limits of rules and budgets of campaigns, where rules (which name them) and marketing (which counts them) meet.

Only rules that fired are looked at, and only those that have a limit or a campaign: a cart whose rules have none costs no
statement more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy.orm import Session

from capabilities.marketing.contract import Allowance, Cart, CouponState, Quote
from capabilities.marketing.counting import counters_of, uses_of
from capabilities.marketing.limits import Bearing, Counter, CounterState, Limit, LimitUse, Occasion
from capabilities.marketing.queries import cart_of
from capabilities.marketing.queries_campaigns import campaigns_named, counter_states
from rules.document import Rule, RuleLimit
from rules.queries import LiveRelease, release_to_decide

APPLIED = ("applied", "capped")
ROUNDS = 12
"""Pricing again under what is left ends by itself; this many rounds only guard against an error of ours."""


@dataclass(frozen=True, slots=True)
class LimitedRule:
    """A rule with limits, and the set it is of."""

    rule_set_id: str
    rule: Rule


def limited_rules(release: LiveRelease) -> Mapping[str, LimitedRule]:
    """The release's rules that have limits or a campaign, by id. A release never changes, so it is looked through once."""
    return _limited(_ById(release))


@dataclass(frozen=True)
class _ById:
    """A release, compared by its ids."""

    release: LiveRelease = field(compare=False)
    key: tuple[str, str] = ("", "")

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", (self.release.rule_set_id, self.release.release_id))


@lru_cache(maxsize=64)
def _limited(of: _ById) -> Mapping[str, LimitedRule]:
    return {
        rule.id: LimitedRule(of.release.rule_set_id, rule)
        for rule in of.release.document.rules
        if rule.limits or rule.campaign is not None
    }


# --- quoting ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Standing:
    """What is left for the limited rules of a cart that fired so far."""

    states: dict[str, CounterState] = field(default_factory=dict)
    barred: dict[str, str] = field(default_factory=dict)
    """Rules whose campaign is not live, with the campaign's name."""
    seen: set[str] = field(default_factory=set)


PriceAgain = Callable[[Sequence[Allowance]], Quote]


def within_limits(
    session: Session, cart: Cart, releases: Sequence[LiveRelease], quote: Quote, price_again: PriceAgain
) -> tuple[Quote, tuple[Allowance, ...]]:
    """The quote that keeps within what is left now, and the allowances it was made under: none where nothing bound it.

    Priced freely first. Where a limit binds, priced again under what is left, until no limit is overdrawn and no rule
    fires whose limits have not been looked at.
    """
    limited = {rule_id: one for release in releases for rule_id, one in limited_rules(release).items()}
    if not limited:
        return quote, ()
    standing, allowances = Standing(), dict[str, Allowance]()
    for _ in range(ROUNDS):
        fired = [o.rule_id for o in quote.outcomes if o.rule_id in limited and o.rule_id not in standing.seen]
        if fired:
            _look(session, cart, [limited[rule_id] for rule_id in dict.fromkeys(fired)], quote, standing)
        if not _binds(quote, standing, allowances, has_new=bool(fired)):
            return quote, tuple(allowances[rule_id] for rule_id in sorted(allowances))
        _restrict(quote, standing, allowances)
        quote = price_again(tuple(allowances.values()))
    for rule_id in standing.seen:  # whatever did not settle gives nothing
        allowances[rule_id] = Allowance(rule_id=rule_id, uses_left=0)
    return price_again(tuple(allowances.values())), tuple(allowances[rule_id] for rule_id in sorted(allowances))


def _look(session: Session, cart: Cart, rules: Sequence[LimitedRule], quote: Quote, standing: Standing) -> None:
    bearings, barred = bearings_of(session, cart.business, rules, cart.at)
    counters = counters_of(bearings, occasion_of(cart, quote))
    found = {counter.id: counter for counter in counters}
    for counter_id, known in standing.states.items():
        if counter_id in found:  # a campaign's counter, drawn on by one more rule
            rule_ids = (*known.counter.rule_ids, *found[counter_id].rule_ids)
            found[counter_id] = found[counter_id].model_copy(update={"rule_ids": tuple(dict.fromkeys(rule_ids))})
    standing.states.update(counter_states(session, [found[counter_id] for counter_id in sorted(found)]))
    standing.barred.update(barred)
    standing.seen.update(one.rule.id for one in rules)


def _binds(quote: Quote, standing: Standing, allowances: Mapping[str, Allowance], *, has_new: bool) -> bool:
    """Whether the quote takes more than is left, or rules came up that a quote made under allowances did not know of."""
    given = given_by_rule(quote)
    if any(rule_id in given for rule_id in standing.barred):
        return True
    if has_new and allowances and any(rule_id not in allowances for rule_id in standing.seen):
        return True
    uses = uses_of([state.counter for state in standing.states.values()], given)
    return any(use.amount > standing.states[use.counter.id].left for use in uses)


def _restrict(quote: Quote, standing: Standing, allowances: dict[str, Allowance]) -> None:
    """Allowances under which the next pricing cannot take more: rules that share a budget draw on it in their order."""
    order = [outcome.rule_id for outcome in quote.outcomes if outcome.rule_id in standing.seen]
    given = given_by_rule(quote)
    for rule_id in dict.fromkeys(order):
        found = allowances.get(rule_id) or Allowance(rule_id=rule_id)
        if rule_id in standing.barred:
            found = Allowance(rule_id=rule_id, uses_left=0, by=standing.barred[rule_id])
        for state in standing.states.values():
            if rule_id in state.counter.rule_ids:
                found = _narrowed(found, state, _before(rule_id, order, state.counter, given))
        allowances[rule_id] = found


def _before(rule_id: str, order: Sequence[str], counter: Counter, given: Mapping[str, int]) -> int:
    """What the rules before this one draw from the same counter."""
    earlier = dict.fromkeys(order[: order.index(rule_id)])
    return sum(given.get(other, 0) for other in earlier if other in counter.rule_ids)


def _narrowed(allowance: Allowance, state: CounterState, before: int) -> Allowance:
    counter = state.counter
    if counter.counts == "uses":
        if allowance.uses_left is not None and allowance.uses_left <= state.left:
            return allowance
        return allowance.model_copy(update={"uses_left": state.left, "by": counter.name})
    left = max(0, state.left - before)
    if allowance.money_left_minor is not None and allowance.money_left_minor <= left:
        return allowance.model_copy(update={"partial": allowance.partial and counter.partial})
    return allowance.model_copy(
        update={"money_left_minor": left, "partial": allowance.partial and counter.partial, "by": counter.name}
    )


def circumstances_of(allowances: Sequence[Allowance], coupons: Mapping[str, CouponState]) -> dict[str, Any]:
    """What a stored quote needs to be computed again, besides its cart and releases."""
    found: dict[str, Any] = {}
    if allowances:
        found["allowances"] = [allowance.model_dump(mode="json") for allowance in allowances]
    opens = {code: state.opens for code, state in coupons.items() if state.opens is not None}
    return found | ({"opens": opens} if opens else {})


def allowances_then(circumstances: Mapping[str, Any]) -> tuple[Allowance, ...]:
    """The allowances a stored quote was made under."""
    return tuple(Allowance.model_validate(one) for one in circumstances.get("allowances", ()))


# --- claiming ---------------------------------------------------------------------------------------------------


def uses_of_quote(session: Session, quote: Quote) -> tuple[LimitUse, ...]:
    """What an order of this quote takes of limits and budgets. Reads nothing more where none of its rules has any."""
    given = given_by_rule(quote)
    if not given:
        return ()
    limited = _limited_of(session, quote.release_ids, frozenset(given))
    if not limited:
        return ()
    cart = cart_of(session, quote.id)
    bearings, barred = bearings_of(session, quote.business, limited, cart.at)
    uses = uses_of(counters_of(bearings, occasion_of(cart, quote)), given)
    return (*uses, *(_barred_use(rule_id, name) for rule_id, name in sorted(barred.items())))


def _limited_of(session: Session, release_ids: Sequence[str], rule_ids: frozenset[str]) -> list[LimitedRule]:
    found: dict[str, LimitedRule] = {}
    for release_id in release_ids:
        names = _NAMES_KEPT.get(release_id)
        if names is None or names & rule_ids:
            rules = limited_rules(release_to_decide(session, release_id))
            if len(_NAMES_KEPT) > 1_000:
                _NAMES_KEPT.clear()
            _NAMES_KEPT[release_id] = frozenset(rules)
            found.update({rule_id: rules[rule_id] for rule_id in rules if rule_id in rule_ids})
    return list(found.values())


_NAMES_KEPT: dict[str, frozenset[str]] = {}
"""Which rules of a release have limits, by release: it never changes, and most have none."""


def _barred_use(rule_id: str, campaign: str) -> LimitUse:
    counter = Counter(
        id=f"barred:{rule_id}",
        owner=f"campaign:{campaign}",
        counts="uses",
        most=0,
        key="",
        name=campaign,
        rule_ids=(rule_id,),
        is_barred=True,
    )
    return LimitUse(counter=counter, amount=1, parts={rule_id: 0})


def given_by_rule(quote: Quote) -> dict[str, int]:
    """What each rule that applied gave, by rule id; a rule that gave no money, only points or a gift, with what it was."""
    given: dict[str, int] = {}
    for outcome in quote.outcomes:
        if outcome.outcome in APPLIED:
            given[outcome.rule_id] = given.get(outcome.rule_id, 0) + outcome.given_minor
    return given


# --- what limits there are --------------------------------------------------------------------------------------


def occasion_of(cart: Cart, quote: Quote) -> Occasion:
    """Who asks, where and when, and with which code each rule was opened."""
    codes = {
        adjustment.rule_id: adjustment.coupon_code
        for line in quote.lines
        for adjustment in line.adjustments
        if adjustment.coupon_code is not None
    }
    return Occasion(
        business=cart.business,
        buyer_id=cart.buyer.id,
        codes=codes,
        store=f"{cart.channel}/{cart.scenario or ''}",
        currency=cart.currency,
        at=cart.at,
        time_zone=cart.time_zone,
    )


def bearings_of(
    session: Session, business: str, rules: Sequence[LimitedRule], at: datetime
) -> tuple[tuple[Bearing, ...], dict[str, str]]:
    """The limits of these rules and of their campaigns; and the rules whose campaign is not live, with its name."""
    found = [Bearing(limit=_limit(one, limit), rule_ids=(one.rule.id,)) for one in rules for limit in one.rule.limits]
    by_campaign: dict[str, list[str]] = {}
    for one in rules:
        if one.rule.campaign is not None:
            by_campaign.setdefault(one.rule.campaign, []).append(one.rule.id)
    campaigns = campaigns_named(session, business, by_campaign, at)
    barred: dict[str, str] = {}
    for name, rule_ids in by_campaign.items():
        campaign = campaigns.get(name)
        if campaign is None or campaign.status != "live":
            barred.update(dict.fromkeys(rule_ids, name))
            continue
        found.extend(
            Bearing(
                limit=Limit(
                    owner=f"campaign:{name}",
                    name=campaign.name_en or name,
                    counts=budget.counts,
                    most=budget.most,
                    per=budget.per,
                    period=budget.period,
                    zone=budget.zone,
                    partial=budget.partial,
                    currency=budget.currency,
                    budget_id=budget.id,
                ),
                rule_ids=tuple(rule_ids),
            )
            for budget in campaign.budgets
        )
    return tuple(found), barred


def _limit(one: LimitedRule, limit: RuleLimit) -> Limit:
    return Limit.model_validate(
        {
            "owner": f"rule:{one.rule_set_id}/{one.rule.id}",
            "name": one.rule.name or one.rule.id,
            "counts": limit.counts,
            "most": limit.most,
            "per": limit.per,
            "period": limit.period,
            "zone": limit.zone,
            "partial": limit.partial == "allowed",
        }
    )
