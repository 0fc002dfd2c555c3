"""The demo data: real variety, both languages, prices that hold; loading twice changes nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from capabilities.kernel.business import all_businesses
from capabilities.kernel.clock import now
from capabilities.kernel.database import Base
from capabilities.marketing.queries import coupons
from capabilities.transaction.contract import Offer, OfferKind
from capabilities.transaction.queries import list_offers, seller_names
from capabilities.user.contract import BuyerStatus
from capabilities.user.queries import buyers_page
from zhongtai.demo import LINES_OF_BUSINESS, load_demo

CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture
def demo(session: Session) -> Session:
    load_demo(session)
    session.flush()
    return session


def offers(session: Session, business: str) -> tuple[Offer, ...]:
    return list_offers(session, business, limit=200).offers


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


@pytest.mark.parametrize("business", LINES_OF_BUSINESS)
def test_each_sells_forty_things_and_delivers_in_two_ways(demo: Session, business: str) -> None:
    kinds = [offer.kind for offer in offers(demo, business)]
    assert (kinds.count(OfferKind.GOODS), kinds.count(OfferKind.DELIVERY)) == (40, 2)


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
