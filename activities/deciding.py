"""The operation behind every `decide` step: asks the live rules of the business, and says which release decided."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from capabilities.kernel.business import business_of
from capabilities.kernel.clock import now
from capabilities.kernel.decision import Decision
from capabilities.kernel.identity import PLATFORM, BusinessIdentity
from rules.deciding import by_priority, deciding_rule, eligible, fire
from rules.document import Rule
from rules.facts import facts_from_names
from rules.queries import LiveRelease, live_release
from rules.vocabulary import decision_named


class DecideRequest(BaseModel):
    """Which decision, and its facts by dotted name. `buyer_key` keeps a buyer in or out of a share of traffic."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: str
    facts: dict[str, Any]
    buyer_key: str | None = None


class Decided(BaseModel):
    """The outcome is the kind of the deciding effect; without a rule the decision's own default, and no rule ids."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: str
    reason: str | None
    effects: tuple[dict[str, Any], ...]
    rule_ids: tuple[str, ...]
    release_id: str | None


@operation("rules.decide", en="Ask the rules", zh="询问规则", changes=False)
def decide(session: Session, context: StepContext, request: DecideRequest) -> Decided:
    """Ask what is live in this transaction. `MissingError` for a decision nobody declared, `InvalidError` for its facts."""
    decision = decision_named(request.decision)
    grain = decision.grains[0]
    facts = facts_from_names(grain, request.facts)
    release = live_release(session, decision.name, context.identity)
    if release is None:
        return _outcome(decision, (), None)
    return decided_by(session, context.identity, release, facts, request.buyer_key)


def decided_by(
    session: Session,
    identity: BusinessIdentity,
    release: LiveRelease,
    facts: dict[str, Any],
    buyer_key: str | None = None,
) -> Decided:
    """What a release in hand says of facts that are typed already: for operations that ask about many things at once."""
    decision = decision_named(release.document.decision)
    acting = _acting(session, identity, release, decision.grains[0].name, buyer_key, facts)
    return _outcome(decision, acting, release.release_id)


def _acting(
    session: Session,
    identity: BusinessIdentity,
    release: LiveRelease,
    grain: str,
    buyer_key: str | None,
    facts: dict[str, Any],
) -> tuple[Rule, ...]:
    """Of the rules that hold, those that may act, in the order they are heard: one under the policy `first`, else all."""
    at: datetime = now()
    coupons = facts.get("order.coupon_codes", ())
    rules = release.document.rules

    def may_act(rule: Rule) -> bool:
        zone = _zone(session, identity) if rule.window else "UTC"
        return eligible(rule, at, coupons, buyer_key, zone)

    if release.document.policy == "first":
        first = deciding_rule(release.document, release.compiled, grain, facts, may_act)
        return () if first is None else (first,)
    in_order = sorted(fire(release.compiled, grain, facts), key=lambda found: by_priority(rules[found], found))
    return tuple(rules[position] for position in in_order if may_act(rules[position]))


def _zone(session: Session, identity: BusinessIdentity) -> str:
    return "UTC" if identity.business == PLATFORM else business_of(session, identity.business).time_zone


def _outcome(decision: Decision, rules: tuple[Rule, ...], release_id: str | None) -> Decided:
    effects = tuple(dict(effect) for rule in rules for effect in rule.effects)
    if not effects:
        return Decided(outcome=decision.otherwise, reason=None, effects=(), rule_ids=(), release_id=release_id)
    return Decided(
        outcome=str(effects[0]["kind"]),
        reason=effects[0].get("reason") or rules[0].name,
        effects=effects,
        rule_ids=tuple(rule.id for rule in rules),
        release_id=release_id,
    )
