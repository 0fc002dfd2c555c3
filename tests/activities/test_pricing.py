"""Pricing a checkout by live rules: what is agreed to, which coupons refuse, and why a price is what it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities import marketing  # noqa: F401 - imported for the operations it declares
from activities.catalogue import StepContext, find_operation
from activities.pricing import PricedCheckout, PriceRequest, explain_quote, price, price_cart, quote_for, shown_id
from capabilities.kernel.errors import ConflictError, InvalidError, PlatformError, RefusedError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.marketing.contract import PROMOTIONS, Cart, CartBuyer, CartDelivery, CartLine, CreateCoupon
from capabilities.marketing.models import QuoteRow
from capabilities.marketing.pricing import begin, line_facts
from capabilities.marketing.queries import cart_of, claims_of, quote_of
from capabilities.marketing.service import create_coupon
from capabilities.transaction.contract import CheckoutLine, CheckoutRequest, OfferKind
from capabilities.user.contract import AdmittedBuyer, EnrolBuyer, Tier
from capabilities.user.service import enrol_buyer
from rules.document import document_from_json
from rules.facts import facts_from_names
from rules.queries import LiveRelease
from tests.builders import a_business, an_offer, live_rules

NOW = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)
BUYER = AdmittedBuyer(buyer_id="b_1", tier="gold", order_number=3)
CONTEXT = StepContext("run_1", "price", "run_1/price", BusinessIdentity("retail"), "api:test", "corr_1")


def rule(rule_id: str, effect: dict[str, Any], *tests: dict[str, Any], **about: Any) -> dict[str, Any]:
    return {"id": rule_id, "name": rule_id, "when": {"all": list(tests)}, "effects": [effect]} | about


FROM_200 = {"field": "order.subtotal_minor", "op": "gte", "value": 200_00}
TENTH = {"kind": "percent_off", "rate_bps": 1000, "apply": "across"}
TEN_FROM_200 = rule("ten_from_200", TENTH, FROM_200)
WELCOME = rule("welcome", {"kind": "amount_off", "amount_minor": 10_00}, FROM_200, coupon="WELCOME")


@pytest.fixture
def shop(session: Session) -> Session:
    a_business(session)
    an_offer(session, "tea", price=100_00, stock=10)
    an_offer(session, "post", kind=OfferKind.DELIVERY, stock=None, price=8_00, tax_rate_bps=900)
    enrol_buyer(session, EnrolBuyer(business="retail", id="b_1", name="Li Na", tier=Tier.GOLD))
    return session


def checkout(quantity: int = 2, **about: Any) -> CheckoutRequest:
    asked = {"business": "retail", "currency": "CNY", "buyer_id": "b_1", "delivery_sku": "post"} | about
    return CheckoutRequest(lines=(CheckoutLine(sku="tea", quantity=quantity),), **asked)


def priced(session: Session, asked: CheckoutRequest, *, context: StepContext = CONTEXT) -> PricedCheckout:
    return price(session, context, PriceRequest(checkout=asked, buyer=BUYER))


def refusal(session: Session, asked: CheckoutRequest) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        priced(session, asked)
    assert session.scalar(select(func.count()).select_from(QuoteRow)) == 0
    return caught.value


# --- the price --------------------------------------------------------------------------------------------------


def test_the_price_is_of_the_offers_under_the_live_release_and_the_quote_is_kept(shop: Session) -> None:
    release_id = live_rules(shop, TEN_FROM_200)
    with time_machine.travel(NOW, tick=False):
        answer = priced(shop, checkout())

    assert answer.model_dump(exclude={"quote_id"}) == {
        "currency": "CNY",
        "goods_gross_minor": 200_00,
        "discount_minor": 20_00,
        "delivery_minor": 8_00,
        "tax_minor": 20_71 + 66,
        "total_minor": 188_00,
        "quantity": 2,
        "lines": 1,
        "hour": 18,
        "release_ids": (release_id,),
        "rewards": 0,
        "review": None,
    }
    kept = quote_of(shop, answer.quote_id)
    assert kept.total_minor == 188_00
    assert kept.expires_at == NOW + timedelta(minutes=30)
    assert kept.lines[0].adjustments[0].release_id == release_id
    assert cart_of(shop, answer.quote_id).buyer.tier == "gold"


def test_without_rules_everything_costs_its_price(shop: Session) -> None:
    assert priced(shop, checkout()).total_minor == 208_00


def test_the_very_next_price_after_a_publish_has_it(shop: Session) -> None:
    first = live_rules(shop, TEN_FROM_200)
    before = priced(shop, checkout())
    second = live_rules(shop, TEN_FROM_200 | {"effects": [TENTH | {"rate_bps": 1500}]})
    after = quote_for(shop, checkout())

    assert (before.total_minor, before.release_ids) == (188_00, (first,))
    assert (after.total_minor, after.release_ids) == (178_00, (second,))


def test_the_step_run_again_finds_its_quote(shop: Session) -> None:
    live_rules(shop, TEN_FROM_200)
    once, again = priced(shop, checkout()), priced(shop, checkout())

    assert again == once
    assert shop.scalar(select(func.count()).select_from(QuoteRow)) == 1


def test_a_dry_quote_writes_nothing_and_is_the_price_of_the_checkout(shop: Session) -> None:
    live_rules(shop, TEN_FROM_200)
    quote = quote_for(shop, checkout())

    assert shop.scalar(select(func.count()).select_from(QuoteRow)) == 0
    answer = priced(shop, checkout(quote_id=quote.id))
    kept = quote_of(shop, answer.quote_id)
    assert kept.content_sha256 == quote.content_sha256
    assert shown_id(kept).partition("-")[0] == quote.id.partition("-")[0]


def test_an_unknown_sku_is_refused_with_its_name(shop: Session) -> None:
    asked = checkout().model_copy(update={"lines": (CheckoutLine(sku="nope", quantity=1),)})

    with pytest.raises(InvalidError, match="nope"):
        quote_for(shop, asked)


# --- what the buyer agreed to -----------------------------------------------------------------------------------


def test_another_total_than_the_one_shown_asks_again_with_the_new_quote(shop: Session) -> None:
    live_rules(shop, TEN_FROM_200)

    error = refusal(shop, checkout(expected_total_minor=178_00))

    assert isinstance(error, ConflictError)
    assert error.code == "transaction.total_changed"
    assert error.details["total_minor"] == 188_00
    assert error.details["quote"]["lines"][0]["discount_minor"] == 20_00
    assert priced(shop, checkout(quote_id=error.details["quote"]["id"])).total_minor == 188_00


def test_a_quote_from_before_a_publish_that_changes_the_price_asks_again(shop: Session) -> None:
    live_rules(shop, TEN_FROM_200)
    quote = quote_for(shop, checkout())
    live_rules(shop, TEN_FROM_200 | {"effects": [TENTH | {"rate_bps": 1500}]})

    assert refusal(shop, checkout(quote_id=quote.id)).code == "transaction.total_changed"


def test_a_publish_that_changes_nothing_for_this_cart_asks_nobody_again(shop: Session) -> None:
    live_rules(shop, TEN_FROM_200)
    quote = quote_for(shop, checkout())
    live_rules(shop, TEN_FROM_200, rule("other", TENTH, {"field": "buyer.tier", "op": "eq", "value": "vip"}))

    assert priced(shop, checkout(quote_id=quote.id)).total_minor == 188_00


def test_a_quote_of_another_cart_is_not_agreement_to_this_one(shop: Session) -> None:
    quote = quote_for(shop, checkout(1))

    assert refusal(shop, checkout(2, quote_id=quote.id)).code == "transaction.total_changed"


def test_an_expired_quote_asks_anew(shop: Session) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        quote = quote_for(shop, checkout())
        clock.shift(timedelta(minutes=30))
        error = refusal(shop, checkout(quote_id=quote.id))

    assert error.code == "transaction.quote_expired"
    assert error.details["quote"]["total_minor"] == 208_00


def test_a_quote_nobody_gave_is_not_agreement(shop: Session) -> None:
    assert refusal(shop, checkout(quote_id="quo_made_up")).code == "transaction.quote_unknown"


# --- coupons ----------------------------------------------------------------------------------------------------


def test_a_coupon_applies_in_whatever_case_and_is_claimed_by_the_step(shop: Session) -> None:
    live_rules(shop, WELCOME)
    create_coupon(shop, CreateCoupon(business="retail", code="Welcome", use_limit=1))
    answer = priced(shop, checkout(coupon_codes=("welcome",)))
    operation = find_operation("marketing.claim_coupons")
    assert operation.run is not None
    asked = operation.request.model_validate({"order_id": "ord_1", "quote_id": answer.quote_id})

    assert answer.total_minor == 198_00
    assert operation.run(shop, CONTEXT, asked).model_dump() == {"claims": 1}
    assert [claim.code for claim in claims_of(shop, "ord_1")] == ["WELCOME"]


@pytest.mark.parametrize("expected_total_minor", [208_00, 198_00, None])
@pytest.mark.parametrize(
    ("coupon", "entered", "code", "kind"),
    [
        ({"use_limit": 0}, "WELCOME", "marketing.coupon_used_up", ConflictError),
        ({"status": "paused"}, "WELCOME", "marketing.coupon_inactive", RefusedError),
        ({"use_limit": 5}, "NOBODY-KNOWS", "marketing.coupon_unknown", RefusedError),
    ],
)
def test_a_coupon_that_cannot_be_used_refuses_with_the_reason_whatever_total_was_agreed_to(
    shop: Session,
    coupon: dict[str, Any],
    entered: str,
    code: str,
    kind: type[PlatformError],
    expected_total_minor: int | None,
) -> None:
    live_rules(shop, WELCOME)
    create_coupon(shop, CreateCoupon(business="retail", code="WELCOME", **coupon))

    error = refusal(shop, checkout(coupon_codes=(entered,), expected_total_minor=expected_total_minor))

    assert type(error) is kind
    assert error.code == code
    assert entered in error.message
    assert error.details["coupon"] == entered


def test_nobody_is_charged_undiscounted_without_agreeing(shop: Session) -> None:
    live_rules(shop, WELCOME)
    asked = checkout(1, coupon_codes=("WELCOME",))

    assert refusal(shop, asked).code == "marketing.coupon_not_applicable"
    assert priced(shop, asked.model_copy(update={"expected_total_minor": 108_00})).total_minor == 108_00


def test_a_dry_quote_tells_what_became_of_each_code(shop: Session) -> None:
    live_rules(shop, WELCOME)
    create_coupon(shop, CreateCoupon(business="retail", code="SOLD", use_limit=0))

    quote = quote_for(shop, checkout(coupon_codes=("welcome", "sold", "nope")))

    assert [(use.code, use.state) for use in quote.coupons] == [
        ("WELCOME", "applied"),
        ("SOLD", "used_up"),
        ("NOPE", "unknown"),
    ]


# --- why, and why not -------------------------------------------------------------------------------------------


def test_every_rule_gets_a_verdict_with_what_was_missing(shop: Session) -> None:
    gold = {"field": "buyer.tier", "op": "eq", "value": "vip"}
    tea = {"field": "line.sku", "op": "eq", "value": "tea"}
    many = {"field": "line.quantity", "op": "gte", "value": 5}
    amount = {"kind": "amount_off", "amount_minor": 50_00}
    live_rules(
        shop,
        rule("applied", TENTH, FROM_200),
        rule("capped", TENTH | {"max_minor": 3_00}, FROM_200),
        rule("too_little", TENTH, FROM_200 | {"value": 212_00}),
        rule("wrong_tier", TENTH, FROM_200, gold),
        rule("few_pieces", TENTH, tea, many, grain="line"),
        rule("coupon", TENTH, coupon="SECRET"),
        rule("tomorrow", TENTH, window={"from": "2026-11-26T00:00:00"}),
        rule("off", TENTH, enabled=False),
        rule("nobody", TENTH, traffic_bps=0),
        rule("loser", {"kind": "amount_off", "amount_minor": 1_00}, group="g"),
        rule("winner", amount, group="g", excludes=["struck"]),
        rule("struck", amount),
        groups={"g": {"mode": "best"}},
    )
    with time_machine.travel(NOW, tick=False):
        answer = priced(shop, checkout())

    explained = explain_quote(shop, answer.quote_id)
    by_rule = {verdict.rule_id: verdict for verdict in explained.verdicts}

    assert explained.is_reproduced
    assert {rule_id: verdict.outcome for rule_id, verdict in by_rule.items()} == {
        "applied": "applied",
        "capped": "capped",
        "too_little": "not_matched",
        "wrong_tier": "not_matched",
        "few_pieces": "not_matched",
        "coupon": "no_coupon",
        "tomorrow": "outside_window",
        "off": "disabled",
        "nobody": "outside_traffic",
        "loser": "lost_in_group",
        "winner": "applied",
        "struck": "excluded",
    }
    missing = by_rule["too_little"].failed
    assert missing is not None
    assert (missing.field, missing.seen, missing.difference) == ("order.subtotal_minor", 200_00, 12_00)
    assert missing.en == "order subtotal is at least CNY 212.00: it was CNY 200.00, CNY 12.00 more needed"
    assert by_rule["wrong_tier"].failed is not None
    assert by_rule["wrong_tier"].failed.seen == "gold"
    assert by_rule["few_pieces"].failed is not None
    assert (by_rule["few_pieces"].failed.line_id, by_rule["few_pieces"].failed.difference) == ("l1", 3)
    assert (by_rule["capped"].wished_minor, by_rule["capped"].given_minor) == (18_00, 3_00)
    assert (by_rule["loser"].by_rule_name, by_rule["loser"].given_minor) == ("winner", 1_00)
    assert by_rule["struck"].by_rule_name == "winner"


def test_an_explanation_is_of_the_release_that_decided_not_of_the_one_live_now(shop: Session) -> None:
    first = live_rules(shop, TEN_FROM_200)
    answer = priced(shop, checkout())
    live_rules(shop, rule("new", TENTH))

    explained = explain_quote(shop, answer.quote_id)

    assert explained.is_reproduced
    assert [(verdict.rule_id, verdict.release_id) for verdict in explained.verdicts] == [("ten_from_200", first)]


def test_a_used_up_coupon_does_not_change_what_an_old_quote_says(shop: Session) -> None:
    live_rules(shop, WELCOME)
    create_coupon(shop, CreateCoupon(business="retail", code="WELCOME", use_limit=1))
    answer = priced(shop, checkout(coupon_codes=("WELCOME",)))
    claim = find_operation("marketing.claim_coupons")
    assert claim.run is not None
    claim.run(shop, CONTEXT, claim.request.model_validate({"order_id": "ord_1", "quote_id": answer.quote_id}))

    explained = explain_quote(shop, answer.quote_id)

    assert explained.is_reproduced
    assert explained.verdicts[0].outcome == "applied"


# --- size -------------------------------------------------------------------------------------------------------


def test_a_thousand_lines_under_many_rules_cost_little_more_than_ten_times_a_hundred() -> None:
    """Linear in lines: measured as a ratio, so that a slow machine does not fail it."""
    rules = [
        rule(
            f"sku_{n}",
            {"kind": "amount_off", "amount_minor": 1, "apply": "each"},
            {"field": "line.sku", "op": "eq", "value": f"s{n}"},
            grain="line",
            stage=20,
        )
        for n in range(500)
    ] + [rule(f"order_{n}", {"kind": "amount_off", "amount_minor": 100 + n}, FROM_200) for n in range(10)]
    release = LiveRelease.of(
        document_from_json({"decision": "marketing.promotions", "name": {"en": "", "zh": ""}, "rules": rules})
    )

    def seconds(lines: int) -> float:
        cart = Cart(
            business="retail",
            currency="CNY",
            at=NOW,
            lines=tuple(
                CartLine(id=f"l{n}", sku=f"s{n % 500}", quantity=3, unit_price_minor=10_00) for n in range(lines)
            ),
        )
        best = float("inf")
        for _ in range(3):
            began = datetime.now(UTC)
            quote = price_cart(cart, [release])
            best = min(best, (datetime.now(UTC) - began).total_seconds())
        assert len(quote.lines) == lines
        return best

    seconds(10)
    assert seconds(1_000) < 30 * seconds(100)


def test_the_facts_of_a_state_are_exactly_the_words_of_the_decision() -> None:
    cart = Cart(
        business="retail",
        scenario="livestream",
        currency="CNY",
        at=NOW,
        buyer=CartBuyer(first_order_at=NOW - timedelta(days=40), birthday=NOW.date()),
        lines=(CartLine(id="l1", sku="tea", quantity=1, unit_price_minor=10_00),),
        deliveries=(CartDelivery(id="d1", sku="post", price_minor=5_00),),
    )
    facts = line_facts(begin(cart), "l1")

    assert set(facts) == set(PROMOTIONS.grain("line").fields())
    assert facts_from_names(PROMOTIONS.grain("line"), facts) == facts
