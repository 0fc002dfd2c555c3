"""The grocer's promises as what the platform has: price lists, segments, campaigns, coupons and one rule set.

| The grocer | Here |
|---|---|
| a week of the year | a channel, `w07`: the product prices by its own clock, and that year is over |
| what a shelf asked in a week | an entry of that week's price list |
| the shop's own reduction of a product in a week | a rule: so much off each piece |
| a campaign and the households it was sent to | a campaign, and a segment its buyers carry |
| a coupon with its products | a rule with its code: its worth, once over them; what the shop adds is a second rule |
| the days of a campaign | the weeks in which its rules hold |

Everything goes the way everything goes: rules are drafted by one person, tried, and approved by another. What is there
already stays; the same baskets make the same rules, and the same rules are not published again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy.orm import Session

from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.money import Money
from capabilities.marketing.campaigns import ChangeCampaign, CreateCampaign
from capabilities.marketing.coupon_files import import_coupons
from capabilities.marketing.price_contract import PriceEntry, PriceListTerms, SavePriceList, SetPrices
from capabilities.marketing.prices import save_price_list, set_prices
from capabilities.marketing.service_campaigns import change_campaign, create_campaign
from rules.document import RuleSetDocument, content_sha256, document_from_json
from rules.queries import live_release, rule_sets
from rules.service import approve, create_rule_set, open_draft, save_draft, submit
from zhongtai.grocer import BUSINESS, CURRENCY, Grocer, channel_of, offer_of, sku_of
from zhongtai.grocer_promotions import CouponKey, GrocerCampaign, GrocerCoupon, Promotions

DECISION = "marketing.promotions"
EDITOR, APPROVER = "the grocer's marketing", "the grocer's manager"
WHY = "What the grocer promised in that year"
SHELF, COUPON, MATCH = "shelf", "coupon", "match"
"""Tags of the three kinds of rules, and the beginnings of their ids."""
MOST_APART = 15_000


@dataclass(frozen=True, slots=True)
class Published:
    """How many rules are in force, and whether they were published just now."""

    rules: int
    is_new: bool


def segment_of(campaign: int) -> str:
    """The segment of the households a campaign was sent to, which is also the campaign's own name."""
    return f"campaign-{campaign}"


def code_of(key: CouponKey) -> str:
    return f"{key[0]}-{key[1]}"


def weeks_of(campaign: GrocerCampaign) -> list[int]:
    """The weeks of the year a campaign touches; the grocer's weeks begin on Mondays, the first on 26 December 2016."""
    first = date(2016, 12, 26)
    weeks = {
        (campaign.begins + timedelta(days=n) - first).days // 7 + 1
        for n in range((campaign.ends - campaign.begins).days + 1)
    }
    return sorted(week for week in weeks if 1 <= week <= 53)


# --- the rules --------------------------------------------------------------------------------------------------


def rules_of(grocer: Grocer, promotions: Promotions, *, most_apart: int = MOST_APART) -> RuleSetDocument:
    """A rule a reduction, a rule a coupon and a rule what the shop adds to it, in one document.

    Where there are more than `most_apart` reductions, those of one amount in one week share a rule: a rule set holds at
    most 20,000.
    """
    reductions: dict[tuple[int, int, int | None], list[int]] = defaultdict(list)
    reduced = {where: shelf.reduction_minor for where, shelf in promotions.shelves.items() if shelf.reduction_minor}
    for (week, product), off_minor in reduced.items():
        reductions[week, off_minor, product if len(reduced) <= most_apart else None].append(product)
    rules = [
        _reduction(grocer, week, off, products) for (week, off, _), products in sorted(reductions.items(), key=str)
    ]
    for coupon in promotions.coupons.values():
        weeks = weeks_of(promotions.campaigns[coupon.key[1]])
        for kind, amount in ((COUPON, coupon.worth_minor), (MATCH, coupon.match_minor)):
            if weeks and amount:
                rules.append(_coupon(coupon, weeks, kind, amount))
    body = {"decision": DECISION, "name": {"en": "The grocer's year", "zh": "杂货店的一年"}, "rules": rules}
    return document_from_json(body)


def _reduction(grocer: Grocer, week: int, off_minor: int, products: Sequence[int]) -> dict[str, Any]:
    channel, off = channel_of(week), Money(off_minor, CURRENCY)
    alone = products[0] if len(products) == 1 else None
    what = f"{offer_of(grocer, alone).name_en} ({alone})" if alone else f"{len(products)} products"
    return {
        "id": f"{SHELF}-{channel}-{alone or f'by-{off_minor}'}",
        "name": f"{what}: {off} off in week {week}",
        "grain": "line",
        "stage": 10,
        "when": {
            "all": [
                {"field": "line.sku", "op": "in", "value": sorted(map(sku_of, products))},
                {"field": "order.channel", "op": "eq", "value": channel},
            ]
        },
        "effects": [{"kind": "amount_off", "amount_minor": off_minor, "apply": "each"}],
        "tags": [SHELF, channel],
    }


def _coupon(coupon: GrocerCoupon, weeks: Sequence[int], kind: str, amount_minor: int) -> dict[str, Any]:
    number, campaign_id = coupon.key
    what = "Coupon" if kind == COUPON else "What the shop adds to coupon"
    return {
        "id": f"{kind}-{number}-{campaign_id}",
        "name": f"{what} {number} of campaign {campaign_id}",
        "description": f"{len(coupon.products):,} products; its worth is told by {coupon.seen:,} lines.",
        "grain": "line",
        "stage": 20,
        "priority": 1 if kind == COUPON else 0,
        "when": {
            "all": [
                {"field": "line.sku", "op": "in", "value": sorted(map(sku_of, coupon.products))},
                {"field": "order.channel", "op": "in", "value": list(map(channel_of, weeks))},
                {"field": "buyer.segments", "op": "contains_any", "value": [segment_of(campaign_id)]},
            ]
        },
        "effects": [{"kind": "amount_off", "amount_minor": amount_minor, "apply": "across"}],
        "coupon": code_of(coupon.key),
        "campaign": segment_of(campaign_id),
        "tags": [kind, segment_of(campaign_id), *([] if coupon.seen else ["worth-guessed"])],
    }


# --- entering ---------------------------------------------------------------------------------------------------


def enter_promises(session: Session, promotions: Promotions) -> None:
    """Campaigns, started, and a code for each coupon."""
    for campaign in promotions.campaigns.values():
        name = segment_of(campaign.id)
        about = CreateCampaign(
            business=BUSINESS,
            campaign_id=name,
            name_en=f"{campaign.type}, campaign {campaign.id}, {campaign.begins} to {campaign.ends}",
            name_zh=f"{campaign.type}，第 {campaign.id} 次活动，{campaign.begins} 至 {campaign.ends}",
        )
        if create_campaign(session, about, EDITOR).status == "draft":
            change_campaign(
                session, ChangeCampaign(business=BUSINESS, campaign_id=name, act="start", reason=WHY), EDITOR
            )
    codes = "\n".join(["code", *(code_of(key) for key in promotions.coupons)])
    import_coupons(session, BUSINESS, codes)


def enter_shelves(session: Session, promotions: Promotions) -> int:
    """The price list of each week; how many prices are new or other ones."""
    prices: dict[int, list[PriceEntry]] = defaultdict(list)
    for (week, product), shelf in promotions.shelves.items():
        prices[week].append(PriceEntry(sku=sku_of(product), unit_price_minor=shelf.price_minor))
    changed = 0
    for week, entries in sorted(prices.items()):
        code = channel_of(week)
        terms = PriceListTerms(
            code=code, name_en=f"Week {week}", name_zh=f"第 {week} 周", currency=CURRENCY, channel=code
        )
        save_price_list(session, SavePriceList(business=BUSINESS, terms=terms, reason=WHY, actor=EDITOR))
        asked = SetPrices(business=BUSINESS, code=code, prices=tuple(entries), reason=WHY, actor=EDITOR)
        changed += set_prices(session, asked).changed
    return changed


def publish_rules(session: Session, document: RuleSetDocument) -> Published:
    """Put the document in force unless it is: drafted by one person, tried in a process of its own, approved by another."""
    identity = BusinessIdentity(BUSINESS)
    live = live_release(session, DECISION, identity)
    if live is not None and live.content_sha256 == content_sha256(document):
        return Published(len(document.rules), is_new=False)
    known = [found for found in rule_sets(session, BUSINESS) if found.decision == DECISION]
    rule_set = known[0] if known else create_rule_set(session, identity, DECISION, document.name, EDITOR)
    draft = open_draft(session, rule_set.id, EDITOR)
    draft = save_draft(session, rule_set.id, document, draft.revision, EDITOR)
    submission = submit(session, rule_set.id, draft.revision, EDITOR, WHY)
    approve(session, submission.id, APPROVER, WHY)
    return Published(len(document.rules), is_new=True)


def segments_of(promotions: Promotions, household: int) -> Sequence[str]:
    """The segments a household carries."""
    return [segment_of(number) for number in promotions.campaigns_of(household)]
