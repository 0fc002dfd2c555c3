"""Why a quote is what it is, and why a rule did not apply: worked out on demand from the stored cart and releases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from activities.stage_loop import PricedCart, run_stages
from capabilities.kernel.expression import Condition, Join, Operator, Test, holds, tests_of
from capabilities.marketing.contract import CouponState, Explanation, Quote, RuleOutcome, RuleVerdict
from capabilities.marketing.pricing import content_sha256, finish, line_facts, order_facts
from capabilities.marketing.queries import cart_of, quote_of
from rules.document import Rule
from rules.eligibility import Ineligible, why_ineligible
from rules.queries import LiveRelease, release_to_decide


def explain_quote(session: Session, quote_id: str) -> Explanation:
    """A verdict on every rule of the releases that decided a stored quote; `MissingError` where there is none."""
    quote, cart = quote_of(session, quote_id), cart_of(session, quote_id)
    releases = [release_to_decide(session, release_id) for release_id in quote.release_ids]
    priced = run_stages(cart, releases, _coupons_then(quote))
    again = finish(
        priced.state,
        quote_id=quote.id,
        created_at=quote.created_at,
        expires_at=quote.expires_at,
        release_ids=quote.release_ids,
        coupons=priced.coupons,
    )
    return Explanation(
        quote=quote,
        verdicts=tuple(verdict for release in releases for verdict in verdicts(priced, release, quote)),
        is_reproduced=content_sha256(again) == quote.content_sha256,
    )


def _coupons_then(quote: Quote) -> dict[str, CouponState]:
    """The coupons as they were when the quote was made: what was used then counts as usable now."""
    return {
        use.code: CouponState(
            code=use.code,
            state="usable" if use.state in ("applied", "not_applicable") else use.state,
            reason=use.reason,
        )
        for use in quote.coupons
    }


def verdicts(priced: PricedCart, release: LiveRelease, quote: Quote) -> list[RuleVerdict]:
    """What became of each rule of the release, in its stored order."""
    document = release.document
    names = {rule.id: rule.name for rule in document.rules}
    outcomes = {outcome.rule_id: outcome for outcome in quote.outcomes if outcome.release_id == release.release_id}
    return [_verdict(priced, release, rule, outcomes.get(rule.id), names) for rule in document.rules]


def _verdict(
    priced: PricedCart, release: LiveRelease, rule: Rule, outcome: RuleOutcome | None, names: dict[str, str]
) -> RuleVerdict:
    about = {
        "rule_id": rule.id,
        "rule_name": rule.name,
        "rule_set_id": release.rule_set_id,
        "release_id": release.release_id,
        "stage": rule.stage,
        "grain": rule.grain,
        "coupon_code": rule.coupon,
    }
    if outcome is None:
        return RuleVerdict.model_validate(about | _why_it_did_not_fire(priced, rule))
    by = outcome.by_rule_id
    return RuleVerdict.model_validate(
        about
        | {
            "outcome": outcome.outcome,
            "by_rule_id": by,
            "by_rule_name": None if by is None else names.get(by),
            "wished_minor": outcome.wished_minor,
            "given_minor": outcome.given_minor,
        }
    )


_INELIGIBLE = {
    Ineligible.DISABLED: "disabled",
    Ineligible.BEFORE_WINDOW: "outside_window",
    Ineligible.AFTER_WINDOW: "outside_window",
    Ineligible.OTHER_DAY: "outside_window",
    Ineligible.OTHER_HOUR: "outside_window",
    Ineligible.NO_COUPON: "no_coupon",
    Ineligible.OUTSIDE_TRAFFIC: "outside_traffic",
}


def _why_it_did_not_fire(priced: PricedCart, rule: Rule) -> dict[str, Any]:
    cart = priced.state.cart
    reason = why_ineligible(rule, cart.at, cart.coupon_codes, cart.buyer.id, cart.time_zone)
    if reason is not None:
        return {"outcome": _INELIGIBLE[reason]}
    state = priced.began_with[rule.stage]
    if rule.grain == "order":
        return {"outcome": "not_matched", "failed": _failure(rule.when, order_facts(state))}
    # of a rule about lines, the line that came closest: the one that passed the most tests
    best: dict[str, Any] | None = None
    best_passed = -1
    for position in state.goods:
        facts = line_facts(state, position.id)
        passed = sum(1 for test in tests_of(rule.when) if holds(test, facts))
        if passed > best_passed:
            best_passed, best = passed, {**(_failure(rule.when, facts) or {}), "line_id": position.id}
    return {"outcome": "not_matched", "failed": best}


def _failure(condition: Condition, facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """The first test that kept the condition from holding, what it saw, and by how much a number missed."""
    if holds(condition, facts):
        return None
    if isinstance(condition, Test):
        seen = facts.get(condition.field)
        return {
            "field": condition.field,
            "op": condition.op.value,
            "wanted": condition.value,
            "seen": seen,
            "difference": _difference(condition, seen),
        }
    if condition.join is Join.NONE:
        culprit = next(part for part in condition.conditions if holds(part, facts))
        test = next(iter(tests_of(culprit)))
        return {"field": test.field, "op": f"not_{test.op.value}", "wanted": test.value, "seen": facts.get(test.field)}
    failures = [found for part in condition.conditions if (found := _failure(part, facts)) is not None]
    return failures[0] if failures else None


_WITH_DIFFERENCE = {Operator.EQ, Operator.GTE, Operator.GT, Operator.LTE, Operator.LT, Operator.BETWEEN}


def _difference(test: Test, seen: Any) -> int | None:
    """What a number would have needed: positive for more, negative for less."""
    if type(seen) is not int or test.op not in _WITH_DIFFERENCE:
        return None
    low, high = test.value if test.op is Operator.BETWEEN else (test.value, test.value)
    needed = {
        Operator.EQ: low,
        Operator.GTE: low,
        Operator.GT: low + 1,
        Operator.LTE: high,
        Operator.LT: high - 1,
        Operator.BETWEEN: low if seen < low else high,
    }
    return int(needed[test.op]) - seen
