"""The demo: four lines of business with what they sell, who buys, coupons, and rules that two people published.

Everything stands in `demo_data/*.yaml`; loading twice changes nothing, and what people changed since stays as it is.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.business import Business
from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError
from capabilities.kernel.money import Money
from capabilities.marketing.contract import CreateCoupon
from capabilities.marketing.service import create_coupon
from capabilities.settlement.contract import CommissionRate, DeclareRate
from capabilities.settlement.queries import rates_of
from capabilities.settlement.service import declare_rate
from capabilities.transaction.contract import DeclareOffer, DeclareSeller, OfferKind
from capabilities.transaction.queries import list_offers
from capabilities.transaction.service import declare_new_offers, declare_seller
from capabilities.user.contract import EnrolBuyer, Tier
from capabilities.user.queries import find_buyer
from capabilities.user.service import enrol_buyer, suspend_buyer
from zhongtai.demo_dates import all_dated
from zhongtai.demo_features import enter_features
from zhongtai.demo_rules import publish_demo_rules

DATA = Path(__file__).parent / "demo_data"
LINES_OF_BUSINESS = ("retail", "finance", "logistics", "tourism")

EXAMPLE_CHECKOUT: dict[str, Any] = {
    "currency": "CNY",
    "buyer_id": "b_li_na",
    "lines": [{"sku": "RT-TEA-001", "quantity": 2}, {"sku": "RT-CUP-001", "quantity": 1}],
    "delivery_sku": "RT-SHIP-STD",
    "payment_method": "sim_ok",
}
"""A checkout of the retail business that goes through: 2 × 128.00 − 15 % + 59.00 = 276.60, − 10 % = 248.94."""
EXAMPLE_TOTAL_MINOR = 248_94


def read_demo(business: str) -> dict[str, Any]:
    """What stands in the file of a line of business."""
    content: dict[str, Any] = yaml.safe_load((DATA / f"{business}.yaml").read_text(encoding="utf-8"))
    return content


def load_demo(session: Session) -> None:
    """Enter everything that is not there yet."""
    for code in LINES_OF_BUSINESS:
        content = read_demo(code)
        _enter_business(session, content["business"])
        _enter_offers(session, content)
        declare_new_offers(session, all_dated(content, partial(_offer, content, kind=OfferKind.GOODS)))
        _enter_commissions(session, content)
        _enter_buyers(session, content)
        _enter_coupons(session, content)
    publish_demo_rules(session, yaml.safe_load((DATA / "rules.yaml").read_text(encoding="utf-8")))
    enter_features(session, yaml.safe_load((DATA / "features.yaml").read_text(encoding="utf-8")))


def _enter_business(session: Session, about: dict[str, Any]) -> None:
    row = {
        "business": about["code"],
        "name_en": about["en"],
        "name_zh": about["zh"],
        "created_at": now(),
        **{key: about[key] for key in ("currency", "country", "time_zone", "locale", "prices_include_tax")},
    }
    session.execute(insert(Business).values(row).on_conflict_do_nothing())


def _enter_offers(session: Session, content: dict[str, Any]) -> None:
    business = content["business"]["code"]
    if list_offers(session, business, limit=1).offers:
        return
    for seller in content["sellers"]:
        declare_seller(
            session, DeclareSeller(business=business, id=seller["id"], name_en=seller["en"], name_zh=seller["zh"])
        )
    kinds = {"offers": OfferKind.GOODS, "deliveries": OfferKind.DELIVERY}
    declare_new_offers(
        session, [_offer(content, entry, kind) for name, kind in kinds.items() for entry in content[name]]
    )


def _offer(content: dict[str, Any], entry: dict[str, Any], kind: OfferKind) -> DeclareOffer:
    currency = content["business"]["currency"]

    def minor(key: str) -> int | None:
        return Money.of(entry[key], currency).minor if key in entry else None

    return DeclareOffer(
        business=content["business"]["code"],
        sku=entry["sku"],
        kind=kind,
        name_en=entry["en"],
        name_zh=entry["zh"],
        description_en=entry.get("about", ""),
        description_zh=entry.get("about_zh", ""),
        product=entry.get("product") or entry["sku"].rpartition("-")[0],
        category=entry.get("in", "delivery"),
        brand=entry.get("brand", ""),
        seller_id=entry["by"],
        tags=tuple(entry.get("tags", ())),
        attributes=entry.get("attributes", {}),
        currency=currency,
        unit_price_minor=minor("price") or 0,
        list_price_minor=minor("list"),
        floor_price_minor=minor("floor") or 0,
        tax_rate_bps=_bps(entry.get("tax", content["tax_percent"])),
        weight_g=entry.get("g", 0),
        on_hand_units=entry.get("stock"),
    )


def _enter_commissions(session: Session, content: dict[str, Any]) -> None:
    business = content["business"]["code"]
    if rates_of(session, business):
        return
    for entry in content["commissions"]:
        rate = CommissionRate(
            rate_bps=_bps(entry["percent"]),
            tax_rate_bps=_bps(content["commission_tax_percent"]),
            reason=f"{entry.get('by') or entry.get('in') or content['business']['en']}: {entry['percent']} %",
        )
        declare_rate(
            session, DeclareRate(business=business, seller_id=entry.get("by"), category=entry.get("in"), rate=rate)
        )


def _bps(percent: str) -> int:
    return int(Decimal(percent) * 100)


def _enter_buyers(session: Session, content: dict[str, Any]) -> None:
    business = content["business"]["code"]
    for entry in content["buyers"]:
        if find_buyer(session, business, entry["id"]) is not None:
            continue
        buyer = EnrolBuyer(
            business=business,
            id=entry["id"],
            name=entry["name"],
            email=entry["email"],
            tier=Tier(entry["tier"]),
            tags=tuple(entry.get("tags", ())),
            segments=tuple(entry.get("segments", ())),
            birthday=date.fromisoformat(entry["born"]) if "born" in entry else None,
        )
        enrol_buyer(session, buyer)
        if "suspended" in entry:
            suspend_buyer(session, business, buyer.id, entry["suspended"])


def _enter_coupons(session: Session, content: dict[str, Any]) -> None:
    business = content["business"]["code"]
    for entry in content["coupons"]:
        try:
            create_coupon(session, CreateCoupon(business=business, code=entry["code"], use_limit=entry["uses"]))
        except ConflictError:
            continue
