"""The operation behind `decide` steps: one outcome, with the release that decided."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import time_machine

from activities.catalogue import StepContext, find_operation
from activities.deciding import DecideRequest, decide
from capabilities.kernel.business import Business
from capabilities.kernel.errors import InvalidError, MissingError
from capabilities.kernel.identity import BusinessIdentity
from tests.rules.documents import RISK, a_document, a_rule, asks
from tests.rules.test_service import RETAIL, new_rule_set, publish

FACTS = {
    "order.total_minor": 500_000,
    "order.discount_minor": 0,
    "order.quantity": 3,
    "order.lines": 2,
    "order.channel": "web",
    "order.country": "CN",
    "order.payment_method": "sim_ok",
    "order.hour": 12,
    "buyer.tier": "gold",
    "buyer.tags": ["new"],
    "buyer.order_number": 1,
}
LARGE = asks("order.total_minor", "gte", 300_000)
NEW = asks("buyer.tags", "contains_any", ["new"])


def risk(rule_id, when, effect, **parts):
    return a_rule(rule_id, when=when, effects=[effect], stage=10, **parts)


REVIEW = {"kind": "review", "reason": "Large order"}
REJECT = {"kind": "reject", "reason": "Blocked"}


def context(identity=RETAIL):
    return StepContext("run_1", "risk", "run_1/risk/0/0", identity, "shop", "c_1")


def decided(session, facts=None, **request):
    return decide(session, context(), DecideRequest(decision=RISK, facts={**FACTS, **(facts or {})}, **request))


def live(session, *rules):
    return publish(session, new_rule_set(session, decision=RISK).id, a_document(*rules, decision=RISK))


def test_without_rules_the_decisions_own_default_stands(session):
    found = decided(session)
    assert (found.outcome, found.reason, found.rule_ids, found.release_id) == ("approve", None, (), None)


def test_the_rule_that_holds_decides_and_is_named_with_its_release(session):
    release = live(session, risk("r_1", LARGE, REVIEW))
    found = decided(session)
    assert (found.outcome, found.reason, found.effects) == ("review", "Large order", (REVIEW,))
    assert (found.rule_ids, found.release_id) == (("r_1",), release.release_id)


def test_where_no_rule_holds_the_release_is_told_all_the_same(session):
    release = live(session, risk("r_1", LARGE, REVIEW))
    found = decided(session, {"order.total_minor": 299_999})
    assert (found.outcome, found.rule_ids, found.release_id) == ("approve", (), release.release_id)


def test_higher_priority_is_heard_first_then_the_listed_order(session):
    live(session, risk("r_1", LARGE, REVIEW), risk("r_2", NEW, REJECT, priority=5))
    assert decided(session).rule_ids == ("r_2",)
    assert decided(session, {"buyer.tags": []}).rule_ids == ("r_1",)


def test_a_rule_outside_its_window_does_not_decide(session):
    session.add(
        Business(
            business="retail", name_en="Retail", name_zh="零售", currency="CNY", country="CN", time_zone="Asia/Shanghai",
            locale="zh_CN", prices_include_tax=True, created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
    )  # fmt: skip
    live(session, risk("r_1", LARGE, REVIEW, window={"from": "2026-11-28T00:00:00"}))
    with time_machine.travel(datetime(2026, 11, 27, 15, 59, tzinfo=UTC), tick=False):
        assert decided(session).outcome == "approve"
    with time_machine.travel(datetime(2026, 11, 27, 16, 0, tzinfo=UTC), tick=False):
        assert decided(session).outcome == "review"


def test_a_share_of_traffic_needs_a_buyer(session):
    live(session, risk("r_1", LARGE, REVIEW, traffic_bps=9_999), risk("r_2", LARGE, REJECT))
    assert decided(session).rule_ids == ("r_2",)
    assert decided(session, buyer_key="buyer_1").rule_ids == ("r_1",)


def test_another_business_has_its_own_rules(session):
    live(session, risk("r_1", LARGE, REVIEW))
    found = decide(session, context(BusinessIdentity("finance")), DecideRequest(decision=RISK, facts=FACTS))
    assert found.release_id is None


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"order.total_minor": "much"}, "order.total_minor"),
        ({"order.colour": "red"}, "order.colour"),
        ({"cart.total": 1}, "cart.total"),
        ({"order.total_minor": None}, "order.total_minor"),
    ],
)
def test_facts_that_do_not_fit_the_contract_are_refused_by_name(session, facts, field):
    with pytest.raises(InvalidError) as refused:
        decided(session, facts)
    assert refused.value.details["field"] == field


def test_an_unknown_decision_is_missing(session):
    with pytest.raises(MissingError):
        decide(session, context(), DecideRequest(decision="no.such", facts={}))


def test_the_catalogue_knows_it_and_that_it_changes_nothing():
    found = find_operation("rules.decide")
    assert (found.request, found.changes) == (DecideRequest, False)
