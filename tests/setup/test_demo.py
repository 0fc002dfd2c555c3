"""The demo data: real variety, both languages, prices that hold; loading twice changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

import capabilities.businesses  # noqa: F401 - registers what the lines of business do their own way
from activities.catalogue import StepContext
from activities.deciding import DecideRequest, decide
from activities.prices import shown_offers
from activities.pricing import quote_for
from activities.webhooks.queries import endpoints_of
from capabilities.account.queries_stored import gift_cards_page, stored_balance_of
from capabilities.kernel.business import all_businesses
from capabilities.kernel.clock import now
from capabilities.kernel.database import Base
from capabilities.kernel.errors import RefusedError
from capabilities.kernel.extension import extension_points
from capabilities.kernel.identity import BusinessIdentity
from capabilities.marketing.contract import Quote
from capabilities.marketing.price_queries import price_lists_of
from capabilities.marketing.queries import coupons
from capabilities.marketing.queries_campaigns import campaign_of
from capabilities.marketing.queries_coupons import lots_page
from capabilities.settlement.queries import rates_of
from capabilities.transaction.contract import CheckoutRequest, Offer, OfferKind
from capabilities.transaction.queries import list_offers, offers_of, seller_names
from capabilities.transaction.service import hold_stock, open_order
from capabilities.user.contract import BuyerStatus
from capabilities.user.queries import buyer_of, buyers_page, consents_of, segments_of
from capabilities.user.service import count_order
from rules.document import document_from_json
from rules.gate import exercise_apart
from rules.queries import draft_of, releases_of, rule_sets
from tests.builders import an_open_order
from zhongtai.demo import DATA, EXAMPLE_CHECKOUT, EXAMPLE_TOTAL_MINOR, LINES_OF_BUSINESS, load_demo
from zhongtai.demo_dates import dated_entries

CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def loaded(engine: Engine) -> Iterator[Session]:
    """The demo, loaded once for all tests here and never committed."""
    with Session(engine, expire_on_commit=False) as session:
        load_demo(session)
        session.flush()
        yield session
        session.rollback()


@pytest.fixture
def demo(loaded: Session) -> Iterator[Session]:
    """The demo; what a test changes is taken back."""
    savepoint = loaded.begin_nested()
    yield loaded
    savepoint.rollback()


def offers(session: Session, business: str) -> tuple[Offer, ...]:
    found: list[Offer] = []
    cursor = None
    while True:
        page = list_offers(session, business, after=cursor, limit=200)
        found += page.offers
        cursor = page.next_cursor
        if cursor is None:
            return tuple(found)


def counts(session: Session) -> dict[str, Any]:
    return {
        table.name: session.scalar(text(f'SELECT count(*) FROM "{table.name}"'))  # noqa: S608
        for table in Base.metadata.sorted_tables
    }


def test_four_lines_of_business_differ_in_money_zone_and_tax(demo: Session) -> None:
    found = {row.business: (row.currency, row.time_zone, row.prices_include_tax) for row in all_businesses(demo)}
    assert found == {
        "retail": ("CNY", "Asia/Shanghai", True),
        "finance": ("CNY", "Asia/Shanghai", True),
        "logistics": ("EUR", "Europe/Berlin", False),
        "tourism": ("EUR", "Europe/Lisbon", True),
    }


@pytest.mark.parametrize(("business", "parcels"), [("retail", 0), ("finance", 0), ("logistics", 7), ("tourism", 0)])
def test_each_sells_forty_things_and_delivers_in_two_ways(demo: Session, business: str, parcels: int) -> None:
    kinds = [offer.kind for offer in offers(demo, business) if "dated" not in offer.tags]
    assert (kinds.count(OfferKind.GOODS), kinds.count(OfferKind.DELIVERY)) == (40 + parcels, 2)


def test_what_has_a_date_is_sold_for_each_of_the_ninety_days_from_today(demo: Session) -> None:
    today = now().astimezone(ZoneInfo("Europe/Lisbon")).date()
    nights = {offer.sku: offer for offer in offers(demo, "tourism") if offer.product == "TR-QUINTA"}
    assert sorted(nights) == [f"TR-QUINTA.{today + timedelta(days=number)}" for number in range(90)]
    for sku, offer in nights.items():
        assert str(date.fromisoformat(sku.partition(".")[2]).year) in offer.name_en


def test_a_night_costs_more_at_the_weekend_and_over_the_turn_of_the_year(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zhongtai.demo_dates.now", lambda: datetime(2026, 12, 22, 23, 30, tzinfo=UTC))
    entry = {"sku": "IN", "en": "Inn", "zh": "客栈", "price": "124.00", "stock": 8}
    nights = list(dated_entries(entry, "Asia/Tokyo"))
    assert [(night["sku"], night["price"]) for night in nights[:2]] == [
        ("IN.2026-12-23", "124.00"),
        ("IN.2026-12-24", "167"),
    ]
    assert (nights[16]["sku"], nights[16]["price"], nights[16]["en"]) == ("IN.2027-01-08", "149", "Inn, 8 January 2027")
    assert {night["stock"] for night in nights} == set(range(9))
    fridays = list(dated_entries(entry | {"weekdays": [5]}, "Asia/Tokyo"))
    assert [night["sku"] for night in fridays[:2]] == ["IN.2026-12-25", "IN.2027-01-01"]


def test_a_later_start_adds_the_days_that_came_nearer_and_leaves_the_others(
    demo: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {offer.sku for offer in offers(demo, "tourism")}
    demo.execute(text("UPDATE stock SET on_hand = 99 WHERE sku LIKE 'TR-LAKE-INN.%'"))
    monkeypatch.setattr("zhongtai.demo_dates.now", lambda: now() + timedelta(days=1))
    load_demo(demo)
    added = {offer.sku for offer in offers(demo, "tourism")} - before
    assert len({sku for sku in added if sku.startswith("TR-LAKE-INN.")}) == 1
    left = [offer.available_units for offer in offers(demo, "tourism") if offer.product == "TR-LAKE-INN"]
    assert left.count(99) == 90


@pytest.mark.parametrize("business", LINES_OF_BUSINESS)
def test_offers_are_named_in_both_languages_and_priced_above_their_floor(demo: Session, business: str) -> None:
    currency = next(row.currency for row in all_businesses(demo) if row.business == business)
    sellers = seller_names(demo, business)
    for offer in offers(demo, business):
        assert CHINESE.search(offer.name_zh), offer.sku
        assert not CHINESE.search(offer.name_en), offer.sku
        assert offer.currency == currency
        assert offer.seller_id in sellers
        assert 0 <= offer.floor_price_minor <= offer.unit_price_minor
        assert offer.list_price_minor is None or offer.list_price_minor > offer.unit_price_minor
        if offer.kind is OfferKind.GOODS:
            assert offer.unit_price_minor > 0
            assert re.fullmatch(r"[a-z-]+(/[a-z-]+)*", offer.category), offer.sku
            assert offer.brand


@pytest.mark.parametrize("business", LINES_OF_BUSINESS)
def test_names_are_not_used_twice(demo: Session, business: str) -> None:
    found = offers(demo, business)
    assert len({offer.name_en for offer in found}) == len({offer.name_zh for offer in found}) == len(found)


@pytest.mark.parametrize("business", LINES_OF_BUSINESS)
def test_each_has_buyers_of_several_tiers_and_one_suspended(demo: Session, business: str) -> None:
    buyers = buyers_page(demo, business).buyers
    assert {buyer.tier.value for buyer in buyers} == {"standard", "silver", "gold", "vip"}
    assert [buyer.status for buyer in buyers].count(BuyerStatus.SUSPENDED) == 1
    assert sum("blocked" in buyer.tags for buyer in buyers) == 1


@pytest.mark.parametrize("business", LINES_OF_BUSINESS)
def test_each_has_a_coupon_that_runs_out(demo: Session, business: str) -> None:
    found = coupons(demo, business, now())
    assert found
    assert all(coupon.use_limit and coupon.used == 0 for coupon in found)


@pytest.mark.parametrize("business", LINES_OF_BUSINESS)
def test_each_has_commissions_for_all_it_sells_and_some_by_category(demo: Session, business: str) -> None:
    categories = {rate.category for rate in rates_of(demo, business) if rate.seller_id is None}
    assert None in categories
    sold = {offer.category for offer in offers(demo, business)}
    for category in categories - {None}:
        assert any(f"{found}/".startswith(f"{category}/") for found in sold), category


def test_loading_twice_changes_nothing(demo: Session) -> None:
    before = counts(demo)
    load_demo(demo)
    assert counts(demo) == before


def test_what_people_changed_stays_when_it_is_loaded_again(demo: Session) -> None:
    demo.execute(text("UPDATE offer SET unit_price_minor = 14000 WHERE sku = 'RT-TEA-001'"))
    demo.execute(text("UPDATE buyer SET tier = 'vip' WHERE id = 'b_li_na'"))
    load_demo(demo)
    assert demo.scalar(text("SELECT unit_price_minor FROM offer WHERE sku = 'RT-TEA-001'")) == 14000
    assert demo.scalar(text("SELECT tier FROM buyer WHERE id = 'b_li_na'")) == "vip"


# --- what the demo shows ----------------------------------------------------------------------------------------


def quoted(session: Session, business: str, **asked: Any) -> Quote:
    return quote_for(session, CheckoutRequest.model_validate({"business": business, "currency": "CNY", **asked}))


def lines(**pieces: int) -> list[dict[str, Any]]:
    return [{"sku": sku.replace("_", "-"), "quantity": quantity} for sku, quantity in pieces.items()]


def rule_ids(quote: Quote) -> set[str]:
    return {adjustment.rule_id for line in quote.lines for adjustment in line.adjustments if adjustment.given_minor}


def test_the_example_checkout_costs_what_a_hand_computes(demo: Session) -> None:
    quote = quoted(demo, "retail", **EXAMPLE_CHECKOUT)
    tea, gaiwan, delivery = quote.lines
    # tea: 2 x 128.00 = 256.00, 15 % off leaves 217.60; gaiwan 59.00; together 276.60, of which 10 % is 27.66
    assert (tea.gross_minor, [a.given_minor for a in tea.adjustments]) == (256_00, [38_40, 21_76])
    assert (gaiwan.gross_minor, [a.given_minor for a in gaiwan.adjustments]) == (59_00, [5_90])
    assert (delivery.gross_minor, delivery.net_minor) == (8_00, 0)
    # tax is inside: 195.84 x 13/113 = 22.53, 53.10 x 13/113 = 6.11
    assert (tea.tax_minor, gaiwan.tax_minor, quote.tax_minor) == (22_53, 6_11, 28_64)
    assert quote.total_minor == 195_84 + 53_10 == EXAMPLE_TOTAL_MINOR
    assert rule_ids(quote) == {"r_tea_week", "r_ten_from_200", "r_free_delivery_99"}


def test_the_example_costs_the_same_for_the_next_order(demo: Session) -> None:
    count_order(demo, "retail", EXAMPLE_CHECKOUT["buyer_id"])
    assert quoted(demo, "retail", **EXAMPLE_CHECKOUT).total_minor == EXAMPLE_TOTAL_MINOR


def test_the_welcome_code_takes_ten_more_off(demo: Session) -> None:
    quote = quoted(demo, "retail", **EXAMPLE_CHECKOUT, coupon_codes=["welcome10"])
    assert quote.total_minor == EXAMPLE_TOTAL_MINOR - 10_00
    assert [(use.code.upper(), use.state) for use in quote.coupons] == [("WELCOME10", "applied")]


def test_the_better_of_two_spend_rules_is_given(demo: Session) -> None:
    below = quoted(demo, "retail", lines=lines(RT_ELE_001=1, RT_LMP_001=1))
    between = quoted(demo, "retail", lines=lines(RT_ELE_001=1, RT_ELE_002=1))
    above = quoted(demo, "retail", lines=lines(RT_ELE_001=2, RT_ELE_002=1))
    assert (below.discount_minor, rule_ids(below)) == (58_80, {"r_ten_from_200"})
    assert (between.discount_minor, rule_ids(between)) == (80_00, {"r_eighty_from_600"})
    assert (above.discount_minor, rule_ids(above)) == (101_70, {"r_ten_from_200"})


def test_members_get_their_percent_on_what_is_left(demo: Session) -> None:
    vip = quoted(demo, "retail", **{**EXAMPLE_CHECKOUT, "buyer_id": "b_sun_yue"})
    assert vip.total_minor == EXAMPLE_TOTAL_MINOR - 12_45  # 5 % of 248.94 is 12.447
    assert "r_vip" in rule_ids(vip)


def test_the_floor_price_holds_back_half_price_paper(demo: Session) -> None:
    quote = quoted(demo, "finance", lines=lines(FN_POS_001=1, FN_POS_004=1))
    (adjustment,) = quote.lines[1].adjustments
    assert (adjustment.wished_minor, adjustment.given_minor, adjustment.capped_by) == (44_50, 29_00, "floor")


def test_logistics_quotes_without_tax_and_adds_it(demo: Session) -> None:
    quote = quoted(demo, "logistics", currency="EUR", lines=lines(LG_BOX_001=1000), delivery_sku="LG-SHIP-STD")
    # 780.00 less 12 % is 686.40; the collection is free from 500; tax 19 % is 130.42
    assert (quote.discount_minor, quote.tax_minor, quote.total_minor) == (93_60 + 19_00, 130_42, 816_82)


def test_a_parcel_costs_by_its_kilograms_and_what_the_rules_add(demo: Session) -> None:
    def parcel(sku: str, kilograms: int, **asked: Any) -> Quote:
        return quoted(demo, "logistics", currency="EUR", lines=[{"sku": sku, "quantity": kilograms}], **asked)

    # 6.90 + 4 × 0.80 + 2 × 0.60 is 11.30; fuel 8.5 % is 0.96; tax 19 % of 12.26 is 2.33
    quote = parcel("LG-PAR-DE-STD", 7)
    assert (quote.goods_gross_minor - quote.discount_minor, quote.fee_minor, quote.total_minor) == (11_30, 96, 14_59)
    remote = parcel("LG-PAR-ISL-STD", 7, payment_method="cash")
    assert remote.fee_minor == 96 + 6_90 + 3_50
    assert parcel("LG-PAR-DE-STD", 20).fee_minor == 1_54 + 4_00
    with pytest.raises(RefusedError) as caught:
        open_order(demo, an_open_order([("LG-PAR-DE-STD", 32)], business="logistics"))
    assert caught.value.message == "One order may take at most 31 of LG-PAR-DE-STD; 32 were asked."


def screened(session: Session, business: str, *, total: int, tags: tuple[str, ...] = (), country: str = "DE") -> str:
    facts = {
        "order.total_minor": total,
        "order.discount_minor": 0,
        "order.quantity": 1,
        "order.lines": 1,
        "order.channel": "web",
        "order.country": country,
        "order.payment_method": "sim_ok",
        "order.hour": 12,
        "buyer.tier": "standard",
        "buyer.tags": tags,
        "buyer.order_number": 1,
        "buyer.is_guest": False,
    }
    context = StepContext("run", "risk", "run/risk", BusinessIdentity(business), "api:test", "corr")
    return decide(session, context, DecideRequest(decision="transaction.risk", facts=facts)).outcome


def test_risk_reviews_large_orders_and_rejects_blocked_buyers(demo: Session) -> None:
    assert screened(demo, "retail", total=19_999_99) == "approve"
    assert screened(demo, "retail", total=20_000_00) == "review"
    assert screened(demo, "retail", total=1_00, tags=("blocked",)) == "reject"


def test_logistics_differs_by_a_rule_set_of_its_own(demo: Session) -> None:
    assert screened(demo, "logistics", total=50_000_00, tags=("contract",)) == "approve"
    assert screened(demo, "tourism", total=50_000_00, tags=("contract",)) == "review"
    assert screened(demo, "logistics", total=6_000_00) == "review"
    assert screened(demo, "tourism", total=6_000_00) == "approve"
    assert screened(demo, "logistics", total=1_00, country="BR") == "review"


def test_tourism_differs_by_extension_points(demo: Session) -> None:
    realized = {
        (point.name, identity.business)
        for point in extension_points().values()
        for identity in point.realizations()
        if identity.business in LINES_OF_BUSINESS
    }
    assert realized == {
        ("transaction.reservation_minutes", "tourism"),
        ("transaction.most_units", "tourism"),
        ("transaction.begins_on", "tourism"),
        ("transaction.most_units", "logistics"),
    }
    asked = an_open_order([("TR-BOA-001", 9)], business="tourism")
    hold = hold_stock(demo, open_order(demo, asked).id)
    assert hold.expires_at is not None
    assert timedelta(minutes=44) < hold.expires_at - now() <= timedelta(minutes=45)
    with pytest.raises(RefusedError) as caught:
        open_order(demo, an_open_order([("TR-BOA-001", 10)], run_id="run_2", business="tourism"))
    assert caught.value.message == "One order may take at most 9 of TR-BOA-001; 10 were asked."
    open_order(demo, an_open_order([("TR-MUS-003", 40)], run_id="run_3", business="tourism"))


def test_every_demo_rule_set_is_live_by_one_person_and_approved_by_another(demo: Session) -> None:
    found = {(rule_set.business, rule_set.decision): rule_set for rule_set in rule_sets(demo)}
    assert set(found) == {
        *((business, "marketing.promotions") for business in LINES_OF_BUSINESS),
        ("platform", "transaction.risk"),
        ("logistics", "transaction.risk"),
        ("platform", "transaction.refund_policy"),
        ("retail", "user.tier"),
        ("tourism", "user.tier"),
        ("finance", "settlement.commission"),
        ("retail", "settlement.maturing"),
        ("finance", "payment.terms"),
        ("logistics", "payment.terms"),
        ("tourism", "payment.terms"),
        ("tourism", "transaction.refund_policy"),
    }
    for rule_set in found.values():
        (release,) = releases_of(demo, rule_set.id)
        assert (release.submitted_by, release.approved_by) == ("Lin Yu", "Chen Wei")
        assert draft_of(demo, rule_set.id) is None


RULES = yaml.safe_load((DATA / "rules.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("entry", RULES, ids=[f"{e['business']} {e['document']['decision']}" for e in RULES])
def test_every_demo_rule_set_passes_the_gate_in_a_process_of_its_own(entry: dict[str, Any]) -> None:
    document = document_from_json(entry["document"])
    report = exercise_apart(document)
    assert report.rules_seen_true == report.rules == len(document.rules)


# --- beyond selling ---------------------------------------------------------------------------------------------


def test_household_packs_cost_less_from_some_pieces_on(demo: Session) -> None:
    (one,) = quoted(demo, "retail", lines=lines(RT_RIC_001=1)).lines
    (two,) = quoted(demo, "retail", lines=lines(RT_RIC_001=2)).lines
    assert (one.unit_price_minor, two.unit_price_minor) == (69_00, 66_00)
    (shown,) = shown_offers(demo, "retail", offers_of(demo, "retail", ["RT-RIC-001"]).values())
    assert [(step.from_quantity, step.unit_price_minor) for step in shown.volume_prices] == [(2, 66_00), (4, 62_00)]


def test_prices_depend_on_channel_and_tier_and_a_scheduled_sale_waits(demo: Session) -> None:
    stream = quoted(demo, "retail", channel="livestream", lines=lines(RT_BEA_001=1))
    assert stream.lines[0].unit_price_minor == 29_90
    silver = quoted(demo, "retail", buyer_id="b_wang_wei", lines=lines(RT_BED_002=1))
    assert silver.lines[0].unit_price_minor == 72_00
    assert quoted(demo, "retail", lines=lines(RT_BED_001=1)).lines[0].unit_price_minor == 459_00
    assert {found.terms.code for found in price_lists_of(demo, "retail")} == {
        "household-packs",
        "silver-home",
        "livestream",
        "winter-sale",
    }


def test_a_campaign_with_budgets_a_lot_of_codes_and_a_hint_are_alive(demo: Session) -> None:
    found = campaign_of(demo, "retail", "beauty-days")
    assert [(budget.counts, budget.most, budget.used) for budget in found.budgets] == [
        ("spend", 50_000_00, 0),
        ("uses", 3, 0),
    ]
    beauty = quoted(demo, "retail", buyer_id="b_li_na", lines=lines(RT_BEA_002=1), delivery_sku="RT-SHIP-STD")
    assert (beauty.lines[0].discount_minor, rule_ids(beauty)) == (8_16, {"r_beauty_days"})
    assert [hint.missing for hint in beauty.hints] == [39_16]
    (lot,) = lots_page(demo, "retail").lots
    assert (lot.opens, lot.made, lot.status) == ("FRIEND", 200, "ready")


def test_buyers_have_points_consents_and_segments(demo: Session) -> None:
    assert stored_balance_of(demo, BusinessIdentity("retail"), "b_sun_yue", "CNY").points == 5_400
    said = consents_of(demo, "retail", "b_wang_wei")
    assert [(purpose.value, consent.is_given) for purpose, consent in said.items()] == [("marketing", False)]
    sizes = {segment.code: segment.members for segment in segments_of(demo, "retail")}
    assert sizes == {"tea-lovers": 2, "home-cooks": 1, "regulars": 0, "big-spenders": 0}
    assert buyer_of(demo, "logistics", "b_apotec").segments == ("contract-customers", "pharma")


def test_the_example_webhook_is_switched_off(demo: Session) -> None:
    (endpoint,) = endpoints_of(demo, "retail")
    assert endpoint.status == "disabled"


def test_gift_cards_carry_their_money_and_their_codes_are_not_kept(demo: Session) -> None:
    page = gift_cards_page(demo, "retail")
    assert sorted((card.last4, card.balance_minor) for card in page.cards) == [("678D", 50_00), ("789C", 200_00)]
