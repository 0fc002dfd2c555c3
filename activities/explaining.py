"""Why a quote is what it is, and why a rule did not apply: worked out on demand from the stored cart and releases."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from activities.limits import allowances_then
from activities.rule_money import is_foreign, speaks_home_money, why_foreign
from activities.stage_loop import PricedCart, run_stages
from capabilities.kernel.decision import FieldType
from capabilities.marketing.contract import (
    Cart,
    CouponState,
    Explanation,
    FailedTest,
    Quote,
    RuleOutcome,
    RuleVerdict,
)
from capabilities.marketing.pricing import KNOWN_ALGORITHMS, content_sha256, finish, line_facts, order_facts
from capabilities.marketing.queries import cart_of, circumstances_of_quote, quote_of
from rules.document import Rule
from rules.eligibility import Ineligible, why_ineligible
from rules.explain import WhyNot, explain_rule, failure_sentence
from rules.queries import LiveRelease, release_to_decide
from rules.vocabulary import fields_by_name


def explain_quote(session: Session, quote_id: str) -> Explanation:
    """A verdict on every rule of the releases that decided a stored quote; `MissingError` where there is none."""
    quote = quote_of(session, quote_id)
    releases, priced = _priced_again(session, quote)
    return Explanation(
        quote=quote,
        verdicts=tuple(verdict for release in releases for verdict in verdicts(priced, release, quote)),
        is_reproduced=_comes_out_the_same(priced, quote),
    )


def is_reproduced(session: Session, quote_id: str) -> bool:
    """Whether the stored cart under the stored releases gives the stored quote, byte for byte."""
    quote = quote_of(session, quote_id)
    return _comes_out_the_same(_priced_again(session, quote)[1], quote)


def quote_like(session: Session, quote: Quote, cart: Cart) -> Quote:
    """What another cart (the goods a buyer keeps) costs under the releases, coupons and limits of a quote."""
    releases = [release_to_decide(session, release_id) for release_id in quote.release_ids]
    known = circumstances_of_quote(session, quote.id)
    priced = run_stages(cart, releases, _coupons_then(quote, known.get("opens", {})), allowances_then(known))
    return finish(
        priced.state,
        quote_id="",
        created_at=quote.created_at,
        expires_at=quote.expires_at,
        release_ids=quote.release_ids,
        coupons=priced.coupons,
        hints=priced.hints,
        algorithm=quote.algorithm,
    )


def quote_again(
    session: Session,
    quote: Quote,
    *,
    with_cart: Callable[[Cart], Cart] = lambda cart: cart,
    without: Collection[str] = (),
) -> Quote:
    """A stored quote computed again: of its cart as changed, without some rules of its releases."""
    releases = [_release_without(release_to_decide(session, one), without) for one in quote.release_ids]
    known = circumstances_of_quote(session, quote.id)
    coupons = _coupons_then(quote, known.get("opens", {}))
    cart = with_cart(cart_of(session, quote.id))
    return _finished(run_stages(cart, releases, coupons, allowances_then(known)), quote)


def _release_without(release: LiveRelease, rule_ids: Collection[str]) -> LiveRelease:
    if not rule_ids:
        return release
    rules = tuple(rule for rule in release.document.rules if rule.id not in rule_ids)
    return LiveRelease.of(replace(release.document, rules=rules), release.rule_set_id)


def _finished(priced: PricedCart, quote: Quote) -> Quote:
    """As the quote was finished then: its id, times, releases and version of the arithmetic."""
    return finish(
        priced.state,
        quote_id=quote.id,
        created_at=quote.created_at,
        expires_at=quote.expires_at,
        release_ids=quote.release_ids,
        coupons=priced.coupons,
        hints=priced.hints,
        algorithm=quote.algorithm,
    )


def _priced_again(session: Session, quote: Quote) -> tuple[list[LiveRelease], PricedCart]:
    releases = [release_to_decide(session, release_id) for release_id in quote.release_ids]
    known = circumstances_of_quote(session, quote.id)
    coupons = _coupons_then(quote, known.get("opens", {}))
    return releases, run_stages(cart_of(session, quote.id), releases, coupons, allowances_then(known))


def _comes_out_the_same(priced: PricedCart, quote: Quote) -> bool:
    again = _finished(priced, quote)
    return quote.algorithm in KNOWN_ALGORITHMS and content_sha256(again) == quote.content_sha256


def _coupons_then(quote: Quote, opens: Mapping[str, str]) -> dict[str, CouponState]:
    """The coupons as they were when the quote was made: what was used then counts as usable now."""
    return {
        use.code: CouponState(
            code=use.code,
            state="usable" if use.state in ("applied", "not_applicable") else use.state,
            reason=use.reason,
            opens=opens.get(use.code),
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
    about: dict[str, Any] = {
        "rule_id": rule.id,
        "rule_name": rule.name,
        "rule_set_id": release.rule_set_id,
        "release_id": release.release_id,
        "stage": rule.stage,
        "grain": rule.grain,
        "coupon_code": rule.coupon,
    }
    if outcome is None:
        return RuleVerdict.model_validate(about | _why_it_did_not_fire(priced, release.document.decision, rule))
    if outcome.is_otherwise:
        about |= {"failed": _why_it_did_not_fire(priced, release.document.decision, rule).get("failed")}
    by = outcome.by_rule_id
    return RuleVerdict.model_validate(
        about
        | {
            "outcome": outcome.outcome,
            "by_rule_id": by,
            "by_rule_name": None if by is None else names.get(by),
            "wished_minor": outcome.wished_minor,
            "given_minor": outcome.given_minor,
            "is_otherwise": outcome.is_otherwise,
            "limited_by": outcome.limited_by,
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


def _why_it_did_not_fire(priced: PricedCart, decision: str, rule: Rule) -> dict[str, Any]:
    cart = priced.state.cart
    codes = (*cart.coupon_codes, *priced.opened)
    reason = why_ineligible(rule, cart.at, codes, cart.buyer.id, cart.time_zone)
    if reason is not None:
        return {"outcome": _INELIGIBLE[reason]}
    if is_foreign(cart) and speaks_home_money(rule):
        return {"outcome": "not_matched", "failed": why_foreign(cart)}
    state = priced.began_with[rule.stage]
    fields = fields_by_name(decision, rule.grain)
    if rule.grain == "order":
        found = explain_rule(rule, order_facts(state), fields)
        return {"outcome": "not_matched", "failed": _failed(found, fields, cart.currency, None)}
    # of a rule about lines, the line that came closest
    by_line = [(line.id, explain_rule(rule, line_facts(state, line.id), fields)) for line in state.goods]
    line_id, found = max(by_line, key=lambda one: one[1].closeness)
    return {"outcome": "not_matched", "failed": _failed(found, fields, cart.currency, line_id)}


def _failed(found: WhyNot, fields: Mapping[str, FieldType], currency: str, line_id: str | None) -> FailedTest | None:
    failure = found.first
    if failure is None:
        return None
    op = failure.test.op.value
    return FailedTest(
        field=failure.test.field,
        op=op if failure.wanted else f"not_{op}",
        wanted=failure.test.value,
        seen=failure.seen,
        difference=failure.needs,
        line_id=line_id,
        en=failure_sentence(failure, fields, "en", currency),
        zh=failure_sentence(failure, fields, "zh", currency),
    )
