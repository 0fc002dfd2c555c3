"""The world of the model: three lines of business which differ in tax and in what a partial return does to discounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from capabilities.account.contract import Origin
from capabilities.account.gift_cards import issue_gift_card
from capabilities.account.points import grant_cashback
from capabilities.account.stored import GrantCashback, IssueGiftCard, card_reference
from capabilities.marketing.campaigns import ChangeCampaign, CreateCampaign, NewBudget
from capabilities.marketing.contract import CreateCoupon
from capabilities.marketing.service import create_coupon
from capabilities.marketing.service_campaigns import change_campaign, create_campaign
from capabilities.settlement.contract import CommissionRate, DeclareDestination, DeclareRate
from capabilities.settlement.service import declare_rate
from capabilities.settlement.service_payouts import declare_destination
from capabilities.transaction.contract import OfferKind
from capabilities.user.contract import EnrolBuyer
from capabilities.user.service import enrol_buyer
from tests.builders import a_business, an_offer, live_rules

CARD = 150_00
"""On the gift card of each business."""
STOCK = 14
USES = 4
BUDGET = 120_00
PERCENT_BPS = 1_050
OFF = 7_77
FROM = 50_00
FEE_BPS = 1_000
FEE_TAX_BPS = 600
WALLET = 90_00


@dataclass(frozen=True, slots=True)
class Offer:
    """Something for sale."""

    price: int
    tax_bps: int
    seller: str


OFFERS = {
    "tea": Offer(19_99, 1300, "s_one"),
    "mug": Offer(33_33, 600, "s_two"),
    "pot": Offer(7, 2300, "s_two"),
    "post": Offer(9_99, 900, "s_one"),
}
GOODS = ("tea", "mug", "pot")


@dataclass(frozen=True, slots=True)
class Way:
    """How a business sells: its tax, and what of a discount a kept piece keeps after a partial return."""

    inclusive: bool
    after_return: str


BUSINESSES = {
    "retail": Way(inclusive=True, after_return="keep"),
    "resale": Way(inclusive=False, after_return="keep"),
    "rental": Way(inclusive=False, after_return="re_evaluate"),
    "repair": Way(inclusive=True, after_return="claw_back"),
}


def code_of(business: str) -> str:
    """The code of the gift card of a business."""
    return (business.upper() + "K7Q2M9X4B0C1D3E5")[:16]


def build(session: Session) -> None:
    """Everything there is before the first checkout."""
    for business, way in BUSINESSES.items():
        _business(session, business, way)


def _business(session: Session, business: str, way: Way) -> None:
    a_business(session, business, prices_include_tax=way.inclusive)
    for sku, offer in OFFERS.items():
        goods = sku in GOODS
        an_offer(
            session,
            sku,
            business=business,
            price=offer.price,
            stock=STOCK if goods else None,
            kind=OfferKind.GOODS if goods else OfferKind.DELIVERY,
            seller=offer.seller,
            tax_rate_bps=offer.tax_bps,
        )
    _promotions(session, business, way)
    _decisions(session, business)
    _money(session, business)


def _promotions(session: Session, business: str, way: Way) -> None:
    tenth: dict[str, Any] = {
        "id": "r_tenth",
        "name": "A tenth",
        "when": {"all": []},
        "effects": [{"kind": "percent_off", "rate_bps": PERCENT_BPS, "apply": "across"}],
        "coupon": "TENTH",
        "stage": 10,
    }
    off: dict[str, Any] = {
        "id": "r_off",
        "name": "Something off",
        "when": {"all": [{"field": "order.subtotal_minor", "op": "gte", "value": FROM}]},
        "effects": [{"kind": "amount_off", "amount_minor": OFF, "apply": "across"}],
        "campaign": "autumn",
        "stage": 20,
    }
    live_rules(session, tenth, off, business=business, options={"after_return": way.after_return})
    create_coupon(session, CreateCoupon(business=business, code="TENTH", use_limit=USES))
    budget = NewBudget(counts="spend", most=BUDGET, currency="CNY")
    campaign = CreateCampaign(business=business, campaign_id="autumn", name_en="Autumn", budgets=(budget,))
    create_campaign(session, campaign, "editor")
    change_campaign(session, ChangeCampaign(business=business, campaign_id="autumn", act="start"), "editor")


def _decisions(session: Session, business: str) -> None:
    def decided(decision: str, *rules: dict[str, Any], **document: Any) -> None:
        live_rules(session, *rules, business=business, decision=decision, **document)

    at_once = {"kind": "pay_after", "days": 0, "starts": "confirmed"}
    decided("settlement.maturing", {"id": "r", "name": "At once", "stage": 10, "effects": [at_once]})
    ask = {
        "id": "r_ask",
        "name": "Goodwill is looked at",
        "grain": "refund",
        "stage": 10,
        "priority": 20,
        "when": {"all": [{"field": "refund.kind", "op": "eq", "value": "goodwill"}]},
        "effects": [{"kind": "ask", "reason": "Look at it."}],
    }
    auto = {
        "id": "r_auto",
        "name": "Else at once",
        "grain": "refund",
        "stage": 10,
        "priority": 10,
        "effects": [{"kind": "auto"}],
    }
    decided("transaction.refund_policy", ask, auto, policy="first")
    plans: tuple[dict[str, Any], ...] = (
        {"kind": "instalments", "count": 3, "days_between": 30},
        {"kind": "on_delivery"},
    )
    rules = [
        {
            "id": f"r_{plan['kind']}",
            "name": plan["kind"],
            "grain": "order",
            "stage": 10,
            "when": {"field": "order.plan", "op": "eq", "value": plan["kind"]},
            "effects": [plan],
        }
        for plan in plans
    ]
    decided("payment.terms", *rules)


def _money(session: Session, business: str) -> None:
    rate = CommissionRate(rate_bps=FEE_BPS, tax_rate_bps=FEE_TAX_BPS, reason="all")
    declare_rate(session, DeclareRate(business=business, rate=rate))
    for seller, destination in (("s_one", "CN1"), ("s_two", "once:CN2")):
        where = DeclareDestination(
            business=business, seller_id=seller, currency="CNY", destination=destination, minimum_minor=0
        )
        declare_destination(session, where)
    enrol_buyer(session, EnrolBuyer(business=business, id="ann", name="Ann"))
    code = code_of(business)
    card = IssueGiftCard(
        key=code,
        business=business,
        reference=card_reference(code),
        last4=code[-4:],
        currency="CNY",
        amount_minor=CARD,
        subject="gift",
    )
    origin = Origin(actor="tester", correlation_id="cor_1")
    issue_gift_card(session, card, origin=origin)
    grant = {"key": "w", "business": business, "buyer_id": "ann", "currency": "CNY", "subject": "gift"}
    grant_cashback(session, GrantCashback(amount_minor=WALLET, **grant), origin=origin)


def sources_of(business: str, method: str, stored: str, amount: int) -> list[dict[str, Any]]:
    """What a checkout is paid from: nothing said, stored value and a card, or two cards."""
    card = {"method": "gift_card", "amount_minor": amount, "reference": card_reference(code_of(business))}
    rest: dict[str, Any] = {"method": method}
    return {
        "": [],
        "gift_card": [card, rest],
        "wallet": [{"method": "wallet", "amount_minor": amount}, rest],
        "both": [card, {"method": "wallet", "amount_minor": 1}, rest],
        "two cards": [{"method": "sim_ok", "amount_minor": amount}, rest],
    }[stored]
